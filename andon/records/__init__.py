"""Records: the operational database with alarms, outbox, audit trail and users.

    with site_records(plant.config, data_folder) as records:
        records.apply_conditions(changes, SYSTEM_FLOW)

Every call that changes something takes an `Actor` and writes its audit record in the same transaction.
"""

from __future__ import annotations

from andon.records.actors import (
    RIGHTS,
    ROLES,
    SYSTEM_CLI,
    SYSTEM_ERP,
    SYSTEM_FLOW,
    SYSTEM_QUALITY,
    SYSTEM_SENDER,
    SYSTEM_SUPERVISOR,
    SYSTEM_WEB,
    Actor,
)
from andon.records.audit import AuditRecord
from andon.records.canonical import alarm_key
from andon.records.database import Records
from andon.records.dialect import connect
from andon.records.migrate import migrate
from andon.records.outbox import DeliveryResult
from andon.records.rows import (
    AlarmRecord,
    AnnouncementRecord,
    DeliveryRecord,
    LabelRecord,
    OutboxItem,
    OutboxRecord,
    PointRecord,
    TransitionRecord,
)  # fmt: skip
from andon.records.site import open_patiently, open_site_records, site_place, site_records
from andon.records.users import Session, require, require_csrf
from andon.records.verify import Verdict, verify_audit

__all__ = [
    "RIGHTS",
    "ROLES",
    "SYSTEM_CLI",
    "SYSTEM_ERP",
    "SYSTEM_FLOW",
    "SYSTEM_QUALITY",
    "SYSTEM_SENDER",
    "SYSTEM_SUPERVISOR",
    "SYSTEM_WEB",
    "Actor",
    "AlarmRecord",
    "AnnouncementRecord",
    "AuditRecord",
    "DeliveryRecord",
    "DeliveryResult",
    "LabelRecord",
    "OutboxItem",
    "OutboxRecord",
    "PointRecord",
    "Records",
    "Session",
    "TransitionRecord",
    "Verdict",
    "alarm_key",
    "connect",
    "migrate",
    "open_patiently",
    "open_site_records",
    "require",
    "require_csrf",
    "site_place",
    "site_records",
    "verify_audit",
]
