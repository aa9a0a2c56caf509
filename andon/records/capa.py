"""Corrective and preventive actions that Andon proposes. A detector opens a quality event; a person decides on CAPA."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from sqlalchemy import RowMapping, func, insert, select, update

from andon.errors import RecordsError
from andon.records import schema
from andon.records.actors import Actor, require_actor, require_reason
from andon.records.again import repeated
from andon.records.base import RecordsBase, Tx
from andon.records.canonical import canonical_text
from andon.records.moving import existing_alarm
from andon.records.reports import queue_report, report_key
from andon.records.schema_acts import capa_proposal

KIND = "capa"
Trigger = Literal["severe", "repeated"]
#: What a CAPA record must hold (ISO 13485 8.5.2, 8.5.3). Andon fills in what it knows; the rest is for people.
BY_PEOPLE = (
    "containment", "root_cause", "root_cause_method", "action_plan", "owner", "due", "adverse_effect_check",
    "verification", "implementation", "effectiveness_criterion", "effectiveness_result", "training",
    "management_review", "approvals",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CapaRecord:
    """A proposal. state: proposed, accepted, rejected. trigger: severe, repeated."""

    key: str
    alarm_key: str
    trigger: str
    content: Mapping[str, Any]
    state: str
    revision: int
    proposed_ns: int
    decided_ns: int | None
    actor_name: str | None
    reason: str
    change_seq: int


class CapaRecords(RecordsBase):
    """The part of `Records` about CAPA."""

    @repeated
    def propose_capa(
        self, alarm_key: str, trigger: Trigger, subject: str, content: Mapping[str, object], actor: Actor
    ) -> bool:
        """Propose a CAPA record because of an alarm; False when one was proposed for this subject before.

        subject: what makes it one proposal: the alarm's key (severe), or the point and the run of repeats.
        content: what is known; `BY_PEOPLE` are added empty. Raises AccessError, RecordsError for an unknown alarm.
        """
        require_actor(actor, "conditions.apply")
        with self.writing() as tx:
            alarm = existing_alarm(tx.connection, alarm_key, self.site)
            key = report_key(self.site, KIND, alarm["asset"], f"{trigger}|{subject}")
            if tx.connection.execute(select(capa_proposal.c.key).where(capa_proposal.c.key == key)).first() is not None:
                return False
            told = {**dict.fromkeys(BY_PEOPLE), **content}
            tx.connection.execute(
                insert(capa_proposal).values(
                    key=key, site=tx.site, alarm_key=alarm_key, trigger=trigger, content=canonical_text(told),
                    state="proposed", revision=1, proposed_ns=tx.now_ns, reason="", change_seq=tx.next_change(),
                )
            )  # fmt: skip
            tx.audit(actor, "capa.proposed", KIND, key, 1, new={"alarm_key": alarm_key, "trigger": trigger, **told})
        return True

    @repeated
    def decide_capa(self, key: str, actor: Actor, reason: str, *, accept: bool) -> None:
        """A person of quality takes a proposal up, and the ERP gets it; or turns it down.

        Raises AccessError without the right capa.decide, RecordsError without a reason, for an unknown proposal, or
        one that was decided before (audited).
        """
        require_actor(actor, "capa.decide")
        reason = require_reason(reason)
        with self.writing() as tx:
            row = tx.connection.execute(select(capa_proposal).where(capa_proposal.c.key == key)).mappings().first()
            if row is None or row["site"] != tx.site:
                raise RecordsError("records.unknown_capa", key=key)
            open_still = row["state"] == "proposed"
            there = {"state": row["state"]}
            if open_still:
                state, revision = "accepted" if accept else "rejected", row["revision"] + 1
                new = {
                    "state": state, "revision": revision, "reason": reason, "decided_ns": tx.now_ns,
                    "actor_id": actor.id, "actor_name": actor.name,
                }  # fmt: skip
                where = capa_proposal.c.key == key
                tx.connection.execute(update(capa_proposal).where(where).values(**new, change_seq=tx.next_change()))
                tx.audit(actor, f"capa.{state}", KIND, key, revision, old=there, new=new, reason=reason)
                if accept:
                    _order(tx, row, actor, reason)
            else:
                tx.audit(actor, "capa.move_refused", KIND, key, row["revision"], new=there, reason=reason)
        if not open_still:
            raise RecordsError("records.capa_decided", key=key)

    def occurrences(self, asset: str, tag: str, rule_id: str, after_ns: int, until_ns: int) -> list[str]:
        """Keys of the alarms of one point that began in (after_ns, until_ns], oldest first; none merged or voided."""
        table = schema.alarm.c
        query = select(table.key).where(
            table.site == self.site, table.asset == asset, table.tag == tag, table.rule_id == rule_id,
            table.start_ns > after_ns, table.start_ns <= until_ns, table.merged_into.is_(None),
            ~table.evidence.contains('"voided":true'),  # canonical JSON: no blanks
        )  # fmt: skip
        with self.reading() as connection:
            return [str(key) for key in connection.execute(query.order_by(table.start_ns, table.key)).scalars()]

    def repeated_until(self, asset: str, tag: str, rule_id: str) -> int:
        """Start of the alarm of one point that the last "repeated" proposal was made for, ns; 0 where none was."""
        alarm, proposal = schema.alarm.c, capa_proposal.c
        query = select(func.max(alarm.start_ns)).join(capa_proposal, proposal.alarm_key == alarm.key).where(
            alarm.site == self.site, alarm.asset == asset, alarm.tag == tag, alarm.rule_id == rule_id,
            proposal.trigger == "repeated",
        )  # fmt: skip
        with self.reading() as connection:
            return int(connection.execute(query).scalar() or 0)

    def capas(self, state: str | None = None, limit: int = 500) -> list[CapaRecord]:
        """Proposals, the newest first."""
        table = capa_proposal.c
        query = select(*[table[field.name] for field in fields(CapaRecord)]).where(table.site == self.site)
        if state is not None:
            query = query.where(table.state == state)
        with self.reading() as connection:
            rows = connection.execute(query.order_by(table.proposed_ns.desc(), table.key).limit(limit)).mappings()
            return [CapaRecord(**{**row, "content": json.loads(row["content"])}) for row in rows]


def _order(tx: Tx, row: RowMapping, actor: Actor, reason: str) -> None:
    """What the ERP is told of an accepted proposal."""
    alarm = existing_alarm(tx.connection, row["alarm_key"], tx.site)
    data = {
        **json.loads(row["content"]), "trigger": row["trigger"], "alarm_key": row["alarm_key"],
        "decided_by": actor.name, "reason": reason,
    }  # fmt: skip
    queue_report(
        tx, kind=KIND, key=row["key"], asset=alarm["asset"], data=data, at_ns=alarm["confirmed_ns"], actor=actor,
        alarm_key=row["alarm_key"],
    )  # fmt: skip
