"""Which stretches of which series wait to be judged anew, and when it is their turn: by the count of ticks alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alarms import spans_kernel
from alarms.spans_kernel import ASK, CALM, FIRST, LAST, LATEST, OLDEST_OPEN_TICKS, ROOM, SINCE
from andon.readings import F64, I32, I64

__all__ = ["OLDEST_OPEN_TICKS", "Board", "Spans"]

MOST_A_TICK = 64  # stretches that are judged; those that can change nothing do not count


class Board(NamedTuple):
    """The engine's state as its kernels take it: place of each series in `series`, SERIES, LANE and RULE records."""

    slots: I32
    series: NDArray[np.void]
    lanes: NDArray[np.void]
    rules: NDArray[np.void]


class Spans:
    """Stretches with late rows, by series; 4 bytes a series, and 300 for each that has any.

    Of a stretch: event times of its first and last late row, and the ticks before which the first and the last of
    them came.
    """

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._place = np.zeros(0, np.int32)
        self._owner, self._count, self._spans = spans_kernel.empty(0)
        self._used = 0

    def __bool__(self) -> bool:
        return bool(self._used)

    def note(self, late: I32, ids: I32, time_ns: I64, value: F64, board: Board, ticks: int) -> None:
        """Rows `late` of a batch, all of series with rules; in log order."""
        self._make_room(len(board.slots), len(late))
        self._used = spans_kernel.note_rows(
            late, ids, time_ns, value, *board, ticks, self._place, self._owner, self._count, self._spans, self._used
        )

    def due(self, ticks: int, goes_on: Callable[[int, int], bool], board: Board) -> list[tuple[int, int, int]]:
        """(series, first, last) of those that are to be judged now, longest waiting first; they are forgotten here.

        goes_on: whether the series has a row soon after a time, so that nothing is missing behind it; asked only
        where the board does not tell. Those that can change nothing are forgotten when it is their turn.
        """
        out = np.empty((self._used * ROOM, 5), np.int64)
        found, self._used = spans_kernel.take_due(
            ticks, *board, self._place, self._owner, self._count, self._spans, self._used, out
        )  # fmt: skip
        ready = sorted(
            (since, series, first, last, how & CALM)
            for since, series, first, last, how in out[:found].tolist()
            if not how & ASK or goes_on(series, last)
        )
        taken = [(series, first, last) for _, series, first, last, calm in ready if not calm][:MOST_A_TICK]
        self._drop([*taken, *((series, first, last) for _, series, first, last, calm in ready if calm)])
        return taken

    def first_of(self, series: int) -> int | None:
        """Event time of the first late row of a series that waits, None where there is none."""
        place = int(self._place[series]) if series < len(self._place) else -1
        return None if place < 0 else int(self._spans[place, 0, FIRST])

    def snapshot(self) -> tuple[tuple[int, ...], ...]:
        """Plain tuples: series, first, last, since, latest."""
        order = FIRST, LAST, SINCE, LATEST
        return tuple(
            (int(self._owner[block]), *self._spans[block, at, order].tolist())
            for block in np.argsort(self._owner[: self._used]).tolist()
            for at in range(int(self._count[block]))
        )

    def restore(self, snapshot: tuple[tuple[int, ...], ...]) -> None:
        """Take over a snapshot."""
        self._forget()
        self._make_room(max((one[0] for one in snapshot), default=-1) + 1, len(snapshot))
        for series, first, last, since, latest in snapshot:
            if self._place[series] < 0:
                self._place[series], self._owner[self._used] = self._used, series
                self._used += 1
            block = self._place[series]
            self._spans[block, self._count[block]] = first, last, since, latest
            self._count[block] += 1

    def _drop(self, gone: Sequence[tuple[int, int, int]]) -> None:
        which, first = np.array([one[0] for one in gone], np.int32), np.array([one[1] for one in gone], np.int64)
        self._used = spans_kernel.drop(which, first, self._place, self._owner, self._count, self._spans, self._used)

    def _make_room(self, series: int, blocks: int) -> None:
        if len(self._place) < series:
            self._place = np.concatenate([self._place, np.full(series - len(self._place), -1, np.int32)])
        if len(self._owner) < self._used + blocks:
            more = spans_kernel.empty(max(64, blocks, len(self._owner)))
            kept = self._owner, self._count, self._spans
            self._owner, self._count, self._spans = (
                np.concatenate([one, other]) for one, other in zip(kept, more, strict=True)
            )  # fmt: skip
