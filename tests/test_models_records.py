"""Models in the records: how a version comes into force and goes again, who may do it, and that nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from andon.clock import ManualClock
from andon.errors import AccessError, RecordsError
from andon.readings import NS_PER_S
from andon.records import Actor, Records, verify_audit
from andon.records.canonical import digest
from andon.records.model_rows import TrainingData
from andon.records.models import LEAD_NS
from tests.records_world import OPERATOR, QUALITY, START_NS, fresh

ENGINEER = Actor("zhao", "Zhao Lei", "engineer", "10.0.0.9")
SERIES = ("cold/room1", "air")
DAY = (START_NS, START_NS + 86_400 * NS_PER_S)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START_NS)


@pytest.fixture
def records(tmp_path: Path, clock: ManualClock) -> Records:
    return fresh(tmp_path, clock)


def register(records: Records, days: float = 7.0, name: str = "ensemble") -> str:
    return records.register_model(name, "ensemble", {"false_alarm_days": days}, "0f3a", ENGINEER, "calmer").key


def in_force(records: Records) -> tuple[str | None, str | None]:
    rows = records.model_assignments()[0]
    return rows[-1].champion, rows[-1].challenger


def promoted(records: Records, days: float) -> str:
    model = register(records, days)
    records.evaluate_model(model, *SERIES, DAY, {"days": days}, ENGINEER, "measured")
    records.promote_model(*SERIES, QUALITY, "better", model=model)
    return model


def test_a_version_comes_into_force_step_by_step_and_each_step_is_in_the_audit_trail(
    records: Records, clock: ManualClock
) -> None:
    trained = TrainingData("cold/room1/air", *DAY, "ab" * 32)
    one = records.register_model(
        "ensemble", "ensemble", {"false_alarm_days": 30}, "0f3a", ENGINEER, "r", trained=trained
    )
    assert (one.key, one.status, one.evaluations, one.parameters) == (
        "ensemble:1",
        "candidate",
        0,
        {"false_alarm_days": 30},
    )
    assert (one.trained_on, one.trained_from_ns, one.trained_hash) == ("cold/room1/air", DAY[0], "ab" * 32)
    records.challenge_model(*SERIES, "ensemble:1", ENGINEER, "to be tried")
    with pytest.raises(RecordsError) as caught:
        records.promote_model(*SERIES, QUALITY, "it is good")
    assert caught.value.code == "models.not_evaluated"
    content = {"alarms": 3, "recall": 0.5}
    kept = records.evaluate_model("ensemble:1", *SERIES, DAY, content, ENGINEER, "a week of it")
    assert (kept.content, kept.hash, kept.seq) == (content, digest(content), 1)
    clock.advance(60.0)
    said = records.promote_model(*SERIES, QUALITY, "it is good")
    assert (said.champion, said.challenger, said.kind) == ("ensemble:1", None, "promote")
    assert said.since_ns == START_NS + 60 * NS_PER_S + LEAD_NS
    assert records.model_version("ensemble:1").status == "approved"
    trail = records.audit_trail()
    assert [(row.action, row.actor_id, row.reason) for row in trail] == [
        ("model.registered", "zhao", "r"), ("model.challenged", "zhao", "to be tried"),
        ("model.evaluated", "zhao", "a week of it"), ("model.promoted", "chen.jing", "it is good"),
    ]  # fmt: skip
    assert trail[-1].object_id == "cold/room1/air"
    assert verify_audit(records).ok


def test_rollback_goes_back_step_by_step_past_retired_ones_and_never_forth(records: Records) -> None:
    first, second, third = (promoted(records, days) for days in (1.0, 2.0, 3.0))
    assert [first, second, third] == ["ensemble:1", "ensemble:2", "ensemble:3"]
    records.retire_model(second, QUALITY, "was noisy")
    assert records.roll_back_model(*SERIES, ENGINEER, "night shift drowns").champion == first
    assert records.roll_back_model(*SERIES, ENGINEER, "still").champion is None
    with pytest.raises(RecordsError) as caught:
        records.roll_back_model(*SERIES, ENGINEER, "still")
    assert caught.value.code == "models.nothing_before"
    records.promote_model(*SERIES, QUALITY, "mended", model=third)
    assert records.roll_back_model(*SERIES, ENGINEER, "no").champion is None
    assert len(records.model_assignments()[0]) == 7


def test_a_rollback_over_the_same_model_twice(records: Records) -> None:
    first, second = (promoted(records, days) for days in (1.0, 2.0))
    records.promote_model(*SERIES, QUALITY, "back by decision", model=first)
    records.retire_model(second, QUALITY, "noisy")
    assert records.roll_back_model(*SERIES, QUALITY, "neither").champion is None


def test_a_challenger_is_kept_by_what_does_not_concern_it(records: Records) -> None:
    first = promoted(records, 1.0)
    other = register(records, 5.0)
    records.challenge_model(*SERIES, other, ENGINEER, "try")
    second = promoted(records, 2.0)
    assert in_force(records) == (second, other)
    records.challenge_model(*SERIES, first, ENGINEER, "the old one beside")
    records.roll_back_model(*SERIES, ENGINEER, "worse")
    assert in_force(records) == (first, None)  # nobody challenges himself
    for model in (first, ""):  # the champion itself; and the end of what is not there
        with pytest.raises(RecordsError) as caught:
            records.challenge_model(*SERIES, model, ENGINEER, "x")
        assert caught.value.code == "models.already"


REFUSED = {
    "unknown": ("models.unknown", lambda r: r.challenge_model(*SERIES, "other:1", ENGINEER, "x")),
    "no-name": ("models.name", lambda r: r.challenge_model(*SERIES, "ensemble", ENGINEER, "x")),
    "name": ("models.name", lambda r: r.register_model("Big One", "ensemble", {}, "f", ENGINEER, "x")),
    "plant": ("models.name", lambda r: r.register_model("plant", "ensemble", {}, "f", ENGINEER, "x")),
    "twice": ("models.known", lambda r: register(r, 7.0)),
    "no-challenger": ("models.no_challenger", lambda r: r.promote_model(*SERIES, QUALITY, "x")),
    "no-reason": ("records.reason_missing", lambda r: r.challenge_model(*SERIES, "ensemble:1", ENGINEER, " ")),
    "in-use": ("models.in_use", lambda r: (promoted(r, 9.0), r.retire_model("ensemble:2", QUALITY, "x"))),
    "retired": ("models.retired", lambda r: (r.retire_model("ensemble:1", QUALITY, "x"),
                                             r.challenge_model(*SERIES, "ensemble:1", ENGINEER, "x"))),
}  # fmt: skip


@pytest.mark.parametrize(("code", "act"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_is_refused_in_words(records: Records, code: str, act) -> None:
    register(records)
    with pytest.raises(RecordsError) as caught:
        act(records)
    assert caught.value.code == code
    assert "{" not in caught.value.text("en") + caught.value.text("zh-CN")
    assert verify_audit(records).ok


def test_who_makes_a_model_does_not_put_it_into_force(records: Records) -> None:
    register(records)
    records.evaluate_model("ensemble:1", *SERIES, DAY, {}, ENGINEER, "x")
    for act in (
        lambda: records.promote_model(*SERIES, ENGINEER, "mine", model="ensemble:1"),
        lambda: records.retire_model("ensemble:1", ENGINEER, "x"),
        lambda: records.challenge_model(*SERIES, "ensemble:1", OPERATOR, "x"),
        lambda: records.roll_back_model(*SERIES, OPERATOR, "x"),
    ):
        before = len(records.audit_trail())
        with pytest.raises(AccessError):
            act()
        assert len(records.audit_trail()) == before


def test_a_clock_that_was_set_back_does_not_undo_what_was_decided(records: Records, clock: ManualClock) -> None:
    promoted(records, 1.0)
    since_ns = records.model_assignments()[0][-1].since_ns
    clock.time_ns -= 3600 * NS_PER_S
    assert records.roll_back_model(*SERIES, ENGINEER, "x").since_ns == since_ns + 1
    assert records.challenge_model("a", "b", "ensemble:1", ENGINEER, "x", from_ns=17).since_ns == 17
