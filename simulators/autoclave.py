"""sterile/autoclave1: a porous-load steam cycle, 121 C for 15 minutes, round about every 42 minutes."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from simulators.device import Cause, Device, Sample, State
from simulators.noise import between, unit

PLATEAU_S = 900
PLATEAU_C = 121.9  # the controller keeps 0.8 K above the lower limit of the band, 121.0
SAG_C, SAG_TAU_S, RECOVERY_TAU_S = -3.4, 50.0, 25.0  # steam supply too weak
PULSE_S, PULSES = 105, 3
DRAIN_K = -0.15  # the drain is a little colder than the chamber
LOAD_TAU_S = (2.0, 4.0)  # probes in the load follow the chamber
T_REF_C, Z_K = 121.11, 10.0  # of the steriliser's own F0
PHASES = ("idle", "vacuum", "heating", "sterilising", "exhaust", "drying")


def saturation_kpa(temp_c: float) -> float:
    """Absolute pressure of saturated steam, kPa (Antoine, 0..200 C; 121 C -> 205 kPa)."""
    return math.exp(16.3872 - 3885.70 / (temp_c + 230.170))


class Timetable:
    """When each cycle of a seed begins. Cycle 0 begins before second 0, so that second 0 falls somewhere into it."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._starts_s = [-int(between(0, 1500, seed, "autoclave", "before"))]
        self._lengths_s: list[tuple[int, ...]] = []

    def lengths_s(self, cycle: int) -> tuple[int, ...]:
        """Seconds of each phase of this cycle, in the order of PHASES."""
        self._draw_to(cycle)
        return self._lengths_s[cycle]

    def start_s(self, cycle: int) -> int:
        """Second at which the idle phase of this cycle begins."""
        self._draw_to(cycle)
        return self._starts_s[cycle]

    def plateau_s(self, cycle: int) -> int:
        """Second of the first plateau reading of this cycle."""
        return self.start_s(cycle) + sum(self.lengths_s(cycle)[:3])

    def cycle_at(self, second: int) -> int:
        """The cycle that holds this second."""
        while self._starts_s[-1] <= second:
            self._draw_to(len(self._lengths_s))
        return bisect_right(self._starts_s, second) - 1

    def _draw_to(self, cycle: int) -> None:
        for number in range(len(self._lengths_s), cycle + 1):
            draw = [unit(self._seed, "autoclave", number, phase) for phase in PHASES]
            lengths_s = (
                180 + int(240 * draw[0]), PULSE_S * PULSES, 300 + int(60 * draw[2]),
                PLATEAU_S, 140 + int(30 * draw[4]), 460 + int(80 * draw[5]),
            )  # fmt: skip
            self._lengths_s.append(lengths_s)
            self._starts_s.append(self._starts_s[-1] + sum(lengths_s))


@lru_cache(maxsize=64)
def timetable(seed: int) -> Timetable:
    """The one timetable of a seed, shared by the device and the fault plan."""
    return Timetable(seed)


@dataclass(slots=True)
class AutoclaveState(State):
    """cycle counts the loads; sag is how far the plateau is below its set point, K (<= 0); own_f0 in min."""

    cycle: int = 0
    temp: float = 60.0
    pressure: float = 101.0
    sag: float = 0.0
    load1: float = 60.0
    load2: float = 60.0
    own_f0: float = 0.0


class Autoclave(Device[AutoclaveState]):
    """Vacuum pulses, heating, plateau, exhaust, drying. plateau_temp (the coldest probe) is sent only in the plateau.

    drain_temp is the reference measuring point, load1_temp and load2_temp are probes in the load, own_f0 is the F0
    that the steriliser counts itself, from its drain.

    Faults: plateau_low (weak steam supply), beginning and ending inside one plateau.
    """

    asset = "sterile/autoclave1"
    units: ClassVar[Mapping[str, str]] = {
        "chamber_temp": "Cel", "chamber_pressure": "kPa", "plateau_temp": "Cel", "drain_temp": "Cel",
        "load1_temp": "Cel", "load2_temp": "Cel", "own_f0": "min",
    }  # fmt: skip
    gauss, uniform = 6, 0
    state_type = AutoclaveState

    def first_state(self) -> AutoclaveState:
        """At the begin of cycle 0; `step` finds the right phase."""
        return AutoclaveState()

    def advance(self, noise: list[float], cause: Cause | None) -> list[Sample]:
        """One second of the steam cycle."""
        state = self.state
        phase, into_s = self._phase()
        length_s = timetable(self.seed).lengths_s(state.cycle)[PHASES.index(phase)]
        self._sag(cause)
        self._follow(phase, into_s, length_s)
        self._load(phase)
        samples = [
            Sample("phase", phase),
            Sample("chamber_temp", round(state.temp + 0.05 * noise[0], 2)),
            Sample("chamber_pressure", round(max(4.0, state.pressure + 0.3 * noise[1]), 1)),
            Sample("drain_temp", round(state.temp + DRAIN_K + 0.03 * noise[3], 2)),
            Sample("load1_temp", round(state.load1 + 0.03 * noise[4], 2)),
            Sample("load2_temp", round(state.load2 + 0.03 * noise[5], 2)),
            Sample("own_f0", round(state.own_f0, 2)),
        ]
        if phase == "sterilising":
            samples.append(Sample("plateau_temp", round(state.temp - 0.1 + 0.04 * noise[2], 2)))
        return samples

    def _phase(self) -> tuple[str, int]:
        """Phase of this second and how far it is; moves on to the next cycle where one ends."""
        table = timetable(self.seed)
        while self.second >= table.start_s(self.state.cycle + 1):
            self.state.cycle += 1
        into_s = self.second - table.start_s(self.state.cycle)
        for phase, length_s in zip(PHASES, table.lengths_s(self.state.cycle), strict=True):
            if into_s < length_s:
                return phase, into_s
            into_s -= length_s
        return PHASES[-1], into_s

    def _sag(self, cause: Cause | None) -> None:
        low = cause is not None and cause.name == "plateau_low"
        tau_s = SAG_TAU_S if low else RECOVERY_TAU_S
        self.state.sag += ((SAG_C if low else 0.0) - self.state.sag) / tau_s

    def _follow(self, phase: str, into_s: int, length_s: int) -> None:
        """First-order while the chamber breathes; on the steam curve while it is shut."""
        state = self.state
        if phase == "sterilising":
            ripple = 0.12 * math.sin(2.0 * math.pi * into_s / 75.0)
            state.temp = PLATEAU_C + ripple + state.sag
            state.pressure = saturation_kpa(state.temp)
        elif phase == "heating":  # reaches the plateau with its last second, whatever it began at
            state.temp += (PLATEAU_C - state.temp) / max(1, length_s - into_s)
            state.pressure += (saturation_kpa(state.temp) - state.pressure) / 15.0
        else:
            temp, kpa, tau_s = self._heads_for(phase, into_s)
            state.temp += (temp - state.temp) / tau_s
            state.pressure += (kpa - state.pressure) / tau_s

    def _load(self, phase: str) -> None:
        """The probes in the load, and the steriliser's own F0, which an idle steriliser forgets."""
        state = self.state
        state.load1 += (state.temp - 0.1 - state.load1) / LOAD_TAU_S[0]
        state.load2 += (state.temp - 0.2 - state.load2) / LOAD_TAU_S[1]
        drain = state.temp + DRAIN_K
        lethal = 10.0 ** ((drain - T_REF_C) / Z_K) if drain >= 100.0 else 0.0
        state.own_f0 = 0.0 if phase == "idle" else state.own_f0 + lethal / 60.0

    @staticmethod
    def _heads_for(phase: str, into_s: int) -> tuple[float, float, float]:
        """(temperature Cel, absolute pressure kPa, time constant s) that a phase heads for."""
        if phase == "vacuum":
            return (62.0, 9.0, 20.0) if into_s % PULSE_S < 60 else (104.0, 122.0, 15.0)
        return {"idle": (60.0, 101.3, 120.0), "exhaust": (100.0, 101.3, 35.0), "drying": (82.0, 8.0, 60.0)}[phase]
