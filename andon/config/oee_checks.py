"""Checks of [template.oee], [[cycle]], [calendar] and [[shift]] against each other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import holidays

from andon.config.calendar import WorkCalendar
from andon.config.oee import Cycle
from andon.config.oee_line_checks import check_lines
from andon.config.problems import Loc, Problem, Words, shown, unknown_name
from andon.config.validate import Draft

FIRST, LAST = "0000-00-00", "9999-99-99"  # texts of days compare as the days do


def check_oee(draft: Draft) -> Iterator[Problem]:
    """Every fault of what OEE rests on."""
    yield from _cycles(draft)
    yield from _states(draft)
    yield from _calendar(draft)
    yield from _breaks(draft)
    yield from check_lines(draft)


def _cycles(draft: Draft) -> Iterator[Problem]:
    """Days that exist, in order; one cycle of a product at a time."""
    told: dict[tuple[str, str], list[tuple[str, str, Loc]]] = {}
    for loc, cycle in draft.lists["cycle"]:
        for key, text in (("from", cycle.since), ("until", cycle.until)):
            yield from _day(draft, (*loc, key), text)
        since, until = _valid(cycle)
        if since >= until:
            yield Problem("config.order", draft.document.place((*loc, "from")), found=shown((since, until)))
            continue
        others = told.setdefault((cycle.asset, cycle.product), [])
        for other_since, other_until, other in others:
            if since < other_until and other_since < until:
                place, first = draft.document.place((*loc, "asset")), draft.document.place((*other, "asset"))
                yield Problem("config.twice", place, found=shown((cycle.asset, cycle.product)), first=first)
        others.append((since, until, loc))


def _valid(cycle: Cycle) -> tuple[str, str]:
    return cycle.since or FIRST, cycle.until or LAST


def _day(draft: Draft, loc: Loc, text: str | None) -> Iterator[Problem]:
    if text is None:
        return
    try:
        date.fromisoformat(text)
    except ValueError:
        yield Problem("config.no_such_day", draft.document.place(loc), found=shown(text))


def _states(draft: Draft) -> Iterator[Problem]:
    """Own names of states must be names of the state series."""
    for loc, template in draft.lists["template"]:
        series = {one.tag: one for one in template.series}
        if template.oee is None or template.oee.state not in series:
            continue
        names = series[template.oee.state].states
        known = names if isinstance(names, tuple) else None
        for name in template.oee.states:
            if known is not None and name not in known:
                place = draft.document.place((*loc, "oee", "states", name))
                yield unknown_name(place, name, Words("config.word.unit_state"), known)


def _calendar(draft: Draft) -> Iterator[Problem]:
    calendar: WorkCalendar | None = draft.section("calendar", WorkCalendar())
    if calendar is None:
        return
    for key in ("off", "work"):
        for index, text in enumerate(getattr(calendar, key)):
            yield from _day(draft, ("calendar", key, index), text)
    known = holidays.list_supported_countries()
    if calendar.country and calendar.country not in known:
        place = draft.document.place(("calendar", "country"))
        yield unknown_name(place, calendar.country, Words("config.word.country"), known)
    elif calendar.subdivision and calendar.subdivision not in known.get(calendar.country, ()):
        place = draft.document.place(("calendar", "subdivision"))
        yield unknown_name(place, calendar.subdivision, Words("config.word.country"), known.get(calendar.country, ()))


def _breaks(draft: Draft) -> Iterator[Problem]:
    """A weekday is named once."""
    for loc, shift in draft.lists["shift"]:
        if len(set(shift.weekdays)) < len(shift.weekdays):
            place = draft.document.place((*loc, "weekdays"))
            yield Problem("config.repeated", place, found=shown(shift.weekdays))
