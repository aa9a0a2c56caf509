"""Published vectors, an independent check on a grid of seconds, and the edges one by one."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.conditions import ConditionEngine
from andon.conditions import ConditionChange
from andon.config.models import Rule
from andon.plant import SeriesSpec
from andon.readings import NS_PER_S, Readings, Status
from tests.condition_logs import Row, Tick, run_engine, some_log, some_rules

DAY_S = 86_400
SPEC = SeriesSpec("cold/room1", "air", "number", "Cel", -50.0, 50.0, 10.0, (), None, True, True)
NAN = math.nan


class Bench:
    """One series; times in seconds, a row is received when it happens unless told otherwise."""

    def __init__(self, *rules: Rule, spec: SeriesSpec = SPEC) -> None:
        self.engine = ConditionEngine(lambda _: rules)
        self.engine.bind(0, spec)
        self.offset = 0
        self.changes: list[ConditionChange] = []

    def row(self, time_s: float, value: float, *, score=NAN, status=Status.GOOD, received_s=None):
        self.offset += 1
        time = np.array([round(time_s * NS_PER_S)])
        received = time if received_s is None else np.array([round(received_s * NS_PER_S)])
        readings = Readings(
            time, np.zeros(1, np.int32), np.array([value]), np.array([status], np.uint8),
            np.array([self.offset]), received,
        )  # fmt: skip
        return self._note(self.engine.step(readings, np.array([score])))

    def rows(self, *pairs: tuple[float, float], received_s=None):
        return [change for time_s, value in pairs for change in self.row(time_s, value, received_s=received_s)]

    def tick(self, time_s: float):
        self.offset += 1
        return self._note(self.engine.tick(round(time_s * NS_PER_S), self.offset))

    def _note(self, changes):
        self.changes += changes
        return changes


def above(**more) -> Rule:
    return Rule(id="high", on="*", above=8.0, **more)


def told(changes):
    """(kind, start, confirmed, cleared) in seconds."""
    return [
        (one.kind, one.start_ns / NS_PER_S, one.confirmed_ns / NS_PER_S, one.cleared_ns and one.cleared_ns / NS_PER_S)
        for one in changes
    ]


# Vectors


def test_excursion_with_hold_off_and_hysteresis():
    """Minutes 0-70, limit 8, hysteresis 0.5, hold-off 15 min; the single sample beyond at 60 min is not confirmed."""
    values = [5, 7, 8.2, 8.4, 9, 9.5, 8.6, 7.8, 7.9, 8.1, 7.4, 6, 8.5, 7, 5]
    bench = Bench(above(deadband=0.5, delay_s=900))
    bench.rows(*((300 * place, value) for place, value in enumerate(values)))
    raised, cleared = bench.changes
    assert told(bench.changes) == [("raised", 600, 1500, None), ("cleared", 600, 1500, 3000)]
    assert (cleared.peak, cleared.out_s / 60) == (9.5, 30)
    assert (raised.peak, raised.out_s / 60, raised.limit, raised.unit) == (9.0, 15, 8.0, "Cel")


def test_alarm_delay():
    """1 Hz, limit 8, deadband 0.5, on 3 s, off 2 s: on at 6, off at 11."""
    values = [7, 8.1, 7.9, 8.2, 8.3, 8.4, 8.6, 7.8, 7.6, 7.4, 7.3, 7.2, 7.1]
    bench = Bench(above(deadband=0.5, delay_s=3, off_delay_s=2))
    bench.rows(*enumerate(values))
    assert told(bench.changes) == [("raised", 3, 6, None), ("cleared", 3, 6, 11)]


# The same on a grid of seconds


def grid_conditions(values, rule):
    """From the definition: a value is held for its second; whole runs of seconds decide. The last one is an instant."""
    last, second, found = len(values) - 1, 0, []

    def lasts(seconds, start, length):
        """Every second of the run, and the instant it starts, is one of these; it ends by the last row."""
        return start + length <= last and all(at in seconds for at in (start, *range(start, start + length)))

    beyond = {at for at, value in enumerate(values) if value > rule.above}
    inside = {
        at for at, value in enumerate(values)
        if (value < rule.above - rule.deadband if rule.deadband else value <= rule.above)
    }  # fmt: skip
    on, off = int(rule.delay_s), int(rule.off_delay_s)
    while second <= last:
        if not lasts(beyond, second, on):
            second += 1
            while second - 1 in beyond and second in beyond:  # the same crossing, which ended too early
                second += 1
            continue
        found.append(("raised", second, second + on, None))
        back = next((at for at in range(second + on, last + 1) if lasts(inside, at, off)), None)
        if back is None:
            break
        found.append(("cleared", second, second + on, back + off))
        second = back + off
    return found


@given(
    st.lists(st.tuples(st.sampled_from([7.0, 7.5, 7.6, 8.0, 8.1, 9.0]), st.integers(1, 6)), min_size=1, max_size=25),
    st.sampled_from([0.0, 0.5]), st.integers(0, 6), st.integers(0, 6),
)  # fmt: skip
def test_agrees_with_a_grid_of_seconds(stretches, deadband, delay_s, off_delay_s):
    """Rows at whole seconds, held for 1 to 6 of them."""
    rule = above(deadband=deadband, delay_s=delay_s, off_delay_s=off_delay_s)
    bench, held, second = Bench(rule), [], 0
    for value, lasts in stretches:
        bench.row(second, value)
        held += [value] * lasts
        second += lasts
    seen = held[: second - stretches[-1][1] + 1]  # up to the last row
    assert told(bench.changes) == grid_conditions(seen, rule)


# Values


@pytest.mark.parametrize(
    ("rule", "values", "limit", "peak"),
    [
        (above(), (7.0, 8.0, 8.1, 9.0, 8.5), 8.0, 9.0),
        (Rule(id="low", on="*", below=2.0), (3.0, 2.0, 1.9, 0.5, 1.0), 2.0, 0.5),
        (Rule(id="band", on="*", outside=(2.0, 8.0)), (2.0, 8.0, 8.5, 1.9, -3.0), 8.0, -3.0),
        (Rule(id="band", on="*", outside=(2.0, 8.0)), (2.0, 8.0, 1.5, 20.0, 5.0), 2.0, 20.0),
    ],
)
def test_limits_are_strict_and_the_peak_is_the_furthest_value(rule, values, limit, peak):
    bench = Bench(rule)
    assert bench.rows((0, values[0]), (10, values[1])) == []
    assert [one.kind for one in bench.row(20, values[2])] == ["raised"]
    bench.rows((30, values[3]), (40, values[4]))
    cleared = bench.changes[-1] if bench.changes[-1].kind == "cleared" else bench.row(50, 5.0)[0]
    assert (cleared.limit, cleared.peak) == (limit, peak)


def test_the_limit_itself_resets_and_ends_without_a_deadband():
    bench = Bench(above(delay_s=20))
    assert bench.rows((0, 9.0), (10, 8.0), (20, 9.0), (30, 9.0)) == []
    assert told(bench.row(40, 9.0)) == [("raised", 20, 40, None)]
    assert told(bench.row(50, 8.0)) == [("cleared", 20, 40, 50)]


def test_inside_the_deadband_nothing_ends_and_no_time_counts():
    bench = Bench(above(deadband=0.5, off_delay_s=20))
    bench.rows((0, 9.0), (10, 7.8), (20, 7.5), (30, 7.4), (40, 7.5), (50, 7.4), (70, 8.0))
    assert told(bench.changes[1:]) == [("cleared", 0, 0, 70)]
    assert bench.changes[-1].out_s == 10


def test_a_held_value_confirms_exactly_at_the_delay_before_the_next_row_counts():
    bench = Bench(above(delay_s=60))
    bench.rows((0, 9.0), (59, 9.5))
    raised, cleared = bench.row(400, 5.0)
    assert told([raised, cleared]) == [("raised", 0, 60, None), ("cleared", 0, 60, 400)]
    assert (raised.peak, raised.out_s, cleared.out_s) == (9.5, 60, 400)


@pytest.mark.parametrize("value", [NAN, math.inf, -math.inf])
@pytest.mark.parametrize("status", [Status.GOOD, Status.BAD])
def test_what_is_no_usable_reading_changes_nothing(value, status):
    bench = Bench(above(delay_s=20), Rule(id="silent", on="*", stale_s=25.0))
    bench.row(0, 9.0)
    assert bench.row(100, value, status=status) == []
    assert bench.row(10, 99.0, status=Status.BAD) == []
    assert told(bench.tick(20)) == [("raised", 0, 20, None)]
    assert told(bench.tick(25)) == [("raised", 0, 25, None)]
    assert bench.row(26, 5.0)[0].found_late is False


def test_uncertain_readings_count():
    bench = Bench(above())
    assert [one.kind for one in bench.row(0, 9.0, status=Status.UNCERTAIN)] == ["raised"]


def test_counter_sized_values_and_jumps_of_decades():
    bench = Bench(Rule(id="much", on="*", above=1e15, delay_s=1e9))
    bench.rows((-20 * 365 * DAY_S, 1e16), (60 * 365 * DAY_S, 2e16))
    assert [one.peak for one in bench.changes] == [1e16]
    assert bench.row(200 * 365 * DAY_S, 0.0)[0].peak == 2e16


def test_delays_beyond_every_calendar_never_end():
    bench = Bench(above(delay_s=1e300, off_delay_s=1e18))
    bench.rows((0, 9.0), (50 * 365 * DAY_S, 9.0))
    assert bench.tick(60 * 365 * DAY_S) == []


# Equal stamps


def test_conditions_at_the_same_instant_never_share_an_identity():
    bench = Bench(above())
    bench.rows((10, 9.0), (10, 7.0), (10, 9.0), (10, 7.0), (20, 9.0))
    starts = [one.start_ns for one in bench.changes if one.kind == "raised"]
    assert len(starts) == len(set(starts)) >= 2
    assert starts[0] == 10 * NS_PER_S


# Ticks


def test_ticks_complete_delays_in_the_time_of_the_series():
    """The device lags 100 s behind; its value counts from when it was measured, not from when it came."""
    bench = Bench(above(delay_s=60, off_delay_s=30))
    bench.row(0, 9.0, received_s=100)
    assert bench.tick(159) == []
    raised = bench.tick(160)
    assert told(raised) == [("raised", 0, 60, None)]
    assert raised[0].offset == bench.offset
    bench.row(90, 5.0, received_s=190)
    assert bench.tick(219) == []
    assert told(bench.tick(221)) == [("cleared", 0, 60, 120)]


def test_a_row_under_way_may_show_that_it_returned_before():
    """The record keeps the truth: cleared before it was confirmed, one second beyond the limit."""
    bench = Bench(above(delay_s=5))
    bench.row(100, 9.0)
    bench.tick(105)
    cleared = bench.row(101, 7.0, received_s=106)[0]
    assert told([cleared]) == [("cleared", 100, 105, 101)]
    assert cleared.out_s == 1


def test_a_clock_set_back_an_hour_neither_stalls_nor_hurries():
    bench = Bench(above(delay_s=60), Rule(id="silent", on="*", stale_s=90.0))
    bench.tick(4000)
    bench.row(4000, 9.0, received_s=4000)
    for second in range(1, 59):
        assert bench.tick(400 + second) == []  # 3,600 s back
    assert [one.rule_id for second in range(59, 63) for one in bench.tick(400 + second)] == ["high"]
    assert [one.rule_id for second in range(63, 93) for one in bench.tick(400 + second)] == ["silent"]
    bench.row(4095, 9.0, received_s=4095)  # the log's stamps wait for the clock
    assert all(bench.tick(500 + second) == [] for second in range(88))
    assert [one.rule_id for second in range(88, 93) for one in bench.tick(500 + second)] == ["silent"]
    bench.row(4190, 5.0, received_s=4190)
    assert all(bench.tick(4195 + second) == [] for second in range(80))  # put right again


def test_ticks_before_any_row_and_without_rules():
    assert Bench().tick(5) == []
    assert Bench(Rule(id="silent", on="*", stale_s=1.0)).tick(5000) == []


# Stale and stuck


def test_stale_from_the_newest_reading_until_the_next():
    bench = Bench(Rule(id="silent", on="*", stale_s=60.0))
    bench.rows((0, 21.0), (10, 21.5))
    assert bench.tick(69) == []
    raised = bench.tick(70)[0]
    assert told([raised]) == [("raised", 10, 70, None)]
    assert (raised.limit, raised.unit, raised.peak, raised.out_s) == (60.0, "s", 60.0, 60.0)
    assert raised.evidence == {"value": 21.5, "value_unit": "Cel"}
    assert bench.tick(500) == []
    assert bench.row(5, 21.0, received_s=600) == []  # a backlog does not wake it
    cleared = bench.row(1000, 21.0)[0]
    assert told([cleared]) == [("cleared", 10, 70, 1000)]
    assert cleared.peak == cleared.out_s == 990


def test_stuck_needs_rows_that_do_not_move():
    bench = Bench(Rule(id="frozen", on="*", stuck_s=60.0, deadband=0.1))
    bench.rows((0, 5.0), (30, 5.1), (50, 4.9))
    assert bench.tick(1000) == []
    raised = bench.row(60, 5.05)[0]
    assert told([raised]) == [("raised", 0, 60, None)]
    assert (raised.peak, raised.evidence["value"]) == (60.0, 5.0)
    assert bench.row(90, 5.0) == []
    cleared = bench.row(120, 5.2)[0]
    assert told([cleared]) == [("cleared", 0, 60, 120)]
    assert cleared.out_s == 120


def test_stuck_does_not_bridge_a_gap_of_its_own_length():
    bench = Bench(Rule(id="frozen", on="*", stuck_s=60.0))
    assert bench.rows((0, 5.0), (61, 5.0), (100, 5.0)) == []
    assert told(bench.row(121, 5.0)) == [("raised", 61, 121, None)]


# Anomaly


def test_anomaly_follows_the_score_and_leaves_out_what_is_not_scored():
    bench = Bench(Rule(id="odd", on="*", anomaly=3.0, delay_s=20, off_delay_s=10))
    for time_s, score in [(0, 2.9), (10, 3.0), (20, NAN), (25, 5.0)]:
        assert bench.row(time_s, 1.0, score=score) == []
    raised = bench.row(30, 1.0, score=NAN)[0]
    assert told([raised]) == [("raised", 10, 30, None)]
    assert (raised.peak, raised.limit, raised.unit) == (5.0, 3.0, "1")
    bench.row(40, 1.0, score=2.0)
    assert told(bench.row(55, 1.0, score=9.0))[:1] == [("cleared", 10, 30, 50)]


# Late rows: tests/test_late.py


@pytest.mark.parametrize("seed", range(8))
def test_without_a_journal_late_rows_change_nothing(seed):
    """Every row behind its series made bad: the changes stay, bit for bit."""
    rng = random.Random(seed)
    rules, log, newest, without = [some_rules(rng, 4, least=2)], some_log(rng, 800), {}, []
    for one in log:
        behind = isinstance(one, Row) and one.time < newest.get(one.series, one.time)
        without.append(one._replace(status=Status.BAD) if behind else one)
        if isinstance(one, Row) and not behind and one.status != Status.BAD and math.isfinite(one.value):
            newest[one.series] = one.time
    assert run_engine(rules, log, set(), {}) == run_engine(rules, without, set(), {})
    assert any(not isinstance(one, Tick) and one.status == Status.BAD for one in without)


# Size and calls


def test_more_changes_than_the_output_holds_at_once():
    """400 rows of 40 rules each raise and clear 40 conditions: every one is told, in order."""
    rules = [Rule(id=f"r{place}", on="*", above=float(place)) for place in range(40)]
    engine = ConditionEngine(lambda _: rules)
    engine.bind(0, SPEC)
    times = np.arange(400) * NS_PER_S
    readings = Readings(
        times, np.zeros(400, np.int32), np.tile([50.0, -50.0], 200), np.zeros(400, np.uint8), np.arange(400), times
    )
    changes = engine.step(readings, np.full(400, NAN))
    assert [(one.rule_id, one.kind, one.offset) for one in changes] == [
        (rule.id, "cleared" if at % 2 else "raised", at) for at in range(400) for rule in rules
    ]


def test_thousands_of_series_fall_silent_in_one_tick():
    count = 5000
    engine = ConditionEngine(lambda spec: [Rule(id="silent", on="*", stale_s=5.0)] if spec.tag != "t7" else [])
    for place in range(count):
        engine.bind(place, SeriesSpec("area/m", f"t{place}", "number", "Cel", -50, 50, 1, (), None, False, True))
    assert len(engine) == count
    times = np.zeros(count, np.int64)
    readings = Readings(
        times, np.arange(count, dtype=np.int32), np.ones(count), np.zeros(count, np.uint8), times, times
    )
    engine.step(readings, np.full(count, NAN))
    silent = engine.tick(5 * NS_PER_S, 1)
    assert [one.tag for one in silent] == [f"t{place}" for place in range(count) if place != 7]


def test_wrong_calls_are_refused():
    engine = ConditionEngine(lambda _: [])
    with pytest.raises(ValueError, match="the next id is 0"):
        engine.bind(1, SPEC)
    engine.bind(0, SPEC)
    readings = Readings.empty()
    assert engine.step(readings, np.empty(0)) == []
    one = np.zeros(1, np.int64)
    row = Readings(one, np.array([1], np.int32), np.ones(1), np.zeros(1, np.uint8), one, one)
    with pytest.raises(ValueError, match=r"bound are 0\.\.0"):
        engine.step(row, np.ones(1))
    with pytest.raises(ValueError, match="rows in one batch"):
        engine.step(row, np.ones(2))
    with pytest.raises(ValueError, match="exactly one limit"):
        ConditionEngine(lambda _: [Rule(id="none", on="*")]).bind(0, SPEC)
