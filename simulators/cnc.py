"""machining/cell1/cnc1: a machining cell whose spindle warms with its load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from simulators.device import Cause, Device, Sample
from simulators.packml import MachineState

# (seconds, spindle load in %): rough, tool change, finish, tool change, drill
PROGRAM = ((62, 72.0), (7, 2.0), (48, 38.0), (7, 2.0), (33, 55.0))
PROGRAM_S = sum(seconds for seconds, _ in PROGRAM)
GOOD_SHARE = 0.97
HELD_CHANCE = 1 / 2400  # a second of cutting
AMBIENT_C, WARMTH_C, TAU_S = 24.0, 0.42, 300.0  # 42 C of rise at full load
COOLANT_LOSS_C, COOLANT_TAU_S = 45.0, 200.0


@dataclass(slots=True)
class CncState(MachineState):
    """cut_s is the progress in the part's program, s; feed the share of the programmed feed rate."""

    total: int = 5_210
    good: int = 5_080
    cut_s: float = 0.0
    feed: float = 1.0
    spindle: float = 38.0


class Cnc(Device[CncState]):
    """A part every 172 s or so; part changes are Completing and Resetting, tool changes belong to Execute.

    A part is counted with the end of its program, when the state is Completing; a reject is a defect of the process.

    Faults: spindle_overheat (no coolant): the spindle heads 45 C higher whatever its load.
    """

    asset = "machining/cell1/cnc1"
    units: ClassVar[Mapping[str, str]] = {"spindle_temp": "Cel", "spindle_load": "%"}
    gauss, uniform = 2, 5
    state_type = CncState

    def first_state(self) -> CncState:
        """In the middle of a shift, about to start."""
        return CncState()

    def advance(self, noise: list[float], cause: Cause | None) -> list[Sample]:
        """One second of the part program, a part change or a stop."""
        state = self.state
        load_noise, temp_noise, chance, length, quality, feed, material = noise
        may_stop = state.pass_second()
        load = 0.0
        if state.executing:
            load = min(100.0, max(0.0, self._programmed_load() + 1.5 * load_noise))
            state.cut_s += state.feed
            if may_stop and state.cut_s >= PROGRAM_S:
                self._finish_part(quality, feed, material, length)
            elif may_stop and chance < HELD_CHANCE:
                state.stop("held", 40 + int(140 * length))
        self._warm(load, cause)
        return [
            Sample("state", state.mode),
            Sample("total", state.total),
            Sample("good", state.good),
            Sample("spindle_temp", round(state.spindle + 0.12 * temp_noise, 2)),
            Sample("spindle_load", round(load, 1)),
        ]

    def _programmed_load(self) -> float:
        at = self.state.cut_s
        for seconds, load in PROGRAM:
            if at < seconds:
                return load
            at -= seconds
        return PROGRAM[-1][1]

    def _finish_part(self, quality: float, feed: float, material: float, length: float) -> None:
        state = self.state
        state.total += 1
        state.good += quality < GOOD_SHARE
        state.cut_s, state.feed = 0.0, 0.94 + 0.06 * feed
        change: list[tuple[str, int]] = [("Completing", 3), ("Resetting", 12)]
        if material < 0.08:  # the next blank is not there
            change += [("Suspending", 2), ("Suspended", 30 + int(120 * length)), ("Unsuspending", 3)]
        state.follow(change)

    def _warm(self, load: float, cause: Cause | None) -> None:
        dry = cause is not None and cause.name == "spindle_overheat"
        heads_for = AMBIENT_C + WARMTH_C * load + (COOLANT_LOSS_C if dry else 0.0)
        self.state.spindle += (heads_for - self.state.spindle) / (COOLANT_TAU_S if dry else TAU_S)
