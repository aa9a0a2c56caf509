"""What the simulated washer, ethylene oxide steriliser and leak tests truly did, from their hidden states.

Nothing here is measured: no noise, no rounding, no sampling of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from simulators.device import CauseOf, no_causes
from simulators.eo_steriliser import EoState, EoSteriliser
from simulators.leak_test import LeakState, LeakTest
from simulators.phases import Phased
from simulators.washer import Washer, WasherState


@dataclass(slots=True)
class TrueRun:
    """A cycle in seconds of the simulation, [begin_s, end_s). phases_s: first second of each phase after idle."""

    begin_s: int
    end_s: int = 0
    phases_s: dict[str, int] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)


def true_washes(seed: int, seconds: int, low_c: float, cause_of: CauseOf = no_causes) -> list[TrueRun]:
    """values: a0 [s] of the load; hold_s: water and load at least low_c in the disinfection without a break."""
    device = Washer(seed, cause_of)
    runs: list[TrueRun] = []
    for run, phase, _ in _seconds(device, seconds, runs):
        before: WasherState = device.state
        if phase == "disinfection":
            _hold(run, inside=min(before.water, before.load) >= low_c)
        device.step()
        if phase == "disinfection":
            run.values["a0"] = device.state.a0
    return [run for run in runs if run.end_s]


def true_eo_cycles(
    seed: int, seconds: int, limits: dict[str, tuple[float, float]], cause_of: CauseOf = no_causes
) -> list[TrueRun]:
    """values: hold_s within limits (by names of `EoState`), gas [mg/l] at the begin of the exposure, extremes of it."""
    device = EoSteriliser(seed, cause_of)
    runs: list[TrueRun] = []
    for run, phase, _ in _seconds(device, seconds, runs):
        state: EoState = device.state
        if phase == "exposure":
            inside = all(low <= getattr(state, name) <= high for name, (low, high) in limits.items())
            held = _hold(run, inside=inside)
            for name in ("humidity", "gas", "pressure"):
                value = float(getattr(state, name))
                run.values.setdefault(f"{name}_first", value)
                if held:
                    run.values[f"{name}_min"] = min(value, run.values.get(f"{name}_min", value))
                    run.values[f"{name}_max"] = max(value, run.values.get(f"{name}_max", value))
        device.step()
    return [run for run in runs if run.end_s]


def true_leaks(seed: int, seconds: int, settle_s: int, hold_s: int, cause_of: CauseOf = no_causes) -> list[TrueRun]:
    """values: leak [kPa/min] of air over the measuring time, vacuum [kPa] at its begin."""
    device = LeakTest(seed, cause_of)
    runs: list[TrueRun] = []
    for run, phase, second in _seconds(device, seconds, runs):
        state: LeakState = device.state
        into_s = second - run.phases_s.get("leak_test", second)
        if phase == "leak_test" and into_s == settle_s:
            run.values |= {"vacuum": state.pressure, "before": state.leaked}
        if phase == "leak_test" and into_s == settle_s + hold_s:
            run.values["leak"] = (state.leaked - run.values["before"]) / hold_s * 60.0
        device.step()
    return [run for run in runs if run.end_s]


def _hold(run: TrueRun, *, inside: bool) -> bool:
    """Whether the first unbroken time inside goes on; its length in hold_s."""
    values = run.values
    if inside and "over" not in values:
        values["hold_s"] = values.get("hold_s", 0.0) + 1.0
        return True
    if values.get("hold_s"):
        values["over"] = 1.0
    return False


def _seconds(device: Phased[Any], seconds: int, runs: list[TrueRun]) -> Iterator[tuple[TrueRun, str, int]]:
    """(run, phase, second) of every second of every cycle; the device is to be stepped by whoever asks."""
    for second in range(seconds):
        now = device.phases.at(second)
        if now.phase == "idle":
            if runs and not runs[-1].end_s:
                runs[-1].end_s = second
            device.step()
            continue
        if not runs or runs[-1].end_s:
            runs.append(TrueRun(second))
        runs[-1].phases_s.setdefault(now.phase, second)
        yield runs[-1], now.phase, second
