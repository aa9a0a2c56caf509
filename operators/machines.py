"""What every streaming figure is: a machine that takes the rows of its inputs in event time and gives figures.

The flow feeds machines (flows/figure_board.py), `andon qualify` runs the same ones. A machine is a function of the set
of accepted rows and events, sorted by time: any split of the same input into steps gives the same bits, and a late row
means going back to a snapshot from before it and taking the rows again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from andon.calendars import Calendar
from andon.readings import F64, I32, I64, U8

Parts = Mapping[str, float | None]


class Happened(Protocol):
    """An event of the asset as machines read it: event time ns, subject.verb, and what the producer sent with it."""

    @property
    def time_ns(self) -> int: ...
    @property
    def event(self) -> str: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Inputs:
    """Rows and events in order of event time.

    Columns of length n, sorted by time, then input, then value: time_ns; input int32, the place in `MachineSpec.paths`;
    value float64, in the unit of its series, finite; status uint8, good or uncertain (bad rows are not given).
    events: in order of time, those of one time as their log has them; an event at t comes before the rows at t.
    """

    time_ns: I64
    input: I32
    value: F64
    status: U8
    events: Sequence[Happened] = ()

    def __len__(self) -> int:
        return len(self.time_ns)

    def before(self, upto_ns: int) -> tuple[Inputs, Inputs]:
        """What is earlier than upto_ns, and the rest."""
        row = int(np.searchsorted(self.time_ns, upto_ns))
        event = bisect_left(self.events, upto_ns, key=lambda one: one.time_ns)
        return self._part(slice(row), slice(event)), self._part(slice(row, None), slice(event, None))

    def _part(self, rows: slice, events: slice) -> Inputs:
        return Inputs(self.time_ns[rows], self.input[rows], self.value[rows], self.status[rows], self.events[events])

    def of(self, number: int) -> tuple[I64, F64]:
        """(time_ns, value) of one input."""
        mine = self.input == number
        return self.time_ns[mine], self.value[mine]


NO_INPUTS = Inputs(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.float64), np.empty(0, np.uint8))


@dataclass(frozen=True, slots=True)
class Made:
    """A figure of [start_ns, end_ns), event time. Key: asset, tag, kind, start_ns; a machine gives each key once.

    parts: numbers by name, additive where the figure allows it, None where not known or not defined; never NaN.
    about: what else is told: product, order, lot, version of limits, codes; texts of at most 64 characters.
    tag  : empty: the tag of the spec.
    """

    start_ns: int
    end_ns: int
    parts: Parts
    about: Mapping[str, str] = field(default_factory=dict)
    tag: str = ""


class Machine(Protocol):
    """One figure of one asset, over time. Plain state; no clock, no I/O."""

    def step(self, inputs: Inputs, upto_ns: int) -> list[Made]:
        """Take all rows and events in [the upto_ns before, upto_ns) and give what ended by upto_ns, in order of end.

        Time has passed to upto_ns: no more rows come before it. The first call may hold rows from before the machine's
        begin: what stands and counts on at the begin follows from them.
        """

    def running(self) -> list[Made]:
        """What has begun and not ended, as of the last upto_ns; the machine is left as it was."""

    def snapshot(self) -> tuple[Any, ...]:
        """Plain tuples, numbers, texts and bytes, with a layout version first."""

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot; ValueError for another layout."""


class Bounds(Protocol):
    """Where windows end, whatever comes in."""

    def after(self, time_ns: int) -> int:
        """The first bound later than time_ns, ns."""


@dataclass(frozen=True, slots=True)
class Every:
    """Windows of one length, from multiples of it since 1970 (UTC) on."""

    length_ns: int

    def after(self, time_ns: int) -> int:
        """The next multiple."""
        return (time_ns // self.length_ns + 1) * self.length_ns


@dataclass(frozen=True, slots=True)
class OnCalendar:
    """Windows of a calendar: days, shifts ..."""

    calendar: Calendar

    def after(self, time_ns: int) -> int:
        """The end of the calendar's window that holds time_ns."""
        return self.calendar.window_at(time_ns)[1]


@dataclass(frozen=True, slots=True)
class At:
    """Windows that end at given instants, in order; none ends after the last."""

    instants: tuple[int, ...]

    def after(self, time_ns: int) -> int:
        """The next of them; far away behind the last."""
        return next((at for at in self.instants if at > time_ns), 2**63 - 1)


@dataclass(frozen=True, slots=True)
class Both:
    """Windows that end wherever one of several ends."""

    several: tuple[Bounds, ...]

    def after(self, time_ns: int) -> int:
        """The earliest of all."""
        return min(one.after(time_ns) for one in self.several)


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """A figure that the configuration asks for.

    kind, asset, tag : what its figures are kept under; `andon.config.rule_references.FIGURES` names its parts.
    paths   : (asset, tag) of each input. All are in one shard.
    version : text of everything that decides what comes out; a changed one starts the machine anew.
    make    : (begin_ns, bounds) -> a machine whose first window begins at begin_ns. A figure with ends of its own
              (a cycle, a subgroup, an excursion) takes no notice of the bounds.
    reach_ns: how far before a begin rows are wanted that stand or count on there.
    events  : whether it takes the events of its asset.
    """

    kind: str
    asset: str
    tag: str
    paths: tuple[tuple[str, str], ...]
    version: str
    make: Callable[[int, Bounds], Machine]
    reach_ns: int
    events: bool = False
