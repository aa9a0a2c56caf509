"""The slow, obvious twin of operators.waveform: exact fractions, one sample at a time."""

from __future__ import annotations

import math
from fractions import Fraction


def figures(samples):
    """(rms, peak, crest, kurtosis) as float, nan where there is none."""
    exact = [Fraction(float(one)) for one in samples]
    n = len(exact)
    peak = max(abs(one) for one in exact)
    rms = math.sqrt(sum(one * one for one in exact) / n / peak**2) * float(peak) if peak else 0.0
    mean = sum(exact) / n
    variance = sum((one - mean) ** 2 for one in exact) / n
    fourth = sum((one - mean) ** 4 for one in exact) / n
    kurtosis = float(fourth / variance**2) if variance else math.nan
    return rms, float(peak), float(peak) / rms if rms else math.nan, kurtosis
