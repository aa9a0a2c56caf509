"""utilities/compressor1: a screw compressor that loads and unloads between two pressures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from simulators.device import Cause, Device, Sample, State
from simulators.wave import Block

LOAD_BAR, UNLOAD_BAR = 6.8, 7.6
SUPPLY_BAR_S, DEMAND_BAR_S = 0.055, 0.022
LOADED_A, UNLOADED_A = 96.0, 41.0
VIBRATION_MM_S, LOAD_MM_S, SIGMA_MM_S = 1.9, 0.15, 0.07  # ISO 10816-3 group 2 rigid: zone B up to 2.8
WEAR_MM_S, WEAR_S = 4.0, 240.0  # how far and how fast a failing bearing moves the rms value

BLOCK_EVERY_S = 60
RPM, HEALTHY_HIT, WORN_HIT = 1485.0, 0.3, 12.0  # {rev}/min; m/s2 of the outer ring's hits


@dataclass(slots=True)
class CompressorState(State):
    """The pressure itself and the one the transmitter last gave out, bar; demand is a share of the usual one."""

    loaded: bool = True
    pressure: float = 7.1
    shown: float = 7.1
    demand: float = 1.0
    oil: float = 74.0
    current: float = 90.0


class Compressor(Device[CompressorState]):
    """Pressure saw-tooth of about a minute; current, oil and vibration follow the load.

    A block of `casing` a minute: its unbalance has the velocity of `vibration` without the instrument's noise.
    Faults: bearing_wear (vibration rises by 4 mm/s, the outer ring is hit harder and harder; then it is repaired),
    pressure_stuck (the transmitter repeats its last value), oil_temp_silent (no oil_temp is sent).
    """

    asset = "utilities/compressor1"
    units: ClassVar[Mapping[str, str]] = {"vibration": "mm/s", "pressure": "bar", "oil_temp": "Cel", "current": "A"}
    gauss, uniform = 5, 0
    state_type = CompressorState

    def first_state(self) -> CompressorState:
        """Running loaded."""
        return CompressorState()

    def advance(self, noise: list[float], cause: Cause | None) -> list[Sample]:
        """One second of load or idle."""
        state = self.state
        name = cause.name if cause else ""
        self._load(noise[4])
        if name != "pressure_stuck":
            state.shown = round(state.pressure + 0.006 * noise[1], 3)
        wear = min(1.0, (self.second - cause.start_s) / WEAR_S) if cause and name == "bearing_wear" else 0.0
        vibration = VIBRATION_MM_S + LOAD_MM_S * state.loaded + WEAR_MM_S * wear
        hit = HEALTHY_HIT + (WORN_HIT - HEALTHY_HIT) * wear
        block = Block(self.seed, self.asset, self.second, vibration, RPM, hit)
        vibration += (SIGMA_MM_S + 0.25 * wear) * noise[0]
        samples = [
            Sample("vibration", round(vibration, 3)),
            Sample("pressure", state.shown),
            Sample("current", round(state.current + 0.6 * noise[3], 2)),
            Sample("running", value=True),
        ]
        if self.second % BLOCK_EVERY_S == 0:
            samples.append(Sample("casing", block))
        if name != "oil_temp_silent":
            samples.append(Sample("oil_temp", round(state.oil + 0.08 * noise[2], 2)))
        return samples

    def _load(self, demand_noise: float) -> None:
        state = self.state
        state.loaded = state.pressure <= LOAD_BAR or (state.loaded and state.pressure < UNLOAD_BAR)
        state.demand += (1.0 - state.demand) / 300.0 + 0.006 * demand_noise
        state.pressure += SUPPLY_BAR_S * state.loaded - DEMAND_BAR_S * max(0.4, state.demand)
        state.current += ((LOADED_A if state.loaded else UNLOADED_A) - state.current) / 3.0
        state.oil += ((84.0 if state.loaded else 72.0) - state.oil) / 240.0
