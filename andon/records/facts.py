"""Small facts of the instance, versions of rules, and the audit trail for readers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select, update

from andon.records import schema
from andon.records.actors import Actor, require_actor
from andon.records.again import repeated
from andon.records.audit import AuditRecord
from andon.records.base import RecordsBase
from andon.records.canonical import canonical_text


class FactRecords(RecordsBase):
    """The part of `Records` about the instance itself."""

    def get_state(self, key: str) -> Any:
        """The value kept under `key`; None where there is none."""
        table = schema.instance_state
        with self.reading() as connection:
            query = select(table.c.value).where(table.c.site == self.site, table.c.key == key)
            value = connection.execute(query).scalar()
        return None if value is None else json.loads(value)

    @repeated
    def set_state(self, key: str, value: object, actor: Actor, reason: str = "") -> None:
        """Keep a JSON value; audited, so not for what changes every second. The same value again does nothing."""
        require_actor(actor, "settings.edit")
        table, text = schema.instance_state, canonical_text(value)
        with self.writing() as tx:
            place = (table.c.site == self.site, table.c.key == key)
            row = tx.connection.execute(select(table).where(*place)).mappings().first()
            if row is not None and row["value"] == text:
                return
            revision = 1 if row is None else row["revision"] + 1
            if row is None:
                tx.connection.execute(insert(table).values(site=self.site, key=key, value=text, revision=revision))
            else:
                tx.connection.execute(update(table).where(*place).values(value=text, revision=revision))
            old = None if row is None else {"value": json.loads(row["value"])}
            tx.audit(actor, "state.set", "state", key, revision, old=old, new={"value": value}, reason=reason)

    @repeated
    def register_rule(
        self, rule_id: str, version: str, content: Mapping[str, object], actor: Actor, reason: str = ""
    ) -> bool:
        """Keep what a version of a rule says, so that every alarm can be explained later; True when it was new."""
        require_actor(actor, "rules.edit")
        table = schema.rule_version
        with self.writing() as tx:
            query = select(table).where(table.c.site == self.site, table.c.rule_id == rule_id)
            rows = tx.connection.execute(query.order_by(table.c.ordinal)).mappings().all()
            if any(row["version"] == version for row in rows):
                return False
            tx.connection.execute(
                insert(table).values(
                    site=self.site, rule_id=rule_id, version=version, ordinal=len(rows) + 1,
                    content=canonical_text(content), first_seen_ns=tx.now_ns,
                )
            )  # fmt: skip
            old = json.loads(rows[-1]["content"]) if rows else None
            tx.audit(actor, "rule.version", "rule", rule_id, version, old=old, new=dict(content), reason=reason)
        return True

    def rule_content(self, rule_id: str, version: str) -> dict[str, Any] | None:
        """What a version of a rule said; None when it is not known."""
        table = schema.rule_version
        place = (table.c.site == self.site, table.c.rule_id == rule_id, table.c.version == version)
        with self.reading() as connection:
            content = connection.execute(select(table.c.content).where(*place)).scalar()
        return None if content is None else json.loads(content)

    @repeated
    def note(
        self, actor: Actor, action: str, object_type: str, object_id: str, *, old: Mapping[str, object] | None = None,
        new: Mapping[str, object] | None = None, reason: str = "", right: str = "settings.edit",
    ) -> None:  # fmt: skip
        """An audit record for an act whose data is not in this database (redrive, backup, restore, export)."""
        require_actor(actor, right)
        with self.writing() as tx:
            tx.audit(actor, action, object_type, object_id, old=old, new=new, reason=reason)

    def audit_trail(
        self, *, after: int = 0, limit: int = 500, object_id: str | None = None, newest: bool = False
    ) -> list[AuditRecord]:
        """Audit records after sequence number `after` in order, or the newest ones first."""
        table = schema.audit
        query = select(table).where(table.c.site == self.site, table.c.seq > after)
        if object_id is not None:
            query = query.where(table.c.object_id == object_id)
        order = table.c.seq.desc() if newest else table.c.seq
        with self.reading() as connection:
            return [AuditRecord(**row) for row in connection.execute(query.order_by(order).limit(limit)).mappings()]
