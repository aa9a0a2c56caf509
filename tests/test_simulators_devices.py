"""The devices by themselves: deterministic, restorable, physically plausible, and quiet while nothing is wrong."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.errors import SourceError
from andon.plant import PACKML_STATES
from simulators.autoclave import PLATEAU_S, Autoclave, saturation_kpa, timetable
from simulators.cnc import Cnc
from simulators.cold_room import ColdRoom
from simulators.compressor import Compressor
from simulators.filler import IDEAL_CYCLE_S, Filler
from simulators.noise import Noise
from simulators.schedule import DEVICES, MENU, Plan
from simulators.truck import ROUTE, ROUTE_KM, Truck, distance_km, place, radio_back_s
from simulators.truth import demo_plant
from simulators.wave import Block

HOURS_3 = 3 * 3600
# What a healthy device keeps to, with room left to the rule's limit (unit of the tag)
QUIET = {
    (Filler, "fill_g"): (9.91, 10.09),  # rule: 9.85 to 10.15
    (Cnc, "spindle_temp"): (30.0, 55.0),  # rule: 65
    (Autoclave, "plateau_temp"): (121.4, 122.4),  # rule: 121.0
    (ColdRoom, "air"): (3.0, 7.5),  # rule: 8.0
    (Truck, "cargo_temp"): (2.5, 7.3),  # rule: 8.0
    (Compressor, "vibration"): (1.5, 2.5),
}


def samples(kind, seed, seconds, plan=None):
    """{tag: [(second, value)]} of a device's first seconds."""
    device = kind(seed, plan) if plan else kind(seed)
    found = {}
    for second in range(seconds):
        for tag, value in device.step():
            found.setdefault(tag, []).append((second, value))
    return found


@pytest.fixture(scope="module")
def quiet():
    """Three quiet hours of every device for ten seeds."""
    return {(kind, seed): samples(kind, seed, HOURS_3) for kind in DEVICES for seed in range(1, 11)}


@pytest.mark.parametrize("seed", range(1, 11))
def test_without_faults_no_limit_comes_near(quiet, seed):
    for (kind, tag), (low, high) in QUIET.items():
        values = [value for _, value in quiet[kind, seed][tag]]
        assert values
        assert low < min(values) <= max(values) < high, (kind.__name__, tag, min(values), max(values))


def test_every_value_fits_its_declaration(quiet):
    specs = demo_plant().series
    for (kind, _), found in quiet.items():
        declared = {tag for asset, tag in specs if asset == kind.asset}
        assert set(found) <= declared
        for tag, rows in found.items():
            spec = specs[kind.asset, tag]
            if spec.kind == "waveform":
                assert all(isinstance(value, Block) for _, value in rows)
                continue
            assert spec.unit == kind.units.get(tag, "1")
            for _, value in rows[::37]:
                if spec.kind == "state":
                    assert value in spec.states
                elif spec.kind == "boolean":
                    assert isinstance(value, bool)
                else:
                    assert spec.low <= value <= spec.high


@pytest.mark.parametrize("kind", DEVICES)
def test_the_same_seed_gives_the_same_samples_and_another_does_not(kind):
    assert samples(kind, 7, 1500, Plan(7)) == samples(kind, 7, 1500, Plan(7))
    assert samples(kind, 7, 1500) != samples(kind, 8, 1500)


@settings(max_examples=40)
@given(kind=st.sampled_from(DEVICES), seed=st.integers(0, 10_000), at=st.integers(0, 2000), more=st.integers(1, 700))
def test_a_restored_device_goes_on_as_the_other_would(kind, seed, at, more):
    plan = Plan(seed)
    device = kind(seed, plan)
    for _ in range(at):
        device.step()
    twin = kind(seed, plan)
    twin.restore(device.snapshot())
    assert [twin.step() for _ in range(more)] == [device.step() for _ in range(more)]
    assert twin.snapshot() == device.snapshot()


def test_a_snapshot_of_another_version_is_refused():
    device = Filler(1)
    content = json.loads(device.snapshot()) | {"version": 99}
    with pytest.raises(SourceError, match="99"):
        device.restore(json.dumps(content).encode())


def test_noise_has_an_address():
    one, other = Noise(1, "a", gauss=2, uniform=1), Noise(1, "a", gauss=2, uniform=1)
    assert [one.row(second) for second in (5, 4000, 6)] == [other.row(second) for second in (5, 4000, 6)]
    assert one.row(5) != Noise(2, "a", gauss=2, uniform=1).row(5) != Noise(1, "b", gauss=2, uniform=1).row(5)


def test_noise_is_cut_at_four_sigmas():
    noise = Noise(3, "a", gauss=20, uniform=1)
    rows = [noise.row(second) for second in range(12_000)]
    assert max(abs(number) for row in rows for number in row[:20]) == 4.0
    assert all(0.0 <= row[20] < 1.0 for row in rows)


def test_the_filler_counts_only_in_execute_and_never_faster_than_ideal(quiet):
    for seed in range(1, 11):
        found = quiet[Filler, seed]
        states = dict(found["state"])
        totals = [value for _, value in found["total"]]
        goods = [value for _, value in found["good"]]
        executing = sum(state == "Execute" for state in states.values())
        for second in range(1, HOURS_3):
            made = totals[second] - totals[second - 1]
            assert 0 <= goods[second] - goods[second - 1] <= made <= math.ceil(1 / IDEAL_CYCLE_S)
            assert not made or states[second] == "Execute"
        made, good = totals[-1] - totals[0], goods[-1] - goods[0]
        assert 0.93 < made * IDEAL_CYCLE_S / executing < 1.0
        assert 0.97 < good / made < 0.995
        assert {second for second, _ in found["fill_g"]} == {s for s, state in states.items() if state == "Execute"}


@pytest.mark.parametrize("kind", [Filler, Cnc])
def test_machines_stop_and_come_back_in_packml_order(quiet, kind):
    after = {
        "Execute": {"Suspending", "Holding", "Stopping", "Completing"}, "Suspending": {"Suspended"},
        "Suspended": {"Unsuspending"}, "Unsuspending": {"Execute"}, "Holding": {"Held"}, "Held": {"Unholding"},
        "Unholding": {"Execute"}, "Stopping": {"Stopped"}, "Stopped": {"Resetting"}, "Idle": {"Starting"},
        "Resetting": {"Idle", "Execute", "Suspending"}, "Starting": {"Execute"}, "Completing": {"Resetting"},
    }  # fmt: skip
    seen = set()
    for seed in range(1, 11):
        states = [value for _, value in quiet[kind, seed]["state"]]
        for one, other in pairwise(states):
            assert one == other or other in after[one], (one, other)
        seen |= set(states)
    assert seen <= set(PACKML_STATES)
    assert {"Execute", "Held", "Suspended"} <= seen


def test_the_spindle_follows_its_load(quiet):
    temp = [value for _, value in quiet[Cnc, 1]["spindle_temp"]]
    load = [value for _, value in quiet[Cnc, 1]["spindle_load"]]
    assert {round(value / 10) for value in load} >= {0, 4, 7}
    assert max(abs(b - a) for a, b in pairwise(temp)) < 1.5  # inertia; the rest is noise


def test_the_steriliser_keeps_a_full_plateau_on_the_steam_curve(quiet):
    for seed in range(1, 11):
        found = quiet[Autoclave, seed]
        phases = dict(found["phase"])
        plateau = [second for second, phase in phases.items() if phase == "sterilising"]
        assert [second for second, _ in found["plateau_temp"]] == plateau
        pressure = dict(found["chamber_pressure"])
        temp = dict(found["chamber_temp"])
        for second in plateau[::60]:
            assert pressure[second] == pytest.approx(saturation_kpa(temp[second]), abs=3.0)
        table = timetable(seed)
        for cycle in range(1, 4):
            begin = table.plateau_s(cycle)
            assert all(phases[second] == "sterilising" for second in range(begin, begin + PLATEAU_S))
            assert phases[begin - 1] == "heating"
            assert phases[begin + PLATEAU_S] == "exhaust"
            assert 2200 < table.start_s(cycle + 1) - table.start_s(cycle) < 2800


def test_the_steam_curve():
    assert saturation_kpa(100.0) == pytest.approx(101.4, abs=0.5)
    assert saturation_kpa(121.0) == pytest.approx(205.0, abs=0.7)  # IAPWS-IF97
    assert saturation_kpa(134.0) == pytest.approx(304.2, abs=1.0)


def test_the_cold_room_cycles_between_its_switching_points(quiet):
    for seed in range(1, 11):
        found = quiet[ColdRoom, seed]
        air = [value for _, value in found["air"]]
        doors = [value for _, value in found["door"]]
        assert min(air) < 4.1
        assert max(air) > 5.5
        assert sum(b and not a for a, b in pairwise(doors)) >= 2


def test_the_truck_stays_on_its_route(quiet):
    assert pytest.approx(64, abs=5) == ROUTE_KM
    for seed in range(1, 11):
        found = quiet[Truck, seed]
        latitudes, longitudes = (dict(found[tag]) for tag in ("latitude", "longitude"))
        for second in range(1, HOURS_3, 97):
            here, before = (latitudes[second], longitudes[second]), (latitudes[second - 1], longitudes[second - 1])
            assert distance_km(here, before) * 3600 < 100  # km/h, with GPS noise
        ends = [distance_km((latitudes[s], longitudes[s]), ROUTE[-1]) for s in range(0, HOURS_3, 60)]
        assert min(ends) < 0.1
        speeds = [value for _, value in found["speed"]]
        assert max(speeds) < 90
        assert speeds.count(0.0) > 400


def test_places_and_distances():
    assert distance_km((36.12, -86.67), (33.94, -118.40)) == pytest.approx(2886.44, abs=0.01)  # BNA to LAX
    assert place(0.0) == ROUTE[0]
    assert place(ROUTE_KM) == pytest.approx(ROUTE[-1])


@settings(max_examples=25)
@given(st.integers(0, 100_000))
def test_radio_holes_last_one_to_four_minutes(seed):
    slots = range(20)
    lengths = [sum(radio_back_s(seed, slot * 1200 + s) is not None for s in range(1200)) for slot in slots]
    assert all(length == 0 or 60 <= length < 240 for length in lengths)
    for second in range(0, 24_000, 7):
        back = radio_back_s(seed, second)
        assert back is None or (second < back and radio_back_s(seed, back) is None)


def test_the_compressor_loads_and_unloads(quiet):
    for seed in range(1, 11):
        found = quiet[Compressor, seed]
        pressure = [value for _, value in found["pressure"]]
        current = [value for _, value in found["current"]]
        assert 6.6 < min(pressure) < 6.85
        assert 7.55 < max(pressure) < 7.8
        assert min(current) < 45
        assert max(current) > 90
        longest = run = 0
        for one, other in pairwise(pressure):
            run = run + 1 if one == other else 0
            longest = max(longest, run)
        assert longest < 5  # rule: 300 s without a change


def test_the_menu_and_the_rules_name_the_same_limits():
    rules = {rule.id: rule for rule in demo_plant().config.rule}
    assert {kind.rule_id for kind in MENU} == set(rules)
    for kind in MENU:
        rule = rules[kind.rule_id]
        spec = demo_plant().series[kind.asset, kind.tag]
        assert demo_plant().rules_for(spec) == [rule]
        assert rule.raises == kind.kind
        low, high = rule.outside or (rule.below, rule.above)
        assert (low, high) == (kind.low, kind.high)
        assert rule.delay_s + (rule.stale_s or rule.stuck_s or 0) == kind.hold_s
        for texts in (rule.name, rule.consequence, rule.response):
            assert set(texts) == {"en", "zh-CN"}
