"""Which rows of a series came before: duplicates, conflicts and rows behind the series' own time.

Same series, time and value again is a duplicate; another value for the same series and time is a conflict, kept and
alarmed. Rows ahead of their series need no look-up. The others are compared with the rows of the last two
generations in memory (exact compare) and, when they are older than those, with the journal.

Every row goes into memory, so that is what costs: it is written in log order, says how far back the row of the same
series before it is, and sets one bit in 256 kB by its series and time. Where that of a row that is behind is not set,
nothing is known of it: nine in ten. The others are looked for along the rows of their series, since most are a little
behind. Only where that is too far, an open-addressing table of all rows is made, and kept up as often as it is asked.
Such a table kept up for each row took twice the time of all this: its places are not in the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from andon.readings import F64, I32, I64, U8
from operators.duplicates_kernel import (
    AHEAD,
    BEHIND,
    CONFLICT,
    DUPLICATE,
    NEVER,
    ROW,
    SERIES,
    TOO_OLD,
    forget_rows,
    judge_rows,
)  # fmt: skip

__all__ = ["AHEAD", "BEHIND", "CONFLICT", "DUPLICATE", "TOO_OLD", "DuplicateFilter", "same_value"]
LAYOUT = 1
GENERATION = 65_536  # rows a generation takes before it becomes the older one
PER_SERIES = 4  # and as many a series, where that is more
Journal = Callable[[I32, I64, F64], U8]  # series, time, value -> BEHIND (unknown), DUPLICATE or CONFLICT


class _Generation:
    """Rows in log order, and a table of the numbers (from 1; 0 is free) of the first `indexed` of them."""

    def __init__(self, capacity: int) -> None:
        self.rows = np.zeros(capacity, ROW)
        self.table = _table(capacity)
        self.seen = np.zeros(1 << (capacity * 32 // 64).bit_length() - 1, np.uint64)
        self.first = 0  # number in the log of rows[0]
        self.used = self.indexed = 0

    def reserve(self, more: int) -> None:
        """Room for so many rows more."""
        if self.used + more > len(self.rows):
            rows = np.zeros(2 * (self.used + more), ROW)
            rows[: self.used] = self.rows[: self.used]
            self.rows, self.table, self.indexed = rows, _table(len(rows)), 0

    def clear(self, first: int) -> None:
        """Hold nothing; the next row has this number."""
        if self.indexed:
            self.table[:] = 0
        self.seen[:] = 0
        self.first, self.used, self.indexed = first, 0, 0


def _table(capacity: int) -> I32:
    """At most two thirds of it will be used."""
    return np.zeros(1 << (3 * capacity // 2 - 1).bit_length(), np.int32)


class DuplicateFilter:
    """Verdict per row: AHEAD, BEHIND, DUPLICATE, CONFLICT or TOO_OLD; exact, for any split of the log.

    journal answers for rows that memory no longer holds; it must know every row accepted so far. Cost: 24 bytes
    written a row, a few steps back for a row that is not ahead. Memory: two generations of 82,000 rows, or of 5 rows a
    series where that is more, of 32 bytes; and 32 bytes a series.
    """

    def __init__(self, horizon_s: float, journal: Journal) -> None:
        self._horizon_ns = round(horizon_s * 1e9)
        self._journal = journal
        self._series = _unseen(256)
        self.count = 0
        self._now, self._before = self._generation(), self._generation()

    def _generation(self) -> _Generation:
        size = self._size()
        return _Generation(size + size // 4)  # it is full where a batch ends

    def _size(self) -> int:
        return max(GENERATION, PER_SERIES * self.count)

    def bind(self) -> None:
        """The next series id."""
        if self.count == len(self._series):
            self._series = np.concatenate([self._series, _unseen(self.count)])
        self.count += 1

    def judge(self, time_ns: I64, series: I32, value: F64) -> U8:
        """Verdicts uint8[n] of rows in log order; ids must be below `count` (ValueError)."""
        verdict, ask = self.remember(time_ns, series, value)
        self.ask_journal(ask, time_ns, series, value, verdict)
        return verdict

    def remember(self, time_ns: I64, series: I32, value: F64) -> tuple[U8, I32]:
        """As `judge`, by memory alone: verdicts, and which rows `ask_journal` may turn, int32[k] ascending.

        What the journal says of a row changes nothing for the rows after it, so it may be asked later.
        """
        if len(series) and int(series.view(np.uint32).max()) >= self.count:  # a negative id is a huge one there
            raise ValueError(f"series ids must be 0..{self.count - 1}, got {series.min()}..{series.max()}")
        verdict: U8 = np.empty(len(time_ns), np.uint8)
        ask = np.empty(len(time_ns), np.int32)
        if self._now.used >= self._size():
            self._next_generation()
        now, old = self._now, self._before
        now.reserve(len(time_ns))
        now.used, now.indexed, old.indexed, asked = judge_rows(
            time_ns, series, value, value.view(np.int64), self._series, self._horizon_ns,
            now.first, now.used, now.indexed, now.rows, now.table, now.seen,
            old.first, old.used, old.indexed, old.rows, old.table, old.seen, verdict, ask,
        )  # fmt: skip
        return verdict, ask[:asked]

    def ask_journal(self, ask: I32, time_ns: I64, series: I32, value: F64, verdict: U8) -> None:
        """A duplicate by the journal stays in memory: what it says of the rows after it is what the journal would."""
        if not len(ask):
            return
        older = self._journal(series[ask], time_ns[ask], value[ask])
        verdict[ask] = np.where(older == DUPLICATE, DUPLICATE, np.maximum(verdict[ask], older))

    def _next_generation(self) -> None:
        forget_rows(self._before.rows, self._before.used, self._series)
        self._now, self._before = self._before, self._now
        if len(self._now.rows) < self._size():
            self._now = self._generation()
        self._now.clear(self._before.first + self._before.used)

    def snapshot(self) -> tuple[object, ...]:
        """Only the newest stamps: after a restore the journal answers for everything older."""
        return (LAYOUT, self.count, self._series["newest_ns"][: self.count].tobytes())

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot (ValueError on another layout)."""
        layout, count, newest = snapshot
        if layout != LAYOUT:
            raise ValueError(f"duplicate state has layout {layout}, this version reads {LAYOUT}")
        self.count = count
        self._series = _unseen(max(256, 1 << max(count - 1, 0).bit_length()))
        self._series["newest_ns"][:count] = self._series["forgotten_ns"][:count] = np.frombuffer(newest, np.int64)
        self._now, self._before = self._generation(), self._generation()


def _unseen(count: int) -> NDArray[np.void]:
    series = np.zeros(count, SERIES)
    series["newest_ns"] = series["forgotten_ns"] = NEVER
    series["last"], series["far_ns"] = -1, np.iinfo(np.int64).max
    return series


def same_value(one: NDArray[np.float64], two: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Equality in which NaN equals NaN, as duplicates are judged."""
    equal: NDArray[np.bool_] = (one == two) | (np.isnan(one) & np.isnan(two))
    return equal
