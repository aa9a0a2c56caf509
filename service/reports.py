"""Figures told to the ERP: OEE and downtime of a shift, the cold chain of a lot, maintenance done, calibration due.

Each is computed from the journal and the event history when its time has come, and again when late data has corrected
one of the figures it rests on: the ERP then gets the next revision of the same record, with signed differences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import structlog

from andon.calendars import Calendar
from andon.config.erp_back import Reports
from andon.datafolder import DataFolder
from andon.errors import RecordsError
from andon.outputs import Figure
from andon.plant import PlantModel
from andon.readings import NS_PER_S, Status
from andon.records import SYSTEM_QUALITY, Records
from flows.figures import FigureSpec, Points, figure_specs
from operators.cold_chain import merge_parts
from operators.lots import OPEN_END, LotStay, stays
from operators.oee import oee_ratios
from sinks.history_reader import HistoryReader
from sinks.journal_reader import JournalReader

log = structlog.get_logger()
DAY_NS = 86_400 * NS_PER_S
CARRY_NS = DAY_NS  # how far back the value at the beginning of a span is looked for
LOOK_BACK_NS = 400 * DAY_NS  # a lot may have been in a store for a year
SINCE = "reports.since"
#: Parts of a cold-chain figure that add up; the others are told beside them.
ADDITIVE_COLD = ("covered_s", "gap_s", "samples", "above_s", "below_s", "above_c_min", "below_c_min")
Key = tuple[str, str, str]
Parts = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Span:
    """What a report is about: kind, asset, subject, and the stretches [start, end) of event time, in order."""

    kind: str
    asset: str
    subject: str
    stretches: tuple[tuple[int, int], ...]
    about: Mapping[str, object]

    @property
    def end_ns(self) -> int:
        """When the last of it was over."""
        return self.stretches[-1][1]


class Reporter:
    """Tells the ERP what is due. Only what ended after the first start of it is told: no flood of old shifts."""

    def __init__(
        self, records: Records, plant: PlantModel, history: HistoryReader, data: DataFolder, settings: Reports
    ) -> None:
        self.records, self.plant, self.history, self.data, self.settings = records, plant, history, data, settings
        shards = range(plant.config.transport.shards)
        self._specs: dict[tuple[str, str], tuple[int, FigureSpec]] = {
            (spec.kind, spec.asset): (shard, spec) for shard in shards for spec in figure_specs(plant, shard)
        }
        begins = [int(one.begins[:2]) * 60 + int(one.begins[3:]) for one in plant.config.shift]
        timezone = plant.config.site.timezone
        self._zone = ZoneInfo(timezone)
        self._calendar = Calendar("shift", timezone, begins) if begins else Calendar("day", timezone)
        self._names = dict(zip(begins, (one.name for one in plant.config.shift), strict=True))
        self._rules = {rule.id for rule in plant.config.rule}
        self._told: dict[Key, object] = {}  # on which figures the last report of each span rested

    def step(self) -> None:
        """`report`, for who does it again and again."""
        self.report()

    def report(self) -> int:
        """Tell what is due; returns how many reports were new or corrected. Raises RecordsError."""
        now_ns = self.history.watermark_ns()
        if now_ns is None:
            return 0
        since_ns = self._since(now_ns)
        new = 0
        if self.settings.oee:
            new += sum(self._figures_of(span, "oee") for span in self._shifts(since_ns, now_ns))
        if self.settings.cold_chain:
            new += sum(self._figures_of(span, "cold_chain") for span in self._lots(since_ns, now_ns))
        if self.settings.maintenance or self.settings.calibration_d is not None:
            new += self._events(since_ns, now_ns)
        return new

    def _since(self, now_ns: int) -> int:
        """Where reports begin: the plant's time when they were first asked for."""
        kept = self.records.get_state(SINCE)
        if kept is None:
            self.records.set_state(SINCE, str(now_ns), SYSTEM_QUALITY)
            return now_ns
        corrected_ns = round(self.plant.config.time.correct_for_h * 3600 * NS_PER_S)
        return max(int(kept), now_ns - corrected_ns)  # what is older than that does not change any more

    def _shifts(self, since_ns: int, now_ns: int) -> Iterator[Span]:
        """The shifts (days, where there are none) that ended in (since, now], of every asset with an OEE."""
        begin, end = self._calendar.window_at(since_ns)
        while end <= now_ns:
            local = datetime.fromtimestamp(begin / NS_PER_S, self._zone)
            name = self._names.get(local.hour * 60 + local.minute, "")
            subject = f"{local:%Y-%m-%d}/{name}" if name else f"{local:%Y-%m-%d}"
            for kind, asset in self._specs:
                if kind == "oee":
                    about = {"shift": name, "date": f"{local:%Y-%m-%d}"}
                    yield Span("oee_shift", asset, subject, ((begin, end),), about)
            begin, end = self._calendar.window_at(end)

    def _lots(self, since_ns: int, now_ns: int) -> Iterator[Span]:
        """The lots that left an asset with a cold chain in (since, now], each with all its stays there.

        The lot is the subject, not the stay: late events move where a stay begins, and the record must stay one.
        """
        for kind, asset in self._specs:
            if kind != "cold_chain":
                continue
            by_lot: dict[str, list[LotStay]] = {}
            for stay in stays(self.history.events(asset, now_ns - LOOK_BACK_NS, now_ns + 1)):
                by_lot.setdefault(stay.lot, []).append(stay)
            for lot, there in by_lot.items():
                if there[-1].to_ns != OPEN_END and since_ns < there[-1].to_ns <= now_ns:
                    product = next((stay.product for stay in there if stay.product), "")
                    stretches = tuple((stay.from_ns, stay.to_ns) for stay in there)
                    yield Span("cold_chain_lot", asset, lot, stretches, {"lot": lot, "product": product})

    def _figures_of(self, span: Span, kind: str) -> bool:
        """Tell a span when all windows in it are final, and again when one of them was corrected."""
        windows = [one for part in span.stretches for one in self.history.figures(kind, *part, span.asset)]
        rests_on = (span, [(one.start_ns, one.revision) for one in windows])
        key = (span.kind, span.asset, span.subject)
        if not windows or self._told.get(key) == rests_on or not self._settled(windows, span):
            return False
        parts = self._parts(kind, span)
        figures, more = _oee(parts) if kind == "oee" else _cold(parts)
        about = {
            **span.about, "stretches": [[_stamp(start), _stamp(end)] for start, end in span.stretches], **more,
            "alarms": self._alarms(span),
        }  # fmt: skip
        revision = self.records.tell_report(
            span.kind, span.asset, span.subject, figures, about, SYSTEM_QUALITY, at_ns=span.end_ns
        )
        self._told[key] = rests_on
        return revision is not None

    def _settled(self, windows: list[Figure], span: Span) -> bool:
        """Whether no window that the span reaches into still runs, and the last one has come."""
        length_ns = round(self.plant.config.windows.figures_s * NS_PER_S)
        last_ns = (span.end_ns - 1) // length_ns * length_ns
        watermark_ns = self.history.watermark_ns() or 0
        waited = watermark_ns >= last_ns + length_ns + round(self.plant.config.time.idle_s * NS_PER_S)
        return waited and all(one.final for one in windows)

    def _parts(self, kind: str, span: Span) -> Parts:
        """The figure of exactly the span, from the readings: shifts and stays do not end with the hour."""
        shard, spec = self._specs[kind, span.asset]
        journal = JournalReader(self.data.journal(shard))
        numbers = [journal.series().get(f"{span.asset}/{tag}") for tag in spec.tags]
        parts = [
            spec.compute([_points(journal, number, start, end) for number in numbers], start, end)
            for start, end in span.stretches
        ]
        return parts[0] if len(parts) == 1 else merge_parts(parts)

    def _alarms(self, span: Span) -> list[str]:
        """Keys of the asset's alarms that overlap the span; not those that late data took back, nor Andon's own."""
        return sorted(
            one.key
            for one in self.records.alarms(asset=span.asset, limit=1000, before_ns=span.end_ns)
            if one.merged_into is None and not one.evidence.get("voided") and one.rule_id in self._rules
            and any(one.start_ns < end and (one.cleared_ns or OPEN_END) > start for start, end in span.stretches)
        )  # fmt: skip

    def _events(self, since_ns: int, now_ns: int) -> int:
        """Maintenance that was done, calibrations that fall due."""
        new = 0
        for asset in self.plant.assets:
            for one in self.history.events(asset, since_ns, now_ns + 1):
                if self.settings.maintenance and one.event == "maintenance.ended":
                    about = {"done": _stamp(one.time_ns), **one.data}
                    new += self._tell("maintenance_done", asset, _stamp(one.time_ns), about, one.time_ns)
            if self.settings.calibration_d is not None:
                new += self._calibration(asset, now_ns, round(self.settings.calibration_d * DAY_NS))
        return new

    def _calibration(self, asset: str, now_ns: int, ahead_ns: int) -> int:
        done = [
            one for one in self.history.events(asset, now_ns - LOOK_BACK_NS, now_ns + 1)
            if one.event.startswith("calibration.") and one.data.get("due")
        ]  # fmt: skip
        due = str(done[-1].data["due"]) if done else ""
        try:
            due_ns = round(datetime.fromisoformat(due).replace(tzinfo=UTC).timestamp() * NS_PER_S) if due else None
        except ValueError:
            log.warning("reports.calibration_due", asset=asset, due=due)
            due_ns = None
        if due_ns is None or due_ns - now_ns > ahead_ns:
            return 0
        return self._tell("calibration_due", asset, due, {"due": due, **done[-1].data}, done[-1].time_ns)

    def _tell(self, kind: str, asset: str, subject: str, about: Mapping[str, object], at_ns: int) -> int:
        key = (kind, asset, subject)
        if self._told.get(key) == about:
            return 0
        try:
            revision = self.records.tell_report(kind, asset, subject, {}, about, SYSTEM_QUALITY, at_ns=at_ns)
        except RecordsError as error:
            if error.code != "records.report_large":
                raise
            log.warning("reports.too_large", kind=kind, asset=asset, subject=subject)
            revision = None
        self._told[key] = about
        return int(revision is not None)


def _points(journal: JournalReader, series: int | None, start_ns: int, end_ns: int) -> Points:
    """Usable points of a series from a day before a stretch to its end, by time, then value."""
    if series is None:
        return np.empty(0, np.int64), np.empty(0, np.float64)
    rows = journal.find([series], start_ns - CARRY_NS, end_ns).rows
    rows = rows[rows["status"] != Status.BAD]
    rows = rows[np.lexsort((rows["value"], rows["time_ns"]))]
    return np.ascontiguousarray(rows["time_ns"], np.int64), np.ascontiguousarray(rows["value"], np.float64)


def _oee(parts: Parts) -> tuple[dict[str, float | None], dict[str, object]]:
    """Time by reason and counts, which add up; the ratios made of them."""
    return dict(parts), {"ratios": oee_ratios(parts)}


def _cold(parts: Parts) -> tuple[dict[str, float | None], dict[str, object]]:
    """Time and degree-minutes out of range; what was reached, and the lot's status. Quality decides on the lot."""
    figures = {name: parts[name] for name in ADDITIVE_COLD}
    out_s = (parts["above_s"] or 0.0) + (parts["below_s"] or 0.0)
    status = "excursion" if out_s else "incomplete" if parts["gap_s"] else "within"
    reached = {name: parts[name] for name in ("minimum", "maximum", "mean", "mkt")}
    return figures, {"status": status, **reached}


def _stamp(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // NS_PER_S, UTC):%Y-%m-%dT%H:%M:%SZ}"
