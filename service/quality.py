"""What quality events lead to: lots to be held, CAPA proposals. A part of the service; decides nothing by itself.

Everything follows from the records and the event history, under keys of its own, so that doing it again changes
nothing. Late data that moves an excursion's start may bring in further lots; a lot that was asked for stays asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from andon.config.erp_back import Quality
from andon.readings import NS_PER_S
from andon.records import SYSTEM_QUALITY, AlarmRecord, Records
from operators.lots import EVENTS, lots_at
from sinks.history_reader import HistoryReader

LOOK_BACK_NS = 400 * 86_400 * NS_PER_S  # a lot may have been in a store for a year
DAY_NS = 86_400 * NS_PER_S
AT_ONCE = 500


class QualityWatch:
    """Follows the records' changes from the beginning, and after that as they come."""

    def __init__(self, records: Records, history: HistoryReader, quality: Quality, keep_ns: int = 7 * DAY_NS) -> None:
        self.records, self.history, self.quality, self.keep_ns = records, history, quality, keep_ns
        self._seq = 0
        self._open: set[str] = set()  # alarms whose excursion goes on: further lots may come into it

    def step(self) -> None:
        """`look`, for who does it again and again."""
        self.look()

    def look(self) -> int:
        """Look at what has changed, and at what goes on; returns how many holds and proposals were new."""
        new = 0
        looked = set()
        while rows := self.records.changes_since(self._seq, AT_ONCE):
            for alarm in rows:
                new += self._look(alarm)
                looked.add(alarm.key)
            self._seq = rows[-1].change_seq
        for key in self._open - looked:
            new += self._look(self.records.alarm(key))
        return new

    def _look(self, alarm: AlarmRecord) -> int:
        self._open.discard(alarm.key)
        silent = alarm.state in ("suppressed", "out_of_service")
        never = alarm.merged_into is not None or bool(alarm.evidence.get("voided"))
        if alarm.raises != "quality_event" or silent or never or self._past(alarm):
            return 0
        held = any(fnmatchcase(alarm.rule_id, glob) for glob in self.quality.hold)
        if held and alarm.cleared_ns is None:
            self._open.add(alarm.key)
        return (self._hold(alarm) if held else 0) + self._propose(alarm)

    def _past(self, alarm: AlarmRecord) -> bool:
        """Whether it was over long ago: what [quality] asks for now is not asked for the alarms of last year."""
        now_ns = self.history.watermark_ns()
        return now_ns is not None and alarm.cleared_ns is not None and alarm.cleared_ns < now_ns - self.keep_ns

    def _hold(self, alarm: AlarmRecord) -> int:
        """Ask for the lots that were at the asset between the alarm's start and its end, or now."""
        begun_ns = alarm.begun_ns or alarm.start_ns
        now_ns = max(self.history.watermark_ns() or 0, alarm.confirmed_ns)
        until_ns = max(begun_ns, now_ns if alarm.cleared_ns is None else alarm.cleared_ns) + 1
        events = self.history.events(alarm.asset, begun_ns - LOOK_BACK_NS, until_ns, EVENTS)
        stays = lots_at(events, begun_ns, until_ns)
        return sum(self.records.hold_lot(alarm.key, stay.lot, stay.product, SYSTEM_QUALITY) for stay in stays)

    def _propose(self, alarm: AlarmRecord) -> int:
        """Severe: by itself. Repeated: so many of one series and rule since the last proposal for them."""
        quality, new = self.quality, 0
        if alarm.priority in quality.capa_priorities:
            new += self.records.propose_capa(alarm.key, "severe", alarm.key, known(alarm), SYSTEM_QUALITY)
        if quality.capa_repeats:
            point = (alarm.asset, alarm.tag, alarm.rule_id)
            since_ns = alarm.start_ns - round(quality.capa_within_d * DAY_NS)
            same = self.records.occurrences(*point, max(since_ns, self.records.repeated_until(*point)), alarm.start_ns)
            if len(same) >= quality.capa_repeats:
                content = {**known(alarm), "alarms": same}
                new += self.records.propose_capa(alarm.key, "repeated", alarm.key, content, SYSTEM_QUALITY)
        return new


def known(alarm: AlarmRecord) -> Mapping[str, object]:
    """The part of a CAPA record that the alarm tells."""
    context = alarm.evidence.get("context")
    made = context if isinstance(context, Mapping) else {}
    return {
        "type": "corrective", "source_event": alarm.key, "asset": alarm.asset, "tag": alarm.tag, "rule": alarm.rule_id,
        "rule_version": alarm.rule_version, "priority": alarm.priority, "condition": alarm.condition,
        "limit": alarm.limit, "peak": alarm.peak, "unit": alarm.unit, "out_s": alarm.out_s,
        "start_ns": str(alarm.begun_ns or alarm.start_ns), "product": made.get("product"), "lot": made.get("lot"),
        "order": made.get("order"),
    }  # fmt: skip
