"""Whether an alarm was right, as people or the ERP say: kept for who tunes rules and teaches detectors."""

from __future__ import annotations

from typing import Literal, get_args

from sqlalchemy import func, insert, select

from andon.errors import RecordsError
from andon.records.actors import Actor, require_actor
from andon.records.acts import ActsBase
from andon.records.again import repeated
from andon.records.moving import Moving, Row, existing_alarm
from andon.records.rows import AlarmRecord, LabelRecord
from andon.records.schema_acts import alarm_label

Verdict = Literal["true", "false", "known"]
RIGHT_OF = {"person": "alarm.label", "erp": "erp.answer"}


class LabelRecords(ActsBase):
    """The part of `Records` about labels."""

    @repeated
    def label(self, key: str, actor: Actor, verdict: str, comment: str = "", *, source: str = "person") -> AlarmRecord:
        """Say of an alarm that it was true, false, or known (real, expected, nothing to do); the last word counts.

        source: "person", or "erp" where an answer of the ERP says so. Raises AccessError without the right
        (alarm.label, erp.answer), RecordsError for an unknown alarm or another verdict.
        """
        require_actor(actor, RIGHT_OF.get(source, "erp.answer"))
        if verdict not in get_args(Verdict):
            raise RecordsError("records.verdict", found=verdict, allowed=", ".join(get_args(Verdict)))
        with self.writing() as tx:
            row = existing_alarm(tx.connection, key, self.site)
            add_label(self._moving(tx, actor), row, verdict, source=source, comment=comment)
        return self.alarm(key)

    def labels(self, key: str | None = None, *, after_ns: int = 0, limit: int = 500) -> list[LabelRecord]:
        """What was said of an alarm, or of all alarms after a time, oldest first."""
        table = alarm_label.c
        query = select(alarm_label).where(table.site == self.site, table.at_ns > after_ns)
        if key is not None:
            query = query.where(table.alarm_key == key)
        with self.reading() as connection:
            rows = connection.execute(query.order_by(table.at_ns, table.alarm_key, table.seq).limit(limit)).mappings()
            return [LabelRecord(**row) for row in rows]


def add_label(moving: Moving, row: Row, verdict: str, *, source: str, comment: str) -> None:
    """Keep what was said of an alarm, with its history and audit record, in the transaction of `moving`."""
    tx, actor, key = moving.tx, moving.actor, row["key"]
    last = tx.connection.execute(select(func.max(alarm_label.c.seq)).where(alarm_label.c.alarm_key == key))
    tx.connection.execute(
        insert(alarm_label).values(
            alarm_key=key, seq=(last.scalar() or 0) + 1, site=tx.site, verdict=verdict, source=source,
            at_ns=tx.now_ns, actor_id=actor.id, actor_name=actor.name, comment=comment,
        )
    )  # fmt: skip
    told = ": ".join(part for part in (verdict, comment) if part)
    moving.save(
        row, moving.occurrence(row), "labelled", at_ns=tx.now_ns, changed={"label": verdict}, comment=comment, told=told
    )
