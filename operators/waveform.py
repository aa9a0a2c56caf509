"""Figures of a waveform's block: what a window, a rule and an alarm can work with."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def block_figures(samples: NDArray[np.float32]) -> tuple[float, float, float, float]:
    """(rms, peak, crest factor, kurtosis) of one block; the first of `andon.readings.BLOCK_FIGURES`.

    samples: float32[n], n >= 1, finite, in the waveform's unit.
    rms     : root mean square about zero, so a constant part counts; the unit of the samples.
    peak    : largest absolute value; the same unit.
    crest   : peak / rms, 1 and above; NaN when all samples are 0. A sine has sqrt(2).
    kurtosis: fourth central moment / variance squared (Pearson's, not the excess): a sine 1.5, Gaussian noise 3, a
              bearing that begins to pit 4 and more. NaN when all samples are equal.
    Cost: three passes in float64, 10 ns a sample. The mean is taken off before powers are summed, so an offset does
    not eat the digits. Source: ISO 13373-2:2016 (rms, peak, crest factor); twin in tests/naive_waveform.py.
    """
    x = samples.astype(np.float64)
    peak = float(np.abs(x).max())
    if peak == 0.0:
        return 0.0, 0.0, math.nan, math.nan
    scaled = x / peak  # squares of the smallest and largest float32 stay numbers
    rms = peak * math.sqrt(float(np.mean(scaled * scaled)))
    if bool((x == x[0]).all()):
        return rms, peak, peak / rms, math.nan
    off = scaled - np.mean(scaled)
    squares = off * off
    variance = float(np.mean(squares))
    kurtosis = float(np.mean(squares * squares)) / (variance * variance) if variance > 0.0 else math.nan
    return rms, peak, peak / rms, kurtosis
