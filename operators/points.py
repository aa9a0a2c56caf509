"""Raw points of one series as step functions of time: how long a value stands, what is known at an instant, counts.

Points are sorted by time, then value. A value stands until the next point, at most `gap_ns` (last observation
carried forward, capped): beyond that nothing is known, and nothing is interpolated. Of points with the same stamp
the last one stands. Windows are half open, [start_ns, end_ns).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from andon.readings import F64, I64


def hold_ns(time_ns: I64, start_ns: int, end_ns: int, gap_ns: int) -> I64:
    """How long each point stands inside [start_ns, end_ns), ns, int64[n].

    time_ns may begin before the window and end after it. The holds of two adjacent windows add up, to the
    nanosecond, to those of both together.
    """
    if len(time_ns) == 0:
        return np.empty(0, np.int64)
    until = np.append(time_ns[1:], end_ns)
    np.minimum(until, time_ns + gap_ns, out=until)
    np.minimum(until, end_ns, out=until)
    held: I64 = np.maximum(until - np.maximum(time_ns, start_ns), 0)
    return held


def known_at(time_ns: I64, instants: I64, gap_ns: int) -> NDArray[np.intp]:
    """Index of the point that stands at each instant; -1 where nothing is known.

    A point at t stands on [t, t + gap_ns).
    """
    index = np.searchsorted(time_ns, instants, side="right") - 1
    if len(time_ns) == 0:
        return index
    fresh = (index >= 0) & (instants - time_ns[index] < gap_ns)
    return np.where(fresh, index, -1)


def counter_deltas(value: F64, modulus: float | None = None) -> F64:
    """What a counter counted between consecutive samples, float64[n-1], never negative.

    A smaller value is a wrap where a modulus is declared, else a reset to zero, after which it counts from zero:
    100, 120, 5, 9 counts 20 + 5 + 4. A counter that is also reset by hand must not declare a modulus.
    """
    delta = np.diff(value)
    back = delta < 0.0
    if modulus is None:
        return np.where(back, value[1:], delta)
    return np.where(back, delta + modulus, delta)


def counted(time_ns: I64, value: F64, start_ns: int, end_ns: int, modulus: float | None = None) -> float:
    """What a counter counted in [start_ns, end_ns); each delta belongs to the window of its later sample.

    The last sample before start_ns is the base, however old: items made during a gap in the data were made. Without
    it the first sample counts nothing, since when its count was made is not known. NaN samples are left out.
    """
    usable = np.isfinite(value)
    time_ns, value = time_ns[usable], value[usable]
    first, last = np.searchsorted(time_ns, (start_ns, end_ns), side="left")
    base = max(int(first) - 1, 0)
    return float(counter_deltas(value[base:last], modulus).sum())
