"""Bounds of calendar windows: local hours, days, weeks, months and shifts of a time zone, as UTC instants.

Bounds are local wall time, lengths follow: the day of a clock change has 23 or 25 hours, the shift over it an hour
less or more. A local time that does not exist is moved on by the change, one that exists twice is its first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

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
