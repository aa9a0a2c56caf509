"""Kernels of the detectors of drift: one row of float64 a stream."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from andon.readings import F64, I32, U8

_jit = njit(nogil=True, cache=True, error_model="numpy")
# Page-Hinkley: rows, mean, the two sums, least of the one, most of the other.
PH_ROWS, PH_MEAN, PH_UP, PH_DOWN, PH_LEAST, PH_MOST = range(6)
PH_WIDTH = 6
# ADWIN: updates, width, total, sum of squares about the mean; then how many buckets of 2**k values, and of each bucket
# its total and its own sum of squares.
A_TICKS, A_WIDTH, A_TOTAL, A_VARIANCE = range(4)
A_HEAD = 4
LEVELS = 40  # buckets of up to 2**39 values
# KSWIN: values held, where the oldest stands, state of the random numbers; then the values.
K_HELD, K_OLDEST, K_RANDOM = range(3)
K_HEAD = 3
KS_LEAST = 0.1  # a statistic that is no larger is no drift, however improbable
SQUARE = 4_294_967_296.0  # 2**32


@_jit
def page_hinkley(
    series: I32, value: F64, states: F64, least_rows: float, delta: float, threshold: float, alpha: float, drift: U8
) -> None:
    """Write 1 into drift uint8[n] where the mean has moved; that stream begins anew."""
    for i in range(len(value)):
        x = value[i]
        if not abs(x) <= 1e150:
            continue
        s = states[series[i]]
        if s[PH_ROWS] == 0.0:
            s[:] = 0.0
            s[PH_LEAST], s[PH_MOST] = math.inf, -1.0
        s[PH_ROWS] += 1.0
        s[PH_MEAN] += (1.0 / s[PH_ROWS]) * (x - s[PH_MEAN])
        off = x - s[PH_MEAN]
        s[PH_UP] = alpha * s[PH_UP] + off - delta
        s[PH_DOWN] = alpha * s[PH_DOWN] + off + delta
        s[PH_LEAST], s[PH_MOST] = min(s[PH_LEAST], s[PH_UP]), max(s[PH_MOST], s[PH_DOWN])
        if s[PH_ROWS] < least_rows:
            continue
        if s[PH_UP] - s[PH_LEAST] > threshold or s[PH_MOST] - s[PH_DOWN] > threshold:
            drift[i] = 1
            s[PH_ROWS] = 0.0


@_jit
def _at(level: int, place: int, room: int) -> int:
    """Where the bucket of 2**level values at a place (0 the oldest) has its total; its variance is next to it."""
    return A_HEAD + LEVELS + 2 * (level * room + place)


@_jit
def _joined(n: float, total_a: float, total_b: float, variance_a: float, variance_b: float) -> float:
    """Sum of squares about the mean of two buckets of n values each."""
    off = total_a / n - total_b / n
    return float(variance_a + variance_b + n * n * off * off / (2.0 * n))


@_jit
def _compress(s: F64, most: int) -> None:
    """Where a level has more than `most` buckets, its two oldest become one of the next."""
    room = most + 1
    for level in range(LEVELS - 1):
        if s[A_HEAD + level] < room:
            return
        a, b = _at(level, 0, room), _at(level, 1, room)
        place = int(s[A_HEAD + level + 1])
        up = _at(level + 1, place, room)
        s[up] = s[a] + s[b]
        s[up + 1] = _joined(2.0**level, s[a], s[b], s[a + 1], s[b + 1])
        s[A_HEAD + level + 1] += 1.0
        _shift(s, level, 2, room)


@_jit
def _shift(s: F64, level: int, count: int, room: int) -> None:
    """The oldest `count` buckets of a level are gone."""
    left = int(s[A_HEAD + level]) - count
    for place in range(left):
        to, source = _at(level, place, room), _at(level, place + count, room)
        s[to], s[to + 1] = s[source], s[source + 1]
    s[A_HEAD + level] = left


@_jit
def _drop_oldest(s: F64, most: int) -> None:
    """The window forgets its oldest bucket."""
    room = most + 1
    level = LEVELS - 1
    while s[A_HEAD + level] == 0.0:
        level -= 1
    at, n = _at(level, 0, room), 2.0**level
    s[A_WIDTH] -= n
    s[A_TOTAL] -= s[at]
    off = s[at] / n - s[A_TOTAL] / s[A_WIDTH]
    s[A_VARIANCE] -= s[at + 1] + n * s[A_WIDTH] * off * off / (n + s[A_WIDTH])
    s[A_VARIANCE] = max(s[A_VARIANCE], 0.0)
    _shift(s, level, 1, room)


@_jit
def _changed(s: F64, most: int, delta: float, least: float) -> bool:
    """Whether some cut of the window parts two means that differ too much for chance."""
    room, n = most + 1, s[A_WIDTH]
    variance = s[A_VARIANCE] / n
    confidence = math.log(2.0 * math.log(n) / delta)
    n0, total0 = 0.0, 0.0
    for level in range(LEVELS - 1, -1, -1):
        for place in range(int(s[A_HEAD + level])):
            n0 += 2.0**level
            total0 += s[_at(level, place, room)]
            n1 = n - n0
            if n1 < least:
                return False
            if n0 < least:
                continue
            off = total0 / n0 - (s[A_TOTAL] - total0) / n1
            inverse = 1.0 / (n0 - least + 1.0) + 1.0 / (n1 - least + 1.0)
            if abs(off) > math.sqrt(2.0 * inverse * variance * confidence) + 2.0 / 3.0 * confidence * inverse:
                return True
    return False


@_jit
def adwin(
    series: I32, value: F64, states: F64, delta: float, clock: int, most: int, least: float, grace: float, drift: U8
) -> None:
    """Write 1 into drift uint8[n] where the window was cut."""
    room = most + 1
    for i in range(len(value)):
        x = value[i]
        if not abs(x) <= 1e150:
            continue
        s = states[series[i]]
        s[A_TICKS] += 1.0
        if s[A_WIDTH] > 0.0:
            off = x - s[A_TOTAL] / s[A_WIDTH]
            s[A_VARIANCE] += s[A_WIDTH] * off * off / (s[A_WIDTH] + 1.0)
        s[A_WIDTH] += 1.0
        s[A_TOTAL] += x
        at = _at(0, int(s[A_HEAD]), room)
        s[at], s[at + 1] = x, 0.0
        s[A_HEAD] += 1.0
        _compress(s, most)
        if s[A_TICKS] % clock or s[A_WIDTH] <= grace:
            continue
        while s[A_WIDTH] > 1.0 and _changed(s, most, delta, least):
            drift[i] = 1
            _drop_oldest(s, most)


@_jit
def next_random(state: float) -> float:
    """The next of 2**32 states, each once: a linear congruence (Numerical Recipes), exact in float64."""
    high = math.floor(state / 65_536.0)
    low = state - 65_536.0 * high
    part = (1_664_525.0 * high) % 65_536.0
    return float((part * 65_536.0 + 1_664_525.0 * low + 1_013_904_223.0) % SQUARE)


@_jit
def _sampled(s: F64, pool: int, count: int, chosen: I32) -> None:
    """chosen[:count]: distinct places of 0..pool - 1 by chance (Fisher and Yates); all of chosen[:pool] is written."""
    for j in range(pool):
        chosen[j] = j
    for j in range(count):
        s[K_RANDOM] = next_random(s[K_RANDOM])
        other = j + int(s[K_RANDOM] / SQUARE * (pool - j))
        chosen[j], chosen[other] = chosen[other], chosen[j]


@_jit
def distance(a: F64, b: F64) -> int:
    """Largest difference of how many of a and of b (sorted, of one length) are at or below a value."""
    i, j, most, n = 0, 0, 0, len(a)
    while i < n and j < n:
        x = min(a[i], b[j])
        while i < n and a[i] == x:
            i += 1
        while j < n and b[j] == x:
            j += 1
        most = max(most, abs(i - j))
    return most


@_jit
def kswin(
    series: I32, value: F64, states: F64, window: int, recent: int, least: int, first: float, chosen: I32, drift: U8
) -> None:
    """Write 1 into drift uint8[n] where recent values differ from those before; least: count that is a drift."""
    old, new, pool = np.empty(recent), np.empty(recent), window - recent
    for i in range(len(value)):
        x = value[i]
        if not abs(x) <= 1e150:
            continue
        s = states[series[i]]
        if s[K_HELD] == 0.0:
            s[K_RANDOM] = first
        if s[K_HELD] == window:
            s[K_HEAD + int(s[K_OLDEST])] = x
            s[K_OLDEST] = (s[K_OLDEST] + 1.0) % window
        else:
            s[K_HEAD + int(s[K_OLDEST] + s[K_HELD]) % window] = x
            s[K_HELD] += 1.0
        if s[K_HELD] < window:
            continue
        oldest = int(s[K_OLDEST])
        _sampled(s, pool, recent, chosen)
        for j in range(recent):
            old[j] = s[K_HEAD + (oldest + chosen[j]) % window]
            new[j] = s[K_HEAD + (oldest + pool + j) % window]
        old.sort()
        new.sort()
        if distance(old, new) >= least:
            drift[i] = 1
            s[K_OLDEST] = (oldest + pool) % window
            s[K_HELD] = recent
