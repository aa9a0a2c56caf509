"""Earlier alarms that are like an anomaly: found when it is raised, kept in its evidence, read with what is said now.

What is kept is fixed with the alarm, in its transaction: orders, messages and evidence say the same on every retry.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, or_, select

from andon.readings import NS_PER_S
from andon.records import schema
from andon.records.base import RecordsBase
from andon.records.canonical import canonical_text
from andon.records.policy import Policy
from andon.records.schema_acts import alarm_label
from andon.similar import Candidate, Episode, Relation, episode_of, nearest, nearness, stamp, told_similar

MOST_CANDIDATES = 100
MOST_LOOKED_AT = 500  # newest alarms of the site among which those of other series are looked for
LONGEST_COMMENT = 200
Row = Mapping[str, Any] | RowMapping
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SimilarRecord:
    """An earlier alarm that is like another one.

    relation: series, rule, sister (`andon.similar`). distance, near: how like, as a number and as the code of a word.
    deviation: how many usual distances from normal; run_s: how long it was unusual before it was told. label: true,
    false, known, as said last, None: nobody has said; by person or erp (`source`), by name. comment: what was said with
    the label, else with its acknowledgement.
    """

    key: str
    asset: str
    tag: str
    rule_id: str
    start_ns: int
    relation: str
    distance: float
    near: str
    component: str
    deviation: float | None
    run_s: float | None
    label: str | None
    source: str | None
    by: str | None
    comment: str
    erp_number: str | None
    erp_status: str | None


class SimilarRecords(RecordsBase):
    """The part of `Records` about similar alarms."""

    policy: Policy | None

    def similar(self, key: str) -> list[SimilarRecord]:
        """Up to three earlier alarms that are like one, the nearest first, with what is said of them by now.

        Those that its evidence names; of an alarm without (of a release before, or where none was near) those that
        were there when it was raised. Empty for what is no anomaly, or where there is no such alarm.
        """
        table = schema.alarm.c
        with self.reading() as connection:
            query = select(schema.alarm).where(table.key == key, table.site == self.site)
            row = connection.execute(query).mappings().first()
            if row is None:
                return []
            told = told_similar(json.loads(row["evidence"])) or find_similar(connection, row, self.policy, self.zone)
            named = {str(one["key"]): one for one in told if "key" in one}
            rows = {one["key"]: one for one in _alarms(connection, self.site, named)}
            said = _last_said(connection, named)
        return [_record(one, rows[key], said.get(key)) for key, one in named.items() if key in rows]


def with_similar(connection: Connection, row: Row, policy: Policy | None, zone: str) -> str:
    """The evidence of an alarm that is about to be told, with the similar ones where there are any; canonical JSON."""
    told = find_similar(connection, row, policy, zone)
    return canonical_text({**json.loads(row["evidence"]), "similar": told}) if told else str(row["evidence"])


def find_similar(connection: Connection, row: Row, policy: Policy | None, zone: str) -> list[Json]:
    """The alarms before an anomaly that are like it, as its evidence tells them; see `andon.similar`.

    Earlier: begun before it, and told not later than it. Candidates are at most the newest `MOST_CANDIDATES`, of other
    series those among the newest `MOST_LOOKED_AT` alarms of the site; what late data took back is none. zone: of the
    day that is told. Cost: one range of an index for the series, one for the site.
    """
    episode = episode_of(json.loads(row["evidence"]), int(row["confirmed_ns"]))
    if row["condition"] != "anomaly" or episode is None:
        return []
    candidates = [
        one for each in _candidates(connection, row, policy) if (one := _candidate(each, row)) is not None
    ]  # fmt: skip
    near = nearest(episode, candidates)
    said = _last_said(connection, [one.key for one, _ in near])
    orders = {one["key"]: one for one in _alarms(connection, str(row["site"]), [one.key for one, _ in near])}
    return [_told(one, apart, orders[one.key], said.get(one.key), zone) for one, apart in near]


def _told(one: Candidate, apart: float, row: Row, said: Row | None, zone: str) -> Json:
    """What evidence keeps of a similar alarm; nothing of what is not known."""
    day = datetime.fromtimestamp(one.start_ns // NS_PER_S, ZoneInfo(zone)).strftime("%Y-%m-%d")
    comment = _comment(row, said)
    known = {
        "label": row["label"], "source": None if said is None else said["source"],
        "comment": comment[:LONGEST_COMMENT], "erp_number": row["external_number"],
    }  # fmt: skip
    return {
        "key": one.key, "asset": row["asset"], "tag": row["tag"], "day": day, "start_ns": str(one.start_ns),
        "relation": one.relation, "distance": round(apart, 3), "near": nearness(apart),
        **{name: value for name, value in known.items() if value},
    }  # fmt: skip


def _record(told: Mapping[str, Any], row: Row, said: Row | None) -> SimilarRecord:
    episode = episode_of(json.loads(row["evidence"]), int(row["confirmed_ns"]))
    return SimilarRecord(
        row["key"], row["asset"], row["tag"], row["rule_id"], stamp(told.get("start_ns")) or int(row["start_ns"]),
        str(told.get("relation", "")), float(told.get("distance", 0.0)), str(told.get("near", "")),
        "" if episode is None else episode.component, None if episode is None else episode.deviation,
        None if episode is None else episode.run_s, row["label"], None if said is None else said["source"],
        None if said is None else said["actor_name"], _comment(row, said), row["external_number"], row["erp_status"],
    )  # fmt: skip


def _comment(row: Row, said: Row | None) -> str:
    return str((said or {}).get("comment") or row["ack_comment"] or "")


def _candidates(connection: Connection, row: Row, policy: Policy | None) -> list[RowMapping]:
    """The newest earlier anomalies of its series, and of its rule and its tag on sister assets, the newest first."""
    alarm = schema.alarm.c
    last = _earlier(row).order_by(alarm.start_ns.desc()).limit(MOST_LOOKED_AT).subquery()
    sisters = frozenset[str]() if policy is None else policy.sisters(row["asset"])
    like = or_(last.c.rule_id == row["rule_id"], last.c.tag == row["tag"]) if sisters else (
        last.c.rule_id == row["rule_id"]
    )  # fmt: skip
    others = select(last).where(last.c.condition == "anomaly", like).order_by(last.c.start_ns.desc())
    rows = {
        one["key"]: one
        for query in (_own(row), others.limit(MOST_CANDIDATES)) for one in connection.execute(query).mappings()
        if _relation(one, row) != "sister" or one["asset"] in sisters
    }  # fmt: skip
    return sorted(rows.values(), key=lambda one: (-one["start_ns"], one["key"]))[:MOST_CANDIDATES]


def _own(row: Row) -> Select[Any]:
    """SELECT of the newest earlier anomalies of its series.

    The start stands in expressions: by the bare column SQLite walks the index of all alarms of the site instead.
    """
    alarm = schema.alarm.c
    query = _earlier(row, alarm.start_ns + 0).where(
        alarm.asset == row["asset"], alarm.tag == row["tag"], alarm.condition == "anomaly"
    )
    return query.order_by((alarm.start_ns + 0).desc()).limit(MOST_CANDIDATES)


def _earlier(row: Row, start_ns: ColumnElement[int] = schema.alarm.c.start_ns) -> Select[Any]:
    """SELECT of alarms of the site that began before `row` and were told by then."""
    alarm = schema.alarm.c
    columns = (
        alarm.key, alarm.asset, alarm.tag, alarm.rule_id, alarm.condition, alarm.start_ns, alarm.confirmed_ns,
        alarm.evidence, alarm.merged_into,
    )  # fmt: skip
    query = select(*columns).where(alarm.site == row["site"], start_ns < int(row["start_ns"]))
    return query.where(alarm.recorded_ns <= int(row["recorded_ns"]))


def _candidate(one: Row, row: Row) -> Candidate | None:
    episode = None if one["merged_into"] else _lasting(one["evidence"], int(one["confirmed_ns"]))
    return None if episode is None else Candidate(one["key"], int(one["start_ns"]), _relation(one, row), episode)


@lru_cache(maxsize=2 * MOST_CANDIDATES)
def _lasting(evidence: str, confirmed_ns: int) -> Episode | None:
    """The episode of an alarm that late data did not void; the same alarms are asked about again and again."""
    told = json.loads(evidence)
    return None if told.get("voided") else episode_of(told, confirmed_ns)


def _relation(one: Row, row: Row) -> Relation:
    if (one["asset"], one["tag"]) == (row["asset"], row["tag"]):
        return "series"
    return "rule" if one["rule_id"] == row["rule_id"] else "sister"


def _alarms(connection: Connection, site: str, keys: Iterable[str]) -> list[RowMapping]:
    """The alarms of some keys with what the ERP calls them."""
    alarm, outbox = schema.alarm, schema.outbox.c
    query = (
        select(alarm, outbox.external_number, outbox.erp_status)
        .select_from(alarm.outerjoin(schema.outbox, outbox.order_key == alarm.c.key))
        .where(alarm.c.site == site, alarm.c.key.in_(list(keys)))
    )
    return list(connection.execute(query).mappings())


def _last_said(connection: Connection, keys: Iterable[str]) -> dict[str, RowMapping]:
    """The last label of each of some alarms, where there is one."""
    table = alarm_label.c
    query = select(alarm_label).where(table.alarm_key.in_(list(keys))).order_by(table.alarm_key, table.seq)
    return {one["alarm_key"]: one for one in connection.execute(query).mappings()}
