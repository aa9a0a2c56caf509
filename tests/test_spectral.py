"""The spectral detector: the checks of every detector, a twin by numpy and scipy, what it finds and what it leaves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.i18n import LANGUAGES, catalogue
from detectors import registry
from detectors.calibration import tail_score
from detectors.contract import NO_PART
from detectors.spectral import HOP, LEARN, PARTS, SpectralDetector
from simulators.fault_plants import remembering
from tests import detector_checks
from tests.detector_checks import SECOND
from tests.naive_spectral import SpectralSeries


def make():
    return SpectralDetector(capacity=4)


def scored(value, detector=None):
    detector = detector or SpectralDetector(1)
    return detector.score_many(np.zeros(len(value), np.int32), np.arange(len(value)) * SECOND, value)


@pytest.mark.parametrize("check", detector_checks.ALL, ids=lambda check: check.__name__)
def test_as_every_detector(check):
    check(make)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 4000), max_size=6))
def test_any_split_gives_the_same_bits(cuts):
    detector_checks.check_any_split_gives_the_same_bits(make, cuts)


def test_single_rows_give_the_same_bits_as_one_batch():
    detector_checks.check_any_split_gives_the_same_bits(make, range(1, 4000))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, -3.0, 101_325.0, 1e9]), st.integers(0, 3))
def test_equals_its_twin_in_plain_python(seed, level, gaps):
    rng = np.random.default_rng(seed)
    n = 2600
    time_s = np.cumsum(rng.integers(1, 4, n))
    value = level + remembering(rng, 0.6, 0.5, n)
    for at in rng.integers(50, n, gaps).tolist():
        time_s[at:] += int(10.0 ** rng.uniform(0, 5))
    value[rng.random(n) < 0.02] = np.nan
    value[2000:2300] += np.sin(np.arange(300) / 3.0)
    found = SpectralDetector(1).score_many(np.zeros(n, np.int32), time_s * SECOND, value)
    twin = SpectralSeries()
    slow = [twin.step(time, one) for time, one in zip((time_s * SECOND).tolist(), value.tolist(), strict=True)]
    np.testing.assert_allclose(found.score, [row[0] for row in slow], rtol=1e-4, atol=1e-6)
    assert found.part.tolist() == [NO_PART if row[1] is None else row[1] for row in slow]
    np.testing.assert_allclose(found.expected, [row[2] for row in slow], rtol=1e-9)
    np.testing.assert_allclose(found.spread, [row[3] for row in slow], rtol=1e-4)


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.95])
def test_a_score_is_about_a_false_alarm_rate(rho):
    value = 20.0 + remembering(np.random.default_rng(11), rho, 0.1, 200_000)
    score = scored(value).score[HOP * LEARN :]
    for threshold in (2.6, 3.0, 3.5):
        assert 0.1 < (score >= threshold).mean() * 10**threshold < 3.0
    assert score.max() < 7.5


def test_it_names_the_period():
    for period, part in ((3.0, "period_6"), (8.0, "period_13"), (20.0, "period_32")):
        value = np.random.default_rng(2).normal(20.0, 0.1, 4000)
        value[3000:] += 0.15 * np.sin(np.arange(1000) * 2.0 * np.pi / period)
        found = scored(value)
        assert found.score[3000:3300].max() > 8.0
        assert PARTS[found.part[found.score.argmax()]] == part


def test_an_oscillation_below_the_noise_is_found_by_several_windows():
    """Amplitude of one sigma of autocorrelated noise: no row shows it."""
    value = remembering(np.random.default_rng(5), 0.6, 1.0, 6000)
    value[5000:] += np.sin(np.arange(1000) * 2.0 * np.pi / 8.0)
    found = scored(value)
    assert found.score[:5000].max() < 6.0
    assert found.score[5000:5400].max() > 7.0


def test_what_stays_becomes_usual():
    value = np.random.default_rng(3).normal(0.0, 1.0, 60_000)
    value[5000:] += 2.0 * np.sin(np.arange(55_000) / 3.0)
    found = scored(value)
    assert found.score[5000:6000].max() > 10.0
    assert found.score[-5000:].max() < 5.0


def test_heavy_tails_say_less_than_gaussian_noise_would():
    """One window in twenty has a burst: a burst is then no rarer than that."""
    rng = np.random.default_rng(8)
    value = rng.normal(0.0, 1.0, 300_000)
    for at in rng.integers(0, 300_000, 460).tolist():
        value[at : at + 12] *= 6.0
    score = scored(value).score[50_000:]
    assert (score >= 7.0).mean() < 1e-4
    assert tail_score(math.log(8.0), 0.0, 0.31) > 7.9


def test_it_is_asked_for_by_name_and_its_components_have_words():
    assert isinstance(registry.maker("spectral")(1), SpectralDetector)
    assert all(f"alarms.component.{part}" in catalogue(language) for language in LANGUAGES for part in PARTS)
