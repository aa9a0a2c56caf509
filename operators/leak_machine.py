"""The vacuum leak test of a steriliser as a machine: settling, then the rise of pressure over the program's time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from andon.config.sterilisation import KPA, Sterilisation, SterilisationProgram
from andon.plant import PlantModel
from andon.readings import NS_PER_S, Status
from operators.leak import leak_rate
from operators.machines import Bounds, Inputs, Machine, MachineSpec, Made
from operators.sterilisation import codes, flag, in_s
from operators.sterilisation_cycle import LOAD, told

LAYOUT = 1
GAP_INTERVALS = 3
PHASE, PRESSURE, REFERENCE = range(3)


@dataclass(frozen=True)
class LeakLimits:
    """A leak test program. states: codes of the phase series that are a leak test; factor, offset: to absolute kPa."""

    program: str
    version: str
    others: frozenset[str]
    states: frozenset[int]
    settle_ns: int
    measure_ns: int
    kpa_min: float
    vacuum_kpa: float
    longest_ns: int
    gap_ns: int
    factor: float
    offset: float


def leak_spec(plant: PlantModel, asset: str, declared: Sterilisation) -> MachineSpec | None:
    """The leak test of an asset; None where no program is one or phase or pressure is not there."""
    program = next((one for one in declared.program if one.kind == "leak_test"), None)
    if program is None or declared.phase is None or declared.pressure is None:
        return None
    paths = tuple((asset, tag) for tag in (declared.phase, declared.pressure, declared.reference))
    limits = _limits(plant, asset, declared, program)

    def make(begin_ns: int, _bounds: Bounds) -> Machine:
        return LeakMachine(limits, begin_ns)

    version = f"leak_test 2 {declared.model_dump_json()} {[repr(plant.series[path]) for path in paths]}"
    return MachineSpec("leak_test", asset, declared.pressure, paths, version, make, limits.longest_ns, events=True)


def _limits(plant: PlantModel, asset: str, declared: Sterilisation, program: SterilisationProgram) -> LeakLimits:
    states = plant.series[asset, declared.phase or ""].states
    pressure = plant.series[asset, declared.pressure or ""]
    return LeakLimits(
        program.name, program.version, frozenset(one.name for one in declared.program if one.kind != "leak_test"),
        frozenset(code for code, state in enumerate(states) if declared.role_of(state) == "leak_test"),
        round(program.settle_s * NS_PER_S), round(program.hold_s * NS_PER_S), program.leak_kpa_min,
        program.vacuum_kpa,
        round(declared.longest_h * 3600 * NS_PER_S), round(GAP_INTERVALS * pressure.every_s * NS_PER_S),
        KPA[pressure.unit], declared.atmosphere_kpa if declared.pressure_is == "gauge" else 0.0,
    )  # fmt: skip


@dataclass(slots=True)
class _Test:
    """State of a leak test; stamps -1 where not yet. first: of the measuring time; what is read stands outside it."""

    begin_ns: int
    first_ns: int = -1
    last_ns: int = -1
    first_kpa: float = 0.0
    last_kpa: float = 0.0
    first_c: float = float("nan")
    last_c: float = float("nan")
    missing_ns: int = 0
    uncertain: int = 0


class LeakMachine:
    """A figure a leak test. A test is a phase of the steriliser; only its rows are looked at one by one."""

    def __init__(self, limits: LeakLimits, begin_ns: int) -> None:
        self._limits, self._begin_ns, self._upto_ns = limits, begin_ns, begin_ns
        self._test: _Test | None = None
        self._in_phase = False
        self._reference_c = float("nan")
        self._load: dict[str, str] = {}

    def step(self, inputs: Inputs, upto_ns: int) -> list[Made]:
        """As `Machine.step`."""
        out: list[Made] = []
        first = 0
        for event in inputs.events:
            last = int(np.searchsorted(inputs.time_ns, event.time_ns))
            self._rows(inputs, first, last, out)
            first = last
            if event.event in {"cycle.started", "load.started"}:
                self._load = told(event.data, LOAD)
        self._rows(inputs, first, len(inputs), out)
        self._cut(upto_ns, out)
        self._upto_ns = upto_ns
        return out

    def running(self) -> list[Made]:
        """The test that runs; its verdict is open."""
        if self._test is None:
            return []
        made = self._made(self._test, self._upto_ns)
        return [Made(made.start_ns, made.end_ns, {**made.parts, "verdict": None}, made.about)]

    def _rows(self, inputs: Inputs, first: int, last: int, out: list[Made]) -> None:
        """Phase rows by themselves; between two of them nothing is looked at but in a test."""
        which = inputs.input[first:last]
        row = first
        for place in (np.flatnonzero(which == PHASE) + first).tolist():
            self._values(inputs, row, place, out)
            row = place + 1
            self._phase(int(inputs.value[place]), int(inputs.time_ns[place]), out)
        self._values(inputs, row, last, out)

    def _phase(self, code: int, at_ns: int, out: list[Made]) -> None:
        self._cut(at_ns, out)
        now = code in self._limits.states
        if now and not self._in_phase:
            self._test = _Test(at_ns)
        elif not now and self._test is not None:
            self._end(self._test, at_ns, out)
        self._in_phase = now

    def _values(self, inputs: Inputs, first: int, last: int, out: list[Made]) -> None:
        if first >= last:
            return
        if self._test is None:
            warm = np.flatnonzero(inputs.input[first:last] == REFERENCE)
            if len(warm):
                self._reference_c = float(inputs.value[first + warm[-1]])
            return
        columns = (inputs.time_ns, inputs.input, inputs.value, inputs.status)
        for at_ns, which, value, status in zip(*(one[first:last].tolist() for one in columns), strict=True):
            self._cut(at_ns, out)
            if which == REFERENCE:
                self._reference_c = value
            elif self._test is not None:
                kpa = value * self._limits.factor + self._limits.offset
                self._pressure(self._test, at_ns, kpa, uncertain=status == Status.UNCERTAIN)

    def _pressure(self, test: _Test, at_ns: int, kpa: float, *, uncertain: bool) -> None:
        """A pressure of a test: the first after settling begins the measuring, the last within its time ends it."""
        limits = self._limits
        settled_ns = test.begin_ns + limits.settle_ns
        if at_ns < settled_ns or (test.first_ns >= 0 and at_ns - test.first_ns > limits.measure_ns):
            return
        if test.first_ns < 0:
            test.first_ns, test.first_kpa, test.first_c = at_ns, kpa, self._reference_c
            before_ns = settled_ns
        else:
            before_ns = test.last_ns
        if at_ns - before_ns > limits.gap_ns:
            test.missing_ns = max(test.missing_ns, at_ns - before_ns)
        test.last_ns, test.last_kpa, test.last_c = at_ns, kpa, self._reference_c
        test.uncertain += uncertain

    def _cut(self, upto_ns: int, out: list[Made]) -> None:
        if self._test is not None and upto_ns - self._test.begin_ns >= self._limits.longest_ns:
            self._end(self._test, self._test.begin_ns + self._limits.longest_ns, out)

    def _end(self, test: _Test, end_ns: int, out: list[Made]) -> None:
        if end_ns > self._begin_ns and self._load.get("program") not in self._limits.others:
            out.append(self._made(test, end_ns))
        self._test, self._load = None, {}

    def _made(self, test: _Test, end_ns: int) -> Made:
        limits = self._limits
        measured_ns = test.last_ns - test.first_ns if test.first_ns >= 0 else 0
        rate = leak_rate(test.first_kpa, test.last_kpa, measured_ns / NS_PER_S / 60.0)
        most = limits.kpa_min * (1.0 + 1e-9)  # the limit itself, rounding apart
        doubts: dict[str, bool | None] = dict.fromkeys(self._doubts(test, measured_ns, rate, most))
        # Whoever leaks too much in a part of the time has failed; to pass, all of it must be there.
        kept = None if rate is None else rate <= most
        drift = test.last_c - test.first_c
        about = {"program": limits.program, "program_version": limits.version} | self._load
        about["undecided"] = codes(doubts, kept=None)
        return Made(
            test.begin_ns, end_ns,
            {
                "verdict": flag(kept if kept is False or not doubts else None), "leak": rate,
                "rise": test.last_kpa - test.first_kpa if measured_ns else None,
                "vacuum": test.first_kpa if test.first_ns >= 0 else None,
                "settling_s": in_s(test.first_ns - test.begin_ns if test.first_ns >= 0 else None),
                "measured_s": measured_ns / NS_PER_S, "missing_s": test.missing_ns / NS_PER_S,
                "temperature_change": None if drift != drift else drift, "uncertain": float(test.uncertain),
                "cycle_s": (end_ns - test.begin_ns) / NS_PER_S,
            },
            {name: text for name, text in about.items() if text},
        )  # fmt: skip

    def _doubts(self, test: _Test, measured_ns: int, rate: float | None, most: float) -> list[str]:
        """Why a rise that is small enough tells nothing."""
        limits = self._limits
        doubts = {
            "vacuum": test.first_ns >= 0 and test.first_kpa > limits.vacuum_kpa,  # nothing leaks in without one
            "falling": rate is not None and rate < -most,  # a pump still runs, or the chamber cools
            "short": measured_ns < limits.measure_ns - limits.gap_ns // GAP_INTERVALS,
            "missing": test.missing_ns > 0, "uncertain": test.uncertain > 0,
        }  # fmt: skip
        return [name for name, holds in doubts.items() if holds]

    def snapshot(self) -> tuple[Any, ...]:
        """Layout version, stamps, phase, test, load."""
        test = None if self._test is None else tuple(getattr(self._test, name) for name in _Test.__slots__)
        return (LAYOUT, self._begin_ns, self._upto_ns, self._in_phase, self._reference_c, test,
                tuple(sorted(self._load.items())))  # fmt: skip

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot; ValueError for another layout."""
        if snapshot[0] != LAYOUT:
            raise ValueError(f"leak test: layout {LAYOUT} expected, got {snapshot[0]}")
        _, self._begin_ns, self._upto_ns, self._in_phase, self._reference_c, test, load = snapshot
        self._test, self._load = None if test is None else _Test(*test), dict(load)
