"""Shifts of the wall clock with weekdays, breaks, clock changes, holidays and make-up workdays."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.calendars import ShiftCalendar, ShiftTimes, WorkDays, midnight_ns, wall_hours
from tests.test_calendars import NS, instant

THREE = [ShiftTimes("early", 360, 840), ShiftTimes("late", 840, 1320), ShiftTimes("night", 1320, 360)]
NIGHTS = {
    # id: (zone, an instant in it, hours, production day)
    "spring": ("Europe/Berlin", "2026-03-29T01:00", 7, "2026-03-28"),
    "autumn": ("Europe/Berlin", "2026-10-25T05:00", 9, "2026-10-24"),
    "no clock change": ("Asia/Shanghai", "2026-03-29T01:00", 8, "2026-03-28"),
}


@pytest.mark.parametrize(("zone", "at", "hours", "day"), NIGHTS.values(), ids=NIGHTS.keys())
def test_a_night_shift_lasts_as_the_clock_says_and_belongs_to_the_day_it_began(zone, at, hours, day):
    found = ShiftCalendar(zone, THREE).stretch_at(instant(at, zone))
    assert ((found.end_ns - found.start_ns) / (3600 * NS), found.day, found.shift) == (hours, day, "night")
    assert not found.planned
    assert found.shift_end_ns == found.end_ns


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [("2026-03-28T22:00", "2026-03-29T06:00", 7.0), ("2026-10-24T22:00", "2026-10-25T06:00", 9.0)],
)
def test_hours_between_local_times(start, end, hours):
    assert wall_hours("Europe/Berlin", start, end) == hours
    assert wall_hours("Asia/Shanghai", start, end) == 8.0


def test_make_up_workdays_and_holidays_of_china():
    days = WorkDays("CN", work=frozenset({date(2026, 2, 18)}))
    office = ShiftCalendar("Asia/Shanghai", [ShiftTimes("day", 480, 1020, frozenset(range(5)))], days)
    days = {"2026-02-13": "day", "2026-02-14": "day", "2026-02-15": "", "2026-02-17": "", "2026-02-18": "day"}
    assert {day: office.stretch_at(instant(f"{day}T09:00", "Asia/Shanghai")).shift for day in days} == days


def test_an_own_day_off_beats_a_make_up_workday():
    assert WorkDays("CN", off=frozenset({date(2026, 2, 14)})).kind(date(2026, 2, 14)) == "off"
    assert WorkDays().kind(date(2026, 2, 17)) == ""


def test_a_break_of_a_night_shift_is_of_the_next_day():
    calendar = ShiftCalendar("Asia/Shanghai", [ShiftTimes("night", 1320, 360, breaks=((120, 30),))])
    found = calendar.stretch_at(instant("2026-01-02T02:10", "Asia/Shanghai"))
    assert (found.planned, found.shift, found.day) == (True, "night", "2026-01-01")
    assert found.start_ns == instant("2026-01-02T02:00", "Asia/Shanghai")
    assert found.shift_end_ns == instant("2026-01-02T06:00", "Asia/Shanghai")


def test_the_later_of_two_shifts_takes_over():
    calendar = ShiftCalendar("UTC", [ShiftTimes("a", 0, 600), ShiftTimes("b", 300, 600)])
    assert [calendar.stretch_at(minute * 60 * NS).shift for minute in (299, 300, 599, 600)] == ["a", "b", "b", ""]


def test_midnight_is_local():
    assert midnight_ns("Asia/Shanghai", "2026-01-01") == instant("2026-01-01T00:00", "Asia/Shanghai")


minutes = st.integers(0, 1439)
shifts_st = st.lists(
    st.builds(
        ShiftTimes, st.sampled_from("ab"), minutes, minutes, st.frozensets(st.integers(0, 6), min_size=1),
        st.lists(st.tuples(minutes, st.integers(1, 120)), max_size=2).map(tuple),
    ),
    min_size=1, max_size=3, unique_by=lambda one: one.begins,
)  # fmt: skip


def twin(zone, shifts, at_ns):
    """(shift, planned, day) from all days around, the shift that began last wins."""
    local = datetime.fromtimestamp(at_ns // NS, ZoneInfo(zone)).date()
    running = []
    for more in (-1, 0, 1):
        day = local + timedelta(days=more)
        for one in shifts:
            ends = day + timedelta(days=one.ends <= one.begins)
            begin, end = _at(zone, day, one.begins), _at(zone, ends, one.ends)
            if day.weekday() in one.weekdays:
                running.append((begin, end, one, day))
    begun = [run for run in running if run[0] <= at_ns]
    latest = max(begun, key=lambda run: run[0], default=None)
    if latest is None or latest[1] <= at_ns:
        return "", True, local.isoformat()
    _, _, shift, day = latest
    paused = False
    for told, length in shift.breaks:
        begins = told + 1440 * (told < shift.begins)
        first, last = (_at(zone, day + timedelta(days=one // 1440), one % 1440) for one in (begins, begins + length))
        paused |= first <= at_ns < last
    return shift.name, paused, day.isoformat()


def _at(zone, day, minute):
    return instant(f"{day}T{minute // 60:02}:{minute % 60:02}", zone)


@given(shifts_st, st.sampled_from(["UTC", "Europe/Berlin"]), st.integers(0, 4 * 1440))
@settings(max_examples=200, deadline=None)
def test_it_equals_the_twin_and_stretches_follow_one_another(shifts, zone, minute):
    at_ns = instant("2026-03-27T00:00", zone) + minute * 60 * NS  # over the night of the clock change
    calendar = ShiftCalendar(zone, shifts)
    found = calendar.stretch_at(at_ns)
    assert found.start_ns <= at_ns < found.end_ns <= found.shift_end_ns
    after = calendar.stretch_at(found.end_ns)
    assert after.start_ns == found.end_ns
    if at_ns not in (found.start_ns, found.end_ns):
        assert calendar.stretch_at(found.start_ns).shift == found.shift
    assert (found.shift, found.planned, found.day) == twin(zone, shifts, at_ns)
