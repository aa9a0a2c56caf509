"""The alarms of the records: condition changes in, acknowledgement and comments, and reading them back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, RowMapping, insert, select

from andon.conditions import ConditionChange
from andon.errors import RecordsError
from andon.lifecycle import Move, Refused, State, step
from andon.records import schema
from andon.records.actors import Actor, require_actor, require_reason
from andon.records.again import repeated
from andon.records.applying import (
    Applying,
    add_transition,
    change_identity,
    change_path,
    load_alarm,
    old_values,
    save_alarm,
)  # fmt: skip
from andon.records.base import RecordsBase
from andon.records.canonical import alarm_key, digest
from andon.records.events import ERP_KINDS
from andon.records.rows import AlarmRecord, TransitionRecord, alarm_columns


class AlarmRecords(RecordsBase):
    """The alarm part of `Records`."""

    @repeated
    def apply_conditions(
        self, changes: Sequence[ConditionChange], actor: Actor, *, erp_kinds: Iterable[str] = ERP_KINDS
    ) -> int:
        """Take in what the rules decided, in one transaction; returns how many changes were new.

        Raised: an unacknowledged alarm, and an outbox row when the rule raises one of `erp_kinds`. Cleared: the same
        alarm ends. The same key with other content: revision n+1 of that record. A change that was taken in before
        (a log replayed after a crash, cut into any batches) does nothing and leaves no trace.

        Raises AccessError without an actor, RecordsError when the database refuses; then nothing is taken in.
        """
        require_actor(actor, "conditions.apply")
        if not changes:
            return 0
        keyed = [
            (digest([self.site, change_identity(change)]), alarm_key(self.site, *change_path(change)), change)
            for change in changes
        ]
        with self.writing() as tx:
            seen = _seen(tx.connection, [told for told, _, _ in keyed])
            applying, new = Applying(tx, actor, frozenset(erp_kinds)), []
            for told, key, change in keyed:
                if told not in seen:
                    seen.add(told)
                    new.append({"digest": told, "site": self.site, "alarm_key": key})
                    applying.apply(key, change)
            if new:
                tx.connection.execute(insert(schema.change_seen), new)
        return len(new)

    @repeated
    def acknowledge(self, key: str, actor: Actor, comment: str = "") -> AlarmRecord:
        """Somebody has seen the alarm and answers for it. A critical alarm wants a comment.

        Raises AccessError without the right, RecordsError for an unknown alarm, a missing comment, or an alarm that
        cannot be acknowledged (again); the last is audited.
        """
        require_actor(actor, "alarm.acknowledge")
        refused: Refused | None = None
        with self.writing() as tx:
            row = _existing(tx.connection, key, self.site)
            if row["priority"] == "critical":
                require_reason(comment)
            result = step(State(row["state"]), Move.ACKNOWLEDGE, active=row["cleared_ns"] is None)
            told = {"state": row["state"], "move": Move.ACKNOWLEDGE.value}
            if isinstance(result, Refused):
                refused = result
                tx.audit(actor, "alarm.move_refused", "alarm", key, row["revision"], new=told, reason=comment)
            else:
                changed = {
                    "state": result.state.value, "ack_by": actor.name, "ack_comment": comment, "ack_ns": tx.now_ns,
                }  # fmt: skip
                save_alarm(tx, key, changed)
                add_transition(
                    tx, key, "acknowledged", actor, at_ns=tx.now_ns, revision=row["revision"],
                    state=result.state.value, comment=comment,
                )  # fmt: skip
                tx.audit(
                    actor, "alarm.acknowledged", "alarm", key, row["revision"],
                    old=old_values(row, changed), new=changed, reason=comment,
                )  # fmt: skip
        if refused is not None:
            raise RecordsError("records.move_refused", key=key, state=refused.state.value, move=refused.move.value)
        return self.alarm(key)

    @repeated
    def comment(self, key: str, actor: Actor, comment: str) -> None:
        """Add a remark to the alarm's history. Raises RecordsError when it is blank or the alarm unknown."""
        require_actor(actor, "alarm.comment")
        comment = require_reason(comment)
        with self.writing() as tx:
            row = _existing(tx.connection, key, self.site)
            save_alarm(tx, key, {})
            add_transition(
                tx, key, "comment", actor, at_ns=tx.now_ns, revision=row["revision"], state=row["state"],
                comment=comment,
            )  # fmt: skip
            tx.audit(actor, "alarm.comment", "alarm", key, row["revision"], reason=comment)

    def alarm(self, key: str) -> AlarmRecord:
        """One alarm with the state of its ERP record. Raises RecordsError when there is none."""
        with self.reading() as connection:
            row = connection.execute(
                alarm_columns().where(schema.alarm.c.key == key, schema.alarm.c.site == self.site)
            ).mappings().first()  # fmt: skip
        if row is None:
            raise RecordsError("records.unknown_alarm", key=key)
        return AlarmRecord.of(row)

    def alarms(
        self, *, open_only: bool = False, asset: str | None = None, limit: int = 500, before_ns: int | None = None
    ) -> list[AlarmRecord]:
        """Alarms, the newest start first. open_only: not yet back to normal, or not acknowledged."""
        table = schema.alarm.c
        query = alarm_columns().where(table.site == self.site)
        if open_only:
            query = query.where(table.state != State.NORMAL.value)
        if asset is not None:
            query = query.where(table.asset == asset)
        if before_ns is not None:
            query = query.where(table.start_ns < before_ns)
        with self.reading() as connection:
            rows = connection.execute(query.order_by(table.start_ns.desc(), table.key).limit(limit)).mappings()
            return [AlarmRecord.of(row) for row in rows]

    def transitions(self, key: str) -> list[TransitionRecord]:
        """The alarm's history, oldest first."""
        table = schema.transition
        query = select(table).where(table.c.alarm_key == key, table.c.site == self.site).order_by(table.c.seq)
        with self.reading() as connection:
            return [TransitionRecord(**row) for row in connection.execute(query).mappings()]

    def changes_since(self, seq: int, limit: int = 500) -> list[AlarmRecord]:
        """Alarms that changed after change number `seq` (by themselves or by their delivery), in order of change.

        Each alarm stands once, with its newest number: resume from the last one got. Numbers are given out under
        the site's lock, so a reader never skips one that is committed later.
        """
        table = schema.alarm.c
        query = alarm_columns().where(table.site == self.site, table.change_seq > seq)
        with self.reading() as connection:
            rows = connection.execute(query.order_by(table.change_seq).limit(limit)).mappings()
            return [AlarmRecord.of(row) for row in rows]

    def change_head(self) -> int:
        """The newest change number of the site; 0 before the first."""
        with self.reading() as connection:
            query = select(schema.site_head.c.change_seq).where(schema.site_head.c.site == self.site)
            return int(connection.execute(query).scalar() or 0)


def _seen(connection: Connection, digests: list[str]) -> set[str]:
    found: set[str] = set()
    column = schema.change_seen.c.digest
    for start in range(0, len(digests), 500):  # SQLite takes 32,766 parameters, PostgreSQL's driver fewer
        part = digests[start : start + 500]
        found.update(connection.execute(select(column).where(column.in_(part))).scalars())
    return found


def _existing(connection: Connection, key: str, site: str) -> RowMapping:
    row = load_alarm(connection, key)
    if row is None or row["site"] != site:
        raise RecordsError("records.unknown_alarm", key=key)
    return row
