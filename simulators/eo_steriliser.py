"""sterile/eo1: an ethylene oxide steriliser, 50 C and 700 mg/l for an hour, with a load that takes gas up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from simulators.autoclave import saturation_kpa
from simulators.device import Cause, Sample, State
from simulators.phases import Phased, Spans

EVERY_S = 10  # so often it sends
CHAMBER_C, ROOM_C, TEMP_TAU_S, LOAD_TAU_S = 50.0, 45.0, 300.0, 240.0
DOSE_MG_L, LOW_DOSE_MG_L = 700.0, 400.0  # let in; from a bottle that runs empty
TAKEN_UP, UPTAKE_TAU_S = 0.06, 1800.0  # share of the gas that the load takes up, and how fast
HUMID, DRY, HUMID_TAU_S, DRY_TAU_S = 60.0, 25.0, 300.0, 1500.0
AIR_KPA, VACUUM_KPA, PUMP_TAU_S = 101.3, 8.0, 90.0
GAS_CONSTANT, MOLAR_G = 8.314462618, 44.0526
NOISE = {"chamber_temp": 0.05, "load_temp": 0.05, "humidity": 0.1, "gas": 1.0, "pressure": 0.05}


@dataclass(slots=True)
class EoState(State):
    """Temperatures, Cel; relative humidity, %; gas, mg/l; air, kPa; dose: what the cycle lets in, mg/l.

    It begins idle, at the temperature of its room.
    """

    chamber: float = ROOM_C
    load: float = ROOM_C
    humidity: float = 40.0
    gas: float = 0.0
    air: float = AIR_KPA
    dose: float = DOSE_MG_L

    @property
    def pressure(self) -> float:
        """Of all three gases, kPa."""
        steam = self.humidity / 100.0 * saturation_kpa(self.chamber)
        ethylene_oxide = self.gas / MOLAR_G * GAS_CONSTANT * (self.chamber + 273.15) / 1000.0
        return self.air + steam + ethylene_oxide


class EoSteriliser(Phased[EoState]):
    """Phases, two temperatures, humidity, concentration and pressure, every ten seconds; phases when they change.

    Faults: gas_low (the bottle runs empty while it is let in), humidity_falls (dry from the exposure on).
    """

    asset = "sterile/eo1"
    units: ClassVar[Mapping[str, str]] = {
        "chamber_temp": "Cel", "load_temp": "Cel", "humidity": "%", "gas": "mg/L", "pressure": "kPa",
    }  # fmt: skip
    gauss, uniform = 5, 0
    state_type = EoState
    process = "eo"
    spans_s: ClassVar[Spans] = {
        "idle": (600, 300), "vacuum": (600, 60), "conditioning": (1500, 300), "injection": (420, 60),
        "exposure": (3600, 90), "exhaust": (600, 100), "aeration": (1200, 300),
    }  # fmt: skip

    def advance(self, noise: list[float], cause: Cause | None) -> list[Sample]:
        """What stands at the begin of the second; then the second passes."""
        now, state, name = self.phases.at(self.second), self.state, cause.name if cause else ""
        samples = [Sample("phase", now.phase)] if now.into_s == 0 or self.second % EVERY_S == 0 else []
        if self.second % EVERY_S == 0:
            true = (state.chamber, state.load, state.humidity, state.gas, state.pressure)
            samples += [
                Sample(tag, round(max(0.0, value + sigma * one), 2))
                for (tag, sigma), value, one in zip(NOISE.items(), true, noise, strict=True)
            ]
        if now.phase == "idle":
            state.dose = DOSE_MG_L
        elif now.phase == "injection" and name == "gas_low":
            state.dose = LOW_DOSE_MG_L
        self._move(now.phase, now.length_s, dry=name == "humidity_falls")
        return samples

    def _move(self, phase: str, length_s: int, *, dry: bool) -> None:
        state = self.state
        ripple = 0.3 * math.sin(2.0 * math.pi * self.second / 700.0)
        state.chamber += ((ROOM_C if phase == "idle" else CHAMBER_C + ripple) - state.chamber) / TEMP_TAU_S
        state.load += (state.chamber - 0.3 - state.load) / LOAD_TAU_S
        if phase == "conditioning":
            state.humidity += (HUMID - state.humidity) / HUMID_TAU_S
        elif phase == "exposure" and dry:
            state.humidity += (DRY - state.humidity) / DRY_TAU_S
        elif phase in {"exhaust", "aeration", "idle"}:
            state.humidity += (40.0 - state.humidity) / HUMID_TAU_S
        if phase == "injection":
            state.gas += state.dose / length_s
        elif phase == "exposure":
            state.gas += (state.dose * (1.0 - TAKEN_UP) - state.gas) / UPTAKE_TAU_S
        elif phase in {"exhaust", "aeration"}:
            state.gas -= state.gas / PUMP_TAU_S
        if phase in {"vacuum", "exhaust"}:
            state.air += (VACUUM_KPA - state.air) / PUMP_TAU_S
        elif phase in {"idle", "aeration"}:
            state.air += (AIR_KPA - state.air) / PUMP_TAU_S
