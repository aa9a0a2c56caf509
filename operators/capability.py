"""Capability of a process against its specification: Cp, Cpk, Pp, Ppk, Cpm, with their confidence intervals.

Cp and Cpk use the sigma within subgroups, what the process could do; Pp and Ppk the overall standard deviation, what it
did. None is undefined: a one-sided specification has only the index of its side, a standard deviation of 0 has none.
Before they are believed the chart has to be stable and n at least 50, better 100. Source: ISO 22514-2; NIST/SEMATECH
e-Handbook 6.1.6; A. F. Bissell, Applied Statistics 39 (1990) 331.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri, ndtri

from andon.readings import F64

Interval = tuple[float, float]
LOWER_TAIL, UPPER_TAIL = 0.00135, 0.99865  # of a normal distribution beyond 3 sigmas on each side


@dataclass(frozen=True, slots=True)
class Specification:
    """What the product has to keep: lower and upper limit, target, in the unit of the value; None: there is none."""

    lower: float | None = None
    upper: float | None = None
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Indices:
    """both: Cp or Pp; nearer: Cpk or Ppk; to_lower, to_upper: the index of each side; to_target: Cpm."""

    both: float | None
    nearer: float | None
    to_lower: float | None
    to_upper: float | None
    to_target: float | None


def indices(spec: Specification, mean: float, sigma: float | None) -> Indices:
    """The five indices of a mean and a standard deviation; all None where sigma is None, 0 or not finite.

    Cpm = (USL - LSL) / (6 sqrt(sigma^2 + (mean - target)^2)); None without a target or one of the limits.
    """
    if sigma is None or not (math.isfinite(sigma) and math.isfinite(mean)) or sigma <= 0.0:
        return Indices(None, None, None, None, None)
    lower = None if spec.lower is None else (mean - spec.lower) / (3.0 * sigma)
    upper = None if spec.upper is None else (spec.upper - mean) / (3.0 * sigma)
    sides = [one for one in (lower, upper) if one is not None]
    both = to_target = None
    if spec.lower is not None and spec.upper is not None:
        both = (spec.upper - spec.lower) / (6.0 * sigma)
        if spec.target is not None:
            to_target = (spec.upper - spec.lower) / (6.0 * math.hypot(sigma, mean - spec.target))
    return Indices(both, min(sides) if sides else None, lower, upper, to_target)


def cp_interval(cp: float, n: int, confidence: float = 0.95, degrees: float | None = None) -> Interval | None:
    """Two-sided interval of Cp or Pp from the chi-square distribution; None for n < 2.

    degrees: what the estimate of sigma is worth; None: n - 1, that of all values. Ranges are worth less.
    """
    free = n - 1 if degrees is None else degrees
    if n < 2 or not free > 0.0:
        return None
    tail = (1.0 - confidence) / 2.0  # chdtri takes the upper tail
    low, high = (math.sqrt(float(chdtri(free, at)) / free) for at in (1.0 - tail, tail))
    return cp * low, cp * high


def cpk_interval(cpk: float, n: int, confidence: float = 0.95, degrees: float | None = None) -> Interval | None:
    """Two-sided interval of Cpk or Ppk after Bissell, an approximation for n of 20 and more; None for n < 2.

    degrees: as for `cp_interval`.
    """
    free = n - 1 if degrees is None else degrees
    if n < 2 or not free > 0.0:
        return None
    half = float(ndtri((1.0 + confidence) / 2.0)) * math.sqrt(1.0 / (9.0 * n) + cpk * cpk / (2.0 * free))
    return cpk - half, cpk + half


def percentile_indices(spec: Specification, value: F64) -> Indices:
    """Pp and Ppk of values that are not normal: percentiles stand for the mean and for 3 sigmas on each side.

    value: float64[n]; below n = 100 the tails are hardly known, and the answer is None throughout. The distances are
    those of the 0.135 and 99.865 % points from the median. Source: ISO 22514-2, method for other distributions.
    """
    none = Indices(None, None, None, None, None)
    if len(value) < 100:
        return none
    low, median, high = (float(one) for one in np.quantile(value, (LOWER_TAIL, 0.5, UPPER_TAIL)))
    if not low < median < high:
        return none
    lower = None if spec.lower is None else (median - spec.lower) / (median - low)
    upper = None if spec.upper is None else (spec.upper - median) / (high - median)
    sides = [one for one in (lower, upper) if one is not None]
    width = None if spec.lower is None or spec.upper is None else (spec.upper - spec.lower) / (high - low)
    return Indices(width, min(sides) if sides else None, lower, upper, None)
