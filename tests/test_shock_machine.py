"""Shocks as a machine: by hand, against operators/shock.py on an even record, any split."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.journey_setup import Shocks
from operators.shock import half_sine_change, shocks
from operators.shock_machine import ShockMachine
from tests.machine_runs import inputs_of, run

MS = 10**6
TERMS = Shocks((1.0, 1.0, 1.0), (30 * MS,) * 3, 2.0)
TAGS = ("ax", "ay", "az")
force_st = st.sampled_from([-9.0, -2.5, -2.0, -1.9, 0.0, 0.5, 1.99, 2.0, 3.0, 7.5])


def machine():
    return ShockMachine(0, TERMS, TAGS)


def rows_of(record):
    return [(at * 10 * MS, axis, force, 0) for at, sample in enumerate(record) for axis, force in enumerate(sample)]


@given(st.lists(st.tuples(force_st, force_st, force_st), max_size=40))
def test_equals_the_record_taken_at_once(record):
    made = run(machine, inputs_of(rows_of([*record, (0.0, 0.0, 0.0)])), [], 10_000 * MS)
    told = [(TAGS.index(one.tag), one.parts["peak_g"], one.parts["positive"], one.parts["duration_ms"]) for one in made]
    found = shocks(record, 100.0, 2.0)
    assert sorted(told) == sorted(
        (one.axis, abs(one.peak_g), float(one.peak_g > 0), round(one.duration_ms)) for one in found
    )
    changes = sorted(one.parts["change_m_s"] for one in made)
    assert changes == pytest.approx(sorted(one.change_m_s for one in found))


rows_st = st.lists(
    st.tuples(st.integers(0, 400).map(lambda at: at * MS), st.integers(0, 2), force_st, st.sampled_from([0, 1])),
    max_size=60,
)
cuts_st = st.lists(st.integers(0, 4500).map(lambda tenth: tenth * MS // 10), max_size=8)


def naive(rows):
    """Each axis by itself: the value of each instant stands to the next one, at most 30 ms."""
    found = []
    for axis in range(3):
        points = {}
        for time, of, value, _ in sorted(rows, key=lambda row: row[:3]):
            if of == axis:
                points[time] = [*points.get(time, []), value]
        times = sorted(points)
        pulse = None
        for at, time in enumerate(times):
            value = points[time][-1]
            until = min(times[at + 1] if at + 1 < len(times) else 2**62, time + 30 * MS)
            sign = 0 if abs(value) < 2.0 else 1 if value > 0 else -1
            if sign and pulse and pulse[2] == sign and pulse[1] == time:
                pulse = (pulse[0], until, sign)
            else:
                found += [(axis, *pulse)] if pulse else []
                pulse = (time, until, sign) if sign else None
        found += [(axis, *pulse)] if pulse else []
    return sorted(found)


@given(rows_st)
def test_equals_the_twin_with_gaps(rows):
    rows = list({row[:2]: row for row in rows}.values())
    made = run(machine, inputs_of(rows), [], 500 * MS)
    told = [(TAGS.index(one.tag), one.start_ns, one.end_ns, 1 if one.parts["positive"] else -1) for one in made]
    assert sorted(told) == naive(rows)


@given(rows_st, cuts_st, st.booleans())
def test_any_split_and_restore_gives_the_same_bits(rows, cuts, again):
    inputs = inputs_of(rows)
    whole = run(machine, inputs, [], 500 * MS)
    assert repr(run(machine, inputs, cuts, 500 * MS, cuts if again else ())) == repr(whole)
    keys = [(one.tag, one.start_ns) for one in whole]
    assert len(set(keys)) == len(keys)


def test_fifty_g_of_eleven_ms():
    one = ShockMachine(0, Shocks((1 / 9.80665,), (3 * MS,), 5.0), ("ax",))
    rows = [(at * MS, 0, -490.3325 if 5 <= at < 16 else 0.0, 0) for at in range(30)]
    (made,) = one.step(inputs_of(rows), 30 * MS)
    assert made.parts["peak_g"] == pytest.approx(50.0)
    assert (made.parts["duration_ms"], made.parts["positive"]) == (11.0, 0.0)
    assert made.parts["change_m_s"] == pytest.approx(half_sine_change(50.0, 11.0), rel=1e-9)


def test_one_that_lasts_runs_and_a_silent_sensor_ends_it():
    one = machine()
    assert one.step(inputs_of([(10 * MS, 1, 4.0, 0)]), 20 * MS) == []
    (now,) = one.running()
    assert (now.tag, now.parts["duration_ms"]) == ("ay", 10.0)
    (made,) = one.step(inputs_of([]), 100 * MS)
    assert (made.start_ns, made.end_ns) == (10 * MS, 40 * MS)
    with pytest.raises(ValueError, match="layout 9"):
        one.restore((9, *one.snapshot()[1:]))
