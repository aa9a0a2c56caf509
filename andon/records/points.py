"""Alarm points: a series with a rule that people set aside, for a time (shelved) or until they say (out of service).

Every open occurrence of the point goes with it, and so does the next one that is raised meanwhile. Shelving ends by
itself, from the stored time: nothing that somebody quietened is quiet for longer than `LONGEST_SHELF_S`. What is over
is not set aside; of what latched on a shelf `AT_ONCE` are let in by one transaction, the rest by the next ones.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import RowMapping, Select, insert, select, update

from andon.errors import RecordsError
from andon.lifecycle import Move, Refused, State
from andon.occurrence import ASIDE, act, let_in, set_aside
from andon.readings import NS_PER_S
from andon.records import schema
from andon.records.actors import Actor, require_actor, require_reason
from andon.records.acts import ActsBase
from andon.records.again import repeated
from andon.records.base import Tx
from andon.records.moving import POINT, Moving, Row, existing_alarm, load_point, save_alarm
from andon.records.rows import AlarmRecord, PointRecord
from andon.records.schema_acts import alarm_point

LONGEST_SHELF_S = 8 * 3600.0
AT_ONCE = 200  # of each kind in a transaction: what an outage or a busy shelf left is worked off in steps
_TRUE_NOW = (State.UNACKNOWLEDGED, State.ACKNOWLEDGED)
_KINDS = {
    Move.SHELVE: "shelved", Move.UNSHELVE: "unshelved", Move.REMOVE: "out_of_service", Move.RESTORE: "restored",
}  # fmt: skip


class PointRecords(ActsBase):
    """The part of `Records` about alarm points. Each call names an alarm; what it does holds for the alarm's point."""

    @repeated
    def shelve(self, key: str, actor: Actor, reason: str, until_ns: int, *, second: Actor | None = None) -> AlarmRecord:
        """Quiet the alarm's point until `until_ns`, the machine's time, at most 8 h from now; its orders go on.

        second: another person who may shelve, needed where an open alarm of the point or its newest one is critical;
        a critical alarm that comes later is quiet only where two people said so. Raises AccessError without the right,
        RecordsError for an unknown alarm, a missing reason or second person, an end that is not within 8 h, a point
        that is set aside already or an alarm that is over and waits to be acknowledged or reset (these two audited).
        """
        require_actor(actor, "alarm.shelve")
        reason = require_reason(reason)
        if not 0 < until_ns - self.clock.now_ns() <= LONGEST_SHELF_S * NS_PER_S:
            raise RecordsError("records.shelf_end", hours=round(LONGEST_SHELF_S / 3600))
        if second is not None:
            require_actor(second, "alarm.shelve")
            reason = f"{reason} ({second.name})"
        return self._set(key, actor, Move.SHELVE, reason, until_ns, second)

    @repeated
    def unshelve(self, key: str, actor: Actor, reason: str) -> AlarmRecord:
        """End the shelving of the alarm's point: alarms whose condition lasts are announced again.

        Raises AccessError, RecordsError: unknown, no reason, not shelved (audited).
        """
        require_actor(actor, "alarm.shelve")
        return self._set(key, actor, Move.UNSHELVE, require_reason(reason))

    @repeated
    def take_out_of_service(self, key: str, actor: Actor, reason: str) -> AlarmRecord:
        """Set the alarm's point aside until somebody restores it: no announcement, no new order.

        Raises AccessError, RecordsError: unknown, no reason, set aside already (audited).
        """
        require_actor(actor, "alarm.out_of_service")
        return self._set(key, actor, Move.REMOVE, require_reason(reason))

    @repeated
    def restore_service(self, key: str, actor: Actor, reason: str) -> AlarmRecord:
        """Put the alarm's point back into service: what is true now is announced and ordered.

        Raises AccessError, RecordsError: unknown, no reason, not out of service (audited).
        """
        require_actor(actor, "alarm.out_of_service")
        return self._set(key, actor, Move.RESTORE, require_reason(reason))

    def points(self, limit: int = 500) -> list[PointRecord]:
        """The points that people have set aside, the newest first."""
        with self.reading() as connection:
            rows = connection.execute(_set_aside(self.site).limit(limit)).mappings()
            return [PointRecord(**row) for row in rows]

    def point_of(self, alarm: AlarmRecord) -> PointRecord | None:
        """How people have set the alarm's point aside; None while it is in service."""
        same = [alarm_point.c[name] == getattr(alarm, name) for name in POINT]
        with self.reading() as connection:
            row = connection.execute(_set_aside(self.site).where(*same)).mappings().first()
        return None if row is None else PointRecord(**row)

    def _set(
        self, key: str, actor: Actor, move: Move, reason: str, until_ns: int | None = None, second: Actor | None = None
    ) -> AlarmRecord:
        refusal: RecordsError | None = None
        with self.writing() as tx:
            moving, row = self._moving(tx, actor), existing_alarm(tx.connection, key, self.site)
            other = second if second is not None and second.id != actor.id else None
            after = act(moving.occurrence(row), move)
            if isinstance(after, Refused):
                refusal = moving.refused(row, after, reason)
            elif move is Move.SHELVE and other is None and _is_critical(tx, row):
                raise RecordsError("records.second_person")
            else:
                aside, shown = after.aside, None if other is None else other.name
                if not move_point(moving, row, move, aside, reason):  # too many: time lets in the rest, at once
                    aside, until_ns = State.SHELVED, tx.now_ns
                save_point(tx, actor, row, aside, reason, until_ns, shown)
        if refusal is not None:
            raise refusal
        return self.alarm(key)


def save_point(
    tx: Tx, actor: Actor, row: Row, aside: State | None, reason: str, until_ns: int | None, second: str | None = None
) -> None:
    """Write what people have made of an alarm's point, with its audit record."""
    there = load_point(tx.connection, tx.site, row)
    place = {"site": tx.site, **{name: row[name] for name in POINT}}
    values = {
        "mode": "" if aside is None else aside.value, "until_ns": until_ns, "since_ns": tx.now_ns, "reason": reason,
        "actor_id": actor.id, "actor_name": actor.name, "second_name": second,
        "revision": 1 if there is None else there["revision"] + 1,
        "change_seq": tx.next_change(),
    }  # fmt: skip
    if there is None:
        tx.connection.execute(insert(alarm_point).values(**place, **values))
    else:
        same = [alarm_point.c[name] == value for name, value in place.items()]
        tx.connection.execute(update(alarm_point).where(*same).values(**values))
    told = ("mode", "until_ns")
    tx.audit(
        actor, "alarm_point.set", "alarm_point", "/".join(str(row[name]) for name in POINT), values["revision"],
        old=None if there is None else {name: there[name] for name in told},
        new={name: values[name] for name in told}, reason=reason,
    )  # fmt: skip


def move_point(moving: Moving, row: Row, move: Move, aside: State | None, reason: str) -> bool:
    """Take the occurrences of the point along; the named one has the act in its history anyway.

    False where there were so many to let in that some of them may wait for the next transaction.
    """
    tx = moving.tx
    rows = _concerned(tx, row, aside)
    for one in rows:
        stands = moving.occurrence(one)
        after = let_in(stands) if aside is None else set_aside(stands, aside)
        saved = moving.save(one, after, _KINDS[move], at_ns=tx.now_ns, comment=reason)
        moving.order(saved, after)
    if row["key"] and row["key"] not in {one["key"] for one in rows}:
        _noted(moving, row, move, reason)
    return aside is not None or len(rows) < AT_ONCE


def _noted(moving: Moving, row: Row, move: Move, reason: str) -> None:
    save_alarm(moving.tx, row["key"], {})
    moving.note(row, _KINDS[move], moving.tx.now_ns, old=None, new=None, comment=reason)


def _is_critical(tx: Tx, row: Row) -> bool:
    """Whether shelving an alarm's point quiets a critical one: any that is open, or the newest, as its rule is now."""
    alarm = schema.alarm.c
    mine = (alarm.site == tx.site, *(alarm[name] == row[name] for name in POINT))
    newest = select(alarm.priority).where(*mine).order_by(alarm.start_ns.desc(), alarm.key).limit(1)
    any_open = select(alarm.priority).where(*mine, alarm.state != State.NORMAL.value, alarm.priority == "critical")
    return "critical" in [tx.connection.execute(query).scalar() for query in (newest, any_open.limit(1))]


def _concerned(tx: Tx, row: Row, aside: State | None) -> list[RowMapping]:
    """The occurrences of a point that move when it is set aside, or let in: those that are over first."""
    alarm = schema.alarm.c
    states, most = (ASIDE, AT_ONCE) if aside is None else (_TRUE_NOW, None)
    query = select(schema.alarm).where(alarm.site == tx.site, *(alarm[name] == row[name] for name in POINT))
    query = query.where(alarm.state.in_([one.value for one in states]))
    query = query.order_by(alarm.cleared_ns.is_(None), alarm.start_ns, alarm.key).limit(most)
    return list(tx.connection.execute(query).mappings())


def _set_aside(site: str) -> Select[Any]:
    table, alarm = alarm_point.c, schema.alarm.c
    newest = (
        select(alarm.key)
        .where(alarm.site == table.site, *(alarm[name] == table[name] for name in POINT))
        .order_by(alarm.start_ns.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = select(alarm_point, newest.label("alarm_key")).where(table.site == site, table.mode != "")
    return query.order_by(table.since_ns.desc())
