"""The machine of a sterilisation cycle: the kernel's cycles, bound by events to a load and a program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from andon.readings import F64, I64
from operators import sterilisation_layout as k
from operators.event_data import LONGEST
from operators.machines import Happened, Inputs, Made
from operators.sterilisation import Criteria, Cycle, Limits, Parts, criteria
from operators.sterilisation_kernel import cycle_step
from operators.sterilisation_reports import whole
from operators.sterilisation_turns import cut_cycle

LAYOUT = 3
LOAD = {"cycle": "cycle", "load": "load", "program": "program", "version": "program_version", "bi_lot": "bi_lot",
        "ci_lot": "ci_lot", "lot": "lot", "product": "product", "order": "order"}  # fmt: skip
ORDER = ("order", "product", "lot")
DECIDED = frozenset({"released", "rejected"})
Report = Callable[[Cycle, Limits, tuple[str, ...]], tuple[Parts, dict[str, str]]]


@dataclass(frozen=True)
class Program:
    """Limits of a program and the same for the kernel: ints, floats, low and high of each judged point."""

    limits: Limits
    ints: I64
    floats: F64
    low: F64
    high: F64


@dataclass(frozen=True)
class Layout:
    """How the inputs of an asset are laid out, and what is asked of its cycles.

    kind: of its programs. plan int64[inputs, 2], roles int64[states], gap_ns int64[points]: as `cycle_step` has them.
    tags: of the judged points. programs: of this kind by name, the first one where no event names one; others: names
    of the other kinds.
    """

    kind: str
    plan: I64
    roles: I64
    gap_ns: I64
    tags: tuple[str, ...]
    temperatures: int
    programs: Mapping[str, Program]
    others: frozenset[str]
    report: Report
    probe: Callable[[Cycle, int], Parts]
    lethality: bool
    pressure: bool


class CycleMachine:
    """One figure a cycle, and one for each probe of it; the cycle's own row first."""

    def __init__(self, layout: Layout, begin_ns: int) -> None:
        self._layout, self._begin_ns = layout, begin_ns
        points = len(layout.gap_ns)
        self._cyc, self._ext = np.zeros(k.N_S, np.int64), np.full(k.N_SF, np.nan)
        self._marks, self._sums = np.zeros((points, k.N_PI), np.int64), np.full((points, k.N_PF), np.nan)
        self._cyc[k.ROLE], self._cyc[k.END_NS] = -1, -1
        self._load: dict[str, str] = {}
        self._order: dict[str, str] = {}
        self._late_program = self._mixed = False
        self._said: tuple[str, ...] = ()  # subjects whose begin was told for the cycle to come
        self._upto_ns = begin_ns

    def step(self, inputs: Inputs, upto_ns: int) -> list[Made]:
        """As `Machine.step`."""
        out: list[Made] = []
        first = 0
        for event in inputs.events:
            last = int(np.searchsorted(inputs.time_ns, event.time_ns))
            self._take(inputs, first, last, out)
            first = last
            self._cut(event.time_ns, out)
            self._event(event)
        if len(inputs) > first:
            self._take(inputs, first, len(inputs), out)
        self._cut(upto_ns, out)
        self._upto_ns = upto_ns
        return out

    def running(self) -> list[Made]:
        """The cycle that runs, as of the last upto_ns; its verdict is open."""
        if not self._cyc[k.RUNNING]:
            return []
        made = self._made(self._upto_ns, ("running",))
        return [Made(one.start_ns, one.end_ns, _open(one.parts), one.about, one.tag) for one in made]

    def _take(self, inputs: Inputs, first: int, last: int, out: list[Made]) -> None:
        layout = self._layout
        columns = (inputs.time_ns[:last], inputs.input[:last], inputs.value[:last], inputs.status[:last])
        while first < last:
            program = self._program()
            first = cycle_step(
                *columns, first, layout.plan, layout.roles, program.ints, program.floats, program.low, program.high,
                layout.gap_ns, self._cyc, self._ext, self._marks, self._sums,
            )  # fmt: skip
            if self._cyc[k.END_NS] >= 0:
                cut = self._cyc[k.END_NS] - self._cyc[k.BEGIN_NS] >= program.ints[k.LONGEST_NS]
                self._ended(("cut",) if cut else (), out)

    def _cut(self, upto_ns: int, out: list[Made]) -> None:
        """A cycle that nobody ended, as time passes."""
        cyc, ints = self._cyc, self._program().ints
        if cyc[k.RUNNING] and upto_ns - cyc[k.BEGIN_NS] >= ints[k.LONGEST_NS]:
            cut_cycle(cyc, self._marks, self._layout.gap_ns, ints)
            self._ended(("cut",), out)

    def _program(self) -> Program:
        programs = self._layout.programs
        return programs.get(self._load.get("program", "")) or next(iter(programs.values()))

    def _event(self, event: Happened) -> None:
        subject, _, verb = event.event.partition(".")
        if event.event == "order.started":
            self._order = told(event.data, {name: name for name in ORDER})
        elif event.event == "order.ended":
            self._order = {}
        if verb in DECIDED:  # of a load that is out: operators/sterilisation_release_machine.py
            return
        if subject not in ("cycle", "load") or (verb != "started" and not self._cyc[k.RUNNING]):
            return
        before = self._program()
        if verb == "started" and not self._cyc[k.RUNNING]:
            if subject in self._said:  # the one before has never run: nothing of it is of this one
                self._load, self._said = {}, ()
            self._said = (*self._said, subject)
        said = told(event.data, LOAD)
        if self._cyc[k.RUNNING]:
            self._mixed |= "load" in said and self._load.get("load", said["load"]) != said["load"]
        self._load |= said
        if self._cyc[k.RUNNING]:
            self._late_program |= self._cyc[k.PLATEAU_NS] >= 0 and self._program() is not before
            if verb == "aborted":
                self._cyc[k.WAS_ABORTED] = 1

    def _ended(self, doubts: tuple[str, ...], out: list[Made]) -> None:
        end_ns = int(self._cyc[k.END_NS])
        mine = self._load.get("program") not in self._layout.others and not self._cyc[k.DURATION + k.LEAK]
        if mine and end_ns > self._begin_ns:
            out += self._made(end_ns, doubts)
        self._cyc[k.END_NS] = -1
        self._load, self._said, self._late_program, self._mixed = {}, (), False, False

    def _made(self, end_ns: int, doubts: tuple[str, ...]) -> list[Made]:
        layout, limits = self._layout, self._program().limits
        cycle = Cycle(self._cyc, self._ext, self._marks, self._sums, len(layout.tags), layout.temperatures,
                      (*doubts, *self._doubts(limits)))  # fmt: skip
        asked = self._criteria(cycle, limits)
        parts, about = whole(cycle, asked, layout.kind, layout.tags, end_ns)
        more, other = layout.report(cycle, limits, layout.tags)
        named = {"program": limits.program, "program_version": limits.version} | self._order | self._load
        texts = {name: text for name, text in (named | about | other).items() if text}
        start_ns = int(self._cyc[k.BEGIN_NS])
        made = [Made(start_ns, end_ns, parts | more, texts)]
        shared = {name: text for name, text in named.items() if name in {"cycle", "load"}}
        probes = [(one, tag) for one, tag in enumerate(layout.tags) if one]
        return made + [Made(start_ns, end_ns, layout.probe(cycle, one), shared, tag) for one, tag in probes]

    def _criteria(self, cycle: Cycle, limits: Limits) -> Criteria:
        return criteria(cycle, limits, lethality=self._layout.lethality, pressure=self._layout.pressure)

    def _doubts(self, limits: Limits) -> list[str]:
        named = self._load.get("program")
        unknown = named is not None and named not in self._layout.programs
        wrong_version = bool(limits.version) and self._load.get("program_version", limits.version) != limits.version
        doubts = ["program"] if unknown or wrong_version or self._late_program else []
        if limits.needs_bi:
            doubts.append("bi")
        unbound = limits.needs_load and "load" not in self._load
        return [*doubts, "load"] if unbound or self._mixed else doubts

    def snapshot(self) -> tuple[Any, ...]:
        """Layout version, begin, last upto, arrays, load and order, doubts of the load."""
        arrays = tuple(one.tobytes() for one in (self._cyc, self._ext, self._marks, self._sums))
        texts = tuple(tuple(sorted(one.items())) for one in (self._load, self._order))
        return (LAYOUT, self._begin_ns, self._upto_ns, arrays, texts, self._late_program, self._mixed, self._said)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot; ValueError for another layout."""
        if snapshot[0] != LAYOUT:
            raise ValueError(f"sterilisation: layout {LAYOUT} expected, got {snapshot[0]}")
        _, self._begin_ns, self._upto_ns, arrays, texts, self._late_program, self._mixed, said = snapshot
        self._said = tuple(said)
        for own, kept in zip((self._cyc, self._ext, self._marks, self._sums), arrays, strict=True):
            own[...] = np.frombuffer(kept, own.dtype).reshape(own.shape)
        self._load, self._order = (dict(one) for one in texts)


def told(data: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    """What an event tells of these, as texts of a figure; a list of lots as one text."""
    texts = {}
    for name, kept in names.items():
        value = data.get(name)
        if isinstance(value, list | tuple):
            value = " ".join(str(one) for one in value)
        if value is not None and str(value):
            texts[kept] = str(value)[:LONGEST]
    return texts


def _open(parts: Mapping[str, float | None]) -> Parts:
    """A cycle that runs has not kept anything yet."""
    return {name: None if name == "verdict" or name.endswith("_ok") else value for name, value in parts.items()}
