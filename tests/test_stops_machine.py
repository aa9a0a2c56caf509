"""Single stops: their ends, their reason, the limit, any split."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings

from operators import oee_kernel as at
from operators.losses import pareto
from operators.stops_machine import StopsMachine
from tests.naive_oee import NaiveUnit
from tests.test_oee_machine import (
    END,
    GAP,
    MODES,
    NAMES,
    NS,
    ROLES,
    acts_of,
    acts_st,
    inputs,
    jobs_st,
    rows_st,
    run,
    setup,
)

STOP_ROWS = [(0, "state", 0.0), (10, "state", 5.0), (60, "state", 0.0), (70, "state", 3.0), (100, "state", 6.0)]


def test_a_stop_has_its_reason_and_its_length():
    events = [(30, "stop.reason", {"reason": "jam"}), (65, "stop.reason", {"reason": "too late"})]
    made = run(StopsMachine(0, setup(gap_s=1000)), inputs(STOP_ROWS, events))
    assert [(one.start_ns // NS, one.end_ns // NS, one.parts["own"], one.about) for one in made] == [
        (10, 60, 1.0, {"category": "down", "reason": "jam"}), (70, 100, 0.0, {"category": "starved"}),
    ]  # fmt: skip
    assert pareto((one.about.get("reason", ""), one.parts["length_s"]) for one in made)[0][:2] == ("jam", 50.0)


def test_a_stop_that_stands_is_running_and_a_short_one_is_not_told():
    machine = StopsMachine(0, setup(micro_s=30, gap_s=1000))
    assert [one.start_ns // NS for one in run(machine, inputs(STOP_ROWS))] == [10]
    assert [(one.start_ns // NS, one.end_ns // NS) for one in machine.running()] == [(100, END)]


def test_a_stop_that_ended_before_the_machine_began_is_another_ones():
    made = run(StopsMachine(80 * NS, setup(gap_s=1000)), inputs(STOP_ROWS))
    assert [(one.start_ns // NS, one.end_ns // NS) for one in made] == [(70, 100)]


def test_a_reason_series_names_what_no_event_names():
    roles = np.array([at.STATE_ROLE, at.REASON_ROLE], np.int64)
    config = replace(setup(gap_s=1000), roles=roles)
    rows = [*STOP_ROWS, (5, "total", 0.0), (12, "total", 1.0), (80, "total", 2.0), (85, "total", 9.0)]  # the reason's
    machine = StopsMachine(0, config, ("none", "jam", "no caps"))
    made = run(machine, inputs(rows))
    assert [one.about.get("reason") for one in made] == ["jam", None]
    (running,) = machine.running()
    assert "reason" not in running.about
    told = run(
        StopsMachine(0, config, ("none", "jam", "no caps")), inputs(rows[:-1], [(20, "stop.reason", {"reason": "x"})])
    )
    assert [one.about.get("reason") for one in told] == ["x", "no caps"]


@given(rows_st, acts_st)
@settings(max_examples=50, deadline=None)
def test_stops_equal_the_twin(rows, acts):
    rows = [(-40, "state", 0.0), *rows]
    made = run(StopsMachine(-40 * NS, setup(micro_s=3)), inputs(rows, [(*one, {}) for one in acts]))
    twin = NaiveUnit(sorted(rows, key=lambda one: (one[0], ROLES.index(one[1]), one[2])), acts_of(acts), NAMES, GAP,
                     modes=MODES)  # fmt: skip
    told, now = [], -40
    for category, seconds in groupby(map(twin.category, range(-40, END))):
        length = len(list(seconds))
        if category not in ("producing", "planned_down", "unknown") and length > 3 and now + length < END:
            told.append((now, length, category))
        now += length
    assert [(one.start_ns // NS, one.parts["length_s"], one.about["category"]) for one in made] == told


@pytest.mark.parametrize("batch", [1, 7, 50])
@given(rows=rows_st, acts=acts_st, jobs=jobs_st)
@settings(max_examples=15, deadline=None)
def test_any_split_and_restart_gives_the_same(batch, rows, acts, jobs):
    given = inputs(rows, [*[(*one, {}) for one in acts], *jobs, (50, "stop.reason", {"reason": "jam"})])
    config = replace(setup(micro_s=2))
    first, rest = given.before(-10 * NS)

    def begun():
        machine = StopsMachine(-10 * NS, config)
        return machine, machine.step(first, -10 * NS)

    machine, told = begun()
    whole = told + run(machine, rest)
    machine, made = begun()
    left = rest
    for end in (*range(0, END, batch), END):
        now, left = left.before(end * NS)
        made += machine.step(now, end * NS)
        other = StopsMachine(-10 * NS, config)
        other.restore(machine.snapshot())
        machine = other
    assert repr(made) == repr(whole)
