"""The outbox of the records, from the sender's side: claim under a lease, and report the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

from sqlalchemy import RowMapping, bindparam, func, insert, select, update

from andon.readings import NS_PER_S
from andon.records import schema
from andon.records.actors import Actor, require_actor
from andon.records.again import repeated
from andon.records.base import Tx
from andon.records.orders import due_orders, load_order, save_order
from andon.records.parking import ParkingRecords, clear_parked, park
from andon.records.reports import ReportRecords
from andon.records.restored import doubtful, renumber
from andon.records.rows import DeliveryRecord, OutboxItem, OutboxRecord

# Made once: SQLAlchemy takes longer to build a statement than SQLite to run it.
_outbox = schema.outbox
_LEASED = (
    update(_outbox).where(_outbox.c.order_key == bindparam("order"))
    .values(
        state="leased", lease_owner=bindparam("owner"), lease_until_ns=bindparam("until_ns"),
        fence=_outbox.c.fence + 1, attempts=_outbox.c.attempts + 1,
    )
)  # fmt: skip
_DELIVERED = (
    update(_outbox).where(_outbox.c.order_key == bindparam("order"))
    .values(
        state=bindparam("new_state"), delivered_revision=bindparam("new_delivered_revision"), failures=0, refusals=0,
        next_at_ns=bindparam("now_ns"), last_error=None, delivered_ns=bindparam("now_ns"),
        external_id=bindparam("new_external_id"), external_number=bindparam("new_external_number"),
        parked_alarm=None, change_seq=bindparam("new_change_seq"),
    )
)  # fmt: skip
_RENEWED = (
    update(_outbox)
    .where(_outbox.c.order_key == bindparam("order"), _outbox.c.fence == bindparam("held"), _outbox.c.state == "leased")
    .values(lease_until_ns=bindparam("until_ns"))
)
_SEEN = update(schema.alarm).where(schema.alarm.c.key == bindparam("order")).values(change_seq=bindparam("change"))

Outcome = Literal["delivered", "found", "behind", "retry", "parked"]
Finished = tuple[OutboxItem, "DeliveryResult"]


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """What became of an attempt.

    outcome       : delivered; found (the look-up showed that it was there already); behind (the ERP holds `revision`,
                    of which these records know nothing); retry; parked.
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
    revision: int = 0


class OutboxRecords(ParkingRecords, ReportRecords):
    """The outbox part of `Records`."""

    @repeated
    def claim_order(self, owner: str, lease_s: float, actor: Actor) -> OutboxItem | None:
        """The oldest order that is due, under a lease; None when nothing is due. See `exchange_orders`."""
        items, _ = self._exchange((), owner, lease_s, 1, actor, fresh=False)
        return items[0] if items else None

    @repeated
    def exchange_orders(
        self, done: Sequence[Finished], owner: str, lease_s: float, most: int, actor: Actor, *,
        fresh: bool = False, besides: Sequence[str] = (),
    ) -> tuple[list[OutboxItem], list[bool]]:  # fmt: skip
        """Note what became of claimed orders and take up to `most` more, in one transaction.

        Returns those taken, the oldest decision first, and for each of `done` what `finish_order` says. They are under
        a lease of `lease_s` seconds. Orders of one asset go one after the other, in the order they were decided: at
        most one of an asset is ever taken; a parked one is passed over. An expired lease is taken over with a higher
        fence, and the late holder's result is then refused. fresh: those that failed least go before the oldest.
        besides: orders that the caller still works at, and does not take from itself though their lease has run out.
        """
        return self._exchange(done, owner, lease_s, most, actor, fresh=fresh, besides=besides)

    @repeated
    def renew_leases(self, items: Sequence[OutboxItem], lease_s: float, actor: Actor) -> None:
        """Hold claimed orders for `lease_s` from now on; one whose lease has passed to another sender stays there."""
        require_actor(actor, "outbox.deliver")
        if items:
            with self.writing() as tx:
                until_ns = tx.now_ns + round(lease_s * NS_PER_S)
                held = [{"order": item.order_key, "held": item.fence, "until_ns": until_ns} for item in items]
                tx.connection.execute(_RENEWED, held)

    @repeated
    def finish_order(self, item: OutboxItem, result: DeliveryResult, actor: Actor) -> bool:
        """Note what became of a claimed order; False when its lease had passed to another sender.

        In that case only the history of attempts grows. Delivered or refused while a newer revision was decided: the
        row is due again at once, for that revision. Parked: an alarm of rule "erp-parked" is raised at the asset, and
        cleared by a later delivery.
        """
        require_actor(actor, "outbox.deliver")
        with self.writing() as tx:
            load_order(tx, item.order_key)
            return _finish(tx, ((item, result),), actor)[0]

    def orders(self, *, state: str | None = None, limit: int = 500) -> list[OutboxRecord]:
        """Outbox rows, the newest decision first."""
        table = schema.outbox.c
        query = select(*[table[field.name] for field in fields(OutboxRecord)]).where(table.site == self.site)
        if state is not None:
            query = query.where(table.state == state)
        with self.reading() as connection:
            rows = connection.execute(query.order_by(table.position.desc()).limit(limit)).mappings()
            return [OutboxRecord(**row) for row in rows]

    def order_event(self, order_key: str) -> tuple[str, str] | None:
        """Kind and newest body (canonical JSON) of an order; None where there is none of that key."""
        table = schema.outbox.c
        query = select(table.kind, table.body).where(table.order_key == order_key, table.site == self.site)
        with self.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else (str(row.kind), str(row.body))

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

    def _exchange(
        self, done: Sequence[Finished], owner: str, lease_s: float, most: int, actor: Actor, *,
        fresh: bool, besides: Sequence[str] = (),
    ) -> tuple[list[OutboxItem], list[bool]]:  # fmt: skip
        require_actor(actor, "outbox.deliver")
        if not done:
            with self.reading() as connection:  # idle senders must not take the writers' lock five times a second
                due = due_orders(self.site, self.clock.now_ns(), lease_s, 1, besides=besides)
                if connection.execute(due).first() is None:
                    return [], []
        with self.writing() as tx:
            held = _finish(tx, done, actor) if done else []
            due = due_orders(self.site, tx.now_ns, lease_s, most, fresh=fresh, besides=besides)
            rows = tx.connection.execute(due).mappings().all() if most else []
            return _lease(tx, rows, owner, lease_s), held


def _finish(tx: Tx, done: Sequence[Finished], actor: Actor) -> list[bool]:
    """For each whether its lease was still held; a statement for all of them where one will do."""
    table = schema.outbox
    keys = [item.order_key for item, _ in done]
    query = select(table).where(table.c.site == tx.site, table.c.order_key.in_(keys))
    rows = {row["order_key"]: row for row in tx.connection.execute(query).mappings()}
    held = [_holds(rows.get(item.order_key), item) for item, _ in done]
    _note_attempts(tx, [one for one in zip(done, held, strict=True) if one[0][0].order_key in rows])
    delivered: list[tuple[RowMapping, OutboxItem, DeliveryResult]] = []
    for (item, result), ours in zip(done, held, strict=True):
        if not ours:
            continue
        row = rows[item.order_key]
        if result.outcome == "retry":
            _retry(tx, row, result)
        elif result.outcome == "parked":
            _refused(tx, row, item, result, actor)
        elif result.outcome == "behind":
            renumber(tx, row, result.revision, actor, external=(result.external_id, result.external_number))
        else:
            delivered.append((row, item, result))
    _delivered(tx, delivered, actor)
    return held


def _holds(row: RowMapping | None, item: OutboxItem) -> bool:
    return row is not None and bool(row["fence"] == item.fence and row["state"] == "leased")


def _note_attempts(tx: Tx, done: Sequence[tuple[Finished, bool]]) -> None:
    table = schema.delivery
    if not done:
        return
    keys = [item.order_key for (item, _), _ in done]
    query = select(table.c.order_key, table.c.attempt).where(table.c.order_key.in_(keys))
    told = {(row.order_key, row.attempt) for row in tx.connection.execute(query)}
    new = [
        {
            "order_key": item.order_key, "attempt": item.attempt, "site": tx.site, "at_ns": tx.now_ns,
            "revision": item.revision, "outcome": result.outcome if ours else "fenced", "status": result.status,
            "error": result.error,
        }
        for (item, result), ours in done
        if (item.order_key, item.attempt) not in told  # a result told twice is noted once
    ]  # fmt: skip
    if new:
        tx.connection.execute(insert(table), new)


def _retry(tx: Tx, row: RowMapping, result: DeliveryResult) -> None:
    changed = {
        "state": "pending", "next_at_ns": tx.now_ns + round(result.retry_after_s * NS_PER_S),
        "failures": row["failures"] + 1, "refusals": row["refusals"] + int(result.blames_order),
        "last_error": result.error,
    }  # fmt: skip
    save_order(tx, row["order_key"], changed, seen=True)


def _refused(tx: Tx, row: RowMapping, item: OutboxItem, result: DeliveryResult, actor: Actor) -> None:
    """Park what the ERP refuses for good; but a revision that was decided meanwhile has not been refused yet."""
    if row["revision"] > item.revision:
        changed = {
            "state": "pending", "next_at_ns": tx.now_ns, "failures": 0, "refusals": 0, "last_error": result.error
        }  # fmt: skip
        save_order(tx, row["order_key"], changed, seen=True)
    else:
        failures = row["failures"] + 1
        park(tx, row, actor, by="refusal", error=result.error, status=result.status, failures=failures)


def _delivered(tx: Tx, done: Sequence[tuple[RowMapping, OutboxItem, DeliveryResult]], actor: Actor) -> None:
    if not done:
        return
    told = ("state", "delivered_revision", "external_id", "external_number")
    changes, seen = [], []
    for row, item, result in done:
        change = tx.next_change()
        changed = {
            "state": "pending" if row["revision"] > item.revision else "delivered",
            "delivered_revision": item.revision, "external_id": result.external_id or row["external_id"],
            "external_number": result.external_number or row["external_number"], "change_seq": change,
        }  # fmt: skip
        changes.append({"order": row["order_key"], "now_ns": tx.now_ns, **{f"new_{k}": v for k, v in changed.items()}})
        seen.append({"order": row["order_key"], "change": change})
        tx.audit(
            actor, "outbox.delivered", "order", row["order_key"], item.revision,
            old={name: row[name] for name in told}, new={name: changed[name] for name in told},
        )  # fmt: skip
    tx.connection.execute(_DELIVERED, changes)
    tx.connection.execute(_SEEN, seen)
    for row, _, _ in done:
        if row["parked_alarm"] is not None:
            clear_parked(tx, row["parked_alarm"], actor)


def _lease(tx: Tx, rows: Sequence[RowMapping], owner: str, lease_s: float) -> list[OutboxItem]:
    if rows:
        until_ns = tx.now_ns + round(lease_s * NS_PER_S)
        leased = [{"order": row["order_key"], "owner": owner, "until_ns": until_ns} for row in rows]
        tx.connection.execute(_LEASED, leased)
    names = [field.name for field in fields(OutboxItem)]
    doubted = doubtful(tx, [row["order_key"] for row in rows])
    taken = [
        {**row, "fence": row["fence"] + 1, "attempt": row["attempts"] + 1, "doubtful": row["order_key"] in doubted}
        for row in rows
    ]
    return [OutboxItem(**{name: row[name] for name in names}) for row in taken]
