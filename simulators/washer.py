"""sterile/washer1: a washer-disinfector for instruments, thermal disinfection at 90 C, round about every 25 minutes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from simulators.device import Cause, Sample, State
from simulators.phases import Phased, Spans

HEADS_FOR = {"idle": 30.0, "prewash": 32.0, "wash": 55.0, "rinse": 42.0, "drying": 60.0}  # Cel
HOT_C, WEAK_C = 90.9, 87.4  # what the controller keeps; what a weak heater reaches
WATER_TAU_S, LOAD_TAU_S, LOAD_BELOW_K = 45.0, 7.0, 0.15
NOISE_C = 0.03
STEPS = 10  # of the physics in a second
T_REF_C, Z_K, LEAST_C = 80.0, 10.0, 65.0  # of A0 (EN ISO 15883-1)


@dataclass(slots=True)
class WasherState(State):
    """Temperatures of the water and of the load, Cel; a0: what the load truly had in this disinfection, s.

    It begins cold and idle.
    """

    water: float = 30.0
    load: float = 30.0
    a0: float = 0.0


class Washer(Phased[WasherState]):
    """Phases, the temperature of the water (reference) and of a probe in the load, once a second.

    Faults: heater_weak (never reaches its temperature), probe_lost (load_temp is not sent).
    """

    asset = "sterile/washer1"
    units: ClassVar[Mapping[str, str]] = {"water_temp": "Cel", "load_temp": "Cel"}
    gauss, uniform = 2, 0
    state_type = WasherState
    process = "washer"
    spans_s: ClassVar[Spans] = {
        "idle": (200, 200), "prewash": (120, 30), "wash": (300, 60), "rinse": (100, 30), "heating": (200, 40),
        "disinfection": (72, 9), "drying": (400, 100),
    }  # fmt: skip

    def advance(self, noise: list[float], cause: Cause | None) -> list[Sample]:
        """What stands at the begin of the second; then the second passes."""
        state, name = self.state, cause.name if cause else ""
        now = self.phases.at(self.second)
        samples = [
            Sample("phase", now.phase), Sample("water_temp", round(state.water + NOISE_C * noise[0], 2))
        ]  # fmt: skip
        if name != "probe_lost":
            samples.append(Sample("load_temp", round(state.load + NOISE_C * noise[1], 2)))
        if now.phase == "idle":
            state.a0 = 0.0
        for step in range(STEPS):
            self._move(now.phase, now.into_s + step / STEPS, weak=name == "heater_weak")
        return samples

    def _move(self, phase: str, into_s: float, *, weak: bool) -> None:
        """A tenth of a second: water heads for what the phase asks, the load follows it, germs die."""
        state, dt_s = self.state, 1.0 / STEPS
        hot = (WEAK_C if weak else HOT_C) + 0.1 * math.sin(2.0 * math.pi * into_s / 31.0)
        state.water += (HEADS_FOR.get(phase, hot) - state.water) * dt_s / WATER_TAU_S
        before = _rate(state.load)
        state.load += (state.water - LOAD_BELOW_K - state.load) * dt_s / LOAD_TAU_S
        if phase == "disinfection":
            state.a0 += 0.5 * (before + _rate(state.load)) * dt_s


def _rate(celsius: float) -> float:
    """Equivalent s at 80 Cel of a second at this temperature."""
    return float(10.0 ** ((celsius - T_REF_C) / Z_K)) if celsius >= LEAST_C else 0.0
