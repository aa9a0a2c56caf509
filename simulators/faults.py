"""Labelled faults of graded severity, put into a fault-free record: what detectors are measured on.

Severities stand in physical terms and were fixed before anything was measured. The middle one of each three is the one
that has to be found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from simulators.fault_plants import F64, NOT_JUDGED, SIGMA, Record, cold_room


@dataclass(frozen=True, slots=True)
class Fault:
    """An entry of the menu.

    tag       : the measurement that it falsifies or shows in first.
    severities: three, rising, in `unit`; the middle one has to be found.
    minutes   : how long it lasts; 0 until the end of the record.
    grace_min : how long after its end an alarm still counts.
    """

    kind: str
    tag: str
    severities: tuple[float, float, float]
    unit: str
    minutes: int
    grace_min: int = 60


@dataclass(frozen=True, slots=True)
class Label:
    """Rows [start, end) differ from the fault-free record, no others; severity as in the menu."""

    fault: str
    tag: str
    start: int
    end: int
    severity: float
    unit: str


FAULTS: Final[Mapping[str, Fault]] = {
    "spike": Fault("machine", "bearing_temp", (5.0, 10.0, 20.0), "sigma, one reading", 1),
    "drift": Fault("machine", "bearing_temp", (1.5, 3.0, 6.0), "sigma in 24 h, then 24 h more of it", 2880),
    "stuck": Fault("machine", "vibration", (10.0, 30.0, 120.0), "min", 120),
    "noise_up": Fault("machine", "vibration", (1.5, 2.0, 3.0), "times, for 4 h", 240),
    "oscillation": Fault("machine", "current", (1.0, 2.0, 4.0), "sigma of amplitude, period 20 min, 6 h", 360),
    # ISO 10816-3, group 2 rigid: B up to 2.8 mm/s, C up to 4.5; from wherever the machine stands in B
    "bearing_wear": Fault("machine", "vibration", (2.6, 3.0, 4.6), "mm/s after 7 d: within B, into C, into D", 10_080),
    "leak": Fault("water_loop", "flow", (2.5, 5.0, 10.0), "% less flow, for 2 h", 120),
    "door_open": Fault("cold_room", "air", (1.0, 2.0, 4.0), "K warmer for 10 min", 10),
    "defrost_failure": Fault("cold_room", "coil", (1.0, 2.0, 4.0), "% of power an hour lost to ice, for 3 d", 0),
    "sensor_swap": Fault("cold_room", "air", (0.5, 1.0, 2.0), "K between the places of two probes, for 24 h", 1440),
    "cooling_loss": Fault("cold_room", "unit", (10.0, 20.0, 40.0), "% of power lost in 3 d", 0),
    "air_pocket": Fault("steriliser", "load", (0.5, 1.0, 2.0), "K colder, one plateau", 0),
}


def inject(clean: Record, fault: str, severity: float, start: int) -> tuple[Record, Label]:
    """The record with the fault from row `start` on, and its label; `clean` is left as it was.

    An air pocket begins with the first plateau at or after `start`. Missing defrosts and lost power last until the end
    of the record: the room goes its own way from then on.

    Raises: KeyError for a fault that is not in FAULTS; ValueError for a record of another kind, a start outside it or
    a severity below 0.
    """
    told = FAULTS[fault]
    n = len(clean.context)
    if clean.kind != told.kind or not 0 <= start < n or not severity >= 0.0:
        found = f"{clean.kind}, start {start} of {n}, severity {severity}"
        raise ValueError(f"inject {fault}: found {found}; wanted {told.kind}, start 0..{n - 1}, severity >= 0")
    minutes = severity if fault == "stuck" else told.minutes
    end = min(n, start + max(1, round(minutes * 60 / clean.interval_s))) if told.minutes else n
    if fault in ("defrost_failure", "cooling_loss"):
        values = _room_that_fails(clean, fault, severity, start).values
    elif fault == "sensor_swap":
        values = _swapped(clean, severity, start, end)
    else:
        if fault == "air_pocket":
            start, end = _plateau(clean, start)
        own = clean.values[told.tag].copy()
        own[start:end] = CHANGES[fault](own[start:end], severity, clean.interval_s, SIGMA[told.tag])
        values = {**clean.values, told.tag: own}
    differs = [values[tag] != clean.values[tag] for tag in values]
    changed = np.flatnonzero(np.any(differs, axis=0))
    if len(changed):
        start, end = int(changed[0]), int(changed[-1]) + 1
    return replace(clean, values=values), Label(fault, told.tag, start, end, severity, told.unit)


def _plateau(clean: Record, start: int) -> tuple[int, int]:
    """Rows of the first whole plateau at or after `start`."""
    judged = np.append(clean.context != NOT_JUDGED, False).astype(np.int8)
    begins = np.flatnonzero(np.diff(judged, prepend=judged[:1]) == 1)
    begins = begins[begins >= start]
    if len(begins) == 0:
        raise ValueError(f"inject air_pocket: no plateau begins at or after row {start} of {len(clean.context)}")
    begin = int(begins[0])
    return begin, begin + int(np.argmin(judged[begin:]))


def _room_that_fails(clean: Record, fault: str, severity: float, start: int) -> Record:
    if fault == "defrost_failure":
        return cold_room(clean.seed, clean.days, defrost_from=start, icing_h=severity / 100.0)
    lost = np.clip((np.arange(len(clean.context)) - start) / (3.0 * 1440.0), 0.0, 1.0) * severity / 100.0
    return cold_room(clean.seed, clean.days, capacity=1.0 - lost)


def _swapped(clean: Record, severity: float, start: int, end: int) -> dict[str, F64]:
    """Two probes at places `severity` K apart: after the swap each gives the other's value."""
    first, second = clean.values["air"].copy(), clean.values["air_twin"].copy()
    first[start:end] += severity
    second[start:end] -= severity
    return {**clean.values, "air": first, "air_twin": second}


Change = Callable[[F64, float, int, float], F64]  # (values, severity, interval s, sigma) -> values


def _drift(x: F64, severity: float, every_s: int, sigma: float) -> F64:
    return np.asarray(x + severity * sigma * np.minimum((np.arange(len(x)) + 1.0) * every_s / 86_400.0, 1.0))


def _noise_up(x: F64, severity: float, _every_s: int, _sigma: float) -> F64:
    """The deviations from the local mean of 31 rows, so many times as wide."""
    wide = min(31, len(x) | 1)
    level = np.convolve(
        np.pad(x, wide // 2, mode="reflect" if len(x) > wide else "edge"), np.ones(wide) / wide, "valid"
    )
    return np.asarray(x + (severity - 1.0) * (x - level[: len(x)]))


def _oscillation(x: F64, severity: float, every_s: int, sigma: float) -> F64:
    return np.asarray(x + severity * sigma * np.sin(2.0 * np.pi * (np.arange(len(x)) + 1.0) * every_s / 1200.0))


def _wear(x: F64, severity: float, _every_s: int, _sigma: float) -> F64:
    """An exponential rise of the level, by e in a third of the time; added to what each product gives."""
    rise = (np.exp(3.0 * np.arange(1, len(x) + 1) / len(x)) - 1.0) / (np.e**3 - 1.0)
    return np.asarray(x + max(severity - float(np.mean(x)), 0.0) * rise)


def _door(x: F64, severity: float, every_s: int, _sigma: float) -> F64:
    """Warm air comes in: the whole of it is there within three minutes."""
    return np.asarray(x + severity * np.minimum((np.arange(len(x)) + 1.0) * every_s / 180.0, 1.0))


CHANGES: Final[Mapping[str, Change]] = {
    "spike": lambda x, severity, _every_s, sigma: x + severity * sigma,
    "drift": _drift,
    "stuck": lambda x, _severity, _every_s, _sigma: np.full_like(x, x[0]),
    "noise_up": _noise_up,
    "oscillation": _oscillation,
    "bearing_wear": _wear,
    "leak": lambda x, severity, _every_s, _sigma: x * (1.0 - severity / 100.0),
    "door_open": _door,
    "air_pocket": lambda x, severity, _every_s, _sigma: x - severity,
}
