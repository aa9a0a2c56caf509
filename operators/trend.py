"""The trend of a condition and how long until a limit: a robust slope with its interval. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from andon.readings import F64

LEAST = 4  # points that a slope with an interval needs


@dataclass(frozen=True, slots=True)
class Trend:
    """Slope (unit of y a unit of t) with its interval; all three lines go through (t_mid, y_mid)."""

    slope: float
    low: float
    high: float
    t_mid: float
    y_mid: float

    def time_to(self, limit: float, now: float) -> tuple[float | None, float | None, float | None]:
        """(time, soonest, latest) from t = now until the limit; None where the line does not rise."""
        lines = (self.slope, self.high, self.low)
        first, soonest, latest = (time_to(limit, self.y_mid + one * (now - self.t_mid), one) for one in lines)
        return first, soonest if first is not None else None, latest


def robust_trend(t: F64, y: F64, confidence: float) -> Trend | None:
    """The median of all pairs' slopes (Theil, Sen) with its interval; None for fewer than four instants.

    t, y: float64[n], t growing, finite. The line goes through the medians; up to 29 % of wild points do not move it
    far. Interval: Sen's, from the ranks of Kendall's tau with ties of y, normal approximation; two-sided.
    Cost: n^2 / 2 slopes; n = 60: 0.1 ms.
    Source: Sen, J. Am. Stat. Assoc. 63 (1968); scipy.stats.theilslopes gives the same.
    """
    n = len(t)
    if n < LEAST or float(t[-1]) <= float(t[0]):
        return None
    first, second = np.triu_indices(n, 1)
    run = t[second] - t[first]
    slopes = np.sort(((y[second] - y[first])[run > 0.0]) / run[run > 0.0])
    slope = float(np.median(slopes))
    _, tied = np.unique(y, return_counts=True)
    _, same = np.unique(t, return_counts=True)
    variance = (n * (n - 1) * (2 * n + 5) - _ties(tied) - _ties(same)) / 18.0
    reach = float(special.ndtri(0.5 + confidence / 2.0)) * math.sqrt(max(variance, 0.0))
    count = len(slopes)
    upper = min(round((count + reach) / 2.0), count - 1)
    lower = max(round((count - reach) / 2.0) - 1, 0)
    middle = float(np.median(t)), float(np.median(y))
    return Trend(slope, float(slopes[lower]), float(slopes[upper]), *middle)


def _ties(counts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    return float(sum(k * (k - 1) * (2 * k + 5) for k in counts.tolist()))


def least_squares(t: F64, y: F64) -> tuple[float, float] | None:
    """(slope, height at t = 0) of the straight line of least squares; None for fewer than two instants."""
    if len(t) < 2:
        return None
    off = t - np.mean(t)
    spread = float(off @ off)
    if spread == 0.0:
        return None
    slope = float(off @ (y - np.mean(y))) / spread
    return slope, float(np.mean(y)) - slope * float(np.mean(t))


def time_to(limit: float, level: float, slope: float) -> float | None:
    """How long until a line reaches a limit: (limit - level) / slope; 0 at or beyond it; None unless it rises.

    A slope of 0 or less has no time to the limit: neither infinity nor an error.

    >>> time_to(4.5, 2.0, 0.5), time_to(4.5, 2.0, 0.0), time_to(4.5, 5.0, -1.0)
    (5.0, None, None)
    """
    if not slope > 0.0:
        return None
    return max(limit - level, 0.0) / slope


def remaining(t: F64, y: F64, limit: float, *, exponential: bool = False) -> float | None:
    """Time from the last t until the least-squares line of y (exponential: of ln y) reaches the limit; None as above.

    exponential needs y > 0 and limit > 0, else None. A slope that rounding alone made counts as none.
    """
    if exponential and (limit <= 0.0 or bool((y <= 0.0).any())):
        return None
    height, goal = (np.log(y), math.log(limit)) if exponential else (y, limit)
    line = least_squares(t, height)
    if line is None or abs(line[0]) * float(np.ptp(t)) <= 1e-12 * float(np.abs(height).max(initial=0.0)):
        return None
    slope, start = line
    return time_to(goal, start + slope * float(t[-1]), slope)
