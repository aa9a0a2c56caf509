"""Which upset an alarm belongs to, and whether people are told of it separately.

`place` is called inside the transaction that announces an alarm: when it enters the unacknowledged state, after its
row was written. The caller stores what it says in `alarm.incident` and `alarm.quiet`. Which incident takes an alarm in
goes by the time of the plant (an alarm found late: by the machine's), for whom it waits by the machine's.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping, and_, exists, func, insert, or_, select, update

from andon.lifecycle import State
from andon.records import schema, schema_acts
from andon.records.base import Tx
from andon.records.policy import FLOOD, RANK, Policy, ns

ACTIVE = (State.UNACKNOWLEDGED.value, State.ACKNOWLEDGED.value, State.SHELVED.value)
WAITING = (State.UNACKNOWLEDGED.value, State.RETURNED_UNACKNOWLEDGED.value, State.LATCHED_UNACKNOWLEDGED.value)
TOLD = ("", "incident")
Row = Mapping[str, Any]


def place(tx: Tx, row: Row | RowMapping, policy: Policy, *, again: bool = False) -> tuple[str | None, str]:
    """Put an announced alarm into its incident: (key of the incident or None, why it is quiet or "").

    again : it was held (chatter, dependency) and is now let go: neither is asked again.
    row   : the alarm's columns as they are now in the database (key, asset, tag, rule_id, priority, start_ns,
            confirmed_ns, found_late, and incident and quiet where it was placed before).

    quiet: chatter (the point was raised too often; until it is calm), dependency (the part above it is down),
    incident (people hear of it with its incident), "" (it is told). A critical alarm is never hidden by a dependency,
    and by its incident only when that is critical already or a flood left no place.
    """
    quiet = "" if again else _held(tx, row, policy)
    at_ns = tx.now_ns if row["found_late"] else row["confirmed_ns"]
    own = _own(tx, row)
    incident = own or _open_one(tx, policy.scope(row["asset"]), at_ns, policy)
    if quiet:
        if incident is not None:
            _join(tx, incident, row, at_ns, waits=False)
        return (None if incident is None else incident["key"]), quiet
    left = None
    if incident is None:
        left = policy.announcements_left(_announced(tx, row["asset"], at_ns, policy), row["priority"])
        if left == 0:
            incident = _open_one(tx, policy.flood_scope(row["asset"]), at_ns, policy)
        if incident is None:
            scope = policy.scope(row["asset"]) if left else policy.flood_scope(row["asset"])
            return _open(tx, scope, row, at_ns), ""
    worse = (own is not None and not row["quiet"]) or RANK[row["priority"]] > RANK[incident["priority"]]
    if worse and left is None:
        left = policy.announcements_left(_announced(tx, row["asset"], at_ns, policy), row["priority"])
    _join(tx, incident, row, at_ns, waits=True)
    return incident["key"], "" if worse and left else "incident"


def still_held(tx: Tx, row: Row | RowMapping, policy: Policy) -> bool:
    """Whether what keeps an alarm quiet (its chatter, its dependency) still does."""
    if row["quiet"] == "chatter":
        return bool(tx.now_ns < max(row["confirmed_ns"], row["recorded_ns"]) + ns(policy.calm_s))
    return bool(row["quiet"] == "dependency") and _hidden(tx, row, policy)


def _held(tx: Tx, row: Row | RowMapping, policy: Policy) -> str:
    if _chatters(tx, row, policy):
        return "chatter"
    return "dependency" if row["priority"] != "critical" and _hidden(tx, row, policy) else ""


def _chatters(tx: Tx, row: Row | RowMapping, policy: Policy) -> bool:
    """Whether the point was raised too often of late, or is not yet calm again after that."""
    table = schema.alarm.c
    query = (
        select(table.confirmed_ns, table.quiet)
        .where(table.site == tx.site, table.asset == row["asset"], table.tag == row["tag"])
        .where(table.rule_id == row["rule_id"], table.start_ns < row["start_ns"])
        .order_by(table.start_ns.desc())
        .limit(policy.chatter_most - 1)
    )
    earlier = tx.connection.execute(query).all()
    if not earlier:
        return False
    if earlier[0].quiet == "chatter" and row["confirmed_ns"] - earlier[0].confirmed_ns < ns(policy.calm_s):
        return True
    if len(earlier) < policy.chatter_most - 1:
        return False
    return bool(row["confirmed_ns"] - earlier[-1].confirmed_ns <= ns(policy.chatter_s))


def _hidden(tx: Tx, row: Row | RowMapping, policy: Policy) -> bool:
    """Whether an asset that this one depends on has an active alarm that people hear of."""
    causes = policy.causes(row["asset"])
    if not causes:
        return False
    table = schema.alarm.c
    active = exists().where(
        table.site == tx.site, table.asset.in_(causes), table.state.in_(ACTIVE), table.cleared_ns.is_(None),
        table.quiet.in_(TOLD),
    )  # fmt: skip
    return bool(tx.connection.execute(select(active)).scalar())


def _own(tx: Tx, row: Row | RowMapping) -> RowMapping | None:
    """The incident that the alarm was in before (raised again, let out again), while it is open."""
    if not row.get("incident"):
        return None
    table = schema_acts.incident
    query = select(table).where(table.c.key == row["incident"], table.c.closed_ns.is_(None))
    return tx.connection.execute(query).mappings().first()


def _open_one(tx: Tx, scope: str, at_ns: int, policy: Policy) -> RowMapping | None:
    """The open incident of a scope that an alarm of this time belongs to; the newest where there are several."""
    table = schema_acts.incident
    within = ns(policy.window_s)
    query = (
        select(table)
        .where(table.c.site == tx.site, table.c.scope == scope, table.c.closed_ns.is_(None))
        .where(table.c.last_ns >= at_ns - within, table.c.begun_ns <= at_ns + within)
        .where(table.c.told_ns > at_ns - ns(policy.longest_s))
        .order_by(table.c.last_ns.desc())
        .limit(1)
    )
    return tx.connection.execute(query).mappings().first()


def _announced(tx: Tx, asset: str, at_ns: int, policy: Policy) -> int:
    """How many alarms of the operator's part of the plant were announced in the last `flood_s` seconds."""
    alarm, incident = schema.alarm.c, schema_acts.incident.c
    since_ns = at_ns - ns(policy.flood_s)
    recent = select(incident.key).where(incident.site == tx.site, incident.last_ns > since_ns)
    part = policy.flood_scope(asset).removesuffix(FLOOD)
    query = select(func.count()).where(
        alarm.site == tx.site, alarm.incident.in_(recent), alarm.quiet == "", alarm.confirmed_ns > since_ns,
        alarm.confirmed_ns <= at_ns,
    )  # fmt: skip
    if part:
        query = query.where(or_(alarm.asset == part, alarm.asset.startswith(part + "/", autoescape=True)))
    return int(tx.connection.execute(query).scalar() or 0)


def _open(tx: Tx, scope: str, row: Row | RowMapping, at_ns: int) -> str:
    change = tx.next_change()
    told = hashlib.sha256(f"incident|{tx.site}|{scope}|{row['key']}|{change}".encode()).digest()
    key = base64.b32encode(told).decode().lower()[:20]
    tx.connection.execute(
        insert(schema_acts.incident).values(
            key=key, site=tx.site, scope=scope, first_alarm=row["key"], priority=row["priority"], alarms=1,
            begun_ns=row["start_ns"], told_ns=at_ns, last_ns=at_ns, opened_ns=tx.now_ns, episode=1,
            waiting_ns=tx.now_ns, change_seq=change,
        )
    )  # fmt: skip
    return key


def _join(tx: Tx, incident: RowMapping, row: Row | RowMapping, at_ns: int, *, waits: bool) -> None:
    """Count an alarm in; the earliest start is the first cause, the worst priority is the incident's.

    Where everybody had acknowledged, a new episode begins: whoever is called is called from the first step on.
    """
    changed: dict[str, Any] = {"last_ns": max(incident["last_ns"], at_ns), "change_seq": tx.next_change()}
    if row.get("incident") != incident["key"]:
        changed["alarms"] = incident["alarms"] + 1
    if row["start_ns"] < incident["begun_ns"]:
        changed |= {"begun_ns": row["start_ns"], "first_alarm": row["key"]}
    if waits:
        if RANK[row["priority"]] > RANK[incident["priority"]]:
            changed["priority"] = row["priority"]
        if not _waits(tx, incident["key"], row["key"]):
            changed |= {"episode": incident["episode"] + 1, "waiting_ns": tx.now_ns}
    table = schema_acts.incident
    tx.connection.execute(update(table).where(table.c.key == incident["key"]).values(**changed))


def _waits(tx: Tx, incident: str, but: str) -> bool:
    """Whether another alarm of the incident, one that people are told of, waits for an acknowledgement."""
    table = schema.alarm.c
    others = exists().where(
        and_(
            table.site == tx.site, table.incident == incident, table.key != but, table.state.in_(WAITING),
            table.quiet.in_(TOLD),
        )
    )  # fmt: skip
    return bool(tx.connection.execute(select(others)).scalar())
