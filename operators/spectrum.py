"""Spectra of a block: amplitudes of lines, the envelope of a band, the strongest line of a range.

All work on float64[n] of one rate and use a Hann window: a line is spread over four bins and hardly further, and
is read up to 15 % low where it lies between two.
"""

from __future__ import annotations

import math

import numpy as np

from andon.readings import F64

TINY = 1e-300  # where a block begins at rest, its first sample would be 0 / 0


def hann(n: int) -> F64:
    """Hann window of n samples, periodic."""
    window: F64 = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n) / n)
    return window


def detrended(x: F64) -> F64:
    """x without its straight line of least squares: what is slower than the block would leak into every bin."""
    n = len(x)
    at = np.arange(n) - (n - 1) / 2.0
    off = x - np.mean(x)
    spread = float(at @ at)
    rest: F64 = off - (float(at @ off) / spread if spread else 0.0) * at
    return rest


def amplitudes(x: F64, rate_hz: float) -> tuple[F64, F64]:
    """(Hz, amplitude) of the lines of x, both float64[n // 2 + 1]; a sine of amplitude a on a bin reads a.

    n >= 2. The unit of x; peak, not rms.
    """
    n = len(x)
    window = hann(n)
    lines = np.abs(np.fft.rfft(x * window)) * (2.0 / float(window.sum()))
    hz: F64 = np.arange(n // 2 + 1, dtype=np.float64) * (rate_hz / n)
    return hz, lines


def strongest(hz: F64, lines: F64, low_hz: float, high_hz: float) -> tuple[float, float]:
    """(Hz, amplitude) of the largest line in [low_hz, high_hz]; NaN where no bin lies in it.

    A range narrower than a bin on each side is widened to it: the line may lie on either. The frequency is that of a
    parabola through the logarithms of the largest bin and its neighbours, within a tenth of a bin.
    """
    step = float(hz[1]) if len(hz) > 1 else math.inf
    inside = np.flatnonzero((hz >= min(low_hz, high_hz - step)) & (hz <= max(high_hz, low_hz + step)) & (hz > 0.0))
    if not len(inside) or low_hz > hz[-1]:
        return math.nan, math.nan
    top = int(inside[np.argmax(lines[inside])])
    return float(hz[top]) + step * _between(lines, top), float(lines[top])


def _between(lines: F64, top: int) -> float:
    """How far the peak lies from the bin `top`, bins, -0.5 to 0.5."""
    if not 0 < top < len(lines) - 1 or min(lines[top - 1 : top + 2]) <= 0.0:
        return 0.0
    left, mid, right = np.log(lines[top - 1 : top + 2]).tolist()
    bend = left - 2.0 * mid + right
    return min(0.5, max(-0.5, 0.5 * (left - right) / bend)) if bend < 0.0 else 0.0


def envelope(x: F64, rate_hz: float, low_hz: float, high_hz: float) -> F64:
    """Magnitude of the analytic signal of x in the band [low_hz, high_hz], float64[n], without its mean.

    Band-pass and Hilbert transform in one: of the spectrum only the band's positive frequencies are kept, doubled.
    Needs 0 < low_hz < high_hz <= rate_hz / 2, else ValueError. Source: ISO 13373-2:2016; twin in tests/naive_health.py.
    """
    if not 0.0 < low_hz < high_hz <= rate_hz / 2.0:
        raise ValueError(f"no band below {rate_hz / 2.0} Hz: {low_hz} to {high_hz}")
    spectrum = np.fft.fft(x - np.mean(x))
    hz = np.fft.fftfreq(len(x), 1.0 / rate_hz)
    spectrum[(hz < low_hz) | (hz > high_hz)] = 0.0
    magnitude = np.abs(np.fft.ifft(2.0 * spectrum))
    off: F64 = magnitude - np.mean(magnitude)
    return off


def at_even_angles(x: F64, begin: float, end: float) -> F64:
    """x as a shaft would give it that turned evenly at the mean of its speeds: order tracking of a linear run-up.

    x float64[n], n >= 2, samples at even times; begin, end: speeds at the ends of the block, any unit, >= 0, not both
    0. Values between samples are on straight lines. Source: ISO 13373-2:2016 (synchronous sampling).
    """
    n = len(x)
    share = np.arange(n) / (n - 1)  # of the block's angle
    mean, rise = (begin + end) / 2.0, (end - begin) / 2.0
    # angle(t) = begin t + rise t^2 = share * mean, with t from 0 to 1; the root that does not divide by rise
    at = 2.0 * share * mean / (begin + np.sqrt(np.maximum(begin * begin + 4.0 * rise * share * mean, 0.0)) + TINY)
    even: F64 = np.interp(at, share, x)
    return even
