"""Machines pass over years without rows: no window of them is told or walked; what comes after is as if walked."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.calendars import Calendar, ShiftCalendar, ShiftTimes
from operators.bounds import last_bound
from operators.held import Limits
from operators.humidity_machine import HumidityMachine
from operators.machines import NO_INPUTS, At, Both, Every, OnCalendar
from operators.oee_kernel import SILENT_NS
from operators.oee_machine import OeeMachine
from operators.stops_machine import StopsMachine
from tests.machine_runs import inputs_of, run
from tests.test_oee_machine import NS, inputs, setup

HOUR_NS, YEARS_S = 3600 * NS, 25 * 365 * 86_400
SHIFTS = ShiftCalendar("Asia/Shanghai", [ShiftTimes("early", 360, 840), ShiftTimes("late", 840, 1320)])


class Counting:
    """Bounds that know how often they were asked."""

    def __init__(self, bounds):
        self.bounds, self.asked = bounds, 0

    def after(self, time_ns):
        self.asked += 1
        return self.bounds.after(time_ns)


class Walking(OeeMachine):
    """Passes over nothing."""

    def _skip(self, rows_ns, until_ns):
        pass


@given(st.integers(0, 500), st.integers(0, 5_000), st.integers(1, 400))
def test_the_last_bound_is_that_of_a_walk(begin, more, length):
    bounds = Both((Every(length * NS), At((77 * NS, 1_234 * NS))))
    walked = begin * NS
    while bounds.after(walked) <= (begin + more) * NS:
        walked = bounds.after(walked)
    assert last_bound(bounds.after, begin * NS, (begin + more) * NS) == walked


def test_humidity_passes_over_years():
    bounds = Counting(Every(600 * NS))
    machine = HumidityMachine(0, bounds, Limits(35.0, 75.0, activation_j_mol=0.0), [15 * NS] * 3)
    made = machine.step(inputs_of([(0, 0, 50.0, 0), (YEARS_S * NS, 0, 60.0, 0)]), (YEARS_S + 1200) * NS)
    assert [(one.start_ns // NS, one.parts["mean"]) for one in made] == [(0, 50.0), (YEARS_S, 60.0)]
    assert bounds.asked < 200


@pytest.mark.parametrize("calendar", [None, SHIFTS])
@pytest.mark.parametrize("events", [(), [(20, "setup.started", {})], [(20, "planned.started", {})]])
def test_oee_passes_over_years(calendar, events):
    bounds = Counting(Every(HOUR_NS))
    machine = OeeMachine(0, bounds, setup(calendar=calendar))
    rows = [(10, "state", 0.0), (YEARS_S + 5, "state", 0.0), (YEARS_S + 9, "total", 3.0)]
    made = machine.step(inputs(rows, events), (YEARS_S + 3600) * NS)
    silent = [one for one in made if 0 < one.start_ns < YEARS_S * NS]
    assert all(one.start_ns <= 10 * NS + SILENT_NS for one in silent)  # after that nothing is known any more
    assert (made[0].start_ns, made[-1].start_ns, made[-1].end_ns) == (0, YEARS_S * NS, (YEARS_S + 3600) * NS)
    assert made[-1].parts["calendar_s"] == 3600.0
    assert bounds.asked < 3_000


def test_stops_pass_over_years():
    machine = StopsMachine(0, setup(calendar=SHIFTS))
    rows = [(10, "state", 5.0), (YEARS_S, "state", 5.0), (YEARS_S + 25, "state", 5.0), (YEARS_S + 50, "state", 0.0)]
    made = machine.step(inputs(rows), (YEARS_S + 100) * NS)
    assert [(one.start_ns // NS, one.parts["length_s"]) for one in made] == [(10, 30.0), (YEARS_S, 50.0)]


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.integers(0, 200 * 24), st.sampled_from(["state", "total"]), st.integers(0, 9).map(float)),
        max_size=8, unique_by=lambda row: row[:2],
    ),
    st.lists(st.integers(0, 200 * 24).map(lambda hour: hour * HOUR_NS), max_size=6),
    st.sampled_from(["planned.started", "setup.started", "order.started"]),
)  # fmt: skip
def test_any_split_of_a_silence_gives_the_same_bits(rows, cuts, event):
    rows = [(hour * 3600 + 7, role, value) for hour, role, value in rows]
    everything, end = inputs(rows, [(3600 * 24, event, {})]), 210 * 24 * HOUR_NS

    def make():
        return OeeMachine(0, Every(6 * HOUR_NS), setup(gap_s=7200, calendar=SHIFTS))

    whole = run(make, everything, [], end)
    assert run(make, everything, cuts, end, again=cuts[::2]) == whole
    assert run(lambda: Walking(0, Every(6 * HOUR_NS), setup(gap_s=7200, calendar=SHIFTS)), everything, [], end) == whole


def test_a_unit_that_is_silent_for_long_is_not_planned_for_ever():
    machine = OeeMachine(0, Every(24 * HOUR_NS), setup(calendar=SHIFTS))
    machine.step(inputs([(10, "state", 0.0)]), HOUR_NS)
    made = machine.step(NO_INPUTS, 400 * 24 * HOUR_NS)
    assert 31 <= len({one.start_ns // (24 * HOUR_NS) for one in made}) <= 32
    assert machine.running() == []


def test_bounds_of_a_calendar_are_found_too():
    calendar = Calendar("day", "Europe/Berlin")
    days = OnCalendar(calendar)
    found = last_bound(days.after, 0, YEARS_S * NS)
    assert found == calendar.window_at(YEARS_S * NS)[0]
