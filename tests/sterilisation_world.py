"""A steriliser for tests: its plant, and logs of its cycles as columns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from andon.config.models import Asset, Enterprise, Plant, Series, Site, Template
from andon.config.sterilisation import Sterilisation, SterilisationProgram
from andon.plant import PlantModel
from andon.readings import NS_PER_S
from operators.machines import Every, Inputs
from operators.steam import saturation_pressure

ASSET = "sterile/autoclave1"
STATES = ("idle", "vacuum", "heating", "sterilising", "exhaust", "drying", "leak_test", "aborted")
PROGRAM = SterilisationProgram(name="porous-121", version="3", hold_s=60.0, f0_min=1.0)


@dataclass(frozen=True)
class Event:
    """An event as machines read it."""

    time_ns: int
    event: str
    data: dict = field(default_factory=dict)


def plant(program=(PROGRAM,), every_s=1.0, **changes):
    """A plant with one steriliser."""
    named = {"phase": "phase", "reference": "drain", "probes": ("p1", "p2"), "pressure": "pressure", "own_f0": "own"}
    declared = Sterilisation(**{**named, "longest_h": 1.0, **changes}, program=tuple(program))
    numbers = {"drain": "Cel", "p1": "Cel", "p2": "Cel", "pressure": "kPa", "own": "min", "rh": "%", "eo": "mg/L"}
    series = (
        Series(tag="phase", kind="state", states=STATES),
        *(Series(tag=tag, unit=unit, every_s=every_s) for tag, unit in numbers.items()),
    )
    template = Template(name="autoclave", series=series, sterilisation=declared)
    return PlantModel(
        Plant(
            schema=1, enterprise=Enterprise(id="e"), site=Site(id="s"), template=(template,),
            asset=(Asset(path=ASSET, template="autoclave"),),
        )
    )  # fmt: skip


def made(spec, log, events=(), until_s=None, begin_s=0):
    """What a machine gives for a log {tag: [(s, value) or (s, value, status)]}, in one step."""
    machine = spec.make(round(begin_s * NS_PER_S), Every(NS_PER_S))
    rows = columns(spec, log, events)
    last = int(rows.time_ns[-1]) + 1 if len(rows) else 0
    return machine.step(rows, last if until_s is None else round(until_s * NS_PER_S))


def columns(spec, log, events=()):
    """A log as inputs of a machine; states by name."""
    number = {tag: place for place, (_, tag) in enumerate(spec.paths)}
    rows = sorted(
        (round(at * NS_PER_S), number[tag], float(STATES.index(value) if isinstance(value, str) else value), *status)
        for tag, points in log.items() if tag in number
        for at, value, *status in points
    )  # fmt: skip
    time, which, value = (np.array([row[part] for row in rows]) for part in range(3))
    status = np.array([row[3] if len(row) > 3 else 0 for row in rows], np.uint8)
    wanted = tuple(sorted(events, key=lambda one: one.time_ns))
    return Inputs(time.astype(np.int64), which.astype(np.int32), value.astype(np.float64), status, wanted)


def kpa(celsius):
    """Absolute pressure of saturated steam, kPa."""
    return saturation_pressure(celsius + 273.15) * 1000.0


def cycle(start=10, hot=121.8, held=80, lag=3, step=1):
    """A log of one short cycle: idle, two pulses, heating of 40 s, the plateau, exhaust, drying, idle.

    lag: by how many s the second probe follows the reference. Keys as `columns` wants them.
    """
    phase = [(0, "idle"), (start, "vacuum"), (start + 40, "heating"), (start + 80, "sterilising")]
    phase += [(start + 80 + held, "exhaust"), (start + 100 + held, "drying"), (start + 120 + held, "idle")]
    log = {"phase": phase, "drain": [], "p1": [], "p2": [], "pressure": []}
    for at in range(0, start + 130 + held, step):
        log["drain"].append((at, _temperature(at - start, hot, held)))
        log["p1"].append((at, _temperature(at - start, hot - 0.1, held)))
        log["p2"].append((at, _temperature(at - start - lag, hot - 0.2, held)))
        log["pressure"].append((at, _pressure(at - start, hot, held)))
    return log


def _temperature(into, hot, held):
    if into < 40 or into >= 100 + held:
        return 60.0
    if into < 80:
        return 60.0 + (hot - 60.0) * min(1.0, (into - 40) / 38.0)
    return hot if into < 80 + held else 90.0


def _pressure(into, hot, held):
    if 0 <= into < 40:
        return 10.0 if into % 20 < 10 else 120.0
    if 40 <= into < 80 + held:
        return max(120.0, kpa(_temperature(into, hot, held)))
    return 8.0 if 100 + held <= into < 120 + held else 101.3
