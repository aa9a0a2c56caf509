"""filling/line1/filler1: a vial filler with a PackML state, two counters and a check-weigher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from simulators.device import Cause, Device, Sample
from simulators.packml import MachineState

IDEAL_CYCLE_S = 0.5
TARGET_G, SIGMA_G = 10.0, 0.02
GOOD_SHARE = 0.985
STOP_CHANCE = 1 / 420  # a second in Execute
DRIFT_G, DRIFT_S = 0.28, 180.0  # a worn dosing pump moves so far in so long, then stays


@dataclass(slots=True)
class FillerState(MachineState):
    """Counters run on from an earlier shift; work is the part of the next item done so far."""

    total: int = 184_000
    good: int = 181_300
    work: float = 0.0
    temp: float = 21.5


class Filler(Device[FillerState]):
    """Items only in Execute, two a second at best (ideal cycle 0.5 s); fill_g is sent only while filling.

    Faults: fill_weight_drift moves the mean fill by 0.28 g in three minutes, up or down.
    """

    asset = "filling/line1/filler1"
    units: ClassVar[Mapping[str, str]] = {"fill_g": "g", "temp": "Cel"}
    gauss, uniform = 3, 5
    state_type = FillerState

    def first_state(self) -> FillerState:
        """In the middle of a shift, about to start."""
        return FillerState()

    def advance(self, noise: list[float], cause: Cause | None) -> list[Sample]:
        """One second of filling or of a stop."""
        state = self.state
        weight, warmth, pace, first, second, chance, kind, length = noise
        if state.pass_second() and chance < STOP_CHANCE:
            self._stop(kind, length)
        if state.executing:
            self._make(min(1.0, 0.96 + 0.012 * pace), (first, second))
        state.temp += ((23.0 if state.executing else 21.0) - state.temp) / 900.0
        samples = [
            Sample("state", state.mode),
            Sample("total", state.total),
            Sample("good", state.good),
            Sample("temp", round(state.temp + 0.03 * warmth, 2)),
        ]
        if state.executing:
            samples.append(Sample("fill_g", round(TARGET_G + self._drift_g(cause) + SIGMA_G * weight, 3)))
        return samples

    def _stop(self, kind: float, length: float) -> None:
        """Mostly starved or blocked for under a minute, sometimes held, seldom stopped for minutes."""
        if kind < 0.6:
            self.state.stop("starved", 10 + int(45 * length))
        elif kind < 0.94:
            self.state.stop("held", 15 + int(60 * length))
        else:
            self.state.stop("stopped", 60 + int(120 * length))

    def _make(self, pace: float, luck: tuple[float, float]) -> None:
        state = self.state
        state.work += pace / IDEAL_CYCLE_S
        for item in range(int(state.work)):
            state.total += 1
            state.good += luck[item % 2] < GOOD_SHARE
        state.work -= int(state.work)

    def _drift_g(self, cause: Cause | None) -> float:
        if cause is None or cause.name != "fill_weight_drift":
            return 0.0
        share = min(1.0, (self.second - cause.start_s) / DRIFT_S)
        return (DRIFT_G if cause.size < 0.5 else -DRIFT_G) * share
