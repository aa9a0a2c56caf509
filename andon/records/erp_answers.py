"""What the ERP says of its records: asked for, or told by a signed webhook.

An answer labels the alarm and, once the record is closed, lets go of an alarm that only waits for a person. A condition
that is true stays an alarm, whatever the ERP says: it is a fact of the log.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import RowMapping, and_, exists, func, insert, or_, select, update

from andon.erp_state import ErpState
from andon.errors import RecordsError
from andon.lifecycle import Move, Refused, State
from andon.occurrence import act
from andon.readings import NS_PER_S
from andon.records import schema
from andon.records.actors import Actor, require_actor
from andon.records.acts import ActsBase
from andon.records.again import repeated
from andon.records.base import Tx
from andon.records.labels import add_label
from andon.records.moving import Moving, save_alarm
from andon.records.schema_acts import alarm_label, inbound_seen

Answered = Literal["taken", "same", "again", "old"]
AGE = 50  # a record that was delivered 50 h ago is asked about once an hour at most
LONGEST_STATUS = 100  # characters of the ERP's word that are kept
REMEMBERED_NS = 30 * 86_400 * NS_PER_S  # longer than anybody sends a webhook again
LETTING_GO = {
    State.RETURNED_UNACKNOWLEDGED: (Move.ACKNOWLEDGE,),
    State.LATCHED_UNACKNOWLEDGED: (Move.RESET, Move.ACKNOWLEDGE),
    State.LATCHED_ACKNOWLEDGED: (Move.RESET,),
}


@dataclass(frozen=True, slots=True)
class Told:
    """The message that an answer came with. endpoint and id name it, digest is of its bytes."""

    endpoint: str
    id: str
    digest: str


@dataclass(frozen=True, slots=True)
class Asking:
    """An order whose record the ERP is to be asked about."""

    order_key: str
    kind: str
    external_id: str
    external_number: str
    revision: int


class ErpAnswerRecords(ActsBase):
    """The part of `Records` about what comes back from the ERP."""

    def orders_to_ask(self, asked_before_ns: int, limit: int = 50) -> list[Asking]:
        """Delivered orders that are not closed there and were last asked about before then, the longest ago first.

        What has stood for long is asked about more seldom: records that nobody ever closes do not crowd out the others.
        """
        table, now_ns = schema.outbox.c, self.clock.now_ns()
        asked_ns = func.coalesce(table.erp_asked_ns, 0)
        rests_ns = (now_ns - func.coalesce(table.delivered_ns, now_ns)) / AGE
        # What a later clock wrote was asked before the clock was set back.
        due = or_(and_(asked_ns < asked_before_ns, asked_ns < now_ns - rests_ns), asked_ns > now_ns + 60 * NS_PER_S)
        query = select(
            table.order_key, table.kind, table.external_id, table.external_number, table.delivered_revision
        ).where(table.site == self.site, table.external_id.is_not(None), ~table.erp_closed, due)
        with self.reading() as connection:
            rows = connection.execute(query.order_by(asked_ns, table.position).limit(limit)).all()
        return [Asking(key, kind, str(one), str(number or one), revision) for key, kind, one, number, revision in rows]

    @repeated
    def erp_asked(self, order_key: str, actor: Actor) -> None:
        """Note that the ERP was asked about a record and could not say: the others come first now."""
        require_actor(actor, "erp.answer")
        with self.writing() as tx:
            where = schema.outbox.c.order_key == order_key, schema.outbox.c.site == self.site
            tx.connection.execute(update(schema.outbox).where(*where).values(erp_asked_ns=tx.now_ns))

    @repeated
    def erp_answered(self, order_key: str, state: ErpState, actor: Actor, told: Told | None = None) -> Answered:
        """Take in how an order's record stands.

        again: this message was taken before; old: a newer state was; same: nothing new in it.

        Raises AccessError without the right erp.answer; RecordsError for an order nobody knows, and (audited) for a
        message id that came before with other content.
        """
        require_actor(actor, "erp.answer")
        with self.writing() as tx:
            before = None if told is None else _seen(tx, told)
            if told is None or before is None:
                row = _order(tx, order_key)
                if told is not None:
                    _remember(tx, told)
                return self._take(tx, row, _storable(state), actor)
            if before != told.digest:
                one = {"endpoint": told.endpoint, "id": told.id}
                tx.audit(actor, "erp.message_refused", "order", order_key, new=one)
        if before != told.digest:
            raise RecordsError("records.message_reused", id=told.id)
        return "again"

    def _take(self, tx: Tx, row: RowMapping, state: ErpState, actor: Actor) -> Answered:
        alarm = None if row["alarm_key"] is None else _alarm(tx, row["alarm_key"])
        new: dict[str, Any] = {"erp_status": state.status, "erp_closed": state.closed}
        table = schema.outbox
        where = table.c.order_key == row["order_key"]
        if state.changed_ns is not None:
            if row["erp_changed_ns"] is not None and state.changed_ns < row["erp_changed_ns"]:
                return "old"
            tx.connection.execute(update(table).where(where).values(erp_changed_ns=state.changed_ns))
        own = alarm is not None and row["order_key"] == alarm["key"]
        # Only another verdict than the ERP's last one: a person who has said otherwise since is not overruled by it.
        labels = own and state.verdict not in ("", _last_verdict(tx, row["order_key"]))
        if all(row[name] == value for name, value in new.items()) and not labels:
            tx.connection.execute(update(table).where(where).values(erp_asked_ns=tx.now_ns))
            return "same"
        change = tx.next_change()
        tx.connection.execute(update(table).where(where).values(**new, erp_asked_ns=tx.now_ns, change_seq=change))
        tx.audit(
            actor, "erp.answered", "order", row["order_key"], row["revision"],
            old={name: row[name] for name in new}, new=new, reason=state.comment,
        )  # fmt: skip
        if alarm is not None and own:
            self._tell(tx, alarm, state, actor, labels=labels, closed=state.closed and not row["erp_closed"])
        return "taken"

    def _tell(self, tx: Tx, alarm: RowMapping, state: ErpState, actor: Actor, *, labels: bool, closed: bool) -> None:
        """The alarm's part of it: its history, its label, and its end where it only waited for somebody."""
        moving = self._moving(tx, actor)
        said = ": ".join(part for part in (state.status, state.comment) if part)
        save_alarm(tx, alarm["key"], {})
        moving.note(alarm, "erp_answered", tx.now_ns, old=None, new=None, comment=said)
        if labels:
            add_label(moving, alarm, state.verdict, source="erp", comment=said)
        if closed:
            _let_go(moving, _alarm(tx, alarm["key"]), said)


def _let_go(moving: Moving, alarm: RowMapping, said: str) -> None:
    one = moving.occurrence(alarm)
    for move in LETTING_GO.get(one.state, ()):
        after = act(one, move)
        if isinstance(after, Refused):
            return
        one = after
    if one.state.value != alarm["state"]:
        seen = {"ack_by": moving.actor.name, "ack_comment": said, "ack_ns": moving.tx.now_ns}
        changed = seen if alarm["ack_ns"] is None else {}
        moving.save(alarm, one, "erp_closed", at_ns=moving.tx.now_ns, changed=changed, comment=said)


def _storable(state: ErpState) -> ErpState:
    """The ERP's words as long as a record keeps them."""
    return replace(state, status=state.status[:LONGEST_STATUS], comment=state.comment[:1000])


def _order(tx: Tx, order_key: str) -> RowMapping:
    table = schema.outbox
    row = tx.connection.execute(select(table).where(table.c.order_key == order_key)).mappings().first()
    if row is None or row["site"] != tx.site:
        raise RecordsError("records.unknown_order", key=order_key)
    return row


def _alarm(tx: Tx, key: str) -> RowMapping:
    return tx.connection.execute(select(schema.alarm).where(schema.alarm.c.key == key)).mappings().one()


def _last_verdict(tx: Tx, key: str) -> str:
    """What the ERP said last of an alarm; "" where it has said nothing."""
    table = alarm_label.c
    query = select(table.verdict).where(table.alarm_key == key, table.source == "erp").order_by(table.seq.desc())
    return str(tx.connection.execute(query.limit(1)).scalar() or "")


def _seen(tx: Tx, told: Told) -> str | None:
    """Digest of the message of this id that was taken before, None for a new one."""
    table = inbound_seen.c
    query = select(table.digest).where(table.site == tx.site, table.endpoint == told.endpoint, table.id == told.id)
    found: str | None = tx.connection.execute(query).scalar()
    return found


def _remember(tx: Tx, told: Told) -> None:
    """Keep the id for as long as somebody may send it again; what is older goes."""
    table = inbound_seen
    old = (table.c.site == tx.site, table.c.seen_ns < tx.now_ns - REMEMBERED_NS)
    if tx.connection.execute(select(exists().where(*old))).scalar():
        tx.connection.execute(table.delete().where(*old))
    values: dict[str, Any] = {"endpoint": told.endpoint, "id": told.id, "digest": told.digest}
    tx.connection.execute(insert(table).values(site=tx.site, seen_ns=tx.now_ns, **values))
