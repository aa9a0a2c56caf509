"""The EWMA detector: the checks of every detector, its twin, river as an outside oracle, what a threshold means."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import stats

from detectors.contract import Scored
from detectors.ewma import ALPHA, HALF_LIFE_ROWS, WARM_UP, EwmaDetector
from tests import detector_checks
from tests.detector_checks import SECOND
from tests.naive_ewma import Ewma


def make():
    return EwmaDetector(capacity=4)


def scores(value, time_s=None):
    value = np.asarray(value, np.float64)
    time_s = np.arange(len(value)) if time_s is None else np.asarray(time_s)
    time_ns = np.round(time_s * SECOND).astype(np.int64)
    return EwmaDetector(1).score_many(np.zeros(len(value), np.int32), time_ns, value).score


@pytest.mark.parametrize("check", detector_checks.ALL + detector_checks.PAUSING, ids=lambda check: check.__name__)
def test_as_every_detector(check):
    check(make)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 4000), max_size=6))
def test_any_split_gives_the_same_bits(cuts):
    detector_checks.check_any_split_gives_the_same_bits(make, cuts)


def test_single_rows_give_the_same_bits_as_one_batch():
    detector_checks.check_any_split_gives_the_same_bits(make, range(1, 4000))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, -3.0, 101_325.0, 1e9]), st.integers(0, 3))
def test_equals_its_twin_in_plain_python(seed, level, gaps):
    rng = np.random.default_rng(seed)
    n = 600
    time_s = np.round(np.cumsum(rng.uniform(0.5, 1.5, n)), 6)
    value = rng.normal(level, 0.1, n)
    for at in rng.integers(50, n, gaps).tolist():
        time_s[at:] += 10.0 ** rng.uniform(0, 5)
        value[at:] += rng.normal()
    value[rng.random(n) < 0.02] = np.nan
    twin = Ewma()
    slow = [twin.step(round(time * 1e9) / 1e9, one) for time, one in zip(time_s.tolist(), value.tolist(), strict=True)]
    # the interval is kept in 32 bits; it decides about gaps
    np.testing.assert_allclose(scores(value, time_s), slow, rtol=1e-3, atol=1e-3)


def test_mean_and_variance_are_those_of_river():
    """All rows alike until they are as many as 1/alpha, then fading: river's plain and its fading statistics."""
    value = np.random.default_rng(3).normal(20.0, 0.5, 1000)
    first = int(1 / ALPHA)
    detector, mean, variance = EwmaDetector(1), stats.Mean(), stats.Var(ddof=0)
    for at, one in enumerate(value[:first].tolist()):
        detector.score_many(np.zeros(1, np.int32), np.array([at * SECOND]), np.array([one]))
        mean.update(one)
        variance.update(one)
    state = detector._states[0]
    assert (state["mean"], state["variance"]) == pytest.approx((mean.get(), variance.get()), rel=1e-9)
    rest = np.r_[state["mean"], value[first:]]  # river begins with its first value as the mean, and no variance
    detector._states[0]["variance"] = 0.0
    detector.score_many(np.zeros(len(rest) - 1, np.int32), np.arange(first, 1000) * SECOND, rest[1:])
    fading_mean, fading_variance = stats.EWMean(ALPHA), stats.EWVar(ALPHA)
    for one in rest.tolist():
        fading_mean.update(one)
        fading_variance.update(one)
    state = detector._states[0]
    assert (state["mean"], state["variance"]) == pytest.approx((fading_mean.get(), fading_variance.get()), rel=1e-6)


def test_a_row_weighs_half_after_the_half_life():
    assert pytest.approx(0.5) == (1 - ALPHA) ** HALF_LIFE_ROWS


@pytest.mark.parametrize("offset", [0.0, 101_325.0, 1e6])
def test_a_threshold_is_a_false_alarm_rate_of_normal_noise(offset):
    rng = np.random.default_rng(11)
    score = np.concatenate([scores(offset + rng.normal(0.0, 0.1, 21_600))[WARM_UP:] for _ in range(20)])
    for threshold in (1.0, 2.0, 3.0):
        assert 0.9 < (score >= threshold).mean() * 10**threshold < 2.5
    assert (score >= 5.0).mean() < 1e-4


def test_only_the_rows_that_are_asked_for_are_scored_and_learned_from():
    ids, time_ns, value = detector_checks.mixed_rows()
    by = (np.arange(len(ids)) % 3).astype(np.uint8)
    one, other = make(), make()
    scored = Scored.empty(len(ids))
    scored.score[:] = -1.0
    one.score_some(ids, time_ns, value, by, 2, scored)
    own = by == 2
    assert scored.score[own].tobytes() == other.score_many(ids[own], time_ns[own], value[own]).score.tobytes()
    assert (scored.score[~own] == -1.0).all()
    assert one.snapshot() == other.snapshot()


def test_one_series_after_another_costs_few_copies():
    detector = EwmaDetector(0)
    held = set()
    for capacity in range(1, 5000):
        detector.grow(capacity)
        held.add(detector.nbytes)
    assert len(held) < 20
