"""WHO PQS alarms: the twin minute by minute, any split, a new trip."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.who_pqs import MINUTE_NS, RULES, SETS, WhoMachine, WhoRule
from tests.machine_runs import inputs_of, run

END = 120
SHORT = (
    WhoRule("warm", 8.0, 10, inclusive=False),
    WhoRule("cold", -0.5, 6, above=False),
    WhoRule("all", 30.0, 15, in_all=True),
)
values_st = st.sampled_from([-1.0, -0.5, 5.0, 8.0, 8.1, 30.0, 31.0])
segments_st = st.lists(st.tuples(st.integers(1, 20), values_st), max_size=12)
cuts_st = st.lists(st.integers(0, END * 2).map(lambda half: half * MINUTE_NS // 2), max_size=6)


def minutes_of(segments):
    return [value for length, value in segments for _ in range(length)][:END]


def rows_of(segments):
    rows, at = [], 0
    for length, value in segments:
        rows.append((at * MINUTE_NS, 0, value, 0))
        at += length
    return [row for row in rows if row[0] < END * MINUTE_NS]


def naive(minutes, rule):
    """(begin, reached) of each alarm, minute by minute."""
    found, count, begin, told = [], 0, 0, False
    for at, value in enumerate(minutes):
        beyond = value > rule.threshold_c if rule.above else value < rule.threshold_c
        if not (beyond or (rule.inclusive and value == rule.threshold_c)):
            if not rule.in_all:
                count, told = 0, False
            continue
        begin = at if count == 0 else begin
        count += 1
        if count >= rule.minutes and not told:
            found.append((begin, at + 1))
            told = True
    return found


@given(segments_st)
def test_equals_the_twin_minute_by_minute(segments):
    minutes = minutes_of(segments)
    stands = minutes + minutes[-1:] * (END - len(minutes))
    made = run(lambda: WhoMachine(-1, SHORT), inputs_of(rows_of(segments)), [], END * MINUTE_NS)
    for rule in SHORT:
        mine = [(one.start_ns // MINUTE_NS, one.end_ns // MINUTE_NS) for one in made if one.tag == rule.name]
        assert mine == naive(stands, rule)


@given(segments_st, cuts_st, st.booleans())
def test_any_split_and_restore_gives_the_same(segments, cuts, again):
    inputs = inputs_of(rows_of(segments))
    whole = run(lambda: WhoMachine(-1, SHORT), inputs, [], END * MINUTE_NS)
    split = run(lambda: WhoMachine(-1, SHORT), inputs, cuts, END * MINUTE_NS, cuts if again else ())
    assert sorted(map(repr, split)) == sorted(map(repr, whole))


def test_a_new_trip_counts_anew_what_adds_up():
    rows, trip = rows_of([(10, 31.0), (5, 20.0), (10, 31.0)]), 12 * MINUTE_NS
    event = SimpleNamespace(time_ns=trip, event="trip.started", data={})
    in_all = SHORT[2:]
    assert len(run(lambda: WhoMachine(-1, in_all), inputs_of(rows), [], 25 * MINUTE_NS)) == 1
    assert run(lambda: WhoMachine(-1, in_all), inputs_of(rows, [event]), [], 25 * MINUTE_NS) == []


def test_impossible_values_and_old_alarms_are_left_out():
    rows = [(0, 0, 9.0, 0), (5 * MINUTE_NS, 0, -280.0, 0)]
    (made,) = run(lambda: WhoMachine(-1, SHORT[:1]), inputs_of(rows), [], 30 * MINUTE_NS)
    assert (made.end_ns, made.parts["alarm"], made.about) == (10 * MINUTE_NS, 1.0, {"rule": "warm"})
    assert run(lambda: WhoMachine(20 * MINUTE_NS, SHORT[:1]), inputs_of(rows), [], 30 * MINUTE_NS) == []


def test_every_set_names_rules():
    assert {name for names in SETS.values() for name in names} == set(RULES)


def test_another_layout_is_refused():
    one = WhoMachine(0, SHORT)
    with pytest.raises(ValueError, match="layout 9"):
        one.restore((9, *one.snapshot()[1:]))
