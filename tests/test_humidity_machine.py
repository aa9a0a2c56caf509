"""Windows of humidity: by hand, the twin second by second, any split."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.held import Limits
from operators.humidity import absolute_humidities, dew_point, dew_points
from operators.humidity_machine import HumidityMachine
from operators.machines import Every
from tests.machine_runs import inputs_of, run
from tests.naive import NS, value_at

END_S, GAP_S = 120, 15
rows_st = st.lists(
    st.tuples(
        st.integers(-20, END_S - 1).map(lambda second: second * NS), st.sampled_from([0, 0, 1, 2]),
        st.sampled_from([-5.0, 0.0, 4.0, 12.5, 40.0, 80.0, 100.0, 101.0]), st.sampled_from([0, 1]),
    ),
    max_size=50,
    unique_by=lambda row: row[:2],
)  # fmt: skip
cuts_st = st.lists(st.integers(-10, END_S * 10).map(lambda tenth: tenth * NS // 10), max_size=8)


def machine():
    return HumidityMachine(0, Every(40 * NS), Limits(35.0, 75.0, activation_j_mol=0.0), [GAP_S * NS] * 3)


@given(rows_st)
def test_equals_the_twin_second_by_second(rows):
    made = {one.start_ns // NS: one.parts for one in run(machine, inputs_of(rows), [], END_S * NS)}
    humid, air, goods = (sorted((row[0] // NS, row[2]) for row in rows if row[1] == number) for number in range(3))
    humid = [point for point in humid if 0.0 <= point[1] <= 100.0]
    dews, margins = [], []
    for at, pct in humid:
        there = value_at(air, at, GAP_S)
        dew = None if there is None else dew_point(there, pct)
        if dew is not None:
            dews.append((at, dew))
            if value_at(goods, at, GAP_S) is not None:
                margins.append((at, value_at(goods, at, GAP_S) - dew))
    for start in range(0, END_S, 40):
        span = range(start, start + 40)
        stood = [value for at in span if (value := value_at(humid, at, GAP_S)) is not None]
        assert (start in made) == bool(stood)
        if not stood:
            continue
        parts = made[start]
        assert parts["mean"] == pytest.approx(sum(stood) / len(stood))
        assert parts["above_s"] == pytest.approx(sum(value > 75.0 for value in stood))
        assert parts["below_s"] == pytest.approx(sum(value < 35.0 for value in stood))
        dew = [value for at in span if (value := value_at(dews, at, GAP_S)) is not None]
        assert parts["dew_point"] == (pytest.approx(sum(dew) / len(dew)) if dew else None)
        near = [value for at in span if (value := value_at(margins, at, GAP_S)) is not None]
        if near:
            assert parts["condensing_s"] == pytest.approx(sum(value <= 0.0 for value in near))


@given(rows_st, cuts_st, st.booleans())
def test_any_split_and_restore_gives_the_same_bits(rows, cuts, again):
    inputs = inputs_of(rows)
    whole = run(machine, inputs, [], END_S * NS)
    assert repr(run(machine, inputs, cuts, END_S * NS, cuts if again else ())) == repr(whole)


def test_goods_at_the_dew_point_condense():
    rows = [(0, 1, 20.0, 0), (0, 2, 20.0, 0), (NS, 0, 100.0, 0), (5 * NS, 0, 50.0, 0)]
    (made,) = run(machine, inputs_of(rows), [], 40 * NS)
    assert made.parts["condensing_s"] == 4.0
    assert made.parts["dew_point_max"] == 20.0


@given(st.floats(-40.0, 60.0), st.just(0.0) | st.floats(1e-6, 100.0))
def test_numbers_are_those_of_the_formulas(air, humid):
    """The dew point to the bit; a mean over time has its own rounding."""
    (made,) = run(machine, inputs_of([(0, 0, humid, 0), (0, 1, air, 0)]), [], 40 * NS)
    dew, water = (np.asarray(of(np.array([air]), np.array([humid])))[0] for of in (dew_points, absolute_humidities))
    assert made.parts["dew_point_max"] == (None if humid == 0.0 else dew)
    assert made.parts["absolute"] == (None if humid == 0.0 else pytest.approx(water, rel=1e-14))


@pytest.mark.parametrize("cuts", [[], [20 * NS], [second * NS for second in range(40)]])
def test_a_step_of_many_rows_is_that_of_few(cuts):
    """More rows than there was room for at first."""
    rng = np.random.default_rng(7)
    rows = [(at * NS // 20, number, 50.0 + rng.normal(), 0) for at in range(800) for number in range(3)]
    whole = run(machine, inputs_of(rows), [], 40 * NS)
    assert repr(run(machine, inputs_of(rows), cuts, 40 * NS, cuts)) == repr(whole)
    mean = sum(value for _, number, value, _ in rows if number == 0) / 800
    assert whole[0].parts["mean"] == pytest.approx(mean, rel=1e-12)


def test_room_for_a_long_rerun_is_given_back():
    """Rows of hours at once, as late data bring them, hold no memory afterwards, and come to the same."""
    rows = [(at * NS // 250, number, 50.0 + at % 7, 0) for at in range(5_000) for number in range(2)]
    inputs, one = inputs_of(rows), machine()
    tracemalloc.start()
    made = one.step(inputs, 40 * NS)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < inputs.time_ns.nbytes
    assert repr(made) == repr(run(machine, inputs, [at * NS for at in range(0, 40, 3)], 40 * NS))


def test_another_layout_is_refused():
    one = machine()
    with pytest.raises(ValueError, match="layout 9"):
        one.restore((9, *one.snapshot()[1:]))
