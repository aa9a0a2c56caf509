"""The ledger: received = counted + late + duplicate + bad + dead, to the row, per series and hour.

Counts gather between two ticks and leave with the tick, so that a store can add each exactly once.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from andon.outputs import LedgerRows
from andon.readings import I32, I64, U8

COUNTED, LATE, DUPLICATE, BAD, DEAD = range(5)
HOUR_NS = 3_600_000_000_000
LAYOUT = 1
COLUMNS, CONFLICTS = 6, 5  # the five classes, then conflicts


_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def _count(
    series: I32, time_ns: I64, classes: U8, conflict: U8, begin_ns: int, cells: I64, filled: I32, used: int, away: I32
) -> tuple[int, int]:
    """Add rows of the hour from begin_ns to cells[series + 1]; the others' numbers go to `away`.

    filled takes each row of cells that was empty, from `used` on. Returns (length of filled, length of away).
    """
    elsewhere = 0
    for i in range(time_ns.shape[0]):
        if not 0 <= time_ns[i] - begin_ns < HOUR_NS:
            away[elsewhere] = i
            elsewhere += 1
            continue
        row = series[i] + 1
        if not cells[row, COUNTED] and not cells[row].any():
            filled[used] = row
            used += 1
        cells[row, classes[i]] += 1
        if conflict[i]:
            cells[row, CONFLICTS] += 1
    return used, elsewhere


@_jit
def _extremes(series: I32, classes: U8) -> tuple[int, int, int]:
    """Lowest and highest series, highest class."""
    low = high = series[0]
    worst = classes[0]
    for i in range(series.shape[0]):
        low = min(low, series[i])
        high = max(high, series[i])
        worst = max(worst, classes[i])
    return low, high, worst


@_jit
def _move(filled: I32, cells: I64, table: I64) -> None:
    """Take the counts of these rows of cells out of it, into columns of table; its row CONFLICTS + 1 is their sum."""
    for at in range(filled.shape[0]):
        row = cells[filled[at]]
        received = 0
        for one in range(COLUMNS):
            table[one, at] = row[one]
            received += row[one] if one < CONFLICTS else 0
            row[one] = 0
        table[COLUMNS, at] = received


class Ledger:
    """Rows since the last tick: a dense table for the hour that most rows are of, a dict for the few others.

    Cost: a row 3 ns, a tick as much as the series that had rows since the one before, not as all.
    """

    def __init__(self) -> None:
        self._hour = 0  # of the dense table
        self._cells: NDArray[np.int64] = np.zeros((256, COLUMNS), np.int64)  # row 0: series -1
        self._filled: NDArray[np.int32] = np.zeros(256, np.int32)  # its rows that are not empty
        self._used = 0
        self._other: dict[tuple[int, int], list[int]] = {}  # by hour and series

    def add(self, series: I32, time_ns: I64, classes: U8, conflict: U8) -> None:
        """Count rows: series int32[n] (-1 unreadable), time_ns int64[n], class and conflict (0/1) uint8[n]."""
        if not len(series):
            return
        if not len(series) == len(time_ns) == len(classes) == len(conflict):
            raise ValueError(f"columns of {len(series)}, {len(time_ns)}, {len(classes)} and {len(conflict)} rows")
        low, high, worst = _extremes(series, classes)
        if low < -1 or worst > DEAD:
            raise ValueError(f"series {low}, allowed -1 and above; class {worst}, allowed 0..{DEAD}")
        if not self._used:
            self._hour = int(time_ns[-1]) // HOUR_NS
        self._reserve(high + 2)
        away = np.empty(len(series), np.int32)
        self._used, elsewhere = _count(
            series, time_ns, classes, conflict, self._hour * HOUR_NS, self._cells, self._filled, self._used, away
        )
        if elsewhere:
            where = away[:elsewhere]
            self._add_other(series[where], time_ns[where] // HOUR_NS, classes[where], conflict[where])

    def _reserve(self, rows: int) -> None:
        if rows > len(self._cells):
            more = max(rows, 2 * len(self._cells)) - len(self._cells)
            self._cells = np.concatenate([self._cells, np.zeros((more, COLUMNS), np.int64)])
            self._filled = np.concatenate([self._filled, np.zeros(more, np.int32)])

    def _add_other(self, series: I32, hour: I64, classes: U8, conflict: U8) -> None:
        kinds = Counter(zip(hour.tolist(), series.tolist(), classes.tolist(), conflict.tolist(), strict=True))
        for (at, one, kind, clash), count in kinds.items():
            held = self._other.setdefault((at, one), [0] * COLUMNS)
            held[kind] += count
            held[CONFLICTS] += clash * count

    def take(self, as_of: int) -> LedgerRows | None:
        """All counts since the last call, by hour and series; None where there are none."""
        filled = np.sort(self._filled[: self._used])
        if not len(filled) and not self._other:
            return None
        table: NDArray[np.int64] = np.empty((COLUMNS + 1, len(filled)), np.int64)
        _move(filled, self._cells, table)
        hour_ns, series = np.full(len(filled), self._hour * HOUR_NS), filled - np.int32(1)
        if self._other:
            table, hour_ns, series = self._with_others(table, hour_ns, series)
        self._used, self._other = 0, {}
        return LedgerRows(
            as_of=as_of, series=series, hour_ns=hour_ns, received=table[COLUMNS], counted=table[COUNTED],
            late=table[LATE], duplicate=table[DUPLICATE], bad=table[BAD], dead=table[DEAD], conflict=table[CONFLICTS],
        )  # fmt: skip

    def _with_others(self, table: NDArray[np.int64], hour_ns: I64, series: I32) -> tuple[NDArray[np.int64], I64, I32]:
        """The columns with those of the other hours, by hour and series."""
        away = np.array([[*row, sum(row[:CONFLICTS])] for row in self._other.values()], np.int64)
        at, one = np.array(list(self._other), np.int64).T
        table = np.concatenate([table, away.T], axis=1)
        hour_ns, series = np.concatenate([hour_ns, at * HOUR_NS]), np.concatenate([series, one.astype(np.int32)])
        order = np.lexsort((series, hour_ns))
        return table[:, order], hour_ns[order], series[order]

    def snapshot(self) -> tuple[object, ...]:
        """Plain tuples and bytes: a table up to the last series that has a count."""
        others = tuple((key, tuple(counts)) for key, counts in sorted(self._other.items()))
        rows = int(self._filled[: self._used].max(initial=-1)) + 1
        return (LAYOUT, self._hour, self._cells[:rows].tobytes(), others)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot (ValueError on another layout)."""
        layout, hour, dense, others = snapshot
        if layout != LAYOUT:
            raise ValueError(f"ledger state has layout {layout}, this version reads {LAYOUT}")
        cells = np.frombuffer(dense, np.int64).reshape(-1, COLUMNS)
        self._reserve(len(cells))
        self._hour = hour
        self._cells[: len(cells)], self._cells[len(cells) :] = cells, 0
        filled = np.flatnonzero(cells.any(axis=1))
        self._used = len(filled)
        self._filled[: self._used] = filled
        self._other = {tuple(key): list(counts) for key, counts in others}
