"""Why an anomaly was raised: kernel against its twin, and the engine's evidence, which no cut and no crash changes."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarms.rules import why
from andon.clock import ManualClock
from andon.conditions import REASON, ConditionChange
from andon.config.models import Plant
from andon.i18n import LANGUAGES, catalogue
from andon.plant import PlantModel
from andon.records import SYSTEM_FLOW, Records
from andon.why import has_sentence
from detectors.contract import NO_PART, Scored
from detectors.ensemble import EnsembleDetector
from detectors.ewma import EwmaDetector
from detectors.reasons import FLOOR, Deviation, Reasons
from tests.engine_world import START_NS, S, body, run, tick
from tests.records_world import cleared, raised


def twin(rows):
    """The run of one series after (time, value, score, part, expected, spread), from its description."""
    lasts = []
    for row in rows:
        if math.isnan(row[2]):
            continue
        lasts = [*lasts, row] if row[2] >= FLOOR else []
    if not lasts:
        return None
    time_ns, value, _, part, expected, spread = max(lasts, key=lambda row: row[2])  # the first of equals
    known = [None if math.isnan(one) else one for one in (expected, spread)]
    return None if part == NO_PART else Deviation(part, value, *known, time_ns, lasts[0][0])


SCORES = st.sampled_from([0.0, 1.9, FLOOR, 3.0, 5.0, 5.0, 12.0, math.nan])
ROWS = st.lists(
    st.tuples(st.integers(0, 2), SCORES, st.integers(0, 3), st.sampled_from([20.0, math.nan])), max_size=60
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(ROWS, st.lists(st.integers(0, 60), max_size=4), st.integers(0, 60))
def test_equals_its_twin_after_any_split_and_restore_and_as_of_any_row(rows, cuts, ahead):
    n = len(rows)
    series, score = np.array([row[0] for row in rows], np.int32), np.array([row[1] for row in rows], np.float64)
    part = np.array([row[2] for row in rows], np.uint8)
    scored = Scored(score, part, np.array([row[3] for row in rows], np.float64), np.full(n, 0.1))
    time_ns, value = np.arange(n), np.arange(n) / 4.0
    noted = min(ahead, n)  # the rest is not noted yet
    reasons = Reasons(3)
    edges = sorted({0, noted, *(cut for cut in cuts if cut < noted)})
    for a, b in pairwise(edges):
        reasons.note(series[a:b], time_ns[a:b], value[a:b], scored.rows(slice(a, b)))
        kept = Reasons(1)
        kept.restore(reasons.snapshot())
        kept.grow(3)
        reasons = kept
    before = reasons.snapshot()
    columns = zip(series, time_ns, value, score, part, scored.expected, strict=True)
    told = [tuple(one.item() for one in row) for row in columns]
    for one in range(3):
        own = np.flatnonzero(series == one)
        found = reasons.as_of(one, time_ns, value, scored, own[own >= noted])
        assert found == twin([(*row[1:], 0.1) for row in told if row[0] == one])
    assert reasons.snapshot() == before


@pytest.mark.parametrize("wrong", [(99, b""), (1, b"7 bytes")])
def test_a_snapshot_of_another_kind_is_refused(wrong):
    with pytest.raises(ValueError, match="layout"):
        Reasons(1).restore(wrong)


def pump(detect):
    return PlantModel(Plant.model_validate({
        "schema": 1, "enterprise": {"id": "e"}, "site": {"id": "s1"},
        "template": [{"name": "pump", "series": [{"tag": "vibration", "unit": "mm/s", "detect": detect}]}],
        "asset": [{"path": "util/pump", "template": "pump"}],
        "rule": [{"id": "odd", "on": "util/*/vibration", "anomaly": 5.0, "delay_s": 3.0, "raises": "none"}],
    }))  # fmt: skip


def log(rise):
    """1,500 s of a steady pump, then its vibration rises within ten seconds and stays there."""
    noise = np.random.default_rng(3).normal(2.0, 0.05, 1600).round(4).tolist()
    said = [one + rise * min(max(at - 1500, 0), 10) / 10 for at, one in enumerate(noise)]
    messages = []
    for at, one in enumerate(said):
        now_ns = START_NS + at * S
        messages.append((now_ns, body(now_ns, "util/pump", "vibration", one)))
        if at % 7 == 0:
            messages.append((now_ns, tick(now_ns)))
    return messages, said


KINDS = {"ewma": EwmaDetector, "ensemble": EnsembleDetector}


@pytest.mark.parametrize(("detect", "kind"), KINDS.items())
def test_the_evidence_says_what_moved_by_how_much_and_since_when(detect, kind):
    messages, said = log(1.5)
    model = pump(detect)
    whole = run(messages, len(messages), model=model)
    (alarm,) = [change for change in whole.conditions if change["kind"] == "raised"]
    told = alarm["evidence"]
    assert set(told) == {"journal", "context", *REASON}
    assert told["detector"] == detect
    assert told["component"] in kind.PARTS
    assert told["value_unit"] == "mm/s"
    at = (told["at_ns"] - START_NS) // S
    assert told["value"] == pytest.approx(said[at])
    assert abs(told["expected"] - 2.0) < 0.4
    assert 0.0 < told["spread"] < 0.2
    assert START_NS + 1500 * S <= told["since_ns"] <= alarm["start_ns"] <= alarm["confirmed_ns"]
    for cut, restart in ((1, False), (113, True)):
        assert run(messages, cut, model=model, restart=restart).conditions == whole.conditions


def test_people_are_told_in_both_languages():
    messages, _ = log(1.5)
    (alarm,) = [c for c in run(messages, 500, model=pump("ensemble")).conditions if c["kind"] == "raised"]

    change = ConditionChange(**alarm)
    english, chinese = (why(change, language) for language in ("en", "zh-CN"))
    assert "mm/s where 2" in english
    assert "正常值为 2" in chinese
    assert why(ConditionChange(**{**alarm, "evidence": {}}), "en") in english


def test_every_component_of_every_detector_has_its_words():
    for language in LANGUAGES:
        for kind in KINDS.values():
            for part in kind.PARTS:
                assert f"alarms.component.{part}" in catalogue(language), part
        assert has_sentence("moved", language)
        assert has_sentence("unusual", language)


def test_the_reason_stays_with_the_alarm_through_all_that_follows(tmp_path):
    """The flow tells it when it raises; the end, and what late data corrects, know nothing of it."""
    reason = {"detector": "ensemble", "component": "step", "value": 3.0, "value_unit": "mm/s", "expected": 2.0,
              "spread": 0.1, "since_ns": 5, "at_ns": 6}  # fmt: skip
    first = raised(condition="anomaly", limit=5.0, unit="1", peak=7.0, evidence={"journal": "a", **reason})
    other = raised(condition="above", evidence={"component": "step"}, rule_id="no-anomaly")
    with Records(tmp_path / "records.db", "szh1", ManualClock(START_NS)) as records:
        records.apply_conditions([first, other], SYSTEM_FLOW)
        for later in (
            cleared(first, evidence={"journal": "b"}),
            cleared(first, kind="revised", evidence={"journal": "c"}),
        ):
            records.apply_conditions([later], SYSTEM_FLOW)
            (alarm,) = [one for one in records.alarms() if one.rule_id == first.rule_id]
            assert alarm.evidence == {**later.evidence, **reason}
            assert records.apply_conditions([later], SYSTEM_FLOW) == 0, "the same again changes nothing"
        records.apply_conditions([cleared(other, evidence={})], SYSTEM_FLOW)
        assert [one.evidence for one in records.alarms() if one.rule_id == "no-anomaly"] == [{}]
