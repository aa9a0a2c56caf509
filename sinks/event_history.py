"""What happened to the assets (orders, lots, shifts, maintenance, calibration), kept beside windows and figures.

An event is its own key: the same one again, from a replay or a producer that repeats itself, adds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from andon.readings import Event

SCHEMA = """
create table if not exists event (
    asset text not null, time_ns integer not null, event text not null, data text not null, offset integer not null,
    primary key (asset, time_ns, event, data)) without rowid"""
INSERT = "insert into event values (?,?,?,?,?) on conflict do nothing"
HAS = "select 1 from sqlite_master where type = 'table' and name = 'event'"
SELECT = "select asset, time_ns, event, data, offset from event where asset = ? and time_ns >= ? and time_ns < ?"
SELECT_NAMED = """select asset, time_ns, event, data, offset from event
where asset = ? and time_ns >= ? and time_ns < ? and event in (select value from json_each(?))"""
# The last event of each kind before it stays, because it is what is in force.
PRUNE = """
delete from event where asset = :asset and time_ns < :before and exists (
    select 1 from event as later where later.asset = event.asset and later.event = event.event
    and later.time_ns > event.time_ns and later.time_ns <= :before)"""


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as the history keeps it; data as the producer sent it, offset of its message."""

    asset: str
    time_ns: int
    event: str
    data: Mapping[str, Any]
    offset: int


def rows(events: Iterable[Event]) -> Iterator[tuple[Any, ...]]:
    """Rows for `INSERT`."""
    for one in events:
        data = orjson.dumps(dict(one.data), option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()
        yield one.asset, one.time_ns, one.event, data, one.offset


def told(row: tuple[Any, ...]) -> EventRow:
    """A row of `SELECT`."""
    asset, time_ns, event, data, offset = row
    return EventRow(asset, time_ns, event, orjson.loads(data), offset)
