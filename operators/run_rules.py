"""Run rules of control charts: Nelson's eight and the four of Western Electric, a point at a time.

What the texts leave open is decided so: limits are strict, a point at exactly 3 sigma is inside; the point that
completes a pattern is part of what is counted; "six in a row" are six points, five steps; a point on the centre line
breaks a run of one side; two equal points break a trend and an alternation. Source: L. S. Nelson, Journal of Quality
Technology 16 (1984) 237; Western Electric, Statistical Quality Control Handbook (1956).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from andon.readings import F64, I64

#: Bit of each rule. Western Electric's first three are Nelson's 1, 5 and 6.
BITS = {
    "nelson_1": 1, "nelson_2": 2, "nelson_3": 4, "nelson_4": 8, "nelson_5": 16, "nelson_6": 32, "nelson_7": 64,
    "nelson_8": 128, "we_1": 1, "we_2": 16, "we_3": 32, "we_4": 256,
}  # fmt: skip
STATE = 11  # numbers that the rules remember


def new_state() -> F64:
    """Nothing seen yet, float64[STATE]: what the rules remember between points."""
    return np.zeros(STATE)


@njit(nogil=True, cache=True)
def judge(z: F64, state: F64, out: I64) -> None:
    """Which rules each point completes.

    z     : float64[n], distance from the centre line in sigmas of the plotted statistic. A NaN breaks every run.
    state : float64[STATE], changed in place: seen, last z, run on a side (signed), steps of the trend (signed),
            reversing steps, run within 1, run beyond 1, and the last points above 2, below 2, above 1, below 1 as bits.
    out   : int64[n], gets the sum of `BITS` of the rules that the point completes.
    Cost  : one pass, no allocation. Twin: tests/naive_spc.py.
    """
    for i in range(len(z)):
        out[i] = point_bits(z[i], state)


@njit(nogil=True, cache=True)
def point_bits(x: float, state: F64) -> int:
    """As `judge`, of one point x."""
    if math.isnan(x):
        state[:] = 0.0
        return 0
    bits = 0
    if abs(x) > 3.0:
        bits |= 1
    if x > 0.0:
        state[2] = max(state[2], 0.0) + 1.0
    elif x < 0.0:
        state[2] = min(state[2], 0.0) - 1.0
    else:
        state[2] = 0.0
    if abs(state[2]) >= 9.0:
        bits |= 2
    if abs(state[2]) >= 8.0:
        bits |= 256
    step = x - state[1] if state[0] > 0.0 else 0.0
    before = state[3]
    if step > 0.0:
        state[4] = state[4] + 1.0 if before < 0.0 else 1.0
        state[3] = max(before, 0.0) + 1.0
    elif step < 0.0:
        state[4] = state[4] + 1.0 if before > 0.0 else 1.0
        state[3] = min(before, 0.0) - 1.0
    else:
        state[3] = 0.0
        state[4] = 0.0
    if abs(state[3]) >= 5.0:
        bits |= 4
    if state[4] >= 13.0:
        bits |= 8
    state[0] = 1.0
    state[1] = x
    state[5] = state[5] + 1.0 if abs(x) <= 1.0 else 0.0
    state[6] = state[6] + 1.0 if abs(x) > 1.0 else 0.0
    above_2 = ((np.int64(state[7]) << 1) | (1 if x > 2.0 else 0)) & 7
    below_2 = ((np.int64(state[8]) << 1) | (1 if x < -2.0 else 0)) & 7
    above_1 = ((np.int64(state[9]) << 1) | (1 if x > 1.0 else 0)) & 255
    below_1 = ((np.int64(state[10]) << 1) | (1 if x < -1.0 else 0)) & 255
    state[7], state[8], state[9], state[10] = above_2, below_2, above_1, below_1
    if (above_2 & 1 and _ones(above_2) >= 2) or (below_2 & 1 and _ones(below_2) >= 2):
        bits |= 16
    if (above_1 & 1 and _ones(above_1 & 31) >= 4) or (below_1 & 1 and _ones(below_1 & 31) >= 4):
        bits |= 32
    if state[5] >= 15.0:
        bits |= 64
    if state[6] >= 8.0 and above_1 != 0 and below_1 != 0:
        bits |= 128
    return bits


@njit(nogil=True, cache=True)
def _ones(bits: Any) -> int:
    count = 0
    while bits:
        count += bits & 1
        bits >>= 1
    return count


def completed(z: F64, state: F64) -> I64:
    """The rules that each of the points z completes, as sums of `BITS`, int64[n]; state is carried on."""
    out = np.zeros(len(z), np.int64)
    judge(np.ascontiguousarray(z, np.float64), state, out)
    return out


def names(bits: int, chosen: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the chosen rules whose bit is set, in the order of `BITS`."""
    return tuple(name for name, bit in BITS.items() if name in chosen and bits & bit)
