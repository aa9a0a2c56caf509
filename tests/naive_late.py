"""The plain way with late rows: every stretch is judged from the journal when it is its turn, and read whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from alarms.conditions import ConditionEngine
from alarms.kernels import OPEN
from alarms.spans import MOST_A_TICK, Board
from alarms.spans_kernel import (
    LONG_QUIET_TICKS,
    MOST_OF_SERIES,
    NEAR_NS,
    OLDEST_OPEN_TICKS,
    OLDEST_TICKS,
    PATIENCE_NS,
    QUIET_TICKS,
)  # fmt: skip


@dataclass
class Span:
    """Event times of late rows, both ends included, and the ticks before which the first and the last of them came."""

    first: int
    last: int
    since: int
    latest: int


class NaiveSpans:
    """`alarms.spans.Spans` in plain lists. Nothing is taken for calm, and the journal is asked what follows."""

    def __init__(self) -> None:
        self.of: dict[int, list[Span]] = {}

    def __bool__(self) -> bool:
        return bool(self.of)

    def note(self, late, ids, time_ns, value, board: Board, ticks: int) -> None:
        del value
        for row in late.tolist():
            series, at = int(ids[row]), int(time_ns[row])
            near = max(NEAR_NS, int(board.series["near"][board.slots[series]]))
            mine = self.of.setdefault(series, [])
            for span in mine:
                if span.first - near <= at <= span.last + near:
                    span.first, span.last, span.latest = min(span.first, at), max(span.last, at), ticks
                    break
            else:
                mine.append(Span(at, at, ticks, ticks))
                mine.sort(key=lambda one: one.first)
            self._join(mine, near)

    def _join(self, mine: list[Span], near: int) -> None:
        gaps = [after.first - before.last for before, after in pairwise(mine)]
        while gaps and (min(gaps) <= near or len(mine) > MOST_OF_SERIES):
            at = gaps.index(min(gaps))
            one, other = mine[at], mine.pop(at + 1)
            one.last, one.since = max(one.last, other.last), min(one.since, other.since)
            one.latest = max(one.latest, other.latest)
            gaps = [after.first - before.last for before, after in pairwise(mine)]

    def due(self, ticks: int, goes_on: Callable[[int, int], bool], board: Board) -> list[tuple[int, int, int]]:
        ready = [
            (span.since, series, span.first, span.last)
            for series, mine in self.of.items()
            for span in mine
            if ticks - span.since >= _patience(series, board)
            and _ready(span, ticks, lambda last, series=series: goes_on(series, last))
        ]
        taken = sorted(ready)[:MOST_A_TICK]
        for _, series, first, _ in taken:
            self.of[series] = [span for span in self.of[series] if span.first != first]
        self.of = {series: mine for series, mine in self.of.items() if mine}
        return [(series, first, last) for _, series, first, last in taken]

    def first_of(self, series: int) -> int | None:
        return min((span.first for span in self.of.get(series, [])), default=None)

    def snapshot(self):
        return tuple(
            (series, span.first, span.last, span.since, span.latest)
            for series, mine in sorted(self.of.items())
            for span in mine
        )

    def restore(self, snapshot) -> None:
        self.of = {}
        for series, *span in snapshot:
            self.of.setdefault(series, []).append(Span(*span))


class JudgesAll(ConditionEngine):
    """The engine with them."""

    def _forget(self) -> None:
        super()._forget()
        self._late._spans = NaiveSpans()


def _patience(series: int, board: Board) -> int:
    slot = board.slots[series]
    if slot < 0:
        return 0
    one = board.series[slot]
    lanes = board.lanes[one["first"] :][: one["count"]]
    starts = lanes["start"][lanes["phase"] == OPEN]
    return min((int(one["newest"]) - int(np.min(starts))) // PATIENCE_NS, OLDEST_OPEN_TICKS) if len(starts) else 0


def _ready(span: Span, ticks: int, goes_on: Callable[[int], bool]) -> bool:
    quiet, age = ticks - span.latest, ticks - span.since
    if quiet >= LONG_QUIET_TICKS or age >= OLDEST_OPEN_TICKS:
        return True
    return (quiet == QUIET_TICKS or (age > 0 and age % OLDEST_TICKS == 0)) and goes_on(span.last)
