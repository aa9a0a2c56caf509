"""The machine of loads: cycles that ended, and what events tell of their loads afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import groupby
from typing import Any

import numpy as np

from andon.readings import I32
from operators.machines import Happened, Inputs, Made
from operators.sterilisation_cycle import LOAD, CycleMachine, Layout, told
from operators.sterilisation_release import Load, Wanted, standing

LAYOUT = 1
KEPT = 200  # loads of an asset: a week of a busy steriliser
RESULT, RELEASED, REJECTED = "bi.result", "load.released", "load.rejected"
HEARD = frozenset({RESULT, RELEASED, REJECTED})
TEXTS = frozenset(LOAD.values())


@dataclass(frozen=True)
class Kind:
    """Cycles of one kind of program. place int32[inputs]: what an input of the machine is to theirs, -1 nothing.

    wanted: by program.
    """

    layout: Layout
    place: I32
    wanted: Mapping[str, Wanted]


class ReleaseMachine:
    """A figure for each load and instant at which something was told of it: how it stands from then on."""

    def __init__(self, kinds: Sequence[Kind], begin_ns: int, reach_ns: int) -> None:
        self._kinds, self._begin_ns = tuple(kinds), begin_ns
        self._cycles = tuple(CycleMachine(one.layout, begin_ns - reach_ns) for one in self._kinds)
        self._loads: list[Load] = []  # in order of their ends, of those without a cycle of when they were told of

    def step(self, inputs: Inputs, upto_ns: int) -> list[Made]:
        """As `Machine.step`. An event finds the cycles that had ended by what was known at its time."""
        made: list[Made] = []
        for time_ns, events in _instants(inputs.events):
            head, inputs = inputs.before(time_ns)
            self._go_on(head, time_ns)
            for number, load in enumerate(self._hear(time_ns, events)):
                parts, about = standing(load, time_ns)
                load.was_failed, load.was_unproven = parts["verdict"] == 0.0, parts["unproven"] == 1.0
                if time_ns >= self._begin_ns:
                    made.append(Made(time_ns + number, time_ns + number + 1, parts, about))
        self._go_on(inputs, upto_ns)
        return made

    def running(self) -> list[Made]:
        """Nothing: what a load waits for is told when it comes."""
        return []

    def _go_on(self, inputs: Inputs, upto_ns: int) -> None:
        """Cycles that ended."""
        for kind, machine in zip(self._kinds, self._cycles, strict=True):
            for one in machine.step(_seen_by(kind, inputs), upto_ns):
                if not one.tag and all(load.end_ns is None or load.begin_ns != one.start_ns for load in self._loads):
                    self._ended(kind, one)

    def _ended(self, kind: Kind, made: Made) -> None:
        """A load whose cycle has ended; what was told of it before that is kept."""
        texts = {name: text for name, text in made.about.items() if name in TEXTS}
        wanted = kind.wanted.get(texts.get("program", ""), Wanted())
        verdict, about = made.parts["verdict"], made.about
        load = Load(
            made.start_ns, made.end_ns, verdict, about.get("failed", ""), about.get("undecided", ""), wanted, texts,
            was_failed=verdict == 0.0,
        )  # fmt: skip
        early = next((one for one in self._loads if one.end_ns is None and _is_same(one.texts, texts)), None)
        if early is not None:
            self._loads.remove(early)
            load.results, load.released, load.by = early.results, early.released, early.by
            load.was_failed |= early.was_failed
            load.was_unproven = early.was_unproven
        self._keep(load)

    def _keep(self, load: Load) -> None:
        self._loads.append(load)
        self._loads.sort(key=lambda one: (one.begin_ns if one.end_ns is None else one.end_ns, one.begin_ns))
        del self._loads[:-KEPT]

    def _hear(self, time_ns: int, events: Sequence[Happened]) -> list[Load]:
        """What was told at an instant; the loads that it is about."""
        about: list[Load] = []
        for event in events:
            load = self._load_of(time_ns, told(event.data, LOAD))
            if event.event == RESULT:
                load.hear_result(event.data)
            else:
                load.hear_decision(event.data, released=event.event == RELEASED)
            if all(load is not one for one in about):
                about.append(load)
        return about

    def _load_of(self, time_ns: int, said: Mapping[str, str]) -> Load:
        """The newest load of that name; without a name the only one that nobody decided on."""
        named = {name: said[name] for name in ("load", "cycle") if name in said}
        if named:
            found = [one for one in self._loads if _is_same(one.texts, named)]
        else:
            found = [one for one in self._loads if one.released is None and one.end_ns is not None]
            found = found if len(found) == 1 else []
        if found:
            found[-1].texts |= {name: text for name, text in said.items() if name in {"bi_lot", "ci_lot"}}
            return found[-1]
        unknown = Load(time_ns, None, None, "", "cycle", Wanted(), dict(said))  # no cycle of it was seen
        if named:
            self._keep(unknown)
        return unknown

    def snapshot(self) -> tuple[Any, ...]:
        """Layout version, begin, cycles, loads."""
        loads = tuple(_plain(one) for one in self._loads)
        return (LAYOUT, self._begin_ns, tuple(one.snapshot() for one in self._cycles), loads)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot; ValueError for another layout."""
        if snapshot[0] != LAYOUT:
            raise ValueError(f"load release: layout {LAYOUT} expected, got {snapshot[0]}")
        _, self._begin_ns, cycles, loads = snapshot
        for machine, kept in zip(self._cycles, cycles, strict=True):
            machine.restore(kept)
        self._loads = [_load(*one) for one in loads]


def _plain(load: Load) -> tuple[Any, ...]:
    """Nested tuples; equal ones go on equally."""
    numbers = (load.begin_ns, load.end_ns, load.verdict, load.failed, load.undecided)
    results = tuple((name, *one) for name, one in load.results.items())
    decision = load.released, load.by, load.was_failed, load.was_unproven
    return numbers, astuple(load.wanted), tuple(load.texts.items()), results, decision


def _load(
    numbers: tuple[Any, ...], wanted: tuple[int, bool], texts: tuple[tuple[str, str], ...],
    results: tuple[tuple[str, bool, bool | None], ...], decision: tuple[bool | None, str, bool, bool],
) -> Load:  # fmt: skip
    """What `_plain` gave."""
    read = {name: (is_control, one) for name, is_control, one in results}
    begin_ns, end_ns, verdict, failed, undecided = numbers
    return Load(begin_ns, end_ns, verdict, failed, undecided, Wanted(*wanted), dict(texts), read, *decision)


def _is_same(texts: Mapping[str, str], named: Mapping[str, str]) -> bool:
    """Whether both name a load, and no name of the one is another in the other."""
    shared = [name for name in ("load", "cycle") if name in texts and name in named]
    return bool(shared) and all(texts[name] == named[name] for name in shared)


def _instants(events: Sequence[Happened]) -> Iterator[tuple[int, list[Happened]]]:
    """What tells of loads, by its time."""
    heard = [one for one in events if one.event in HEARD]
    return ((time_ns, list(some)) for time_ns, some in groupby(heard, key=lambda one: one.time_ns))


def _seen_by(kind: Kind, inputs: Inputs) -> Inputs:
    """Inputs as the cycles of a kind have them numbered."""
    if not len(inputs):
        return inputs
    place = kind.place[inputs.input]
    mine = place >= 0
    columns = (inputs.time_ns[mine], place[mine], inputs.value[mine], inputs.status[mine])
    return Inputs(*columns, inputs.events)


def places(paths: Sequence[tuple[str, str]], own: Sequence[tuple[str, str]]) -> I32:
    """Of each of `paths` its place in `own`; -1 where it is not there."""
    return np.array([own.index(path) if path in own else -1 for path in paths], np.int32)
