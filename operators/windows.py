"""Panes and windows in event time, each series after its own clock.

A pane is the common divisor of all window sizes and hops. Every series keeps a ring of panes; when the series' own
time (less the allowed lateness) passes the end of a pane, the pane closes and the windows that end there are
emitted. A series that has fallen silent is closed by ticks. A row for a closed pane is late: it is handed back, and
`window_of_points` makes the corrected window from the journal's points.

Numbers: each pane keeps count, Welford mean and M2; panes merge after Chan et al. (1983). A running sum of squares
would lose all digits at 101,325 Pa.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from andon.outputs import WindowRows
from andon.readings import F64, I32, I64

LAYOUT = 1
SERIES = np.dtype(
    [
        ("newest_ns", "i8"),  # newest event time, the series' own clock
        ("newest_received_ns", "i8"),  # the log's stamp of that row
        ("arrived_ns", "i8"),  # the log's stamp of the row that came last, late or not
        ("closed", "i8"),  # first pane that is still open
        ("filled", "i8"),  # newest pane that holds a row
        ("seen", "i8"),
    ]
)
PANE = np.dtype(
    [
        ("count", "i8"), ("minimum", "f8"), ("maximum", "f8"), ("mean", "f8"), ("m2", "f8"),
        ("first_ns", "i8"), ("first", "f8"), ("last_ns", "i8"), ("last", "f8"), ("score", "f8"),
    ]
)  # fmt: skip
Array = NDArray[Any]
NEVER = np.iinfo(np.int64).min
_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def _add(pane, time_ns, value, score):  # type: ignore[no-untyped-def]
    """One row into a pane. Equal stamps: the later row of the log is `last`."""
    count = pane.count + 1
    if count == 1:
        pane.minimum = value
        pane.maximum = value
        pane.mean = value
        pane.m2 = 0.0
        pane.first_ns = time_ns
        pane.first = value
        pane.last_ns = time_ns
        pane.last = value
        pane.score = np.nan
    else:
        delta = value - pane.mean
        pane.mean += delta / count
        pane.m2 += delta * (value - pane.mean)
        pane.minimum = min(pane.minimum, value)
        pane.maximum = max(pane.maximum, value)
        if time_ns < pane.first_ns:
            pane.first_ns = time_ns
            pane.first = value
        if time_ns >= pane.last_ns:
            pane.last_ns = time_ns
            pane.last = value
    if not np.isnan(score) and not pane.score >= score:
        pane.score = score
    pane.count = count


@_jit
def _emit(out, at, key, size_panes, end_pane, pane_ns, ring, mask):  # type: ignore[no-untyped-def]
    """Merge the panes of the window that ends before `end_pane` into out[at]; returns how many rows it wrote."""
    row = out[at]
    row.count = 0
    for pane_no in range(end_pane - size_panes, end_pane):
        pane = ring[pane_no & mask]
        if pane.count == 0:
            continue
        if row.count == 0:
            row.count = pane.count
            row.minimum = pane.minimum
            row.maximum = pane.maximum
            row.mean = pane.mean
            row.m2 = pane.m2
            row.first = pane.first
            row.last = pane.last
            row.score = pane.score
            continue
        total = row.count + pane.count
        delta = pane.mean - row.mean
        row.mean += delta * (pane.count / total)
        row.m2 += pane.m2 + delta * delta * (row.count * (pane.count / total))
        row.count = total
        row.minimum = min(row.minimum, pane.minimum)
        row.maximum = max(row.maximum, pane.maximum)
        row.last = pane.last
        if not np.isnan(pane.score) and not row.score >= pane.score:
            row.score = pane.score
    if row.count == 0:
        return 0
    row.series = key
    row.size_ns = size_panes * pane_ns
    row.start_ns = (end_pane - size_panes) * pane_ns
    return 1


@_jit
def _close(key, target, state, ring, sizes, hops, longest, emits, pane_ns, out, at):  # type: ignore[no-untyped-def]
    """Close the panes of one series up to `target` (not included); returns the new end of `out`."""
    mask = ring.shape[0] - 1
    pane_no = state.closed
    last = min(target, state.filled + longest)  # beyond it nothing is left to emit or to clear
    while pane_no < last:
        end_pane = pane_no + 1
        if emits:
            for kind in range(sizes.shape[0]):
                if end_pane % hops[kind] == 0:
                    at += _emit(out, at, key, sizes[kind], end_pane, pane_ns, ring, mask)
        ring[(end_pane - longest) & mask].count = 0
        pane_no = end_pane
    state.closed = max(state.closed, target)
    return at


@_jit
def _step(  # type: ignore[no-untyped-def]
    begin, time_ns, series, value, use, score, received_ns, closed_ns, states, rings, emits,
    sizes, hops, longest, pane_ns, lateness_ns, out, worst,
):  # fmt: skip
    """Rows from `begin` on; stops before a row for which `out` might be too small. Returns (next row, rows out)."""
    at = 0
    mask = rings.shape[1] - 1
    for i in range(begin, time_ns.shape[0]):
        if out.shape[0] - at < worst:
            return i, at
        key = series[i]
        state = states[key]
        pane_no = time_ns[i] // pane_ns
        if state.seen == 0:
            state.closed = (time_ns[i] - lateness_ns) // pane_ns
            state.newest_ns = NEVER
            state.filled = pane_no
        closed_ns[i] = state.closed * pane_ns
        if not use[i]:
            if state.seen == 0:
                state.closed = 0
            continue
        state.seen += 1
        state.arrived_ns = received_ns[i]
        if time_ns[i] > state.newest_ns:
            state.newest_ns = time_ns[i]
            state.newest_received_ns = received_ns[i]
            at = _close(
                key, (time_ns[i] - lateness_ns) // pane_ns, state, rings[key], sizes, hops, longest, emits[key],
                pane_ns, out, at,
            )  # fmt: skip
        if pane_no > state.closed - longest:  # a longer window may still be open
            _add(rings[key, pane_no & mask], time_ns[i], value[i], score[i])
            state.filled = max(state.filled, pane_no)
    return time_ns.shape[0], at


@_jit
def _tick(  # type: ignore[no-untyped-def]
    begin, count, tick_ns, idle_ns, states, rings, emits, sizes, hops, longest, pane_ns, lateness_ns, out, worst
):
    """Close the windows of series without an arrival for idle_ns. Returns (next series, rows out)."""
    at = 0
    for key in range(begin, count):
        if out.shape[0] - at < worst:
            return key, at
        state = states[key]
        # A row that is ahead of the tick came between it and the one before; after a clock was set back, far ahead.
        state.arrived_ns = min(state.arrived_ns, tick_ns)
        state.newest_received_ns = min(state.newest_received_ns, tick_ns)
        if state.seen == 0 or tick_ns - state.arrived_ns < idle_ns:
            continue
        own_ns = state.newest_ns + (tick_ns - state.newest_received_ns)
        target = (own_ns - lateness_ns) // pane_ns
        if target > state.closed:
            at = _close(
                key, target, state, rings[key], sizes, hops, longest, emits[key], pane_ns, out, at
            )  # fmt: skip
    return count, at


@_jit
def _fold(time_ns, value, pane):  # type: ignore[no-untyped-def]
    for i in range(time_ns.shape[0]):
        _add(pane[0], time_ns[i], value[i], np.nan)


def window_of_points(time_ns: I64, value: F64) -> Array:
    """All points of one window folded into one `PANE` record.

    time_ns int64[n] sorted (ties in log order), value float64[n] without NaN. Same result as the live path to a
    rounding error; the same points always give the same bits.
    """
    pane = np.zeros(1, PANE)
    _fold(time_ns, value, pane)
    return pane


@dataclass(frozen=True)
class WindowSpec:
    """Sizes and hops in panes. Tumbling: hop == size.

    >>> WindowSpec.of(5.0, [(10.0, 10.0), (60.0, 5.0)]).sizes
    (2, 12)
    """

    pane_ns: int
    sizes: tuple[int, ...]
    hops: tuple[int, ...]

    @staticmethod
    def of(pane_s: float, sizes_and_hops_s: list[tuple[float, float]]) -> WindowSpec:
        """Seconds to panes; every size and hop must be a whole number of panes (ValueError)."""
        pane_ns = round(pane_s * 1e9)
        panes = []
        for pair in sizes_and_hops_s:
            for seconds in pair:
                if round(seconds * 1e9) % pane_ns:
                    raise ValueError(f"{seconds} s is not a whole number of panes of {pane_s} s")
            panes.append(tuple(round(seconds * 1e9) // pane_ns for seconds in pair))
        return WindowSpec(pane_ns, tuple(size for size, _ in panes), tuple(hop for _, hop in panes))

    def closed_windows_of(self, time_ns: int, closed_ns: int) -> list[tuple[int, int]]:
        """(size_ns, start_ns) of each window that holds time_ns and had ended at or before closed_ns."""
        found = []
        pane_no = time_ns // self.pane_ns
        for size, hop in zip(self.sizes, self.hops, strict=True):
            ends = range((pane_no // hop + 1) * hop, pane_no + size + 1, hop)
            found += [
                (size * self.pane_ns, (end - size) * self.pane_ns) for end in ends if end * self.pane_ns <= closed_ns
            ]
        return found


class WindowOperator:
    """Windows of every series of a shard; state is bounded by series, not by time.

    `step` and `tick` return closed windows with revision 1. Any split of the same log gives the same rows. Memory:
    48 B and a ring of 80 B panes a series.
    """

    def __init__(self, spec: WindowSpec, lateness_s: float, idle_s: float, capacity: int = 256) -> None:
        self.spec = spec
        self._sizes = np.array(spec.sizes, np.int64)
        self._hops = np.array(spec.hops, np.int64)
        self._longest = int(self._sizes.max())
        self._lateness_ns = round(lateness_s * 1e9)
        self._idle_ns = round(idle_s * 1e9)
        open_panes = self._lateness_ns // spec.pane_ns + 3
        ring = 1 << int(self._longest + open_panes - 1).bit_length()
        self._worst = (self._longest + open_panes + 1) * len(spec.sizes)
        self._states = np.zeros(capacity, SERIES)
        self._rings = np.zeros((capacity, ring), PANE)
        self._emits = np.zeros(capacity, np.bool_)
        self._out = np.zeros(max(4096, 4 * self._worst), OUT)
        self.count = 0

    def bind(self, emits: bool) -> None:
        """The next series id; windows come out of it when `emits`."""
        if self.count == len(self._states):
            grown = 2 * self.count
            self._states = np.concatenate([self._states, np.zeros(grown - self.count, SERIES)])
            self._rings = np.concatenate([self._rings, np.zeros((grown - self.count, self._rings.shape[1]), PANE)])
            self._emits = np.concatenate([self._emits, np.zeros(grown - self.count, np.bool_)])
        self._emits[self.count] = emits
        self.count += 1

    @property
    def newest_ns(self) -> I64:
        """Newest event time of each series, int64[count]; 0 where none came yet."""
        newest: I64 = self._states["newest_ns"][: self.count]
        return newest

    @property
    def closed_ns(self) -> I64:
        """Up to where each series is closed, int64[count]; 0 where none came yet."""
        closed: I64 = self._states["closed"][: self.count] * self.spec.pane_ns
        return closed

    @property
    def seen(self) -> I64:
        """Rows each series took in, int64[count]."""
        seen: I64 = self._states["seen"][: self.count]
        return seen

    def step(
        self, time_ns: I64, series: I32, value: F64, use: NDArray[np.bool_], score: F64, received_ns: I64
    ) -> tuple[WindowRows, I64]:
        """Rows in log order, all of length n; rows with use False only learn what is closed.

        Returns the windows that closed and closed_ns int64[n]: up to where the row's series was closed when the row
        came. A row is late when its time is below that.
        """
        if len(series) and not 0 <= int(series.min()) <= int(series.max()) < self.count:
            raise ValueError(f"series ids must be 0..{self.count - 1}, got {series.min()}..{series.max()}")
        closed_ns = np.empty(len(time_ns), np.int64)
        parts = []
        row = 0
        while True:
            row, rows_out = _step(
                row, time_ns, series, value, use, score, received_ns, closed_ns, self._states, self._rings,
                self._emits, self._sizes, self._hops, self._longest, self.spec.pane_ns, self._lateness_ns,
                self._out, self._worst,
            )  # fmt: skip
            if rows_out:
                parts.append(self._out[:rows_out].copy())
            if row == len(time_ns):
                return window_rows(parts), closed_ns

    def tick(self, tick_ns: int) -> WindowRows:
        """Close the windows of series that have been silent for idle_s at tick_ns."""
        parts = []
        key = 0
        while True:
            key, rows_out = _tick(
                key, self.count, tick_ns, self._idle_ns, self._states, self._rings, self._emits, self._sizes,
                self._hops, self._longest, self.spec.pane_ns, self._lateness_ns, self._out, self._worst,
            )  # fmt: skip
            if rows_out:
                parts.append(self._out[:rows_out].copy())
            if key == self.count:
                return window_rows(parts)

    def snapshot(self) -> tuple[object, ...]:
        """Layout version, spec, count and the bytes of the state; independent of later steps."""
        used = slice(0, self.count)
        return (
            LAYOUT, self.spec.pane_ns, self.spec.sizes, self.spec.hops, self._rings.shape[1], self.count,
            self._states[used].tobytes(), self._rings[used].tobytes(), self._emits[used].tobytes(),
        )  # fmt: skip

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot of the same window declaration (ValueError otherwise)."""
        layout, pane_ns, sizes, hops, ring, count, states, rings, emits = snapshot
        found, wanted = (layout, pane_ns, sizes, hops, ring), (
            LAYOUT, self.spec.pane_ns, self.spec.sizes, self.spec.hops, self._rings.shape[1],
        )  # fmt: skip
        if found != wanted:
            raise ValueError(f"window state was made with {found}, the configuration says {wanted}")
        capacity = max(256, 1 << max(count - 1, 0).bit_length())
        self._states = np.zeros(capacity, SERIES)
        self._rings = np.zeros((capacity, ring), PANE)
        self._emits = np.zeros(capacity, np.bool_)
        self._states[:count] = np.frombuffer(states, SERIES)
        self._rings[:count] = np.frombuffer(rings, PANE).reshape(count, ring)
        self._emits[:count] = np.frombuffer(emits, np.bool_)
        self.count = count


OUT = np.dtype(
    [
        ("series", "i4"), ("size_ns", "i8"), ("start_ns", "i8"), ("count", "i8"), ("minimum", "f8"),
        ("maximum", "f8"), ("mean", "f8"), ("m2", "f8"), ("first", "f8"), ("last", "f8"), ("score", "f8"),
    ]
)  # fmt: skip


def window_rows(parts: list[Array], revision: I32 | None = None) -> WindowRows:
    """`OUT` records as the columns that writers take."""
    if not parts:
        return WindowRows.empty()
    rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return WindowRows(
        series=np.ascontiguousarray(rows["series"]),
        size_ns=np.ascontiguousarray(rows["size_ns"]),
        start_ns=np.ascontiguousarray(rows["start_ns"]),
        revision=np.ones(len(rows), np.int32) if revision is None else revision,
        count=np.ascontiguousarray(rows["count"]),
        minimum=np.ascontiguousarray(rows["minimum"]),
        maximum=np.ascontiguousarray(rows["maximum"]),
        mean=np.ascontiguousarray(rows["mean"]),
        std=np.sqrt(np.maximum(rows["m2"], 0.0) / rows["count"]),
        first=np.ascontiguousarray(rows["first"]),
        last=np.ascontiguousarray(rows["last"]),
        score=np.ascontiguousarray(rows["score"]),
    )
