"""The outbox of the records, from the sender's side: claim under a lease, report the outcome, let parked orders go."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from sqlalchemy import RowMapping, and_, exists, func, insert, or_, select, update

from andon.conditions import ConditionChange
from andon.errors import RecordsError
from andon.readings import NS_PER_S
from andon.records import schema
from andon.records.actors import Actor, require_actor, require_reason
from andon.records.again import repeated
from andon.records.applying import Applying, change_path
from andon.records.base import RecordsBase, Tx
from andon.records.canonical import alarm_key
from andon.records.rows import DeliveryRecord, OutboxItem, OutboxRecord

PARKED_RULE = "erp-parked"
SKEW_NS = 60 * NS_PER_S  # between the clocks of several nodes, and more
LONGEST_WAIT_S = 24 * 3600.0  # a row that waits longer was scheduled by a clock that has since been set back

Outcome = Literal["delivered", "found", "retry", "parked"]


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """What became of an attempt.

    outcome       : delivered; found (the look-up showed that it was there already); retry; parked.
    status        : HTTP status where there was one.
    blames_order  : the answer was about this order (500, 409), not about the connection.
    retry_after_s : wait before the next attempt, s; for "retry".
    """

    outcome: Outcome
    status: int | None = None
    error: str | None = None
    external_id: str | None = None
    external_number: str | None = None
    retry_after_s: float = 0.0
    blames_order: bool = False


class OutboxRecords(RecordsBase):
    """The outbox part of `Records`."""

    @repeated
    def claim_order(self, owner: str, lease_s: float, actor: Actor) -> OutboxItem | None:
        """Take the oldest order that is due under a lease of `lease_s` seconds; None when nothing is due.

        Orders of one asset go one after the other, in the order they were decided; a parked one is passed over.
        An expired lease is taken over with a higher fence, and the late holder's result is then refused.
        """
        require_actor(actor, "outbox.deliver")
        with self.reading() as connection:  # idle senders must not take the writers' lock five times a second
            if connection.execute(_due(self.site, self.clock.now_ns(), lease_s)).first() is None:
                return None
        with self.writing() as tx:
            row = tx.connection.execute(_due(self.site, tx.now_ns, lease_s)).mappings().first()
            if row is None:
                return None
            changed = {
                "state": "leased", "lease_owner": owner, "lease_until_ns": tx.now_ns + round(lease_s * NS_PER_S),
                "fence": row["fence"] + 1, "attempts": row["attempts"] + 1,
            }  # fmt: skip
            _save(tx, row["order_key"], changed)
            merged = {**row, **changed, "attempt": changed["attempts"]}
            return OutboxItem(**{field.name: merged[field.name] for field in fields(OutboxItem)})

    @repeated
    def finish_order(self, item: OutboxItem, result: DeliveryResult, actor: Actor) -> bool:
        """Note what became of a claimed order; False when its lease had passed to another sender.

        In that case only the history of attempts grows. Delivered while a newer revision was decided: the row is due
        again at once, for that revision. Parked: an alarm of rule "erp-parked" is raised at the asset, and cleared
        by a later delivery.
        """
        require_actor(actor, "outbox.deliver")
        with self.writing() as tx:
            row = _load(tx, item.order_key, self.site)
            held = bool(row["fence"] == item.fence and row["state"] == "leased")
            _note_attempt(tx, item, result, result.outcome if held else "fenced")
            if held and result.outcome == "retry":
                self._retry(tx, row, result)
            elif held and result.outcome == "parked":
                self._park(tx, row, result, actor)
            elif held:
                self._delivered(tx, row, item, result, actor)
        return held

    @repeated
    def release_order(self, order_key: str, actor: Actor, reason: str) -> None:
        """Send a parked order again, on a person's word. Raises RecordsError when it is not parked."""
        require_actor(actor, "outbox.release")
        reason = require_reason(reason)
        with self.writing() as tx:
            row = _load(tx, order_key, self.site)
            if row["state"] != "parked":
                raise RecordsError("records.not_parked", key=order_key, state=row["state"])
            _save(tx, order_key, {"state": "pending", "next_at_ns": tx.now_ns, "failures": 0, "refusals": 0}, seen=True)
            tx.audit(
                actor, "outbox.released", "order", order_key, row["revision"],
                old={"state": "parked"}, new={"state": "pending"}, reason=reason,
            )  # fmt: skip

    def orders(self, *, state: str | None = None, limit: int = 500) -> list[OutboxRecord]:
        """Outbox rows, the newest decision first."""
        table = schema.outbox.c
        query = select(*[table[field.name] for field in fields(OutboxRecord)]).where(table.site == self.site)
        if state is not None:
            query = query.where(table.state == state)
        with self.reading() as connection:
            rows = connection.execute(query.order_by(table.position.desc()).limit(limit)).mappings()
            return [OutboxRecord(**row) for row in rows]

    def order_counts(self) -> dict[str, int]:
        """Number of outbox rows by state."""
        table = schema.outbox.c
        query = select(table.state, func.count()).where(table.site == self.site).group_by(table.state)
        with self.reading() as connection:
            found = {str(state): int(count) for state, count in connection.execute(query)}
        return {state: found.get(state, 0) for state in ("pending", "leased", "delivered", "parked")}

    def deliveries(self, order_key: str) -> list[DeliveryRecord]:
        """The finished attempts of an order, oldest first. An attempt cut off by a crash has none."""
        table = schema.delivery
        query = select(table).where(table.c.order_key == order_key, table.c.site == self.site)
        with self.reading() as connection:
            rows = connection.execute(query.order_by(table.c.attempt)).mappings()
            return [DeliveryRecord(**row) for row in rows]

    def _retry(self, tx: Tx, row: RowMapping, result: DeliveryResult) -> None:
        changed = {
            "state": "pending", "next_at_ns": tx.now_ns + round(result.retry_after_s * NS_PER_S),
            "failures": row["failures"] + 1, "refusals": row["refusals"] + int(result.blames_order),
            "last_error": result.error,
        }  # fmt: skip
        _save(tx, row["order_key"], changed, seen=True)

    def _park(self, tx: Tx, row: RowMapping, result: DeliveryResult, actor: Actor) -> None:
        key = row["order_key"]
        alarm = ConditionChange(
            kind="raised", asset=row["asset"], tag=f"erp.{key}", rule_id=PARKED_RULE, rule_version="1", raises="none",
            priority="high", condition="parked", limit=None, unit="1", start_ns=tx.now_ns, confirmed_ns=tx.now_ns,
            cleared_ns=None, peak=float("nan"), out_s=0.0, offset=-1,
            evidence={"order_key": key, "status": result.status, "error": result.error},
        )  # fmt: skip
        parked_alarm = row["parked_alarm"]
        if parked_alarm is None:
            parked_alarm = alarm_key(self.site, *change_path(alarm))
            Applying(tx, actor, frozenset()).apply(parked_alarm, alarm)
        changed = {
            "state": "parked", "failures": row["failures"] + 1, "last_error": result.error,
            "parked_alarm": parked_alarm,
        }  # fmt: skip
        _save(tx, key, changed, seen=True)
        tx.audit(
            actor, "outbox.parked", "order", key, row["revision"],
            old={"state": "leased"}, new={"state": "parked", "status": result.status, "error": result.error},
        )  # fmt: skip

    def _delivered(self, tx: Tx, row: RowMapping, item: OutboxItem, result: DeliveryResult, actor: Actor) -> None:
        newer = row["revision"] > item.revision
        changed = {
            "state": "pending" if newer else "delivered", "delivered_revision": item.revision, "failures": 0,
            "refusals": 0, "next_at_ns": tx.now_ns, "last_error": None, "delivered_ns": tx.now_ns,
            "external_id": result.external_id or row["external_id"],
            "external_number": result.external_number or row["external_number"], "parked_alarm": None,
        }  # fmt: skip
        _save(tx, row["order_key"], changed, seen=True)
        told = ("state", "delivered_revision", "external_id", "external_number")
        tx.audit(
            actor, "outbox.delivered", "order", row["order_key"], item.revision,
            old={name: row[name] for name in told}, new={name: changed[name] for name in told},
        )  # fmt: skip
        if row["parked_alarm"] is not None:
            self._clear_parked(tx, row["parked_alarm"], actor)

    def _clear_parked(self, tx: Tx, key: str, actor: Actor) -> None:
        alarm = tx.connection.execute(select(schema.alarm).where(schema.alarm.c.key == key)).mappings().one()
        cleared = ConditionChange(
            kind="cleared", asset=alarm["asset"], tag=alarm["tag"], rule_id=alarm["rule_id"],
            rule_version=alarm["rule_version"], raises="none", priority=alarm["priority"],
            condition=alarm["condition"], limit=None, unit=alarm["unit"], start_ns=alarm["start_ns"],
            confirmed_ns=alarm["confirmed_ns"], cleared_ns=tx.now_ns, peak=float("nan"),
            out_s=max(0.0, (tx.now_ns - alarm["start_ns"]) / NS_PER_S), offset=-1,
        )  # fmt: skip
        Applying(tx, actor, frozenset()).apply(key, cleared)


def _due(site: str, now_ns: int, lease_s: float) -> Any:
    table, other = schema.outbox.c, schema.outbox.alias("earlier")
    too_far_ns = now_ns + round(LONGEST_WAIT_S * NS_PER_S)
    lease_too_far_ns = now_ns + 2 * round(lease_s * NS_PER_S)
    later_ns = now_ns + SKEW_NS  # what was noted later than now was noted before the clock was set back
    noted_later = exists().where(schema.delivery.c.order_key == table.order_key, schema.delivery.c.at_ns > later_ns)
    set_back = or_(table.created_ns > later_ns, table.delivered_ns > later_ns, noted_later)
    due = or_(table.next_at_ns <= now_ns, table.next_at_ns > too_far_ns, set_back)
    waiting = and_(table.state == "pending", due)
    abandoned = and_(
        table.state == "leased", or_(table.lease_until_ns <= now_ns, table.lease_until_ns > lease_too_far_ns)
    )
    earlier = exists().where(
        other.c.site == table.site, other.c.asset == table.asset, other.c.position < table.position,
        other.c.state.in_(("pending", "leased")),
    )  # fmt: skip
    query = select(schema.outbox).where(table.site == site, or_(waiting, abandoned), ~earlier)
    return query.order_by(table.position).limit(1)


def _note_attempt(tx: Tx, item: OutboxItem, result: DeliveryResult, outcome: str) -> None:
    table = schema.delivery
    told = exists().where(table.c.order_key == item.order_key, table.c.attempt == item.attempt)
    if not tx.connection.execute(select(told)).scalar():  # a result told twice is noted once
        tx.connection.execute(
            insert(table).values(
                order_key=item.order_key, attempt=item.attempt, site=tx.site, at_ns=tx.now_ns, revision=item.revision,
                outcome=outcome, status=result.status, error=result.error,
            )
        )  # fmt: skip


def _load(tx: Tx, order_key: str, site: str) -> RowMapping:
    table = schema.outbox
    row = tx.connection.execute(select(table).where(table.c.order_key == order_key)).mappings().first()
    if row is None or row["site"] != site:
        raise RecordsError("records.unknown_order", key=order_key)
    return row


def _save(tx: Tx, order_key: str, changed: dict[str, Any], *, seen: bool = False) -> None:
    """Change an outbox row; `seen` also gives it and its alarm the next change number, for who watches."""
    if seen:
        change = tx.next_change()
        changed = {**changed, "change_seq": change}
        tx.connection.execute(update(schema.alarm).where(schema.alarm.c.key == order_key).values(change_seq=change))
    tx.connection.execute(update(schema.outbox).where(schema.outbox.c.order_key == order_key).values(**changed))
