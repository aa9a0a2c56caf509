"""The ledger: received = counted + late + duplicate + bad + dead, to the row, per series and hour.

Counts gather between two ticks and leave with the tick, so that a store can add each exactly once.
"""

from __future__ import annotations

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


@njit(nogil=True, cache=True, error_model="numpy")
def _count(series, time_ns, classes, conflict, begin_ns, cells, filled, used, away):  # type: ignore[no-untyped-def]  # numba
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
        cells[row, CONFLICTS] += conflict[i]
    return used, elsewhere


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
        if int(series.min()) < -1 or int(classes.max()) > DEAD:
            raise ValueError(f"series {series.min()}, allowed -1 and above; class {classes.max()}, allowed 0..{DEAD}")
        if not self._used:
            self._hour = int(time_ns[-1]) // HOUR_NS
        self._reserve(int(series.max()) + 2)
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
        rows = np.stack([hour, series, classes, conflict], axis=1)
        kinds, counts = np.unique(rows, axis=0, return_counts=True)
        for (at, one, kind, clash), count in zip(kinds.tolist(), counts.tolist(), strict=True):
            held = self._other.setdefault((at, one), [0] * COLUMNS)
            held[kind] += count
            held[CONFLICTS] += clash * count

    def take(self, as_of: int) -> LedgerRows | None:
        """All counts since the last call, by hour and series; None where there are none."""
        filled = np.sort(self._filled[: self._used])
        if not len(filled) and not self._other:
            return None
        others = sorted(self._other.items())
        hour = np.concatenate([np.full(len(filled), self._hour), [at for (at, _), _ in others]]).astype(np.int64)
        series = np.concatenate([filled - 1, [one for (_, one), _ in others]]).astype(np.int32)
        away = np.array([row for _, row in others], np.int64).reshape(-1, COLUMNS)
        table = np.concatenate([self._cells[filled], away])
        if others:
            order = np.lexsort((series, hour))
            table, hour, series = table[order], hour[order], series[order]
        self._cells[filled], self._used, self._other = 0, 0, {}
        columns = np.ascontiguousarray(table.T)
        return LedgerRows(
            as_of=as_of, series=series, hour_ns=hour * HOUR_NS, received=columns[:CONFLICTS].sum(axis=0),
            counted=columns[COUNTED], late=columns[LATE], duplicate=columns[DUPLICATE], bad=columns[BAD],
            dead=columns[DEAD], conflict=columns[CONFLICTS],
        )  # fmt: skip

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
