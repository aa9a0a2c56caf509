"""Fault-free records of assets for detectors: seeded, in physical units, with noise that remembers.

Four kinds: a machine with product changes, a cold room with compressor cycles, defrosts and doors, a water loop, and a
steriliser with a pair of measurements. `simulators.faults` puts one labelled fault into a record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
DAY_S: Final = 86_400
NOT_JUDGED: Final = -1  # context of rows in which the asset does not run
RHO: Final = {  # autocorrelation of each measurement's noise from row to row
    "vibration": 0.6, "bearing_temp": 0.6, "current": 0.6, "air": 0.5, "air_twin": 0.5, "coil": 0.5, "unit": 0.5,
    "flow": 0.64, "pressure": 0.10, "pump_current": 0.07, "load": 0.7, "drain": 0.7, "steam": 0.7,
}  # fmt: skip
SIGMA: Final = {  # standard deviation of each measurement's noise, in its unit
    "vibration": 0.07, "bearing_temp": 0.4, "current": 0.8, "air": 0.06, "air_twin": 0.06, "coil": 0.3, "unit": 0.15,
    "flow": 0.6, "pressure": 0.25, "pump_current": 0.49, "load": 0.05, "drain": 0.05, "steam": 0.3,
}  # fmt: skip
UNITS: Final = {
    "vibration": "mm/s", "bearing_temp": "Cel", "current": "A", "air": "Cel", "air_twin": "Cel", "coil": "Cel",
    "unit": "A", "flow": "L/min", "pressure": "bar", "pump_current": "A", "load": "Cel", "drain": "Cel",
    "steam": "kPa",
}  # fmt: skip
# vibration, bearing_temp and current of each product: the first is the heaviest. Zone B of ISO 10816-3, group 2 rigid.
PRODUCTS: Final = ((2.1, 58.0, 92.0), (1.9, 54.0, 80.0), (1.7, 50.0, 68.0))
FLOWS: Final = ((122.0, 2.5, 2.2), (108.0, 2.2, 1.9))  # flow, pressure and pump_current of each set point
ON_C, OFF_C, OUTSIDE_C, WALL_MIN = 5.8, 3.8, 18.0, 150.0
COOLING_K_MIN, ICING_H, DEFROST_EVERY_MIN, DEFROST_MIN = 0.22, 0.01, 480, 20
CYCLE_ROWS, PLATEAU = 300, (100, 190)  # rows of a steriliser's cycle, and those of its plateau


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """What an asset measured. n rows, interval_s apart.

    values : float64[n] of each measurement, units in UNITS.
    context: int64[n], product or set point; NOT_JUDGED where the asset does not run.
    seed, days: what it was made from.
    """

    kind: str
    seed: int
    days: float
    interval_s: int
    values: dict[str, F64]
    context: I64


def remembering(rng: np.random.Generator, rho: float, sigma: float, n: int) -> F64:
    """Gaussian noise float64[n] of standard deviation `sigma`, whose autocorrelation at lag k is rho**k.

    >>> noise = remembering(np.random.default_rng(1), 0.6, 2.0, 100_000)
    >>> round(float(noise.std()), 1), round(float(np.corrcoef(noise[1:], noise[:-1])[0, 1]), 1)
    (2.0, 0.6)
    """
    shocks = rng.standard_normal(n) * np.sqrt(1.0 - rho**2)
    shocks[0] /= np.sqrt(1.0 - rho**2)
    return np.asarray(lfilter([1.0], [1.0, -rho], shocks) * sigma, np.float64)


def blocks(rng: np.random.Generator, residuals: F64, n: int, length: int = 60) -> F64:
    """n rows of float64[m, p] in blocks of `length` drawn with replacement: what autocorrelation they have stays."""
    starts = rng.integers(0, len(residuals) - length + 1, n // length + 1)
    rows = (starts[:, None] + np.arange(length)).ravel()[:n]
    return np.asarray(residuals[rows], np.float64)


def _contexts(rng: np.random.Generator, n: int, count: int, shortest: int, longest: int) -> I64:
    """Runs of random lengths, rows, each of another context than the one before."""
    found, at, now = np.empty(n, np.int64), 0, int(rng.integers(count))
    while at < n:
        end = at + int(rng.integers(shortest, longest))
        found[at:end] = now
        at, now = end, (now + 1 + int(rng.integers(count - 1))) % count
    return found


def machine(seed: int, days: float) -> Record:
    """A rotating machine, a row a minute: another product every 6 to 14 h, which moves every level within minutes."""
    rng, n = np.random.default_rng([seed, 1]), round(days * 1440)
    context = _contexts(rng, n, len(PRODUCTS), 360, 840)
    lag = {"vibration": 2.0, "bearing_temp": 25.0, "current": 1.0}  # minutes
    values, own = {}, rng.uniform(0.97, 1.03, 3)
    for at, (tag, minutes) in enumerate(lag.items()):
        heads = np.array([levels[at] for levels in PRODUCTS])[context] * own[at]
        keep = np.exp(-1.0 / minutes)
        level = lfilter([1.0 - keep], [1.0, -keep], heads, zi=[keep * heads[0]])[0]
        values[tag] = level + remembering(rng, RHO[tag], SIGMA[tag], n)
    return Record("machine", seed, days, 60, values, context)


def water_loop(seed: int, days: float, residuals: F64 | None = None) -> Record:
    """Flow, pressure and pump current, a row every 10 s; another set point every 8 to 24 h.

    residuals: float64[m, 3] of a recorded loop, drawn in blocks; None: noise of the same scatter and memory.
    """
    rng, n = np.random.default_rng([seed, 2]), round(days * 8640)
    context = _contexts(rng, n, len(FLOWS), 2880, 8640)
    tags = ("flow", "pressure", "pump_current")
    if residuals is None:
        noise = np.stack([remembering(rng, RHO[tag], SIGMA[tag], n) for tag in tags], axis=1)
    else:
        noise = blocks(rng, residuals, n)
    levels = np.array(FLOWS)[context]
    return Record("water_loop", seed, days, 10, {tag: levels[:, at] + noise[:, at] for at, tag in enumerate(tags)},
                  context)  # fmt: skip


def steriliser(seed: int, days: float) -> Record:
    """A cycle every 50 minutes, a row every 10 s: drain and load probe beside the pressure of the steam.

    Judged are the plateaus. There load and drain follow the temperature of saturated steam but for an offset each.
    """
    rng, n = np.random.default_rng([seed, 3]), round(days * 8640)
    row = np.arange(n) % CYCLE_ROWS
    steady = (row >= PLATEAU[0]) & (row < PLATEAU[1])
    ripple = remembering(rng, 0.9, 0.12, n)
    temp = np.interp(row, [0, 40, PLATEAU[0] - 10, PLATEAU[1], 240, 300], [60, 104, 121.9, 121.9, 100, 60]) + ripple
    offset = rng.uniform(-0.2, 0.0, 2)
    values = {
        "load": temp + offset[0] + remembering(rng, RHO["load"], SIGMA["load"], n),
        "drain": temp + offset[1] + remembering(rng, RHO["drain"], SIGMA["drain"], n),
        "steam": np.exp(16.3872 - 3885.70 / (temp + 230.170)) + remembering(rng, RHO["steam"], SIGMA["steam"], n),
    }
    return Record("steriliser", seed, days, 10, values, np.where(steady, 0, NOT_JUDGED))


def saturation_c(kpa: F64) -> F64:
    """Temperature of saturated steam, degC (Antoine, 0..200 C), of an absolute pressure, kPa.

    >>> saturation_c(np.array([205.0])).round(0).tolist()
    [121.0]
    """
    return np.asarray(3885.70 / (16.3872 - np.log(kpa)) - 230.170, np.float64)


def cold_room(seed: int, days: float, capacity: F64 | None = None, defrost_from: int | None = None,
              icing_h: float = ICING_H) -> Record:  # fmt: skip
    """A walk-in cold room, a row a minute: two air probes, coil temperature and current of the unit.

    The thermostat runs the unit between ON_C and OFF_C; ice takes ICING_H of its power an hour until the next defrost.
    capacity: float64[n], share of the unit's power; None: all of it. defrost_from: row from which no defrost comes any
    more and ice takes icing_h an hour.
    """
    rng, n = np.random.default_rng([seed, 4]), round(days * 1440)
    outside = OUTSIDE_C + 2.0 * np.sin(2.0 * np.pi * np.arange(n) / 1440.0) + remembering(rng, 0.998, 1.0, n)
    door = np.convolve(rng.random(n) < 1.0 / 90.0, np.ones(2))[:n] * rng.uniform(0.2, 0.5, n)  # K in a minute
    air, coil, current = _rooms_minutes(outside, door, capacity, n if defrost_from is None else defrost_from, icing_h)
    noise = {
        tag: remembering(rng, RHO[tag], SIGMA[tag], n) for tag in ("air", "air_twin", "coil", "unit")
    }  # fmt: skip
    own = rng.uniform(-0.3, 0.3)
    values = {
        "air": air + noise["air"], "air_twin": air + own + noise["air_twin"], "coil": coil + noise["coil"],
        "unit": current + noise["unit"],
    }  # fmt: skip
    return Record("cold_room", seed, days, 60, values, np.zeros(n, np.int64))


def _rooms_minutes(outside: F64, door: F64, capacity: F64 | None, defrost_from: int, icing_h: float
                   ) -> tuple[F64, F64, F64]:  # fmt: skip
    """(air degC, coil degC, current A) of each minute; one step a minute, for the thermostat looks at what it did."""
    n, air, coil, ice, cooling = len(outside), 4.8, 2.0, 0.0, False
    out = np.empty((n, 3))
    power = (np.ones(n) if capacity is None else capacity).tolist()
    for minute, (warm, opened) in enumerate(zip(outside.tolist(), door.tolist(), strict=True)):
        failed = minute >= defrost_from
        defrosts = minute % DEFROST_EVERY_MIN < DEFROST_MIN and not failed
        ice = 0.0 if defrosts else min(0.9, ice + (icing_h if failed else ICING_H) / 60.0)
        cooling = not defrosts and (air >= ON_C or (cooling and air > OFF_C))
        air += (warm - air) / WALL_MIN + opened + 0.02 * defrosts
        air -= COOLING_K_MIN * power[minute] * (1.0 - ice) if cooling else 0.0
        coil += ((-8.0 if cooling else 12.0 if defrosts else air) - coil) / 4.0
        out[minute] = air, coil, 9.0 if cooling else 5.0 if defrosts else 0.6
    return out[:, 0], out[:, 1], out[:, 2]
