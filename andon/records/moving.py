"""Alarms that move, inside one transaction: state, history, audit trail, the order for the ERP, the incident."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from andon.errors import RecordsError
from andon.lifecycle import ENDED, Move, Refused, State
from andon.occurrence import Occurrence, withheld
from andon.records import schema
from andon.records.actors import Actor
from andon.records.base import Tx
from andon.records.events import event_body
from andon.records.incidents import place
from andon.records.orders import find_order, put_order
from andon.records.policy import Policy
from andon.records.schema_acts import alarm_point

Row = Mapping[str, Any] | RowMapping
ANSWERED = ("ack_by", "ack_comment", "ack_ns", "realarm_ns")
POINT = ("asset", "tag", "rule_id")  # what an alarm point is, at its site


class Moving:
    """Moves alarms inside one transaction.

    erp_kinds: what is raised to the ERP. policy: how incidents are made; none: every alarm is announced by itself.
    """

    def __init__(self, tx: Tx, actor: Actor, erp_kinds: frozenset[str], policy: Policy | None = None) -> None:
        self.tx, self.actor, self.erp_kinds, self.policy = tx, actor, erp_kinds, policy

    def occurrence(self, row: Row) -> Occurrence:
        """The alarm of a row as it stands, with what people have made of its point.

        One person alone does not quiet what is critical: an alarm that became so since is announced.
        """
        point = load_point(self.tx.connection, self.tx.site, row)
        mode = "" if point is None else point["mode"]
        if mode == State.SHELVED.value and row["priority"] == "critical" and point and point["second_name"] is None:
            mode = ""
        return Occurrence(
            State(row["state"]), row["cleared_ns"] is None, bool(row["latching"]), bool(row["suppressed_by"]),
            State(mode) if mode else None,
        )  # fmt: skip

    def save(
        self, row: Row, after: Occurrence, kind: str, *, at_ns: int, changed: Mapping[str, Any] | None = None,
        comment: str = "", told: str = "",
    ) -> dict[str, Any]:  # fmt: skip
        """Write the alarm as it stands after a move, with `changed` columns, its history and its audit record.

        Returns the row as it is then.
        """
        new = {**(changed or {}), "state": after.state.value}
        up = after.state is State.UNACKNOWLEDGED and row["state"] != after.state.value
        if up:  # nobody has answered for it this time
            new |= {name: None for name in ANSWERED if row.get(name) is not None}
        save_alarm(self.tx, row["key"], new)
        if up:
            new |= self.announce({**row, **new})
        merged = {**row, **new}
        self.note(merged, kind, at_ns, old=old_values(row, new), new=new, comment=comment, told=told)
        return merged

    def announce(self, row: Row) -> dict[str, Any]:
        """Put an alarm that entered unacknowledged into its incident; the columns that say so, written already."""
        if self.policy is None:
            return {}
        incident, quiet = place(self.tx, row, self.policy)
        placed = {"incident": incident, "quiet": quiet}
        if any(row.get(name) != value for name, value in placed.items()):
            save_alarm(self.tx, row["key"], placed)
        return placed

    def note(
        self, row: Row, kind: str, at_ns: int, *, old: dict[str, Any] | None, new: dict[str, Any] | None,
        comment: str = "", told: str = "",
    ) -> None:  # fmt: skip
        """Add to the alarm's history (`told`, else the comment) and to the audit trail (the comment as its reason)."""
        key, revision = row["key"], row["revision"]
        add_transition(
            self.tx, key, kind, self.actor, at_ns=at_ns, revision=revision, state=row["state"], comment=told or comment
        )
        self.tx.audit(self.actor, f"alarm.{kind}", "alarm", key, revision, old=old, new=new, reason=comment)

    def order(self, row: Row, one: Occurrence, *, revised: bool = False) -> None:
        """Queue the alarm's order where one is due: the first while nothing holds it back, revisions of one that is.

        An order is held back while its alarm is silenced by design or out of service; let out when the condition is
        over, there is nothing to order any more.
        """
        if revised if self.is_ordered(row["key"]) else one.active and not withheld(one):
            self.put(row)

    def is_ordered(self, key: str) -> bool:
        """Whether the alarm has an order, in whatever state."""
        return find_order(self.tx, key) is not None

    def put(self, row: Row) -> None:
        """Queue the order of an alarm as it stands, or its new revision, where its rule raises one."""
        if row["raises"] in self.erp_kinds:
            put_order(
                self.tx, key=row["key"], kind=row["raises"], asset=row["asset"], revision=row["revision"],
                body=event_body({**row}), actor=self.actor, alarm_key=row["key"],
            )  # fmt: skip

    def refuse(self, row: Row, move: str, reason: str = "") -> RecordsError:
        """Write down that somebody tried what is not possible; the error to raise after the commit."""
        told = {"state": row["state"], "move": move}
        self.tx.audit(self.actor, "alarm.move_refused", "alarm", row["key"], row["revision"], new=told, reason=reason)
        return RecordsError("records.move_refused", key=row["key"], state=row["state"], move=move)

    def refused(self, row: Row, refusal: Refused, reason: str = "") -> RecordsError:
        """`refuse` for what the table of states refused."""
        error = self.refuse({**row, "state": refusal.state.value}, refusal.move.value, reason)
        if refusal.move is Move.SHELVE and refusal.state in ENDED:
            return RecordsError("records.nothing_to_shelve", key=row["key"], state=refusal.state.value)
        return error


def load_alarm(connection: Connection, key: str) -> RowMapping | None:
    """The alarm's row, None where there is none."""
    return connection.execute(select(schema.alarm).where(schema.alarm.c.key == key)).mappings().first()


def existing_alarm(connection: Connection, key: str, site: str) -> RowMapping:
    """The alarm's row. Raises RecordsError where the site has none of this key."""
    row = load_alarm(connection, key)
    if row is None or row["site"] != site:
        raise RecordsError("records.unknown_alarm", key=key)
    return row


def load_point(connection: Connection, site: str, row: Row) -> RowMapping | None:
    """The alarm point that an alarm belongs to, None where nobody has ever set it aside."""
    table = alarm_point.c
    same = [table[name] == row[name] for name in POINT]
    return connection.execute(select(alarm_point).where(table.site == site, *same)).mappings().first()


def add_transition(
    tx: Tx, key: str, kind: str, actor: Actor, *, at_ns: int, revision: int, state: str, comment: str = ""
) -> None:
    """Add to the alarm's history; its number is one more than the last."""
    table = schema.transition
    last = tx.connection.execute(select(func.max(table.c.seq)).where(table.c.alarm_key == key)).scalar() or 0
    tx.connection.execute(
        insert(table).values(
            alarm_key=key, seq=last + 1, site=tx.site, kind=kind, at_ns=at_ns, recorded_ns=tx.now_ns,
            revision=revision, state=state, actor_id=actor.id, actor_name=actor.name, comment=comment,
        )
    )  # fmt: skip


def save_alarm(tx: Tx, key: str, values: dict[str, Any]) -> None:
    """Change columns of an alarm and give it the next change number."""
    tx.connection.execute(
        update(schema.alarm).where(schema.alarm.c.key == key).values(**values, change_seq=tx.next_change())
    )


def old_values(row: Row, changed: Mapping[str, Any]) -> dict[str, Any]:
    """The row's values of the columns that change."""
    return {name: row[name] for name in changed if name in row}
