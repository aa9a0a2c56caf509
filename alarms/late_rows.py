"""Late rows of all series: noted as they come, judged when their stretch has come to rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alarms.anew import Told
from alarms.late import Telling, judge_lane, note_quiet
from alarms.snapshots import Late, State
from alarms.spans import Board, Spans
from alarms.stretches import Points, Stretch
from alarms.told import ToldTable
from andon.plant import SeriesSpec
from andon.readings import F64, I32, I64, NS_PER_S

GAP_INTERVALS = 3  # a step of a series longer than this many of its intervals (`every_s`) is a gap
FORGET_TICKS = 3600


class LateRows:
    """What was told, which stretches have late rows, and how many ticks there were. keep_s: how late a row may be."""

    def __init__(self, keep_s: float) -> None:
        self._keep_ns = round(keep_s * NS_PER_S)
        self._spans, self._told, self._ticks = Spans(), ToldTable(), 0

    def note(self, late: I32, ids: I32, time_ns: I64, value: F64, board: Board) -> None:
        """Late rows, in log order: places `late` in the columns of a batch, all of series with rules."""
        self._spans.note(late, ids, time_ns, value, board, self._ticks)

    def tell(self, series: int, rule_id: str, told: Told) -> Told:
        """A condition was raised, or (with its end) cleared; returns what is known of it now."""
        known = self._told.find(series, rule_id, told.start)
        if known is None:
            self._told.add(series, rule_id, told)
            return told
        told.late = known.late
        known.begun, known.cleared, known.peak, known.out = told.begun, told.cleared, told.peak, told.out
        known.upper, known.voided, known.merged_into = told.upper, False, None
        self._told.touch(series, rule_id)
        return told

    def pass_tick(self, series: NDArray[np.void], count: int) -> None:
        """One more tick. series: the engine's SERIES records, of those of `count` series that have rules."""
        self._ticks += 1
        if self._ticks % FORGET_TICKS == 0 and len(series):
            newest = np.full(count, series["newest"].max())  # where no rule is left, the shard's time
            newest[series["id"]] = series["newest"]
            self._told.forget_before(newest, self._keep_ns)

    def due(self, points: Points, specs: Sequence[SeriesSpec], board: Board) -> list[tuple[int, int, int]]:
        """(series, first, last) of the stretches whose turn it is and that may change what was told."""
        if not self._spans:
            return []
        return self._spans.due(
            self._ticks,
            lambda series, last: len(points(series, last + 1, last + 1 + near_ns(specs[series]))) > 0,
            board,
        )

    def stretch(
        self, series: int, first: int, last: int, spec: SeriesSpec, record: Any, passed_ns: int, waiting: int
    ) -> Stretch:
        """What is to be judged; record: the series' SERIES record, passed_ns: the ticks' time.

        waiting: the first late row of the series that is judged later in this tick, OPEN_END where there is none.
        """
        newest, behind = int(record["newest"]), self._spans.first_of(series)
        waiting = waiting if behind is None else min(waiting, behind)
        until = newest + max(0, passed_ns - int(record["received"]))
        return Stretch(series, first, min(last, newest), near_ns(spec), newest, until, newest - self._keep_ns, waiting)

    def judge(
        self, points: Points, stretch: Stretch, lane: Any, rule_id: str, table: NDArray[np.void]
    ) -> list[Telling]:
        """`judge_lane` with what was told."""
        tellings = judge_lane(points, stretch, lane, rule_id, table, self._told)
        note_quiet(points, stretch, lane, table, self._told.of(stretch.series, rule_id))
        return tellings

    def snapshot(self) -> Late:
        """Plain values."""
        return (*self._told.snapshot(), self._spans.snapshot(), self._ticks)

    def restore(self, state: State, rules: Mapping[int, tuple[int, str]]) -> None:
        """Take over what a snapshot says; rules: of a rule's number there, its number now and its id."""
        self._told.restore(state.told, state.floors, rules)
        self._spans.restore(state.spans)
        self._ticks = state.ticks


def near_ns(spec: SeriesSpec) -> int:
    """The longest step of a series, in ns, that is no gap."""
    return round(min(GAP_INTERVALS * spec.every_s, 1e9) * NS_PER_S)
