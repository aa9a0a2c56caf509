"""Which rows of a series came before: duplicates, conflicts and rows behind the series' own time.

Same series, time and value again is a duplicate; another value for the same series and time is a conflict, kept and
alarmed. Rows ahead of their series need no look-up. The others are compared with the rows of the last two
generations in memory (open addressing, exact compare) and, when they are older than those, with the journal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from andon.readings import F64, I32, I64, U8

AHEAD, BEHIND, DUPLICATE, CONFLICT, TOO_OLD = range(5)
LAYOUT = 1
GENERATION = 65_536  # rows a table takes before it becomes the older one
SLOTS = 4 * GENERATION
NEVER = np.iinfo(np.int64).min
ENTRY = np.dtype([("time_ns", "i8"), ("bits", "i8"), ("series", "i4"), ("used", "i4")])
_jit = njit(nogil=True, cache=True, error_model="numpy")
Journal = Callable[[I32, I64, F64], U8]  # series, time, value -> BEHIND (unknown), DUPLICATE or CONFLICT


@_jit
def _slot(key, time_ns, mask):  # type: ignore[no-untyped-def]
    mixed = np.uint64(time_ns) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key) * np.uint64(0xC2B2AE3D27D4EB4F)
    return np.int64(mixed >> np.uint64(32)) & mask


@_jit
def _find(table, key, time_ns, bits, mask):  # type: ignore[no-untyped-def]
    verdict = 1
    at = _slot(key, time_ns, mask)
    while table[at].used:
        if table[at].series == key and table[at].time_ns == time_ns:
            if table[at].bits == bits:
                return 2
            verdict = 3
        at = (at + 1) & mask
    return verdict


@_jit
def _judge(time_ns, series, bits, older, newest, horizon_ns, recent, previous, verdict):  # type: ignore[no-untyped-def]
    mask = recent.shape[0] - 1
    added = 0
    for i in range(time_ns.shape[0]):
        key = series[i]
        if time_ns[i] > newest[key]:
            newest[key] = time_ns[i]
            verdict[i] = 0
        elif time_ns[i] < newest[key] - horizon_ns:
            verdict[i] = 4
            continue
        else:
            one = _find(recent, key, time_ns[i], bits[i], mask)
            two = _find(previous, key, time_ns[i], bits[i], mask)
            if one == 2 or two == 2 or older[i] == 2:
                verdict[i] = 2
                continue
            verdict[i] = max(one, two, older[i])
        at = _slot(key, time_ns[i], mask)
        while recent[at].used:
            at = (at + 1) & mask
        recent[at].time_ns = time_ns[i]
        recent[at].bits = bits[i]
        recent[at].series = key
        recent[at].used = 1
        added += 1
    return added


@_jit
def _forget(table, forgotten):  # type: ignore[no-untyped-def]
    for at in range(table.shape[0]):
        if table[at].used:
            key = table[at].series
            forgotten[key] = max(forgotten[key], table[at].time_ns)
            table[at].used = 0


class DuplicateFilter:
    """Verdict per row: AHEAD, BEHIND, DUPLICATE, CONFLICT or TOO_OLD; exact, for any split of the log.

    journal answers for rows that memory no longer holds; it must know every row accepted so far. Cost: one table
    insert a row, two look-ups for a row that is not ahead. Memory: two tables of 262,144 slots of 24 B.
    """

    def __init__(self, horizon_s: float, journal: Journal) -> None:
        self._horizon_ns = round(horizon_s * 1e9)
        self._journal = journal
        self._recent = np.zeros(SLOTS, ENTRY)
        self._previous = np.zeros(SLOTS, ENTRY)
        self._rows = 0
        self._newest = np.full(256, NEVER, np.int64)
        self._forgotten = np.full(256, NEVER, np.int64)
        self.count = 0

    def bind(self) -> None:
        """The next series id."""
        if self.count == len(self._newest):
            more = np.full(self.count, NEVER, np.int64)
            self._newest = np.concatenate([self._newest, more])
            self._forgotten = np.concatenate([self._forgotten, more])
        self.count += 1

    def judge(self, time_ns: I64, series: I32, value: F64) -> U8:
        """Verdicts uint8[n] of rows in log order; ids must be below `count` (ValueError)."""
        if len(series) and not 0 <= int(series.min()) <= int(series.max()) < self.count:
            raise ValueError(f"series ids must be 0..{self.count - 1}, got {series.min()}..{series.max()}")
        verdict = np.empty(len(time_ns), np.uint8)
        bits = np.where(np.isnan(value), np.nan, value + 0.0).view(np.int64)  # one NaN, one zero
        for begin in range(0, len(time_ns), GENERATION):
            piece = slice(begin, begin + GENERATION)
            self._judge_piece(time_ns[piece], series[piece], value[piece], bits[piece], verdict[piece])
        return verdict

    def _judge_piece(self, time_ns: I64, series: I32, value: F64, bits: I64, verdict: U8) -> None:
        older: U8 = np.full(len(time_ns), BEHIND, np.uint8)
        ask = np.flatnonzero(time_ns <= self._forgotten[series])
        if len(ask):
            older[ask] = self._journal(series[ask], time_ns[ask], value[ask])
        self._rows += _judge(
            time_ns, series, bits, older, self._newest, self._horizon_ns, self._recent, self._previous, verdict
        )
        if self._rows >= GENERATION:
            _forget(self._previous, self._forgotten)
            self._recent, self._previous = self._previous, self._recent
            self._rows = 0

    def snapshot(self) -> tuple[object, ...]:
        """Only the newest stamps: after a restore the journal answers for everything older."""
        return (LAYOUT, self.count, self._newest[: self.count].tobytes())

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot (ValueError on another layout)."""
        layout, count, newest = snapshot
        if layout != LAYOUT:
            raise ValueError(f"duplicate state has layout {layout}, this version reads {LAYOUT}")
        self.count = count
        self._newest = np.full(max(256, 1 << max(count - 1, 0).bit_length()), NEVER, np.int64)
        self._newest[:count] = np.frombuffer(newest, np.int64)
        self._forgotten = self._newest.copy()
        for table in (self._recent, self._previous):
            table["used"] = 0
        self._rows = 0


def same_value(one: NDArray[np.float64], two: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Equality in which NaN equals NaN, as duplicates are judged."""
    equal: NDArray[np.bool_] = (one == two) | (np.isnan(one) & np.isnan(two))
    return equal
