"""The robust detector: the checks of every detector, its twin, what it must find and what it must leave alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.calibration import learn_tail, tail_score
from detectors.robust import DEFAULT_THRESHOLD, RobustDetector
from simulators.compressor import Compressor
from simulators.device import Cause
from tests import detector_checks, naive
from tests.detector_checks import SECOND


def make():
    return RobustDetector(capacity=4)


def scores(value, every_s=1):
    value = np.asarray(value, np.float64)
    time_ns = np.arange(len(value)) * every_s * SECOND
    return RobustDetector(1).score_many(np.zeros(len(value), np.int32), time_ns, value).score


@pytest.mark.parametrize("check", detector_checks.ALL, ids=lambda check: check.__name__)
def test_as_every_detector(check):
    check(make)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 4000), max_size=6))
def test_any_split_gives_the_same_bits(cuts):
    detector_checks.check_any_split_gives_the_same_bits(make, cuts)


def test_single_rows_give_the_same_bits_as_one_batch():
    detector_checks.check_any_split_gives_the_same_bits(make, range(1, 4000))


def _twin_input(kind):
    rng = np.random.default_rng(5)
    n = 3000
    time_s = np.cumsum(rng.uniform(0.5, 1.5, n))
    value = rng.normal(20.0, 0.1, n)
    if kind == "fault":
        value[1500:2200] += 0.8
    elif kind == "gaps":
        time_s[1000:] += 50.0
        time_s[2000:] += 5000.0
        value[1000:] += 0.5
    elif kind == "stuck":
        value[900:1900] = value[899]
    elif kind == "bursts":
        value = np.where(rng.random(n) < 0.3, rng.exponential(3.0, n), 0.0)
    elif kind == "pascal":
        value += 101_325.0
    return time_s, value


@pytest.mark.parametrize("kind", ["noise", "fault", "gaps", "stuck", "bursts", "pascal"])
def test_equals_its_twin_in_plain_python(kind):
    time_s, value = _twin_input(kind)
    time_ns = np.round(time_s * 1e9).astype(np.int64)
    fast = RobustDetector(1).score_many(np.zeros(len(value), np.int32), time_ns, value).score
    twin = naive.Detector()
    slow = [twin.step(time / 1e9, one) for time, one in zip(time_ns.tolist(), value.tolist(), strict=True)]
    np.testing.assert_allclose(fast, slow, rtol=1e-6, atol=1e-6)
    assert fast.max() > 1.0


def test_interleaved_series_are_scored_as_if_alone():
    ids, time_ns, value = detector_checks.mixed_rows()
    together = make().score_many(ids, time_ns, value).score
    for one in range(3):
        own = ids == one
        alone = RobustDetector(1).score_many(np.zeros(own.sum(), np.int32), time_ns[own], value[own]).score
        assert alone.tobytes() == together[own].tobytes()


def test_grow_keeps_what_is_known():
    ids, time_ns, value = detector_checks.mixed_rows(series=3)
    small, large = RobustDetector(3), RobustDetector(3)
    small.score_many(ids[:2000], time_ns[:2000], value[:2000])
    large.score_many(ids[:2000], time_ns[:2000], value[:2000])
    large.grow(5000)
    expected = small.score_many(ids[2000:], time_ns[2000:], value[2000:]).score
    assert large.score_many(ids[2000:], time_ns[2000:], value[2000:]).score.tobytes() == expected.tobytes()
    large.score_many(np.array([4999], np.int32), time_ns[:1], value[:1])


def test_scores_lie_between_0_and_12_whatever_comes():
    rng = np.random.default_rng(0)
    value = rng.standard_t(1, 20_000) * 10.0 ** rng.uniform(-200, 140, 20_000)
    score = scores(value)
    assert score.min() >= 0.0
    assert score.max() <= 12.0


@pytest.mark.parametrize("offset", [0.0, 101_325.0, 1e6])
def test_a_threshold_is_a_false_alarm_rate_also_at_an_operating_level(offset):
    """20 series of 6 hours each at 1 Hz: 1e-4 expected at 4; autocorrelated parts make it at most a few times more."""
    rng = np.random.default_rng(11)
    score = np.concatenate([scores(offset + rng.normal(0.0, 0.1, 21_600)) for _ in range(20)])
    assert (score >= DEFAULT_THRESHOLD).mean() < 1e-4
    assert 1e-6 < (score >= 3.5).mean() < 2e-3


DISTURBANCES = {
    # id: what happens from row 5000 on to noise of 1 around 100; rows within which it must be found
    "spike-of-10-sigma": (lambda x, _: np.r_[x[0] + 10.0, x[1:]], 1),
    "level-shift-of-6-sigma": (lambda x, _: x + 6.0, 20),
    "drift-of-1-sigma-a-minute": (lambda x, t: x + t / 60.0, 420),
    "noise-doubled": (lambda x, _: 100.0 + 2.0 * (x - 100.0), 300),
}


@pytest.mark.parametrize("disturb", DISTURBANCES.values(), ids=DISTURBANCES.keys())
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_finds_what_it_says_it_finds(disturb, seed):
    change, within = disturb
    value = np.random.default_rng(seed).normal(100.0, 1.0, 5000 + within)
    value[5000:] = change(value[5000:], np.arange(within))
    score = scores(value)
    assert score[:5000].max() < 5.5
    assert score[5000:].max() >= DEFAULT_THRESHOLD


def test_a_lasting_fault_stays_visible_and_a_new_normal_is_taken():
    rng = np.random.default_rng(4)
    value = rng.normal(100.0, 1.0, 12_000)
    value[5000:] += 10.0
    high = scores(value) >= DEFAULT_THRESHOLD
    assert high[5000:5600].mean() > 0.95
    assert high[9000:].mean() < 0.001


def test_a_fault_is_found_again_when_it_comes_back():
    value = np.random.default_rng(4).normal(100.0, 1.0, 12_000)
    value[5000:5600] += 10.0
    value[9000:9600] += 10.0
    high = scores(value) >= DEFAULT_THRESHOLD
    assert high[9000:9060].any()
    assert not high[7500:9000].any()


def test_a_stuck_sensor_that_recovers_is_no_surprise():
    rng = np.random.default_rng(6)
    value = np.r_[rng.normal(20.0, 0.1, 4000), np.full(30_000, 20.02), rng.normal(20.0, 0.1, 4000)]
    assert scores(value).max() < 5.5


def test_the_first_row_after_an_outage_is_no_step():
    """A slow process moves on while nobody looks; only its history is to judge the new value."""
    rng = np.random.default_rng(8)
    n = 6000
    value = 20.0 + np.sin(np.arange(2 * n) / 150.0) + rng.normal(0.0, 0.02, 2 * n)
    kept = np.r_[0:n, n + 471 : 2 * n]  # half a period later: the other side of the wave
    detector = RobustDetector(1)
    score = detector.score_many(np.zeros(len(kept), np.int32), kept * SECOND, value[kept]).score
    assert abs(value[n + 471] - value[n - 1]) > 1.0
    assert score[n] < 4.0


@pytest.mark.parametrize("seed", range(1, 6))
def test_compressor_of_the_demo_is_quiet_for_hours_and_its_bearing_found_within_a_minute(seed):
    cause = Cause("bearing_wear", Compressor.asset, 10_900, 11_500, 0.5)
    device = Compressor(seed, lambda _asset, hour: cause if hour == 3 else None)
    value = [next(sample.value for sample in device.step() if sample.tag == "vibration") for _ in range(11_500)]
    score = scores(value)
    assert score[:10_900].max() < 6.0
    found = np.flatnonzero(score[10_900:] >= 6.0)
    assert found[0] <= 60
    assert (score[10_960:11_500] >= 6.0).all()


def test_tail_score_is_one_at_the_decile_and_exact_for_an_exponential_tail():
    for p in (1e-1, 1e-2, 1e-4):
        z, decile = -np.log(p), np.log(10.0)
        assert tail_score(np.log(z), np.log(decile), 0.31) == pytest.approx(-np.log10(p))


def test_tail_parameters_are_learned_from_the_stream():
    """Deciles and mean excesses of exponential and Gaussian noise."""
    rng = np.random.default_rng(3)
    for z, decile, mean_excess in (
        (rng.exponential(1.0, 100_000), 2.303, 0.31),
        (np.abs(rng.normal(size=100_000)), 1.645, 0.21),
    ):
        q, excess, run = 1.0, 0.31, 0.0
        for row, one in enumerate(np.log(z).tolist()):
            q, excess, run = learn_tail(one, q, excess, run, row, max(0.001, 3.0 / (row + 10)), 3.5)
        assert np.exp(q) == pytest.approx(decile, rel=0.05)
        assert excess == pytest.approx(mean_excess, rel=0.1)
