"""The ensemble detector: the checks of every detector, its twin, its bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.contract import NO_PART
from detectors.ensemble import EnsembleDetector
from tests import detector_checks
from tests.detector_checks import SECOND, said
from tests.naive_ensemble import Ensemble

DAY_ROWS = 288  # of five minutes


def make():
    return EnsembleDetector(capacity=4)


def alone(value, time_ns):
    value = np.asarray(value, np.float64)
    return EnsembleDetector(1).score_many(np.zeros(len(value), np.int32), time_ns, value)


@pytest.mark.parametrize("check", detector_checks.ALL + detector_checks.PAUSING, ids=lambda check: check.__name__)
def test_as_every_detector(check):
    check(make)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 4000), max_size=6))
def test_any_split_gives_the_same_bits(cuts):
    detector_checks.check_any_split_gives_the_same_bits(make, cuts)


def test_single_rows_give_the_same_bits_as_one_batch():
    detector_checks.check_any_split_gives_the_same_bits(make, range(1, 4000))


@settings(max_examples=20)
@given(st.integers(0, 4000))
def test_restored_anywhere_it_goes_on_to_the_bit(cut):
    ids, time_ns, value = detector_checks.mixed_rows()
    first, second = make(), make()
    first.score_many(ids[:cut], time_ns[:cut], value[:cut])
    second.restore(first.snapshot())
    rest = ids[cut:], time_ns[cut:], value[cut:]
    assert said(second.score_many(*rest)) == said(first.score_many(*rest))


@settings(max_examples=20)
@given(st.integers(0, 4000))
def test_what_is_said_depends_on_nothing_later(cut):
    ids, time_ns, value = detector_checks.mixed_rows()
    whole = make().score_many(ids, time_ns, value)
    prefix = make().score_many(ids[:cut], time_ns[:cut], value[:cut])
    assert prefix.score.tobytes() == whole.score[:cut].tobytes()
    assert prefix.part.tobytes() == whole.part[:cut].tobytes()


def _twin_input(kind):
    rng = np.random.default_rng(5)
    n = 3000
    time_s = np.cumsum(rng.uniform(250.0, 350.0, n))
    value = rng.normal(20.0, 0.1, n)
    if kind == "fault":
        value[1500:2200] += 0.8
    elif kind == "gaps":
        time_s[1000:] += 50_000.0
        time_s[2000:] += 500_000.0
        value[1000:] += 0.5
    elif kind == "stuck":
        value[900:1900] = value[899]
    elif kind == "bursts":
        value = np.where(rng.random(n) < 0.3, rng.exponential(3.0, n), 0.0)
    elif kind == "pascal":
        value += 101_325.0
    elif kind == "day":
        value += np.sin(time_s * 2.0 * np.pi / 86_400.0)
        value[2300:2400] = value[2299]
    elif kind == "rounded":
        value = np.round(value * 10.0)
        value[2000:2040] = 190.0
    elif kind == "not-finite":
        value[::7] = np.nan
        value[1001] = -np.inf
    return np.round(time_s * 1e9).astype(np.int64), value


@pytest.mark.parametrize(
    "kind", ["noise", "fault", "gaps", "stuck", "bursts", "pascal", "day", "rounded", "not-finite"]
)
def test_equals_its_twin_in_plain_python(kind):
    time_ns, value = _twin_input(kind)
    fast = alone(value, time_ns)
    twin = Ensemble()
    slow = [twin.step(*row) for row in zip(time_ns.tolist(), value.tolist(), strict=True)]
    score, part, expected, spread = zip(*slow, strict=True)
    # Shapes are float32: distances agree to 1e-6 or so, and their tails to a little less.
    np.testing.assert_allclose(fast.score, score, rtol=2e-4, atol=2e-4)
    names = [None if one == NO_PART else EnsembleDetector.PARTS[one] for one in fast.part]
    same = np.array([a == b for a, b in zip(names, part, strict=True)])
    assert same.mean() > 0.999  # where two components say nearly the same, either may stand
    for column, of_twin in ((fast.expected, expected), (fast.spread, spread)):
        np.testing.assert_allclose(column[same], np.array(of_twin)[same], rtol=1e-4, atol=1e-5)
    assert np.nanmax(fast.score) > 2.0


def test_interleaved_series_are_scored_as_if_alone():
    ids, time_ns, value = detector_checks.mixed_rows()
    together = make().score_many(ids, time_ns, value)
    for one in range(3):
        own = ids == one
        assert alone(value[own], time_ns[own]).score.tobytes() == together.score[own].tobytes()


def test_grow_keeps_what_is_known():
    ids, time_ns, value = detector_checks.mixed_rows(series=3)
    small, large = EnsembleDetector(3), EnsembleDetector(3)
    small.score_many(ids[:2000], time_ns[:2000], value[:2000])
    large.score_many(ids[:2000], time_ns[:2000], value[:2000])
    large.grow(5000)
    rest = ids[2000:], time_ns[2000:], value[2000:]
    assert said(large.score_many(*rest)) == said(small.score_many(*rest))
    large.score_many(np.array([4999], np.int32), time_ns[:1], value[:1])


def test_a_series_takes_less_than_4_kb():
    detector = EnsembleDetector(1000)
    detector.score_many(np.arange(1000, dtype=np.int32), np.zeros(1000, np.int64), np.zeros(1000))
    assert detector.nbytes / 1000 <= 4096


def test_series_without_values_take_next_to_nothing():
    assert EnsembleDetector(100_000).nbytes <= 400_000


@pytest.mark.parametrize("spoil", ["states", "shapes", "slots"])
def test_a_torn_snapshot_is_refused(spoil):
    ids, time_ns, value = detector_checks.mixed_rows()
    detector = make()
    detector.score_many(ids, time_ns, value)
    layout, slots, states, shapes = detector.snapshot()
    torn = {
        "states": (layout, slots, states[:-8], shapes),
        "shapes": (layout, slots, states, shapes[:-4]),
        "slots": (layout, slots[:-1], states, shapes),
    }[spoil]
    before = detector.snapshot()
    with pytest.raises(ValueError, match="restore: found layout 1"):
        detector.restore(torn)
    assert detector.snapshot() == before


def test_scores_lie_between_0_and_30_whatever_comes():
    rng = np.random.default_rng(0)
    value = rng.standard_t(1, 20_000) * 10.0 ** rng.uniform(-200, 40, 20_000)
    scored = alone(value, np.arange(20_000) * SECOND)
    usable = np.abs(value) <= 1e30
    assert 0.4 < usable.mean() < 1.0
    assert (np.isnan(scored.score) == ~usable).all()
    assert scored.score[usable].min() >= 0.0
    assert scored.score[usable].max() <= 30.0


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-12, 1.0, 1e6, 1e18, 1e29]))
def test_huge_and_tiny_series_stay_finite(seed, scale):
    rng = np.random.default_rng(seed)
    value = rng.normal(size=1500) * scale
    value[rng.integers(0, 1500, 5)] *= 1e3
    scored = alone(value, np.cumsum(rng.integers(0, 10**12, 1500)))
    finite = np.abs(value) <= 1e30
    assert np.isfinite(scored.score[finite]).all()
    assert scored.score[finite].max() <= 30.0


def test_times_that_stand_still_or_lie_before_1970_are_fine():
    rng = np.random.default_rng(1)
    value = rng.normal(size=2000)
    for time_ns in (np.zeros(2000, np.int64), np.arange(2000) * SECOND - 3000 * SECOND):
        assert np.isfinite(alone(value, time_ns).score).all()
