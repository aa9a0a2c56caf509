"""Cold-chain figures: published values, the twin second by second, windows that add up, order that does not matter."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.cold_chain import merge_parts, mkt, mkt_timed
from tests import naive
from tests.naive import NS
from tests.naive_cold_chain_parts import cold_chain_parts, hold_ns

LABEL = {"low": 2.0, "high": 8.0}
EVERY = {"gap_ns": 10 * NS, **LABEL}
UNKNOWN = ("minimum", "maximum", "mean", "mkt", "arrhenius_log")
points_st = st.lists(
    st.tuples(st.integers(-40, 130), st.integers(-800, 2000).map(lambda hundredths: hundredths / 100)), max_size=40
).map(sorted)


def parts(points, start=0, end=120, **kwargs):
    time_ns = np.array([time for time, _ in points], np.int64) * NS
    value = np.array([value for _, value in points], np.float64)
    return cold_chain_parts(time_ns, value, start * NS, end * NS, **{**EVERY, **kwargs})


def assert_same(found, expected):
    for name, value in expected.items():
        assert found[name] == (None if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)), name


@given(points_st, st.integers(1, 60))
def test_equals_the_twin_second_by_second(points, gap_s):
    found = parts(points, gap_ns=gap_s * NS)
    assert_same(found, naive.cold_chain(points, 0, 120, gap_s, 2.0, 8.0))


@given(points_st, st.lists(st.integers(1, 119), max_size=4, unique=True))
def test_windows_merge_to_the_whole(points, cuts):
    edges = [0, *sorted(cuts), 120]
    pieces = [parts(points, a, b) for a, b in pairwise(edges)]
    assert_same(merge_parts(pieces), parts(points))


@given(points_st, st.randoms(use_true_random=False))
def test_late_rows_change_nothing_once_sorted_in(points, random):
    """The figure is a function of the set of points: any order of arrival gives the same bits."""
    arrived = points.copy()
    random.shuffle(arrived)
    assert repr(parts(sorted(arrived))) == repr(parts(points))


@given(points_st, st.integers(-40, 0))
def test_older_history_does_not_change_a_bit(points, oldest):
    """How much the caller kept from before the window is no matter, if what is carried in is there."""
    carried = [point for point in points if point[0] <= 0][-1:]
    kept = [point for point in points if point[0] >= oldest or point in carried]
    assert repr(parts(kept)) == repr(parts(points))


@given(points_st)
def test_known_and_unknown_time_fill_the_window(points):
    found = parts(points)
    assert found["covered_s"] + found["gap_s"] == 120.0
    assert all((found[name] is None) == (found["covered_s"] == 0.0) for name in UNKNOWN)
    if found["covered_s"]:
        assert found["mkt"] >= found["mean"] - 1e-9


def test_an_empty_window_has_no_temperature_and_no_time_out():
    found = parts([])
    assert {name: found[name] for name in UNKNOWN} == dict.fromkeys(UNKNOWN)
    assert (found["covered_s"], found["gap_s"], found["above_s"], found["samples"]) == (0.0, 120.0, 0.0, 0.0)


def test_gaps_are_missing_not_filled():
    found = parts([(0, 5.0), (60, 9.0), (65, 5.0), (75, 5.0)])
    assert found["covered_s"] == 10 + 5 + 10 + 10
    assert found["above_s"] == 5.0
    assert found["mean"] == pytest.approx((10 * 5 + 5 * 9 + 20 * 5) / 35)


def test_limits_themselves_are_inside():
    found = parts([(second, value) for second, value in enumerate([2.0, 8.0, 1.99, 8.01])])
    assert (found["below_s"], found["above_s"]) == (1.0, 10.0)


def test_the_last_of_points_with_one_stamp_stands():
    found = parts([(0, 5.0), (0, 7.0)], 0, 10)
    assert (found["mean"], found["samples"], found["minimum"]) == (7.0, 2.0, 5.0)


@pytest.mark.parametrize("impossible", [math.nan, math.inf, -273.15, -300.0])
def test_values_that_cannot_be_are_left_out(impossible):
    assert parts([(0, 5.0), (5, impossible), (8, 6.0)]) == parts([(0, 5.0), (8, 6.0)])


def test_merging_other_activation_energies_gives_no_mkt():
    one, other = parts([(0, 5.0)]), parts([(0, 5.0)], 120, 240, activation_j_mol=60_000.0)
    merged = merge_parts([one, other])
    assert merged["mkt"] is None
    assert merged["mean"] == 5.0


def test_merging_keeps_what_is_known_of_empty_windows():
    merged = merge_parts([parts([]), parts([(120, 5.0)], 120, 240), parts([])])
    assert (merged["mean"], merged["covered_s"], merged["gap_s"]) == (5.0, 10.0, 350.0)
    assert merged["mkt"] == pytest.approx(5.0)


def test_merging_nothing_is_refused():
    with pytest.raises(ValueError, match="no windows"):
        merge_parts([])


def test_a_long_log_of_a_constant_temperature_is_that_temperature():
    n = 3600 * 24
    time_ns = np.arange(n) * NS
    for constant in (-190.0, -20.0, 5.0, 134.0):
        found = cold_chain_parts(time_ns, np.full(n, constant), 0, n * NS, **EVERY)
        assert found["mkt"] == pytest.approx(constant, abs=1e-9)
        assert found["mean"] == pytest.approx(constant, abs=1e-9)


def test_mkt_does_not_underflow_where_the_plain_formula_does():
    """At -269 Cel exp(-dH/RT) is 0 in float64; the twin divides by zero, this does not."""
    assert mkt([-269.0, -268.0]) == pytest.approx(-268.0, abs=0.01)
    with pytest.raises(ValueError, match="math domain"):
        naive.mkt([-269.0, -268.0])


def test_mkt_weights_and_refusals():
    assert mkt([5.0, 14.0], [18.0, 6.0]) == pytest.approx(mkt([5.0] * 3 + [14.0]))
    assert mkt([5.0, 99.0], [1.0, 0.0]) == pytest.approx(5.0)
    assert mkt([]) is None
    assert mkt([5.0], [0.0]) is None
    with pytest.raises(ValueError, match=r"got -1\.0"):
        mkt([5.0], [-1.0])
    with pytest.raises(ValueError, match="other unit"):
        mkt([5.0, -280.0])


@pytest.mark.parametrize(("method", "expected"), [("locf", 9.09), ("trapz", 7.81)])
def test_the_weighting_rule_decides(method, expected):
    assert mkt_timed([0, 10, 15, 60, 120], [5, 6, 12, 7, 5], method) == pytest.approx(expected, abs=0.005)


def test_mkt_of_one_instant_is_unknown():
    assert mkt_timed([0], [5.0]) is None


@given(points_st, st.integers(1, 119))
def test_holds_add_up_to_the_nanosecond(points, cut):
    time_ns = np.array([time for time, _ in points], np.int64) * NS + 7
    whole = hold_ns(time_ns, 0, 120 * NS, 10 * NS)
    left, right = hold_ns(time_ns, 0, cut * NS, 10 * NS), hold_ns(time_ns, cut * NS, 120 * NS, 10 * NS)
    assert (left + right == whole).all()
