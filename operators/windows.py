"""Panes and windows in event time, each series after its own clock.

A pane is the common divisor of all window sizes and hops. Every series keeps a ring of panes; when the series' own
time (less the allowed lateness) passes the end of a pane, the pane closes and the windows that end there are
emitted. A series that has fallen silent is closed by ticks. A row for a closed pane is late: it is handed back, and
`window_of_points` makes the corrected window from the journal's points.

The kernels and their layout are in window_kernel.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from andon.arena import Arena
from andon.outputs import WindowRows
from andon.readings import F64, I32, I64
from operators.window_kernel import CHUNK, FIGURES, PANE, SERIES, step_rows, survey, tick_series
from operators.window_points import OUT, window_of_points, window_rows
from operators.window_spec import WindowSpec
from operators.window_state import layout_1, longer

__all__ = ["OUT", "WindowOperator", "WindowSpec", "window_of_points", "window_rows"]

LAYOUT = 2
LONG_AGO_NS = -(1 << 62)
ROOM = 16_384  # windows that leave the kernel at once
WORDS = PANE.itemsize // 8  # 64 bits each
Array = NDArray[Any]
Read = Callable[[int], bytes]


class WindowOperator:
    """Windows of every series of a shard; state is bounded by series, not by time.

    `step` and `tick` return closed windows with revision 1. Any split of the same log gives the same rows.

    Memory of a series: 64 B, and for each pane of the longest window and of the lateness 64 B, with an anomaly score
    72: 896 (1,000) B for windows of 10 s and 60/5 s with 5 s lateness. It is taken with the series' first row;
    growing copies nothing below 262,144 series. Cost: one line of memory a row for the series, one for its pane;
    closing a pane reads the ring of that series alone.
    """

    def __init__(self, spec: WindowSpec, lateness_s: float, idle_s: float) -> None:
        self.spec = spec
        self._sizes = np.array(spec.sizes, np.int64)
        self._hops = np.array(spec.hops, np.int64)
        self._longest = int(self._sizes.max())
        self._lateness_ns = round(lateness_s * 1e9)
        self._idle_ns = round(idle_s * 1e9)
        open_panes = -(-self._lateness_ns // spec.pane_ns)  # beside the first one that is open
        self._ring = self._longest + open_panes
        self._empty()

    def _empty(self) -> None:
        self._worst = (self._ring + self._longest + 2) * len(self.spec.sizes)  # windows that one row may close
        room = max(ROOM, 4 * self._worst)
        self._out_id: I32 = np.zeros(room, np.int32)
        self._out_whole: I64 = np.zeros((3, room), np.int64)
        self._out: F64 = np.zeros((FIGURES, room))
        self._states, self._rings = Arena(SERIES), Arena(PANE, (self._ring,))
        self._scores, self._scored = Arena(np.float64, (self._ring,)), False
        self._changed = np.zeros((1, 1 + self._ring), np.uint8)  # of each chunk: its series, each place of its rings
        self._busy_ns: I64 = np.full(1, LONG_AGO_NS)  # of each chunk: see tick_series
        self._received_ns = LONG_AGO_NS  # the latest stamp of a row
        self.latest_ns = 0  #: newest event time of any series; 0 where none came yet
        self.count = 0

    @property
    def nbytes(self) -> int:
        """Memory of the state, bytes."""
        a_series = self._states.row_bytes + self._rings.row_bytes + self._scored * self._scores.row_bytes
        return self.count * a_series + self._changed.nbytes + self._busy_ns.nbytes

    def bind(self, emits: bool) -> None:
        """The next series id; windows come out of it when `emits`."""
        self.bind_all([emits])

    def bind_all(self, emits: Sequence[bool]) -> None:
        """The next series ids, one for each flag."""
        begin, self.count = self.count, self.count + len(emits)
        for arena in (self._states, self._rings, self._scores):
            arena.reach(self.count)
        chunks = -(-self.count // CHUNK)
        if chunks > len(self._changed):
            more = max(chunks, 2 * len(self._changed)) - len(self._changed)
            self._changed = np.concatenate([self._changed, np.zeros((more, 1 + self._ring), np.uint8)])
            self._busy_ns = np.concatenate([self._busy_ns, np.full(more, LONG_AGO_NS)])
        self._states.rows["emits"][begin : self.count] = emits
        self._changed[begin // CHUNK : chunks, 0] = 1

    @property
    def newest_ns(self) -> I64:
        """Newest event time of each series, int64[count]; 0 where none came yet."""
        newest: I64 = self._states.rows["newest_ns"][: self.count]
        return newest

    @property
    def closed_ns(self) -> I64:
        """Up to where each series is closed, int64[count]; 0 where none came yet."""
        closed: I64 = self._states.rows["closed"][: self.count] * self.spec.pane_ns
        return closed

    @property
    def seen(self) -> I64:
        """Rows each series took in, int64[count]."""
        seen: I64 = self._states.rows["seen"][: self.count]
        return seen

    def step(
        self, time_ns: I64, series: I32, value: F64, use: NDArray[np.bool_], score: F64, received_ns: I64
    ) -> tuple[WindowRows, I64]:
        """Rows in log order, all of length n; rows with use False only learn what is closed.

        Returns the windows that closed and closed_ns int64[n]: up to where the row's series was closed when the row
        came. A row is late when its time is below that.
        """
        rows = len(time_ns)
        if not rows:
            return WindowRows.empty(), np.empty(0, np.int64)
        if not rows == len(series) == len(value) == len(use) == len(score) == len(received_ns):
            raise ValueError(f"columns differ in length: {rows} times")
        low, high, *known = survey(time_ns, series, use, score, received_ns)
        if not 0 <= low <= high < self.count:
            raise ValueError(f"series ids must be 0..{self.count - 1}, got {low}..{high}")
        self._note(*known)
        closed_ns = np.empty(rows, np.int64)
        parts: list[WindowRows] = []
        row = 0
        while True:
            row, found = step_rows(
                row, time_ns, series, value, use, score, self._scored, received_ns, closed_ns, self._states.rows,
                self._rings.rows, self._scores.rows, self._changed, self._sizes, self._hops, self._longest,
                self.spec.pane_ns, self._lateness_ns, self._out_id, self._out_whole, self._out, self._worst,
            )  # fmt: skip
            parts += self._taken(found)
            if row == rows:
                return WindowRows.joined(parts), closed_ns

    def tick(self, tick_ns: int) -> WindowRows:
        """Close the windows of series that have been silent for idle_s at tick_ns."""
        parts: list[WindowRows] = []
        key = 0
        while True:
            key, found = tick_series(
                key, self.count, tick_ns, self._idle_ns, self._received_ns > tick_ns, self._busy_ns,
                self._states.rows, self._rings.rows, self._scores.rows, self._scored, self._changed, self._sizes,
                self._hops, self._longest, self.spec.pane_ns, self._lateness_ns, self._out_id, self._out_whole,
                self._out, self._worst,
            )  # fmt: skip
            parts += self._taken(found)
            if key == self.count:
                self._received_ns = min(self._received_ns, tick_ns)
                return WindowRows.joined(parts)

    def _note(self, first_ns: int, last_ns: int, newest_ns: int, scored: bool) -> None:
        """What is known of all rows of a step together: receive stamps, newest time in use, whether one has a score."""
        if scored and not self._scored:
            self._scored = True
            self._scores.rows[: self.count] = np.nan
            self._changed[:] = 1
        self._received_ns = max(self._received_ns, last_ns)
        if first_ns < int(self._busy_ns.max()):
            self._busy_ns[:] = LONG_AGO_NS  # stamps went back: nothing is known of how long anybody has been silent
        self.latest_ns = max(self.latest_ns, newest_ns)

    def _taken(self, found: int) -> list[WindowRows]:
        if not found:
            return []
        whole, out = self._out_whole[:, :found].copy(), self._out[:, :found].copy()
        return [WindowRows(self._out_id[:found].copy(), whole[0], whole[1], np.ones(found, np.int32), whole[2], *out)]

    def blocks(self) -> tuple[tuple[object, ...], Iterator[tuple[int, Array]]]:
        """What describes the state, and each block of it that changed since the last call: (number, uint8[n]).

        A block is one place of the rings of 1,024 series, or their records; at most 73,728 B. The iterator is to be
        run to its end before the next step.
        """
        return (*self._about(), self._scored), self._changed_blocks()

    def _changed_blocks(self) -> Iterator[tuple[int, Array]]:
        rings, scores = self._rings.rows.view(np.int64), self._scores.rows.view(np.int64)
        panes = rings.reshape(len(rings), self._ring, WORDS)
        for chunk, part in np.argwhere(self._changed).tolist():
            rows = min(CHUNK, self.count - chunk * CHUNK)
            here = slice(chunk * CHUNK, chunk * CHUNK + rows)
            if part == 0:
                block = self._states.rows[here]
            else:  # as whole numbers, since numpy copies records one by one
                block = np.empty(rows * (WORDS + self._scored), np.int64)
                block[: rows * WORDS].reshape(rows, WORDS)[:] = panes[here, part - 1]
                block[rows * WORDS :] = scores[here, part - 1] if self._scored else ()
            yield chunk * (1 + self._ring) + part, block.view(np.uint8)
        self._changed[:] = 0

    def restore_blocks(self, about: tuple[Any, ...], numbers: Sequence[int], read: Read) -> None:
        """Take over blocks: what describes them, which there are, and how to read one (ValueError: other windows)."""
        layout, pane_ns, sizes, hops, ring, count, scored = about
        if layout != LAYOUT:
            raise ValueError(f"window state has layout {layout}, this version reads {LAYOUT}")
        self._check((pane_ns, sizes, hops))
        states, rings = np.zeros(count, SERIES), np.zeros((count, ring), PANE)
        scores = np.full((count if scored else 0, ring), np.nan)
        for number in numbers:
            chunk, part = divmod(number, 1 + ring)
            data = np.frombuffer(read(number), np.uint8)
            rows = len(data) // (SERIES.itemsize if part == 0 else PANE.itemsize + 8 * scored)
            here, size = slice(chunk * CHUNK, chunk * CHUNK + rows), rows * PANE.itemsize
            if part == 0:
                states[here] = data.view(SERIES)
                continue
            rings[here, part - 1] = data[:size].view(PANE)
            if scored:
                scores[here, part - 1] = data[size:].view(np.float64)
        self._take(*longer(states, rings, scores, self._ring))
        if self._ring == ring:
            self._changed[:] = 0  # what is kept already need not be written again

    def snapshot(self) -> tuple[object, ...]:
        """Layout version, spec, count and the bytes of the state; independent of later steps."""
        used = slice(0, self.count)
        scores = self._scores.rows[used].tobytes() if self._scored else b""
        return (*self._about(), self._states.rows[used].tobytes(), self._rings.rows[used].tobytes(), scores)

    def _about(self) -> tuple[object, ...]:
        return (LAYOUT, self.spec.pane_ns, self.spec.sizes, self.spec.hops, self._ring, self.count)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot of the same window declaration (ValueError otherwise), or of layout 1."""
        layout, pane_ns, sizes, hops, ring, _, *data = snapshot
        self._check((pane_ns, sizes, hops))
        if layout == 1:
            states, rings, emits = data
            whole = layout_1(states, rings, emits, ring, self._ring, self._longest, pane_ns)
        elif layout == LAYOUT:
            states, rings, scores = data
            whole = (
                np.frombuffer(states, SERIES), np.frombuffer(rings, PANE).reshape(-1, ring),
                np.frombuffer(scores, np.float64).reshape(-1, ring),
            )  # fmt: skip
        else:
            raise ValueError(f"window state has layout {layout}, this version reads 1 and {LAYOUT}")
        self._take(*longer(*whole, self._ring))

    def _take(self, states: Array, rings: Array, scores: F64) -> None:
        """Take over the records of all series; the ring may be longer than this configuration's."""
        self._ring = rings.shape[1]
        self._empty()
        self.bind_all([False] * len(states))
        self._states.rows[: len(states)], self._rings.rows[: len(states)] = states, rings
        self._scores.rows[: len(scores)], self._scored = scores, len(scores) > 0
        self._restored()
        self._changed[:] = 1

    def _check(self, found: tuple[object, ...]) -> None:
        wanted = (self.spec.pane_ns, self.spec.sizes, self.spec.hops)
        if found != wanted:
            raise ValueError(f"window state was made with {found}, the configuration says {wanted}")

    def _restored(self) -> None:
        seen = self.seen > 0
        self.latest_ns = int(self.newest_ns.max(initial=0, where=seen))
        stamps = self._states.rows[: self.count]
        for name in ("arrived_ns", "newest_received_ns"):
            self._received_ns = max(self._received_ns, int(stamps[name].max(initial=LONG_AGO_NS, where=seen)))
