"""Sensitivity of an asset, and rules that follow the alarms of its detectors: configuration, flow, conditions."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from alarms.conditions import ConditionEngine
from alarms.rules import TOLD_LEAST, limit_of
from andon.config.models import Rule
from andon.plant import SeriesSpec, rule_version
from andon.readings import NS_PER_S, Readings
from detectors.alarm_manager import AlarmManager, AlarmSettings
from detectors.ensemble import EnsembleDetector
from flows.detection import Detection
from operators.duplicates import AHEAD
from tests import engine_world
from tests.engine_world import START_NS

TOLD = Rule(id="odd", on="*", anomaly=True)
NAN = math.nan


def spec(tag="a", detect="ensemble", days=None):
    return SeriesSpec("util/pump", tag, "number", "1", -np.inf, np.inf, 1.0, (), None, detect, True, None, days)


def plant_of(asset_days=None, template_days=None, own_days=None):
    asset = {"path": "util/pump", "template": "pump", "series": [{"tag": "d", "detect": "ewma"}]}
    template = {"name": "pump", "series": [
        {"tag": "a", "detect": True}, {"tag": "b"}, {"tag": "c", "detect": True, "false_alarm_days": own_days},
    ]}  # fmt: skip
    if asset_days:
        asset["false_alarm_days"] = asset_days
    if template_days:
        template["false_alarm_days"] = template_days
    model = engine_world.plant(template=[template], asset=[asset], rule=[], cycle=[])
    return {tag: one.false_alarm_days for (_, tag), one in model.series.items()}


def test_the_series_of_an_asset_share_its_budget():
    assert plant_of() == {"a": None, "b": None, "c": None, "d": None}
    assert plant_of(template_days=30.0) == {"a": 90.0, "b": None, "c": 90.0, "d": 90.0}
    assert plant_of(template_days=30.0, asset_days=60.0) == {"a": 180.0, "b": None, "c": 180.0, "d": 180.0}
    assert plant_of(asset_days=60.0, own_days=5.0) == {"a": 120.0, "b": None, "c": 5.0, "d": 120.0}


@pytest.mark.parametrize("value", [0, 0.0, -1.0, False, "yes", NAN])
def test_an_anomaly_rule_asks_for_a_score_or_for_the_alarms(value):
    with pytest.raises(ValidationError):
        Rule(id="odd", on="*", anomaly=value)


def test_a_score_of_one_is_not_true():
    one = Rule(id="odd", on="*", anomaly=1)
    assert one.anomaly is not True
    assert Rule.model_validate_json(one.model_dump_json()).anomaly == 1.0
    assert Rule.model_validate_json(TOLD.model_dump_json()).anomaly is True
    assert rule_version(one) != rule_version(TOLD)


def test_the_limit_told_is_the_least_that_can_be_an_alarm():
    assert AlarmSettings().threshold == TOLD_LEAST == limit_of(TOLD, upper=True)


def rows_of(value, series=0):
    n = len(value)
    time_ns = START_NS + np.arange(n) * 10 * NS_PER_S
    ids = np.full(n, series, np.int32)
    return Readings(time_ns, ids, np.asarray(value), np.zeros(n, np.uint8), np.arange(n, dtype=np.int64), time_ns)


def noisy(n=4000, seed=3, size=3.0):
    rng = np.random.default_rng(seed)
    value = rng.normal(20.0, 0.1, n)
    for at in range(1500, n, 700):
        value[at : at + 5] += size
    return value


def held_of(days, cuts=(), detect="ensemble", *, tells=True, size=3.0):
    """(score, held) of the rows; at each cut a new detection goes on from a snapshot."""
    rows, score, held, kept = rows_of(noisy(size=size)), [], [], None
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(rows)), len(rows)]
    for begin, end in pairwise(edges):
        detection = Detection(lambda _spec: tells)
        for part, state in zip((detection, detection.ewma, detection.ensemble), kept or (), strict=False):
            part.restore(state)
        detection.bind([spec(detect=detect, days=days)])
        part = rows.rows(slice(begin, end))
        score.append(detection.score(part, np.full(end - begin, AHEAD, np.uint8)).score)
        held.append(detection.take_held())
        kept = [part.snapshot() for part in (detection, detection.ewma, detection.ensemble)]
    return np.concatenate(score), np.concatenate(held)


def test_an_alarm_is_held_until_its_episode_is_over():
    """The naive twin: from the row of the alarm to 50 rows and an hour after the last high score."""
    rows = rows_of(noisy())
    score, held = held_of(7.0)
    expected, told, last = [], False, None
    alarm = AlarmManager(1).step(rows.series, rows.time_ns, EnsembleDetector(1).score_many(
        rows.series, rows.time_ns, rows.value).score)  # fmt: skip
    beyond = math.log10(7.0 * 86_400 / 10.0) + 0.8
    for at in range(len(rows)):
        if score[at] >= beyond:
            last = at
        told = (told and last is not None and (at - last <= 50 or (at - last) * 10 <= 3600)) or bool(alarm[at])
        expected.append(told)
    assert held.astype(bool).tolist() == expected
    assert 0.02 < held.mean() < 0.9


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 3999), max_size=5))
def test_any_split_and_restart_holds_the_same(cuts):
    whole, parts = held_of(7.0), held_of(7.0, cuts)
    for one, other in zip(whole, parts, strict=True):
        assert one.tobytes() == other.tobytes()


def test_sensitivity_moves_alarms_and_no_score():
    often, seldom = held_of(0.5, size=0.55), held_of(3000.0, size=0.55)
    assert often[0].tobytes() == seldom[0].tobytes()
    begins = [int(np.count_nonzero(np.diff(held.astype(int)) == 1)) for _, held in (often, seldom)]
    assert begins[0] > begins[1]
    assert held_of(3000.0)[1].any()


def test_the_cheap_detectors_alarms_are_counted_where_somebody_asks():
    assert not held_of(None, detect="ewma", tells=False)[1].any()
    assert held_of(None, detect="ewma", tells=True)[1].any()
    assert held_of(30.0, detect="ewma", tells=False)[1].any()


def test_state_without_told_alarms_is_taken_over():
    one = Detection(lambda _spec: True)
    one.bind([spec()])
    one.score(rows_of(noisy()), np.full(4000, AHEAD, np.uint8))
    _, *older = one.snapshot()[:4]
    other = Detection(lambda _spec: True)
    other.restore((1, *older))
    other.bind([spec()])
    assert not other.champions.told.any()


def conditions(rule, score, held):
    engine, n = ConditionEngine(lambda _spec: [rule]), len(score)
    engine.bind(0, spec())
    return [
        (one.kind, (one.start_ns - START_NS) // (10 * NS_PER_S), one.peak, one.limit)
        for one in engine.step(rows_of(np.zeros(n)), np.array(score), np.array(held, np.uint8))
    ]


def test_a_rule_follows_the_alarm_whatever_the_score():
    score = [1.0, 9.0, 7.0, 0.3, NAN, 0.2, 12.0, 0.1]
    held = [0, 0, 1, 1, 0, 1, 0, 0]
    assert conditions(TOLD, score, held) == [("raised", 2, 7.0, TOLD_LEAST), ("cleared", 2, 7.0, TOLD_LEAST)]
    scored = Rule(id="odd", on="*", anomaly=6.5)
    assert [one[:2] for one in conditions(scored, score, held)] == [
        ("raised", 1), ("cleared", 1), ("raised", 6), ("cleared", 6),
    ]  # fmt: skip


@pytest.mark.parametrize("cut", [3, 1000])
def test_in_the_flow_a_fault_is_one_alarm_that_says_what_moved(cut):
    model = engine_world.plant(
        template=[{"name": "pump", "series": [{"tag": "vibration", "unit": "mm/s", "detect": True}],
                   "false_alarm_days": 30.0}],
        asset=[{"path": "util/pump", "template": "pump"}], cycle=[],
        rule=[{"id": "odd", "on": "util/*/vibration", "anomaly": True, "raises": "maintenance_order"}],
    )  # fmt: skip
    value = np.random.default_rng(4).normal(3.0, 0.05, 900)
    value[700:720] += 2.0
    log = []
    for at, one in enumerate(value.tolist()):
        now = START_NS + at * 10 * NS_PER_S
        log += [(now, engine_world.body(now, "util/pump", "vibration", round(one, 4))), (now, engine_world.tick(now))]
    raised = [one for one in engine_world.run(log, cut, model=model).conditions if one["kind"] == "raised"]
    assert [(one["rule_id"], (one["start_ns"] - START_NS) // (10 * NS_PER_S)) for one in raised] == [("odd", 700)]
    assert raised[0]["condition"] == "anomaly"
    assert raised[0]["limit"] == TOLD_LEAST
    assert raised[0]["peak"] > 6.0
    assert {"component", "expected", "spread", "since_ns"} <= raised[0]["evidence"].keys()
