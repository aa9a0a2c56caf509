"""Corrections: which closed windows late rows touched, and what number their next version has.

Corrected windows are published at the next tick, so what a revision holds depends on the log alone. Its number
follows from the journal: one for the rows that came in time, one more for each tick before which late rows came.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from andon.outputs import NO_WINDOWS, WindowRows
from andon.readings import I32, I64
from operators.windows import OUT, WindowSpec, window_of_points, window_rows
from sinks.journal import Journal


def revision_of(rows: NDArray[Any], end_ns: int) -> int:
    """Version number of the window that ended at end_ns and holds these journal rows.

    >>> rows = np.array([(0, 0), (30, 4), (30, 4), (30, 7)], [("closed_ns", "i8"), ("tick", "i8")])
    >>> revision_of(rows, 20)
    3
    """
    late = rows["closed_ns"] >= end_ns
    in_time = 0 if bool(late.all()) else 1
    return max(1, in_time + len(np.unique(rows["tick"][late])))


class Corrections:
    """Closed windows that wait for their next version."""

    def __init__(self, spec: WindowSpec, journal: Journal) -> None:
        self._spec = spec
        self._journal = journal
        self._dirty: set[tuple[int, int, int]] = set()  # series, size_ns, start_ns

    def note(self, series: I32, time_ns: I64, closed_ns: I64) -> None:
        """Late rows: time below closed_ns, how far their series was closed when they came. All int[n]."""
        pane = time_ns // self._spec.pane_ns
        for one, at, closed in set(zip(series.tolist(), pane.tolist(), closed_ns.tolist(), strict=True)):
            for size_ns, start_ns in self._spec.closed_windows_of(at * self._spec.pane_ns, closed):
                self._dirty.add((one, size_ns, start_ns))

    def take(self) -> WindowRows:
        """The next version of every window touched since the last tick, by series, size and start."""
        if not self._dirty:
            return NO_WINDOWS
        out = np.zeros(len(self._dirty), OUT)
        revision = np.zeros(len(out), np.int32)
        for at, (series, size_ns, start_ns) in enumerate(sorted(self._dirty)):
            rows = self._journal.points(series, start_ns, start_ns + size_ns)
            pane = window_of_points(np.ascontiguousarray(rows["time_ns"]), np.ascontiguousarray(rows["value"]))[0]
            for name in ("count", "minimum", "maximum", "mean", "m2", "first", "last"):
                out[name][at] = pane[name]
            out["series"][at], out["size_ns"][at], out["start_ns"][at] = series, size_ns, start_ns
            out["score"][at] = np.nan  # scores belong to the order in which rows came
            revision[at] = revision_of(rows, start_ns + size_ns)
        self._dirty = set()
        return window_rows([out], revision)

    def snapshot(self) -> tuple[object, ...]:
        """Plain tuples."""
        return tuple(sorted(self._dirty))

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot."""
        self._dirty = {(int(series), int(size_ns), int(start_ns)) for series, size_ns, start_ns in snapshot}
