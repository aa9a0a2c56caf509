"""Declared windows of a shard's series: rows in, the windows that closed out, at ticks.

Rows wait until their series is closed up to them (`WindowOperator.closed_ns`), so they are folded in time order. Like
figures, windows are published at ticks: what comes out depends on the log alone, however it was cut. A row is late when
its series was folded beyond it. The windows it touches are computed again from the journal: those that ended at the
same tick, those still open at the tick that closes them. Sessions move: flows/span_sessions.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from andon.config.declared import DeclaredWindow
from andon.outputs import SpanRows
from andon.plant import PlantModel, SeriesSpec
from andon.readings import F64, I32, I64, NS_PER_S
from flows.revisions import revision_of
from flows.span_rows import Found, SpanShapes, span_rows, statistics_for, statistics_of
from flows.span_sessions import Sessions, cut
from operators.span_order import WaitingRows
from operators.spans import Member, SpanOperator, SpanSpec, replay
from operators.spans_kernel import NEVER
from sinks.journal import Journal

LAYOUT = 1
NOTHING = (LAYOUT, (), (), (b"", b"", b""), (), None, None)  # the snapshot of a version that had no declared windows
NOT_AFTER = np.iinfo(np.int64).max
LOOK_BACK_NS = tuple(seconds * NS_PER_S for seconds in (3_600, 86_400, 7 * 86_400))  # for the sample before a gap
Key = tuple[int, int, int, int]  # member, place of the window among its own, start_ns, end_ns


class DeclaredSpans:
    """All declared windows of a shard. A shard without any costs one look at `any` a step."""

    def __init__(self, plant: PlantModel, pane_ns: int, journal: Journal) -> None:
        self._journal, self._shapes = journal, SpanShapes(plant)
        self._statistics = statistics_of(plant)
        self._clock = repr((plant.config.site.timezone, sorted(one.begins for one in plant.config.shift)))
        self._operator = SpanOperator(pane_ns)
        self._sessions = Sessions(self._operator, round(plant.config.time.correct_for_h * 3600 * NS_PER_S))
        self._member_of: I32 = np.zeros(0, np.int32)  # by series; -1: none
        self._series: list[int] = []
        self._windows: list[list[DeclaredWindow]] = []
        self._ids: list[tuple[str, ...]] = []  # of each span of the operator: id, then its statistics
        self._fresh: list[Member] = []  # not in the operator yet
        self._waiting = WaitingRows()
        self._dirty: set[Key] = set()
        self.any = False

    def bind(self, series: int, spec: SeriesSpec) -> None:
        """The next series id."""
        found = self._shapes.member(spec)
        member = -1 if found is None else len(self._series)
        if series >= len(self._member_of):
            more = max(256, series + 1 - len(self._member_of), len(self._member_of))
            self._member_of = np.concatenate([self._member_of, np.full(more, -1, np.int32)])
        self._member_of[series] = member
        if found is None:
            return
        shape, windows = found
        self.any = True
        self._series.append(series)
        self._windows.append(windows)
        self._ids += [(window.id, *statistics_for(window, spec.kind)) for window in windows]
        self._fresh.append(shape)

    def _bind_fresh(self) -> None:
        if self._fresh:
            self._operator.bind(*self._fresh)
            self._fresh.clear()

    def add(self, time_ns: I64, series: I32, value: F64, usable: NDArray[np.bool_]) -> None:
        """Rows in log order; those that are usable and of a series with declared windows wait for the tick."""
        member = self._member_of[series]
        mine = usable & (member >= 0)
        if mine.any():
            self._waiting.add(member[mine], time_ns[mine], value[mine])

    def tick(self, closed_ns: I64) -> SpanRows:
        """Fold what is closed. closed_ns int64[series]: up to where, 0 where a series has no row yet."""
        if not self.any:
            return SpanRows.empty()
        self._bind_fresh()
        operator = self._operator
        closed = closed_ns[self._series]
        time_ns, value, bounds = self._waiting.take(closed)
        if len(time_ns):
            time_ns, value, bounds = self._without_late(time_ns, value, bounds)
            self._begin(time_ns, bounds)
        found, percentiles = operator.fold(time_ns, value, bounds, closed)
        if not len(found) and not self._dirty and not self._sessions.waiting:
            return SpanRows.empty()
        return self._publish(found, percentiles)

    def _without_late(self, time_ns: I64, value: F64, bounds: I64) -> tuple[I64, F64, I64]:
        """The rows that can be folded; late ones are noted and taken out."""
        held = np.diff(bounds) > 0
        first = np.full(len(held), NOT_AFTER)
        first[held] = time_ns[bounds[:-1][held]]
        if not (first < self._operator.member_state["folded_ns"]).any():
            return time_ns, value, bounds
        member = np.repeat(np.arange(len(held)), np.diff(bounds))
        late = time_ns < self._operator.member_state["folded_ns"][member]
        for one in np.unique(member[late]).tolist():
            mine = late & (member == one)
            after = self._after(one, time_ns[mine])
            for at, what in zip(time_ns[mine].tolist(), value[mine].tolist(), strict=True):
                self._note_late(one, at, what, after)
        kept = np.searchsorted(member[~late], np.arange(len(bounds)))
        return time_ns[~late], value[~late], kept

    def _begin(self, time_ns: I64, bounds: I64) -> None:
        """Members with their first rows begin to fold at the pane of the first."""
        fresh = (self._operator.member_state["folded_ns"] == NEVER) & (np.diff(bounds) > 0)
        pane_ns = self._operator.pane_ns
        for member in np.flatnonzero(fresh).tolist():
            self._operator.start(member, int(time_ns[bounds[member]]) // pane_ns * pane_ns)

    def _after(self, member: int, late_ns: I64) -> I64:
        """Times of the rows behind the first of some late rows; only a counter goes on from them."""
        if not self._operator.members[member].counter:
            return late_ns[:0]
        until_ns = max(int(self._operator.member_state["standing_ns"][member]), int(late_ns[-1]))
        after: I64 = self._journal.points(self._series[member], int(late_ns[0]) + 1, until_ns + 1)["time_ns"]
        return after

    def _note_late(self, member: int, time_ns: int, value: float, after: I64) -> None:
        """A row behind what is folded: which windows must be computed again, and what stands from now on."""
        operator, shape = self._operator, self._operator.members[member]
        state = operator.member_state[member]
        folded_ns, standing_ns = int(state["folded_ns"]), int(state["standing_ns"])
        following_ns = None
        if shape.counter and state["known"] and time_ns < standing_ns:
            at = int(np.searchsorted(after, time_ns, "right"))
            following_ns = int(after[at]) if at < len(after) else None
        for place, spec in enumerate(shape.spans):
            if spec.kind == "session":
                self._sessions.note_late(member, place, time_ns)
                continue
            until_ns = min(time_ns + shape.hold_ns, folded_ns) if spec.holds else time_ns + 1
            touched = spec.windows_of(time_ns, max(until_ns, time_ns + 1))
            if following_ns is not None:
                touched += spec.windows_of(following_ns, following_ns + 1)
            self._dirty |= {(member, place, *window) for window in touched}
        if not state["known"] or time_ns >= standing_ns:
            operator.start(member, folded_ns, (time_ns, value))

    def _publish(self, found: Found, percentiles: list[list[float]]) -> SpanRows:
        """What closed, what had to be computed again, and the sessions that changed, in that order."""
        due = sorted(key for key in self._dirty if key[3] <= self._operator.member_state["folded_ns"][key[0]])
        if due:
            self._dirty -= set(due)
            kept = ~self._is_due(found, set(due))
            percentiles = [one for one, keep in zip(percentiles, kept, strict=True) if keep]
            found = found[kept]
        found, percentiles, revision = self._sessions.closed(found, percentiles)
        again = [*self._computed_again(due), *self._sessions.restated(self._points)]
        if again:
            found = np.concatenate([found, *(one for one, _, _ in again)])
            percentiles += [ranks for _, ranks, _ in again]
            revision += [number for _, _, number in again]
        of_series, counter = np.array(self._series, np.int32), self._operator.member_state["counter"]
        return span_rows(
            found, percentiles, np.array(revision, np.int32), series=of_series[found["member"]],
            windows=[self._ids[span] for span in found["span"].tolist()], counter=counter[found["member"]],
            statistics=self._statistics,
        )  # fmt: skip

    def _is_due(self, found: Found, due: set[Key]) -> NDArray[np.bool_]:
        """Rows that the journal tells better: late rows came while their window was open."""
        first = self._operator.member_state["first_span"]
        columns = (found["member"], found["span"] - first[found["member"]], found["start_ns"], found["end_ns"])
        keys = zip(*(column.tolist() for column in columns), strict=True)
        return np.fromiter((key in due for key in keys), np.bool_, len(found))

    def _computed_again(self, due: list[Key]) -> Iterator[tuple[Found, list[float], int]]:
        for member, place, start_ns, end_ns in due:
            shape = self._operator.members[member]
            spec = shape.spans[place]
            rows = self._points(member, start_ns, end_ns)
            inside, standing = cut(rows, start_ns)
            points = inside["time_ns"], inside["value"]
            found, percentiles, _ = replay(self._operator.pane_ns, shape, spec, points, (start_ns, end_ns), standing)
            for at in np.flatnonzero((found["start_ns"] == start_ns) & (found["end_ns"] == end_ns)).tolist():
                one = found[at : at + 1].copy()
                one["member"], one["span"] = member, self._operator.member_state["first_span"][member] + place
                yield one, percentiles[at], revision_of(self._touching(rows, shape, spec, start_ns, end_ns), end_ns)

    @staticmethod
    def _touching(rows: NDArray[Any], shape: Member, spec: SpanSpec, start_ns: int, end_ns: int) -> NDArray[Any]:
        """The rows that a window depends on: its own, those that stand into it, what its counter goes on from."""
        from_ns = start_ns - shape.hold_ns + 1 if spec.holds else start_ns
        if shape.counter:
            base = rows[(rows["time_ns"] < start_ns) & (rows["closed_ns"] < end_ns)]
            from_ns = min(from_ns, int(base["time_ns"][-1])) if len(base) else NEVER
        return rows[rows["time_ns"] >= from_ns]

    def _points(self, member: int, start_ns: int, end_ns: int) -> NDArray[Any]:
        """Journal rows of [start_ns, end_ns) and before it as far as they matter, sorted by time, ties in log order."""
        shape, series = self._operator.members[member], self._series[member]
        rows = self._journal.points(series, start_ns - shape.hold_ns, end_ns)
        for back_ns in (
            LOOK_BACK_NS if shape.counter else ()
        ):  # to a row that came in time, as `_touching` counts from it
            if ((rows["time_ns"] < start_ns) & (rows["closed_ns"] < end_ns)).any():
                break
            before = self._journal.points(series, start_ns - max(back_ns, shape.hold_ns), start_ns)
            rows = np.concatenate([before, rows[rows["time_ns"] >= start_ns]])
        return rows

    def snapshot(self) -> tuple[object, ...]:
        """Layout, series and their windows in the operator's order, then the parts; plain tuples and bytes."""
        self._bind_fresh()
        windows = tuple(tuple(self._fingerprint(window) for window in one) for one in self._windows)
        return (
            LAYOUT, tuple(self._series), windows, self._waiting.snapshot(), tuple(sorted(self._dirty)),
            self._operator.snapshot(), self._sessions.snapshot(),
        )  # fmt: skip

    def restore(self, snapshot: tuple[Any, ...] | None, specs: list[SeriesSpec], closed_ns: I64) -> None:
        """Take over a snapshot, None from a version before there were declared windows.

        specs: of all series; closed_ns int64[series]. What is declared for the first time begins with the rows that the
        journal has of its first window. ValueError for a layout that this version cannot read.
        """
        for series, spec in enumerate(specs):
            self.bind(series, spec)
        self._bind_fresh()
        layout, series, windows, waiting, dirty, operator, sessions = snapshot or NOTHING
        if layout != LAYOUT:
            raise ValueError(f"state of declared windows has layout {layout}; expected {LAYOUT}")
        members, spans = self._places(series, windows)
        first = self._operator.member_state["first_span"]
        was_first = np.cumsum([0, *(len(one) for one in windows)])
        if operator is not None:
            numbers = {int(first[new[0]]) + new[1]: int(was_first[old[0]]) + old[1] for old, new in spans.items()}
            self._operator.restore(operator, {new: old for old, new in members.items()}, numbers)
            self._sessions.restore(sessions, spans)
        self._dirty = {(*spans[key[:2]], *key[2:]) for key in dirty if key[:2] in spans}
        member, time_ns, value = WaitingRows.rows(waiting)
        for old, new in members.items():
            mine = member == old
            self._waiting.add(np.full(int(mine.sum()), new, np.int32), time_ns[mine], value[mine])
        self._adopt(set(members.values()), set(spans.values()), closed_ns)

    def _places(
        self, series: tuple[int, ...], windows: tuple[tuple[str, ...], ...]
    ) -> tuple[dict[int, int], dict[tuple[int, int], tuple[int, int]]]:
        """Where the members of a snapshot, and its windows, are now."""
        members: dict[int, int] = {}
        spans: dict[tuple[int, int], tuple[int, int]] = {}
        for old, (number, told) in enumerate(zip(series, windows, strict=True)):
            new = int(self._member_of[number])
            if new < 0:
                continue
            members[old] = new
            now = [self._fingerprint(window) for window in self._windows[new]]
            spans |= {(old, place): (new, now.index(one)) for place, one in enumerate(told) if one in now}
        return members, spans

    def _adopt(self, members: set[int], spans: set[tuple[int, int]], closed_ns: I64) -> None:
        """Windows that are new on series that have rows: what was before is computed from the journal."""
        for member, series in enumerate(self._series):
            shape, state = self._operator.members[member], self._operator.member_state[member]
            if closed_ns[series] == 0 or (member in members and state["folded_ns"] == NEVER):
                continue
            if member not in members:
                folded_ns = int(closed_ns[series])
                _, standing = cut(self._points(member, folded_ns, folded_ns), folded_ns)
                self._operator.start(member, folded_ns, standing)
                rows = self._journal.points(series, folded_ns, NOT_AFTER)
                self._waiting.add(np.full(len(rows), member, np.int32), rows["time_ns"], rows["value"])
            folded_ns = int(state["folded_ns"])
            for place, spec in enumerate(shape.spans):
                if (member, place) in spans:
                    continue
                if spec.kind == "session":
                    self._sessions.begin(member, place, folded_ns)
                    rows = self._journal.points(series, folded_ns - spec.max_ns, folded_ns)
                    begins = np.flatnonzero(np.diff(rows["time_ns"], prepend=NEVER // 2) >= spec.gap_ns)
                    if len(rows):
                        since, standing = cut(rows, int(rows["time_ns"][begins[-1]]))
                        stretch_ns = int(since["time_ns"][0]), folded_ns
                        points = since["time_ns"], since["value"]
                        _, _, fresh = replay(self._operator.pane_ns, shape, spec, points, stretch_ns, standing)
                        self._operator.take_open(int(state["first_span"]) + place, fresh)
                        if fresh.span_state["open"][0]:
                            self._sessions.begin(member, place, stretch_ns[0])
                else:
                    windows = spec.windows_of(folded_ns - 1, folded_ns)
                    self._dirty |= {(member, place, *window) for window in windows if window[1] > folded_ns}

    def _fingerprint(self, window: DeclaredWindow) -> str:
        """What decides a window's numbers: all but which series it is on, and the site's clock and shifts."""
        told = window.model_dump_json(exclude={"on", "template"})
        return told if window.calendar is None else told + self._clock
