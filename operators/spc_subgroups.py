"""Rows to rational subgroups: by count, by time, or from one event to the next; cut where the process changes.

A subgroup by count ends with its last row, or where the rows stop: at the last row plus the gap. One by time ends at
the multiple of its length since 1970. Any of them may be cut by an event. Rows are never carried over an end.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

from andon.readings import F64, I64, U8

LAYOUT = 1
COUNT, TIME, EVENT = 0, 1, 2
FULL, BY_TIME, BY_GAP, CUT, BY_EVENT = range(5)
NEVER: Final = -(2**62)
Closed = tuple[I64, F64]  # subgroups, as `fold` gives them
N, MEAN, SQUARES, LOW, HIGH, AMOUNT, INSPECTED = range(7)  # of the sums
OPEN, START, LAST, FLOOR, UNCERTAIN, AFTER_GAP, OUTSIDE, LEFT_OUT = range(8)  # of the stamps


class Cutting(NamedTuple):
    """How subgroups are made. size: rows, of by_inspected items; length_ns: of TIME; gap_ns: longer is a gap.

    lower, upper: the specification that values are counted against.
    """

    mode: int
    size: float
    by_inspected: bool
    length_ns: int
    gap_ns: int
    lower: float = -math.inf
    upper: float = math.inf


@njit(nogil=True, cache=True)
def _close(
    end_ns: int, reason: int, length_ns: int, sums: F64, stamps: I64, whole: I64, parts: F64, count: int
) -> None:
    n = sums[N]
    whole[count, 0] = stamps[START]
    whole[count, 1] = end_ns
    whole[count, 2] = reason
    whole[count, 3] = stamps[AFTER_GAP]
    whole[count, 4] = stamps[UNCERTAIN]
    whole[count, 5] = stamps[OUTSIDE]
    whole[count, 6] = np.int64(n)
    whole[count, 7] = stamps[LEFT_OUT]
    late = reason == BY_TIME and (stamps[START] % length_ns != 0 or stamps[AFTER_GAP])
    whole[count, 8] = late or reason in (BY_GAP, CUT)
    parts[count, 0] = sums[MEAN]
    parts[count, 1] = sums[HIGH] - sums[LOW]
    parts[count, 2] = math.sqrt(sums[SQUARES] / (n - 1.0)) if n > 1.0 else 0.0
    parts[count, 3] = sums[AMOUNT]
    parts[count, 4] = sums[INSPECTED]
    sums[:] = 0.0
    stamps[OPEN] = 0
    stamps[UNCERTAIN] = 0
    stamps[AFTER_GAP] = 0
    stamps[OUTSIDE] = 0
    stamps[LEFT_OUT] = 0


@njit(nogil=True, cache=True)
def _due(at_ns: int, mode: int, length_ns: int, gap_ns: int, stamps: I64) -> Any:
    """Where the open subgroup ended by at_ns; NEVER: it did not."""
    if stamps[OPEN] == 0:
        return NEVER
    if mode == TIME:
        bound = (stamps[START] // length_ns + 1) * length_ns
        return bound if at_ns >= bound else NEVER
    if mode == COUNT and at_ns - stamps[LAST] >= gap_ns:
        return stamps[LAST] + gap_ns
    return NEVER


@njit(nogil=True, cache=True)
def fold(
    time_ns: I64, main: U8, value: F64, status: U8, upto_ns: int, mode: int, size: float, by_inspected: bool,
    length_ns: int, gap_ns: int, lower: float, upper: float, sums: F64, stamps: I64, whole: I64, parts: F64,
) -> int:  # fmt: skip
    """Take rows into the open subgroup and close what ends.

    time_ns int64[n], growing; main uint8[n]: 1 a value, 0 a number of inspected items; value float64[n];
    status uint8[n]: 1 uncertain. upto_ns: time has passed to there. A NaN value is counted as left out, no more.
    sums float64[7], stamps int64[8]: the open subgroup, changed. whole int64[2n+1, 9] gets start_ns (its first row; by
    time: its bound, or the cut in it), end_ns (where it was closed, behind its last row), reason, whether rows were
    missing before or in it, uncertain rows, values beyond the specification, values, rows left out since the subgroup
    before, and whether it is not a whole one: cut, ended by silence, or by time with rows missing.
    parts float64[2n+1, 5] gets mean, range, standard deviation, sum, inspected items; both 0 for one value.
    returns: how many were closed. Cost: one pass, no allocation; Welford's sums. Twin: tests/naive_spc.py.
    """
    count = 0
    for i in range(len(time_ns)):
        at = time_ns[i]
        due = _due(at, mode, length_ns, gap_ns, stamps)
        if due != NEVER:
            _close(due, BY_TIME if mode == TIME else BY_GAP, length_ns, sums, stamps, whole, parts, count)
            count += 1
        if math.isnan(value[i]):
            stamps[LEFT_OUT] += 1
            continue
        if stamps[OPEN] == 0:
            stamps[OPEN] = 1
            stamps[START] = max(at // length_ns * length_ns, stamps[FLOOR]) if mode == TIME else at
        if stamps[LAST] != NEVER and at - stamps[LAST] >= gap_ns:
            stamps[AFTER_GAP] = 1
        stamps[LAST] = at
        if status[i] == 1:
            stamps[UNCERTAIN] += 1
        x = value[i]
        if main[i] == 0:
            sums[INSPECTED] += x
            continue
        n = sums[N] + 1.0
        off = x - sums[MEAN]
        sums[N] = n
        sums[MEAN] += off / n
        sums[SQUARES] += off * (x - sums[MEAN])
        sums[LOW] = x if n == 1.0 else min(sums[LOW], x)
        sums[HIGH] = x if n == 1.0 else max(sums[HIGH], x)
        sums[AMOUNT] += x
        if x < lower or x > upper:
            stamps[OUTSIDE] += 1
        if mode == COUNT and (sums[INSPECTED] if by_inspected else n) >= size:
            _close(at + 1, FULL, length_ns, sums, stamps, whole, parts, count)
            count += 1
    due = _due(upto_ns, mode, length_ns, gap_ns, stamps)
    if due != NEVER:
        _close(due, BY_TIME if mode == TIME else BY_GAP, length_ns, sums, stamps, whole, parts, count)
        count += 1
    return count


NOTHING: Final[Closed] = np.empty((0, 9), np.int64), np.empty((0, 5))


class Subgroups:
    """The open subgroup of one chart."""

    def __init__(self, cutting: Cutting) -> None:
        self._cutting = cutting
        self._length_ns = max(cutting.length_ns, 1)
        self._sums = np.zeros(7)
        self._stamps = np.zeros(8, np.int64)
        self._stamps[LAST] = self._stamps[FLOOR] = NEVER

    @property
    def start_ns(self) -> int | None:
        """Of the open subgroup; None where there is none."""
        return int(self._stamps[START]) if self._stamps[OPEN] else None

    def take(self, time_ns: I64, main: U8, value: F64, status: U8, upto_ns: int) -> Closed:
        """Rows in order of time, all earlier than upto_ns; what was closed by upto_ns, in order."""
        if not len(time_ns) and not self._stamps[OPEN]:
            return NOTHING
        whole, parts = np.empty((2 * len(time_ns) + 1, 9), np.int64), np.empty((2 * len(time_ns) + 1, 5))
        how = self._cutting
        count = fold(
            time_ns, main, value, status, upto_ns, how.mode, how.size, how.by_inspected, self._length_ns,
            how.gap_ns, how.lower, how.upper, self._sums, self._stamps, whole, parts,
        )  # fmt: skip
        return whole[:count], parts[:count]

    def cut(self, at_ns: int, reason: int = CUT) -> Closed:
        """End the open subgroup at an instant behind its rows; the next one begins there at the earliest."""
        self._stamps[FLOOR] = at_ns
        if not self._stamps[OPEN]:
            return NOTHING
        whole, parts = np.empty((1, 9), np.int64), np.empty((1, 5))
        _close(at_ns, reason, self._length_ns, self._sums, self._stamps, whole, parts, 0)
        return whole, parts

    def snapshot(self) -> tuple[Any, ...]:
        """Plain numbers."""
        return LAYOUT, tuple(self._sums.tolist()), tuple(self._stamps.tolist())

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot; ValueError for another layout."""
        layout, sums, stamps = snapshot
        if layout != LAYOUT:
            raise ValueError(f"subgroups of layout {layout}; this version reads {LAYOUT}")
        self._sums[:], self._stamps[:] = sums, stamps
