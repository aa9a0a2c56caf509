"""Journeys and stops: by hand, against the slow twin, any split."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.config.journey import GeoPlace, Journey, JourneyPlan, PlannedStop
from operators import journey_way as way
from operators.geo import Area, distance_km
from operators.journey_plan import Driven, Planned, along_km, planned, told_stops
from operators.journey_setup import JourneySetup, Shocks
from operators.journeys import JourneyMachine
from tests.machine_runs import inputs_of, run
from tests.naive_journey import journeys

NS = 10**9
ROLE = {"acc": 0, "speed": 1, "lat": 2, "lon": 3}
LAT, LON = 31.30, 120.70
M_LAT, M_LON = 1 / 111_195.0, 1 / (111_195.0 * np.cos(np.radians(LAT)))
BOX = [(900, -150), (900, 160), (1180, 160), (1180, -150)]  # m north, m east


@dataclass(frozen=True)
class Event:
    time_ns: int
    event: str
    data: dict = field(default_factory=dict)


def spot(north, east):
    return LAT + north * M_LAT, LON + east * M_LON


def setup_of(**declared):
    terms = {"stop_s": 60, "speed_over_min": 2, "longest_h": 1, "plans": ("out", "back"), **declared}
    places = (
        GeoPlace(id="a", centre=spot(0, 0), radius_m=200), GeoPlace(id="b", centre=spot(0, 1000), radius_m=200),
        GeoPlace(id="c", corners=tuple(spot(*one) for one in BOX)),
    )  # fmt: skip
    out = (
        PlannedStop(place="b", earliest_min=2, latest_min=5),
        PlannedStop(place="c", via=(spot(500, 1000),), latest_min=12),
    )
    plans = (
        JourneyPlan(id="out", begins="a", stop=out, corridor_m=120),
        JourneyPlan(id="back", begins="c", stop=(PlannedStop(place="a"),)),
    )
    roles = (way.ACCURACY, way.SPEED, way.LATITUDE, way.LONGITUDE)
    whole = Journey(latitude="lat", longitude="lon", accuracy="acc", speed="v", **terms)
    return JourneySetup(whole, roles, 30 * NS, 1.0, places, plans, Shocks((), (), 2.0))


SETUP = setup_of()


def machine(*, stops=False, setup=SETUP):
    return lambda: JourneyMachine(0, setup, stops=stops)


def rows_of(walk, status=0):
    """walk: (second, m north, m east)."""
    found = []
    for second, north, east in walk:
        lat, lon = spot(north, east)
        found += [(second * NS, "lat", lat, status), (second * NS, "lon", lon, status)]
    return found


def numbered(rows):
    return inputs_of([(time, ROLE[role], value, status) for time, role, value, status in rows])


def by_hand():
    """Stands at a to 100 s, drives to b by 180 s, stands there to 400 s, drives to c by 480 s, stands to 700 s."""
    walk = [(second, 0, 0) for second in range(0, 101, 10)]
    walk += [(100 + 10 * step, 0, 125 * step) for step in range(1, 9)]
    walk += [(second, 0, 1000) for second in range(190, 401, 10)]
    walk += [(400 + 10 * step, 125 * step, 1000 - 125 * step) for step in range(1, 9)]
    return walk + [(second, 1000, 0) for second in range(490, 701, 10)]


def test_a_journey_with_two_stops_by_hand():
    inputs = numbered(rows_of(by_hand()))
    (made,) = run(machine(), inputs, [], 800 * NS)
    assert (made.start_ns, made.end_ns) == (130 * NS, 480 * NS), "left with the second position beyond 250 m"
    assert made.about == {"plan": "out", "ended": "arrived"}
    parts = made.parts
    assert parts["duration_s"] == 350.0
    assert parts["distance_km"] == pytest.approx(0.625 + 1.0 * 2**0.5, rel=1e-3)
    assert (parts["stops"], parts["reached"], parts["missed"], parts["left"], parts["arrived"]) == (2, 2, 0, 0, 1)
    assert parts["standing_s"] == 220.0, "of the last stop nothing"
    assert (parts["early_s"], parts["late_s"], parts["on_time"]) == (70.0, 0.0, 0.0), "b only from 250 s on"
    assert parts["outside_s"] > 0.0, "the plan leads round the corner"
    stops = run(machine(stops=True), inputs, [], 800 * NS)
    assert [(one.start_ns // NS, one.end_ns // NS, one.about.get("place")) for one in stops] == [
        (0, 100, "a"), (180, 400, "b"),
    ]  # fmt: skip
    assert stops[1].parts["early_s"] == 70.0


def test_what_is_left_while_it_runs():
    one = machine()()
    inputs, _ = numbered(rows_of(by_hand())).before(160 * NS)
    one.step(inputs, 160 * NS)
    (now,) = one.running()
    assert now.about == {"plan": "out", "next": "b"}
    assert now.parts["remaining_km"] == pytest.approx(0.375 + 0.5 + (0.5**2 + 1.0) ** 0.5, rel=0.06)
    assert now.parts["eta_s"] is None, "not yet a minute of driving"
    assert now.parts["on_time"] is None
    one.step(numbered([]), 300 * NS)
    (blind,) = one.running()
    assert blind.parts["remaining_km"] is None
    assert blind.parts["gap_s"] == pytest.approx(300 - 150 - 30)
    one.step(numbered([]), 500 * NS)
    (late,) = one.running()
    assert late.parts["late_s"] == 500 - 130 - 300, "overdue at b"
    assert late.parts["on_time"] == 0.0


def test_events_begin_and_end_journeys_and_name_their_own_stops():
    stops = [{"place": "b", "to": "1970-01-01T00:04:00Z", "stays_s": 60}, "nowhere", {"place": "c", "from": "noon"}]
    events = [Event(20 * NS, "journey.started", {"journey": "J1", "stops": stops}), Event(450 * NS, "journey.ended")]
    inputs = numbered(rows_of(by_hand()))
    inputs = inputs_of(
        list(zip(inputs.time_ns, inputs.input, inputs.value, inputs.status, strict=True)), events
    )  # fmt: skip
    made = run(machine(), inputs, [], 800 * NS)
    (own,) = [one for one in made if one.about.get("journey") == "J1"]
    assert (own.start_ns, own.end_ns) == (20 * NS, 450 * NS)
    assert own.about == {"journey": "J1", "ended": "event", "unknown": "nowhere", "next": "nowhere"}
    assert own.parts["on_time"] == 1.0, "b by 240 s; a window that is none is not judged"
    assert (own.parts["reached"], own.parts["left"], own.parts["outside_s"]) == (1.0, 2.0, None)


@pytest.mark.parametrize("stops", [None, "b", [{"place": 3}], [None], [{}], {"place": "b"}])
def test_stops_that_are_none_are_left_out(stops):
    assert told_stops({"stops": stops}) == ()


def test_a_jump_is_no_way_unless_it_lasts():
    walk = [(10 * step, 0, 0) for step in range(5)] + [(50, 0, 90_000), (60, 0, 0)]
    walk += [(60 + 10 * step, 50_000, 0) for step in range(1, 9)]
    inputs = numbered(rows_of(walk))
    events = [Event(0, "journey.started", {"journey": "J"}), Event(200 * NS, "journey.ended")]
    rows = list(zip(inputs.time_ns, inputs.input, inputs.value, inputs.status, strict=True))
    (made,) = run(machine(), inputs_of(rows, events), [], 300 * NS)
    assert made.parts["distance_km"] == 0.0
    assert made.parts["left_out"] == 3.0
    assert made.parts["arrived"] == 0.0


def test_the_time_of_arrival_has_an_interval():
    closed = np.array([[10.0, 0.2], [12.0, 0.2], [11.0, 0.2], [11.0, 0.2]])
    driven = Driven(closed, 0.0, 0.0)
    assert driven.hours_for(55.0) == pytest.approx(1.0)
    low, high = driven.interval(55.0)
    half = 3.182446 * 4.0824829 * (1 / 4 + 1 / 5) ** 0.5  # t of 3 degrees of freedom; s of 50, 60, 55, 55 km/h
    assert (low, high) == (pytest.approx(55 / (55 + half)), pytest.approx(55 / (55 - half)))
    assert Driven(closed[:2], 0.0, 0.0).interval(55.0) == (None, None)
    assert Driven(np.empty((0, 2)), 0.0, 0.5).hours_for(1.0) is None, "it stands"
    assert Driven(np.array([[1.0, 0.2], [30.0, 0.2], [2.0, 0.2]]), 0.0, 0.0).interval(9.0)[1] is None


def test_the_way_left_goes_along_the_plan():
    leg = [spot(0, 0), spot(0, 1000), spot(1000, 1000)]
    assert along_km(spot(100, 400), leg) == pytest.approx(0.1 + 0.6 + 1.0, rel=1e-3)
    assert along_km(spot(2000, 1000), leg) == pytest.approx(1.0, rel=1e-3)
    assert along_km(spot(0, 0), leg[1:2]) == pytest.approx(1.0, rel=1e-3)


@given(st.floats(-60, 60), st.floats(-170, 170), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_distances_of_the_kernel_are_those_of_geo_and_shapely(lat, lon, north, east):
    corners = ((lat, lon), (lat, lon + 0.3), (lat + 0.2, lon + 0.4), (lat + 0.1, lon + 0.1), (lat + 0.2, lon))
    here = (lat + north, lon + east)
    found = way.line_km(*here, np.array(corners), 0, len(corners), True)
    assert found == pytest.approx(Area(corners).distance_km(here), abs=1e-9)
    assert way.apart_km(lat, lon, *here) == pytest.approx(distance_km((lat, lon), here), abs=1e-9)


PLACES = [(0, 0), (0, 1000), (1000, 0)]  # a, b, c
step_st = st.tuples(
    st.sampled_from([10, 10, 20, 45, 130]),
    st.sampled_from([None, *PLACES, *PLACES, (0, 500), (500, 1000), (1000, 500), (500, 500), (0, 9000)]),
    st.sampled_from([(3, 0), (3, 0), (13, 7), (-21, 4), (60, 0)]), st.sampled_from([0, 0, 0, 1]),
    st.sampled_from(["", "", "", "", "no lon", "poor", "speed", "zero", "late lon"]), st.sampled_from([0, 1, 1, 8, 8]),
)  # fmt: skip
event_st = st.tuples(
    st.integers(0, 3000), st.sampled_from(["journey.started", "journey.ended", "order.started"]),
    st.lists(st.builds(Planned, st.sampled_from("abcx"), st.none() | st.integers(0, 3000).map(lambda one: one * NS),
                       st.none() | st.integers(0, 3000).map(lambda one: one * NS)), max_size=3),
    st.sampled_from(["", "out"]),
)  # fmt: skip


def walked(steps):
    """Each step goes to a place, and sends some more positions from there; one of 10 s may be too fast to be true."""
    rows, second, where = rows_of([(0, 0, 0), (10, 0, 0), (20, 0, 0)]), 20, (0, 0)
    for apart, towards, noise, status, odd, stays in steps:
        second += apart
        where = towards or where
        lat, lon = spot(where[0] + noise[0], where[1] + noise[1])
        if odd == "zero":
            lat = lon = 0.0
        rows.append((second * NS, "lat", lat, status))
        if odd != "no lon":
            rows.append(((second + (1 if odd == "late lon" else 0)) * NS, "lon", lon, 0))
        if odd in ("poor", "speed"):
            rows.append((second * NS, "acc" if odd == "poor" else "speed", 80.0 + second % 7, 0))
        rows += rows_of([(second + 10 * more, *where) for more in range(1, stays + 1)])
        second += 10 * stays
    return sorted(rows, key=lambda row: (row[0], ROLE[row[1]], row[2])), second


def as_events(told):
    """As the machine reads them, one an instant."""
    found = {}
    for second, name, stops, plan in told:
        data = {
            "plan": plan,
            "stops": [{"place": one.place, "from": stamp(one.from_ns), "to": stamp(one.to_ns)} for one in stops],
        }
        found[second] = (second * NS + 1, name, data, stops, plan)
    return [found[second] for second in sorted(found)]


def stamp(time_ns):
    return None if time_ns is None else str(np.datetime64(time_ns // NS, "s")) + "Z"


@settings(max_examples=150)
@given(st.lists(step_st, max_size=25), st.lists(event_st, max_size=3), st.sampled_from([1.0, 0.1]),
       st.sampled_from([1, 2, 8]))  # fmt: skip
def test_equals_the_twin(steps, told, longest_h, fixes):
    setup = setup_of(longest_h=longest_h, fixes=fixes)
    rows, last = walked(steps)
    events = as_events(told)
    inputs = numbered(rows)
    plain = list(zip(inputs.time_ns, inputs.input, inputs.value, inputs.status, strict=True))
    inputs = inputs_of(plain, [Event(time, name, data) for time, name, data, _, _ in events])
    upto = (last + 4000) * NS
    own = [
        (time, name, {"plan": plan, "stops": stops or default(setup, plan, time)})
        for time, name, _, stops, plan in events
    ]
    trips, stops = journeys(rows, own, setup, upto)
    made = run(machine(setup=setup), inputs, [], upto)
    assert [(one.start_ns, one.end_ns, one.about.get("ended")) for one in made] == [(*one[:2], one[3]) for one in trips]
    for one, (_, _, parts, _) in zip(made, trips, strict=True):
        found = {name: one.parts[name] for name in parts}
        assert found == {name: value if value is None else pytest.approx(value) for name, value in parts.items()}
    made = run(machine(stops=True, setup=setup), inputs, [], upto)
    assert [(one.start_ns, one.end_ns) for one in made] == [one[:2] for one in stops]
    for one, (_, _, stop, gap_ns) in zip(made, stops, strict=True):
        assert (one.about.get("place", ""), one.about.get("plan", "")) == (stop["place"], stop["plan"])
        assert (one.parts["early_s"], one.parts["late_s"]) == (stop["early"], stop["late"])
        assert one.parts["planned"] == (None if stop["planned"] is None else float(stop["planned"]))
        assert one.parts["gap_s"] == gap_ns / NS


def default(setup, plan, time):
    return planned(setup.plan_of[plan], time) if plan else ()


@settings(max_examples=60)
@given(
    st.lists(step_st, max_size=20), st.lists(event_st, max_size=2),
    st.lists(st.integers(0, 40_000).map(lambda tenth: tenth * NS // 10), max_size=8), st.booleans(), st.booleans(),
)  # fmt: skip
def test_any_split_and_restore_gives_the_same_bits(steps, told, cuts, again, stops):
    rows, last = walked(steps)
    inputs = numbered(rows)
    plain = list(zip(inputs.time_ns, inputs.input, inputs.value, inputs.status, strict=True))
    inputs = inputs_of(plain, [Event(time, name, data) for time, name, data, _, _ in as_events(told)])
    upto = (last + 4000) * NS
    whole = run(machine(stops=stops), inputs, [], upto)
    assert repr(run(machine(stops=stops), inputs, cuts, upto, cuts if again else ())) == repr(whole)


def test_another_layout_is_refused():
    one = machine()()
    with pytest.raises(ValueError, match="layout 9"):
        one.restore((9, *one.snapshot()[1:]))


def test_a_way_over_the_date_line():
    over = np.array([(-17.0, 179.0), (-17.0, -179.0), (-18.0, -178.0)])
    for lon in (179.9, 180.0, -180.0, -179.9):
        assert way.line_km(-17.0, lon, over, 0, 3, False) == pytest.approx(0.0, abs=1e-9)
        left = distance_km((-17.0, lon), (-17.0, -179.0)) + distance_km((-17.0, -179.0), (-18.0, -178.0))
        assert along_km((-17.0, lon), [(-17.0, 179.0), (-17.0, -179.0), (-18.0, -178.0)]) == pytest.approx(left, 1e-4)
        assert way.line_km(-16.0, lon, over, 0, 3, False) == pytest.approx(111.2, abs=0.1)


def test_it_stands_in_a_place_before_so_many_positions_entered_it():
    made = run(machine(setup=setup_of(fixes=9)), numbered(rows_of(by_hand())), [], 800 * NS)
    stops = run(machine(stops=True, setup=setup_of(fixes=9)), numbered(rows_of(by_hand())), [], 800 * NS)
    assert [one.about.get("place") for one in stops] == ["a", "b"]
    assert [one.about.get("ended") for one in made] == ["arrived"]


@pytest.mark.parametrize("stays_s", [1e308, 10**400, -1.0, True, "60", None], ids=lambda one: str(one)[:9])
def test_a_stay_that_no_journey_has_counts_as_none(stays_s):
    stops = [{"place": place, "stays_s": stays_s} for place in "bca"]
    assert [one.stays_s for one in told_stops({"stops": stops})] == [0.0, 0.0, 0.0]
    (longest,) = told_stops({"stops": [{"place": "b", "stays_s": 720 * 3600}]})
    assert longest.stays_s == 720 * 3600
