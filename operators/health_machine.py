"""Which machines of machine health the configuration asks for."""

from __future__ import annotations

import math

import numpy as np

from andon.config.health import FailureMode, Health, Running
from andon.config.health_tables import zone_tables
from andon.plant import PlantModel, SeriesSpec
from andon.readings import NS_PER_S
from operators.gate import GateSpec
from operators.machines import MachineSpec
from operators.maintenance_machine import MaintenanceMachine
from operators.meter import Meter, MeterSpec
from operators.vibration import LINES
from operators.wear import BINS, DAY_NS, Wear, WearSpec
from operators.wear_machines import HealthMachine, RunningMachine

GAP_INTERVALS = 3  # a value stands for so many expected intervals; beyond it nothing is known
METER_REACH_NS = DAY_NS  # for the count before a gap
REACH_NS = 7 * DAY_NS  # of a trend that begins anew: a month of a fast series would be long to read


def specs(plant: PlantModel, asset: str) -> list[MachineSpec]:
    """Machines of an asset: of each watched series, of its running hours, of each failure mode."""
    template = plant.template_of(asset)
    found = [_health(plant, asset, one) for one in template.health]
    if template.running is not None:
        found.append(_running(plant, asset, template.running))
    return found + [_mode(plant, asset, one) for one in template.failure_mode]


def _health(plant: PlantModel, asset: str, declared: Health) -> MachineSpec:
    wear = _wear_spec(plant, declared)
    modes = tuple(one.id for one in plant.template_of(asset).failure_mode if one.tag == declared.tag)
    table = zone_tables(plant.config.zones).get(declared.zones or "")
    about, gate = table.name[:64] if table else "", _gate(plant, asset, declared)
    running = plant.template_of(asset).running
    speed = _speed_from(plant, asset, declared.tag)
    paths = ((asset, declared.tag), *(((asset, running.state),) if running and gate else ()), *speed)
    version = (2, wear, modes, about, table and table.source, gate, *speed)
    return MachineSpec(
        "health", asset, declared.tag, paths, repr(version),
        lambda begin_ns, bounds: HealthMachine(begin_ns, bounds, wear, modes, about, gate, speed=bool(speed)),
        _reach_ns(wear), events=True,
    )  # fmt: skip


def _speed_from(plant: PlantModel, asset: str, tag: str) -> tuple[tuple[str, str], ...]:
    """The series that says who told the speed that a bearing's line rests on; none where the plant has none."""
    wave, dot, figure = tag.rpartition(".")
    path = asset, f"{wave}.speed_from"
    rests = dot + figure in (*LINES, ".speed")
    is_wave = (asset, wave) in plant.series and plant.series[asset, wave].wave is not None
    return (path,) if rests and is_wave and path in plant.series else ()


def _gate(plant: PlantModel, asset: str, declared: Health) -> GateSpec | None:
    """The state that says when a series counts; None where it always does."""
    running = plant.template_of(asset).running
    if running is None or not declared.while_running:
        return None
    return running_gate(plant, asset, running)


def running_gate(plant: PlantModel, asset: str, running: Running) -> GateSpec:
    """The states in which an asset runs, and how long each stands."""
    meter = _meter_spec(plant, asset, running)
    return GateSpec(tuple(meter.codes.tolist()), meter.gap_ns)


def _running(plant: PlantModel, asset: str, declared: Running) -> MachineSpec:
    meter, counts = _meter_spec(plant, asset, declared), declared.cycles is not None
    return MachineSpec(
        "running", asset, declared.state, _meter_paths(asset, declared), repr((1, _plain(meter), counts)),
        lambda begin_ns, bounds: RunningMachine(begin_ns, bounds, meter, counts=counts), METER_REACH_NS, events=True,
    )  # fmt: skip


def _mode(plant: PlantModel, asset: str, mode: FailureMode) -> MachineSpec:
    template = plant.template_of(asset)
    watched = next((one for one in template.health if one.tag == mode.tag), None)
    wear, gate = (_wear_spec(plant, watched), _gate(plant, asset, watched)) if watched else (None, None)
    meter = _meter_spec(plant, asset, template.running) if template.running else None
    paths: tuple[tuple[str, str], ...] = ((asset, watched.tag),) if watched else ()
    if template.running is not None:
        paths += _meter_paths(asset, template.running)
    if not paths:  # a plan by the calendar alone: any series tells that time passes
        paths = tuple(path for path, one in plant.series.items() if path[0] == asset and one.kind != "waveform")[:1]
    reach_ns = max(_reach_ns(wear) if wear else 0, METER_REACH_NS if meter else 0)
    return MachineSpec(
        "maintenance", asset, mode.id, paths, repr((2, mode, wear, meter and _plain(meter), gate)),
        lambda begin_ns, bounds: MaintenanceMachine(begin_ns, bounds, mode, wear, meter, gate), reach_ns, events=True,
    )  # fmt: skip


def _wear_spec(plant: PlantModel, declared: Health) -> WearSpec:
    table = zone_tables(plant.config.zones).get(declared.zones or "")
    bounds = table.bounds if table else ()
    limit = declared.limit if declared.limit is not None else bounds[2] if bounds else None
    bin_ns = max(round(declared.over_d * DAY_NS / BINS), NS_PER_S)
    return WearSpec(
        bounds, declared.hysteresis, limit, bin_ns, declared.model == "exponential", declared.confidence,
        declared.learn,
    )  # fmt: skip


def _reach_ns(wear: WearSpec) -> int:
    return min(BINS * wear.bin_ns, REACH_NS)


def _meter_paths(asset: str, declared: Running) -> tuple[tuple[str, str], ...]:
    return tuple((asset, tag) for tag in (declared.state, declared.cycles) if tag is not None)


def _meter_spec(plant: PlantModel, asset: str, declared: Running) -> MeterSpec:
    state = plant.series[asset, declared.state]
    cycles = plant.series[asset, declared.cycles] if declared.cycles else None
    modulus = cycles.modulus if cycles and cycles.modulus is not None else math.nan
    return MeterSpec(_codes(state, declared), round(GAP_INTERVALS * state.every_s * NS_PER_S), modulus)


def _codes(state: SeriesSpec, declared: Running) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """1 for each code that runs; a boolean runs at 1."""
    if state.kind == "boolean":
        return np.array([0, 1], np.uint8)
    return np.array([name in declared.states for name in state.states], np.uint8)


def _plain(meter: MeterSpec) -> tuple[list[int], int, float]:
    return meter.codes.tolist(), meter.gap_ns, meter.modulus


def compile_kernels() -> None:
    """Have numba compile what these machines run, before a flow waits for it."""
    one, number = np.zeros(1, np.int64), np.zeros(1, np.int32)
    meter = Meter(MeterSpec(np.zeros(1, np.uint8), 1, math.nan))
    meter.take(one, number, np.zeros(1))
    meter.at(1)
    Wear(WearSpec((), 0.0, None, 1, exponential=False, confidence=0.9)).take(
        one, np.zeros(1), np.zeros(1, np.uint8), 0
    )  # fmt: skip
