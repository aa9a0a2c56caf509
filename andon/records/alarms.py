"""The alarms of the records: condition changes in, and reading them back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, insert, select

from andon.conditions import ConditionChange
from andon.lifecycle import State
from andon.records import schema
from andon.records.actors import Actor, require_actor
from andon.records.acts import ActsBase
from andon.records.again import repeated
from andon.records.applying import Applying, change_identity, change_path
from andon.records.canonical import alarm_key, digest
from andon.records.policy import Policy
from andon.records.rows import AlarmRecord, AnnouncementRecord, TransitionRecord, alarm_columns

# The steps that bring an alarm to unacknowledged.
ANNOUNCING = ("raised", "reopened", "unsuppressed", "unshelved", "restored", "realarmed")


class AlarmRecords(ActsBase):
    """The alarm part of `Records`: what the rules decide, and reading it back."""

    @repeated
    def apply_conditions(
        self,
        changes: Sequence[ConditionChange],
        actor: Actor,
        *,
        erp_kinds: Iterable[str] | None = None,
        policy: Policy | None = None,
    ) -> int:
        """Take in what the rules decided, in one transaction; returns how many changes were new.

        Raised: an unacknowledged alarm, and an outbox row when the rule raises one of `erp_kinds` (those of these
        records where not given); set aside like its point where people or the design silence that, see
        `andon.occurrence`. Cleared: the same alarm ends. Revised, or the same key with other content: revision n+1
        of that record. A change that was taken in before (a log replayed after a crash, cut into any batches) does
        nothing and leaves no trace. policy: as for `erp_kinds`.

        Raises AccessError without an actor, RecordsError when the database refuses; then nothing is taken in.
        """
        require_actor(actor, "conditions.apply")
        if not changes:
            return 0
        keyed = [
            (digest([self.site, change_identity(change)]), alarm_key(self.site, *change_path(change)), change)
            for change in changes
        ]
        kinds = self.erp_kinds if erp_kinds is None else frozenset(erp_kinds)
        with self.writing() as tx:
            seen = _seen(tx.connection, [told for told, _, _ in keyed])
            applying, new = Applying(tx, actor, kinds, policy or self.policy), []
            for told, key, change in keyed:
                if told not in seen:
                    seen.add(told)
                    new.append({"digest": told, "site": self.site, "alarm_key": key})
                    applying.apply(key, change)
            if new:
                tx.connection.execute(insert(schema.change_seen), new)
        return len(new)

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

    def announcements(self, since_ns: int, limit: int = 100_000) -> list[AnnouncementRecord]:
        """The alarms that entered unacknowledged since a time of the machine's clock, the newest `limit`, oldest first.

        quiet: why people were not told of it by itself; empty: they were.
        """
        alarm, step = schema.alarm.c, schema.transition.c
        query = (
            select(
                step.alarm_key, alarm.asset, alarm.tag, alarm.rule_id, alarm.priority, alarm.quiet, step.kind,
                step.recorded_ns.label("at_ns"),
            )
            .join_from(schema.transition, schema.alarm, step.alarm_key == alarm.key)
            .where(step.site == self.site, step.recorded_ns >= since_ns, step.kind.in_(ANNOUNCING))
            .where(step.state == State.UNACKNOWLEDGED.value)
            .order_by(step.recorded_ns.desc(), step.alarm_key, step.seq.desc())
            .limit(limit)
        )  # fmt: skip
        with self.reading() as connection:
            rows = [AnnouncementRecord(**row) for row in connection.execute(query).mappings()]
        return rows[::-1]

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
