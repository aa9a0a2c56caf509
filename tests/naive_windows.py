"""Slow, obvious windows: every row kept, each series' clock advanced by hand."""

from __future__ import annotations

import math
from collections import defaultdict

from operators.windows import WindowSpec


class NaiveWindows:
    """Rows and ticks in, closed windows out as {(series, size, start): (count, min, max, mean, std, first, last)}."""

    def __init__(self, spec: WindowSpec, lateness_ns: int, idle_ns: int) -> None:
        self.spec, self.lateness_ns, self.idle_ns = spec, lateness_ns, idle_ns
        self.rows: dict[int, list[tuple[int, float]]] = defaultdict(list)
        self.newest: dict[int, tuple[int, int]] = {}
        self.arrived: dict[int, int] = {}
        self.closed: dict[int, int] = {}
        self.out: dict[tuple[int, int, int], tuple[float, ...]] = {}

    def row(self, series: int, time_ns: int, value: float, received_ns: int) -> bool:
        """Take a row; says whether it was late."""
        pane = self.spec.pane_ns
        if series not in self.closed:
            self.closed[series] = (time_ns - self.lateness_ns) // pane
        late = time_ns < self.closed[series] * pane
        self.arrived[series] = received_ns
        if series not in self.newest or time_ns > self.newest[series][0]:
            self.newest[series] = (time_ns, received_ns)
            self._close(series, (time_ns - self.lateness_ns) // pane)
        self.rows[series].append((time_ns, value))
        return late

    def tick(self, tick_ns: int) -> None:
        """Close silent series."""
        for series, (newest, stamp) in self.newest.items():
            received = min(stamp, tick_ns)
            self.newest[series] = (newest, received)
            self.arrived[series] = min(self.arrived[series], tick_ns)
            if tick_ns - self.arrived[series] >= self.idle_ns:
                self._close(series, (newest + tick_ns - received - self.lateness_ns) // self.spec.pane_ns)

    def _close(self, series: int, target: int) -> None:
        pane = self.spec.pane_ns
        while self.closed[series] < target:
            end = self.closed[series] + 1
            self.closed[series] = end
            for size, hop in zip(self.spec.sizes, self.spec.hops, strict=True):
                if end % hop == 0:
                    self._emit(series, size * pane, (end - size) * pane)

    def _emit(self, series: int, size_ns: int, start_ns: int) -> None:
        rows = [row for row in self.rows[series] if start_ns <= row[0] < start_ns + size_ns]
        if rows:
            self.out[series, size_ns, start_ns] = figures(rows)


def figures(rows: list[tuple[int, float]]) -> tuple[float, ...]:
    """(count, min, max, mean, std, first, last) of rows in log order."""
    values = [value for _, value in rows]
    mean = math.fsum(values) / len(values)
    std = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
    ordered = sorted(rows, key=lambda row: row[0])
    return (len(values), min(values), max(values), mean, std, ordered[0][1], ordered[-1][1])
