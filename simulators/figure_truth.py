"""What the simulated devices truly did, second by second: the ground truth that Andon's figures are held against.

Taken from the devices' own hidden state, without noise, rounding, sampling or transport, and worked out here alone:
nothing of operators/ is used. Steam cycles are in simulators/sterilisation_truth.py, time elements and losses in
simulators/oee_truth.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.cnc import Cnc
from simulators.cold_room import ColdRoom
from simulators.compressor import LOAD_MM_S, VIBRATION_MM_S, Compressor
from simulators.device import CauseOf, Device, no_causes
from simulators.filler import Filler
from simulators.noise import Noise
from simulators.packml import PATHS
from simulators.truck import Truck

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Flags = NDArray[np.bool_]
#: The PackML states that simulated machines can be in.
MODES = tuple(dict.fromkeys(("Execute", "Completing", *(mode for path in PATHS.values() for mode, _ in path))))
KELVIN, GAS_J_MOL_K, ACTIVATION_J_MOL = 273.15, 8.314462618, 83_144.0  # USP <1079.2>: 83.144 kJ/mol


@dataclass(frozen=True, slots=True)
class MachineTrace:
    """A filler or a machining cell by second: its state as place in `MODES`, items so far in all and good ones."""

    mode: NDArray[np.uint8]
    total: I64
    good: I64


@dataclass(frozen=True, slots=True)
class StorageTrace:
    """A cold room or a truck by second: air or cargo and goods, Cel; whether its door is open."""

    air: F64
    goods: F64
    door: Flags


@dataclass(frozen=True, slots=True)
class CompressorTrace:
    """A compressor by second: velocity rms, mm/s; whether it delivers."""

    velocity: F64
    loaded: Flags


@dataclass(frozen=True, slots=True)
class TrueExcursion:
    """[start_s, end_s): from the first second beyond the limit to the first one back inside by the hysteresis."""

    start_s: int
    end_s: int
    peak: float


def _seen(device: Device[Any], seconds: int, look: Callable[[Any], tuple[Any, ...]]) -> tuple[list[Any], ...]:
    """Columns of what `look` gives of the hidden state after each second."""
    rows = []
    for _ in range(seconds):
        device.step()
        rows.append(look(device.state))
    return tuple(list(column) for column in zip(*rows, strict=True))


def machine_trace(kind: type[Filler | Cnc], seed: int, seconds: int, cause_of: CauseOf = no_causes) -> MachineTrace:
    """A machine over the first seconds of a simulation."""
    places = {mode: place for place, mode in enumerate(MODES)}
    mode, total, good = _seen(kind(seed, cause_of), seconds, lambda now: (places[now.mode], now.total, now.good))
    return MachineTrace(np.array(mode, np.uint8), np.array(total, np.int64), np.array(good, np.int64))


def room_trace(seed: int, seconds: int, cause_of: CauseOf = no_causes) -> StorageTrace:
    """The cold room over the first seconds of a simulation."""
    air, goods, door = _seen(
        ColdRoom(seed, cause_of), seconds, lambda now: (now.air, now.goods, now.door_left_s > 0)
    )  # fmt: skip
    return StorageTrace(np.array(air), np.array(goods), np.array(door, np.bool_))


def truck_trace(seed: int, seconds: int, cause_of: CauseOf = no_causes) -> StorageTrace:
    """The truck over the first seconds of a simulation; goods are the cargo."""
    cargo, door = _seen(Truck(seed, cause_of), seconds, lambda now: (now.cargo, now.opened_s > 0))
    return StorageTrace(np.array(cargo), np.array(cargo), np.array(door, np.bool_))


def compressor_trace(seed: int, seconds: int, cause_of: CauseOf = no_causes) -> CompressorTrace:
    """The healthy compressor over the first seconds of a simulation."""
    (loaded,) = _seen(Compressor(seed, cause_of), seconds, lambda now: (now.loaded,))
    flags = np.array(loaded, np.bool_)
    velocity: F64 = VIBRATION_MM_S + LOAD_MM_S * flags.astype(np.float64)
    return CompressorTrace(velocity, flags)


def mean_kinetic_c(temp_c: F64) -> float:
    """Mean kinetic temperature of seconds of equal weight, Cel.

    >>> round(mean_kinetic_c(np.array([2.0, 8.0])), 2)
    5.54
    """
    rates = np.exp(-ACTIVATION_J_MOL / (GAS_J_MOL_K * (temp_c + KELVIN)))
    return ACTIVATION_J_MOL / (GAS_J_MOL_K * -math.log(float(rates.mean()))) - KELVIN


def true_excursions(temp_c: F64, high: float, hysteresis: float, longer_than_s: int) -> list[TrueExcursion]:
    """Excursions above a limit that ended, longer than the hold-off.

    >>> [(one.start_s, one.end_s) for one in true_excursions(np.array([5.0, 9, 9, 7.8, 7, 9, 5]), 8.0, 0.5, 2)]
    [(1, 4)]
    """
    found, start = [], -1
    for second in np.flatnonzero((temp_c > high) | (temp_c < high - hysteresis)).tolist():
        if start < 0 and temp_c[second] > high:
            start = second
        elif start >= 0 and temp_c[second] < high - hysteresis:
            if second - start > longer_than_s:
                found.append(TrueExcursion(start, second, float(temp_c[start:second].max())))
            start = -1
    return found


@dataclass(frozen=True, slots=True)
class Shift:
    """A known shift of a mean in [start_s, end_s), in sigmas of one piece."""

    start_s: int
    end_s: int
    sigmas: float


@dataclass(frozen=True)
class PieceWeights:
    """A process of known mean and sigma, with known shifts: one piece every `every_s`.

    Pieces are independent and normal, cut at 4 sigma. Values are what the scale shows, to 0.0001: a 200th of sigma
    0.02, and less than anything here can see.
    """

    seed: int
    mean: float = 10.0
    sigma: float = 0.02
    every_s: int = 12
    shifts: Sequence[Shift] = ()

    def until(self, seconds: int) -> tuple[I64, F64]:
        """(second, weight) of each piece of the first seconds."""
        at = np.arange(0, seconds, self.every_s)
        noise = Noise(self.seed, "piece-weights", gauss=1, uniform=0)
        weight = self.mean + self.sigma * np.array([noise.row(second)[0] for second in at.tolist()])
        return at, np.round(weight + self.sigma * self.shift_at(at), 4)

    def shift_at(self, second: I64) -> F64:
        """The shift in each second, sigmas."""
        found = np.zeros(len(second))
        for one in self.shifts:
            found[(second >= one.start_s) & (second < one.end_s)] += one.sigmas
        return found
