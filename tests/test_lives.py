"""Weibull, mean time between failures, trend and time to the limit against scipy, twins and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from operators.trend import remaining, robust_trend, time_to
from operators.weibull import Weibull, mtbf_interval, mtbf_lower, weibull_fit
from operators.zones import held_zone, zone_of
from tests import naive_health

AGES = st.lists(st.floats(0.1, 1e5), min_size=2, max_size=12, unique=True)


@settings(deadline=None, max_examples=40)
@given(AGES, st.lists(st.floats(0.1, 1e5), max_size=6))
def test_no_other_weibull_is_likelier(failed, running):
    found = weibull_fit(failed, running)
    if found is None or not 0.05 < found.beta < 50.0:
        return

    def likelihood(beta, eta):
        alive = sum((age / eta) ** beta for age in (*failed, *running))
        return sum(math.log(beta / eta) + (beta - 1) * math.log(age / eta) for age in failed) - alive

    best = likelihood(found.beta, found.eta)
    for beta, eta in ((1.01, 1.0), (0.99, 1.0), (1.0, 1.01), (1.0, 0.99)):
        assert likelihood(found.beta * beta, found.eta * eta) <= best + 1e-9 * abs(best)


def test_scipy_fits_the_same():
    lives = stats.weibull_min.rvs(2.0, scale=900.0, size=200, random_state=3)
    beta, _, eta = stats.weibull_min.fit(lives, floc=0)
    found = weibull_fit(lives.tolist())
    assert (found.beta, found.eta) == pytest.approx((beta, eta), rel=1e-3)


def test_leaving_out_what_still_runs_is_wrong():
    lives = Weibull(2.0, 1_000.0)
    ages = [lives.quantile(share) for share in np.linspace(0.02, 0.98, 49)]
    failed = [age for age in ages if age < 600.0]
    found = weibull_fit(failed, [600.0] * (len(ages) - len(failed)))
    assert found.eta == pytest.approx(1_000.0, rel=0.1)
    assert weibull_fit(failed).eta < 600.0


@pytest.mark.parametrize("failed", [[], [5.0], [5.0, 5.0], [0.0, 5.0]])
def test_too_few_lives(failed):
    assert weibull_fit(failed, [7.0]) is None


def test_weibull_numbers():
    one = Weibull(2.0, 1_000.0)
    assert one.quantile(0.1) == pytest.approx(1_000.0 * math.sqrt(-math.log(0.9)))
    assert one.failed(one.quantile(0.1)) == pytest.approx(0.1)
    assert (one.quantile(0.0), one.failed(-1.0)) == (0.0, 0.0)


@pytest.mark.parametrize(("total", "failures", "confidence"), [(100.0, 0, 0.9), (5_000.0, 7, 0.8)])
def test_limits_of_the_mean_time_between_failures(total, failures, confidence):
    assert mtbf_lower(total, failures, confidence) == pytest.approx(
        2 * total / stats.chi2.ppf(confidence, 2 * failures + 2)
    )
    low, high = mtbf_interval(total, failures, confidence)
    assert low == pytest.approx(2 * total / stats.chi2.ppf((1 + confidence) / 2, 2 * failures + 2))
    if failures:
        assert high == pytest.approx(2 * total / stats.chi2.ppf((1 - confidence) / 2, 2 * failures))
    else:
        assert high is None


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-100.0, 100.0), min_size=4, max_size=20), st.data())
def test_the_slope_is_scipys(y, data):
    steps = data.draw(st.lists(st.integers(1, 5), min_size=len(y), max_size=len(y)))
    t, y = np.cumsum(steps).astype(np.float64), np.array(y)
    found, want = robust_trend(t, y, 0.9), stats.theilslopes(y, t, alpha=0.9)
    assert found.slope == pytest.approx(naive_health.slope(t.tolist(), y.tolist()), abs=1e-9)
    assert (found.slope, found.low, found.high) == pytest.approx(
        (want.slope, want.low_slope, want.high_slope), abs=1e-9
    )
    assert found.low <= found.slope <= found.high


def test_a_wild_point_does_not_tilt_it():
    t = np.arange(20.0)
    y = 2.0 + 0.1 * t
    y[7] = 400.0
    found = robust_trend(t, y, 0.9)
    assert found.slope == pytest.approx(0.1, rel=1e-6)
    assert found.time_to(4.0, 19.0)[0] == pytest.approx(1.0, abs=1.1)


def test_the_interval_holds_the_true_slope_as_often_as_it_says():
    rng, t = np.random.default_rng(11), np.arange(30.0)
    inside = 0
    for _ in range(400):
        found = robust_trend(t, 0.05 * t + rng.standard_normal(30), 0.9)
        inside += found.low <= 0.05 <= found.high
    assert 0.86 < inside / 400 < 0.94


def test_nothing_of_too_few_points():
    assert robust_trend(np.arange(3.0), np.arange(3.0), 0.9) is None
    assert robust_trend(np.zeros(5), np.arange(5.0), 0.9) is None


@pytest.mark.parametrize(
    ("t", "y", "limit", "exponential", "want"),
    [
        ([0.0], [1.0], 5.0, False, None), ([0.0, 1.0], [2.0, 1.0], 5.0, False, None),
        ([0.0, 1.0], [1.0, 2.0], 5.0, False, 3.0), ([0.0, 1.0], [6.0, 7.0], 5.0, False, 0.0),
        ([0.0, 1.0], [0.0, 2.0], 5.0, True, None), ([0.0, 1.0], [1.0, 2.0], 8.0, True, 2.0),
        ([0.0, 10.0, 20.0], [0.1, 0.1, 0.1], 5.0, False, None), ([0.0, 1.0], [1.0, 2.0], 0.0, True, None),
    ],
)  # fmt: skip
def test_remaining(t, y, limit, exponential, want):
    got = remaining(np.array(t), np.array(y), limit, exponential=exponential)
    assert got == (want if want is None else pytest.approx(want))


def test_time_to():
    assert time_to(5.0, 1.0, math.nan) is None


BOUNDS = (1.4, 2.8, 4.5)


def test_a_zone_gets_worse_at_once_and_better_below_the_hysteresis():
    before, seen = 0, []
    for value in (1.0, 1.41, 1.39, 1.34, 1.32, 5.0, 4.4, 4.2, 1.0):
        before = held_zone(value, BOUNDS, before, 0.05)
        seen.append(before)
    assert seen == [1, 2, 2, 2, 1, 4, 4, 3, 1]


@given(st.floats(0.0, 10.0), st.integers(0, 4))
def test_without_hysteresis_it_is_the_plain_zone(value, before):
    assert "ABCD"[held_zone(value, BOUNDS, before, 0.0) - 1] == zone_of(value, BOUNDS)


def test_nan_has_no_zone():
    with pytest.raises(ValueError, match="NaN"):
        zone_of(math.nan, BOUNDS)
