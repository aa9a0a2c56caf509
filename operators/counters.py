"""What a counter counted from one value to the next. Pure."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from andon.readings import F64


@njit(nogil=True, cache=True)
def counted(before: float, value: float, modulus: float) -> float:
    """Items from `before` (not NaN) to `value` of one counter, both 0 or more.

    A smaller value is a wrap where a modulus is declared (not NaN) and a wrap leads to it, else a reset, after which it
    counts from zero: no counter counts backwards.
    """
    more = value - before
    if more < 0.0:
        wrapped = more + modulus
        more = wrapped if wrapped >= 0.0 else value  # NaN: no modulus
    return more


def deltas(before: float | None, value: F64, modulus: float) -> tuple[F64, float | None]:
    """What was counted at each value, float64[n], and the last value; before: None where there was none.

    The first of all counts nothing. What is below zero is no count: NaN, and the counter goes on from before it.
    """
    more = np.full(len(value), math.nan)
    read = np.flatnonzero(value >= 0.0)
    if not len(read):
        return more, before
    kept = value[read]
    step = np.diff(kept, prepend=kept[0] if before is None else before)
    wrapped = step + modulus
    more[read] = np.where(step >= 0.0, step, np.where(wrapped >= 0.0, wrapped, kept))
    return more, float(kept[-1])
