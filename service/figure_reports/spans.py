"""What a report is about: when a shift was, where a lot was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from andon.calendars import Stretch, midnight_ns
from andon.plant import PlantModel
from operators.lots import EVENTS, LotStay, stays
from service.figure_reports.document import ReportError
from sinks.history_reader import HistoryReader

EVER_NS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Shift:
    """[start_ns, end_ns) of a production day's shift; name empty: the whole day. planned_s: without breaks, s."""

    day: str
    name: str
    start_ns: int
    end_ns: int
    planned_s: float

    @property
    def subject(self) -> str:
        """As people and files call it."""
        return f"{self.day}/{self.name}" if self.name else self.day


def shift_of(plant: PlantModel, day: str, name: str = "") -> Shift:
    """A shift by its production day, YYYY-MM-DD, and name. ReportError: no such day, or no such shift on it.

    Without a name: from the begin of the day's first shift to the end of its last; the local day where no shift is
    declared. A shift belongs to the day on which it began.
    """
    zone = plant.config.site.timezone
    try:
        after = (date.fromisoformat(day) + timedelta(days=1)).isoformat()
        begin_ns, end_ns = midnight_ns(zone, day), midnight_ns(zone, after)
    except (ValueError, OverflowError):
        raise ReportError("report.no_day", found=day[:40]) from None
    if not plant.config.shift:
        if name:
            raise ReportError("report.no_shift", found=name[:40], day=day, allowed="-")
        return Shift(day, "", begin_ns, end_ns, (end_ns - begin_ns) / 1e9)
    of_day = [one for one in _stretches(plant, begin_ns, end_ns) if one.shift and one.day == day]
    mine = [one for one in of_day if name in ("", one.shift)]
    if not mine:
        allowed = ", ".join(dict.fromkeys(one.shift for one in of_day)) or "-"
        raise ReportError("report.no_shift", found=name[:40] or "-", day=day, allowed=allowed)
    planned_ns = sum(one.end_ns - one.start_ns for one in mine if not one.planned)
    return Shift(day, name, mine[0].start_ns, mine[-1].end_ns, planned_ns / 1e9)


def _stretches(plant: PlantModel, begin_ns: int, end_ns: int) -> list[Stretch]:
    """Everything of the calendar that may belong to shifts that begin on a local day: that day and the next."""
    calendar, found, now_ns = plant.shift_calendar, [], begin_ns
    if calendar is None:
        return []
    until_ns = end_ns + (end_ns - begin_ns)
    while now_ns < until_ns:
        stretch = calendar.stretch_at(now_ns)
        found.append(stretch)
        now_ns = stretch.end_ns
    # A stretch over midnight is told in parts where the calendar cuts days: each part once.
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Leg:
    """A stay of the lot at an asset, up to now where it is still there."""

    asset: str
    stay: LotStay
    end_ns: int


def legs_of(plant: PlantModel, history: HistoryReader, lot: str, now_ns: int) -> list[Leg]:
    """Every stay of a lot, in order of its begin. ReportError where nothing ever told of it."""
    found = [
        Leg(asset, stay, min(stay.to_ns, max(now_ns, stay.from_ns)))
        for asset in plant.assets
        for stay in stays(history.events(asset, 0, EVER_NS, EVENTS))
        if stay.lot == lot
    ]
    if not found:
        raise ReportError("report.no_lot", lot=lot[:64])
    return sorted(found, key=lambda leg: (leg.stay.from_ns, leg.asset))
