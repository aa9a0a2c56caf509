"""Hours of the week in which something counts, by the wall clock of a time zone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from andon.readings import NS_PER_S

MINUTE_NS = 60 * NS_PER_S


class Hours:
    """From `begins` to `ends` on these days.

    days   : 0 is Monday; the days on which the hours begin.
    begins : HH:MM. ends: HH:MM, not after begins: on the next day; equal: a whole day.

    The wall clock decides: where it shows an hour twice, both count; where it leaves one out, there is none.
    """

    def __init__(self, days: Sequence[int], begins: str, ends: str, timezone: str) -> None:
        self._days, self._zone = frozenset(days), ZoneInfo(timezone)
        self._begins, self._ends = _minutes(begins), _minutes(ends)
        self._at = lru_cache(maxsize=4_096)(self._find)

    def hold(self, time_ns: int) -> bool:
        """Whether an instant lies in them.

        >>> nights = Hours([4], "22:00", "06:00", "Europe/Berlin")  # Friday to Saturday
        >>> day_ns = 1_774_656_000 * NS_PER_S  # 28 March 2026, a Saturday, 00:00 UTC; clocks change a day later
        >>> [nights.hold(day_ns + hour * 3600 * NS_PER_S) for hour in (-4, -3, 0, 4, 5, 24)]
        [False, True, True, True, False, False]
        """
        return self._at(time_ns // MINUTE_NS)

    def _find(self, minute: int) -> bool:
        local = datetime.fromtimestamp(minute * 60, self._zone)
        at, day = local.hour * 60 + local.minute, local.weekday()
        if self._begins < self._ends:
            return day in self._days and self._begins <= at < self._ends
        return (day in self._days and at >= self._begins) or ((day - 1) % 7 in self._days and at < self._ends)


def _minutes(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)
