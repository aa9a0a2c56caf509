"""Records: the operational database with alarms, outbox, audit trail and users.

    with Records(data_folder / "records" / "records.db", "szh1", SystemClock()) as records:
        records.apply_conditions(changes, SYSTEM_FLOW)

Every call that changes something takes an `Actor` and writes its audit record in the same transaction.
"""

from __future__ import annotations

from andon.records.actors import (
    RIGHTS,
    ROLES,
    SYSTEM_CLI,
    SYSTEM_FLOW,
    SYSTEM_SENDER,
    SYSTEM_SUPERVISOR,
    SYSTEM_WEB,
    Actor,
)
from andon.records.alarms import AlarmRecords
from andon.records.audit import AuditRecord
from andon.records.canonical import alarm_key
from andon.records.dialect import connect
from andon.records.facts import FactRecords
from andon.records.migrate import migrate
from andon.records.outbox import DeliveryResult, OutboxRecords
from andon.records.rows import AlarmRecord, DeliveryRecord, OutboxItem, OutboxRecord, TransitionRecord
from andon.records.users import Session, UserRecords, require, require_csrf
from andon.records.verify import Verdict, verify_audit


class Records(AlarmRecords, OutboxRecords, UserRecords, FactRecords):
    """The operational database of a site. Threads and processes may share a file; every process makes its own object.

    Guaranteed: a call that returned is on disk (SQLite WAL, synchronous FULL), with its audit record; one that raised
    has changed nothing, but for refusals, which are themselves audited. See the bases for the methods.
    """


__all__ = [
    "RIGHTS",
    "ROLES",
    "SYSTEM_CLI",
    "SYSTEM_FLOW",
    "SYSTEM_SENDER",
    "SYSTEM_SUPERVISOR",
    "SYSTEM_WEB",
    "Actor",
    "AlarmRecord",
    "AuditRecord",
    "DeliveryRecord",
    "DeliveryResult",
    "OutboxItem",
    "OutboxRecord",
    "Records",
    "Session",
    "TransitionRecord",
    "Verdict",
    "alarm_key",
    "connect",
    "migrate",
    "require",
    "require_csrf",
    "verify_audit",
]
