"""Faults: drawn from the seed, spread over the hours, and labelled by the device's own physics."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.readings import NS_PER_S
from simulators.autoclave import PLATEAU_S, timetable
from simulators.cold_room import ColdRoom
from simulators.compressor import Compressor
from simulators.schedule import DEVICES, KINDS, MARGIN_S, MENU, Fault, Plan, cause_of, label, second_ns

SEEDS = st.integers(0, 1_000_000)
HOURS = st.integers(0, 500)
ASSETS = {kind.asset: kind for kind in DEVICES}


def labelled(seed, asset, hour=0, start_ns=0):
    """(fault, samples of its tag from the cause on to the end of the hour) as the device itself sends them."""
    cause = cause_of(seed, asset, hour)
    if cause is None:
        return None, []
    device = ASSETS[asset](seed, Plan(seed))
    while device.second < cause.start_s:
        device.step()
    fault = label(device, cause, start_ns)
    values = []
    while device.second < (hour + 1) * 3600:
        second = device.second
        values += [(second, value) for tag, value in device.step() if tag == fault.tag]
    return fault, values


@given(SEEDS, st.sampled_from(sorted(ASSETS)), HOURS)
def test_a_cause_keeps_to_its_hour_and_leaves_time_to_recover(seed, asset, hour):
    cause = cause_of(seed, asset, hour)
    if cause is None:
        return
    kind = KINDS[cause.name]
    assert kind.asset == asset == cause.asset
    assert hour * 3600 + 8 * 60 <= cause.start_s <= hour * 3600 + 28 * 60
    assert cause.start_s + kind.length_s[0] <= cause.end_s <= hour * 3600 + 55 * 60
    assert 0.0 <= cause.size < 1.0
    assert cause == cause_of(seed, asset, hour)


@settings(max_examples=25)
@given(SEEDS)
def test_everybody_sees_the_cold_room_and_the_compressor_in_the_first_40_minutes(seed):
    excursion, _ = labelled(seed, ColdRoom.asset)
    wear, _ = labelled(seed, Compressor.asset)
    assert excursion.rule_id == "cold-room-high"
    assert (wear.rule_id, wear.kind) == ("compressor-anomaly", "maintenance_order")
    assert max(excursion.confirm_by_ns, wear.confirm_by_ns) <= 40 * 60 * NS_PER_S


@given(SEEDS)
def test_a_low_plateau_begins_and_ends_inside_one_plateau(seed):
    for hour in range(6):
        cause = cause_of(seed, "sterile/autoclave1", hour)
        if cause is not None:
            table = timetable(seed)
            begin = table.plateau_s(table.cycle_at(cause.start_s))
            assert begin < cause.start_s < cause.end_s + 200 < begin + PLATEAU_S


def test_faults_move_with_the_seed_and_all_of_the_menu_comes_up():
    drawn = Counter()
    firsts = set()
    for seed in range(1, 31):
        causes = [cause_of(seed, asset, hour) for hour in range(4) for asset in ASSETS]
        drawn.update(cause.name for cause in causes if cause)
        firsts.add(tuple(cause.start_s for cause in causes[:6] if cause))
        assert sum(cause is None for cause in causes) < 14
    assert set(drawn) == {kind.name for kind in MENU}
    assert len(firsts) == 30


def test_no_faults_when_switched_off():
    assert all(Plan(3, faults=False)(asset, hour) is None for asset in ASSETS for hour in range(50))


@pytest.mark.parametrize("kind", [kind for kind in MENU if kind.low is not None or kind.high is not None])
def test_the_crossing_lies_in_its_window_and_lasts(kind):
    """Against the readings themselves: none beyond before, all beyond after, for as long as the rule demands."""
    tried = 0
    for seed in range(1, 21):
        fault, values = labelled(seed, kind.asset)
        if fault is None or fault.name != kind.name:
            continue
        tried += 1
        beyond = [
            (second, (kind.high is not None and value > kind.high) or (kind.low is not None and value < kind.low))
            for second, value in values
        ]
        earliest, latest = fault.earliest_ns // NS_PER_S + MARGIN_S, fault.latest_ns // NS_PER_S - MARGIN_S
        confirm, end = fault.confirm_by_ns // NS_PER_S, fault.end_ns // NS_PER_S
        assert not any(out for second, out in beyond if second < earliest)
        assert dict(beyond)[earliest]
        assert all(out for second, out in beyond if latest <= second <= latest + kind.hold_s)
        assert latest + kind.hold_s <= confirm - 60 - kind.report_s <= end
        assert latest - earliest <= 150
        back = [second for second, out in beyond if second > end and not out]
        assert back, "the reading never comes back"
        assert not any(out for second, out in beyond if second > back[0] + 420)
        assert back[0] < 59 * 60
    assert tried >= 5


def test_the_cold_room_stays_out_for_more_than_ten_minutes_and_recovers():
    for seed in range(1, 16):
        fault, values = labelled(seed, ColdRoom.asset)
        out = [second for second, value in values if value > 8.0]
        assert fault.end_ns // NS_PER_S - (fault.latest_ns // NS_PER_S) > 600
        assert len(out) > 660
        assert values[-1][1] < 6.5
        assert 9.0 < max(value for _, value in values) < 20.0


def test_bearing_wear_is_plain_by_the_end_of_its_window():
    for seed in range(1, 16):
        fault, values = labelled(seed, Compressor.asset)
        worn = [value for second, value in values if fault.latest_ns <= second * NS_PER_S < fault.end_ns]
        assert min(worn) > 3.2  # healthy: below 2.6
        assert max(value for second, value in values if second * NS_PER_S > fault.end_ns) < 2.6


def test_sensors_that_stick_or_fall_silent():
    seen = set()
    for seed in range(1, 30):
        fault, values = labelled(seed, Compressor.asset, 1)
        if fault is None or fault.name == "bearing_wear":
            continue
        seen.add(fault.name)
        begin, end = fault.start_ns // NS_PER_S, fault.end_ns // NS_PER_S
        during = [value for second, value in values if begin <= second < end]
        after = [value for second, value in values if second >= end]
        assert len(set(after)) > 5
        assert end - begin > KINDS[fault.name].hold_s + 300
        assert len(set(during)) == (1 if fault.name == "pressure_stuck" else 0)
        assert fault.earliest_ns <= fault.start_ns - NS_PER_S < fault.start_ns <= fault.latest_ns
    assert seen == {"pressure_stuck", "oil_temp_silent"}


@settings(max_examples=10)
@given(SEEDS, st.integers(0, 2**62))
def test_labels_are_stamps_of_the_messages(seed, start_ns):
    fault, _ = labelled(seed, ColdRoom.asset, start_ns=start_ns)
    at_zero, _ = labelled(seed, ColdRoom.asset)
    assert fault.start_ns - at_zero.start_ns == second_ns(start_ns, 0)
    assert fault.earliest_ns <= fault.latest_ns < fault.confirm_by_ns
    assert fault.start_ns % 1_000_000 == 0
    assert Fault.from_json(fault.to_json()) == fault


def test_labelling_leaves_the_device_alone():
    device = ColdRoom(4, Plan(4))
    cause = cause_of(4, ColdRoom.asset, 0)
    while device.second < cause.start_s:
        device.step()
    before = device.snapshot()
    label(device, cause, 0)
    assert device.snapshot() == before
