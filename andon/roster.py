"""Who is to be told of an alarm now: routes, teams, rotas and shifts of plant.toml, looked up at an instant. Pure.

Times of day are local to the site; a night on which the clock is changed is an hour longer or shorter, and nobody is
missing in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from andon.config.models import Plant, Route
from andon.config.people import DAYS, Duty, Person
from andon.readings import NS_PER_S

ERP = "erp"
DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES


@dataclass(frozen=True, slots=True)
class Call:
    """A step of a route: after so many seconds these people are called. people: ids, each once."""

    route: str
    step: int
    after_s: float
    people: tuple[str, ...]


@dataclass(frozen=True)
class Roster:
    """Look-ups over the people of a checked `Plant`."""

    zone: ZoneInfo
    language: str
    people: Mapping[str, Person]
    teams: Mapping[str, tuple[str, ...]]
    rotas: Mapping[str, tuple[Duty, ...]]
    routes: Sequence[Route]
    shifts: Sequence[tuple[str, time]] = field(default=())

    @classmethod
    def of(cls, config: Plant) -> Roster:
        """Of a plant.toml."""
        return cls(
            ZoneInfo(config.site.timezone), config.site.language, {one.id: one for one in config.person},
            {one.name: one.members for one in config.team}, {one.name: one.duty for one in config.rota},
            config.route, [(one.name, _time(one.begins)) for one in config.shift],
        )  # fmt: skip

    def calls(self, asset: str, priority: str, raises: str, now_ns: int) -> list[Call]:
        """Every step of every route that fits an alarm, whoever is on duty now, in the order of the file.

        A step that nobody is on duty for has no people, the first one too; whoever plans goes on to the next at once.
        """
        found: list[Call] = []
        shift = self.shift_at(now_ns)
        for number, route in enumerate(self.routes):
            fits = fnmatchcase(asset, route.area) and priority in route.priority
            if not fits or route.raises not in (None, raises) or (route.shift and shift not in route.shift):
                continue
            name, seen = route.name or str(number + 1), dict[str, int]()
            steps = [(0.0, route.to), *((step.after_s, step.to) for step in route.step)]
            for step, (after_s, to) in enumerate(steps):
                people = [one for target in to if target != ERP for one in self._people(target, seen, now_ns)]
                if any(target != ERP for target in to):
                    found.append(Call(name, step, after_s, tuple(dict.fromkeys(people))))
        return found

    def _people(self, target: str, seen: dict[str, int], now_ns: int) -> Sequence[str]:
        """People behind a name; of a rota one, the next each time it is named."""
        if target in self.teams:
            return self.teams[target]
        if target in self.people:
            return (target,)
        duty = self.on_duty(target, now_ns)
        turn = seen.get(target, 0)
        seen[target] = turn + 1
        return duty[min(turn, len(duty) - 1) :][:1] if duty else ()

    def on_duty(self, rota: str, now_ns: int) -> Sequence[str]:
        """The people of a rota at an instant, in the order in which they are called; none where nobody is."""
        today = self._local(now_ns).date()
        for duty in self.rotas.get(rota, ()):
            for day in (today - timedelta(days=1), today):
                if DAYS[day.weekday()] in duty.days and self._holds(day, duty, now_ns):
                    return duty.people
        return ()

    def shift_at(self, now_ns: int) -> str | None:
        """Name of the shift at an instant; None where no shifts are declared."""
        today = self._local(now_ns).date()
        begun = [
            (begin, name)
            for day in (today - timedelta(days=1), today)
            for name, at in self.shifts
            if (begin := self._instant(day, at)) <= now_ns
        ]
        return max(begun)[1] if begun else None

    def quiet_until(self, person: str, now_ns: int) -> int | None:
        """When the quiet hours end in which a person is now, ns; None when they are in none."""
        one = self.people.get(person)
        if one is None or one.quiet is None:
            return None
        today = self._local(now_ns).date()
        for day in (today - timedelta(days=1), today):
            begin, end = self._span(day, *map(_time, one.quiet))
            if begin <= now_ns < end:
                return end
        return None

    def quiet_now(self, now_ns: int) -> tuple[str, ...]:
        """Ids of the people who are in their quiet hours."""
        return tuple(one for one in self.people if self.quiet_until(one, now_ns) is not None)

    def _holds(self, day: date, duty: Duty, now_ns: int) -> bool:
        begin, end = self._span(day, _time(duty.begins), _time(duty.ends))
        return begin <= now_ns < end

    def _span(self, day: date, begins: time, ends: time) -> tuple[int, int]:
        last = day if ends > begins else day + timedelta(days=1)
        return self._instant(day, begins), self._instant(last, ends)

    def _instant(self, day: date, at: time) -> int:
        return int(datetime.combine(day, at, self.zone).astimezone(UTC).timestamp()) * NS_PER_S

    def _local(self, now_ns: int) -> datetime:
        return datetime.fromtimestamp(now_ns // NS_PER_S, self.zone)


def week_gaps(duties: Sequence[Duty]) -> list[tuple[int, int]]:
    """When nobody is on duty in a week without a clock change: [from, to) in minutes after Monday 00:00.

    A gap over the end of the week is told once, with `to` beyond it.

    >>> week_gaps([Duty(people=("a",), days=("mon", "tue", "wed", "thu", "fri"), begins="06:00", ends="06:00")])
    [(7560, 10440)]
    """
    held = bytearray(WEEK_MINUTES)
    for duty in duties:
        begin, end = _minutes(duty.begins), _minutes(duty.ends)
        for day in duty.days:
            first = DAYS.index(day) * DAY_MINUTES + begin
            for minute in range(first, first + ((end - begin) % DAY_MINUTES or DAY_MINUTES)):
                held[minute % WEEK_MINUTES] = 1
    begins = [minute for minute in range(WEEK_MINUTES) if not held[minute] and held[minute - 1]]
    if not begins:
        return [] if held[0] else [(0, WEEK_MINUTES)]
    twice = held + held
    return [(minute, twice.find(1, minute)) for minute in begins]


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def _time(text: str) -> time:
    return time(int(text[:2]), int(text[3:]))
