"""All kinds of rules and gates inside the engine of a shard: what is told, and that no cut or restart changes it."""

from __future__ import annotations

import random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine_world import START_NS, S, body, plant, run, tick

EXECUTE, STOPPED = "Execute", "Stopped"
RULES = [
    {"id": "direct", "on": "cold/*/air", "above": 8.0, "delay_s": 5.0},
    {"id": "rise", "on": "cold/*/air", "rate_above": 0.5, "over_s": 10.0},
    {"id": "soon", "on": "cold/*/air", "above": 8.0, "forecast_s": 10.0, "over_s": 10.0},
    {"id": "apart", "on": "cold/*/air", "deviates_from": "util/pump/vibration", "by": 4.0},
    {"id": "hole", "on": "util/*/vibration", "gap_s": 20.0},
    {"id": "idle", "on": "line1/*/state", "figure": "oee.availability", "below": 0.9},
    {"id": "running", "on": "line1/*/total", "stuck_s": 10.0, "when": {"tag": "state", "states": ["Execute"]}},
    {"id": "serviced", "on": "line1/*/good", "stuck_s": 10.0},
    {"id": "nightly", "on": "util/*/vibration", "above": 5.0, "schedule": {"begins": "00:01", "ends": "00:02"}},
]  # fmt: skip


def the_plant(**sections):
    return plant(**{"rule": RULES, **sections})


def event(time_ns, name, asset="line1/filler", **data):
    return orjson.dumps({"ts": time_ns // 1_000_000, "asset": asset, "event": name, "data": data})


def some_day(rng, seconds):
    """(received_ns, body) of a plant whose machine stops and starts, is serviced, and whose room warms up."""
    air, state, log = 5.0, EXECUTE, []
    for second in range(seconds):
        at = START_NS + second * S
        air += rng.choice((0.0, 0.1, 1.0)) if second % 120 < 60 else -0.2
        log.append((at, body(at, "cold/room", "air", round(air, 2))))
        if second % 97 > 30:
            log.append((at, body(at, "util/pump", "vibration", rng.choice((4.0, 6.0)))))
        if rng.random() < 0.05:
            state = rng.choice((EXECUTE, STOPPED))
        log.append((at, body(at, "line1/filler", "state", state)))
        log += [(at, body(at, "line1/filler", tag, second // 30)) for tag in ("total", "good")]
        if rng.random() < 0.03:
            log.append((at, event(at, rng.choice(("maintenance.started", "maintenance.ended", "lot.started")))))
        if rng.random() < 0.05 and second > 30:
            late = at - rng.randint(6, 30) * S
            log.append((at, body(late, "cold/room", "air", 20.0)))
        log.append((at + S // 2, tick(at + S // 2)))
    return log


def short(seen):
    return [(one["rule_id"], one["kind"], one["suppressed_by"]) for one in of_rules(seen)]


def of_rules(seen):
    """Without the conflicts of late rows, which no rule tells."""
    return [one for one in seen.conditions if one["rule_id"] != "andon-conflict"]


@pytest.fixture(scope="module")
def day():
    """One long log and what came of it in one piece."""
    log = some_day(random.Random(3), 260)
    return log, run(log, len(log), model=the_plant())


def test_every_rule_tells_something(day):
    told = short(day[1])
    assert {rule for rule, _, _ in told} == {one["id"] for one in RULES}
    assert ("running", "raised", "state") in told
    assert ("running", "unsuppressed", "") in told or ("running", "cleared", "state") in told
    assert {"schedule", "mode", "state"} <= {by for _, _, by in told}


def test_the_evidence_is_there(day):
    for one in of_rules(day[1]):
        assert one["evidence"]["journal"]
        assert "context" in one["evidence"]


@pytest.mark.parametrize("cut", [1, 7, 50])
def test_no_cut_changes_what_is_told(day, cut):
    log, whole = day
    assert run(log, cut, model=the_plant()).conditions == whole.conditions


def test_no_restart_changes_what_is_told(day):
    log, whole = day
    assert run(log, 40, model=the_plant(), restart=True).conditions == whole.conditions


@given(st.randoms(use_true_random=False), st.integers(30, 70), st.integers(1, 60))
@settings(max_examples=8)
def test_any_day_in_any_cut(rng, seconds, cut):
    log = some_day(rng, seconds)
    whole = run(log, len(log), model=the_plant())
    assert run(log, cut, model=the_plant(), restart=cut > 20).conditions == whole.conditions


def test_hours_that_begin_on_bad_data_let_it_out():
    """The delay counts from the true start: it is confirmed long before the hour begins."""
    rule = {
        "id": "hot", "on": "cold/*/air", "above": 8.0, "delay_s": 20.0,
        "schedule": {"begins": "00:01", "ends": "06:00"},
    }  # fmt: skip
    log = [
        one
        for second in range(80)
        for one in (
            (START_NS + second * S, body(START_NS + second * S, "cold/room", "air", 9.0)),
            (START_NS + second * S, tick(START_NS + second * S)),
        )
    ]
    seen = run(log, 10, model=plant(rule=[rule]))
    assert short(seen) == [("hot", "raised", "schedule"), ("hot", "unsuppressed", "")]
    start, confirmed = (seen.conditions[1][name] for name in ("start_ns", "confirmed_ns"))
    assert (start - START_NS, confirmed - START_NS) == (0, 20 * S)


def test_rows_of_rules_that_compute_keep_their_gate_in_one_message():
    """A state and a value in one message: the value is judged by the state of its message."""
    rule = {"id": "rise", "on": "line1/*/total", "rate_above": 0.1, "over_s": 1.0,
            "when": {"tag": "state", "states": ["Execute"]}}  # fmt: skip
    lines = [
        [
            body(START_NS + k * S, "line1/filler", "total", 9 * k),
            body(START_NS + k * S, "line1/filler", "state", STOPPED),
        ]
        for k in range(3)
    ]
    log = [(START_NS + k * S, b"\n".join(one)) for k, one in enumerate(lines)]
    assert short(run(log, 1, model=plant(rule=[rule]))) == [("rise", "raised", "state")]
