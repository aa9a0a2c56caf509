"""Figures of the simulated washer, ethylene oxide steriliser and leak tests against what they truly did.

Readings pass the whole engine of a shard. Tolerances are those that noise and sampling justify, said at each.
"""

from __future__ import annotations

from functools import cache
from math import exp, log, sqrt

import pytest

from simulators.cycle_truth import true_eo_cycles, true_leaks, true_washes
from simulators.eo_steriliser import EVERY_S, NOISE, EoSteriliser
from simulators.leak_test import NOISE_KPA, WET_KPA, WET_TAU_S, LeakTest
from simulators.washer import NOISE_C, Washer
from tests import cycle_world as world
from tests.cycle_world import START_S, S

pytestmark = pytest.mark.timeout(300)
SIGMAS = 5.0
LATE_S = 1800
LIMITS = {"chamber": world.RANGES["temperature"], "load": world.RANGES["temperature"]} | {
    "humidity": world.RANGES["humidity"], "gas": world.RANGES["concentration"],
}  # fmt: skip


@cache
def told(kind, asset, tag):
    """(begin_s, end_s, figure) of the final figures, the newest revision of each."""
    mine = [one for one in figures()[0] if (one.kind, one.asset, one.tag) == (kind, asset, tag)]
    newest = {one.start_ns: one for one in mine if "cut" not in one.about.get("undecided", "")}  # sent no further
    return [(one.start_ns // S - START_S, one.end_ns // S - START_S, one) for _, one in sorted(newest.items())]


@cache
def figures():
    return world.run(events())


def events():
    """Of the first EO load a control that is told late, of the last a release too early, and growth afterwards."""
    first, *_, last = eo_cycles()
    asset = EoSteriliser.asset

    def event(at_s, name, late_s=0, **data):
        return at_s + late_s, world.body(at_s, asset, event=name, data=data)

    def result(at_s, load, kind, outcome, late_s=0):
        return event(at_s, "bi.result", late_s, load=load, kind=kind, result=outcome, indicator=f"{load} {kind}")

    return [
        event(first.begin_s - 60, "load.started", load="E1"), event(last.begin_s - 60, "load.started", load="E2"),
        result(first.end_s + 600, "E1", "control", "positive", late_s=LATE_S),
        result(first.end_s + 600, "E1", "exposed", "negative"),
        event(first.end_s + 700, "load.released", load="E1", by="QA"),
        event(last.end_s + 100, "load.released", load="E2", by="QA"),
        result(last.end_s + 900, "E2", "exposed", "positive"),
    ]  # fmt: skip


def inside(true, seconds):
    """The cycles that ended by then."""
    assert len(true) >= 3
    return [one for one in true if one.end_s < seconds]


def test_every_cycle_is_there_with_its_phases():
    for kind, asset, tag, true in (
        ("disinfection", Washer.asset, "water_temp", washes()),
        ("eo_cycle", EoSteriliser.asset, "chamber_temp", eo_cycles()),
    ):
        assert [one[:2] for one in told(kind, asset, tag)] == [(one.begin_s, one.end_s) for one in true]
        for (_, _, one), run in zip(told(kind, asset, tag), true, strict=True):
            exposure = "disinfection" if "disinfection" in run.phases_s else "exposure"
            after = min(at for at in run.phases_s.values() if at > run.phases_s[exposure])
            assert one.parts["exposure_s"] == after - run.phases_s[exposure]


def washes():
    return inside(true_washes(world.SEED, world.WASHER_S, world.LOW_C, world.cause_of), world.WASHER_S)


def eo_cycles():
    return inside(true_eo_cycles(world.SEED, world.EO_S, LIMITS, world.cause_of), world.EO_S)


def test_a0_and_its_verdict_are_what_the_load_had():
    """A reading's noise moves its rate by ln(10)/10 of it; over n readings by 1 / sqrt(n). Trapezoids add 1e-4."""
    found = told("disinfection", Washer.asset, "water_temp")
    assert len(found) > max(world.LOST_WASH, world.WEAK_WASH)
    for number, ((begin, _, one), true) in enumerate(zip(found, washes(), strict=True)):
        if number == world.LOST_WASH:
            assert true.values["a0"] > world.A0_S, "the load had it; the record does not show it"
            assert (one.parts["verdict"], one.parts["missing_s"]) == (None, one.parts["exposure_s"])
            assert "missing" in one.about["undecided"]
            continue
        seconds = one.parts["exposure_s"]
        tolerance = SIGMAS * log(10.0) / 10.0 * NOISE_C / sqrt(seconds) + 1e-4
        assert one.parts["a0"] == pytest.approx(true.values["a0"], rel=tolerance), begin
        assert abs(true.values["a0"] - world.A0_S) > tolerance * world.A0_S, "clear enough to judge"
        assert one.parts["lethality_ok"] == float(true.values["a0"] >= world.A0_S)
        # its ends are known to a reading each, and to how often noise puts a reading beyond the limit near them
        assert one.parts["hold_s"] == pytest.approx(true.values.get("hold_s", 0.0), abs=4.0)
        assert one.parts["verdict"] == float(number != world.WEAK_WASH)


def test_a_leak_is_what_came_in():
    """Two readings' noise over the time, and what drops still give off after settling: nobody can tell that apart."""
    minutes = world.MEASURE_S / 60.0
    wet = WET_KPA * exp(-world.SETTLE_S / WET_TAU_S) / minutes
    tolerance = SIGMAS * sqrt(2.0) * NOISE_KPA / minutes
    true = inside(true_leaks(world.SEED, world.LEAK_S, world.SETTLE_S, world.MEASURE_S, world.cause_of), world.LEAK_S)
    found = told("leak_test", LeakTest.asset, "chamber_pressure")
    assert len(found) == len(true) >= 5
    for number, ((begin, _, one), run) in enumerate(zip(found, true, strict=True)):
        cooling = one.parts["temperature_change"] / 323.15 * one.parts["vacuum"] / minutes
        assert begin == run.phases_s["leak_test"]
        assert -tolerance <= one.parts["leak"] - cooling - run.values["leak"] <= tolerance + wet
        assert one.parts["vacuum"] == pytest.approx(run.values["vacuum"], abs=SIGMAS * NOISE_KPA)
        assert one.parts["temperature_change"] == pytest.approx(-0.002 * world.MEASURE_S, abs=0.2)
        assert abs(run.values["leak"] - world.MOST_KPA_MIN) > tolerance + wet, "clear enough to judge"
        assert (
            (one.parts["verdict"] == 1.0) == (run.values["leak"] <= world.MOST_KPA_MIN) == (number != world.WORN_TEST)
        )


def test_an_eo_cycle_is_what_the_chamber_held():
    cycles = told("eo_cycle", EoSteriliser.asset, "chamber_temp")
    for number, ((_, _, one), true) in enumerate(zip(cycles, eo_cycles(), strict=True)):
        values, parts = true.values, one.parts
        noise = {"humidity": NOISE["humidity"], "concentration": NOISE["gas"], "pressure": NOISE["pressure"]}
        if values.get("hold_s"):
            # an extreme of n readings lies up to some sigmas outside, or up to what ten seconds change inside
            for name, key in (("humidity", "humidity"), ("concentration", "gas"), ("pressure", "pressure")):
                room = SIGMAS * noise[name] + 0.01 * values[f"{key}_max"]
                assert parts[f"{name}_min"] == pytest.approx(values[f"{key}_min"], abs=room), (number, name)
                assert parts[f"{name}_max"] == pytest.approx(values[f"{key}_max"], abs=room), (number, name)
        # up to ten seconds of the injection are not in the last reading before the exposure; humidity moves a little
        missed = EVERY_S / (true.phases_s["exposure"] - true.phases_s["injection"])
        rest = SIGMAS * sqrt(2.0) * NOISE["pressure"] / parts["gas_rise"] + 0.005
        assert -missed - rest <= parts["gas"] / values["gas_first"] - 1.0 <= rest, number
        held = values.get("hold_s", 0.0)
        crossing_s = SIGMAS * NOISE["humidity"] / HUMIDITY_SLOPE if number == world.DRY else 0.0
        assert parts["hold_s"] == pytest.approx(held, abs=2 * EVERY_S + crossing_s), number
        assert one.about["undecided"] == "bi"
        failed = {world.LOW_GAS: "equilibration hold", world.DRY: "hold"}.get(number, "")
        assert (one.about.get("failed", ""), parts["verdict"]) == (failed, 0.0 if failed else None)
    assert cycles[world.DRY][2].about["departed"] == "humidity low"


HUMIDITY_SLOPE = (40.0 - 25.0) / 1500.0  # % a second where the dry chamber crosses the limit


def test_a_load_is_proved_released_too_early_and_found_to_have_grown():
    releases, changes = told("load_release", EoSteriliser.asset, "chamber_temp"), figures()[1]
    names = ("verdict", "released", "unproven")
    shown = [(one.about["load"], *(one.parts[name] for name in names)) for _, _, one in releases]
    assert shown == [
        ("E1", 1.0, None, None), ("E1", 1.0, 1.0, 0.0), ("E2", None, 1.0, 1.0), ("E2", 0.0, 1.0, 1.0),
    ]  # fmt: skip
    assert [one.revision for _, _, one in releases] == [2, 2, 1, 1], "what was told before the late one was corrected"
    e1, e2 = releases[1][2].start_ns, releases[2][2].start_ns
    assert [(one.kind, one.start_ns, one.voided) for one in changes if one.rule_id == "unproven"] == [
        ("raised", e1, False), ("revised", e1, True), ("raised", e2, False),
    ]  # fmt: skip
    grown = releases[3][2].start_ns
    told_now = [(one.rule_id, one.start_ns) for one in changes if one.kind == "raised" and one.rule_id != "unproven"]
    assert told_now == [("unproven-now", e1), ("unproven-now", e2), ("failed-now", grown)], "one a load and reason"
    assert [(one.rule_id, one.start_ns) for one in changes if one.voided] == [("unproven", e1), ("unproven-now", e1)]


@pytest.mark.parametrize("kind", [Washer, EoSteriliser, LeakTest])
def test_a_device_goes_on_from_where_it_was_taken_over(kind):
    device = kind(7, world.cause_of)
    for _ in range(4000):
        device.step()
    twin = device.clone()
    assert [device.step() for _ in range(3000)] == [twin.step() for _ in range(3000)]
    assert twin.snapshot() == device.snapshot() != kind(8, world.cause_of).snapshot()
