"""sterile/autoclave2: vacuum leak tests of a chamber, one after the other, each through a leak of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from simulators.device import Cause, Sample, State
from simulators.noise import between
from simulators.phases import Phased, Spans

AIR_KPA, VACUUM_KPA, PUMP_TAU_S = 101.3, 4.0, 60.0
TIGHT, LOOSE = (0.01, 0.09), (0.18, 0.30)  # kPa/min that leak in; a gasket that is worn
WET_KPA, WET_TAU_S = 1.5, 60.0  # drops that evaporate when the pump stops
COOLING_K_S, WALL_C = 0.002, 50.0  # walls and the gas in them cool down
NOISE_KPA, NOISE_C = 0.01, 0.02


@dataclass(slots=True)
class LeakState(State):
    """Air in the chamber and what drops have evaporated, kPa; leaked: air that came in during this test, kPa.

    It begins open to the air.
    """

    air: float = AIR_KPA
    vapour: float = 0.0
    leaked: float = 0.0
    wall: float = WALL_C

    @property
    def pressure(self) -> float:
        """Of both, kPa, at the temperature that the gas has."""
        return (self.air + self.vapour) * (self.wall + 273.15) / (WALL_C + 273.15)


class LeakTest(Phased[LeakState]):
    """Phase, chamber pressure and temperature, once a second. Fault: gasket_worn (leaks too much)."""

    asset = "sterile/autoclave2"
    units: ClassVar[Mapping[str, str]] = {"chamber_pressure": "kPa", "drain_temp": "Cel"}
    gauss, uniform = 2, 0
    state_type = LeakState
    process = "leak"
    spans_s: ClassVar[Spans] = {"idle": (600, 300), "vacuum": (500, 100), "leak_test": (930, 60)}

    def leak_kpa_min(self, cycle: int, *, worn: bool) -> float:
        """Air that comes in against a vacuum, kPa/min: one leak a test."""
        return between(*(LOOSE if worn else TIGHT), self.seed, self.process, cycle)

    def advance(self, noise: list[float], cause: Cause | None) -> list[Sample]:
        """What stands at the begin of the second; then the second passes."""
        state, now = self.state, self.phases.at(self.second)
        samples = [
            Sample("phase", now.phase),
            Sample("chamber_pressure", round(state.pressure + NOISE_KPA * noise[0], 3)),
            Sample("drain_temp", round(state.wall + NOISE_C * noise[1], 2)),
        ]
        leak = self.leak_kpa_min(now.cycle, worn=cause is not None and cause.name == "gasket_worn") / 60.0
        if now.phase == "leak_test":
            state.leaked += leak * (1.0 - state.air / AIR_KPA)
            state.air += leak * (1.0 - state.air / AIR_KPA)
            state.vapour += (WET_KPA - state.vapour) / WET_TAU_S
            state.wall -= COOLING_K_S
        else:
            heads_for = VACUUM_KPA if now.phase == "vacuum" else AIR_KPA
            state.air += (heads_for - state.air) / PUMP_TAU_S
            state.vapour, state.leaked, state.wall = 0.0, 0.0, WALL_C
        return samples
