"""Inspections told to the ERP before they are due: one record each, by asset, failure mode and the inspection before.

The record stays the same however often the day moves with the use of the machine, and after a restart. It is corrected
when the day has moved and when the inspection is done. The figure `maintenance` says what is due.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from andon.outputs import Figure
from andon.plant import PlantModel
from andon.readings import NS_PER_S
from andon.records import SYSTEM_QUALITY, Records
from operators.machines import Happened
from operators.maintenance import due_inspections
from operators.wear import DAY_NS
from operators.wear_machines import INSPECTED, MAINTAINED

KIND = "inspection_due"
STEADY = timedelta(hours=12)  # a foretold day is left as it was told until it is off by more
OLD_NS = 7 * DAY_NS  # a figure that ended longer ago says nothing of today
FARTHEST_D = 36_525.0  # a machine that hardly runs is foretold beyond what a calendar can hold
Mode = tuple[str, str]  # asset, failure mode
About = Mapping[str, object]


class History(Protocol):
    """What is asked of `HistoryReader`."""

    def watermark_ns(self) -> int | None: ...
    def newest_figures(self, kind: str, since_ns: int = 0) -> list[Figure]: ...
    def events(self, asset: str, start_ns: int, end_ns: int, names: Sequence[str] = ()) -> Sequence[Happened]: ...


class Inspections:
    """Tells the ERP the inspections that fall due within so many days, and that they are done."""

    def __init__(self, records: Records, plant: PlantModel, history: History, within_d: float) -> None:
        self._records, self._plant, self._history, self._within_d = records, plant, history, within_d
        self._zone = ZoneInfo(plant.config.site.timezone)
        self._told: dict[Mode, dict[str, About]] | None = None  # by subject; None: not read yet

    def step(self) -> None:
        """`report`, for who does it again and again."""
        self.report()

    def report(self) -> int:
        """Tell what is due or has changed; returns how many records were new or corrected. Raises RecordsError."""
        now_ns = self._history.watermark_ns()
        if now_ns is None:
            return 0
        if self._told is None:
            self._told = {}
            for (asset, subject), one in self._records.told_reports(KIND).items():
                self._told.setdefault((asset, str(one["about"]["mode"])), {})[subject] = one["about"]
        newest = {
            (one.asset, one.tag): one
            for one in self._history.newest_figures("maintenance", now_ns - OLD_NS)
            if self._is_configured(one.asset, one.tag)
        }
        due = due_inspections([(*mode, one.parts) for mode, one in newest.items()], self._within_d)
        soon = {(one.asset, one.mode) for one in due}
        running = {mode for mode, told in self._told.items() if any(one["done"] is None for one in told.values())}
        modes = soon | running
        heard = self._heard(modes, now_ns)
        return sum(self._look_at(mode, newest.get(mode), heard, now_ns, new=mode in soon) for mode in sorted(modes))

    def _is_configured(self, asset: str, mode: str) -> bool:
        known = asset in self._plant.assets
        return known and any(one.id == mode for one in self._plant.template_of(asset).failure_mode)

    def _heard(self, modes: Collection[Mode], now_ns: int) -> dict[str, Sequence[Happened]]:
        """What began a plan anew, of each asset: read once, from where something can still follow from it."""
        from_ns: dict[str, int] = {}
        for asset, name in modes:
            mode_ns = _needed_from((self._told or {}).get((asset, name), {}).values())
            from_ns[asset] = min(from_ns.get(asset, mode_ns), mode_ns)
        return {
            asset: self._history.events(asset, start_ns, now_ns + 1, (INSPECTED, MAINTAINED))
            for asset, start_ns in from_ns.items()
        }

    def _look_at(
        self, mode: Mode, figure: Figure | None, heard: Mapping[str, Sequence[Happened]], now_ns: int, *, new: bool
    ) -> int:
        """Close the records of inspections that are done since; open or correct the one that comes next.

        The next one waits for a figure that ends later, and for the next step: what is heard of late makes it anew.
        """
        asset, name = mode
        told = (self._told or {}).get(mode, {})
        ended_ns = [
            one.time_ns for one in heard[asset] if one.data.get("mode") is None or str(one.data["mode"]) == name
        ]
        ended = [_stamp(at_ns) for at_ns in ended_ns]
        changed = 0
        for subject, one in list(told.items()):
            after = next((stamp for stamp in ended if stamp > str(one["since"] or "")), None)
            if after is not None and one["done"] is None:
                changed += self._tell(mode, subject, {**one, "done": after}, now_ns)
        since = max((*ended, *_known(told.values())), default="")
        subject = f"{name}/{since or 'first'}"
        before = told.get(subject)
        if figure is None or (before is None and (changed or not new)):
            return changed
        if ended_ns and figure.end_ns <= ended_ns[-1]:
            return changed
        day = self._day(figure, before)
        if day is None:
            return changed
        about = {"mode": name, "since": since or None, "due": day.isoformat(), "done": None}
        return changed + self._tell(mode, subject, about, now_ns)

    def _day(self, figure: Figure, before: About | None) -> date | None:
        """The day of the site on which it is due; the one that was told while it is due, or nearly the same."""
        in_d = figure.parts.get("inspection_in_d")
        told = None if before is None else date.fromisoformat(str(before["due"]))
        if in_d is None or (in_d == 0.0 and told is not None):
            return told
        at = datetime.fromtimestamp(figure.end_ns / NS_PER_S, self._zone) + timedelta(days=min(in_d, FARTHEST_D))
        if told is None:
            return at.date()
        begin = datetime.combine(told, time(), self._zone)
        return told if begin - STEADY <= at < begin + timedelta(days=1) + STEADY else at.date()

    def _tell(self, mode: Mode, subject: str, about: About, now_ns: int) -> int:
        told = {} if self._told is None else self._told.setdefault(mode, {})
        if told.get(subject) == about:
            return 0
        revision = self._records.tell_report(KIND, mode[0], subject, {}, about, SYSTEM_QUALITY, at_ns=now_ns)
        told[subject] = about
        return int(revision is not None)


def _known(told: Iterable[About]) -> Iterator[str]:
    """Stamps of inspections that were told of, also when the history has let them go since."""
    for one in told:
        yield from (str(one["since"] or ""), str(one["done"] or ""))


def _needed_from(told: Collection[About]) -> int:
    """From when on (ns) inspections matter: since the newest that is known, and since each record that is open."""
    newest = max(_known(told), default="")
    least = min((newest, *(str(one["since"] or "") for one in told if one["done"] is None)))
    return round(datetime.fromisoformat(least).timestamp()) * NS_PER_S if least else 0


def _stamp(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
