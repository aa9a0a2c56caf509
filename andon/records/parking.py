"""Orders that wait for a person: parked by the sender's or a person's word, with an alarm; released by a person's."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import RowMapping, select

from andon.conditions import ConditionChange
from andon.errors import RecordsError
from andon.readings import NS_PER_S
from andon.records import schema
from andon.records.actors import Actor, require_actor, require_reason
from andon.records.again import repeated
from andon.records.applying import Applying, change_path
from andon.records.base import RecordsBase, Tx
from andon.records.canonical import alarm_key
from andon.records.orders import load_order, save_order

PARKED_RULE = "erp-parked"


class ParkingRecords(RecordsBase):
    """The part of `Records` about parked orders."""

    @repeated
    def release_order(self, order_key: str, actor: Actor, reason: str) -> None:
        """Send a parked order again, on a person's word. Raises RecordsError when it is not parked.

        It is looked up in the ERP first, as any order that was tried before.
        """
        require_actor(actor, "outbox.release")
        reason = require_reason(reason)
        with self.writing() as tx:
            row = load_order(tx, order_key)
            if row["state"] != "parked":
                raise RecordsError("records.not_parked", key=order_key, state=row["state"])
            changed = {"state": "pending", "next_at_ns": tx.now_ns, "failures": 0, "refusals": 0}
            save_order(tx, order_key, changed, seen=True)
            tx.audit(
                actor, "outbox.released", "order", order_key, row["revision"],
                old={"state": "parked"}, new={"state": "pending"}, reason=reason,
            )  # fmt: skip

    @repeated
    def park_order(self, order_key: str, actor: Actor, reason: str) -> bool:
        """Stop sending an order until somebody releases it, and raise its alarm; False when it is parked already.

        A sender that holds it is fenced. Raises RecordsError for an unknown order or without a reason.
        """
        require_actor(actor, "outbox.park")
        reason = require_reason(reason)
        with self.writing() as tx:
            row = load_order(tx, order_key)
            if row["state"] == "parked":
                return False
            park(tx, row, actor, by="word", error=reason, reason=reason)
        return True


def park(
    tx: Tx, row: RowMapping, actor: Actor, *, by: Literal["word", "refusal"], error: str | None,
    status: int | None = None, reason: str = "", **changed: Any,
) -> None:  # fmt: skip
    """Park an order and raise the alarm of rule "erp-parked" at its asset, where there is none yet.

    by: "word": it stays parked until it is released; "refusal": the next revision is tried.
    """
    key = row["order_key"]
    parked_alarm = row["parked_alarm"]
    if parked_alarm is None:
        alarm = ConditionChange(
            kind="raised", asset=row["asset"], tag=f"erp.{key}", rule_id=PARKED_RULE, rule_version="1", raises="none",
            priority="high", condition="parked", limit=None, unit="1", start_ns=tx.now_ns, confirmed_ns=tx.now_ns,
            cleared_ns=None, peak=float("nan"), out_s=0.0, offset=-1,
            evidence={"order_key": key, "status": status, "error": error},
        )  # fmt: skip
        parked_alarm = alarm_key(tx.site, *change_path(alarm))
        Applying(tx, actor, frozenset()).apply(parked_alarm, alarm)
    now = {"state": "parked", "parked_by": by, "last_error": error, "parked_alarm": parked_alarm, **changed}
    save_order(tx, key, now, seen=True)
    tx.audit(
        actor, "outbox.parked", "order", key, row["revision"], reason=reason,
        old={"state": row["state"]}, new={"state": "parked", "status": status, "error": error},
    )  # fmt: skip


def clear_parked(tx: Tx, key: str, actor: Actor) -> None:
    """End the alarm of an order that has been delivered after all."""
    alarm = tx.connection.execute(select(schema.alarm).where(schema.alarm.c.key == key)).mappings().one()
    cleared = ConditionChange(
        kind="cleared", asset=alarm["asset"], tag=alarm["tag"], rule_id=alarm["rule_id"],
        rule_version=alarm["rule_version"], raises="none", priority=alarm["priority"],
        condition=alarm["condition"], limit=None, unit=alarm["unit"], start_ns=alarm["start_ns"],
        confirmed_ns=alarm["confirmed_ns"], cleared_ns=tx.now_ns, peak=float("nan"),
        out_s=max(0.0, (tx.now_ns - alarm["start_ns"]) / NS_PER_S), offset=-1,
    )  # fmt: skip
    Applying(tx, actor, frozenset()).apply(key, cleared)
