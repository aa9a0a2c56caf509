"""Orders after the records were put back from a backup: the ERP may hold records and revisions they know nothing of.

Until an order has been delivered once since, it is looked up before the first attempt too; and where the ERP holds the
same revision or a later one, the order goes on from that: what is true now is sent as the next one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import RowMapping, select, update

from andon.readings import NS_PER_S
from andon.records import schema
from andon.records.actors import Actor
from andon.records.base import Tx
from andon.records.canonical import canonical, digest
from andon.records.events import event_id
from andon.records.orders import save_order

RESTORED = "records.restored_ns"
SETTLED = ("delivered", "found", "behind")
SKEW_NS = 300 * NS_PER_S  # an alarm confirmed so much later than the restore, by another clock, is surely new


def doubtful(tx: Tx, keys: Sequence[str]) -> set[str]:
    """Those of the orders that the ERP may know better than these records. Empty where nothing was ever restored."""
    state, alarm, delivery = schema.instance_state.c, schema.alarm.c, schema.delivery.c
    query = select(state.value).where(state.site == tx.site, state.key == RESTORED)
    told = tx.connection.execute(query).scalar() if keys else None
    if told is None:
        return set()
    restored_ns = int(json.loads(told))
    young = select(alarm.key).where(alarm.key.in_(keys), alarm.confirmed_ns > restored_ns + SKEW_NS)
    settled = select(delivery.order_key).where(
        delivery.order_key.in_(keys), delivery.at_ns >= restored_ns, delivery.outcome.in_(SETTLED)
    )
    sure = {key for query in (young, settled) for key in tx.connection.execute(query).scalars()}
    return set(keys) - sure


def renumber(tx: Tx, row: RowMapping, held: int, actor: Actor, *, external: tuple[str | None, str | None]) -> None:
    """Make an order's newest revision the one after `held`, which the ERP has, and send it at once."""
    key, revision = row["order_key"], max(row["revision"], held + 1)
    body = json.loads(row["body"])
    subject, _, verb = body["type"].rpartition(".")
    body["id"], body["type"] = event_id(key, revision), f"{subject}.{'revised' if revision > 1 else verb}"
    body["data"]["revision"] = revision
    text = canonical(body).decode()
    changed = {
        "revision": revision, "delivered_revision": held, "body": text, "state": "pending", "next_at_ns": tx.now_ns,
        "external_id": external[0] or row["external_id"], "external_number": external[1] or row["external_number"],
    }  # fmt: skip
    save_order(tx, key, changed, seen=True)
    alarm = schema.alarm
    tx.connection.execute(
        update(alarm).where(alarm.c.key == row["alarm_key"], alarm.c.revision < revision).values(revision=revision)
    )
    tx.audit(
        actor, "outbox.renumbered", "order", key, revision, old={"revision": row["revision"]},
        new={"erp_revision": held, "body_sha256": digest(text)},
    )  # fmt: skip
