"""The ledger: received = counted + late + duplicate + bad + dead, to the row, per series and hour.

Counts gather between two ticks and leave with the tick, so that a store can add each exactly once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from andon.outputs import LedgerRows
from andon.readings import I32, I64, U8

COUNTED, LATE, DUPLICATE, BAD, DEAD = range(5)
HOUR_NS = 3_600_000_000_000
LAYOUT = 1
_CLASSES = 5


class Ledger:
    """Rows since the last tick by (series, hour); a dict because a tick sees few hours of few series."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, int], list[int]] = {}

    def add(self, series: I32, time_ns: I64, classes: U8, conflict: U8) -> None:
        """Count rows: series int32[n] (-1 unreadable), time_ns int64[n], class and conflict (0/1) uint8[n]."""
        if not len(series):
            return
        hour = time_ns // HOUR_NS
        span = int(hour.min())
        key = (series.astype(np.int64) + 1) * (int(hour.max()) - span + 1) + (hour - span)
        groups, where = np.unique(key, return_inverse=True)
        table = np.bincount(where * _CLASSES + classes, minlength=len(groups) * _CLASSES).reshape(-1, _CLASSES)
        conflicts = np.bincount(where, weights=conflict, minlength=len(groups)).astype(np.int64)
        width = int(hour.max()) - span + 1
        for group, row, clashes in zip(groups.tolist(), table.tolist(), conflicts.tolist(), strict=True):
            counts = self._counts.setdefault((group // width - 1, group % width + span), [0] * (_CLASSES + 1))
            for at, one in enumerate((*row, clashes)):
                counts[at] += one

    def take(self, as_of: int) -> LedgerRows | None:
        """All counts since the last call, sorted by series and hour; None where there are none."""
        if not self._counts:
            return None
        items = sorted(self._counts.items())
        self._counts = {}
        keys = np.array([key for key, _ in items], np.int64)
        table = np.array([counts for _, counts in items], np.int64)
        return LedgerRows(
            as_of=as_of,
            series=keys[:, 0].astype(np.int32),
            hour_ns=keys[:, 1] * HOUR_NS,
            received=table[:, :_CLASSES].sum(axis=1),
            counted=table[:, COUNTED],
            late=table[:, LATE],
            duplicate=table[:, DUPLICATE],
            bad=table[:, BAD],
            dead=table[:, DEAD],
            conflict=table[:, _CLASSES],
        )

    def snapshot(self) -> tuple[object, ...]:
        """Plain tuples."""
        return (LAYOUT, tuple((key, tuple(counts)) for key, counts in sorted(self._counts.items())))

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot (ValueError on another layout)."""
        layout, items = snapshot
        if layout != LAYOUT:
            raise ValueError(f"ledger state has layout {layout}, this version reads {LAYOUT}")
        self._counts = {tuple(key): list(counts) for key, counts in items}
