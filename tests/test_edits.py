"""Each part of a log is judged by the rules that were in force when it was received."""

from __future__ import annotations

from pathlib import Path

import pytest

from andon.clock import ManualClock
from andon.config.models import Rule
from andon.readings import Message
from flows.edits import MOST, RuleEdits, under
from tests.engine_world import START_NS, S, Seen, body, open_engine, plant, tick

OLD, NEW, NEWER = ([Rule(id="warm", on="*", above=limit)] for limit in (8.0, 7.0, 6.0))


def log(*received_ns: int) -> list[Message]:
    return [Message(offset, at, b"") for offset, at in enumerate(received_ns, 1)]


def parts(edits: RuleEdits, *received_ns: int) -> list[tuple[float | None, list[int]]]:
    """The limit of each part, and its stamps."""
    return [
        (edits.rules(number)[0].above, [message.received_ns for message in part])
        for number, part in edits.parts(log(*received_ns))
    ]


def test_the_first_rules_judge_everything(tmp_path: Path) -> None:
    edits = RuleEdits(tmp_path / "rules.json", OLD, ManualClock(50))
    assert parts(edits, 1, 50, 99) == [(8.0, [1, 50, 99])]
    assert parts(edits) == [(8.0, [])]


def test_other_rules_judge_what_is_received_after_their_first_start(tmp_path: Path) -> None:
    path, clock = tmp_path / "rules.json", ManualClock(50)
    RuleEdits(path, OLD, clock)
    RuleEdits(path, NEW, clock)
    for again in (60, 70):  # killed and started again with the same: that start counts no more
        clock.time_ns = again
        edits = RuleEdits(path, NEW, clock)
        assert parts(edits, 1, 50, 51, 99) == [(8.0, [1, 50]), (7.0, [51, 99])]
    edits = RuleEdits(path, OLD, clock)
    assert parts(edits, 50, 60, 71) == [(8.0, [50]), (7.0, [60]), (8.0, [71])]


def test_stamps_that_run_back_do_not_bring_old_rules_back(tmp_path: Path) -> None:
    path, clock = tmp_path / "rules.json", ManualClock(50)
    RuleEdits(path, OLD, clock)
    edits = RuleEdits(path, NEW, clock)
    assert parts(edits, 40, 60, 45) == [(8.0, [40]), (7.0, [60, 45])]


def test_only_so_many_are_kept(tmp_path: Path) -> None:
    path, clock = tmp_path / "rules.json", ManualClock()
    for number in range(3 * MOST):
        clock.time_ns = number * 10
        edits = RuleEdits(path, (OLD, NEW, NEWER)[number % 3], clock)
    assert edits.now == MOST - 1
    assert parts(edits, 1)[0][0] == (8.0, 7.0, 6.0)[2 * MOST % 3]


def test_a_file_that_cannot_be_read_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    for text in ("{", "[{}]", '[{"since_ns": 0, "rules": ["{\\"no\\": 1}"]}]'):
        path.write_text(text)
        edits = RuleEdits(path, NEW, ManualClock(50))
        assert parts(edits, 1, 99) == [(7.0, [1, 99])]


def test_only_the_rules_of_a_plant_are_others() -> None:
    model = plant()
    assert under(model, model.config.rule) is model
    other = under(model, OLD)
    assert other.config.rule == OLD
    assert (other.assets, other.series.keys()) == (model.assets, model.series.keys())


@pytest.mark.parametrize("second", [5, 35, 45, 70])
def test_to_go_over_to_other_rules_is_a_start_with_them(tmp_path: Path, second: int) -> None:
    """Before, while it is not confirmed, while it is open, after it: as a stop and a start with another plant.toml."""
    other = plant(rule=[{"id": "warm", "on": "cold/*/air", "above": 7.0, "delay_s": 5.0, "raises": "quality_event"}])
    told = []
    for at in range(100):
        now = START_NS + at * S
        told += [body(now, "cold/room", "air", 9.0 if 30 <= at < 60 else 7.5 if at < 65 else 5.0), tick(now)]
    messages = [Message(offset, START_NS + (offset - 1) // 2 * S, raw) for offset, raw in enumerate(told, 1)]
    went, started = Seen(), Seen()
    one, two = open_engine(plant(), tmp_path / "went"), open_engine(plant(), tmp_path / "started")
    for engine, seen in ((one, went), (two, started)):
        engine.restore(None)
        seen.take(engine.step(messages[: 2 * second]))
    one.judge_by(other.config.rule)
    state, two = two.snapshot(), open_engine(other, tmp_path / "started")
    two.restore(state)
    for engine, seen in ((one, went), (two, started)):
        seen.take(engine.step(messages[2 * second :]))
        assert engine.snapshot() is engine.snapshot()
    assert went == started
    assert {one["rule_id"] for one in went.conditions} >= {"warm"}
