"""Andon's figures of a simulated week against what the devices truly did, over the night of a clock change.

Tolerances are those that noise and sampling justify, said at each; where a device tells every change there is none.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from simulators.figure_truth import mean_kinetic_c, true_excursions
from simulators.oee_truth import ELEMENTS, MachineTruth, wall_of
from simulators.sterilisation_truth import true_cycles
from tests import week_world as world
from tests.week_world import (
    BERLIN,
    CNC,
    CNC_CYCLE_S,
    COMPRESSOR,
    EVERY_S,
    FILLER,
    HIGH_C,
    HOLD_OFF_S,
    HYSTERESIS_C,
    LOST_S,
    LOT,
    LOT_S,
    MICRO_S,
    OFFSETS_C,
    PIECES,
    RESET_S,
    ROOM,
    ROOM_NOISE_C,
    SCALE,
    SHANGHAI,
    SHIFTS,
    START_S,
    STERILE_S,
    STERILISER,
    SWAP_S,
    TRUCK,
    TRUCK_NOISE_C,
    VELOCITY_NOISE,
    WEEK_S,
    S,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # the first test waits for the week
HOLD_S = 3 * EVERY_S  # how long a temperature stands
SIGMAS = 5.0  # a mean of noise is further off once in two million
MILLION = 1_000_000
PROBES = ("load1_temp", "load2_temp")


@cache
def told(timezone: str, how: str = "on time"):
    """Final figures by key, and what was told before of those that changed."""
    sent = world.as_a_field_sends() if how == "field" else world.on_time()
    if timezone == SHANGHAI:  # of the other zone only what rests on its shifts
        sent = [one for one in sent if b'"tick"' in one[1] or FILLER.encode() in one[1] or CNC.encode() in one[1]]
    return world.figures(sent, timezone)


def of(kind: str, asset: str, tag: str, timezone: str = BERLIN):
    """[(begin_s, end_s, figure)] in order of time, seconds of the week."""
    found, _ = told(timezone)
    some = [one for key, one in sorted(found.items(), key=lambda item: item[0][3]) if key[:3] == (kind, asset, tag)]
    return [(one.start_ns // S - START_S, one.end_ns // S - START_S, one) for one in some]


@cache
def truth(asset: str, timezone: str) -> tuple[MachineTruth, object]:
    wall = wall_of(timezone, SHIFTS, START_S, WEEK_S)
    trace = world.week().filler if asset == FILLER else world.week().cnc
    return MachineTruth(trace, wall.planned, MICRO_S), wall


def oee_of(asset: str, timezone: str):
    """Its windows inside the week; what follows is the time the last state still stands."""
    return [one for one in of("oee", asset, "state", timezone) if one[0] < WEEK_S]


ZONES = pytest.mark.parametrize("timezone", [BERLIN, SHANGHAI])
MACHINES = pytest.mark.parametrize("asset", [FILLER, CNC])


def test_the_week_holds_what_it_is_about():
    """It also pays for simulating it, so that no other test waits for that too."""
    now = world.week()
    assert len(now.filler.mode) == len(now.room.air) == WEEK_S == 167 * 3600, "an hour less than seven days"
    assert now.cnc.total[-1] - now.cnc.total[0] > 2 * world.MODULUS, "its counter wraps"
    assert now.filler.total[RESET_S - 1] > 0
    assert len(true_excursions(now.room.air, HIGH_C, HYSTERESIS_C, HOLD_OFF_S)) >= 3
    assert len(world.lines()) > 600_000


@ZONES
@MACHINES
def test_windows_of_a_machine_tile_the_week_and_end_with_shifts_and_orders(asset, timezone):
    windows = oee_of(asset, timezone)
    ends = [0, *(end for _, end, _ in windows)]
    assert [begin for begin, _, _ in windows] == ends[:-1]
    assert ends[-1] == WEEK_S
    _, wall = truth(asset, timezone)
    for begin, end, one in windows:
        shifts = {*zip(wall.shift[begin:end].tolist(), wall.day[begin:end].tolist(), strict=True)}
        assert len(shifts) == 1 or not all(shift for shift, _ in shifts)
        shift, day = wall.shift[begin], wall.day[begin]
        assert one.about.get("shift", "") == shift
        assert not shift or one.about["day"] == day
        if asset == FILLER:
            order = max((order for order in world.orders() if order[0] <= begin), key=lambda order: order[0])
            assert (one.about["order"], one.about["product"]) == order[1:3]


@ZONES
@MACHINES
def test_time_elements_are_true_to_the_second_and_sum_to_the_window(asset, timezone):
    """States are told when they change, so no tolerance."""
    machine, _ = truth(asset, timezone)
    for begin, end, one in oee_of(asset, timezone):
        parts, true = one.parts, machine.elements_s(begin, end)
        assert {name: parts[f"{name}_s"] for name in ELEMENTS} == true
        assert parts["unknown_s"] == 0.0
        assert parts["calendar_s"] == end - begin
        assert sum(parts[f"{name}_s"] for name in ELEMENTS) == end - begin
        assert parts["pbt_s"] == end - begin - true["planned_down"]


@ZONES
@MACHINES
def test_losses_are_true_and_sum_to_the_lost_time(asset, timezone):
    """Counters are told each ten seconds, the last time in the last second of a window: so no tolerance but rounding.

    What is made while a counter has no value yet, or between its last value and its reset, nobody can know.
    """
    machine, _ = truth(asset, timezone)
    for begin, end, one in oee_of(asset, timezone):
        order = max((order for order in world.orders() if order[0] <= begin), key=lambda order: order[0])
        cycle_s = order[3] if asset == FILLER else CNC_CYCLE_S
        parts, unseen = one.parts, unseen_of(machine, asset, begin, end)
        made, good = (true - missed for true, missed in zip(machine.counts(max(begin, 1), end), unseen, strict=True))
        assert (parts["pq"], parts["gq"]) == (made, good)
        true = machine.losses_s(max(begin, 1), end, cycle_s)
        breakdown, micro = machine.stops_s(begin, end)
        assert (parts["breakdown_s"], parts["micro_stop_s"]) == (breakdown, micro)
        assert parts["transition_s"] + parts["setup_s"] == machine.elements_s(begin, end)["transition"]
        speed = machine.elements_s(begin, end)["apt"] - cycle_s * made
        assert parts["speed_loss_s"] == pytest.approx(speed, abs=1e-6)
        assert parts["startup_loss_s"] == true["startup"] == 0.0, "simulated machines make items in Execute alone"
        assert parts["defect_loss_s"] == pytest.approx(cycle_s * (made - good), abs=1e-6)
        lost = parts["pbt_s"] - cycle_s * good
        assert parts["lost_s"] == pytest.approx(lost, abs=1e-6)
        if unseen == (0, 0) and begin:
            assert parts["lost_s"] == pytest.approx(true["lost"], abs=1e-6)
        names = ("breakdown", "micro_stop", "transition", "setup", "speed_loss", "defect_loss", "startup_loss", "idle")
        losses = sum(parts[f"{name}_s"] for name in (*names, "external_stop"))
        assert round(losses * MILLION) == round(parts["lost_s"] * MILLION)


def unseen_of(machine: MachineTruth, asset: str, begin: int, end: int) -> tuple[int, int]:
    """Items (all, good) of a window that no sample tells of."""
    if begin == 0:
        return machine.counts(1, EVERY_S)
    if asset == FILLER and begin <= RESET_S < end:
        return machine.counts(RESET_S - RESET_S % EVERY_S, RESET_S)
    return 0, 0


@MACHINES
def test_stops_and_their_number_are_true(asset):
    machine, _ = truth(asset, BERLIN)
    windows = oee_of(asset, BERLIN)
    assert sum(one.parts["failures"] for _, _, one in windows) == len(machine.long_stops(0, WEEK_S))
    long = [one for one in of("oee_stop", asset, "state") if one[2].parts["own"] and one[0] < WEEK_S]
    assert [(begin, end) for begin, end, _ in long] == machine.long_stops(0, WEEK_S)


def test_the_night_of_the_clock_change_has_seven_hours_where_the_clock_changes():
    lengths = {
        timezone: sum(
            one.parts["calendar_s"] for _, _, one in oee_of(FILLER, timezone)
            if (one.about.get("shift"), one.about.get("day")) == ("night", "2026-03-28")
        )
        for timezone in (BERLIN, SHANGHAI)
    }  # fmt: skip
    assert lengths == {BERLIN: 7 * 3600, SHANGHAI: 8 * 3600}


def known_of(asset: str) -> np.ndarray:
    """Seconds of which a temperature of the asset was known."""
    known = np.ones(WEEK_S, np.bool_)
    if asset == ROOM:
        known[LOST_S[0] - EVERY_S + HOLD_S : LOST_S[1]] = False
    return known


def shown_of(asset: str) -> np.ndarray:
    return world.week().shown_c if asset == ROOM else world.week().truck.air


STORES = pytest.mark.parametrize(
    ("asset", "tag", "noise"), [(ROOM, "air", ROOM_NOISE_C), (TRUCK, "cargo", TRUCK_NOISE_C)], ids=["room", "truck"]
)


@STORES
def test_means_of_a_temperature_are_true(asset, tag, noise):
    """A mean of n readings is known to SIGMAS x (noise + a digit) / sqrt(n), and to what a held value is off by.

    That is taken from the hidden state: the mean of what it changes until the next reading. The mean kinetic
    temperature weighs warm seconds more, by less than half as much again at these temperatures.
    """
    shown, known = shown_of(asset), known_of(asset)
    held = np.repeat(shown[::EVERY_S], EVERY_S)[:WEEK_S]
    windows = [one for one in of("cold_chain", asset, tag) if one[0] < WEEK_S]
    assert sum(one.parts["covered_s"] for _, _, one in windows) == known.sum()
    for begin, end, one in windows:
        true = shown[begin:end][known[begin:end]]
        parts = one.parts
        assert parts["covered_s"] == len(true)
        assert parts["gap_s"] == end - begin - len(true)
        sampling = abs((held - shown)[begin:end][known[begin:end]].mean())
        slack = SIGMAS * (noise + 0.003) / np.sqrt(max(1, len(true) // EVERY_S)) + sampling
        assert parts["mean"] == pytest.approx(true.mean(), abs=slack)
        assert parts["mkt"] == pytest.approx(mean_kinetic_c(true), abs=1.5 * slack + 0.01)
        off = 4 * noise + 0.005  # the noise is cut there
        assert parts["maximum"] <= held[max(0, begin - EVERY_S) : end].max() + off
        assert parts["minimum"] >= held[max(0, begin - EVERY_S) : end].min() - off


def test_a_swapped_sensor_is_off_by_what_its_certificate_says():
    """Both certificates are told with the windows; less their errors, the windows show the true temperature."""
    stated = {begin: one.about["certificate"] for begin, _, one in of("calibration", ROOM, "air")}
    errors, off = dict(zip(("K-1", "K-2"), OFFSETS_C, strict=True)), []
    for begin, end, one in of("cold_chain", ROOM, "air"):
        if end > WEEK_S:
            continue
        assert stated[begin] == ("K-1" if end <= SWAP_S else "K-2")
        if known_of(ROOM)[begin:end].all():
            off.append(one.parts["mean"] - errors[stated[begin]] - world.week().room.air[begin:end].mean())
    assert abs(np.mean(off)) < 0.01  # what a value held for ten seconds is off by, over all windows
    assert np.max(np.abs(off)) < 0.05


@STORES
def test_excursions_are_true(asset, tag, noise):
    """A crossing is seen within one interval of where the value plus or minus its noise (cut at 4 sigma) crosses."""
    off = 4 * noise + 0.005
    shown = shown_of(asset)
    early, late = (true_excursions(shown, HIGH_C + by, HYSTERESIS_C, HOLD_OFF_S) for by in (-off, off))
    found = of("excursion", asset, tag)
    assert len(found) == len(early) == len(late) == (4 if asset == ROOM else 1)
    for (begin, end, one), first, last in zip(found, early, late, strict=True):
        assert first.start_s <= begin <= last.start_s + EVERY_S
        assert last.end_s <= end <= first.end_s + EVERY_S
        assert one.parts["peak"] == pytest.approx(shown[begin:end].max(), abs=off)
        assert one.about["side"] == "above"
        assert one.parts["blind_s"] == 0.0


@STORES
def test_minutes_out_of_range_are_true(asset, tag, noise):
    shown, known = shown_of(asset), known_of(asset)
    windows = [one for one in of("cold_chain", asset, tag) if one[0] < WEEK_S]
    above_s, off = sum(one.parts["above_s"] for _, _, one in windows), 4 * noise + 0.005
    crossings = np.count_nonzero(np.diff((shown > HIGH_C).astype(np.int8)))
    least, most = (np.count_nonzero((shown > HIGH_C + by) & known) for by in (off, -off))
    assert least - EVERY_S * crossings <= above_s <= most + EVERY_S * crossings
    assert above_s > 600
    low = min(shown.min() - off, 2.0)
    assert sum(one.parts["below_s"] for _, _, one in windows) == 0.0 or low < 2.0


def test_the_stay_of_a_lot_is_true():
    """Over one excursion; its time above the limit is known to the noise and one interval at each crossing."""
    begin, end = LOT_S
    [(came, left, one)] = of("lot_stay", ROOM, "air")
    assert (came, left, one.about["lot"]) == (begin, end, LOT)
    assert (one.parts["stay_s"], one.parts["covered_s"], one.parts["gap_s"]) == (end - begin, end - begin, 0.0)
    shown, off = world.week().shown_c[begin:end], 4 * ROOM_NOISE_C + 0.005
    crossings = np.count_nonzero(np.diff((shown > HIGH_C).astype(np.int8)))
    least, most = (np.count_nonzero(shown > HIGH_C + by) for by in (off, -off))
    assert 600 < least - EVERY_S * crossings <= one.parts["above_s"] <= most + EVERY_S * crossings
    assert one.parts["tor_used_s"] == one.parts["above_s"]
    assert one.parts["mkt"] == pytest.approx(mean_kinetic_c(shown), abs=0.01)


def test_a_dead_logger_is_a_gap_and_not_a_good_room():
    begin, end = LOST_S
    inside = [one for one in of("cold_chain", ROOM, "air") if begin <= one[0] and one[1] <= end]
    (first,) = (one for _, _, one in inside)  # in which the last value stood for a while; of the hours after it nothing
    assert first.start_ns == (START_S + begin) * S
    assert first.parts["gap_s"] > 3500, "nobody invents what was not measured"
    gap_s = sum(one.parts["gap_s"] for _, _, one in of("cold_chain", ROOM, "air") if one.parts["gap_s"] < 3600)
    assert gap_s < 8 * 3600


def test_steam_cycles_are_true():
    cycles = true_cycles(world.SEED, STERILE_S)
    whole, *probes = (
        {begin: one for begin, _, one in of("steam_cycle", STERILISER, tag)} for tag in ("drain_temp", *PROBES)
    )
    by_probe = dict(zip(PROBES, probes, strict=True))
    assert len(cycles) >= 3
    for cycle in cycles:
        one = whole[cycle.begin_s]
        assert one.end_ns // S - START_S == cycle.end_s
        assert one.parts["exposure_s"] == cycle.phases_s["sterilising"]
        assert one.parts["drying_s"] == cycle.phases_s["drying"]
        assert one.parts["air_removal_s"] == cycle.phases_s["vacuum"]
        assert one.parts["verdict"] == 1.0
        for tag, f0 in cycle.f0_min.items():  # noise of 0.03 K is 0.7 % of the rate, and averages out over 900 s
            assert by_probe[tag][cycle.begin_s].parts["f0"] == pytest.approx(f0, rel=0.003)


def test_running_hours_are_true_to_the_second_and_velocity_to_its_noise():
    loaded, velocity = world.week().compressor.loaded, world.week().compressor.velocity
    for begin, end, one in [one for one in of("running", COMPRESSOR, "loaded") if one[1] <= WEEK_S]:
        assert one.parts["running_s"] == loaded[begin:end].sum()
        before = loaded[max(begin, 1) - 1 : end].astype(np.int8)
        assert one.parts["starts"] == np.count_nonzero(np.diff(before) > 0) + (begin == 0 and loaded[0])
    last = [one for one in of("running", COMPRESSOR, "loaded") if one[1] <= WEEK_S][-1][2]
    assert last.parts["total_h"] == pytest.approx(loaded.sum() / 3600, abs=1e-9)
    for begin, end, one in [one for one in of("health", COMPRESSOR, "vibration") if one[1] <= WEEK_S]:
        true = velocity[begin:end:EVERY_S]
        assert one.parts["samples"] == len(true)
        slack = SIGMAS * (VELOCITY_NOISE + 0.001) / np.sqrt(len(true))
        assert one.parts["value"] == pytest.approx(true.mean(), abs=slack)
        assert one.parts["zone"] == 2.0, "1.4 to 2.8 mm/s is zone B of group 2, rigid"


def test_a_known_shift_of_the_process_is_found_and_false_alarms_are_as_many_as_theory_says():
    [shift] = PIECES.shifts
    points = of("spc", SCALE, "weight")
    beyond = {begin: one.parts["beyond"] for begin, _, one in points}
    inside = [begin for begin in beyond if shift.start_s <= begin < shift.end_s]
    first = next(number for number, begin in enumerate(inside) if beyond[begin])
    assert first < 10  # 1.5 sigma of a piece is 3.35 of a mean of five: missed with 0.36 each time, ten in a row never
    quiet = [one for begin, one in beyond.items() if begin not in set(inside)]
    expected = 0.0027 * len(quiet)  # Nelson 1 of an in-control normal process
    assert abs(sum(quiet) - expected) < SIGMAS * np.sqrt(expected)


def test_capability_is_that_of_the_known_process():
    [shift] = PIECES.shifts
    known = [one for one in of("capability", SCALE, "weight") if one[0] >= shift.end_s or one[1] <= shift.start_s]
    assert len(known) > 100
    for _, _, one in known:
        n = one.parts["n"]
        assert one.parts["mean"] == pytest.approx(PIECES.mean, abs=SIGMAS * PIECES.sigma / np.sqrt(n))
        assert one.parts["sigma_overall"] == pytest.approx(PIECES.sigma, rel=SIGMAS / np.sqrt(2 * n))


def test_the_week_as_a_field_sends_it_ends_in_the_same_figures_to_the_bit():
    whole, _ = told(BERLIN)
    late, before = told(BERLIN, "field")
    assert late.keys() == whole.keys()
    for key, one in whole.items():
        other = late[key]
        assert (one.end_ns, dict(one.parts), dict(one.about)) == (other.end_ns, dict(other.parts), dict(other.about))
    changed = {one.kind for one in before}
    assert {"oee", "cold_chain", "running", "health"} <= changed, "what was cut off was told again"
    assert max(one.revision for one in late.values()) > 1
