"""The notices of the records: what people are told, as an outbox of its own, and the incidents they are about.

Delivery class: at least once to the way out; once for each key where that takes it. A message under lease whose sender
died is sent again when the lease ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import func, select, update

from andon.config.people import Notify
from andon.lifecycle import State
from andon.records import schema, schema_acts
from andon.records.actors import Actor, require_actor
from andon.records.again import repeated
from andon.records.base import RecordsBase, Tx
from andon.records.canonical import canonical_text
from andon.records.dialect import insert_once
from andon.records.incidents import place, still_held
from andon.records.moving import add_transition, save_alarm
from andon.records.notice_rows import (
    Claimed,
    IncidentRecord,
    NoticeRecord,
    due_notices,
    incident_of,
    notice_of,
    open_upsets,
)
from andon.records.noticing import CALLS, Plan, Planned, Upset, plan, unmanned
from andon.records.policy import Policy, ns
from andon.records.rows import AlarmRecord, alarm_columns
from andon.roster import Roster

LINKS = "ack-link"  # names them in the table of what came in
HELD = ("chatter", "dependency")
MOST_AT_ONCE = 200  # rows in one message
MOST_WAITING = 5_000
LONGEST_RETRY_S = 3_600.0  # however often it failed: the way out may be back


class NoticeRecords(RecordsBase):
    """The part of `Records` about incidents and what people are told of them."""

    @repeated
    def plan_notices(self, roster: Roster, told: Notify, actor: Actor) -> int:
        """Write the messages that are due, drop those nobody needs any more, close what is over; number of changes.

        Cheap when nothing is due: then no writer is stopped.
        """
        require_actor(actor, "notices.send")
        with self.reading() as connection:
            upsets = open_upsets(connection, self.site)
        now_ns = self.clock.now_ns()
        if not any(plan(upset, roster, told, now_ns) for upset in upsets):
            return 0
        with self.writing() as tx:
            upsets = open_upsets(tx.connection, self.site)
            plans = [(upset, plan(upset, roster, told, tx.now_ns)) for upset in upsets]
            return sum(_write(tx, upset, made, actor) for upset, made in plans)

    def unmanned_routes(self, roster: Roster, *, but: str) -> dict[str, str]:
        """Routes that have nobody to call for an alarm that waits, with the asset of one. but: an asset left out."""
        with self.reading() as connection:
            upsets = open_upsets(connection, self.site)
        told = [replace(one, alarms=[alarm for alarm in one.alarms if alarm["asset"] != but]) for one in upsets]
        return unmanned(told, roster, self.clock.now_ns())

    @repeated
    def announce_held(self, policy: Policy, actor: Actor) -> int:
        """Announce active alarms that were quiet for chatter or a dependency, once that is over; how many."""
        require_actor(actor, "notices.send")
        table = schema.alarm
        held = select(table).where(
            table.c.site == self.site, table.c.state == State.UNACKNOWLEDGED.value, table.c.quiet.in_(HELD),
            table.c.cleared_ns.is_(None),
        )  # fmt: skip
        with self.reading() as connection:
            if connection.execute(held.limit(1)).first() is None:
                return 0
        done = 0
        with self.writing() as tx:
            for row in tx.connection.execute(held.order_by(table.c.start_ns)).mappings().all():
                if still_held(tx, row, policy):
                    continue
                incident, quiet = place(tx, {**row, "found_late": True}, policy, again=True)
                changed = {"incident": incident, "quiet": quiet}
                save_alarm(tx, row["key"], changed)
                add_transition(
                    tx, row["key"], "announced", actor, at_ns=tx.now_ns, revision=row["revision"], state=row["state"]
                )
                old = {"incident": row["incident"], "quiet": row["quiet"]}
                tx.audit(actor, "alarm.announced", "alarm", row["key"], row["revision"], old=old, new=changed)
                done += 1
        return done

    @repeated
    def claim_notices(
        self, owner: str, lease_s: float, told: Notify, actor: Actor, *, roster: Roster | None = None
    ) -> Claimed | None:
        """The next message to send, under a lease; None when nothing is due.

        A fresh critical call goes alone and at once. Everything else that is due for a person goes together, not more
        often than `gap_s`; so does what could not be sent for `stale_s`, critical or not.

        roster : says who is in their quiet hours now; what is not critical waits for their end, also what is late.
        """
        require_actor(actor, "notices.send")
        wait_s = _retry_s(told, told.attempts)
        held = () if roster is None else roster.quiet_now(self.clock.now_ns())
        with self.reading() as connection:
            if not due_notices(connection, self.site, self.clock.now_ns(), lease_s, 1, wait_s=wait_s, held=held):
                return None
        with self.writing() as tx:
            rows = due_notices(tx.connection, self.site, tx.now_ns, lease_s, MOST_WAITING, wait_s=wait_s, held=held)
            chosen, digest = _choose(tx, rows, told)
            if not chosen:
                return None
            until_ns = tx.now_ns + ns(lease_s)
            taken = tuple(
                replace(one, attempts=one.attempts + 1, fence=one.fence + 1, state="leased", channel=chosen[0].channel)
                for one in chosen
            )
            for one in taken:
                changed = {
                    "state": "leased", "lease_owner": owner, "lease_until_ns": until_ns, "fence": one.fence,
                    "attempts": one.attempts, "channel": one.channel,
                }  # fmt: skip
                _save(tx, one.key, changed)
            first = taken[0]
            return Claimed(first.receiver, first.channel, first.language, taken, digest)

    @repeated
    def finish_notices(
        self, claimed: Claimed, actor: Actor, *, proof: str | None = None, error: str | None = None,
        told: Notify | None = None, next_channel: str | None = None, counts: Mapping[str, int] | None = None,
    ) -> bool:  # fmt: skip
        """Note what became of a message; False when its lease had passed to another sender.

        proof        : what the way out answered; given: it was sent.
        error        : else why not. After `told.attempts` tries it goes to `next_channel`, or is failed.
        counts       : by key of the incident, how many alarms the message told of.
        """
        require_actor(actor, "notices.send")
        told = told or Notify()
        with self.writing() as tx:
            held = [one for one in claimed.notices if _holds(tx, one)]
            if not held:
                return False
            last = proof is None and claimed.attempt >= told.attempts
            for one in held:
                changed = _outcome(tx, one, proof, error, told, None if not last else next_channel or "")
                count = (counts or {}).get(one.subject)
                if count is not None and proof is not None:
                    changed["body"] = canonical_text({**one.body, "count": count})
                _save(tx, one.key, changed, seen=True)
            if proof is not None or last:
                tx.audit(
                    actor, "notice.sent" if proof is not None else "notice.failed", "notice", held[0].key,
                    new={"receiver": claimed.receiver, "channel": claimed.channel, "proof": proof, "error": error,
                         "notices": [one.key for one in held]},
                )  # fmt: skip
        return True

    @repeated
    def redeem_link(self, nonce: str, incident: str, actor: Actor) -> bool:
        """Spend the link of a message, before what it is for is done; False when it is spent already."""
        require_actor(actor, "alarm.acknowledge")
        table = schema_acts.inbound_seen
        with self.writing() as tx:
            place = (table.c.site == self.site, table.c.endpoint == LINKS, table.c.id == nonce)
            if tx.connection.execute(select(table.c.id).where(*place)).first() is not None:
                return False
            row = {"endpoint": LINKS, "id": nonce, "digest": incident, "seen_ns": tx.now_ns}
            insert_once(tx.connection, table, {"site": self.site, **row})
            tx.audit(actor, "ack_link.used", "incident", incident, new={"nonce": nonce})
        return True

    def link_role(self, user_id: str) -> str | None:
        """Role of an active user, for the link of a message sent to them; None where there is none."""
        table = schema.users.c
        query = select(table.role).where(table.site == self.site, table.id == user_id, table.active)
        with self.reading() as connection:
            role = connection.execute(query).scalar()
        return None if role is None else str(role)

    def notices(self, *, subject: str | None = None, state: str | None = None, limit: int = 500) -> list[NoticeRecord]:
        """Messages, the newest first."""
        table = schema_acts.notice
        query = select(table).where(table.c.site == self.site)
        if subject is not None:
            query = query.where(table.c.subject == subject)
        if state is not None:
            query = query.where(table.c.state == state)
        with self.reading() as connection:
            rows = connection.execute(query.order_by(table.c.change_seq.desc()).limit(limit)).mappings()
            return [notice_of(row) for row in rows]

    def notice_counts(self) -> dict[str, int]:
        """Number of messages by state."""
        table = schema_acts.notice.c
        query = select(table.state, func.count()).where(table.site == self.site).group_by(table.state)
        with self.reading() as connection:
            found = {str(state): int(count) for state, count in connection.execute(query)}
        return {state: found.get(state, 0) for state in ("pending", "leased", "sent", "failed", "dropped")}

    def incidents(self, *, open_only: bool = False, limit: int = 500) -> list[IncidentRecord]:
        """Incidents, the newest change first."""
        table = schema_acts.incident
        query = select(table).where(table.c.site == self.site)
        if open_only:
            query = query.where(table.c.closed_ns.is_(None))
        with self.reading() as connection:
            rows = connection.execute(query.order_by(table.c.change_seq.desc()).limit(limit)).mappings()
            return [incident_of(row) for row in rows]

    def incident(self, key: str) -> tuple[IncidentRecord, list[AlarmRecord]] | None:
        """An incident with its alarms, those that are not normal first, then by start; None where there is none."""
        table, alarm = schema_acts.incident, schema.alarm.c
        with self.reading() as connection:
            one = select(table).where(table.c.key == key, table.c.site == self.site)
            row = connection.execute(one).mappings().first()
            if row is None:
                return None
            query = alarm_columns().where(alarm.site == self.site, alarm.incident == key)
            order = ((alarm.state == State.NORMAL.value), alarm.start_ns, alarm.key)
            alarms = [AlarmRecord.of(one) for one in connection.execute(query.order_by(*order).limit(500)).mappings()]
        return incident_of(row), alarms


def _write(tx: Tx, upset: Upset, made: Plan, actor: Actor) -> int:
    for one in made.new:
        _insert(tx, upset.incident["key"], one)
    for key in made.drop:
        _save(tx, key, {"state": "dropped"}, seen=True)
    for key, channel in made.again:
        again = {"state": "pending", "due_ns": tx.now_ns, "attempts": 0, "channel": channel}
        _save(tx, key, again, seen=True)
    if made.rebase:
        since = {"waiting_ns": tx.now_ns, "change_seq": tx.next_change()}
        table = schema_acts.incident
        tx.connection.execute(update(table).where(table.c.key == upset.incident["key"]).values(**since))
    if made.over:
        table = schema_acts.incident
        changed = {"closed_ns": tx.now_ns, "change_seq": tx.next_change()}
        tx.connection.execute(update(table).where(table.c.key == upset.incident["key"]).values(**changed))
        tx.audit(actor, "incident.closed", "incident", upset.incident["key"], new={"closed_ns": tx.now_ns})
    return len(made.new) + len(made.drop) + len(made.again) + int(made.over) + int(made.rebase)


def _insert(tx: Tx, subject: str, one: Planned) -> None:
    row = {
        "key": one.key, "site": tx.site, "subject": subject, "subject_kind": "incident", "kind": one.kind,
        "step": one.step, "route": one.route, "receiver": one.receiver, "channel": one.channel,
        "language": one.language, "state": "pending", "due_ns": one.due_ns, "attempts": 0, "lease_until_ns": 0,
        "fence": 0, "created_ns": tx.now_ns, "change_seq": tx.next_change(),
        "body": canonical_text({"priority": one.priority, "count": one.count, "episode": one.episode}),
    }  # fmt: skip
    insert_once(tx.connection, schema_acts.notice, row)


def _choose(tx: Tx, rows: Sequence[NoticeRecord], told: Notify) -> tuple[list[NoticeRecord], bool]:
    """What of the due rows goes into the next message, and whether it is a digest."""
    stale_ns = tx.now_ns - ns(told.stale_s)
    for one in rows:
        if one.kind in CALLS and one.body["priority"] == "critical" and one.due_ns > stale_ns:
            return [one], False
    spaced: dict[str, bool] = {}
    for one in rows:
        if one.receiver not in spaced:
            spaced[one.receiver] = _last_sent(tx, one.receiver) + ns(told.gap_s) <= tx.now_ns
        if spaced[one.receiver] or one.body["priority"] == "critical":
            same = [other for other in rows if other.receiver == one.receiver]
            return same[:MOST_AT_ONCE], len({other.subject for other in same}) > 1
    return [], False


def _last_sent(tx: Tx, receiver: str) -> int:
    table = schema_acts.notice.c
    query = select(func.max(table.sent_ns)).where(table.site == tx.site, table.receiver == receiver)
    query = query.where(table.sent_ns <= tx.now_ns)  # not by a clock that has since been set back
    return int(tx.connection.execute(query.where(table.state == "sent")).scalar() or 0)


def _holds(tx: Tx, one: NoticeRecord) -> bool:
    table = schema_acts.notice.c
    row = tx.connection.execute(select(table.state, table.fence).where(table.key == one.key)).first()
    return row is not None and row.state == "leased" and bool(row.fence == one.fence)


def _outcome(
    tx: Tx, one: NoticeRecord, proof: str | None, error: str | None, told: Notify, instead: str | None
) -> dict[str, Any]:
    """The row's new columns. instead: None: try again; the next address, "" where there is none."""
    if proof is not None:
        return {"state": "sent", "sent_ns": tx.now_ns, "proof": proof, "last_error": None}
    if instead is not None:
        if instead:
            return {"state": "pending", "due_ns": tx.now_ns, "channel": instead, "attempts": 0, "last_error": error}
        return {"state": "failed", "sent_ns": tx.now_ns, "last_error": error}
    return {"state": "pending", "due_ns": tx.now_ns + ns(_retry_s(told, one.attempts)), "last_error": error}


def _retry_s(told: Notify, attempts: int) -> float:
    return min(told.retry_s * 2.0 ** (attempts - 1), LONGEST_RETRY_S)


def _save(tx: Tx, key: str, changed: dict[str, Any], *, seen: bool = False) -> None:
    if seen:
        changed = {**changed, "change_seq": tx.next_change()}
    table = schema_acts.notice
    tx.connection.execute(update(table).where(table.c.key == key).values(**changed))
