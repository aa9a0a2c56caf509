"""Declared windows of some series: tumbling, hopping, session and calendar windows over shared panes.

A fold takes rows of any members up to where each series is closed. What is open is bounded: a window is one running
part, a hopping one a ring of parts of the common divisor of size and hop. `replay` computes windows from points by the
same kernel in the same panes, so a corrected window equals one whose rows all came in time, to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from andon.calendars import Calendar
from andon.readings import F64, I64
from operators.sketches import Sketch
from operators.span_percentiles import Shape, Staging, hopping_percentiles, plain_percentiles
from operators.spans_kernel import (
    CALENDAR,
    DONE,
    FULL,
    HOPPING,
    MEMBER,
    NEVER,
    OUT,
    PART,
    SESSION,
    SPAN,
    TUMBLING,
    fold,
)  # fmt: skip

Array = NDArray[Any]
KINDS = {"tumbling": TUMBLING, "hopping": HOPPING, "session": SESSION, "calendar": CALENDAR}


@dataclass(frozen=True)
class SpanSpec:
    """One declared window as the operator computes it; lengths in ns, what does not apply to its kind is 0.

    holds: windows without rows that a held value covers are given too. ranks: of its percentiles, 0..1.
    """

    kind: Literal["tumbling", "hopping", "session", "calendar"]
    size_ns: int = 0
    hop_ns: int = 0
    gap_ns: int = 0
    max_ns: int = 0
    calendar: Calendar | None = None
    holds: bool = False
    ranks: tuple[float, ...] = ()

    @property
    def cell_ns(self) -> int:
        """Length of the parts that are kept."""
        return math.gcd(self.size_ns, self.hop_ns) if self.kind == "hopping" else self.size_ns

    def windows_of(self, begin_ns: int, end_ns: int) -> list[tuple[int, int]]:
        """[start_ns, end_ns) of each window that overlaps [begin_ns, end_ns); not for sessions."""
        if self.calendar is not None:
            found = [self.calendar.window_at(begin_ns)]
            while found[-1][1] < end_ns:
                found.append(self.calendar.window_at(found[-1][1]))
            return found
        hop_ns = self.hop_ns if self.kind == "hopping" else self.size_ns
        first = (begin_ns // hop_ns + 1) * hop_ns  # hopping windows end at multiples of the hop, as the base's do
        ends = range(first, end_ns + self.size_ns, hop_ns)
        return [(end - self.size_ns, end) for end in ends if end - self.size_ns < end_ns]


@dataclass(frozen=True)
class Member:
    """A series with declared windows. hold_ns: how long a value stands; modulus: where a counter wraps."""

    hold_ns: int
    counter: bool
    modulus: float | None
    spans: tuple[SpanSpec, ...]


class SpanOperator:
    """All declared windows of a shard. Memory without percentiles: 90 B a series, 240 B a window, 112 B a ring cell."""

    def __init__(self, pane_ns: int) -> None:
        self.pane_ns = pane_ns
        self.members: list[Member] = []
        self.specs: list[SpanSpec] = []
        self.member_state: Array = np.zeros(0, MEMBER)
        self.span_state: Array = np.zeros(0, SPAN)
        self.parts: Array = np.zeros(0, PART)
        self._rings: Array = np.zeros(0, PART)
        self._numbers: I64 = np.zeros(0, np.int64)
        self._sketches: list[dict[int, Sketch]] = []  # by cell number; 0 but for hopping windows
        self._member_of: list[int] = []  # by span
        self._staging, self._hopping = Staging(), list[int]()  # spans with percentiles
        self._out: Array = np.zeros(256, OUT)
        self._panes: Array = np.zeros(1, PART)

    def bind(self, *members: Member) -> None:
        """The next members; all at once, because every call copies the state."""
        states, spans = np.zeros(len(members), MEMBER), np.zeros(sum(len(one.spans) for one in members), SPAN)
        ring, at = len(self._rings), 0
        for state, member in zip(states, members, strict=True):
            state["folded_ns"], state["hold_ns"], state["counter"] = NEVER, member.hold_ns, member.counter
            state["modulus"] = np.nan if member.modulus is None else member.modulus
            state["first_span"], state["spans"] = len(self.specs), len(member.spans)
            state["sessions"] = sum(spec.kind == "session" for spec in member.spans)
            state["worst"] = 4
            for spec in member.spans:
                ring = self._bind_span(state, spans[at], spec, ring)
                at += 1
            self.members.append(member)
        cells = ring - len(self._rings)
        self._rings = np.concatenate([self._rings, np.zeros(cells, PART)])
        self._numbers = np.concatenate([self._numbers, np.full(cells, NEVER)])
        self.member_state = np.concatenate([self.member_state, states])
        self.span_state = np.concatenate([self.span_state, spans])
        self.parts = np.concatenate([self.parts, np.zeros(len(spans), PART)])

    def _bind_span(self, state: Any, span: Any, spec: SpanSpec, ring: int) -> int:
        """One window of the next member; returns the end of the ring."""
        span["kind"], span["holds"], span["cell_ns"] = KINDS[spec.kind], spec.holds, spec.cell_ns
        span["window_ns"], span["hop_ns"] = spec.size_ns, spec.hop_ns
        span["gap_ns"], span["max_ns"] = spec.gap_ns, spec.max_ns
        span["next_ns"] = span["filled_ns"] = NEVER
        state["worst"] += 2
        if spec.kind == "hopping":
            span["ring"], span["cells"] = ring, spec.size_ns // spec.cell_ns
            ring += spec.size_ns // spec.cell_ns
            state["worst"] += spec.size_ns // spec.hop_ns + 2
        if spec.ranks and spec.kind == "hopping":
            self._hopping.append(len(self.specs))
        elif spec.ranks:
            self._staging.bind(len(self.members), len(self.specs))
        self._member_of.append(len(self.members))
        self.specs.append(spec)
        self._sketches.append({})
        return ring

    def start(self, member: int, folded_ns: int, standing: tuple[int, float] | None = None) -> None:
        """Begin to fold at a multiple of the pane, with the row that stands there, (time_ns, value)."""
        state = self.member_state[member]
        state["folded_ns"] = folded_ns
        if standing is not None:
            state["standing_ns"], state["standing"], state["known"] = *standing, True

    def fold(self, time_ns: I64, value: F64, bounds: I64, closed_ns: I64) -> tuple[Array, list[list[float]]]:
        """Windows that closed, as `OUT` records by member and end, and the percentiles of each (empty without).

        See the kernel for the arguments. ValueError where they do not fit the members.
        """
        if len(bounds) != len(self.members) + 1 or len(closed_ns) != len(self.members):
            raise ValueError(f"bounds and closed_ns are for {len(self.members)} members")
        if bounds[0] != 0 or bounds[-1] != len(time_ns) or len(value) != len(time_ns) or (np.diff(bounds) < 0).any():
            raise ValueError(f"bounds {bounds[0]}..{bounds[-1]} must cut {len(time_ns)} rows in order")
        cursor = np.zeros(3, np.int64)
        done = []
        while True:
            why, written = fold(
                time_ns, value, bounds, closed_ns, self.member_state, self.span_state, self.parts, self._rings,
                self._numbers, self._panes, self.pane_ns, self._out, cursor,
            )  # fmt: skip
            done.append(self._out[:written].copy())
            if why == DONE:
                break
            if why == FULL:
                self._out = np.zeros(max(2 * len(self._out), int(cursor[2])), OUT)
                continue
            calendar = self.specs[cursor[2]].calendar
            if calendar is None:
                raise ValueError(f"span {cursor[2]} has no calendar")
            span, state = self.span_state[cursor[2]], self.member_state[cursor[0]]
            span["start_ns"], span["end_ns"] = calendar.window_at(int(state["folded_ns"]))
        out = np.concatenate(done)
        return out, self._percentiles(out, time_ns, value, bounds)

    def _percentiles(self, out: Array, time_ns: I64, value: F64, bounds: I64) -> list[list[float]]:
        """Hand the rows to the sketches of the windows that have some; percentiles of each row of `out`."""
        found: list[list[float]] = [[] for _ in range(len(out))]
        looked = self._staging.take(value, bounds, out["span"]) if self._staging.spans else []
        for number, staged in looked:
            self._sketches[number].setdefault(0, Sketch()).add(staged)
        for number in [*(number for number, _ in looked), *self._hopping]:
            member, spec = self._member_of[number], self.specs[number]
            rows = slice(int(bounds[member]), int(bounds[member + 1]))
            closed = np.flatnonzero(out["span"] == number).tolist()
            given = spec.ranks, self._sketches[number], out["end_ns"][closed].tolist(), time_ns[rows], value[rows]
            if spec.kind == "hopping":
                told = hopping_percentiles(*given, Shape(spec.size_ns, spec.hop_ns, spec.cell_ns))
            else:
                told = plain_percentiles(*given)
            for row, percentiles in zip(closed, told, strict=True):
                found[row] = percentiles
        return found

    def _settle(self) -> None:
        """Hand what is staged to the sketches, so that they hold every row that was folded."""
        for number, staged in self._staging.all():
            self._sketches[number].setdefault(0, Sketch()).add(staged)

    def take_open(self, number: int, other: SpanOperator) -> None:
        """Put the only window of `other`, a replay, in the place of an open one."""
        self._staging.drop(number)
        other._settle()
        self.span_state[number], self.parts[number] = other.span_state[0], other.parts[0]
        self._sketches[number] = other._sketches[0]

    def snapshot(self) -> tuple[object, ...]:
        """Bytes of the arrays and plain tuples of the sketches; independent of later steps."""
        self._settle()
        arrays = (self.member_state, self.span_state, self.parts, self._rings, self._numbers)
        sketches = tuple(
            tuple((cell, one.snapshot()) for cell, one in sorted(cells.items())) for cells in self._sketches
        )
        return (*(array.tobytes() for array in arrays), sketches)

    def restore(self, snapshot: tuple[Any, ...], members: Mapping[int, int], spans: Mapping[int, int]) -> None:
        """Take over a snapshot: members and windows of this operator (all bound) and which they were in it.

        Windows are given only where their spec is the same; the others stay without rows.
        """
        *arrays, sketches = snapshot
        kinds = (MEMBER, SPAN, PART, PART, np.dtype(np.int64))
        was = [np.frombuffer(data, kind) for data, kind in zip(arrays, kinds, strict=True)]
        for here, there in members.items():
            for name in ("folded_ns", "standing_ns", "standing", "known"):
                self.member_state[name][here] = was[0][name][there]
        for here, there in spans.items():
            span, old = self.span_state[here], was[1][there]
            for name in ("start_ns", "end_ns", "next_ns", "filled_ns", "open"):
                span[name] = old[name]
            self.parts[here] = was[2][there]
            own, theirs = (slice(int(one["ring"]), int(one["ring"] + one["cells"])) for one in (span, old))
            self._rings[own], self._numbers[own] = was[3][theirs], was[4][theirs]
            self._sketches[here] = {cell: Sketch.restored(one) for cell, one in sketches[there]}


def replay(
    pane_ns: int, member: Member, spec: SpanSpec, points: tuple[I64, F64], span_ns: tuple[int, int],
    standing: tuple[int, float] | None,
) -> tuple[Array, list[list[float]], SpanOperator]:  # fmt: skip
    """The windows of one spec from the points of [begin_ns, end_ns), sorted by time, ties in log order.

    standing: the newest row before begin_ns. Returns what `fold` returns, and the operator with what is open at end_ns.
    """
    begin_ns, end_ns = span_ns
    time_ns, value = np.ascontiguousarray(points[0]), np.ascontiguousarray(points[1])
    operator = SpanOperator(pane_ns)
    operator.bind(Member(member.hold_ns, member.counter, member.modulus, (spec,)))
    operator.start(0, begin_ns // pane_ns * pane_ns, standing)
    closed_ns = np.array([-(-end_ns // pane_ns) * pane_ns], np.int64)
    out, percentiles = operator.fold(time_ns, value, np.array([0, len(time_ns)], np.int64), closed_ns)
    return out, percentiles, operator
