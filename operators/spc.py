"""Formulas of control charts: what is plotted, its centre line and its limits.

sigma is everywhere that of one value of the process within a subgroup. Source: ISO 7870-2 and -4, ISO 7870-6 (EWMA),
D. C. Montgomery, Introduction to Statistical Quality Control; NIST/SEMATECH e-Handbook 6.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from operators.spc_constants import factors

WIDTH = 3.0  # sigmas, where a chart says nothing else


class Lines(NamedTuple):
    """Centre line, limits and the sigma of what is plotted."""

    centre: float
    lower: float
    upper: float
    sigma: float


def mean_lines(centre: float, sigma: float, n: int, width: float = WIDTH) -> Lines:
    """Of the mean of n values; n = 1: of the value itself."""
    of_mean = sigma / math.sqrt(n)
    return Lines(centre, centre - width * of_mean, centre + width * of_mean, of_mean)


def range_lines(sigma: float, n: int, width: float = WIDTH) -> Lines:
    """Of the range of n >= 2 values; a moving range has n = 2."""
    known = factors(n)
    return _from_zero(known.d2 * sigma, known.d3 * sigma, width)


def deviation_lines(sigma: float, n: int, width: float = WIDTH) -> Lines:
    """Of the standard deviation of n >= 2 values."""
    known = factors(n)
    return _from_zero(known.c4 * sigma, math.sqrt(max(1.0 - known.c4 * known.c4, 0.0)) * sigma, width)


def proportion_lines(p: float, n: float, width: float = WIDTH) -> Lines:
    """p chart: of the share of defective items among n; limits stay within 0 and 1."""
    lines = _from_zero(p, math.sqrt(max(p * (1.0 - p), 0.0) / n), width)
    return lines._replace(upper=min(1.0, lines.upper))


def defective_lines(p: float, n: float, width: float = WIDTH) -> Lines:
    """np chart: of the number of defective items among n."""
    lines = _from_zero(n * p, math.sqrt(max(n * p * (1.0 - p), 0.0)), width)
    return lines._replace(upper=min(n, lines.upper))


def defects_lines(mean: float, units: float = 1.0, width: float = WIDTH) -> Lines:
    """c chart (units = 1) and u chart: of the defects a unit, mean defects a unit known."""
    return _from_zero(mean, math.sqrt(max(mean, 0.0) / units), width)


def ewma_lines(centre: float, sigma: float, lam: float, width: float, points: int | None = None) -> Lines:
    """Of an EWMA of values of sigma; points: how many it has taken, for the exact limits; None: the fixed ones.

    Published run lengths are those of fixed limits.
    """
    part = lam / (2.0 - lam)
    if points is not None:
        part *= -math.expm1(2.0 * points * math.log1p(-lam)) if lam < 1.0 else 1.0
    of_ewma = sigma * math.sqrt(part)
    return Lines(centre, centre - width * of_ewma, centre + width * of_ewma, of_ewma)


def ewma_next(before: float, x: float, lam: float) -> float:
    """lam x + (1 - lam) z, the EWMA after x."""
    return lam * x + (1.0 - lam) * before


def cusum_next(upper: float, lower: float, z: float, k: float) -> tuple[float, float]:
    """Both sums after a value z, in sigmas from the centre: max(0, C+ + z - k) and max(0, C- - z - k)."""
    return max(0.0, upper + z - k), max(0.0, lower - z - k)


def _from_zero(centre: float, sigma: float, width: float) -> Lines:
    """What cannot be negative has no lower limit below 0."""
    return Lines(centre, max(0.0, centre - width * sigma), centre + width * sigma, sigma)


def moving_range_sigma(moving_ranges: Sequence[float]) -> float | None:
    """Mean moving range / d2(2); None without one."""
    return sum(moving_ranges) / len(moving_ranges) / factors(2).d2 if moving_ranges else None


def first_autocorrelation(x: Sequence[float], neighbours: Sequence[tuple[float, float]] | None = None) -> float | None:
    """Correlation of neighbours, lag 1, -1..1; None for fewer than 3 values or where all are equal.

    neighbours: those that nothing came between; None: each value and the next.

    Beyond 2 / sqrt(n) it is not chance, and limits from moving ranges or small subgroups are wrong: too narrow where
    it is positive.
    """
    if len(x) < 3:
        return None
    mean = math.fsum(x) / len(x)
    square = math.fsum((one - mean) * (one - mean) for one in x)
    pairs = pairwise(x) if neighbours is None else neighbours
    return math.fsum((a - mean) * (b - mean) for a, b in pairs) / square if square > 0.0 else None
