"""What must not pass for a good cycle: transmitters off the scale, doubtful phases, loads that are mixed up."""

from __future__ import annotations

import math

import pytest

from andon.config.sterilisation import SterilisationProgram
from andon.readings import NS_PER_S
from operators.lethality import rate
from operators.sterilisation_machine import specs
from tests.sterilisation_world import ASSET, PROGRAM, Event, cycle, made, plant

STEAM = specs(plant(), ASSET)[0]
WASHER = SterilisationProgram(name="surgical", kind="disinfection", temperature=90.0, hold_s=60.0, a0_s=600.0)


def marked(rows, seconds):
    """The rows, those of these seconds uncertain."""
    return [(*row, 1) if row[0] in seconds else row for row in rows]


def washing(hot=90.0, until=115):
    phase = [(0, "idle"), (10, "heating"), (50, "sterilising"), (until, "drying"), (until + 15, "idle")]
    return {"phase": phase, "drain": [(at, hot if 20 <= at < until else 40.0) for at in range(until + 25)]}


@pytest.mark.parametrize("kpa", [0.0, 0.3, 30_000.0])
def test_a_pressure_that_no_steam_has_is_not_saturated(kpa):
    log = cycle()
    log["pressure"] = [(at, kpa if 120 <= at < 130 else value) for at, value in log["pressure"]]
    main = made(STEAM, log)[0]
    assert main.about["failed"] == "saturation"
    assert all(value is None or math.isfinite(value) for value in main.parts.values())


@pytest.mark.parametrize("state", ["sterilising", "exhaust"])
def test_an_uncertain_begin_or_end_of_the_exposure_cannot_pass(state):
    log = cycle()
    log["phase"] = [(at, name, 1) if name == state else (at, name) for at, name in log["phase"]]
    assert made(STEAM, log)[0].about["undecided"] == "uncertain"
    wash = washing()
    wash["phase"] = [(at, name, 1) if name == "sterilising" else (at, name) for at, name in wash["phase"]]
    assert made(specs(plant((WASHER,), probes=()), ASSET)[0], wash)[0].parts["verdict"] is None


def test_a_pulse_of_uncertain_pressure_removes_no_air_for_sure():
    three = specs(plant((PROGRAM.model_copy(update={"pulses": 2}),)), ASSET)[0]
    assert made(three, cycle())[0].parts["verdict"] == 1.0
    log = cycle()
    log["pressure"] = marked(log["pressure"], range(10, 30))
    main = made(three, log)[0]
    assert main.about["undecided"] == "air_removal"
    assert main.parts["air_removal_ok"] is None
    assert made(STEAM, log)[0].parts["verdict"] == 1.0  # a program that asks for no pulses


@pytest.mark.parametrize("broken", [850.0, 1e6, 1e300])
def test_a_broken_thermometer_is_not_a_hot_one(broken):
    washer = specs(plant((WASHER,), probes=()), ASSET)[0]
    [main] = made(washer, washing(hot=broken))
    assert (main.parts["a0"], main.parts["verdict"]) == (0.0, 0.0)
    log = cycle()
    log["p1"] = [(at, broken if at == 95 else value) for at, value in log["p1"]]
    for one in made(STEAM, log):
        assert all(value is None or math.isfinite(value) for value in one.parts.values())
        assert one.parts["f0"] < 10.0
    assert rate(374.0, 121.11, 10.0, 100.0) == 0.0


def test_a_probe_that_never_came_has_no_f0():
    main, first, second = made(STEAM, cycle() | {"p2": []})
    assert (main.parts["f0"], second.parts["f0"]) == (None, None)
    assert first.parts["f0"] > 0.0
    assert main.parts["lethality_ok"] is None


def test_an_uncertain_own_value_agrees_with_nothing():
    spec = specs(plant((PROGRAM.model_copy(update={"own_f0_min": 5.0}),)), ASSET)[0]
    assert made(spec, cycle() | {"own": [(195, 1.9)]})[0].parts["own_value_ok"] == 1.0
    main = made(spec, cycle() | {"own": [(195, 1.9, 1)]})[0]
    assert (main.parts["own_f0"], main.parts["own_value_ok"], main.parts["verdict"]) == (None, None, None)


def test_what_was_said_of_a_load_that_never_ran_is_not_said_of_the_next():
    events = [
        Event(1 * NS_PER_S, "load.started", {"load": "A", "bi_lot": "BI-1", "lot": "L-1"}),
        Event(3 * NS_PER_S, "load.started", {"load": "B"}), Event(4 * NS_PER_S, "cycle.started", {"cycle": 7}),
    ]  # fmt: skip
    about = made(STEAM, cycle(), events)[0].about
    assert (about["load"], about["cycle"]) == ("B", "7")
    assert not {"bi_lot", "lot"} & about.keys()


def test_two_loads_in_one_cycle_are_not_told_apart():
    events = [Event(1 * NS_PER_S, "load.started", {"load": "A"}), Event(99 * NS_PER_S, "load.started", {"load": "B"})]
    assert made(STEAM, cycle(), events)[0].about["undecided"] == "load"
    same = [Event(1 * NS_PER_S, "load.started", {"load": "A"}), Event(99 * NS_PER_S, "cycle.started", {"load": "A"})]
    assert made(STEAM, cycle(), same)[0].parts["verdict"] == 1.0
