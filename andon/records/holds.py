"""Lots that the ERP is asked to block because of an alarm, and let go of by a person."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import RowMapping, insert, select, update

from andon.errors import RecordsError
from andon.records.actors import Actor, require_actor, require_reason
from andon.records.again import repeated
from andon.records.base import RecordsBase, Tx
from andon.records.moving import existing_alarm
from andon.records.reports import queue_report, report_key
from andon.records.schema_acts import lot_hold

KIND = "lot_hold"


@dataclass(frozen=True, slots=True)
class HoldRecord:
    """A lot and the alarm because of which it is held. state: asked, released."""

    key: str
    alarm_key: str
    lot: str
    product: str
    asset: str
    state: str
    revision: int
    asked_ns: int
    change_seq: int


class HoldRecords(RecordsBase):
    """The part of `Records` about lots on hold."""

    @repeated
    def hold_lot(self, alarm_key: str, lot: str, product: str, actor: Actor) -> bool:
        """Ask the ERP to block a lot that an alarm touched; False when it was asked before. One order a lot and alarm.

        Raises AccessError, RecordsError for an unknown alarm.
        """
        require_actor(actor, "conditions.apply")
        with self.writing() as tx:
            alarm = existing_alarm(tx.connection, alarm_key, self.site)
            key = report_key(self.site, KIND, alarm["asset"], f"{alarm_key}|{lot}")
            if tx.connection.execute(select(lot_hold.c.key).where(lot_hold.c.key == key)).first() is not None:
                return False
            row = {
                "key": key, "site": tx.site, "alarm_key": alarm_key, "lot": lot, "product": product,
                "asset": alarm["asset"], "state": "asked", "revision": 1, "asked_ns": tx.now_ns,
            }  # fmt: skip
            tx.connection.execute(insert(lot_hold).values(**row, change_seq=tx.next_change()))
            told = {name: row[name] for name in ("alarm_key", "lot", "product", "state")}
            tx.audit(actor, "lot.hold_asked", KIND, key, 1, new=told)
            _order(tx, alarm, row, actor)
        return True

    @repeated
    def release_lot(self, key: str, actor: Actor, reason: str) -> None:
        """A person of quality lets a lot go: the ERP is told by a revision of the same record.

        Raises AccessError without the right holds.decide, RecordsError without a reason, for an unknown hold, or one
        that was released before (audited).
        """
        require_actor(actor, "holds.decide")
        reason = require_reason(reason)
        with self.writing() as tx:
            row = tx.connection.execute(select(lot_hold).where(lot_hold.c.key == key)).mappings().first()
            if row is None or row["site"] != tx.site:
                raise RecordsError("records.unknown_hold", key=key)
            held = row["state"] == "asked"
            if held:
                new = {"state": "released", "revision": row["revision"] + 1}
                where = lot_hold.c.key == key
                tx.connection.execute(update(lot_hold).where(where).values(**new, change_seq=tx.next_change()))
                tx.audit(
                    actor, "lot.hold_released", KIND, key, new["revision"], old={"state": row["state"]}, new=new,
                    reason=reason,
                )  # fmt: skip
                alarm = existing_alarm(tx.connection, row["alarm_key"], self.site)
                _order(tx, alarm, {**row, **new, "by": actor.name, "reason": reason}, actor)
            else:
                tx.audit(
                    actor, "lot.move_refused", KIND, key, row["revision"], new={"state": row["state"]}, reason=reason
                )
        if not held:
            raise RecordsError("records.hold_over", key=key)

    def holds(self, alarm_key: str | None = None, limit: int = 500) -> list[HoldRecord]:
        """Lots on hold, the newest first; of one alarm or of all."""
        table = lot_hold.c
        query = select(*[table[field.name] for field in fields(HoldRecord)]).where(table.site == self.site)
        if alarm_key is not None:
            query = query.where(table.alarm_key == alarm_key)
        with self.reading() as connection:
            rows = connection.execute(query.order_by(table.asked_ns.desc(), table.key).limit(limit)).mappings()
            return [HoldRecord(**row) for row in rows]


def _order(tx: Tx, alarm: RowMapping, hold: Any, actor: Actor) -> None:
    """What the ERP is told: which lot, blocked or free, and the alarm because of which."""
    told = ("lot", "product", "state", "alarm_key", "by", "reason")
    data = {
        **{name: hold[name] for name in told if name in hold}, "blocked": hold["state"] == "asked",
        "rule": alarm["rule_id"], "priority": alarm["priority"], "start_ns": str(alarm["start_ns"]),
    }  # fmt: skip
    queue_report(
        tx, kind=KIND, key=hold["key"], asset=alarm["asset"], data=data, at_ns=alarm["confirmed_ns"], actor=actor,
        alarm_key=alarm["key"],
    )  # fmt: skip
