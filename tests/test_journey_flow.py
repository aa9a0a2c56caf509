"""Journeys in the flow: any cut, positions that come late after a radio hole, an alarm of a truck that is late."""

from __future__ import annotations

import orjson

from tests.engine_world import START_NS, S, body, figures, plant, tick

ASSET = "road/t1"
PLANT = {
    "place": [{"id": "yard", "centre": [31.0, 120.0]}, {"id": "shop", "centre": [31.0, 120.04]}],
    "journey_plan": [
        {"id": "daily", "begins": "yard", "corridor_m": 200, "stop": [{"place": "shop", "latest_min": 5}]}
    ],
    "template": [
        {
            "name": "truck",
            "view": "truck",
            "series": [{"tag": tag, "unit": "deg", "every_s": 5} for tag in ("lat", "lon")],
            "journey": {"latitude": "lat", "longitude": "lon", "stop_s": 60},
        }
    ],
    "asset": [{"path": ASSET, "template": "truck"}],
    "cycle": [],
    "rule": [{"id": "late", "on": "road/*/lat", "figure": "journey.late_s", "above": 30, "raises": "quality_event"}],
    "route": [{"raises": "quality_event"}],
}
STARTED = {"journey": "J-1", "plan": "daily"}
LEAVES, ARRIVES, END = 40, 420, 620


def log(hole=()):
    """A position every 5 s, of a truck that leaves at 40 s and arrives at 420 s; those in `hole` come at its end."""
    messages, held = [], []
    for second in range(0, END, 5):
        at = START_NS + second * S
        lon = 120.0 + 0.04 * min(1.0, max(0.0, (second - LEAVES) / (ARRIVES - LEAVES)))
        into = held if second in hole else messages
        into += [(at, body(at, ASSET, tag, value)) for tag, value in (("lat", 31.0), ("lon", round(lon, 6)))]
        if second == LEAVES:
            told = {"ts": at // 1_000_000, "asset": ASSET, "event": "journey.started", "data": STARTED}
            messages.append((at, orjson.dumps(told)))
        messages += [(at + more * S, tick(at + more * S)) for more in range(5)]
        if hole and second == hole[-1]:
            messages += [(at, raw) for _, raw in held]
    return messages + [(START_NS + second * S, tick(START_NS + second * S)) for second in range(END, END + 150)]


def test_a_journey_in_the_flow():
    final, told, raised = figures(plant(**PLANT), log(), 10**6)
    running = [parts for kind, parts in told if kind == "journey"]
    (journey,) = [(start, *one) for (kind, _, start), one in final.items() if kind == "journey"]
    assert journey[0] == START_NS + LEAVES * S
    assert abs(journey[1] - (START_NS + ARRIVES * S)) <= 10 * S
    assert journey[3] == {"journey": "J-1", "plan": "daily", "ended": "arrived"}
    assert 60.0 <= journey[2]["late_s"] <= 80.0
    assert journey[2]["outside_s"] == 0.0
    assert running
    assert running[-1]["remaining_km"] < running[0]["remaining_km"]
    assert [(one.rule_id, one.asset) for one in raised] == [("late", ASSET)]
    assert figures(plant(**PLANT), log(), 7).final == final


def test_positions_that_come_late_give_the_same_figures():
    on_time = figures(plant(**PLANT), log(), 50).final
    corrected = figures(plant(**PLANT), log(range(200, 320, 5)), 50).final
    assert corrected == on_time
