"""The ground truth of figures against cases that can be counted by hand, and against the devices' own samples."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import simulators
from simulators.cnc import Cnc
from simulators.cold_room import ColdRoom
from simulators.device import HOUR_S, Cause
from simulators.figure_truth import (
    MODES,
    MachineTrace,
    PieceWeights,
    Shift,
    compressor_trace,
    machine_trace,
    mean_kinetic_c,
    room_trace,
    truck_trace,
    true_excursions,
)
from simulators.filler import Filler
from simulators.oee_truth import ELEMENTS, MachineTruth, WallShift, wall_of

SUNDAY_S = 1_774_738_800  # 2026-03-29 00:00 in Berlin; the clock goes from 02:00 to 03:00
NIGHT = WallShift("night", 1320, 360, weekdays=(5,))


def traced(*stretches: tuple[str, int], items: int = 0) -> MachineTrace:
    """A machine in these states for so many seconds each; `items` good ones a second in Execute."""
    mode = np.concatenate([np.full(seconds, MODES.index(name), np.uint8) for name, seconds in stretches])
    total = np.cumsum(np.where(mode == MODES.index("Execute"), items, 0))
    return MachineTrace(mode, total, total)


def test_the_truth_does_not_lean_on_what_it_judges():
    for name in ("figure_truth", "oee_truth", "sterilisation_truth", "journey_truth"):
        tree = ast.parse((Path(simulators.__file__).parent / f"{name}.py").read_text())
        rooms = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        rooms += [one.name for node in ast.walk(tree) if isinstance(node, ast.Import) for one in node.names]
        assert not [one for one in rooms if one.split(".")[0] in ("operators", "flows", "detectors", "alarms", "andon")]


def test_elements_stops_and_losses_of_a_machine_by_hand():
    machine = MachineTruth(
        traced(("Execute", 100), ("Held", 60), ("Execute", 40), ("Stopped", 61), ("Idle", 39), items=2),
        np.ones(300, np.bool_), micro_s=60,
    )  # fmt: skip
    elements = machine.elements_s(0, 300)
    assert elements == {**dict.fromkeys(ELEMENTS, 0), "apt": 140, "internal_stop": 60, "down": 61, "idle": 39}
    assert machine.stops_s(0, 300) == (61, 60), "as long as the limit is a micro-stop"
    assert machine.long_stops(0, 300) == [(200, 261)]
    assert machine.stops_s(0, 230) == (0, 90), "a stop that still stands is what its length so far says"
    assert machine.counts(1, 300) == (278, 278)
    losses = machine.losses_s(1, 300, 0.25)
    assert losses["lost"] == pytest.approx(299 - 0.25 * 278)
    assert sum(value for name, value in losses.items() if name != "lost") == pytest.approx(losses["lost"])


def test_only_what_comes_out_while_starting_is_lost_to_a_start_up():
    trace = traced(("Execute", 100), ("Completing", 3), ("Starting", 7))
    total = np.zeros(110, np.int64)
    total[100:], total[105:] = 1, 3  # one with the end of the run, two while it starts
    machine = MachineTruth(MachineTrace(trace.mode, total, np.zeros_like(total)), np.ones(110, np.bool_), micro_s=60)
    losses = machine.losses_s(1, 110, 10.0)
    assert (losses["startup"], losses["defect"]) == (20.0, 10.0)


def test_time_outside_shifts_is_planned_down_unless_it_produces():
    planned = np.zeros(100, np.bool_)
    machine = MachineTruth(traced(("Execute", 60), ("Held", 40)), planned, micro_s=60)
    assert machine.elements_s(0, 100) == {**dict.fromkeys(ELEMENTS, 0), "apt": 60, "planned_down": 40}
    assert machine.stops_s(0, 100) == (0, 0)


def test_a_night_shift_over_the_clock_change_has_an_hour_less():
    start_s = SUNDAY_S - 4 * HOUR_S
    berlin = wall_of("Europe/Berlin", [NIGHT], start_s, 12 * HOUR_S)
    assert np.count_nonzero(berlin.shift == "night") == 7 * HOUR_S
    assert set(berlin.day[berlin.shift == "night"]) == {"2026-03-28"}
    assert np.count_nonzero(berlin.planned) == 7 * HOUR_S
    day = wall_of("Europe/Berlin", [WallShift("all", 0, 720, breaks=((600, 30),))], SUNDAY_S, HOUR_S * 24)
    assert np.count_nonzero(day.planned) == 11 * HOUR_S - 1800 + HOUR_S, "eleven hours, and one of Monday"


@pytest.mark.parametrize("kind", [Filler, Cnc])
def test_a_trace_is_what_the_device_says_each_second(kind):
    trace, device = machine_trace(kind, 3, 3000), kind(3)
    for second in range(3000):
        told = dict(device.step())
        assert (MODES[trace.mode[second]], trace.total[second], trace.good[second]) == (
            told["state"], told["total"], told["good"],
        )  # fmt: skip


def test_temperatures_are_those_before_noise():
    trace, device = room_trace(3, 2000), ColdRoom(3)
    air = np.array([dict(device.step())["air"] for _ in range(2000)])
    assert np.abs(trace.air - air).max() <= 4 * 0.04 + 0.005
    assert np.abs(trace.air - air).max() > 0.05, "they are not the samples themselves"
    assert 3.0 < truck_trace(3, 2000).air.mean() < 6.0


def test_a_failure_of_the_room_is_an_excursion():
    def fails(asset: str, hour: int) -> Cause | None:
        return Cause("cold_room_cooling_failure", asset, 600, 2000, 0.3) if hour == 0 else None

    [one] = true_excursions(room_trace(3, 2 * HOUR_S, fails).air, 8.0, 0.5, 300)
    assert 600 < one.start_s < 2000 < one.end_s
    assert one.peak > 8.5
    assert true_excursions(room_trace(3, 2 * HOUR_S).air, 8.0, 0.5, 300) == []


def test_mean_kinetic_temperature_lies_between_mean_and_maximum():
    seconds = np.array([2.0] * 1800 + [8.0] * 1800)
    assert 5.0 < mean_kinetic_c(seconds) < 8.0
    assert mean_kinetic_c(np.full(10, 5.0)) == pytest.approx(5.0)


def test_a_compressor_runs_at_two_levels():
    trace = compressor_trace(3, 1000)
    assert set(np.round(trace.velocity, 6)) == {1.9, 2.05}
    assert 0 < trace.loaded.sum() < 1000


def test_pieces_have_the_mean_sigma_and_shift_that_they_say():
    pieces = PieceWeights(5, shifts=(Shift(60_000, 120_000, 2.0),))
    at, weight = pieces.until(240_000)
    inside = (at >= 60_000) & (at < 120_000)
    slack = 5 * pieces.sigma / np.sqrt(inside.sum())
    assert weight[~inside].mean() == pytest.approx(pieces.mean, abs=slack)
    assert weight[inside].mean() == pytest.approx(pieces.mean + 2 * pieces.sigma, abs=slack)
    assert weight[~inside].std() == pytest.approx(pieces.sigma, rel=5 / np.sqrt(2 * len(at)))
