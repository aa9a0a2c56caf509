"""Condition changes become alarms, history, audit rows and outbox rows, inside the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import insert

from andon.conditions import REASON, ConditionChange
from andon.lifecycle import Move, State
from andon.occurrence import Occurrence, fact
from andon.records import schema
from andon.records.canonical import alarm_key, canonical_text, digest
from andon.records.moving import Moving, Row, load_alarm
from andon.records.rows import float_or_none
from andon.records.similar import with_similar

NEW_FIELDS = ("begun_ns", "merged_into_ns", "voided", "suppressed_by", "latching")


def change_content(change: ConditionChange) -> dict[str, Any]:
    """What a change decides about its alarm: the content whose digest tells a new decision from a repeated one.

    `NEW_FIELDS` stand in it only where they are used, so that a log read again by a newer version doubles nothing.
    """
    return {
        "rule_version": change.rule_version, "condition": change.condition, "limit": float_or_none(change.limit),
        "unit": change.unit, "priority": change.priority, "raises": change.raises,
        "confirmed_ns": int(change.confirmed_ns),
        "cleared_ns": None if change.cleared_ns is None else int(change.cleared_ns),
        "peak": float_or_none(change.peak), "out_s": float_or_none(change.out_s) or 0.0,
        "found_late": bool(change.found_late), "evidence": canonical_text(change.evidence),
        **{name: value for name in NEW_FIELDS if (value := getattr(change, name)) not in (None, False, "")},
    }  # fmt: skip


def change_path(change: ConditionChange) -> tuple[str, str, str, int]:
    """What the alarm's key is made of, after the site."""
    return change.asset, change.tag, change.rule_id, int(change.start_ns)


def change_identity(change: ConditionChange) -> dict[str, Any]:
    """Everything a change says, with its offset: equal only for the same decision of the same log."""
    told = {"kind": change.kind, "path": list(change_path(change)), "offset": int(change.offset)}
    return {**change_content(change), **told}


class Applying(Moving):
    """Applies changes inside one transaction."""

    def apply(self, key: str, change: ConditionChange) -> None:
        """Open, clear, revise, silence or leave the alarm `key` as the change wants it."""
        row = load_alarm(self.tx.connection, key)
        if row is None:
            if not change.voided:  # what was never told need not be taken back
                self._open(key, change)
        elif change.kind in ("suppressed", "unsuppressed"):
            self._silence(row, change)
        elif row["content_hash"] == digest(change_content(change)):
            return
        elif change.kind == "cleared" and row["cleared_ns"] is None:
            self._clear(row, change)
        else:
            self._revise(row, change)

    def _open(self, key: str, change: ConditionChange) -> None:
        content = columns(self.tx.site, change)
        row = {
            "key": key, "site": self.tx.site, "asset": change.asset, "tag": change.tag, "rule_id": change.rule_id,
            "start_ns": int(change.start_ns), **content, "cleared_ns": None, "revision": 1,
            "recorded_ns": self.tx.now_ns, "content_hash": digest(change_content(change)),
        }  # fmt: skip
        if change.suppressed_by:
            row["suppressed_by"] = change.suppressed_by
        row["evidence"] = with_similar(self.tx.connection, row, self.policy, self.tx.zone)
        seen = {"state": State.NORMAL.value, "latching": False, "suppressed_by": "", **row}
        one = fact(self.occurrence(seen), Move.RAISE)
        row["state"] = one.state.value
        self.tx.connection.execute(insert(schema.alarm).values(**row, change_seq=self.tx.next_change()))
        self.note(row, "raised", content["confirmed_ns"], old=None, new=row)
        self.order(row, one)
        if one.state is State.UNACKNOWLEDGED:
            row |= self.announce({"incident": None, "quiet": "", **row})
        if content["cleared_ns"] is not None:  # a condition that opened and ended before it was told
            self._clear({**seen, **row}, change)

    def _clear(self, row: Row, change: ConditionChange) -> None:
        after = fact(_as_told(self.occurrence(row), change), Move.CLEAR)
        content = _with_reason(row, columns(self.tx.site, change))
        changed = {**content, "content_hash": digest(change_content(change)), **_let_go(row)}
        self.save(row, after, "cleared", at_ns=content["cleared_ns"], changed=changed)

    def _silence(self, row: Row, change: ConditionChange) -> None:
        """The design of the rule silences its alarm, or lets it out: then it is announced and ordered."""
        same = row["suppressed_by"] == change.suppressed_by
        if same or row["cleared_ns"] is not None:  # over: nothing to silence any more
            return
        content = _with_reason(row, columns(self.tx.site, replace(change, cleared_ns=None)))
        changed = {
            **content, "suppressed_by": change.suppressed_by, "content_hash": digest(change_content(change)),
        }  # fmt: skip
        move = Move.SUPPRESS if change.suppressed_by else Move.UNSUPPRESS
        after = fact(self.occurrence(row), move)
        kind = "suppressed" if change.suppressed_by else "unsuppressed"
        saved = self.save(row, after, kind, at_ns=self.tx.now_ns, changed=changed, comment=change.suppressed_by)
        self.order(saved, after)

    def _revise(self, row: Row, change: ConditionChange) -> None:
        """Late data moved, merged, voided or re-opened it: revision n+1 of the same record, here and in the ERP."""
        content = _with_reason(row, columns(self.tx.site, change))
        changed = {**content, "content_hash": digest(change_content(change)), "revision": row["revision"] + 1}
        before = self.occurrence(row)
        kind, after, open_now = "revised", before, content["cleared_ns"] is None
        if change.kind == "revised":  # it says everything; the other kinds know nothing of these
            changed |= {"begun_ns": change.begun_ns, "merged_into": content.get("merged_into")}
        if open_now and not before.active:
            silent = replace(_as_told(before, change), suppressed=bool(change.suppressed_by))
            kind, after = "reopened", fact(silent, Move.RAISE)
            changed["suppressed_by"] = change.suppressed_by
        elif before.active and not open_now:
            after = fact(_as_told(before, change), Move.CLEAR)
            changed |= _let_go(row)
        kind = "merged" if "merged_into" in content else "voided" if change.voided else kind
        at_ns = content["cleared_ns"] or content["confirmed_ns"]
        self.order(self.save(row, after, kind, at_ns=at_ns, changed=changed), after, revised=True)
        if kind == "merged":
            self._order_for(content["merged_into"], row["key"])

    def _order_for(self, survivor: str, merged: str) -> None:
        """What the ERP was told of an alarm is true of the one it became a part of, silenced or over as that may be."""
        row = load_alarm(self.tx.connection, survivor)
        if row is not None and self.is_ordered(merged) and not self.is_ordered(survivor):
            self.put(row)


def columns(site: str, change: ConditionChange) -> dict[str, Any]:
    """The columns of `alarm` that a change decides. What was never true, or is now part of another, has ended."""
    content = change_content(change)
    over = change.voided or change.merged_into_ns is not None
    named: Mapping[str, Any] = {"begun_ns": change.begun_ns} if change.begun_ns is not None else {}
    found = {name: value for name, value in content.items() if name not in NEW_FIELDS} | dict(named)
    if change.latching:
        found["latching"] = True
    if over and found["cleared_ns"] is None:
        found["cleared_ns"] = found["confirmed_ns"]
    if change.merged_into_ns is not None:
        found["merged_into"] = alarm_key(site, change.asset, change.tag, change.rule_id, int(change.merged_into_ns))
    if change.voided:
        found["evidence"] = canonical_text({**json.loads(found["evidence"]), "voided": True})
    return found


def _with_reason(row: Row, content: dict[str, Any]) -> dict[str, Any]:
    """Columns of a later change with the reason that an anomaly was raised for, where they tell none, and its like."""
    told, now = json.loads(row["evidence"]), json.loads(content["evidence"])
    if content["condition"] != "anomaly" or "component" not in told:
        return content
    again = ("similar",) if "component" in now else (*REASON, "similar")
    kept = {name: told[name] for name in again if name in told}
    return {**content, "evidence": canonical_text({**now, **kept})} if kept else content


def _as_told(one: Occurrence, change: ConditionChange) -> Occurrence:
    """With what the change says of latching; a condition that never was has nothing to latch."""
    return replace(one, latching=change.latching and not change.voided and change.merged_into_ns is None)


def _let_go(row: Row) -> dict[str, Any]:
    return {"suppressed_by": ""} if row["suppressed_by"] else {}
