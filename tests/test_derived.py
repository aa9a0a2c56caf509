"""Rules on rates, deviations, forecasts and holes: by hand, and against the twin over random logs and cuts."""

from __future__ import annotations

import math
import pickle
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarms import derived
from alarms.derived import DerivedConditions
from alarms.rules import rule_text, why
from andon.config.models import Rule
from andon.plant import SeriesSpec
from andon.readings import Status
from tests.condition_logs import SPECS, START_NS, Row, Tick, batch, some_log
from tests.naive_derived import NaiveSlot

S = 1_000_000_000
ROOM = [
    SeriesSpec("cold/room1", tag, "number", "Cel", -50.0, 50.0, 10.0, (), None, "", True) for tag in ("air", "set", "b")
]
RISE = Rule(id="rise", on="*/air", rate_above=0.1, over_s=60.0)


def engine_of(rules, specs=ROOM):
    engine = DerivedConditions(lambda spec: [rule for rule in rules if rule.on == "*" or rule.on.endswith(spec.tag)])
    for place, spec in enumerate(specs):
        engine.bind(place, spec)
    return engine


def reading(series, second, value, status=0):
    return Row(series, START_NS + int(second * S), value, math.nan, status, START_NS + int(second * S))


def told(engine, rows):
    """(kind, start, confirmed, cleared, peak) of a whole log, seconds."""
    changes = engine.step(batch(rows, 0)[0])
    at = [
        tuple(None if one is None else (one - START_NS) / S for one in (c.start_ns, c.confirmed_ns, c.cleared_ns))
        for c in changes
    ]
    return [(c.kind, *times, round(c.peak, 6)) for c, times in zip(changes, at, strict=True)]


def ramp(values, every=10):
    return [reading(0, every * k, value) for k, value in enumerate(values)]


def test_a_rate_is_the_change_over_its_time():
    rows = ramp([5.0] * 7 + [8.0, 11.0, 14.0, 14.0, 14.0, 14.0, 14.0, 14.0, 14.0])
    rate = 9.0 / 60.0
    assert told(engine_of([RISE]), rows) == [
        ("raised", 90.0, 90.0, None, rate), ("cleared", 90.0, 90.0, 130.0, rate)
    ]  # fmt: skip


def test_a_fall_is_a_negative_rate():
    rule = Rule(id="fall", on="*/air", rate_below=-0.1, over_s=60.0)
    assert told(engine_of([rule]), ramp([5.0] * 7 + [-2.0]))[0] == ("raised", 70.0, 70.0, None, round(-7 / 60, 6))


def test_a_rate_says_nothing_before_it_looks_back_far_enough():
    assert told(engine_of([RISE]), ramp([0.0, 20.0, 40.0, 60.0, 80.0, 100.0])) == []


def test_a_deviation_follows_both_its_series():
    rule = Rule(id="apart", on="*/air", deviates_from="set", by=1.0)
    rows = [reading(0, 0, 5.0), reading(1, 5, 5.0), reading(0, 10, 6.5), reading(1, 20, 6.0), reading(1, 30, 9.0)]
    assert told(engine_of([rule]), rows) == [
        ("raised", 10.0, 10.0, None, 1.5), ("cleared", 10.0, 10.0, 20.0, 1.5), ("raised", 30.0, 30.0, None, -2.5),
    ]  # fmt: skip


def test_a_deviation_needs_its_reference():
    rule = Rule(id="apart", on="*/air", deviates_from="set", by=1.0)
    assert told(engine_of([rule]), ramp([5.0, 500.0])) == []


def test_a_forecast_is_raised_before_the_limit_is_reached():
    rule = Rule(id="soon", on="*/air", above=8.0, forecast_s=120.0, over_s=60.0)
    rows = ramp([5.0 + 0.1 * k for k in range(40)])  # 0.01 Cel/s: 8.0 is reached after 300 s
    kind, start, _, _, _ = told(engine_of([rule]), rows)[0]
    assert (kind, start) == ("raised", 190.0)  # at 180 s exactly 120 s are left: not below


def test_a_forecast_beyond_the_limit_is_now():
    rule = Rule(id="soon", on="*/air", outside=(2.0, 8.0), forecast_s=120.0, over_s=60.0)
    assert told(engine_of([rule]), [reading(0, 0, 9.0)]) == [("raised", 0.0, 0.0, None, 0.0)]


def test_a_hole_is_found_when_rows_come_again():
    rule = Rule(id="hole", on="*/air", gap_s=60.0)
    rows = [reading(0, 0, 5.0), reading(0, 60, 5.0), reading(0, 70, 5.0, 2), reading(0, 121, 5.0)]
    assert told(engine_of([rule]), rows) == [
        ("raised", 60.0, 121.0, None, 61.0), ("cleared", 60.0, 121.0, 121.0, 61.0)
    ]  # fmt: skip


def test_late_rows_change_nothing():
    rules = [
        RISE,
        Rule(id="hole", on="*/air", gap_s=60.0),
        Rule(id="soon", on="*/air", above=8, forecast_s=9, over_s=9),
    ]
    rows = ramp([5.0] * 20)
    mixed = [one for k, row in enumerate(rows) for one in (row, *([reading(0, 10 * k - 15, 99.0)] if k > 2 else []))]
    assert told(engine_of(rules), mixed) == told(engine_of(rules), rows) == []


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_sentences_say_what_was_compared(language):
    rules = [
        RISE, Rule(id="apart", on="*/air", deviates_from="set", by=1.0), Rule(id="hole", on="*/air", gap_s=60.0),
        Rule(id="soon", on="*/air", above=50.5, forecast_s=600.0, over_s=60.0),
    ]  # fmt: skip
    rows = [reading(1, 0, 5.0), *ramp([5.0] * 7 + [25.0]), reading(0, 1000, 25.0)]
    changes = engine_of(rules).step(batch(rows, 0)[0])
    texts = {change.rule_id: why(change, language) for change in changes if change.kind == "raised"}
    assert texts.keys() == {"rise", "apart", "hole", "soon"}
    for rule, part in {"rise": "0.1 °C/s", "apart": "cold/room1/set", "hole": "15.5", "soon": "50.5"}.items():
        assert part in texts[rule]
        assert "?" not in texts[rule]
        assert "{" not in texts[rule]


# Against the twin

RULES = (
    {"rate_above": 0.2, "over_s": 10.0}, {"rate_below": -0.02, "over_s": 20.0, "deadband": 0.01},
    {"deviates_from": "other/twin", "by": 2.0, "deadband": 0.5}, {"gap_s": 30.0},
    {"above": 9.0, "forecast_s": 20.0, "over_s": 30.0}, {"outside": (0.0, 9.0), "forecast_s": 60.0, "over_s": 90.0},
)  # fmt: skip
TWIN_SPECS = [*SPECS[:2], replace(SPECS[2], asset="other", tag="twin")]
TWIN_SPECS[1] = replace(TWIN_SPECS[1], tag="b")


def some_rules(rng):
    rules = []
    for place in range(rng.randint(1, 4)):
        shape = rng.choice(RULES)
        delays = (
            {} if "gap_s" in shape else {"delay_s": rng.choice((0.0, 3.0, 20.0)), "off_delay_s": rng.choice((0.0, 9.0))}
        )
        rules.append(Rule(id=f"rule{place}", on="*", **shape, **delays))
    return rules


def rules_of(rules, spec):
    return [] if spec.asset == "other" else rules


def run(rules, log, cuts, restarts):
    """restarts: places, or place -> the rules that go on there."""
    engine = DerivedConditions(lambda spec: rules_of(rules, spec))
    for place, spec in enumerate(TWIN_SPECS):
        engine.bind(place, spec)
    changes, at = [], 0
    while at < len(log):
        if at in restarts:
            kept = pickle.loads(pickle.dumps(engine.snapshot()))
            now = restarts[at] if isinstance(restarts, dict) else rules
            engine = DerivedConditions(lambda spec, now=now: rules_of(now, spec))
            engine.restore(kept, TWIN_SPECS)
        if isinstance(log[at], Tick):
            changes += engine.tick(log[at].time, at)
            at += 1
            continue
        end = at + 1
        while end < len(log) and isinstance(log[end], Row) and end not in cuts and end not in restarts:
            end += 1
        changes += engine.step(batch(log[at:end], at)[0])
        at = end
    return changes


def run_naive(rules, log):
    slots = [NaiveSlot(rule, spec) for spec in TWIN_SPECS[:2] for rule in rules]
    changes = []
    for at, one in enumerate(log):
        if isinstance(one, Tick):
            changes += [change for slot in slots for change in slot.judge.tick(one.time, at)]
            continue
        if one.status >= Status.BAD or not math.isfinite(one.value):
            continue
        spec, new = TWIN_SPECS[one.series], []
        for slot in slots:
            if slot.spec is spec:
                new += slot.take(slot.subject(one.time, one.value), one, at)
            elif spec.path == slot.rule.deviates_from:
                new += slot.take(slot.reference(one.time, one.value), one, at)
        changes += sorted(new, key=lambda change: change.condition != "gap")
    return changes


def plain(changes):
    """Without evidence; figures of a fit to 6 digits, since the twin adds in another order."""
    return [replace(one, evidence={}, peak=float(f"{one.peak:.6g}")) for one in changes]


@pytest.mark.parametrize("seed", range(12))
def test_long_random_logs(seed):
    rng = random.Random(seed)
    rules, log = some_rules(rng), some_log(rng, 800)
    cuts = set(rng.sample(range(800), rng.choice((0, 20, 400))))
    restarts = set(rng.sample(range(800), rng.choice((0, 5, 30))))
    assert plain(run(rules, log, cuts, restarts)) == plain(run_naive(rules, log))


def test_the_random_logs_reach_every_kind():
    seen = Counter()
    for seed in range(12):
        rng = random.Random(seed)
        seen += Counter((one.condition, one.kind) for one in run(some_rules(rng), some_log(rng, 800), set(), set()))
    kinds = ("rate_above", "rate_below", "deviation", "forecast", "gap")
    assert {(condition, kind) for condition in kinds for kind in ("raised", "cleared")} == seen.keys()


@given(st.randoms(use_true_random=False), st.integers(1, 120), st.data())
@settings(max_examples=60)
def test_any_cut_and_any_restart_give_the_same_changes(rng, length, data):
    rules, log = some_rules(rng), some_log(rng, length)
    cuts = data.draw(st.sets(st.integers(0, length)))
    restarts = data.draw(st.sets(st.integers(0, length), max_size=4))
    whole = run(rules, log, set(), set())
    assert run(rules, log, cuts, restarts) == whole
    assert plain(whole) == plain(run_naive(rules, log))


# Rules that change


@given(st.randoms(use_true_random=False), st.integers(20, 200), st.data())
@settings(max_examples=60)
def test_changed_rules_at_any_place(rng, length, data):
    """No condition is told twice, left without its end by a change, or ended under another rule than it began."""
    log = some_log(rng, length)
    configurations = [some_rules(rng) for _ in range(3)]
    places = data.draw(st.dictionaries(st.integers(0, length - 1), st.integers(0, 2), max_size=6))
    restarts = {place: configurations[which] for place, which in places.items()}
    cuts = data.draw(st.sets(st.integers(0, length)))
    changes = run(configurations[0], log, cuts, restarts)
    assert changes == run(configurations[0], log, set(), restarts)
    open_, starts = {}, set()
    for change in changes:
        point = (change.asset, change.tag, change.rule_id)
        if change.kind == "raised":
            assert point not in open_
            assert (*point, change.start_ns) not in starts
            starts.add((*point, change.start_ns))
            open_[point] = change
        else:
            begun = open_.pop(point)
            assert (begun.start_ns, begun.rule_version) == (change.start_ns, change.rule_version)


def restarted(engine, rules, specs=ROOM):
    fresh = engine_of(rules, [])
    fresh.restore(pickle.loads(pickle.dumps(engine.snapshot())), specs)
    return fresh


def test_another_limit_leaves_the_points_alone():
    engine = engine_of([RISE])
    told(engine, ramp([5.0] * 7))
    engine = restarted(engine, [RISE.model_copy(update={"rate_above": 0.2})])
    assert told(engine, [reading(0, 70, 18.0)]) == [("raised", 70.0, 70.0, None, round(13 / 60, 6))]


def test_an_open_condition_keeps_its_old_rule_and_the_new_one_waits():
    engine = engine_of([RISE])
    told(engine, ramp([5.0] * 7 + [25.0]))
    new = RISE.model_copy(update={"over_s": 20.0})
    engine = restarted(engine, [new])
    rows = [reading(0, 80 + 10 * k, 45.0 + 5 * k) for k in range(4)]
    assert told(engine, rows) == []  # still open, under the old rule
    engine = restarted(engine, [new])
    assert [one[0] for one in told(engine, [reading(0, 120 + 10 * k, 60.0) for k in range(9)])] == ["cleared"]
    engine.tick(START_NS + 210 * S, 99)
    (change,) = engine.step(batch([reading(0, 220, 90.0)], 100)[0])
    assert (change.kind, change.evidence["over_s"]) == ("raised", 20.0)


def test_a_removed_rule_stays_until_it_clears():
    engine = engine_of([RISE])
    told(engine, ramp([5.0] * 7 + [25.0]))
    engine = restarted(engine, [])
    assert [one[0] for one in told(engine, [reading(0, 80 + 10 * k, 25.0) for k in range(9)])] == ["cleared"]
    engine.tick(START_NS + 170 * S, 99)
    assert told(engine, ramp([500.0] * 3)) == []
    assert told(restarted(engine, []), ramp([900.0] * 3)) == []


def test_state_of_another_layout_is_refused():
    with pytest.raises(ValueError, match="layout 99"):
        engine_of([]).restore((99,), [])


def test_latching_is_told():
    engine = engine_of([RISE.model_copy(update={"latching": True})])
    changes = engine.step(batch(ramp([5.0] * 7 + [25.0]), 0)[0])
    assert [change.latching for change in changes] == [True]


def test_a_batch_without_rows_of_slots_costs_nothing():
    engine = engine_of([RISE])
    rows = batch([reading(2, k, 1.0) for k in range(5)], 0)[0]
    assert engine.step(rows) == []
    assert isinstance(rows.value, np.ndarray)


def hundred_rooms():
    """The rule with an open condition on each of a hundred series; and their specs."""
    specs = [replace(ROOM[0], asset=f"cold/room{at}") for at in range(100)]
    engine = engine_of([RISE], specs)
    values = [5.0] * 7 + [8.0, 11.0, 14.0]
    rows = [reading(series, 10 * at, value) for at, value in enumerate(values) for series in range(100)]
    assert len(engine.step(batch(rows, 0)[0])) == 100
    return engine, specs


@pytest.mark.parametrize("today", [RISE, RISE.model_copy(update={"over_s": 90.0})], ids=["same", "changed"])
def test_a_rule_is_written_once_and_not_once_a_series(monkeypatch, today):
    written = Counter()

    def counted(rule):
        written[rule.over_s] += 1
        return rule_text(rule)

    monkeypatch.setattr(derived, "rule_text", counted)
    engine, specs = hundred_rooms()
    before = [engine.snapshot() for _ in range(3)]
    assert (before[0] == before[1] == before[2], written) == (True, {RISE.over_s: 1})
    assert [text for _, text in before[0][2]] == [rule_text(RISE)] * 100
    written.clear()
    again = DerivedConditions(lambda spec: [today])
    again.restore(pickle.loads(pickle.dumps(before[0])), specs)
    after = [again.snapshot() for _ in range(3)]
    assert after[0] == after[2]
    assert written.keys() == {RISE.over_s, today.over_s}
    assert max(written.values()) <= 2, "as it was read back, and as it is today"
    assert {text for _, text in after[0][2]} == {rule_text(RISE), rule_text(today)}
