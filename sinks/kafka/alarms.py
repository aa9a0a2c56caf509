"""Alarms, out of the records' sequence of changes: for each change the alarm as it is then, as a CloudEvent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from andon.records import AlarmRecord, Records, TransitionRecord
from andon.records.canonical import canonical, digest, rfc3339
from sinks.kafka.message import Mark, Outgoing

TYPE = "andon.alarm.changed"
CONTENT_TYPE = b"application/cloudevents+json; charset=UTF-8"
MOST_TRANSITIONS = 50
ID_DIGITS = 16
log = structlog.get_logger()


class AlarmFeed:
    """Reads the alarms that changed. Of several changes of one alarm between two looks the newest state is sent.

    Each event tells the alarm's last transitions too, so that none is lost by that.
    """

    name, lost = "alarms", 0

    def __init__(self, records: Records, mark: Path) -> None:
        self._records = records
        self._mark = Mark(mark, (0,))
        (self._seq,) = self._mark.read()
        self._compared = False
        self._ends: list[int] = []

    def read(self, most: int) -> Sequence[Outgoing]:
        """The next changes; key: the alarm's. Raises RecordsError while the database is away."""
        if not self._compared:
            self._compare()
        changed = self._records.changes_since(self._seq, most)
        told = [(alarm, self._records.transitions(alarm.key)) for alarm in changed]
        # One that changed while its transitions were read has a later number now, and comes again with it.
        kept = {alarm.change_seq for alarm in self._records.changes_since(self._seq, most)} if told else set()
        told = [(alarm, steps) for alarm, steps in told if alarm.change_seq in kept]
        self._ends = [alarm.change_seq for alarm, _ in told]
        return [alarm_message(alarm, steps) for alarm, steps in told]

    def _compare(self) -> None:
        head = self._records.change_head()
        if head < self._seq:
            log.warning("kafka_out.records_rewound", sent=self._seq, head=head)
            self._seq = 0  # the records come from a backup: the ids tell what was sent before
        self._compared = True

    def confirm(self, count: int) -> None:
        """Up to and with change `count` of what was read."""
        if count:
            self._seq = self._ends[count - 1]
            self._mark.write((self._seq,))

    def backlog_bytes(self) -> int:
        """None of its own."""
        return 0


def alarm_message(alarm: AlarmRecord, steps: Sequence[TransitionRecord]) -> Outgoing:
    """The event of an alarm as it is; the same alarm and history give the same bytes and id."""
    data = _data(alarm, steps)
    told = f"{alarm.key}.{digest(data)[:ID_DIGITS]}"
    event = {
        "specversion": "1.0",
        "id": told,
        "source": f"/site/{alarm.site}/{alarm.asset}",
        "type": TYPE,
        "subject": alarm.key,
        "time": rfc3339(steps[-1].recorded_ns if steps else alarm.recorded_ns),
        "datacontenttype": "application/json",
        "data": data,
    }
    headers = [("id", told.encode()), ("content-type", CONTENT_TYPE)]
    return Outgoing(alarm.key.encode(), canonical(event), headers)


def _data(alarm: AlarmRecord, steps: Sequence[TransitionRecord]) -> dict[str, Any]:
    times = {"start": alarm.start_ns, "confirmed": alarm.confirmed_ns, "cleared": alarm.cleared_ns, "ack": alarm.ack_ns}
    return {
        "key": alarm.key, "site": alarm.site, "asset": alarm.asset, "series": alarm.tag, "rule": alarm.rule_id,
        "rule_version": alarm.rule_version, "condition": alarm.condition, "limit": alarm.limit, "unit": alarm.unit,
        "priority": alarm.priority, "raises": alarm.raises, "state": alarm.state, "revision": alarm.revision,
        "open": alarm.cleared_ns is None, "peak": alarm.peak, "out_s": alarm.out_s, "found_late": alarm.found_late,
        **{name: None if at_ns is None else rfc3339(at_ns) for name, at_ns in times.items()},
        "start_ns": str(alarm.start_ns), "ack_by": alarm.ack_by,
        "erp": None if alarm.erp_state is None else {"state": _erp_state(alarm.erp_state), "number": alarm.erp_number},
        "change": alarm.change_seq, "transition_count": len(steps),
        "transitions": [
            {
                "seq": step.seq, "kind": step.kind, "at": rfc3339(step.at_ns), "state": step.state,
                "revision": step.revision, "actor": step.actor_name,
            }
            for step in steps[-MOST_TRANSITIONS:]
        ],
    }  # fmt: skip


def _erp_state(state: str) -> str:
    """A lease comes and goes without a change of the alarm; in an event it would make two of one."""
    return "pending" if state == "leased" else state
