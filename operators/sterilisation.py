"""The verdict on a sterilisation cycle: every criterion by name, and what of the record is missing. Pure.

A cycle passes if all criteria are kept and nothing that decides is missing or doubtful; it fails if one is not kept; in
between it cannot be decided (None), which blocks release just as a failure does, and asks a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan

from andon.readings import F64, I64, NS_PER_S
from operators import sterilisation_layout as k
from operators.eo import concentration
from operators.event_data import LONGEST

Criteria = dict[str, bool | None]  # kept, not kept, cannot be told; what is not asked is not in it
Parts = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the program of a cycle asks; None: not judged. Units as in `SterilisationProgram`; ns where named so."""

    program: str
    version: str
    temperature: float
    hold_ns: int
    equilibration_ns: int
    spread_k: float | None = None
    saturation_k: float | None = None
    pulses: int | None = None
    lethality_s: float | None = None
    own_f0_min: float | None = None
    sampling_share: float | None = None
    needs_load: bool = False
    needs_bi: bool = False
    t_ref: float = 121.11
    z: float = 10.0
    t_min: float = 100.0
    gas_range: tuple[float, float] | None = None
    gas_share: float = 1.0
    pressure: tuple[float, float] = (1.0, 0.0)  # factor and offset to absolute kPa
    points: tuple[tuple[str, int], ...] = ()  # of EO: what is measured beside temperatures, and its point


@dataclass(frozen=True, slots=True)
class Cycle:
    """A cycle as the kernel left it (operators/sterilisation_layout.py). doubts: what is wrong with its record."""

    cyc: I64
    ext: F64
    marks: I64
    sums: F64
    judged: int
    temperatures: int
    doubts: tuple[str, ...] = ()

    @property
    def probes(self) -> range:
        """Points that stand for the load: all temperatures but the reference, or it alone."""
        return range(1, self.temperatures) if self.temperatures > 1 else range(1)

    @property
    def slowest(self) -> int:
        """The probe with the least lethality, the first of equals."""
        return min(self.probes, key=lambda point: (self.sums[point, k.LETHAL], point))

    @property
    def unseen(self) -> bool:
        """Whether a probe of the load has sent nothing: what the slowest of all had is not known."""
        return bool((self.marks[list(self.probes), k.ROWS] == 0).any())

    def since(self, later: int, earlier: int) -> int | None:
        """ns between two stamps of cyc; None where one has not come."""
        if self.cyc[later] < 0 or self.cyc[earlier] < 0:
            return None
        return int(self.cyc[later] - self.cyc[earlier])

    def missing(self) -> bool:
        """Whether a point that decides was silent in the plateau, or never sent."""
        pressure = self.marks[-2, k.MISSED_NS] > 0
        points = self.marks[: self.judged]
        silent = (points[:, k.MISSED_NS] > 0) | (points[:, k.SEEN] == 0) | (points[:, k.ROWS] == 0)
        return bool(pressure or silent.any())

    def doubted(self) -> int:
        """Uncertain rows among those that decide."""
        return int(self.marks[:-1, k.DOUBTED].sum())


def criteria(cycle: Cycle, limits: Limits, *, lethality: bool, pressure: bool) -> Criteria:
    """Every criterion of a cycle. lethality: F0 or A0 counts; pressure: the program's saturation can be asked."""
    cyc, ext = cycle.cyc, cycle.ext
    entered, held = cycle.since(k.ENTERED_NS, k.PLATEAU_NS), cycle.since(k.HELD_NS, k.ENTERED_NS)
    # A silent point proves nothing against the cycle, unless a point that spoke was outside.
    broken: bool | None = False if not cycle.missing() or cyc[k.OUT_SIDE] in {k.LOW, k.HIGH} else None
    asked: Criteria = {
        "equilibration": (entered is not None and entered <= limits.equilibration_ns) or broken,
        "hold": (held is not None and held >= limits.hold_ns) or broken,
    }
    if limits.spread_k is not None and len(cycle.probes) > 1 and held is not None:
        asked["spread"] = bool(ext[k.SPREAD] <= limits.spread_k)
    if limits.saturation_k is not None and pressure and held is not None:
        low, high, tolerance = ext[k.SUPER_LOW], ext[k.SUPER_HIGH], limits.saturation_k
        asked["saturation"] = None if isnan(low) else bool(low >= -tolerance and high <= tolerance)
    if limits.pulses is not None:
        sure = bool(cyc[k.PULSES] - cyc[k.PULSE_DOUBTS] >= limits.pulses)
        asked["air_removal"] = sure or (None if cyc[k.PULSES] >= limits.pulses else False)
    if lethality:
        asked |= _lethality(cycle, limits)
    if limits.gas_range is not None:
        gas = gas_of(cycle, limits)[1]
        asked["gas"] = None if gas is None else limits.gas_range[0] <= gas <= limits.gas_range[1]
    if cyc[k.WAS_ABORTED]:
        asked["aborted"] = False
    return asked | _record(cycle)


def gas_of(cycle: Cycle, limits: Limits) -> tuple[float | None, float | None]:
    """(rise of pressure kPa, concentration mg/l) from the begin of the injection to that of the exposure."""
    rise = float(cycle.ext[k.GAS_TO] - cycle.ext[k.GAS_FROM]) * limits.pressure[0]
    at_c = float(cycle.ext[k.GAS_C])
    if isnan(rise):
        return None, None
    return rise, None if isnan(at_c) or at_c < -270.0 else concentration(rise, at_c, limits.gas_share)


def _lethality(cycle: Cycle, limits: Limits) -> Criteria:
    asked: Criteria = {}
    if limits.lethality_s is not None:
        asked["lethality"] = _lethal_enough(cycle, limits.lethality_s)
    if limits.own_f0_min is not None:
        own = cycle.sums[-1, k.VALUE] if cycle.marks[-1, k.ROWS] else float("nan")
        off = abs(cycle.sums[0, k.LETHAL] / 60.0 - own)
        asked["own_value"] = None if isnan(off) else bool(off <= limits.own_f0_min)
    if limits.sampling_share is not None and abs(sampling(cycle)) > limits.sampling_share:
        asked["sampling"] = None
    return asked


def _lethal_enough(cycle: Cycle, wanted_s: float) -> bool | None:
    """Whether all probes had it. A gap only takes away: of a silent probe too little is not known to be too little."""
    short = [one for one in cycle.probes if not cycle.sums[one, k.LETHAL] >= wanted_s]
    silent = [one for one in short if cycle.marks[one, k.MISSED_NS] or not cycle.marks[one, k.ROWS]]
    return None if short and short == silent else not short


def _record(cycle: Cycle) -> Criteria:
    """What is wrong with the record itself; nothing of it can be a pass."""
    doubts = [*cycle.doubts]
    if not cycle.cyc[k.BEGAN_SEEN]:
        doubts.append("begin")
    if cycle.cyc[k.AGAIN]:
        doubts.append("again")
    if cycle.missing():
        doubts.append("missing")
    if cycle.doubted():
        doubts.append("uncertain")
    return dict.fromkeys(doubts, None)


def sampling(cycle: Cycle) -> float:
    """Share of the slowest probe's lethality that trapezoids have too much over straight ramps between its samples."""
    reached = float(cycle.sums[cycle.slowest, k.LETHAL])
    return (reached - float(cycle.sums[cycle.slowest, k.RAMP])) / reached if reached > 0.0 else 0.0


def verdict(asked: Mapping[str, bool | None]) -> float | None:
    """1: all kept. 0: one is not kept. None: none is broken, but some cannot be told.

    >>> verdict({"hold": True, "missing": None}), verdict({"hold": False, "missing": None}), verdict({"hold": True})
    (None, 0.0, 1.0)
    """
    if False in asked.values():
        return 0.0
    return None if None in asked.values() else 1.0


def flag(kept: bool | None) -> float | None:
    """A criterion as a number that rules can judge."""
    return None if kept is None else float(kept)


def codes(asked: Mapping[str, bool | None], kept: bool | None) -> str:
    """Names of the criteria with this outcome, as many as fit into a figure's text."""
    text = ""
    for name, one in asked.items():
        if one is kept and len(text) + len(name) < LONGEST:
            text = f"{text} {name}".strip()
    return text


def number(value: float) -> float | None:
    """None for NaN."""
    return None if isnan(value) else float(value)


def in_s(span_ns: int | None) -> float | None:
    """ns to s."""
    return None if span_ns is None else span_ns / NS_PER_S
