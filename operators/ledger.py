"""The ledger: received = counted + late + duplicate + bad + dead, to the row, per series and hour.

Counts gather between two ticks and leave with the tick, so that a store can add each exactly once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from andon.outputs import LedgerRows
from andon.readings import I32, I64, U8

COUNTED, LATE, DUPLICATE, BAD, DEAD = range(5)
HOUR_NS = 3_600_000_000_000
LAYOUT = 1
COLUMNS, CONFLICTS = 6, 5  # the five classes, then conflicts


class Ledger:
    """Rows since the last tick: a dense table for the hour that most rows are of, a dict for the few others."""

    def __init__(self) -> None:
        self._hour = 0  # of the dense table
        self._dense: NDArray[np.int64] = np.zeros((0, COLUMNS), np.int64)  # row 0: series -1
        self._other: dict[tuple[int, int], list[int]] = {}

    def add(self, series: I32, time_ns: I64, classes: U8, conflict: U8) -> None:
        """Count rows: series int32[n] (-1 unreadable), time_ns int64[n], class and conflict (0/1) uint8[n]."""
        if not len(series):
            return
        hour = time_ns // HOUR_NS
        if not self._dense.any():
            self._hour = int(hour[-1])
        here = hour == self._hour
        if here.all():
            self._add_dense(series, classes, conflict)
            return
        self._add_dense(series[here], classes[here], conflict[here])
        away = ~here
        for one, at, kind, clash in zip(
            series[away].tolist(), hour[away].tolist(), classes[away].tolist(), conflict[away].tolist(), strict=True
        ):
            counts = self._other.setdefault((at, one), [0] * COLUMNS)
            counts[kind] += 1
            counts[CONFLICTS] += clash

    def _add_dense(self, series: I32, classes: U8, conflict: U8) -> None:
        if not len(series):
            return
        rows = max(len(self._dense), int(series.max()) + 2)
        if rows > len(self._dense):
            grown = np.zeros((max(rows, 2 * len(self._dense)), COLUMNS), np.int64)
            grown[: len(self._dense)] = self._dense
            self._dense = grown
        place = (series.astype(np.int64) + 1) * COLUMNS
        cells = self._dense.reshape(-1)
        cells += np.bincount(place + classes, minlength=len(cells))
        if conflict.any():
            cells += np.bincount(place[conflict > 0] + CONFLICTS, minlength=len(cells))

    def take(self, as_of: int) -> LedgerRows | None:
        """All counts since the last call, by hour and series; None where there are none."""
        filled = np.flatnonzero(self._dense.any(axis=1))
        if not len(filled) and not self._other:
            return None
        others = sorted(self._other.items())
        hour = np.concatenate([np.full(len(filled), self._hour), [at for (at, _), _ in others]]).astype(np.int64)
        series = np.concatenate([filled - 1, [one for (_, one), _ in others]]).astype(np.int32)
        away = np.array([row for _, row in others], np.int64).reshape(-1, COLUMNS)
        table = np.concatenate([self._dense[filled], away])
        order = np.lexsort((series, hour))
        table = table[order]
        self._dense[:], self._other = 0, {}
        return LedgerRows(
            as_of=as_of,
            series=series[order],
            hour_ns=hour[order] * HOUR_NS,
            received=table[:, :CONFLICTS].sum(axis=1),
            counted=table[:, COUNTED],
            late=table[:, LATE],
            duplicate=table[:, DUPLICATE],
            bad=table[:, BAD],
            dead=table[:, DEAD],
            conflict=table[:, CONFLICTS],
        )

    def snapshot(self) -> tuple[object, ...]:
        """Plain tuples and bytes."""
        others = tuple((key, tuple(counts)) for key, counts in sorted(self._other.items()))
        return (LAYOUT, self._hour, self._dense.tobytes(), others)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot (ValueError on another layout)."""
        layout, hour, dense, others = snapshot
        if layout != LAYOUT:
            raise ValueError(f"ledger state has layout {layout}, this version reads {LAYOUT}")
        self._hour = hour
        self._dense = np.frombuffer(dense, np.int64).reshape(-1, COLUMNS).copy()
        self._other = {tuple(key): list(counts) for key, counts in others}
