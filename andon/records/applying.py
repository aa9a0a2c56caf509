"""Condition changes become alarms, history, audit rows and outbox rows, inside the caller's transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from andon.conditions import ConditionChange
from andon.lifecycle import Move, State, step
from andon.records import schema
from andon.records.actors import Actor
from andon.records.base import Tx
from andon.records.canonical import canonical_text, digest
from andon.records.events import event_body
from andon.records.rows import float_or_none


def change_content(change: ConditionChange) -> dict[str, Any]:
    """The columns of `alarm` that a change decides."""
    return {
        "rule_version": change.rule_version, "condition": change.condition, "limit": float_or_none(change.limit),
        "unit": change.unit, "priority": change.priority, "raises": change.raises,
        "confirmed_ns": int(change.confirmed_ns),
        "cleared_ns": None if change.cleared_ns is None else int(change.cleared_ns),
        "peak": float_or_none(change.peak), "out_s": float_or_none(change.out_s) or 0.0,
        "found_late": bool(change.found_late), "evidence": canonical_text(change.evidence),
    }  # fmt: skip


def load_alarm(connection: Connection, key: str) -> RowMapping | None:
    """The alarm's row, None where there is none."""
    return connection.execute(select(schema.alarm).where(schema.alarm.c.key == key)).mappings().first()


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


class Applying:
    """Applies changes inside one transaction."""

    def __init__(self, tx: Tx, actor: Actor, erp_kinds: frozenset[str]) -> None:
        self.tx, self.actor, self.erp_kinds = tx, actor, erp_kinds

    def apply(self, key: str, change: ConditionChange) -> None:
        """Open, clear, revise, or leave the alarm `key` as the change wants it."""
        content = change_content(change)
        content_hash = digest(content)
        row = load_alarm(self.tx.connection, key)
        if row is None:
            self._open(key, change, content, content_hash)
        elif row["content_hash"] == content_hash:
            return
        elif change.kind == "cleared" and row["cleared_ns"] is None:
            self._clear(key, row, content, content_hash)
        else:
            self._revise(key, row, change, content, content_hash)

    def _open(self, key: str, change: ConditionChange, content: dict[str, Any], content_hash: str) -> None:
        tx, site = self.tx, self.tx.site
        opening = {**content, "cleared_ns": None}
        row = {
            "key": key, "site": site, "asset": change.asset, "tag": change.tag, "rule_id": change.rule_id,
            "start_ns": int(change.start_ns), **opening, "state": State.UNACKNOWLEDGED.value, "revision": 1,
            "recorded_ns": tx.now_ns, "content_hash": content_hash,
        }  # fmt: skip
        tx.connection.execute(insert(schema.alarm).values(**row, change_seq=tx.next_change()))
        self._note(key, "raised", content["confirmed_ns"], 1, State.UNACKNOWLEDGED, old=None, new=row)
        self._send(row)
        if change.kind == "cleared":  # a condition that opened and ended before it was told
            self._clear(key, row, content, content_hash)

    def _clear(self, key: str, row: RowMapping | dict[str, Any], content: dict[str, Any], content_hash: str) -> None:
        state = self._moved(row["state"], Move.CLEAR)
        changed = {**content, "state": state.value, "content_hash": content_hash}
        save_alarm(self.tx, key, changed)
        old = old_values(row, changed)
        self._note(key, "cleared", content["cleared_ns"], row["revision"], state, old=old, new=changed)

    def _revise(
        self, key: str, row: RowMapping, change: ConditionChange, content: dict[str, Any], content_hash: str
    ) -> None:
        """Late data moved, merged or re-opened the condition: revision n+1 of the same record, here and in the ERP."""
        reopened = change.kind == "raised" and row["cleared_ns"] is not None
        state = self._moved(row["state"], Move.RAISE) if reopened else State(row["state"])
        changed = {**content, "state": state.value, "content_hash": content_hash, "revision": row["revision"] + 1}
        save_alarm(self.tx, key, changed)
        kind, at_ns = ("reopened" if reopened else "revised"), content["cleared_ns"] or content["confirmed_ns"]
        self._note(key, kind, at_ns, changed["revision"], state, old=old_values(row, changed), new=changed)
        self._send({**row, **changed})

    def _send(self, row: dict[str, Any]) -> None:
        if row["raises"] in self.erp_kinds:
            enqueue(self.tx, row, event_body(row), self.actor)

    def _moved(self, state: str, move: Move) -> State:
        result = step(State(state), move)
        # The condition is a fact; where the table has no such move (raised while unacknowledged) the state stays.
        return result.state

    def _note(
        self, key: str, kind: str, at_ns: int, revision: int, state: State, *,
        old: dict[str, Any] | None, new: dict[str, Any],
    ) -> None:  # fmt: skip
        add_transition(self.tx, key, kind, self.actor, at_ns=at_ns, revision=revision, state=state.value)
        self.tx.audit(self.actor, f"alarm.{kind}", "alarm", key, revision, old=old, new=new)


def old_values(row: RowMapping | dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    """The row's values of the columns that change."""
    return {name: row[name] for name in changed if name in row}


def change_path(change: ConditionChange) -> tuple[str, str, str, int]:
    """What the alarm's key is made of, after the site."""
    return change.asset, change.tag, change.rule_id, int(change.start_ns)


def change_identity(change: ConditionChange) -> dict[str, Any]:
    """Everything a change says, with its offset: equal only for the same decision of the same log."""
    told = {"kind": change.kind, "path": list(change_path(change)), "offset": int(change.offset)}
    return {**change_content(change), **told}


def enqueue(tx: Tx, alarm: dict[str, Any], body: str, actor: Actor) -> None:
    """Put the alarm's order into the outbox, or its new revision onto the row that is there.

    A row under lease keeps its lease: the sender's result then counts for the older revision only.
    """
    table, key, change = schema.outbox, alarm["key"], tx.next_change()
    row = tx.connection.execute(select(table).where(table.c.order_key == key)).mappings().first()
    if row is None:
        tx.connection.execute(
            insert(table).values(
                order_key=key, site=tx.site, kind=alarm["raises"], asset=alarm["asset"], position=change,
                revision=alarm["revision"], delivered_revision=0, body=body, state="pending", attempts=0, failures=0,
                refusals=0, next_at_ns=tx.now_ns, lease_until_ns=0, fence=0, created_ns=tx.now_ns, change_seq=change,
            )
        )  # fmt: skip
    else:
        changed = {"revision": alarm["revision"], "body": body, "change_seq": change}
        if row["state"] in ("delivered", "parked"):
            changed |= {"state": "pending", "next_at_ns": tx.now_ns, "failures": 0, "refusals": 0}
        tx.connection.execute(update(table).where(table.c.order_key == key).values(**changed))
    tx.connection.execute(update(schema.alarm).where(schema.alarm.c.key == key).values(change_seq=change))
    tx.audit(
        actor, "outbox.queued", "order", key, alarm["revision"],
        old=None if row is None else {"revision": row["revision"], "state": row["state"]},
        new={"kind": alarm["raises"], "body_sha256": digest(body)},
    )  # fmt: skip
