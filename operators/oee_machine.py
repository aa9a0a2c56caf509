"""OEE of a unit as it streams: windows that end at the bounds given and wherever product, order, shift or cycle change.

Rows go to the kernels of operators/oee_kernel.py between the instants at which something else changes: an event, the
end of a window, a stretch of the calendar.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from andon.calendars import NO_STRETCH
from andon.plant import PlantModel
from andon.readings import NS_PER_S
from operators import oee_kernel as at
from operators.bounds import last_bound
from operators.event_data import text_of
from operators.machines import Bounds, Happened, Inputs, Machine, MachineSpec, Made
from operators.oee_setup import OeeSetup, cycle_at, inputs_of, setup_of, version_of
from operators.oee_window import anything, settled, speed_cause, window_parts
from operators.time_model import UNKNOWN

LAYOUT, BEFORE = 3, 2  # the one before knew no STARTING, RAN_UNTIL, TOTAL_AT and GOOD_AT
FAR = 2**63 - 1
REACH_NS = 86_400 * NS_PER_S  # a counter goes on from its last value of a day, an order from its event


class OeeMachine:
    """The windows of one unit. State: five small arrays, four texts, the begin of the window."""

    def __init__(self, begin_ns: int, bounds: Bounds, setup: OeeSetup) -> None:
        self._setup, self._bounds = setup, bounds
        self._limits = np.array([setup.micro_ns, setup.state_gap_ns, setup.mode_gap_ns], np.int64)
        self._clock = np.zeros(at.CLOCK, np.int64)
        self._clock[[at.STATE, at.ORDER, at.STOP_BEGIN]] = UNKNOWN, at.ORDER_UNKNOWN, -1
        self._clock[[at.STATE_UNTIL, at.MODE_UNTIL, at.STARTUP_UNTIL, at.RAN_UNTIL]] = -FAR
        self._clock[at.SILENT_FROM] = FAR
        self._sums, self._counts = np.zeros(at.SUMS, np.int64), np.zeros(at.COUNTS)
        self._last = np.full(4, np.nan)
        self._product = self._order = ""
        self._begin_ns, self._begun = begin_ns, False  # before it begins rows only say what stands there
        self._end_ns, self._told_ns = begin_ns, FAR
        self._stretch = NO_STRETCH

    def step(self, inputs: Inputs, upto_ns: int) -> list[Made]:
        """See `operators.machines.Machine`."""
        if self._told_ns == FAR:
            first = [int(inputs.time_ns[0])] if len(inputs) else []
            first += [inputs.events[0].time_ns] if inputs.events else []
            self._clock[at.NOW] = min([self._begin_ns, *first])
            self._look(int(self._clock[at.NOW]))
        made: list[Made] = []
        row = 0
        for event in inputs.events:
            row = self._to(inputs, row, event.time_ns, made)
            self._event(event, made)
        self._to(inputs, row, upto_ns, made)
        self._told_ns = upto_ns
        return made

    def running(self) -> list[Made]:
        """See `operators.machines.Machine`."""
        return self._figure(int(self._clock[at.NOW])) if self._begun else []

    def _to(self, inputs: Inputs, row: int, until_ns: int, made: list[Made]) -> int:
        """Take the rows before until_ns; returns the number of the first that was not taken."""
        while True:
            self._skip(int(inputs.time_ns[row]) if row < len(inputs) else until_ns, until_ns)
            stop_ns = min(until_ns, self._end_ns, self._stretch.end_ns)
            if stop_ns > self._clock[at.NOW]:
                end = int(np.searchsorted(inputs.time_ns, stop_ns)) if row < len(inputs) else row
                made += self._take(inputs, row, end, stop_ns)
                row = end
            if self._end_ns == stop_ns:
                self._close(stop_ns, made)
            if self._stretch.end_ns == stop_ns:
                self._look(stop_ns)
            if stop_ns >= until_ns:
                return row

    def _skip(self, rows_ns: int, until_ns: int) -> None:
        """Pass over windows of which nothing can be known: a clock that was set leaves a quarter of a million hours."""
        now_ns = int(self._clock[at.NOW])
        silent = now_ns > self._clock[at.SILENT_FROM] or not self._clock[at.SEEN]
        last_ns = min(rows_ns, until_ns)
        if not (silent and self._begun and now_ns == self._begin_ns and last_ns > self._end_ns):
            return
        time_ns = last_bound(self._end_of, now_ns, last_ns)
        self._clock[at.NOW] = time_ns
        self._open(time_ns)
        self._look(time_ns)

    def _take(self, inputs: Inputs, begin: int, end: int, upto_ns: int) -> Sequence[Made]:
        """Rows begin..end and the time to upto_ns, in which nothing else changes; what has an end of its own in it."""
        setup = self._setup
        at.take(
            self._clock, self._limits, self._sums, self._counts, self._last, setup.modulus, setup.starts,
            setup.categories, setup.starting, setup.modes, setup.roles, inputs.time_ns, inputs.input, inputs.value,
            inputs.status, begin, end, upto_ns,
        )  # fmt: skip
        return ()

    def _look(self, time_ns: int) -> None:
        """What the calendar says of the time from time_ns on."""
        calendar = self._setup.calendar
        self._stretch = calendar.stretch_at(time_ns) if calendar else NO_STRETCH
        kind = at.IN_BREAK if self._stretch.shift else at.OUT_OF_SHIFT
        self._clock[at.CALENDAR] = kind if self._stretch.planned else at.IN_SHIFT

    def _event(self, event: Happened, made: list[Made]) -> None:
        subject, _, verb = event.event.partition(".")
        clock = self._clock
        if subject in ("order", "product") and verb in ("started", "ended", "changed"):
            self._job(subject, verb, event, made)
        elif subject == "setup" and verb in ("started", "ended"):
            clock[at.ACT] = at.SETUP_ACT if verb == "started" else at.NO_ACT
        elif subject in ("maintenance", "planned") and verb in ("started", "ended"):
            planned = subject == "planned" or event.data.get("planned") is True
            if verb == "ended" and clock[at.ACT] == at.PLANNED_ACT:
                clock[at.ACT] = at.NO_ACT
            elif verb == "started" and planned:
                clock[at.ACT] = at.PLANNED_ACT

    def _job(self, subject: str, verb: str, event: Happened, made: list[Made]) -> None:
        """Another order or product: the window ends, a new one begins."""
        product, order = text_of(event.data, "product"), text_of(event.data, "order")
        running = verb != "ended"
        ordered = int(self._clock[at.ORDER])
        if subject == "order":
            ordered = at.AN_ORDER if running else at.NO_ORDER
            job = (product or self._product, order) if running else ("", "")
        else:
            job = (product if running else "", self._order)
        if (*job, ordered) == (self._product, self._order, self._clock[at.ORDER]):
            return
        if self._begun and event.time_ns > self._begin_ns:
            made += self._figure(event.time_ns)
            self._open(event.time_ns)
        self._product, self._order = job
        self._clock[at.ORDER] = ordered
        if running:
            self._clock[at.STARTUP_UNTIL] = event.time_ns + self._setup.startup_ns

    def _close(self, time_ns: int, made: list[Made]) -> None:
        if self._begun:
            made += self._figure(time_ns)
        self._begun = True
        self._open(time_ns)

    def _open(self, time_ns: int) -> None:
        """A window begins; what stands goes on."""
        self._sums[:], self._counts[:], self._clock[at.STOP_HERE] = 0, 0.0, 0
        self._begin_ns, self._end_ns = time_ns, self._end_of(time_ns)

    def _end_of(self, begin_ns: int) -> int:
        """Where a window that begins at begin_ns ends if no event ends it before."""
        ends = [self._bounds.after(begin_ns)]
        if self._setup.calendar:
            ends.append(self._setup.calendar.stretch_at(begin_ns).shift_end_ns)
        changes = [at_ns for one in self._setup.cycles for at_ns in (one.from_ns, one.until_ns)]
        return min(one for one in (*ends, *changes) if one > begin_ns)

    def _figure(self, end_ns: int) -> list[Made]:
        """The figure of the window up to end_ns; nothing where nothing is known of it."""
        if end_ns <= self._begin_ns or not anything(self._clock, self._sums, self._counts):
            return []
        sums = settled(self._clock, self._limits, self._sums)
        parts = window_parts(
            sums, self._counts, cycle_s=cycle_at(self._setup.cycles, self._product, self._begin_ns),
            has=self._setup.has, ordered=self._clock[at.ORDER] != at.ORDER_UNKNOWN,
        )  # fmt: skip
        stretch = self._setup.calendar.stretch_at(self._begin_ns) if self._setup.calendar else NO_STRETCH
        about = {
            "product": self._product, "order": self._order, "shift": stretch.shift, "day": stretch.day,
            "cause": speed_cause(parts),
        }  # fmt: skip
        return [Made(self._begin_ns, end_ns, parts, {name: text for name, text in about.items() if text})]

    def snapshot(self) -> tuple[Any, ...]:
        """See `operators.machines.Machine`."""
        arrays = (self._clock, self._sums, self._counts, self._last)
        told = (self._product, self._order, self._begin_ns, self._begun, self._end_ns, self._told_ns)
        return (LAYOUT, tuple(one.tobytes() for one in arrays), told)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """See `operators.machines.Machine`."""
        if not snapshot or snapshot[0] not in (BEFORE, LAYOUT):
            raise ValueError(f"snapshot of an OEE machine with layout {snapshot[:1]}, this one reads {LAYOUT}")
        layout, kept, told = snapshot
        for array, raw in zip((self._clock, self._sums, self._counts, self._last), kept, strict=True):
            values = np.frombuffer(raw, array.dtype)
            array.reshape(-1)[: len(values)] = values
        if layout == BEFORE:  # what comes next counts as made while it ran
            self._clock[at.RAN_UNTIL] = self._clock[at.NOW]
        self._product, self._order, self._begin_ns, self._begun, self._end_ns, self._told_ns = told
        if self._told_ns != FAR:
            self._look(int(self._clock[at.NOW]))


def specs(plant: PlantModel, asset: str) -> list[MachineSpec]:
    """The OEE of an asset, where its template declares one."""
    tags = {name: tag for name, tag in inputs_of(plant, asset).items() if name != "reason"}
    if not tags:
        return []
    setup = setup_of(plant, asset)

    def make(begin_ns: int, bounds: Bounds) -> Machine:
        return OeeMachine(begin_ns, bounds, setup)

    paths = tuple((asset, tag) for tag in tags.values())
    return [MachineSpec("oee", asset, tags["state"], paths, version_of(plant, asset), make, REACH_NS, events=True)]
