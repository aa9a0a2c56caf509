"""What the records give back: frozen views of rows."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import RowMapping, Select, select

from andon.records import schema


def float_or_none(value: float | None) -> float | None:
    """The number, None for None and for what no column can hold (NaN, infinities)."""
    return None if value is None or not math.isfinite(value) else float(value)


@dataclass(frozen=True, slots=True)
class AlarmRecord:
    """An alarm with the state of its ERP record.

    Times in ns since the epoch, UTC; limit and peak in `unit`; out_s in s. state: `andon.lifecycle.State`.
    begun_ns: where late data moved the start to; start_ns stays the identity. merged_into: key of the alarm that late
    data made this one a part of. quiet: why nobody is told of it (incident, dependency, chatter), empty: they are.
    label: true, false or known, as people or the ERP said last.
    erp_state: pending, leased, delivered, parked; None where nothing goes to the ERP. erp_status: how the ERP itself
    calls the state of its record, once it has been asked; erp_closed: it is closed there.
    """

    key: str
    site: str
    asset: str
    tag: str
    rule_id: str
    rule_version: str
    condition: str
    limit: float | None
    unit: str
    priority: str
    raises: str
    start_ns: int
    confirmed_ns: int
    cleared_ns: int | None
    peak: float | None
    out_s: float
    state: str
    revision: int
    found_late: bool
    evidence: Mapping[str, Any]
    recorded_ns: int
    ack_by: str | None
    ack_comment: str | None
    ack_ns: int | None
    change_seq: int
    erp_state: str | None
    erp_id: str | None
    erp_number: str | None
    erp_error: str | None
    erp_attempts: int | None
    begun_ns: int | None = None
    merged_into: str | None = None
    latching: bool = False
    suppressed_by: str = ""
    incident: str | None = None
    quiet: str = ""
    assigned_to: str | None = None
    assigned_name: str | None = None
    going_name: str | None = None
    arrives_ns: int | None = None
    arrived_ns: int | None = None
    realarm_ns: int | None = None
    label: str | None = None
    erp_status: str | None = None
    erp_closed: bool | None = None

    @classmethod
    def of(cls, row: RowMapping) -> Self:
        """From a row of `alarm_columns`."""
        return cls(**{**row, "evidence": json.loads(row["evidence"])})


def alarm_columns() -> Select[Any]:
    """SELECT of alarms joined with their outbox rows, as `AlarmRecord.of` wants them."""
    alarm, outbox = schema.alarm, schema.outbox.c
    columns = [column for column in alarm.columns if column.name != "content_hash"]
    erp = [
        outbox.state.label("erp_state"), outbox.external_id.label("erp_id"),
        outbox.external_number.label("erp_number"), outbox.last_error.label("erp_error"),
        outbox.attempts.label("erp_attempts"), outbox.erp_status, outbox.erp_closed,
    ]  # fmt: skip
    return select(*columns, *erp).select_from(alarm.outerjoin(schema.outbox, outbox.order_key == alarm.c.key))


@dataclass(frozen=True, slots=True)
class TransitionRecord:
    """One step in an alarm's history. at_ns: event time of a condition, real time of a person's act."""

    alarm_key: str
    seq: int
    site: str
    kind: str
    at_ns: int
    recorded_ns: int
    revision: int
    state: str
    actor_id: str
    actor_name: str
    comment: str


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """A delivery under lease: what to send, and the fence that proves the lease when the result comes back.

    attempt counts all tries of the row, this one included; failures and refusals those since the last success
    (refusals: answers that blame the request, such as 500). body is canonical JSON. doubtful: the records were put back
    from a backup since, so the ERP may hold more than they know.
    """

    order_key: str
    kind: str
    asset: str
    revision: int
    delivered_revision: int
    body: str
    attempt: int
    failures: int
    refusals: int
    fence: int
    external_id: str | None
    last_error: str | None
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class OutboxRecord:
    """An outbox row as people see it. alarm_key: the alarm it is about; erp_status: the ERP's own word for it."""

    order_key: str
    kind: str
    asset: str
    revision: int
    delivered_revision: int
    state: str
    attempts: int
    failures: int
    next_at_ns: int
    external_id: str | None
    external_number: str | None
    last_error: str | None
    created_ns: int
    delivered_ns: int | None
    change_seq: int
    alarm_key: str | None
    erp_status: str | None
    erp_closed: bool


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """One finished attempt: delivered, found (it was there already), retry, parked, or fenced (came too late)."""

    order_key: str
    attempt: int
    site: str
    at_ns: int
    revision: int
    outcome: str
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class PointRecord:
    """A series and rule that people have set aside. mode: shelved or out_of_service; until_ns: when shelving ends.

    Times are the machine's, ns. alarm_key: the newest alarm of the point. second_name: who confirmed the shelving.
    """

    site: str
    asset: str
    tag: str
    rule_id: str
    mode: str
    until_ns: int | None
    since_ns: int
    reason: str
    actor_id: str
    actor_name: str
    second_name: str | None
    revision: int
    change_seq: int
    alarm_key: str | None


@dataclass(frozen=True, slots=True)
class LabelRecord:
    """What somebody said of an alarm. verdict: true, false, known; source: person, erp; at_ns: the machine's time."""

    alarm_key: str
    seq: int
    site: str
    verdict: str
    source: str
    at_ns: int
    actor_id: str
    actor_name: str
    comment: str


@dataclass(frozen=True, slots=True)
class AnnouncementRecord:
    """An alarm that entered unacknowledged. at_ns: the machine's time; kind: the step that brought it there."""

    alarm_key: str
    asset: str
    tag: str
    rule_id: str
    priority: str
    quiet: str
    kind: str
    at_ns: int
