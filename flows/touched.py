"""Per series: the newest reading for the control room, and changes of state series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from andon.outputs import Latest, StateChanges
from andon.readings import F64, I32, U8, Readings
from operators.duplicates import AHEAD
from operators.latest import NEWEST, note_rows, take_rows

PACKED = np.dtype([(name, NEWEST[name]) for name in NEWEST.names or ()])  # as snapshots keep them


class Touched:
    """What changed since the last `take_*`; the last state of each state series is kept for ever.

    Cost: a row 4 ns, a `take_latest` as much as the series touched.
    """

    def __init__(self) -> None:
        self.count = 0
        self._newest = np.zeros(256, NEWEST)
        self._touched: I32 = np.zeros(256, np.int32)  # ids, in the order in which they were
        self._used = 0
        self._changes: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []

    def bind(self, is_state: Sequence[bool]) -> None:
        """The next series ids, one for each flag."""
        count = self.count + len(is_state)
        self._reserve(count)
        fresh = self._newest[self.count : count]
        fresh["is_state"], fresh["state"], fresh["score"] = is_state, np.nan, np.nan
        self.count = count

    def _reserve(self, count: int) -> None:
        if count > len(self._newest):
            more = max(count, 2 * len(self._newest)) - len(self._newest)
            self._newest = np.concatenate([self._newest, np.zeros(more, NEWEST)])
            self._touched = np.concatenate([self._touched, np.zeros(more, np.int32)])

    def add(self, rows: Readings, score: F64, verdict: U8) -> None:
        """Rows of bound series in log order, a column each; only those AHEAD of their series count."""
        changed = np.empty(len(rows), np.int32)
        self._used, changes = note_rows(
            rows.time_ns, rows.series, rows.value, rows.status, rows.received_ns, score, verdict, AHEAD, self._newest,
            self._touched, self._used, changed,
        )  # fmt: skip
        if changes:
            where = changed[:changes]
            self._changes.append((rows.series[where], rows.time_ns[where], rows.value[where]))

    def take_latest(self) -> Latest | None:
        """The newest reading of each series touched; None where there is none."""
        if not self._used:
            return None
        series = np.sort(self._touched[: self._used])
        time_ns, received_ns = np.empty((2, len(series)), np.int64)
        value, score = np.empty((2, len(series)))
        status = np.empty(len(series), np.uint8)
        take_rows(series, self._newest, time_ns, received_ns, value, status, score)
        self._used = 0
        return Latest(series, time_ns, received_ns, value, status, score)

    def take_states(self) -> StateChanges | None:
        """Changes of state in log order; None where there is none."""
        if not self._changes:
            return None
        series, time_ns, value = (np.concatenate(column) for column in zip(*self._changes, strict=True))
        self._changes = []
        return StateChanges(series=series, time_ns=time_ns, value=value)

    def snapshot(self) -> tuple[object, ...]:
        """The records of all series as bytes."""
        return (self.count, self._newest[: self.count].astype(PACKED).tobytes())

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot."""
        self.count, data = snapshot
        self._reserve(self.count)
        self._newest[: self.count] = np.frombuffer(data, PACKED).astype(NEWEST)
        touched = np.flatnonzero(self._newest["touched"][: self.count])
        self._used = len(touched)
        self._touched[: self._used] = touched
