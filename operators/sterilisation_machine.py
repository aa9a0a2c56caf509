"""Which sterilisation figures a plant asks for: a machine for each kind of program that an asset has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np

from andon.config.sterilisation import KPA, ROLES, Sterilisation, SterilisationProgram
from andon.plant import PlantModel
from andon.readings import NS_PER_S
from operators import sterilisation_reports as reports
from operators.leak_machine import leak_spec
from operators.lethality import T_MIN_A0, T_REF_A0, Z_A0
from operators.machines import Bounds, Machine, MachineSpec
from operators.sterilisation import Limits
from operators.sterilisation_cycle import CycleMachine, Layout, Program
from operators.sterilisation_layout import OWN, PHASE, POINT, PRESSURE
from operators.sterilisation_release import Wanted
from operators.sterilisation_release_machine import Kind, ReleaseMachine, places

GAP_INTERVALS = 3  # a value stands for so many expected intervals; beyond it nothing is known
RELEASE_REACH_H = 168.0  # loads that wait when another version begins: indicators are read for up to a week
KINDS = {"steam": "steam_cycle", "disinfection": "disinfection", "eo": "eo_cycle"}
_REPORTS = {
    "steam": (reports.steam, reports.steam_probe), "disinfection": (reports.disinfection, reports.disinfection_probe),
    "eo": (reports.eo, reports.probe),
}  # fmt: skip


def specs(plant: PlantModel, asset: str) -> list[MachineSpec]:
    """One machine for each kind of program; none without [template.sterilisation]."""
    declared = plant.template_of(asset).sterilisation
    if declared is None:
        return []
    kinds = dict.fromkeys(program.kind for program in declared.program)
    found = [_spec(plant, asset, declared, kind) for kind in kinds if kind in KINDS]
    leak = leak_spec(plant, asset, declared)
    found += [leak] if leak else []
    return found + ([_release_spec(plant, asset, declared, kinds)] if declared.carrying("load_release") else [])


@dataclass(frozen=True, slots=True)
class _Input:
    """An input of the machine: its tag, what it is and which point; limits of EO, in the series' own unit."""

    tag: str
    what: int
    point: int


def _spec(plant: PlantModel, asset: str, declared: Sterilisation, kind: str) -> MachineSpec:
    inputs = _inputs(declared, kind)
    paths = tuple((asset, one.tag) for one in inputs)
    series = [plant.series[path] for path in paths]
    layout = _layout(plant, asset, declared, kind, inputs)
    used = [repr(one) for one in series]
    reach_ns = round((declared.longest_h * 3600 + 3600) * NS_PER_S)

    def make(begin_ns: int, _bounds: Bounds) -> Machine:
        return CycleMachine(layout, begin_ns)

    version = f"{KINDS[kind]} 3 {declared.model_dump_json()} {used}"
    return MachineSpec(KINDS[kind], asset, declared.reference, paths, version, make, reach_ns, events=True)


def _release_spec(plant: PlantModel, asset: str, declared: Sterilisation, kinds: Iterable[str]) -> MachineSpec:
    """Loads of all kinds of cycles. Their own verdict is without what the indicators tell, which comes to it here."""
    alone = declared.model_copy(
        update={"program": tuple(one.model_copy(update={"bi_exposed": 0}) for one in declared.program)}
    )
    own = {kind: _inputs(alone, kind) for kind in kinds if kind in KINDS}
    paths = tuple(dict.fromkeys((asset, one.tag) for inputs in own.values() for one in inputs))
    cycles = [
        Kind(
            _layout(plant, asset, alone, kind, inputs), places(paths, [(asset, one.tag) for one in inputs]),
            {one.name: Wanted(one.bi_exposed, one.bi_control) for one in declared.program if one.kind == kind},
        )
        for kind, inputs in own.items()
    ]  # fmt: skip
    reach_ns = round((max(declared.longest_h, RELEASE_REACH_H) * 3600 + 3600) * NS_PER_S)

    def make(begin_ns: int, _bounds: Bounds) -> Machine:
        return ReleaseMachine(cycles, begin_ns, reach_ns)

    version = f"load_release 1 {declared.model_dump_json()} {[repr(plant.series[path]) for path in paths]}"
    return MachineSpec("load_release", asset, declared.reference, paths, version, make, reach_ns, events=True)


def _inputs(declared: Sterilisation, kind: str) -> list[_Input]:
    """Phase first: of one instant it is looked at first. Points: the reference, probes, then ranges of EO."""
    points = [declared.reference, *declared.probes]
    if kind == "eo":
        points += [tag for tag in (declared.humidity, declared.concentration, declared.pressure) if tag]
    inputs = [_Input(declared.phase, PHASE, 0)] if declared.phase else []
    inputs += [_Input(tag, POINT, point) for point, tag in enumerate(points)]
    if kind != "eo" and declared.pressure:
        inputs.append(_Input(declared.pressure, PRESSURE, len(points)))
    if kind == "steam" and declared.own_f0:
        inputs.append(_Input(declared.own_f0, OWN, len(points) + 1))
    return inputs


def _layout(plant: PlantModel, asset: str, declared: Sterilisation, kind: str, inputs: list[_Input]) -> Layout:
    gaps = {one.point: _gap_ns(plant, asset, one.tag) for one in inputs if one.what != PHASE}
    tags = tuple(one.tag for one in inputs if one.what == POINT)
    states = plant.series[asset, declared.phase].states if declared.phase else ()
    program = partial(_program, plant, asset, declared, tags)
    mine = [one for one in declared.program if one.kind == kind]
    report, probe = _REPORTS[kind]
    return Layout(
        kind=kind, plan=np.array([(one.what, one.point) for one in inputs], np.int64),
        roles=np.array([ROLES.index(declared.role_of(state)) for state in states], np.int64),
        gap_ns=np.array([gaps.get(point, 2**62) for point in range(len(tags) + 2)], np.int64),
        tags=tags, temperatures=1 + len(declared.probes), programs={one.name: program(one) for one in mine},
        others=frozenset(one.name for one in declared.program if one.kind != kind),
        report=report, probe=probe, lethality=kind != "eo", pressure=kind == "steam" and declared.pressure is not None,
    )  # fmt: skip


def _gap_ns(plant: PlantModel, asset: str, tag: str) -> int:
    return round(GAP_INTERVALS * plant.series[asset, tag].every_s * NS_PER_S)


def _kpa(plant: PlantModel, asset: str, declared: Sterilisation) -> tuple[float, float]:
    """Factor and offset from the transmitter's reading to absolute kPa."""
    unit = plant.series[asset, declared.pressure].unit if declared.pressure else "kPa"
    return KPA[unit], declared.atmosphere_kpa if declared.pressure_is == "gauge" else 0.0


def _program(
    plant: PlantModel, asset: str, declared: Sterilisation, tags: tuple[str, ...], one: SterilisationProgram
) -> Program:
    factor, offset = _kpa(plant, asset, declared)
    washer = one.kind == "disinfection"
    lethality = (T_REF_A0, Z_A0, T_MIN_A0) if washer else (one.t_ref, one.z, one.t_min)
    matched = one.kind == "steam" and one.saturation_k is not None and declared.pressure is not None
    ints = (
        declared.longest_h * 3600 * NS_PER_S, one.equilibration_s * NS_PER_S, declared.phase is not None, len(tags),
        1 + len(declared.probes), one.kind != "steam", declared.end_s * NS_PER_S, matched, _gas(declared, one, tags),
    )  # fmt: skip
    floats = (
        *lethality, declared.pulse_low_kpa, declared.pulse_high_kpa, declared.start_kpa, declared.atmosphere_kpa,
        declared.start_c, offset, factor,
    )  # fmt: skip
    bands = _bands(declared, one, tags, (factor, offset))
    limits = _limits(one, lethality, declared, tags, (factor, offset))
    return Program(
        limits, np.array([round(value) for value in ints], np.int64), np.array(floats, np.float64),
        np.array([low for low, _ in bands], np.float64), np.array([high for _, high in bands], np.float64),
    )  # fmt: skip


def _gas(declared: Sterilisation, one: SterilisationProgram, tags: tuple[str, ...]) -> int:
    """The point whose rise tells how much gas was let in; -1 for none."""
    return tags.index(declared.pressure) if one.kind == "eo" and declared.pressure in tags else -1


def _limits(
    one: SterilisationProgram, lethality: tuple[float, float, float], declared: Sterilisation, tags: tuple[str, ...],
    pressure: tuple[float, float],
) -> Limits:  # fmt: skip
    named = {name: getattr(declared, name) for name in ("humidity", "concentration", "pressure")}
    by_rise = one.kind == "eo" and declared.concentration is None and declared.pressure is not None
    washer, steam = one.kind == "disinfection", one.kind == "steam"
    wanted_s = one.a0_s if washer else one.f0_min * 60.0 if steam and one.f0_min is not None else None
    return Limits(
        one.name, one.version, one.temperature, round(one.hold_s * NS_PER_S), round(one.equilibration_s * NS_PER_S),
        spread_k=one.spread_k if steam else None, saturation_k=one.saturation_k if steam else None,
        pulses=one.pulses if steam else None, lethality_s=wanted_s, own_f0_min=one.own_f0_min if steam else None,
        sampling_share=one.sampling_share if one.kind != "eo" else None, needs_load=one.needs_load,
        needs_bi=one.bi_exposed > 0,
        t_ref=lethality[0], z=lethality[1], t_min=lethality[2],
        gas_range=one.concentration_range if by_rise else None, gas_share=one.gas_share, pressure=pressure,
        points=tuple((name, tags.index(tag)) for name, tag in named.items() if one.kind == "eo" and tag in tags),
    )  # fmt: skip


def _bands(
    declared: Sterilisation, one: SterilisationProgram, tags: tuple[str, ...], pressure: tuple[float, float]
) -> list[tuple[float, float]]:
    """Low and high limit of each judged point, in the unit of its series."""
    open_ = (-np.inf, np.inf)
    if one.kind != "eo":
        high = np.inf if one.kind == "disinfection" else one.temperature + one.band_k
        return [(one.temperature, high)] * len(tags)
    factor, offset = pressure
    others = {declared.humidity: one.humidity_range, declared.concentration: one.concentration_range}
    if one.pressure_range is not None:
        low, high = one.pressure_range
        others[declared.pressure] = ((low - offset) / factor, (high - offset) / factor)
    bands = [one.temperature_range or open_] * (1 + len(declared.probes))
    return bands + [others.get(tag) or open_ for tag in tags[len(bands) :]]
