"""Figures of a waveform against exact fractions, scipy, and a sine."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from operators.waveform import block_figures
from tests import naive_waveform

SAMPLES = st.lists(st.floats(-1e6, 1e6, width=32) | st.sampled_from([0.0, 1.0, 1.5]), min_size=1, max_size=30)


@settings(deadline=None)
@given(SAMPLES)
def test_the_twin_agrees(samples):
    x = np.array(samples, np.float32)
    got, want = block_figures(x), naive_waveform.figures(x)
    assert got[:3] == pytest.approx(want[:3], rel=1e-12, nan_ok=True)
    spread = float(np.ptp(x)) / max(want[1], 1e-300)
    if math.isnan(want[3]) or spread > 1e-3:  # less is fewer digits than a float32 offset leaves
        assert got[3] == pytest.approx(want[3], rel=1e-6, nan_ok=True)


def test_a_sine():
    x = (2.0 * np.sin(2 * np.pi * np.arange(25_600) / 256)).astype(np.float32)
    rms, peak, crest, kurtosis = block_figures(x)
    assert (rms, peak) == pytest.approx((math.sqrt(2), 2.0), abs=1e-6)
    assert (crest, kurtosis) == pytest.approx((math.sqrt(2), 1.5), abs=1e-6)


def test_scipy_agrees_on_noise_at_an_operating_level():
    x = (101_325 + 0.5 * np.random.default_rng(7).standard_normal(10_000)).astype(np.float32)
    assert block_figures(x)[3] == pytest.approx(stats.kurtosis(x.astype(np.float64), fisher=False), rel=1e-6)


@pytest.mark.parametrize(
    ("samples", "want"),
    [
        ([0.0, 0.0], (0.0, 0.0, math.nan, math.nan)),
        ([3.0], (3.0, 3.0, 1.0, math.nan)),
        ([1e-38, -1e-38], (1e-38, 1e-38, 1.0, 1.0)),
        ([3e38, -3e38, 3e38, -3e38], (3e38, 3e38, 1.0, 1.0)),
    ],
)
def test_edges(samples, want):
    assert block_figures(np.array(samples, np.float32)) == pytest.approx(want, rel=1e-6, nan_ok=True)


def test_the_samples_stay_as_they_are():
    x = np.array([1.0, 2.0], np.float32)
    block_figures(x)
    assert x.tolist() == [1.0, 2.0]
