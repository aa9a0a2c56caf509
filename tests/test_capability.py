"""Capability, Box-Cox, factors and phase I against outside libraries, simulation and cases worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from operators.box_cox import box_cox, box_cox_exponent
from operators.capability import Specification, cp_interval, cpk_interval, indices, percentile_indices
from operators.spc import (
    defective_lines,
    defects_lines,
    ewma_lines,
    first_autocorrelation,
    mean_lines,
    proportion_lines,
    range_lines,
)  # fmt: skip
from operators.spc_capability import Gathered
from operators.spc_chart import Judged
from operators.spc_constants import factors
from operators.spc_events import Making
from operators.spc_phase_one import Observed, estimate, revised

FLOATS = st.floats(-1e3, 1e3).map(lambda x: round(x, 3))


@pytest.mark.parametrize("n", [2, 3, 7, 25])
def test_factors_agree_with_simulation(n):
    x = np.random.default_rng(n).normal(size=(200_000, n))
    known, spread, deviation = factors(n), np.ptp(x, axis=1), x.std(axis=1, ddof=1)
    assert known.d2 == pytest.approx(spread.mean(), rel=0.005)
    assert known.d3 == pytest.approx(spread.std(), rel=0.01)
    assert known.c4 == pytest.approx(deviation.mean(), rel=0.005)
    assert known.D3 <= 1 <= known.D4
    assert known.B3 <= 1 <= known.B4


def test_a_subgroup_of_one_has_no_factors():
    with pytest.raises(ValueError, match="at least 2"):
        factors(1)


@given(st.lists(st.floats(0.1, 100), min_size=3, max_size=30))
def test_the_exponent_is_the_likeliest(x):
    found = box_cox_exponent(np.array(x))
    if len(set(np.log(x))) == 1:
        assert found is None
        return
    scaled = np.array(x) / stats.gmean(x)
    best = stats.boxcox_llf(found, scaled)
    for other in (-5.0, -1.0, 0.0, 0.5, 1.0, 5.0):
        assert best >= stats.boxcox_llf(other, scaled) - 1e-6 * max(1.0, abs(best))


@given(st.floats(0.01, 100), st.floats(-3, 3))
def test_the_transformation_is_the_librarys(x, exponent):
    assert box_cox(x, exponent) == pytest.approx(float(stats.boxcox(np.array([x]), exponent)[0]), rel=1e-9, abs=1e-9)


def test_what_cannot_be_transformed_is_none():
    assert [box_cox(x, 0.5) for x in (0.0, -1.0, math.nan)] == [None] * 3
    assert box_cox(1e300, 5.0) is None
    assert box_cox_exponent(np.array([1.0, 0.0, 2.0])) is None
    assert box_cox_exponent(np.array([1.0, 2.0])) is None
    assert box_cox_exponent(np.array([0.1, 0.1, 0.10000000000000002])) is None


def test_intervals_cover_as_often_as_they_say():
    rng, n, covered_cp, covered_cpk = np.random.default_rng(5), 30, 0, 0
    for _ in range(2000):
        x = rng.normal(0.3, 1.0, n)
        found = indices(Specification(-4.0, 4.0), float(x.mean()), float(x.std(ddof=1)))
        low, high = cp_interval(found.both, n)
        covered_cp += low <= 4 / 3 <= high
        low, high = cpk_interval(found.nearer, n)
        covered_cpk += low <= 3.7 / 3 <= high
    assert covered_cp / 2000 == pytest.approx(0.95, abs=0.02)
    assert covered_cpk / 2000 == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("sigma", [None, 0.0, math.nan, math.inf, -1.0])
def test_no_sigma_no_index(sigma):
    found = indices(Specification(0.0, 1.0, 0.5), 0.5, sigma)
    assert (found.both, found.nearer, found.to_lower, found.to_upper, found.to_target) == (None,) * 5


def test_percentiles_of_normal_values_are_pp():
    x = np.random.default_rng(1).normal(10, 1, 400_000)
    found = percentile_indices(Specification(7.0, 13.0), x)
    assert found.both == pytest.approx(1.0, rel=0.02)
    assert found.nearer == pytest.approx(1.0, rel=0.02)
    assert percentile_indices(Specification(7.0, 13.0), x[:99]).both is None
    assert percentile_indices(Specification(7.0, 13.0), np.ones(200)).both is None


@given(st.lists(st.lists(FLOATS, min_size=1, max_size=6), min_size=1, max_size=12))
def test_sums_of_a_window_are_those_of_its_values(groups):
    whole, parts = np.zeros((len(groups), 9), np.int64), np.zeros((len(groups), 5))
    whole[:, 6] = [len(group) for group in groups]
    parts[:, 0] = [float(np.mean(group)) for group in groups]
    parts[:, 2] = [float(np.std(group, ddof=1)) if len(group) > 1 else 0.0 for group in groups]
    out, marks = np.full((len(groups), 21), np.nan), np.ones((len(groups), 2), np.int64)
    window = Gathered(0)
    window.take(Judged(whole, parts, out, marks, Making(), None, ""), 0, "xbar_s")
    found = window.parts(Specification())
    flat = [x for group in groups for x in group]
    assert found["mean"] == pytest.approx(np.mean(flat), abs=1e-9)
    if len(flat) > 1:
        assert found["sigma_overall"] == pytest.approx(np.std(flat, ddof=1), rel=1e-6, abs=1e-6)
    means = [float(np.mean(group)) for group in groups]
    expected = first_autocorrelation(means)
    if expected is not None and np.std(means) > 1e-3:
        assert found["lag_1"] == pytest.approx(expected, abs=1e-5)


def test_lines_stay_where_the_value_can_be():
    assert proportion_lines(0.5, 2).upper == 1.0
    assert proportion_lines(0.01, 10).lower == 0.0
    assert defective_lines(0.5, 4).upper == 4.0
    assert defects_lines(4.0) == (4.0, 0.0, 10.0, 2.0)
    assert mean_lines(10.0, 2.0, 4) == (10.0, 7.0, 13.0, 1.0)
    assert range_lines(1.0, 2).lower == 0.0
    assert ewma_lines(0.0, 1.0, 1.0, 3.0, 5) == ewma_lines(0.0, 1.0, 1.0, 3.0)
    exact = [ewma_lines(0.0, 1.0, 0.2, 3.0, points).upper for points in (1, 2, 500)]
    assert exact[0] == pytest.approx(0.6)
    assert exact == sorted(exact)
    assert exact[-1] == pytest.approx(ewma_lines(0.0, 1.0, 0.2, 3.0).upper)


def observed(x, *, linked=True, cause=False, amount=0.0, inspected=0.0):
    return Observed(0, 1, x, None, amount, inspected, linked, cause)


def test_phase_one_takes_ranges_of_neighbours_only():
    points = [observed(1.0, linked=False), observed(3.0), observed(99.0, cause=True), observed(4.0), observed(5.0)]
    known = estimate("imr", points)
    assert known.centre == pytest.approx(13 / 4)
    assert known.sigma == pytest.approx((2 + 1) / 2 / factors(2).d2)


def test_phase_one_of_attributes_divides_all_by_all():
    points = [observed(0.0, amount=3.0, inspected=100.0), observed(0.0, amount=5.0, inspected=60.0)]
    assert estimate("p", points).centre == pytest.approx(8 / 160)
    assert estimate("c", points).centre == pytest.approx(4.0)
    assert estimate("u", [observed(0.0)]) is None


def test_revision_stops_and_gives_up_beyond_a_third():
    calm = [observed(10.0 + place % 2) for place in range(20)]
    known, left_out = revised("imr", [*calm, observed(50.0)])
    assert (known.centre, left_out) == (pytest.approx(10.5), 1)
    wild, left_out = revised("imr", [*calm[:4], *(one._replace(cause=True) for one in calm[:4])])
    assert (wild, left_out) == (None, 4)
