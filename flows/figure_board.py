"""All streaming figures of a shard: rows and events in as they are accepted, figures out at ticks.

A machine is fed whole panes of 10 s that are closed for all of its inputs, each at a tick of its own so that no tick
has them all. What comes later than that is late: see flows/figure_runner.py. Everything here follows from the log
alone, so live, replay and restart give the same figures under the same keys with the same revisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from andon.conditions import ConditionChange
from andon.outputs import Figure
from andon.readings import F64, I32, I64, NS_PER_S, U8, Event
from flows.figure_course import PANE_NS
from flows.figure_events import EventsOf
from flows.figure_job import Frame
from flows.figure_late import correct
from flows.figure_pages import Pages
from flows.figure_restore import LAYOUT, take_back
from flows.figure_runner import HOUR_NS, Runner
from flows.figure_slots import FOREVER, Slots
from flows.figure_told import Now
from flows.figure_troubles import Guard, Troubles
from flows.revisions import revision_of
from operators.machines import Bounds, Happened, MachineSpec
from sinks.journal import Journal

TURNS = 10  # ticks in which every machine has its turn, to be fed and to tell what runs
HASTE_NS = 2 * PANE_NS  # one that is so far behind does not wait for its turn
IDLE_NS = 60 * NS_PER_S  # without rows, events and bounds a machine is called so seldom
NEVER = np.iinfo(np.int64).min


class FigureBoard:
    """The machines of a shard. keep_s: how far back late rows are taken."""

    def __init__(
        self, specs: Sequence[MachineSpec], bounds: Bounds, length_s: float, keep_s: float, journal: Journal
    ) -> None:
        self.pages, self.troubles, self.journal, self._now = Pages(), Troubles(), journal, Now()
        self.length_ns = round(length_s * NS_PER_S)
        self._bounds = bounds
        frame = Frame(bounds, self.length_ns, round(keep_s * NS_PER_S), self.pages, self._now, self._revision)
        self.runners = [Runner(spec, number, frame) for number, spec in enumerate(specs)]
        self.any = bool(specs)
        self._keep_ns = frame.keep_ns
        self.slots = Slots(specs)
        self.events = {spec.asset: EventsOf() for spec in specs if spec.events}
        self._heard_by: dict[str, list[Runner]] = {}
        for runner in self.runners:
            if runner.spec.events:
                self._heard_by.setdefault(runner.spec.asset, []).append(runner)
        self.fed: I64 = np.full(len(specs), NEVER)
        self._bound: I64 = np.full(len(specs), NEVER)  # the first one after fed
        self.newest_event: I64 = np.full(len(specs), NEVER)
        self._turn = np.array([one.turn for one in self.runners], np.int64) % TURNS
        self.late: dict[int, Runner] = {}

    def bind(self, series: int, asset: str, tag: str) -> None:
        """The next series id."""
        self.slots.bind(series, asset, tag)

    def add(self, time_ns: I64, series: I32, value: F64, status: U8, usable: NDArray[np.bool_], tick: int) -> None:
        """Rows in log order, columns of length n; tick: ticks so far."""
        if not self.any:
            return
        self.slots.all_bound()
        at, slot = self.slots.of(series, usable)
        if not len(at):
            return
        times = time_ns[at]
        late = times < self.fed[self.slots.machine[slot]]
        if late.any():
            self._note_late(self.slots.machine[slot[late]], times[late], tick)
            at, slot, times = at[~late], slot[~late], times[~late]
        self.slots.wait(slot, times, value[at], status[at])

    def _note_late(self, machine: NDArray[np.int64], time_ns: I64, tick: int) -> None:
        kept = time_ns >= self.fed[machine] - self._keep_ns  # one by one: however the log was cut
        machine, time_ns = machine[kept], time_ns[kept]
        for number in np.unique(machine).tolist():
            times = time_ns[machine == number]
            self._late_for(self.runners[number], int(times.min()), int(times.max()), tick, rows=True)

    def _late_for(self, runner: Runner, least_ns: int, most_ns: int, tick: int, *, rows: bool) -> None:
        with self.guarded(runner):
            runner.note_late(least_ns, most_ns, tick, rows=rows)
        if runner.job:
            self.late[runner.number] = runner

    def event(self, event: Event, tick: int) -> None:
        """An event of the log."""
        heard = self.events.get(event.asset)
        if heard is None or not heard.add(event):
            return
        for runner in self._heard_by[event.asset]:
            self.newest_event[runner.number] = max(self.newest_event[runner.number], event.time_ns)
            if event.time_ns < self.fed[runner.number]:
                self._late_for(runner, event.time_ns, event.time_ns, tick, rows=False)

    def tick(self, tick: int, time_ns: int, closed_ns: I64, seen: I64) -> list[Figure]:
        """Corrections first, then what ended, then now and then what runs.

        tick: number of it; time_ns: its stamp; closed_ns, seen int64[series].
        """
        if not self.any:
            return []
        self.slots.all_bound()
        self._now.time_ns = time_ns
        figures: list[Figure] = []
        correct(self, tick, figures)
        self.feed(self._due(self._targets(closed_ns, seen), tick), figures)
        for number in np.flatnonzero(self._turn == tick % TURNS).tolist():
            runner = self.runners[number]
            if runner.has_begun and number not in self.troubles.aside:
                with self.guarded(runner):
                    figures += runner.running()
        if tick % 3600 == 0:
            self._forget_events()
        if tick % 60 == 0:
            self.troubles.look((one.number, one.spec, one.fed_ns) for one in self.runners)
        return figures

    def changes(self, offset: int) -> list[ConditionChange]:
        """Alarms about the machines themselves, after `tick`."""
        return self.troubles.tick(offset)

    def _forget_events(self) -> None:
        for asset, heard in self.events.items():
            reach_ns = max(one.spec.reach_ns for one in self._heard_by[asset])
            oldest_ns = min(one.fed_ns for one in self._heard_by[asset])
            heard.forget(oldest_ns - self._keep_ns - reach_ns - 24 * HOUR_NS)

    def guarded(self, runner: Runner) -> Guard:
        """Around a call of its machine."""
        return Guard(partial(self.set_aside, runner))

    def set_aside(self, runner: Runner, error: Exception) -> None:
        """A machine raised an error: nothing more of it until the next start."""
        self.troubles.fail(runner.number, runner.spec, runner.fed_ns, error)
        runner.set_aside()
        self.fed[runner.number] = runner.fed_ns
        self.late.pop(runner.number, None)

    def _targets(self, closed_ns: I64, seen: I64) -> I64:
        """Up to where each machine could be fed; machines with their first rows begin."""
        slots = self.slots
        bound = slots.series >= 0
        bound[bound] = seen[slots.series[bound]] > 0
        closed = np.full(len(bound), FOREVER)
        closed[bound] = closed_ns[slots.series[bound]]
        target = slots.by_machine(closed)
        fresh = (self.fed == NEVER) & (target < FOREVER)
        if fresh.any():
            least = slots.least()
            for number in np.flatnonzero(fresh & (least < FOREVER)).tolist():
                self.runners[number].begin_with(int(least[number]))
                self.stands(number)
        target = np.where((target < FOREVER) & (self.fed > NEVER), target // PANE_NS * PANE_NS, self.fed)
        return np.maximum(target, self.fed)

    def stands(self, number: int) -> None:
        """A machine stands somewhere else."""
        self.fed[number] = fed_ns = self.runners[number].fed_ns
        self._bound[number] = self._bounds.after(fed_ns)

    def _due(self, target: I64, tick: int) -> I64:
        """Of the targets those whose machines are called at this tick; the others stay where they are."""
        behind = target - np.where(self.fed > NEVER, self.fed, target)
        due = (behind > 0) & ((self._turn == tick % TURNS) | (behind >= HASTE_NS))
        if not due.any():
            return self.fed
        idle = due & (behind < IDLE_NS) & (self._bound > target) & (self.newest_event < self.fed)
        if idle.any():
            due &= ~idle | (self.slots.ready(np.where(idle, target, NEVER)) > 0)
        return np.where(due, target, self.fed)

    def feed(self, target: I64, figures: list[Figure]) -> None:
        """Feed machines up to target int64[machines]; nothing where that is fed_ns."""
        due, aside = target > self.fed, self.troubles.aside
        if not due.any():
            return
        upto = np.where(due, target, NEVER)
        upto[list(aside)] = FOREVER  # what waits for them would only grow; a restart has it from the journal
        taken = self.slots.take(upto)
        numbers = np.flatnonzero(due)
        for number, upto_ns, bound_ns in zip(
            numbers.tolist(), target[numbers].tolist(), self._bound[numbers].tolist(), strict=True
        ):
            if number in aside:
                continue
            runner = self.runners[number]
            events = self.heard(runner, runner.hears_ns, upto_ns)
            with self.guarded(runner):
                runner.advance(taken.of(number, runner.wants_ns, events), upto_ns, figures)
            if number in aside:
                continue
            self.fed[number] = upto_ns
            if bound_ns <= upto_ns:
                self._bound[number] = self._bounds.after(upto_ns)

    def heard(self, runner: Runner, from_ns: int, upto_ns: int) -> Sequence[Happened]:
        """The events of a machine."""
        return self.events[runner.spec.asset].between(from_ns, upto_ns) if runner.spec.events else ()

    def _revision(self, spec: MachineSpec, start_ns: int, end_ns: int) -> int:
        """What number a version that computed figures from the journal gave to a window."""
        number = next(one.number for one in self.runners if one.spec is spec)
        rows = [self.journal.points(one, start_ns, end_ns) for one in self.slots.read([number]).tolist()]
        return revision_of(np.concatenate(rows), end_ns) if rows else 1

    def snapshot(self) -> tuple[object, ...]:
        """Plain tuples, numbers and bytes; the pages are kept beside it."""
        keys = tuple((one.spec.kind, one.spec.asset, one.spec.tag, one.spec.version) for one in self.runners)
        runners = tuple(one.snapshot() if one.has_begun else b"" for one in self.runners)
        events = tuple((asset, heard.snapshot()) for asset, heard in self.events.items())
        waiting_ns = int(self.slots.least()[self.fed == NEVER].min(initial=FOREVER)) if self.any else FOREVER
        more = (waiting_ns, self.troubles.snapshot())
        return (LAYOUT, keys, runners, self.fed.tobytes(), events, self.pages.index(), more)

    def restore(
        self, snapshot: tuple[Any, ...] | None, closed_ns: I64, seen: I64, windows: tuple[Any, ...] | None = None
    ) -> None:
        """Take over a snapshot, after every series was bound and the journal and the pages are back.

        None: of a version without machines; windows is then what it kept of the figures it made. What is behind the
        newest records of the machines is taken from the journal again. ValueError: another layout.
        """
        if self.any:
            take_back(self, snapshot, closed_ns, seen, windows)
