"""Drift of models in the flow: from rows to the history and the command line, whoever judges, however it is cut."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from andon.conditions import ConditionChange
from andon.datafolder import DataFolder
from andon.models import Assignment, ModelDrift, ModelUse, Signal
from andon.outputs import ShardOutputs
from andon.plant import SeriesSpec
from andon.readings import NS_PER_S, Message, Readings
from andon.why import why_params, why_sentence
from detectors.drift_watch import WINDOW_NS
from flows.detection import Detection
from flows.drift_alarms import RULE, DriftAlarms
from operators.duplicates import AHEAD
from sinks.history import HistoryWriter
from tests.command_line import Terminal, andon, site
from tests.engine_world import body, open_engine, plant, tick
from tests.test_models_command import path, series

__all__ = ["andon", "path", "site"]  # fixtures

PUMP, FAN, VALVE = ("util/pump", "vibration"), ("util/fan", "current"), ("util/valve", "position")
SPECS = [
    SeriesSpec(*path, "number", "1", -np.inf, np.inf, 1.0, (), None, detect, True)
    for path, detect in ((PUMP, "ensemble"), (FAN, "ewma"), (VALVE, ""))
]
START_NS = 90_000 * WINDOW_NS
EACH_NS = 450 * NS_PER_S  # 16 rows of each of three series in a window of six hours
PARTS = ("models", "ewma", "ensemble", "drift")


def rows(days: int, jump_day: int) -> Readings:
    """Of the series in turn; on and after that day all are ten spreads higher."""
    number = np.arange(days * 86_400 * NS_PER_S // EACH_NS)
    time_ns = START_NS + number * EACH_NS
    value = np.random.default_rng(4).normal(20.0, 0.1, len(number))
    value[number * EACH_NS >= jump_day * 86_400 * NS_PER_S] += 1.0
    zero = np.zeros(len(number), np.uint8)
    return Readings(time_ns, (number % 3).astype(np.int32), value, zero, number, time_ns)


def detection(assigned: Sequence[Assignment], kept: Sequence[object] = ()) -> Detection:
    made = Detection()
    for part, state in zip((made, made.ewma, made.ensemble, made.drift), kept, strict=False):
        part.restore(state)
    made.bind(SPECS)
    made.assign(assigned)
    return made


def drifts(given: Readings, assigned: Sequence[Assignment] = (), cuts: Sequence[int] = ()) -> list[ModelDrift]:
    """What a detection tells that is stopped and goes on from its snapshot at each cut."""
    now, found = detection(assigned), []
    for a, b in pairwise(sorted({0, len(given), *cuts})):
        if a:
            now = detection(assigned, [part.snapshot() for part in (now, now.ewma, now.ensemble, now.drift)])
        now.score(given.rows(slice(a, b)), np.full(b - a, AHEAD, np.uint8))
        found += [one for _, one in now.take_drifts()]
    assert now.take_drifts() == []
    return found


def test_every_judged_series_is_watched_whatever_its_detector() -> None:
    found = [one for one in drifts(rows(14, 9)) if one.signal == "input"]
    assert {(one.asset, one.tag, one.model) for one in found} == {(*PUMP, "plant:ensemble"), (*FAN, "plant:ewma")}
    for one in found:
        assert 9 * 86_400 * NS_PER_S < one.time_ns - START_NS <= 11 * 86_400 * NS_PER_S
        assert (one.before, one.after) == (pytest.approx(20.0, abs=0.05), pytest.approx(21.0, abs=0.05))


@pytest.mark.parametrize("cuts", [(700,), (1_900, 1_901, 2_100), range(0, 2_688, 61)], ids=["one", "close", "many"])
def test_the_same_drifts_however_the_log_is_cut(cuts: Sequence[int]) -> None:
    whole = drifts(rows(14, 9))
    assert whole
    assert drifts(rows(14, 9), (), [cut for cut in cuts if cut]) == whole


def test_another_champion_begins_with_a_reference_of_its_own() -> None:
    use = ModelUse("ewma:1", "ewma", 7.0, "")
    at_jump = Assignment(START_NS + 9 * 86_400 * NS_PER_S, *PUMP, use, None)
    assert PUMP not in {(one.asset, one.tag) for one in drifts(rows(14, 9), [at_jump])}
    before = replace(at_jump, since_ns=START_NS + 86_400 * NS_PER_S)
    found = drifts(rows(14, 9), [before])
    assert {one.model for one in found if (one.asset, one.tag) == PUMP} == {"ewma:1"}


def test_a_shard_keeps_its_watch_over_a_restart_and_gives_its_drifts_out_once(tmp_path: Path) -> None:
    def told(cut: int, folder: str, *, restart: bool) -> tuple[list[ModelDrift], list[ConditionChange]]:
        (tmp_path / folder).mkdir()
        drifts, alarms, state, shard = [], [], None, open_engine(plant(), tmp_path / folder)
        for begin in range(0, len(messages), cut):
            if restart:
                shard = open_engine(plant(), tmp_path / folder)
                shard.restore(state)
            out = shard.step(messages[begin : begin + cut])
            drifts += out.model_drifts
            alarms += [one for one in out.conditions if one.rule_id == RULE]
            state = shard.snapshot()
        return drifts, alarms

    messages = []
    for number in range(13 * 24):  # a reading an hour, ten spreads higher from the ninth day on
        now_ns = START_NS + number * 3600 * NS_PER_S
        value = 2.0 + 0.1 * (number % 7) + 1.0 * (number >= 9 * 24)
        messages.append(Message(2 * number + 1, now_ns, body(now_ns, *PUMP, value)))
        messages.append(Message(2 * number + 2, now_ns, tick(now_ns)))
    drifts, alarms = told(len(messages), "whole", restart=False)
    assert ("input", "plant:ensemble") in {(one.signal, one.model) for one in drifts}
    assert told(97, "cut", restart=True) == (drifts, alarms)
    assert told(1, "single", restart=False) == (drifts, alarms)
    raised, cleared = alarms
    assert (raised.kind, raised.asset, raised.tag, raised.start_ns) == ("raised", *PUMP, drifts[0].time_ns)
    assert (raised.condition, raised.peak) == (f"drift_{drifts[0].signal}", drifts[0].after)
    assert raised.evidence == {"model": "plant:ensemble", "expected": drifts[0].before, "value_unit": raised.unit}
    assert (cleared.kind, cleared.cleared_ns) == ("cleared", drifts[-1].time_ns + 86_400 * NS_PER_S)


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize(
    ("signal", "levels"), [("input", "2 bar 3.5 bar"), ("score", "2 3.5"), ("alarm_rate", "200 % 350 %")]
)
def test_an_alarm_says_what_drifted_from_where_to_where(signal: Signal, levels: str, language: str) -> None:
    alarms = DriftAlarms(lambda *_: replace(SPECS[0], unit="bar"))
    alarms.note([(7, ModelDrift(*PUMP, "ensemble:1", signal, START_NS, 2.0, 3.5))])
    assert alarms.tick(START_NS, 7) == []
    (raised,) = alarms.tick(START_NS, 8)
    params = why_params(*PUMP, raised.limit, raised.unit, raised.peak, raised.out_s, raised.evidence)
    sentence = why_sentence(raised.condition, language, params)
    assert all(part in sentence for part in (*PUMP, *levels.split())), sentence


def test_a_drift_within_a_day_of_another_belongs_to_its_alarm() -> None:
    def drift(at_ns: int, signal: Signal) -> list[tuple[int, ModelDrift]]:
        return [(0, ModelDrift(*PUMP, "ensemble:1", signal, at_ns, 2.0, 3.5))]

    alarms, hour_ns = DriftAlarms(lambda *_: SPECS[0]), 3600 * NS_PER_S
    changes = []
    for hour in range(60):
        if hour in (0, 12):
            alarms.note(drift(START_NS + hour * hour_ns, "input" if hour else "score"))
        changes += alarms.tick(START_NS + (hour + 1) * hour_ns, 1)
        kept, alarms = alarms.snapshot(), DriftAlarms(lambda *_: SPECS[0])
        alarms.restore(kept)
    assert [(one.kind, one.condition, one.start_ns) for one in changes] == [
        ("raised", "drift_score", START_NS), ("cleared", "drift_score", START_NS),
    ]  # fmt: skip
    assert changes[1].cleared_ns == START_NS + 36 * hour_ns


def test_the_command_line_shows_the_last_of_each_series_and_signal(
    andon: Terminal, site: DataFolder, path: str
) -> None:
    asset, tag = series()
    first = ModelDrift(asset, tag, "plant:ensemble", "input", START_NS, 2.0, 3.5)
    last = replace(first, time_ns=START_NS + WINDOW_NS, before=3.5, after=5.25)
    rate = replace(first, signal="alarm_rate", before=0.0, after=0.125)
    writer = HistoryWriter(site.history_db(0), 0)
    writer.write(ShardOutputs(0, 0, 1, START_NS, 1, model_drifts=[first, last, rate]))
    writer.close()
    told = json.loads(andon("models", "list", "--json"))["drifts"]
    assert [(one["series"], one["signal"], one["before"], one["after"]) for one in told] == [
        (path, "input", 3.5, 5.25), (path, "alarm_rate", 0.0, 0.125),
    ]  # fmt: skip
    andon("models", "list")
    assert "alarm rate" in andon.out
    assert "5.25" in andon.out
