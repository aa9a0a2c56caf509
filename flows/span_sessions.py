"""Sessions that moved: late rows lengthen them, begin new ones, or join two.

A session's key is its start. What is known of closed ones (end, rows, revision) is kept for as long as they may be
corrected; a late row restates the stretch from the session it falls into to the next silence, from the journal. Of
sessions that are joined the earlier start stays; the other is given again with a count of 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from operators.spans import SpanOperator, replay
from operators.spans_kernel import OUT

Points = Callable[[int, int, int], NDArray[Any]]  # member, start_ns, end_ns -> journal rows, some before included
Restated = tuple[NDArray[Any], list[float], int]  # one `OUT` record, its percentiles, its revision
UNTOLD = -1  # rows of a session that is known to end but not published


class Known(NamedTuple):
    """What is published of a session. rows 0: taken away."""

    end_ns: int
    rows: int
    revision: int


class Sessions:
    """Closed sessions of every window of an operator, and the late rows that touch some."""

    def __init__(self, operator: SpanOperator, keep_ns: int) -> None:
        self._operator = operator
        self._keep_ns = keep_ns
        self._known: dict[tuple[int, int], dict[int, Known]] = {}  # by member and place of the window, then start_ns
        self._late: dict[tuple[int, int], set[int]] = {}  # stamps of rows that must be looked at
        self._stale: set[tuple[int, int]] = set()  # open sessions that lack late rows
        self._since: dict[tuple[int, int], int] = {}  # where a window declared later begins: nothing is known of before

    def begin(self, member: int, place: int, since_ns: int) -> None:
        """A window that was declared while its series had rows; late rows before since_ns are not its own."""
        self._since[member, place] = since_ns

    @property
    def waiting(self) -> bool:
        """Whether `restated` has something to do."""
        return bool(self._late)

    def note_late(self, member: int, place: int, time_ns: int) -> None:
        """A row behind what is folded. Inside the open session it is counted when that closes."""
        if time_ns < self._since.get((member, place), time_ns):
            return
        number = self._number(member, place)
        span = self._operator.span_state[number]
        if span["open"] and span["start_ns"] <= time_ns < span["end_ns"]:
            until_ns = min(time_ns + int(span["gap_ns"]), int(span["start_ns"] + span["max_ns"]))
            span["end_ns"] = max(int(span["end_ns"]), until_ns)
            self._stale.add((member, place))
        else:
            self._late.setdefault((member, place), set()).add(time_ns)

    def closed(
        self, found: NDArray[Any], percentiles: list[list[float]]
    ) -> tuple[NDArray[Any], list[list[float]], list[int]]:
        """Number the sessions among the windows that closed; those that lack late rows are left to `restated`."""
        revision, keep = [1] * len(found), [True] * len(found)
        sessions = np.flatnonzero(self._operator.span_state["gap_ns"][found["span"]] > 0)
        if not len(sessions):
            return found, percentiles, revision
        first = self._operator.member_state["first_span"]
        for row in sessions.tolist():
            one = found[row]
            member = int(one["member"])
            key = (member, int(one["span"] - first[member]))
            start_ns, end_ns, known = int(one["start_ns"]), int(one["end_ns"]), self._known.setdefault(key, {})
            before = known[start_ns].revision if start_ns in known else 0
            if key in self._stale:
                self._stale.remove(key)
                self._late.setdefault(key, set()).add(start_ns)
                known[start_ns], keep[row] = Known(end_ns, UNTOLD, before), False
            else:
                known[start_ns], revision[row] = Known(end_ns, int(one["count"]), before + 1), before + 1
            self._forget(known, end_ns)
        kept = [number for number, keeps in zip(revision, keep, strict=True) if keeps]
        told = [ranks for ranks, keeps in zip(percentiles, keep, strict=True) if keeps]
        return found[np.array(keep, np.bool_)], told, kept

    def _forget(self, known: dict[int, Known], now_ns: int) -> None:
        """Sessions that no late row can reach any more; they stand in order, but for those that came late."""
        while known and known[oldest := next(iter(known))].end_ns < now_ns - self._keep_ns:
            del known[oldest]

    def restated(self, points: Points) -> Iterator[Restated]:
        """Every session that late rows changed, by series and start."""
        late, self._late = self._late, {}
        for (member, place), times in sorted(late.items()):
            rest = sorted(times)
            while rest:
                begin_ns, end_ns = self._stretch(member, place, rest)
                yield from self._restate(member, place, (begin_ns, end_ns), points)
                rest = [time_ns for time_ns in rest if end_ns is not None and time_ns >= end_ns]

    def _stretch(self, member: int, place: int, times: list[int]) -> tuple[int, int | None]:
        """From the session that the first of `times` falls into to the start of the first that cannot change.

        None: to the end, what is open included.
        """
        span = self._operator.span_state[self._number(member, place)]
        gap_ns = int(span["gap_ns"])
        spans = [
            (start_ns, one.end_ns) for start_ns, one in self._known.get((member, place), {}).items() if one.rows != 0
        ]
        if span["open"]:
            spans.append((int(span["start_ns"]), int(span["end_ns"])))
        begin_ns = next((start for start, end in spans if start <= times[0] < end), times[0])
        shape = self._operator.members[member]
        carries = shape.counter or shape.spans[place].holds  # over a silence, into the next session
        late, more = set(times), carries
        until_ns = begin_ns
        for start_ns, end_ns in sorted([*spans, *((time_ns, time_ns + gap_ns) for time_ns in times)]):
            if start_ns < begin_ns:
                continue
            if start_ns >= until_ns > begin_ns:
                if not more:
                    return begin_ns, start_ns
                more = False
            more = more or (carries and start_ns in late)
            # A session that ended at its longest goes on in the next one, so that one moves with it.
            capped = end_ns - start_ns >= span["max_ns"]
            until_ns = max(until_ns, end_ns + gap_ns if capped else end_ns)
        return begin_ns, None

    def _restate(self, member: int, place: int, stretch: tuple[int, int | None], points: Points) -> Iterator[Restated]:
        operator, number = self._operator, self._number(member, place)
        shape, known = operator.members[member], self._known.setdefault((member, place), {})
        folded_ns = int(operator.member_state["folded_ns"][member])
        begin_ns, end_ns = stretch[0], folded_ns if stretch[1] is None else stretch[1]
        rows = points(member, begin_ns, end_ns)
        inside, standing = cut(rows, begin_ns)
        values = inside["time_ns"], inside["value"]
        found, percentiles, fresh = replay(
            operator.pane_ns, shape, shape.spans[place], values, (begin_ns, end_ns), standing
        )
        now_open = None
        if stretch[1] is None:
            operator.take_open(number, fresh)
            now_open = int(fresh.span_state["start_ns"][0]) if fresh.span_state["open"][0] else None
            self._stale.discard((member, place))
        found["member"], found["span"] = member, number
        starts = set(found["start_ns"].tolist())
        for start_ns, one in sorted(known.items()):
            if begin_ns <= start_ns < end_ns and one.rows != 0 and start_ns not in starts and start_ns != now_open:
                known[start_ns] = Known(one.end_ns, 0, one.revision + 1)
                if one.rows != UNTOLD or one.revision:
                    yield _nothing(member, number, start_ns, one.end_ns), [], one.revision + 1
        for row in range(len(found)):
            yield found[row : row + 1], percentiles[row], self._next(known, found[row])

    @staticmethod
    def _next(known: dict[int, Known], one: Any) -> int:
        start_ns = int(one["start_ns"])
        revision = known[start_ns].revision + 1 if start_ns in known else 1
        known[start_ns] = Known(int(one["end_ns"]), int(one["count"]), revision)
        return revision

    def _number(self, member: int, place: int) -> int:
        return int(self._operator.member_state["first_span"][member]) + place

    def snapshot(self) -> tuple[object, ...]:
        """Plain tuples by member and place."""
        known = tuple((key, tuple((at, *one) for at, one in known.items())) for key, known in self._known.items())
        late = tuple((key, tuple(sorted(times))) for key, times in sorted(self._late.items()))
        return (known, late, tuple(sorted(self._stale)), tuple(sorted(self._since.items())))

    def restore(self, snapshot: tuple[Any, ...], spans: dict[tuple[int, int], tuple[int, int]]) -> None:
        """Take over a snapshot. spans: (member, place) in it -> those of now; the others are left out."""
        known, late, stale, since = snapshot
        self._since = {spans[key]: at for key, at in since if key in spans}
        for key, told in known:
            if key in spans:
                self._known[spans[key]] = {at: Known(*one) for at, *one in told}
        self._late = {spans[key]: set(times) for key, times in late if key in spans}
        self._stale = {spans[key] for key in stale if key in spans}


def cut(rows: NDArray[Any], start_ns: int) -> tuple[NDArray[Any], tuple[int, float] | None]:
    """Rows from start_ns on, and the one that stands there, (time_ns, value)."""
    before = rows[rows["time_ns"] < start_ns]
    standing = (int(before["time_ns"][-1]), float(before["value"][-1])) if len(before) else None
    return rows[rows["time_ns"] >= start_ns], standing


def _nothing(member: int, number: int, start_ns: int, end_ns: int) -> NDArray[Any]:
    """A session that is not there any more."""
    one = np.zeros(1, OUT)
    one["member"], one["span"], one["start_ns"], one["end_ns"] = member, number, start_ns, end_ns
    return one
