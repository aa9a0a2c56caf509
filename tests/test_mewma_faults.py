"""What the multivariate detector must find on simulated machines, and what it must leave alone."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.mewma import CHANNEL_SCATTER, FAST_SHIFT, GROUP_SCATTER, SLOW_SHIFT, MewmaDetector
from detectors.mewma_kernel import CENTRE
from tests.detector_checks import SECOND


@pytest.mark.parametrize("channels", [2, 8, 52])
@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8, 1.0])
def test_false_alarms_are_few_whatever_the_channels_and_their_memory(channels, memory):
    """Autocorrelated and wandering channels, mixed; a covariance of 52 channels from 400 rows fits them by chance."""
    rng = np.random.default_rng(channels)
    noise = rng.normal(size=(6000, channels))
    for i in range(1, len(noise)):
        noise[i] += memory * noise[i - 1]
    found = MewmaDetector(channels).score_many(np.arange(6000) * SECOND, noise @ rng.normal(size=(channels, channels)))
    assert found.alarm.mean() < 0.02


FAULTS = {
    # id:                 what becomes of the rows from 600 on, statistics that may tell
    "level":              (lambda x: x + np.array([3.0, 0, 0, 0]), {SLOW_SHIFT, FAST_SHIFT}),
    "small-in-all":       (lambda x: x + 1.5, {SLOW_SHIFT, FAST_SHIFT}),
    "scatter":            (lambda x: x * [3.0, 1.0, 1.0, 1.0], {GROUP_SCATTER, CHANNEL_SCATTER}),
    "broken-correlation": (lambda x: x[:, [0, 1, 3, 2]] * [1, 1, -1, 1], {GROUP_SCATTER, CHANNEL_SCATTER, FAST_SHIFT}),
}  # fmt: skip


@pytest.mark.parametrize(("fault", "tells"), FAULTS.values(), ids=FAULTS.keys())
def test_finds_faults_and_says_where(fault, tells):
    rng = np.random.default_rng(8)
    values = rng.normal(size=(1000, 4))
    values[:, 3] = 0.95 * values[:, 2] + np.sqrt(1 - 0.95**2) * values[:, 3]
    values[600:] = fault(values[600:])
    found = MewmaDetector(4).score_many(np.arange(1000) * SECOND, values)
    assert not found.alarm[:600].any()
    assert found.alarm[640:].mean() > 0.9
    assert set(found.statistic[640:][found.alarm[640:] > 0]) <= tells
    if fault is FAULTS["level"][0]:
        assert set(found.channel[640:]) == {0}


def test_a_wandering_channel_may_go_where_it_likes_but_not_jump():
    rng = np.random.default_rng(9)
    values = rng.normal(size=(3000, 3))
    values[:, 2] = 80.0 + np.cumsum(rng.normal(0.0, 0.05, 3000))
    values[1500:, 2] += 0.005 * np.arange(1500)  # slower than what it does by itself
    detector = MewmaDetector(3)
    assert not detector.score_many(np.arange(3000) * SECOND, values).alarm.any()
    assert detector.wandering == [2]
    values[2000:2010, 2] += 5.0 * np.arange(10)
    values[2010:, 2] += 50.0
    found = MewmaDetector(3).score_many(np.arange(3000) * SECOND, values)
    assert found.alarm[2000:2012].any()
    assert set(found.channel[2000:2012][found.alarm[2000:2012] > 0]) == {2}
    assert not found.alarm[2100:].any()


def test_levels_follow_only_while_nothing_is_unusual():
    rng = np.random.default_rng(9)
    values = rng.normal(size=(4000, 2))
    values[:, 0] += np.linspace(0.0, 4.0, 4000)  # far slower than one deviation a reference
    detector = MewmaDetector(2)
    assert not detector.score_many(np.arange(4000) * SECOND, values).alarm.any()
    assert detector._state[CENTRE, 0] > 2.5
    kept = float(detector._state[CENTRE, 1])
    values[:, 1] = 50.0
    assert detector.score_many(np.arange(4000, 8000) * SECOND, values).alarm[-1] == 1
    assert abs(detector._state[CENTRE, 1] - kept) < 0.2


def test_one_channel_that_oscillates_is_found_among_many():
    rng = np.random.default_rng(4)
    values = rng.normal(size=(1200, 52))
    values[800:, 17] += 3.0 * np.sin(np.arange(400) / 3.0)
    found = MewmaDetector(52).score_many(np.arange(1200) * SECOND, values)
    assert not found.alarm[:800].any()
    assert found.alarm[860:].mean() > 0.9
    assert set(found.channel[860:][found.alarm[860:] > 0]) == {17}
