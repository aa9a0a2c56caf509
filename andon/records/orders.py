"""Rows of the outbox inside a transaction: put an order there, load it, change it, find what is due."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, Select, and_, exists, func, insert, or_, select, update

from andon.errors import RecordsError
from andon.readings import NS_PER_S
from andon.records import schema
from andon.records.actors import Actor
from andon.records.base import Tx
from andon.records.canonical import digest

SKEW_NS = 60 * NS_PER_S  # between the clocks of several nodes, and more
LONGEST_WAIT_S = 24 * 3600.0  # a row that waits longer was scheduled by a clock that has since been set back


def put_order(
    tx: Tx, *, key: str, kind: str, asset: str, revision: int, body: str, actor: Actor, alarm_key: str | None
) -> None:
    """Put an order into the outbox, or its new revision onto the row that is there. alarm_key: None for a report.

    A row under lease keeps its lease: the sender's result then counts for the older revision only. One that was parked
    for a refusal is tried with what is new; one that was parked by somebody's word waits for a word, and then sends it.
    """
    table, change = schema.outbox, tx.next_change()
    row = tx.connection.execute(select(table).where(table.c.order_key == key)).mappings().first()
    if row is None:
        tx.connection.execute(
            insert(table).values(
                order_key=key, alarm_key=alarm_key, site=tx.site, kind=kind, asset=asset, position=change,
                revision=revision, delivered_revision=0, body=body, state="pending", attempts=0, failures=0,
                refusals=0, next_at_ns=tx.now_ns, lease_until_ns=0, fence=0, created_ns=tx.now_ns, change_seq=change,
            )
        )  # fmt: skip
    else:
        changed = {"revision": revision, "body": body, "change_seq": change}
        if row["state"] == "delivered" or (row["state"] == "parked" and row["parked_by"] != "word"):
            changed |= {"state": "pending", "next_at_ns": tx.now_ns, "failures": 0, "refusals": 0}
        tx.connection.execute(update(table).where(table.c.order_key == key).values(**changed))
    if alarm_key is not None:
        tx.connection.execute(update(schema.alarm).where(schema.alarm.c.key == alarm_key).values(change_seq=change))
    tx.audit(
        actor, "outbox.queued", "order", key, revision,
        old=None if row is None else {"revision": row["revision"], "state": row["state"]},
        new={"kind": kind, "body_sha256": digest(body)},
    )  # fmt: skip


def load_order(tx: Tx, order_key: str) -> RowMapping:
    """An order's row. Raises RecordsError where this site has none of that key."""
    row = find_order(tx, order_key)
    if row is None:
        raise RecordsError("records.unknown_order", key=order_key)
    return row


def find_order(tx: Tx, order_key: str) -> RowMapping | None:
    """An order's row, None where this site has none of that key."""
    table = schema.outbox
    query = select(table).where(table.c.order_key == order_key, table.c.site == tx.site)
    return tx.connection.execute(query).mappings().first()


def save_order(tx: Tx, order_key: str, changed: dict[str, Any], *, seen: bool = False) -> None:
    """Change an outbox row; `seen` also gives it and its alarm the next change number, for who watches."""
    if seen:
        change = tx.next_change()
        changed = {**changed, "change_seq": change}
        tx.connection.execute(update(schema.alarm).where(schema.alarm.c.key == order_key).values(change_seq=change))
    tx.connection.execute(update(schema.outbox).where(schema.outbox.c.order_key == order_key).values(**changed))


def due_orders(
    site: str, now_ns: int, lease_s: float, most: int, *, fresh: bool = False, besides: Sequence[str] = ()
) -> Select[Any]:
    """SELECT of the first order of each asset that waits for none of its own, where it is due, `besides` left out."""
    outbox = schema.outbox
    table = outbox.c
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
    # Grouped, not "none before it" for each row: with all assets under lease that would look at the whole backlog.
    first = select(func.min(table.position)).where(table.site == site, table.state.in_(("pending", "leased")))
    heads = first.group_by(table.asset)
    query = select(outbox).where(table.site == site, table.position.in_(heads), or_(waiting, abandoned))
    if besides:
        query = query.where(table.order_key.not_in(besides))
    order = (table.failures, table.position) if fresh else (table.position,)
    return query.order_by(*order).limit(most)
