"""Windows of a temperature: the machine equals the formula of the points and any split gives the same bits."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.cold_chain_windows import CONTACT, WindowMachine
from operators.held import Held, Limits
from operators.machines import At, Every
from tests.machine_runs import inputs_of, run
from tests.naive import NS
from tests.naive_cold_chain_parts import cold_chain_parts

GAP_S = 10
LABEL = Limits(2.0, 8.0)
END_S = 120
rows_st = st.lists(
    st.tuples(
        st.integers(-20, END_S - 1).map(lambda second: second * NS),
        st.sampled_from([0, 0, 0, 1]),
        st.sampled_from([*(hundredths / 100 for hundredths in range(-300, 1500, 37)), 0.0, 1.0, -280.0, math.inf]),
        st.sampled_from([0, 0, 1]),
    ),
    max_size=40,
).map(lambda rows: [row for row in rows if math.isfinite(row[2])])
cuts_st = st.lists(st.integers(-10, END_S * 10).map(lambda tenth: tenth * NS // 10), max_size=8)


def machine(bounds=None, door=True):
    held = [Held(0, GAP_S * NS, LABEL), *([Held(0, GAP_S * NS, CONTACT)] if door else [])]
    return WindowMachine(0, bounds or Every(30 * NS), held, ["door_s"] if door else [])


@given(rows_st)
def test_windows_equal_the_formula_of_the_points(rows):
    found = run(machine, inputs_of(rows), [], END_S * NS)
    points = sorted((row[0], row[2]) for row in rows if row[1] == 0)
    time_ns, value = np.array([at for at, _ in points], np.int64), np.array([value for _, value in points])
    expected = []
    for start, end in pairwise(range(0, END_S + 1, 30)):
        parts = cold_chain_parts(time_ns, value, start * NS, end * NS, gap_ns=GAP_S * NS, low=2.0, high=8.0)
        if parts["covered_s"]:
            expected.append((start * NS, end * NS, parts))
    assert [(one.start_ns, one.end_ns) for one in found] == [one[:2] for one in expected]
    for one, (_, _, parts) in zip(found, expected, strict=True):
        for name, value in parts.items():
            assert one.parts[name] == (None if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)), name


@given(rows_st, cuts_st, st.booleans())
def test_any_split_and_restore_gives_the_same_bits(rows, cuts, again):
    inputs = inputs_of(rows)
    whole = run(machine, inputs, [], END_S * NS)
    assert repr(run(machine, inputs, cuts, END_S * NS, cuts if again else ())) == repr(whole)
    each = sorted({row[0] + 1 for row in rows})
    assert repr(run(machine, inputs, each, END_S * NS)) == repr(whole)


def test_uncertain_rows_count_and_are_told():
    rows = [(0, 0, 5.0, 0), (5 * NS, 0, 9.0, 1), (9 * NS, 0, 5.0, 0)]
    (made,) = run(lambda: machine(door=False), inputs_of(rows), [], 30 * NS)
    assert (made.parts["uncertain_s"], made.parts["above_s"], made.parts["covered_s"]) == (4.0, 4.0, 19.0)


def test_door_time_is_that_of_its_contact():
    rows = [(0, 0, 5.0, 0), (NS, 1, 1.0, 0), (4 * NS, 1, 0.0, 0)]
    (made,) = run(machine, inputs_of(rows), [], 30 * NS)
    assert made.parts["door_s"] == 3.0
    (without,) = run(machine, inputs_of(rows[:1]), [], 30 * NS)
    assert without.parts["door_s"] is None  # not known, not closed


def test_running_is_the_window_so_far():
    one = machine(At((100 * NS,)), door=False)
    one.step(inputs_of([(0, 0, 5.0, 0)]), 4 * NS)
    (made,) = one.running()
    assert (made.start_ns, made.end_ns) == (0, 100 * NS)
    assert (made.parts["covered_s"], made.parts["gap_s"]) == (4.0, 0.0)
    one.step(inputs_of([]), 20 * NS)
    assert one.running()[0].parts["gap_s"] == 10.0
    assert one.running() == one.running()


def test_years_without_rows_are_passed_over():
    year = 365 * 86_400
    rows = [(0, 0, 5.0, 0), (25 * year * NS + 45 * NS, 0, 6.0, 0)]
    one = machine(Every(60 * NS))
    made = one.step(inputs_of(rows), 25 * year * NS + 120 * NS)
    assert [(each.start_ns // NS, each.parts["covered_s"]) for each in made] == [(0, 10.0), (25 * year, 10.0)]


@pytest.mark.parametrize("broken", [3.4028235e38, 1e308, 1e6])
def test_what_no_thermometer_can_read_is_a_gap(broken):
    rows = [(0, 0, 5.0, 0), (5 * NS, 0, broken, 0), (8 * NS, 0, 5.0, 0)]
    (made,) = machine(Every(10 * NS), door=False).step(inputs_of(rows), 10 * NS)
    assert (made.parts["maximum"], made.parts["samples"]) == (5.0, 2.0)
    assert made.parts["mkt"] == pytest.approx(5.0)


def test_another_layout_is_refused():
    one = machine()
    with pytest.raises(ValueError, match="layout 9"):
        one.restore((9, *one.snapshot()[1:]))
    held = Held(0, NS, LABEL)
    with pytest.raises(ValueError, match="layout 9"):
        held.restore((9, *held.snapshot()[1:]))


def test_a_constant_temperature_stays_itself():
    for constant in (-190.0, -20.0, 5.0, 134.0):
        held = Held(0, NS, Limits())
        times = np.arange(100_000) * NS
        held.rows(times, np.full(100_000, constant), np.zeros(100_000, np.uint8))
        held.settle(100_000 * NS)
        assert held.mkt == pytest.approx(constant, abs=1e-9)
        assert held.mean == pytest.approx(constant, abs=1e-12)
