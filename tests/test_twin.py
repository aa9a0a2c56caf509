"""Twin sensors: faults of one are found however both move; what both do is none; bad input."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.mewma import MewmaDetector
from detectors.twin import TwinDetector
from tests.detector_checks import SECOND


def pair(n=1500, seed=3):
    """A load that goes where it likes, seen by two sensors with an offset of their own."""
    rng = np.random.default_rng(seed)
    load = 80.0 + np.cumsum(rng.normal(0.0, 1.0, n))
    return np.arange(n) * SECOND, load + rng.normal(0.0, 0.1, n), load + 0.7 + rng.normal(0.0, 0.1, n)


def ramp(second):
    second[800:] += np.linspace(0.0, 1.0, len(second) - 800)


def offset(second):
    second[800:] -= 0.3


def noise(second):
    second[800:] += np.random.default_rng(1).normal(0.0, 0.4, len(second) - 800)


def stuck(second):
    second[800:] = second[800]


@pytest.mark.parametrize("fault", [ramp, offset, noise, stuck])
def test_finds_a_fault_of_one_that_neither_sensor_shows_alone(fault):
    time_ns, first, second = pair()
    assert not TwinDetector().score_many(time_ns, first, second).alarm.any()
    fault(second)
    found = TwinDetector().score_many(time_ns, first, second)
    assert not found.alarm[:800].any()
    assert found.alarm[1300:].mean() > 0.9
    assert set(found.channel[found.alarm > 0]) == {0}


def test_what_both_do_is_no_fault():
    time_ns, first, second = pair()
    first[900:] += 50.0
    second[900:] += 50.0
    assert not TwinDetector().score_many(time_ns, first, second).alarm.any()


def test_is_the_one_channel_detector_of_the_difference():
    time_ns, first, second = pair()
    offset(second)
    expected = MewmaDetector(1).score_many(time_ns, (first - second)[:, None])
    assert TwinDetector().score_many(time_ns, first, second).score.tobytes() == expected.score.tobytes()


@pytest.mark.parametrize("cut", [1, 399, 400, 900])
def test_goes_on_from_a_snapshot_and_any_split(cut):
    time_ns, first, second = pair()
    offset(second)
    expected = TwinDetector().score_many(time_ns, first, second).score
    one, other = TwinDetector(), TwinDetector()
    head = one.score_many(time_ns[:cut], first[:cut], second[:cut]).score
    other.restore(one.snapshot())
    tail = other.score_many(time_ns[cut:], first[cut:], second[cut:]).score
    assert np.concatenate([head, tail]).tobytes() == expected.tobytes()


def test_a_missing_value_of_either_is_no_score():
    time_ns, first, second = pair()
    first[500], second[600], first[700], second[700] = np.nan, np.inf, np.inf, np.inf
    found = TwinDetector().score_many(time_ns, first, second)
    assert np.flatnonzero(np.isnan(found.score)).tolist() == [500, 600, 700]


def test_relearn_takes_a_new_offset_as_normal():
    time_ns, first, second = pair()
    detector = TwinDetector()
    detector.score_many(time_ns, first, second)
    detector.relearn()
    assert not detector.score_many(time_ns, first, second + 5.0).alarm.any()
    assert detector.nbytes < 10_000


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="time_ns 2, first 2, second 3"):
        TwinDetector().score_many(np.zeros(2, np.int64), np.zeros(2), np.zeros(3))
