"""Bounds of calendar windows: local hours, days, weeks, months and shifts of a time zone, as UTC instants.

Bounds are local wall time, lengths follow: the day of a clock change has 23 or 25 hours, the shift over it an hour
less or more. A local time that does not exist is moved on by the change, one that exists twice is its first.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

import holidays

NS = 1_000_000_000
Name = Literal["hour", "day", "week", "month", "shift"]
QUARTER = timedelta(minutes=15)  # no zone's offset is finer


class Calendar:
    """Windows of one kind in one time zone. shifts: local times at which shifts begin, minutes after midnight."""

    def __init__(self, name: Name, timezone: str, shifts: Sequence[int] = ()) -> None:
        if name == "shift" and not shifts:
            raise ValueError("a calendar of shifts needs at least one shift")
        self.name, self._zone, self._shifts = name, ZoneInfo(timezone), sorted(set(shifts))
        self._window_at = lru_cache(maxsize=4_096)(self._find)

    def window_at(self, time_ns: int) -> tuple[int, int]:
        """[start_ns, end_ns) of the window that holds an instant.

        >>> begin, end = Calendar("day", "Europe/Berlin").window_at(1_774_746_000 * NS)  # 29 March 2026
        >>> (end - begin) // (3600 * NS)
        23
        """
        return self._window_at(time_ns // (60 * NS))

    def _find(self, minute: int) -> tuple[int, int]:
        local = datetime.fromtimestamp(minute * 60, self._zone).date()
        bounds = sorted({bound for day in self._days_around(local) for bound in self._bounds_of(day)})
        place = next(at for at, bound in enumerate(bounds) if bound > minute * 60)
        return bounds[place - 1] * NS, bounds[place] * NS

    def _days_around(self, day: date) -> list[date]:
        """Days whose bounds enclose every instant of a local day."""
        if self.name == "month":
            first = day.replace(day=1)
            return [(first - timedelta(days=1)).replace(day=1), first, (first + timedelta(days=32)).replace(day=1)]
        if self.name == "week":
            monday = day - timedelta(days=day.weekday())
            return [monday + timedelta(days=7 * week) for week in (-1, 0, 1)]
        return [day + timedelta(days=more) for more in (-1, 0, 1)]

    def _bounds_of(self, day: date) -> list[int]:
        """Instants, seconds since the epoch, at which windows of this local day begin."""
        if self.name == "hour":
            return self._hours(day)
        minutes = self._shifts if self.name == "shift" else (0,)
        return [self._second(day, minute) for minute in minutes]

    def _second(self, day: date, minute: int) -> int:
        at = datetime.combine(day, time(minute // 60, minute % 60), self._zone)
        return int(at.astimezone(UTC).timestamp())

    def _hours(self, day: date) -> list[int]:
        """Every instant of the day at which the local clock shows a full hour."""
        begin, end = self._second(day, 0), self._second(day + timedelta(days=1), 0)
        step = int(QUARTER.total_seconds())
        return [at for at in range(begin, end, step) if datetime.fromtimestamp(at, self._zone).minute == 0]


DAY = 24 * 60  # minutes
EVERY_DAY = frozenset(range(7))
FAR = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Stretch:
    """[start_ns, end_ns) of one kind: inside a shift, in a break of it, or outside all shifts.

    planned: no production is planned. shift: name, empty outside; day: production day, that on which the shift began,
    YYYY-MM-DD. shift_end_ns: when the shift, or the time without one, ends.
    """

    start_ns: int
    end_ns: int
    planned: bool
    shift: str
    day: str
    shift_end_ns: int


NO_STRETCH = Stretch(-FAR, FAR, False, "", "", FAR)  # where no calendar is declared


@dataclass(frozen=True)
class WorkDays:
    """Which days are worked: the public holidays of a country with its make-up workdays, and own exceptions.

    country, subdivision: codes of the `holidays` package (ISO 3166), empty: no public holidays. off, work: own days,
    before all others.
    """

    country: str = ""
    subdivision: str = ""
    off: frozenset[date] = frozenset()
    work: frozenset[date] = frozenset()

    @cached_property
    def _public(self) -> holidays.HolidayBase | None:
        return holidays.country_holidays(self.country, subdiv=self.subdivision or None) if self.country else None

    def kind(self, day: date) -> Literal["off", "work", ""]:
        """off: nothing runs. work: it runs as Monday to Friday do, whatever weekday it is. Empty: as its weekday.

        >>> WorkDays("CN").kind(date(2026, 2, 14)), WorkDays("CN").kind(date(2026, 2, 17))
        ('work', 'off')
        """
        if day in self.off:
            return "off"
        if day in self.work:
            return "work"
        if self._public is None:
            return ""
        if day in self._public:
            return "off"
        return "work" if day in self._public.weekend_workdays else ""


@dataclass(frozen=True, slots=True)
class ShiftTimes:
    """A shift of the wall clock. begins, ends: minutes after midnight; an end that is not later is of the next day.

    weekdays: on which it begins, Monday is 0. breaks: (begin, length) in minutes, begin after midnight; a break that
    begins before its shift does is of the next day.
    """

    name: str
    begins: int
    ends: int
    weekdays: frozenset[int] = EVERY_DAY
    breaks: tuple[tuple[int, int], ...] = ()


class ShiftCalendar:
    """When shifts run, by local wall time, with breaks, holidays and exceptions; lengths follow from the clock.

    Of two shifts that overlap the later one takes over when it begins.
    """

    def __init__(self, timezone: str, shifts: Sequence[ShiftTimes], days: WorkDays | None = None) -> None:
        self._zone, self._days = ZoneInfo(timezone), days or WorkDays()
        self._shifts = sorted(shifts, key=lambda one: one.begins)
        self._of_day = lru_cache(maxsize=64)(self._stretches)

    def stretch_at(self, time_ns: int) -> Stretch:
        """The stretch that holds an instant; one outside all shifts ends at local midnight at the latest."""
        day = datetime.fromtimestamp(time_ns // NS, self._zone).date()
        stretches = self._of_day(day)
        return stretches[bisect_right(stretches, time_ns, key=lambda one: one.start_ns) - 1]

    def _stretches(self, day: date) -> tuple[Stretch, ...]:
        """What touches a local day, in order without holes."""
        begin_ns, end_ns = self._at(day, 0), self._at(day, DAY)
        runs = [run for more in (-1, 0, 1) for run in self._runs(day + timedelta(days=more))]
        found: list[Stretch] = []
        now_ns = begin_ns
        for place, (start_ns, stop_ns, shift, shift_day) in enumerate(runs):
            later_ns = runs[place + 1][0] if place + 1 < len(runs) else FAR
            over_ns = min(stop_ns, later_ns)
            if over_ns <= begin_ns or start_ns >= end_ns:
                continue
            if start_ns > now_ns:
                found.append(Stretch(now_ns, start_ns, True, "", day.isoformat(), start_ns))
            found += self._shift(shift, shift_day, start_ns, over_ns)
            now_ns = max(now_ns, over_ns)
        if now_ns < end_ns:
            found.append(Stretch(now_ns, end_ns, True, "", day.isoformat(), end_ns))
        return tuple(found)

    def _runs(self, day: date) -> list[tuple[int, int, ShiftTimes, date]]:
        """(start_ns, end_ns, shift, day) of the shifts that begin on a day, in order."""
        kind = self._days.kind(day)
        if kind == "off":
            return []
        weekdays = set(range(5)) if kind == "work" else {day.weekday()}
        return [
            (self._at(day, one.begins), self._at(day, one.ends + DAY * (one.ends <= one.begins)), one, day)
            for one in self._shifts if one.weekdays & weekdays
        ]  # fmt: skip

    def _shift(self, shift: ShiftTimes, day: date, start_ns: int, end_ns: int) -> Iterator[Stretch]:
        """A shift cut at its breaks."""
        now_ns, told = start_ns, day.isoformat()
        for begins, minutes in sorted((at + DAY * (at < shift.begins), length) for at, length in shift.breaks):
            pause_ns, over_ns = self._at(day, begins), self._at(day, begins + minutes)
            from_ns, to_ns = max(now_ns, pause_ns), min(over_ns, end_ns)
            if from_ns >= to_ns:
                continue
            if now_ns < from_ns:
                yield Stretch(now_ns, from_ns, False, shift.name, told, end_ns)
            yield Stretch(from_ns, to_ns, True, shift.name, told, end_ns)
            now_ns = to_ns
        if now_ns < end_ns:
            yield Stretch(now_ns, end_ns, False, shift.name, told, end_ns)

    def _at(self, day: date, minute: int) -> int:
        """The instant of a local time, ns; minutes past the day are of the next one."""
        on = day + timedelta(days=minute // DAY)
        local = datetime.combine(on, time(minute % DAY // 60, minute % 60), self._zone)
        return int(local.astimezone(UTC).timestamp()) * NS


def wall_hours(timezone: str, start: str, end: str) -> float:
    """Hours between two local times in ISO form: what a shift over a clock change really lasts.

    >>> wall_hours("Europe/Berlin", "2026-03-28T22:00", "2026-03-29T06:00")
    7.0
    """
    zone = ZoneInfo(timezone)
    begin, until = (datetime.fromisoformat(one).replace(tzinfo=zone) for one in (start, end))
    return (until.timestamp() - begin.timestamp()) / 3600.0


def midnight_ns(timezone: str, day: str) -> int:
    """The instant at which a local day, YYYY-MM-DD, begins."""
    return int(datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(timezone)).timestamp()) * NS
