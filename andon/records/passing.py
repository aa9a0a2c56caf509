"""What time does to alarms: shelving ends, an acknowledged alarm that lasts too long is announced again.

Everything is decided from stored times, in one transaction, so a service that was killed or away does it late, once.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, RowMapping, or_, select

from andon.lifecycle import Move, Refused, State
from andon.occurrence import act
from andon.readings import NS_PER_S
from andon.records import schema
from andon.records.actors import Actor, require_actor
from andon.records.acts import ActsBase
from andon.records.again import repeated
from andon.records.base import Tx
from andon.records.moving import POINT
from andon.records.points import AT_ONCE, LONGEST_SHELF_S, move_point, save_point
from andon.records.schema_acts import alarm_point

SHELF_ENDED = "shelf time over"  # in the audit trail, beside the service's name
SKEW_NS = 60 * NS_PER_S  # between the clocks of several nodes; what was written later than that was before a set-back


class PassingRecords(ActsBase):
    """The part of `Records` that time moves."""

    @repeated
    def pass_time(self, actor: Actor) -> int:
        """Do what is due by the machine's clock; returns how many points and alarms moved. Done again, it does nothing.

        A clock that was set back makes nothing quiet for longer: what a later clock wrote is due at once. Call it
        every second or so; at most `AT_ONCE` of each kind move in one call. Raises AccessError, RecordsError.
        """
        require_actor(actor, "timers.run")
        with self.reading() as connection:  # nothing due must not take the writers' lock every second
            now_ns = self.clock.now_ns()
            if not (_ended_shelves(connection, self.site, now_ns) or _realarms(connection, self.site, now_ns)):
                return 0
        with self.writing() as tx:
            return self._end_shelves(tx, actor) + self._realarm(tx, actor)

    def _end_shelves(self, tx: Tx, actor: Actor) -> int:
        ended = _ended_shelves(tx.connection, self.site, tx.now_ns)
        moving = self._moving(tx, actor)
        for point in ended:
            row = {**point, "key": "", "state": ""}
            if move_point(moving, row, Move.UNSHELVE, None, SHELF_ENDED):
                save_point(tx, actor, row, None, SHELF_ENDED, None)
        return len(ended)

    def _realarm(self, tx: Tx, actor: Actor) -> int:
        moving, moved = self._moving(tx, actor), 0
        for row in _realarms(tx.connection, self.site, tx.now_ns):
            after = act(moving.occurrence(row), Move.REALARM)
            if not isinstance(after, Refused):
                moving.save(row, after, "realarmed", at_ns=tx.now_ns)
                moved += 1
        return moved


def _ended_shelves(connection: Connection, site: str, now_ns: int) -> list[RowMapping]:
    table = alarm_point.c
    too_far_ns = now_ns + round(LONGEST_SHELF_S * NS_PER_S) + SKEW_NS
    due = or_(table.until_ns <= now_ns, table.until_ns > too_far_ns)
    query = select(alarm_point).where(table.site == site, table.mode == State.SHELVED.value, due)
    order: list[Any] = [table.until_ns, *(table[name] for name in POINT)]
    return list(connection.execute(query.order_by(*order).limit(AT_ONCE)).mappings())


def _realarms(connection: Connection, site: str, now_ns: int) -> list[RowMapping]:
    table = schema.alarm.c
    due = or_(table.realarm_ns <= now_ns, table.ack_ns > now_ns + SKEW_NS)
    query = select(schema.alarm).where(
        table.site == site, table.state == State.ACKNOWLEDGED.value, table.realarm_ns.is_not(None), due
    )
    return list(connection.execute(query.order_by(table.realarm_ns, table.key).limit(AT_ONCE)).mappings())
