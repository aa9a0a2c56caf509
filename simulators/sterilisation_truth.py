"""What the simulated steriliser truly did: phases, plateau and F0 of each cycle, from its physics without noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from simulators.autoclave import DRAIN_K, T_REF_C, Z_K, Autoclave
from simulators.device import CauseOf, no_causes

LOW_C, HIGH_C, ALLOWED_S = 121.0, 124.0, 15  # as the program of plant.toml


@dataclass(slots=True)
class TrueCycle:
    """A cycle in seconds of the simulation, [begin_s, end_s). f0_min by probe, at 1 s; None: never equilibrated.

    hold_s: unbroken time with drain and probes inside the band, from the last entry within the allowed time.
    """

    begin_s: int
    end_s: int = 0
    phases_s: dict[str, int] = field(default_factory=dict)
    f0_min: dict[str, float] = field(default_factory=lambda: {"load1_temp": 0.0, "load2_temp": 0.0})
    plateau_s: int | None = None
    entered_s: int | None = None
    held_s: int | None = None
    over: bool = False

    @property
    def hold_s(self) -> int:
        """The holding time, s."""
        return 0 if self.held_s is None or self.entered_s is None else self.held_s - self.entered_s


class _Quiet(Autoclave):
    """The device without the noise of its instruments."""

    def see(self) -> str:
        """One second; gives its phase."""
        silent: Any = _Silence()
        self._noise = silent
        return str(next(sample.value for sample in self.step() if sample.tag == "phase"))


class _Silence:
    """Noise that is none."""

    def row(self, _second: int) -> list[float]:
        """Zeros."""
        return [0.0] * Autoclave.gauss


def true_cycles(seed: int, seconds: int, cause_of: CauseOf = no_causes) -> list[TrueCycle]:
    """The cycles that begin and end within the first seconds of a simulation."""
    device, done = _Quiet(seed, cause_of), list[TrueCycle]()
    now: TrueCycle | None = None
    before = ""
    for second in range(seconds):
        phase = device.see()
        if phase == "idle" and now is not None:
            now.end_s = second
            done.append(now)
            now = None
        elif phase != "idle" and before == "idle":
            now = TrueCycle(second)
        if now is not None:
            _second(now, device, phase, second)
        before = phase
    return done


def _second(cycle: TrueCycle, device: Autoclave, phase: str, second: int) -> None:
    state = device.state
    cycle.phases_s[phase] = cycle.phases_s.get(phase, 0) + 1
    probes = {"load1_temp": state.load1, "load2_temp": state.load2}
    for tag, value in probes.items():
        if value >= 100.0:
            cycle.f0_min[tag] += 10.0 ** ((value - T_REF_C) / Z_K) / 60.0
    if phase not in {"heating", "sterilising"}:
        return
    points = (state.temp + DRAIN_K, *probes.values())
    if cycle.plateau_s is None and points[0] >= LOW_C:
        cycle.plateau_s = second
    if cycle.plateau_s is None or cycle.over:
        return
    if all(LOW_C <= value <= HIGH_C for value in points):
        cycle.entered_s = second if cycle.entered_s is None else cycle.entered_s
        cycle.held_s = second
    elif cycle.entered_s is not None and second - cycle.plateau_s <= ALLOWED_S:
        cycle.entered_s = cycle.held_s = None
    elif cycle.entered_s is not None:
        cycle.over = True
