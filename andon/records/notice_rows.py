"""Incidents and notices as the records give them back, and the queries that the outbox of notices asks."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, or_, select

from andon.lifecycle import State
from andon.records import schema, schema_acts
from andon.records.noticing import Upset
from andon.records.passing import SKEW_NS
from andon.records.policy import ns

CRITICAL = '"priority":"critical"'  # in the canonical text of a body


@dataclass(frozen=True, slots=True)
class IncidentRecord:
    """An upset of one part of the plant. begun_ns, told_ns, last_ns: time of the plant; the others the machine's."""

    key: str
    scope: str
    first_alarm: str
    priority: str
    alarms: int
    begun_ns: int
    told_ns: int
    last_ns: int
    opened_ns: int
    closed_ns: int | None
    episode: int
    waiting_ns: int
    change_seq: int


@dataclass(frozen=True, slots=True)
class NoticeRecord:
    """A message to a person: pending, leased, sent, failed or dropped (somebody had answered before it went).

    subject: key of the incident. proof: what the way out said when it took it. body: priority, count, episode.
    """

    key: str
    subject: str
    kind: str
    step: int
    route: str
    receiver: str
    channel: str
    language: str
    state: str
    due_ns: int
    attempts: int
    fence: int
    body: Mapping[str, Any]
    proof: str | None
    last_error: str | None
    created_ns: int
    sent_ns: int | None
    change_seq: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """What goes to one person in one message, under lease. digest: it gathers several incidents."""

    receiver: str
    channel: str
    language: str
    notices: tuple[NoticeRecord, ...]
    digest: bool

    @property
    def attempt(self) -> int:
        """How often the oldest of them has been tried, this time included."""
        return max(one.attempts for one in self.notices)


def open_upsets(connection: Connection, site: str) -> list[Upset]:
    """Every incident that is not over, with its alarms that are not normal and all its notices."""
    incident, alarm, notice = schema_acts.incident, schema.alarm, schema_acts.notice
    found = connection.execute(
        select(incident).where(incident.c.site == site, incident.c.closed_ns.is_(None)).order_by(incident.c.opened_ns)
    ).mappings().all()  # fmt: skip
    keys = [row["key"] for row in found]
    alarms: dict[str, list[dict[str, Any]]] = {key: [] for key in keys}
    notices: dict[str, list[dict[str, Any]]] = {key: [] for key in keys}
    wanted = [alarm.c[name] for name in ("key", "asset", "priority", "raises", "state", "quiet", "incident")]
    for start in range(0, len(keys), 500):
        part = keys[start : start + 500]
        open_alarms = select(*wanted).where(
            alarm.c.site == site, alarm.c.incident.in_(part), alarm.c.state != State.NORMAL.value
        )
        for row in connection.execute(open_alarms).mappings():
            alarms[row["incident"]].append(dict(row))
        told = select(notice).where(notice.c.site == site, notice.c.subject.in_(part)).order_by(notice.c.change_seq)
        for row in connection.execute(told).mappings():
            notices[row["subject"]].append({**row, "body": json.loads(row["body"])})
    return [Upset(dict(row), alarms[row["key"]], notices[row["key"]]) for row in found]


def due_notices(
    connection: Connection, site: str, now_ns: int, lease_s: float, most: int, *, wait_s: float,
    held: Collection[str] = (),
) -> list[NoticeRecord]:  # fmt: skip
    """Notices whose time has come or whose sender died with them, the longest due first.

    wait_s : the longest that a row may have to wait, s; one due later was written by a clock that was since set back.
    held   : people in their quiet hours: only what is critical is due for them.
    """
    table = schema_acts.notice.c
    too_far_ns = now_ns + ns(wait_s) + SKEW_NS
    waiting = and_(table.state == "pending", or_(table.due_ns <= now_ns, table.due_ns > too_far_ns))
    abandoned = and_(
        table.state == "leased", or_(table.lease_until_ns <= now_ns, table.lease_until_ns > now_ns + 2 * ns(lease_s))
    )
    query = select(schema_acts.notice).where(table.site == site, or_(waiting, abandoned))
    if held:
        query = query.where(or_(table.receiver.not_in(list(held)), table.body.contains(CRITICAL, autoescape=True)))
    rows = connection.execute(query.order_by(table.due_ns, table.change_seq).limit(most)).mappings()
    return [notice_of(row) for row in rows]


def notice_of(row: RowMapping) -> NoticeRecord:
    """From a row of the table."""
    names = NoticeRecord.__dataclass_fields__
    return NoticeRecord(**{**{name: row[name] for name in names}, "body": json.loads(row["body"])})


def incident_of(row: RowMapping) -> IncidentRecord:
    """From a row of the table."""
    return IncidentRecord(**{name: row[name] for name in IncidentRecord.__dataclass_fields__})
