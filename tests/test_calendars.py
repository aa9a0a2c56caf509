"""Bounds of local hours, days, weeks, months and shifts, clock changes included."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.calendars import Calendar

NS = 1_000_000_000
ZONES = ["UTC", "Europe/Berlin", "Asia/Shanghai", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe"]


def instant(text, zone, fold=0):
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()) * NS


LENGTHS = {
    # id: (calendar, shifts, zone, an instant in it, hours)
    "spring day": ("day", (), "Europe/Berlin", "2026-03-29T12:00", 23),
    "autumn day": ("day", (), "Europe/Berlin", "2026-10-25T12:00", 25),
    "spring night shift": ("shift", (360, 840, 1320), "Europe/Berlin", "2026-03-29T01:00", 7),
    "autumn night shift": ("shift", (360, 840, 1320), "Europe/Berlin", "2026-10-25T01:00", 9),
    "night shift in Shanghai": ("shift", (360, 840, 1320), "Asia/Shanghai", "2026-03-29T01:00", 8),
    "one shift a day": ("shift", (360,), "Asia/Shanghai", "2026-03-29T01:00", 24),
    "shift at a time that is skipped": ("shift", (150, 720), "Europe/Berlin", "2026-03-29T04:00", 8.5),
    "spring week": ("week", (), "Europe/Berlin", "2026-03-25T12:00", 167),
    "March": ("month", (), "Europe/Berlin", "2026-03-15T12:00", 743),
    "February": ("month", (), "Asia/Shanghai", "2028-02-15T12:00", 696),
    "hour": ("hour", (), "Asia/Kolkata", "2026-02-15T12:59", 1),
}  # fmt: skip


@pytest.mark.parametrize(("name", "shifts", "zone", "at", "hours"), LENGTHS.values(), ids=LENGTHS.keys())
def test_lengths(name, shifts, zone, at, hours):
    start, end = Calendar(name, zone, shifts).window_at(instant(at, zone))
    assert start <= instant(at, zone) < end
    assert (end - start) / (3600 * NS) == hours


def test_a_week_begins_on_monday_at_local_midnight():
    start, _ = Calendar("week", "Asia/Shanghai").window_at(instant("2026-11-23T00:00", "Asia/Shanghai"))
    assert start == instant("2026-11-23T00:00", "Asia/Shanghai")


@given(
    st.sampled_from(["hour", "day", "week", "month", "shift"]), st.sampled_from(ZONES),
    st.integers(1_700_000_000, 2_000_000_000), st.integers(0, 59),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_windows_follow_one_another_and_begin_on_the_local_clock(name, zone, second, fraction):
    calendar = Calendar(name, zone, (360, 840, 1320))
    start, end = calendar.window_at(second * NS + fraction)
    assert start <= second * NS + fraction < end
    assert calendar.window_at(end)[0] == end
    assert calendar.window_at(start - 1)[1] == start
    local = datetime.fromtimestamp(start // NS, ZoneInfo(zone))
    assert local.minute == 0
    if name != "hour":
        assert local.hour == 0 or (name == "shift" and local.hour in (6, 14, 22))
    if name == "month":
        assert local.day == 1
        assert timedelta(days=27) < timedelta(seconds=(end - start) // NS) < timedelta(days=32)


def test_shifts_must_be_declared():
    with pytest.raises(ValueError, match="at least one shift"):
        Calendar("shift", "UTC")
