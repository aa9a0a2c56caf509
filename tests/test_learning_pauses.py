"""When detectors do not learn, from the log to the history: maintenance, changes, the machine's state, open alarms."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.clock import ManualClock
from andon.datafolder import DataFolder
from andon.models import LearningTurn, read_assignments
from andon.plant import PlantModel
from andon.readings import NS_PER_S, Event, Message, Readings, Status, Tick
from andon.records import Actor, Records
from andon.slots import SlotFiles
from detectors.contract import FORGET, HOLD, LEARN
from detectors.settings import fingerprint
from flows.learning import LearningPauses
from flows.shard import ShardEngine
from service.model_replay import learned_at, reproduce
from service.models import publish
from sinks.history import HistoryWriter
from sinks.history_reader import HistoryReader
from sinks.journal import Journal
from tests.engine_world import START_NS, body, open_engine, plant, tick
from tests.test_config import problems, write
from tests.test_group_config import WHOLE

PUMP, ABOVE = "util/pump", "util"
HOUR_NS = 3600 * NS_PER_S
PERSON = Actor("chen", "Chen Jing", "quality", "test")
LEARNING = {"while_running": True, "settle_s": 20.0, "change_s": 50.0, "alarm_h": 0.02}


def pumps(**learning: object) -> PlantModel:
    series = [
        {"tag": "vibration", "unit": "mm/s", "detect": True},
        {"tag": "state", "kind": "state", "states": ["Off", "Execute"], "every_s": 10.0},
    ]
    template = {"name": "pump", "series": series, "running": {"state": "state"}, "learning": learning}
    return plant(template=[template], asset=[{"path": PUMP, "template": "pump"}], cycle=[], rule=[])


def event(at_ns: int, name: str, asset: str = PUMP) -> bytes:
    return orjson.dumps({"ts": at_ns // 1_000_000, "asset": asset, "event": name})


def row(series: int, at_s: int, value: float, status: Status = Status.GOOD) -> Readings:
    at_ns = np.array([START_NS + at_s * NS_PER_S])
    return Readings(at_ns, np.array([series], np.int32), np.array([value]), np.array([status], np.uint8), at_ns, at_ns)


class Naive:
    """The slow twin: what the log has said so far, looked up for each row."""

    def __init__(self) -> None:
        self.maintained: dict[str, int] = {}
        self.changed: list[int] = []
        self.states: list[tuple[int, bool]] = []
        self.begun: int | None = None
        self.in_alarm = False

    def of(self, series: int, at_s: int, value: float, *, bad: bool) -> int:
        if series == 1 and not bad and at_s >= (self.states[-1][0] if self.states else -(10**9)):
            self.states.append((at_s, value == 1.0))
        if any(begin <= at_s < begin + 86_400 for begin in self.maintained.values()):
            return FORGET
        if self.changed and max(self.changed) <= at_s < max(self.changed) + 50:
            return FORGET
        if not self.runs(at_s):
            return FORGET
        if series == 0 and self.in_alarm:
            self.begun = at_s if self.begun is None else self.begun
            if at_s - self.begun < 72:
                return HOLD
        return LEARN

    def runs(self, at_s: int) -> bool:
        if not self.states or not self.states[-1][1] or at_s - self.states[-1][0] > 30:
            return False
        start = self.states[-1][0]
        for (before, ran), (after, _) in zip(self.states[-2::-1], self.states[::-1], strict=False):
            if not ran or after - before > 30:
                break
            start = before
        return at_s - start >= 20


STEP = st.one_of(
    st.tuples(st.just("row"), st.sampled_from([0, 0, 1]), st.integers(-5, 40), st.sampled_from([0.0, 1.0, 1.0, 5.0])),
    st.tuples(st.just("bad"), st.just(1), st.integers(0, 5), st.just(0.0)),
    st.tuples(st.sampled_from(["maintenance.started", "maintenance.ended", "lot.started", "product.changed"]),
              st.sampled_from([PUMP, ABOVE, "other"]), st.integers(0, 30), st.just(0.0)),
    st.tuples(st.just("tick"), st.booleans(), st.integers(0, 10), st.just(0.0)),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(STEP, max_size=60), restart=st.booleans())
def test_as_the_naive_twin(steps: Sequence[tuple[str, object, int, float]], restart: bool) -> None:
    model, naive, now_s = pumps(**LEARNING), Naive(), 0
    specs = [model.series[PUMP, tag] for tag in ("vibration", "state")]
    pauses = LearningPauses(model)
    pauses.bind(specs)
    for kind, what, later_s, value in steps:
        at_s, now_s = now_s + later_s, max(now_s, now_s + later_s)
        if kind in ("row", "bad"):
            one = row(int(what), at_s, value, Status.BAD if kind == "bad" else Status.GOOD)
            found = pauses.of(one)
            wanted = naive.of(int(what), at_s, value, bad=kind == "bad")
            assert (LEARN if found is None else int(found[0])) == wanted
        elif kind == "tick":
            mark = Tick(START_NS + at_s * NS_PER_S, 0, START_NS, 0)
            assert pauses.cuts([mark]) == [mark]
            pauses.take(mark, np.array([bool(what), True], np.uint8))
            naive.in_alarm = bool(what)
            naive.begun = naive.begun if what else None
        else:
            told = Event(START_NS + at_s * NS_PER_S, str(what), kind, {}, 0, START_NS, 0)
            assert bool(pauses.cuts([told])) == (kind != "product.changed")
            if what != "other" and kind == "maintenance.started":
                naive.maintained[str(what)] = at_s
            elif what != "other" and kind == "maintenance.ended":
                naive.maintained.pop(str(what), None)
            elif what != "other" and kind == "lot.started":
                naive.changed.append(at_s)
            for mark in pauses.cuts([told]):
                pauses.take(mark, np.zeros(2, np.uint8))
        if restart:
            kept, pauses = pauses.snapshot(), LearningPauses(model)
            pauses.restore(kept)
            pauses.bind(specs)


def log(seconds: int = 4000) -> list[Message]:
    """A reading and a tick a second; a level that is off in a maintenance, one while it stands, and a fault."""
    value = np.random.default_rng(5).normal(2.0, 0.1, seconds)
    value[1500:1700] += 3.0
    value[2000:2200] = 0.0
    value[3000:3400] += 3.0
    marks = {1490: "maintenance.started", 1710: "maintenance.ended"}
    found: list[bytes] = []
    for at, one in enumerate(value.tolist()):
        now_ns = START_NS + at * NS_PER_S
        if at in marks:
            found.append(event(now_ns, marks[at]))
        if at % 10 == 0:
            found.append(body(now_ns, PUMP, "state", "Off" if 1990 <= at < 2210 else "Execute"))
        found += [body(now_ns, PUMP, "vibration", one), tick(now_ns)]
    return [Message(at + 1, orjson.loads(one)["ts"] * 1_000_000, one) for at, one in enumerate(found)]


def told(
    model: PlantModel, folder: Path, cut: int, *, restart: bool = False
) -> tuple[list[LearningTurn], list[tuple[int, str]]]:
    """Turns of learning and alarms of models."""
    folder.mkdir(exist_ok=True)
    shard, messages, turns, alarms = open_engine(model, folder), log(), [], []
    shard.restore(None)
    for a, b in pairwise([*range(0, len(messages), cut), len(messages)]):
        out = shard.step(messages[a:b])
        turns += out.learning_turns
        alarms += [(one.time_ns, one.model) for one in out.model_alarms]
        if restart:
            state = shard.snapshot()
            shard = open_engine(model, folder)
            shard.restore(state)
    return turns, alarms


def of_vibration(turns: Sequence[LearningTurn]) -> list[tuple[int, int]]:
    return [((one.time_ns - START_NS) // NS_PER_S, one.learn) for one in turns if one.tag == "vibration"]


def test_what_pauses_is_not_learned_and_no_alarm(tmp_path: Path) -> None:
    turns, alarms = told(pumps(while_running=True, settle_s=20.0), tmp_path, 500)
    assert of_vibration(turns) == [
        (0, FORGET),
        (20, LEARN),
        (1490, FORGET),
        (1710, LEARN),
        (1990, FORGET),
        (2230, LEARN),
    ]
    seconds = [(at_ns - START_NS) // NS_PER_S for at_ns, _ in alarms]
    assert seconds
    assert all(3000 <= one < 3500 for one in seconds), seconds
    _, alarms = told(pumps(), tmp_path / "plain", 500)
    assert any(2000 <= (at_ns - START_NS) // NS_PER_S < 2210 for at_ns, _ in alarms)


def test_an_open_alarm_is_not_learned_for_its_hours(tmp_path: Path) -> None:
    turns, _ = told(pumps(while_running=True, alarm_h=0.1), tmp_path, 700)
    held = [one for one in of_vibration(turns) if one[0] >= 2900]
    assert [learn for _, learn in held] == [HOLD, LEARN]
    assert 3000 < held[0][0] < 3030
    assert held[1][0] == held[0][0] + 360


@pytest.mark.parametrize("cut", [1, 97, 100_000])
def test_the_same_however_the_log_is_cut(tmp_path: Path, cut: int) -> None:
    model = pumps(while_running=True, settle_s=20.0, change_s=30.0, alarm_h=0.1)
    turns, alarms = told(model, tmp_path / "whole", 1000)
    assert told(model, tmp_path / "again", cut, restart=cut == 97) == (turns, alarms)


def test_paused_scores_come_out_again_bit_for_bit(tmp_path: Path) -> None:
    model = pumps(while_running=True, settle_s=20.0, alarm_h=0.1)
    data = DataFolder(tmp_path / "data")
    data.create("s1", 1)
    with Records(data.records_db, "s1", ManualClock(START_NS)) as records:
        records.register_model("pumps", "ensemble", {}, fingerprint("ensemble"), PERSON, "x")
        records.evaluate_model("pumps:1", PUMP, "vibration", (0, 1), {}, PERSON, "x")
        records.promote_model(PUMP, "vibration", PERSON, "x", model="pumps:1", from_ns=START_NS - 1)
        publish(records, data)
        version, rows = records.model_version("pumps:1"), records.model_assignments()[0]
    writer, turns = HistoryWriter(data.history_db(0), 0), []
    shard = ShardEngine(model, 0, Journal(data.journal(0)), SlotFiles(data.slots(0)))
    shard.restore(None)
    shard.assign(read_assignments(data.models_json))
    messages = log()
    for begin in range(0, len(messages), 300):
        out = shard.step(messages[begin : begin + 300])
        writer.write(out)
        turns += out.learning_turns
    writer.close()
    shard.snapshot()
    history = HistoryReader([data.history_db(0)])
    assert history.learning_turns(PUMP, "vibration") == [one for one in turns if one.tag == "vibration"]
    assert {one.learn for one in turns} == {FORGET, LEARN, HOLD}
    series, span_ns = (PUMP, "vibration"), (START_NS, START_NS + 5000 * NS_PER_S)
    found = reproduce(model, data, history, version, rows, {"pumps:1": "ensemble"}, series, span_ns)
    assert found.bit_for_bit is True
    assert found.rows == 4000
    assert found.windows > 390
    history.close()


def test_before_the_first_turn_everything_was_learned() -> None:
    turns = [LearningTurn(PUMP, "vibration", 100, FORGET), LearningTurn(PUMP, "vibration", 200, LEARN)]
    assert learned_at(turns, np.array([99, 100, 199, 200])).tolist() == [LEARN, FORGET, FORGET, LEARN]
    assert learned_at([], np.array([5])).tolist() == [LEARN]


AT = "template[0].learning"
CASES = {
    "nothing says that it runs": ("[template.learning]\nwhile_running = true\n", f"{AT}.while_running", "running"),
    "settles after nothing": ("[template.learning]\nsettle_s = 5.0\n", f"{AT}.settle_s", "while_running"),
}


@pytest.mark.parametrize(("section", "path", "words"), CASES.values(), ids=CASES.keys())
def test_a_fault_names_its_place(tmp_path: Path, section: str, path: str, words: str) -> None:
    text = WHOLE.replace("while_running = true\nsettle_s = 30.0\n", "")
    text = text.replace('[template.running]\nstate = "state"\n', section)
    found = problems(write(tmp_path, text))
    mine = [one for one in found if one.place.path == path and one.code == "config.health_needs"]
    assert mine, [(one.place.path, one.code) for one in found]
    for language in ("en", "zh-CN"):
        assert words in mine[0].text(language)
