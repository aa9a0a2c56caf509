"""What people do about one alarm: acknowledge, reset, assign, be on the way, arrive, comment.

None of these silences anything: an acknowledged alarm stays until its condition ends, and is announced again when the
re-alarm time of its rule passes before that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from andon.errors import RecordsError
from andon.lifecycle import Move, Refused, State
from andon.occurrence import act
from andon.readings import NS_PER_S
from andon.records import schema
from andon.records.actors import Actor, require_actor, require_reason
from andon.records.again import repeated
from andon.records.base import RecordsBase, Tx
from andon.records.events import ERP_KINDS
from andon.records.moving import Moving, Row, existing_alarm, save_alarm
from andon.records.policy import Policy
from andon.records.rows import AlarmRecord, alarm_columns

LONGEST_WAY_S = 24 * 3600.0  # somebody who needs longer than this is not on the way


class ActsBase(RecordsBase):
    """What all parts of `Records` about alarms share.

    erp_kinds: what a rule may raise that becomes an order. policy: how announcements are made few; none: they are not.
    """

    erp_kinds: frozenset[str] = frozenset(ERP_KINDS)
    policy: Policy | None = None

    def _moving(self, tx: Tx, actor: Actor) -> Moving:
        """Who moves alarms in a transaction."""
        return Moving(tx, actor, self.erp_kinds, self.policy)

    def alarm(self, key: str) -> AlarmRecord:
        """One alarm with the state of its ERP record. Raises RecordsError when there is none."""
        with self.reading() as connection:
            row = connection.execute(
                alarm_columns().where(schema.alarm.c.key == key, schema.alarm.c.site == self.site)
            ).mappings().first()  # fmt: skip
        if row is None:
            raise RecordsError("records.unknown_alarm", key=key)
        return AlarmRecord.of(row)


class ActRecords(ActsBase):
    """The part of `Records` about what people do. Refused acts are audited; see `andon.lifecycle` for the table."""

    @repeated
    def acknowledge(self, key: str, actor: Actor, comment: str = "") -> AlarmRecord:
        """Somebody has seen the alarm and answers for it. A critical alarm wants a comment.

        Where the rule has a re-alarm time, it begins now. Raises AccessError without the right, RecordsError for an
        unknown alarm, a missing comment, or an alarm that cannot be acknowledged (again).
        """
        require_actor(actor, "alarm.acknowledge")

        def seen(tx: Tx, row: Row) -> dict[str, Any]:
            if row["priority"] == "critical":
                require_reason(comment)
            named = {"ack_by": actor.name, "ack_comment": comment, "ack_ns": tx.now_ns}
            realarm_s = _realarm_s(tx, row) if row["cleared_ns"] is None else None
            return named if realarm_s is None else {**named, "realarm_ns": tx.now_ns + round(realarm_s * NS_PER_S)}

        return self._move(key, actor, Move.ACKNOWLEDGE, "acknowledged", comment, seen)

    @repeated
    def reset(self, key: str, actor: Actor, comment: str = "") -> AlarmRecord:
        """Let a latched alarm go, whose condition has ended. Raises AccessError, RecordsError."""
        require_actor(actor, "alarm.reset")
        return self._move(key, actor, Move.RESET, "reset", comment, lambda _tx, _row: {})

    @repeated
    def assign(self, key: str, actor: Actor, to: str, comment: str = "") -> AlarmRecord:
        """Make the alarm somebody's: an active user of the site, or the actor; "" gives it back to everybody.

        Raises AccessError without the right, RecordsError for an unknown alarm or user, or one that is over.
        """
        require_actor(actor, "alarm.assign")

        def given(tx: Tx, row: Row) -> dict[str, Any] | None:
            name = _user_name(tx, actor, to) if to else None
            return None if row["state"] == State.NORMAL.value else {"assigned_to": to or None, "assigned_name": name}

        return self._note(key, actor, "assign", "assigned", comment, given)

    @repeated
    def going(self, key: str, actor: Actor, arrives_ns: int, comment: str = "") -> AlarmRecord:
        """The actor is on the way and will be there at `arrives_ns`, the machine's time; this silences nothing.

        Raises AccessError without the right, RecordsError for an unknown alarm, one that is over, or an arrival that
        is not within the next 24 h.
        """
        require_actor(actor, "alarm.assign")

        def on_it(tx: Tx, row: Row) -> dict[str, Any] | None:
            if not tx.now_ns <= arrives_ns <= tx.now_ns + round(LONGEST_WAY_S * NS_PER_S):
                raise RecordsError("records.arrival", hours=round(LONGEST_WAY_S / 3600))
            told = {"going_name": actor.name, "arrives_ns": arrives_ns, "arrived_ns": None}
            return None if row["state"] == State.NORMAL.value else told

        return self._note(key, actor, "going", "going", comment, on_it)

    @repeated
    def arrived(self, key: str, actor: Actor, comment: str = "") -> AlarmRecord:
        """The actor is there. Raises AccessError, RecordsError for an unknown alarm, one that is over, or again."""
        require_actor(actor, "alarm.assign")

        def there(tx: Tx, row: Row) -> dict[str, Any] | None:
            over = row["state"] == State.NORMAL.value or row["arrived_ns"] is not None
            return None if over else {"going_name": actor.name, "arrived_ns": tx.now_ns}

        return self._note(key, actor, "arrive", "arrived", comment, there)

    @repeated
    def comment(self, key: str, actor: Actor, comment: str) -> None:
        """Add a remark to the alarm's history. Raises RecordsError when it is blank or the alarm unknown."""
        require_actor(actor, "alarm.comment")
        comment = require_reason(comment)
        with self.writing() as tx:
            row = existing_alarm(tx.connection, key, self.site)
            save_alarm(tx, key, {})
            self._moving(tx, actor).note(row, "comment", tx.now_ns, old=None, new=None, comment=comment)

    def _move(self, key: str, actor: Actor, move: Move, kind: str, comment: str, changed: Any) -> AlarmRecord:
        refusal: RecordsError | None = None
        with self.writing() as tx:
            moving, row = self._moving(tx, actor), existing_alarm(tx.connection, key, self.site)
            more = changed(tx, row)
            after = act(moving.occurrence(row), move)
            if isinstance(after, Refused):
                refusal = moving.refused(row, after, comment)
            else:
                moving.save(row, after, kind, at_ns=tx.now_ns, changed=more, comment=comment)
        if refusal is not None:
            raise refusal
        return self.alarm(key)

    def _note(self, key: str, actor: Actor, move: str, kind: str, comment: str, changed: Any) -> AlarmRecord:
        """Columns that no move belongs to; `changed` gives None where the alarm is not in a state for it."""
        refusal: RecordsError | None = None
        with self.writing() as tx:
            moving, row = self._moving(tx, actor), existing_alarm(tx.connection, key, self.site)
            new: Mapping[str, Any] | None = changed(tx, row)
            if new is None:
                refusal = moving.refuse(row, move, comment)
            else:
                moving.save(row, moving.occurrence(row), kind, at_ns=tx.now_ns, changed=new, comment=comment)
        if refusal is not None:
            raise refusal
        return self.alarm(key)


def _realarm_s(tx: Tx, row: Row) -> float | None:
    """The re-alarm time that the alarm's own version of its rule says, s."""
    table = schema.rule_version.c
    query = select(table.content).where(
        table.site == tx.site, table.rule_id == row["rule_id"], table.version == row["rule_version"]
    )
    content = tx.connection.execute(query).scalar()
    found = None if content is None else json.loads(content).get("realarm_s")
    return float(found) if isinstance(found, int | float) and found > 0 else None


def _user_name(tx: Tx, actor: Actor, user_id: str) -> str:
    if user_id == actor.id:  # who came in by a one-time token is no user of the table
        return actor.name
    table = schema.users.c
    query = select(table.name).where(table.site == tx.site, table.id == user_id, table.active)
    name = tx.connection.execute(query).scalar()
    if name is None:
        raise RecordsError("records.unknown_user", user=user_id)
    return str(name)
