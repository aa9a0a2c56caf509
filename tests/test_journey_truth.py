"""Figures of the simulated truck against what it truly did: journeys, stops, way left and time of arrival."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from andon.readings import NS_PER_S
from operators.journey_machine import specs
from operators.machines import Every, Inputs
from simulators.journey_truth import STANDS_S, TruckTruth, truck_truth
from simulators.truck import ROUTE, ROUTE_KM, Truck, place
from simulators.truth import demo_plant

HOURS_6 = 6 * 3600
ENDS = ("suzhou", "hongqiao")
BEYOND_KM = 0.35  # radius of the demo's places and fence_out_m
APPROACH_S = 30  # the last 50 m, which are within drift_m of the end, at the crawl of a truck that parks


@cache
def inputs(seed):
    """What the truck sends, and the specs of the demo's plant for it."""
    found = specs(demo_plant(), Truck.asset)
    number = {tag: at for at, (_, tag) in enumerate(found[0].paths)}
    device, rows = Truck(seed), []
    for second in range(HOURS_6):
        told = [(number[one.tag], float(one.value)) for one in device.step() if one.tag in number]
        rows += [(second * NS_PER_S, of, value) for of, value in sorted(told)]
    time, of, value = (np.array(column) for column in zip(*rows, strict=True))
    status = np.zeros(len(rows), np.uint8)
    return {one.kind: one for one in found}, Inputs(time.astype(np.int64), of.astype(np.int32), value, status)


@pytest.mark.parametrize("seed", [1, 4])
def test_journeys_are_what_the_truck_drove(seed):
    found, rows = inputs(seed)
    truth = truck_truth(seed, HOURS_6)
    made = found["journey"].make(0, Every(NS_PER_S)).step(rows, HOURS_6 * NS_PER_S)
    driven = truth.journeys(BEYOND_KM)
    assert len(driven) >= 5
    # the truth of the last one is known with its end, the figure's STANDS_S later
    driven = [one for one in driven if one.arrived_s + STANDS_S + APPROACH_S < HOURS_6]
    assert len(made) in (len(driven), len(driven) + 1)
    for one, true in zip(made, driven, strict=False):
        assert one.about["plan"] == ("return", "outbound")[true.to]
        assert one.about["ended"] == "arrived"
        assert 0 <= one.start_ns // NS_PER_S - true.left_s <= 2, "the second position beyond it, each noisy"
        assert 0 <= true.arrived_s - one.end_ns // NS_PER_S <= APPROACH_S
        assert one.parts["distance_km"] == pytest.approx(true.km, rel=0.003, abs=0.1)
        assert (one.parts["reached"], one.parts["left"], one.parts["unplanned"]) == (1, 0, 0)
        assert (one.parts["outside_s"], one.parts["gap_s"], one.parts["left_out"]) == (0, 0, 0)
        assert one.parts["on_time"] == 1.0


@pytest.mark.parametrize("seed", [1, 4])
def test_stops_are_where_the_truck_stood(seed):
    found, rows = inputs(seed)
    made = found["journey_stop"].make(0, Every(NS_PER_S)).step(rows, HOURS_6 * NS_PER_S)
    stood = [one for one in truck_truth(seed, HOURS_6).stops() if one.end_s is not None]
    assert len(made) == len(stood) >= 5
    for one, true in zip(made, stood, strict=True):
        assert one.about["place"] == ENDS[true.end]
        assert one.parts["planned"] == 1.0
        assert 0 <= true.start_s - one.start_ns // NS_PER_S <= APPROACH_S
        assert 0 <= one.end_ns // NS_PER_S - true.end_s <= APPROACH_S


def test_what_is_left_and_when_it_comes():
    found, rows = inputs(1)
    truth = truck_truth(1, HOURS_6)
    machine = found["journey"].make(0, Every(NS_PER_S))
    seen, intervals = 0, 0
    for second in range(600, HOURS_6, 600):
        now, rows = rows.before(second * NS_PER_S)
        machine.step(now, second * NS_PER_S)
        true = next((one for one in truth.journeys(BEYOND_KM) if one.left_s < second - 120 < one.arrived_s - 300), None)
        if true is None:
            continue
        (one,) = machine.running()
        assert one.parts["remaining_km"] == pytest.approx(truth.left_km(second - 1, true.to), rel=0.005, abs=0.1)
        # it crawls over the last kilometres, which no speed of the way tells
        assert -60 <= true.arrived_s - second - one.parts["eta_s"] <= 420
        low, high = one.parts["eta_low_s"], one.parts["eta_high_s"]
        assert low is None or low < one.parts["eta_s"] < high
        seen, intervals = seen + 1, intervals + (low is not None)
    assert seen > 15
    assert intervals > 5


def test_the_truth_by_hand():
    km = (0.0,) * 200 + (1.0, 20.0, ROUTE_KM) + (ROUTE_KM,) * 100 + (30.0, 0.0) + (0.0,) * 179
    truth = TruckTruth(km)
    assert [(one.start_s, one.end_s, one.end) for one in truth.stops()] == [(0, 200, 0), (304, None, 0)]
    assert [(one.left_s, one.arrived_s, one.to) for one in truth.journeys(0.35)] == [(200, 202, 1), (303, 304, 0)]
    assert truth.journeys(0.35)[0].km == pytest.approx(ROUTE_KM - 1.0)
    assert truth.left_km(201, 1) == pytest.approx(ROUTE_KM - 20.0)


def test_the_demo_knows_the_places_of_the_route():
    places = {one.id: one for one in demo_plant().config.place}
    assert [places[name].centre for name in ENDS] == [pytest.approx(one) for one in (ROUTE[0], ROUTE[-1])]
    assert place(0.0) == ROUTE[0]
    (outbound,) = [one for one in demo_plant().config.journey_plan if one.id == "outbound"]
    assert outbound.stop[0].via == tuple(pytest.approx(one) for one in ROUTE[1:-1])
