"""Figures told to the ERP: OEE and downtime of a shift, the cold chain of a lot, maintenance done, calibration due.

Each is added up from the figures of the history when its time has come (service/report_figures.py, as the reports for
people are), and again when late data has corrected one of the figures it rests on: the ERP then gets the next revision
of the same record, with signed differences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from andon.config.erp_back import Reports
from andon.errors import RecordsError
from andon.outputs import Figure
from andon.plant import PlantModel
from andon.readings import NS_PER_S
from andon.records import SYSTEM_QUALITY, Records
from flows.figure_specs import machine_specs
from operators.lots import EVENTS, OPEN_END, LotStay, stays
from operators.oee import oee_ratios
from operators.profiles import profile_of
from operators.wear_machines import MAINTAINED
from service.figure_reports.document import ReportError
from service.figure_reports.spans import Shift, shift_of
from service.report_figures import (
    ADDITIVE,
    Key,
    Parts,
    Span,
    lot_parts,
    lot_status,
    lot_stays,
    shift_parts,
    shift_windows,
)
from sinks.history_reader import HistoryReader

log = structlog.get_logger()
DAY_NS = 86_400 * NS_PER_S
LOOK_BACK_NS = 400 * DAY_NS  # a lot may have been in a store for a year
FED_NS = 30 * NS_PER_S  # how long machines take to be fed and called, behind the rows
MOST_ALARMS = 100  # of a span, by name; of more it is told how many there were
SINCE = "reports.since"


class Reporter:
    """Tells the ERP what is due. Only what ended after the first start of it is told: no flood of old shifts."""

    def __init__(self, records: Records, plant: PlantModel, history: HistoryReader, settings: Reports) -> None:
        self.records, self.plant, self.history, self.settings = records, plant, history, settings
        declared = [spec for shard in range(plant.config.transport.shards) for spec in machine_specs(plant, shard)]
        self._machines = [spec.asset for spec in declared if spec.kind == "oee"]
        self._stores = [spec.asset for spec in declared if spec.kind == "lot_stay"]
        self._shift_names = list(dict.fromkeys(one.name for one in plant.config.shift)) or [""]
        self._zone = ZoneInfo(plant.config.site.timezone)
        time = plant.config.time
        self._wait_ns = FED_NS + round((time.idle_s + time.lateness_s) * NS_PER_S)
        self._rules = {rule.id for rule in plant.config.rule}
        self._shifts_of: dict[str, list[Shift]] = {}  # by day
        self._told: dict[Key, object] = {}  # on which figures the last report of each span rested
        self._asked: set[Key] = set()  # of which there may still be something to tell

    def step(self) -> None:
        """`report`, for who does it again and again."""
        self.report()

    def report(self) -> int:
        """Tell what is due; returns how many reports were new or corrected. Raises RecordsError."""
        now_ns = self.history.watermark_ns()
        if now_ns is None:
            return 0
        since_ns = self._since(now_ns)
        self._asked, new = set(), 0
        if self.settings.oee:
            new += sum(self._shift(span) for span in self._shifts(since_ns, now_ns))
        if self.settings.cold_chain:
            new += sum(self._lot(span) for span in self._lots(since_ns, now_ns))
        if self.settings.maintenance or self.settings.calibration_d is not None:
            new += self._events(since_ns, now_ns)
        self._told = {key: one for key, one in self._told.items() if key in self._asked}
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
        day, last = (datetime.fromtimestamp(at / NS_PER_S, self._zone).date() for at in (since_ns - DAY_NS, now_ns))
        while day <= last:
            for shift in self._on(day.isoformat()):
                if since_ns < shift.end_ns <= now_ns:
                    about, stretches = {"shift": shift.name, "date": shift.day}, ((shift.start_ns, shift.end_ns),)
                    yield from (Span("oee_shift", asset, shift.subject, stretches, about) for asset in self._machines)
            day += timedelta(days=1)

    def _on(self, day: str) -> list[Shift]:
        """The shifts that begin on a day; a holiday may have none."""
        if day not in self._shifts_of:
            found = []
            for name in self._shift_names:
                with suppress(ReportError):
                    found.append(shift_of(self.plant, day, name))
            self._shifts_of[day] = found
        return self._shifts_of[day]

    def _lots(self, since_ns: int, now_ns: int) -> Iterator[Span]:
        """The lots that left an asset with a cold chain in (since, now], each with all its stays there.

        The lot is the subject, not the stay: late events move where a stay begins, and the record must stay one.
        """
        for asset in self._stores:
            by_lot: dict[str, list[LotStay]] = {}
            for stay in stays(self.history.events(asset, now_ns - LOOK_BACK_NS, now_ns + 1, EVENTS)):
                by_lot.setdefault(stay.lot, []).append(stay)
            for lot, there in by_lot.items():
                if there[-1].to_ns != OPEN_END and since_ns < there[-1].to_ns <= now_ns:
                    product = next((stay.product for stay in there if stay.product), "")
                    stretches = tuple((stay.from_ns, stay.to_ns) for stay in there)
                    yield Span("cold_chain_lot", asset, lot, stretches, {"lot": lot, "product": product})

    def _shift(self, span: Span) -> bool:
        """Tell a shift: time by reason and counts, which add up, and the ratios made of them."""
        found = self.history.figures("oee", *span.stretches[0], span.asset)
        windows = shift_windows(lambda *_: found, span.asset, *span.stretches[0])
        if not self._is_settled(span, windows):
            return False
        if len(windows) < len(found) and (span.asset, span.subject) in self.records.told_reports(span.kind):
            self._told[span.key] = span.rests_on(windows)  # told by an earlier version, whose windows make it no better
            return False
        parts = shift_parts(windows, *span.stretches[0])
        return self._tell_figures(span, windows, parts, {"ratios": oee_ratios(parts)})

    def _lot(self, span: Span) -> bool:
        """Tell a lot: times, which add up; what was reached, budgets and status. Quality decides on the lot."""
        found = [
            one for start_ns, _ in span.stretches
            for one in lot_stays(self.history.figures, span.asset, span.subject, start_ns)
        ]  # fmt: skip
        declared = self.plant.cold_chain_of(span.asset)
        if declared is None or not self._is_settled(span, found):
            return False
        profile = profile_of(self.plant, declared, str(span.about["product"]) or None)
        parts = lot_parts(found, profile.limits.activation_j_mol)
        figures = {name: parts[name] for name in ADDITIVE["lot_stay"] if name in parts}
        more = {name: value for name, value in parts.items() if name not in figures}
        return self._tell_figures(span, found, figures, {"status": lot_status(parts), **more})

    def _is_settled(self, span: Span, figures: Sequence[Figure]) -> bool:
        """Whether every figure of a span has come and is final, and one is not as it was at the last report."""
        self._asked.add(span.key)
        if not figures or not all(one.final for one in figures) or self._told.get(span.key) == span.rests_on(figures):
            return False
        return (self.history.watermark_ns() or 0) >= span.end_ns + self._wait_ns

    def _tell_figures(self, span: Span, rests_on: Sequence[Figure], figures: Parts, more: Mapping[str, object]) -> bool:
        alarms = self._alarms(span)
        about = {
            **span.about, "stretches": [[_stamp(start), _stamp(end)] for start, end in span.stretches], **more,
            "alarms": alarms[:MOST_ALARMS], **({"alarms_total": len(alarms)} if len(alarms) > MOST_ALARMS else {}),
        }  # fmt: skip
        is_new = self._queue(span.key, figures, about, span.end_ns)
        self._told[span.key] = span.rests_on(rests_on)
        return is_new

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
            same: Counter[str] = Counter()  # several of one second are a record each, in the log's order
            begin_ns = since_ns - since_ns % NS_PER_S
            wanted = self.settings.maintenance
            for one in self.history.events(asset, begin_ns, now_ns + 1, (MAINTAINED,)) if wanted else ():
                done = _stamp(one.time_ns)
                same[done] += 1
                subject = done if same[done] == 1 else f"{done}/{same[done]}"
                new += self._tell("maintenance_done", asset, subject, {"done": done, **one.data}, one.time_ns)
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
        self._asked.add(key)
        if self._told.get(key) == about:
            return 0
        is_new = self._queue(key, {}, about, at_ns)
        self._told[key] = about
        return int(is_new)

    def _queue(self, key: Key, figures: Parts, about: Mapping[str, object], at_ns: int) -> bool:
        """Whether it was new. One that no outbox takes is left out, so that it does not stop those behind it."""
        try:
            return self.records.tell_report(*key, figures, about, SYSTEM_QUALITY, at_ns=at_ns) is not None
        except RecordsError as error:
            if error.code != "records.report_large":
                raise
            log.warning("reports.too_large", kind=key[0], asset=key[1], subject=key[2])
            return False


def _stamp(time_ns: int) -> str:
    return f"{datetime.fromtimestamp(time_ns // NS_PER_S, UTC):%Y-%m-%dT%H:%M:%SZ}"
