"""The embedded time-series store: one SQLite file a shard, written by its flow, read by the control room.

Writer: delivery is at least once, the effect exactly once. Every row has a key and an order (revision, or the offset
that produced it), and a row is only replaced by one that is not older, so replaying any stretch of the log changes
nothing. One `write` is one transaction; when it returns the rows are on disk (synchronous FULL: the flow's recovery
commits its offsets after this, and with NORMAL a power cut could keep the offsets and lose the windows).
Unit of parallelism: one writer process per file, any number of readers.

The reader is in sinks/history_reader.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from prometheus_client import Counter

from andon.outputs import Figure, Latest, LedgerRows, ShardOutputs, SpanRows, StateChanges, WindowRows
from sinks import event_history, model_history
from sinks.history_reader import BUSY_TIMEOUT_S, HAS_REVISIONS, HistoryReader

__all__ = ["HistoryReader", "HistoryWriter"]

SCHEMA_VERSION = 1
UNREADABLE = ("", "")  # the path of what has no series: series -1 in the ledger

_SCHEMA = """
create table if not exists series (
    id integer primary key, asset text not null, tag text not null, unique (asset, tag));
create table if not exists "window" (
    series integer not null, size_ns integer not null, start_ns integer not null, revision integer not null,
    count integer not null, minimum real, maximum real, mean real, std real, first real, last real, score real,
    primary key (series, size_ns, start_ns)) without rowid;
create table if not exists span (
    series integer not null, name text not null, start_ns integer not null, end_ns integer not null,
    revision integer not null, count integer not null, statistics text not null,
    primary key (series, name, start_ns)) without rowid;
create table if not exists figure (
    asset text not null, tag text not null, kind text not null, start_ns integer not null, end_ns integer not null,
    revision integer not null, final integer not null, offset integer not null, parts text not null,
    about text not null default '{}', known_ns integer not null default 0,
    primary key (kind, asset, tag, start_ns)) without rowid;
create table if not exists figure_revision (
    asset text not null, tag text not null, kind text not null, start_ns integer not null, end_ns integer not null,
    revision integer not null, known_ns integer not null, offset integer not null, parts text not null,
    about text not null, primary key (kind, asset, tag, start_ns, revision)) without rowid;
create index if not exists figure_by_end on figure (kind, end_ns);
create table if not exists latest (
    series integer primary key, time_ns integer not null, received_ns integer not null,
    value real, status integer not null, score real, offset integer not null);
create table if not exists state_change (
    series integer not null, time_ns integer not null, value real, primary key (series, time_ns)) without rowid;
create table if not exists ledger (
    series integer not null, hour_ns integer not null, received integer not null, counted integer not null,
    late integer not null, duplicate integer not null, bad integer not null, dead integer not null,
    conflict integer not null, as_of integer not null, primary key (series, hour_ns)) without rowid;
create table if not exists meta (key text primary key, value integer not null) without rowid;
"""
_ASSETS = "select distinct asset from event"

_WINDOW = """
insert into "window" values (?,?,?,?,?,?,?,?,?,?,?,?) on conflict do update set
    revision = excluded.revision, count = excluded.count, minimum = excluded.minimum, maximum = excluded.maximum,
    mean = excluded.mean, std = excluded.std, first = excluded.first, last = excluded.last,
    score = coalesce(excluded.score, score) -- a correction has none: scores belong to the order in which rows came
where excluded.revision > revision
"""
_SPAN = """
insert into span values (?,?,?,?,?,?,?) on conflict do update set
    end_ns = excluded.end_ns, revision = excluded.revision, count = excluded.count, statistics = excluded.statistics
where excluded.revision >= revision
"""
_FIGURE = """
insert into figure (asset, tag, kind, start_ns, end_ns, revision, final, offset, parts, about, known_ns)
values (?,?,?,?,?,?,?,?,?,?,?) on conflict do update set
    end_ns = excluded.end_ns, revision = excluded.revision, final = excluded.final, offset = excluded.offset,
    parts = excluded.parts, about = excluded.about, known_ns = excluded.known_ns
where (excluded.revision, excluded.final, excluded.offset) >= (revision, final, offset)
"""
_FIGURE_REVISION = """
insert into figure_revision (asset, tag, kind, start_ns, end_ns, revision, offset, parts, about, known_ns)
values (?,?,?,?,?,?,?,?,?,?) on conflict do update set
    end_ns = excluded.end_ns, offset = excluded.offset, parts = excluded.parts, about = excluded.about,
    known_ns = excluded.known_ns
where excluded.offset >= offset
"""
#: A file of a version before kept the newest revision alone; when it was known is not known: not before its end.
_UPGRADE_FIGURES = (
    "alter table figure add column about text not null default '{}'",
    "alter table figure add column known_ns integer not null default 0",
    """insert or ignore into figure_revision
       (asset, tag, kind, start_ns, end_ns, revision, offset, parts, about, known_ns)
       select asset, tag, kind, start_ns, end_ns, revision, offset, parts, about, end_ns from figure where final = 1""",
)
_LATEST = """
insert into latest values (?,?,?,?,?,?,?) on conflict do update set
    time_ns = excluded.time_ns, received_ns = excluded.received_ns, value = excluded.value,
    status = excluded.status, score = excluded.score, offset = excluded.offset
where (excluded.time_ns, excluded.offset) > (time_ns, offset)
"""
_STATE = """
insert into state_change values (?,?,?) on conflict do nothing
"""
_LEDGER = """
insert into ledger values (?,?,?,?,?,?,?,?,?,?) on conflict do update set
    received = received + excluded.received, counted = counted + excluded.counted, late = late + excluded.late,
    duplicate = duplicate + excluded.duplicate, bad = bad + excluded.bad, dead = dead + excluded.dead,
    conflict = conflict + excluded.conflict, as_of = excluded.as_of
where excluded.as_of > as_of
"""
_OLD_WINDOWS = 'delete from "window" where series = ? and size_ns = ? and start_ns <= ?'
_OLD_SPANS = "delete from span where series = ? and name = ? and start_ns < ? and end_ns <= ?"
_OLD_FIGURES = "delete from figure where kind = ? and end_ns <= ? and final = 1"
_OLD_REVISIONS = "delete from figure_revision where kind = ? and end_ns <= ?"
_OLD_ROWS = (
    "delete from ledger where series = :series and hour_ns <= :before - 3600000000000",
    """delete from state_change where series = :series and time_ns <
       (select max(time_ns) from state_change where series = :series and time_ns <= :before)""",
)
_META = "insert into meta values (?, ?) on conflict do update set value = max(value, excluded.value)"

_rows_written = Counter("andon_history_rows_total", "Rows added or replaced in the history store.", ["table"])


class HistoryWriter:
    """Writes what a shard's flow gives out. Not safe for use by several threads at once."""

    def __init__(self, path: Path, shard: int) -> None:
        self.path, self.shard = path, shard
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o600)
        self._db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        with _transaction(self._db):
            beside = event_history.SCHEMA, model_history.SCHEMA, model_history.DRIFT_SCHEMA, model_history.TURN_SCHEMA
            for statement in (*_SCHEMA.strip().split(";\n"), *beside):
                self._db.execute(statement)
            if self._db.execute(HAS_REVISIONS).fetchone() is None:
                for statement in _UPGRADE_FIGURES:
                    self._db.execute(statement)
            self._db.execute(_META, ("schema", SCHEMA_VERSION))
            self._db.execute(_META, ("shard", shard))
        self._ids: dict[tuple[str, str], int] = {
            (asset, tag): key for key, asset, tag in self._db.execute("select id, asset, tag from series")
        }
        self._bound: dict[int, int] = {}  # those by the shard's series ids

    def write(self, outputs: ShardOutputs) -> None:
        """Store one step's outputs in one transaction; the same outputs again change nothing.

        Raises sqlite3.Error with nothing stored when the disk is full or the file damaged; the caller may try again.
        """
        known, bound = len(self._ids), len(self._bound)
        try:
            with _transaction(self._db):
                self._write(outputs)
        except BaseException:
            for path in list(self._ids)[known:]:  # ids of series whose insert was rolled back are not valid
                del self._ids[path]
            for series in list(self._bound)[bound:]:
                del self._bound[series]
            raise

    def _write(self, outputs: ShardOutputs) -> None:
        offset, paths = outputs.last_offset, outputs.paths
        ids = self._bound
        if len(ids) < len(paths):  # a series id of a shard stays what it is
            ids.update({series: self._id(path) for series, path in paths.items() if series not in ids})
        if any(-1 in rows.series for rows in outputs.ledger):
            ids = ids | {-1: self._id(UNREADABLE)}
        self._many(_WINDOW, "window", _window_rows(outputs.windows, ids))
        if len(outputs.spans):
            self._many(_SPAN, "span", _span_rows(outputs.spans, ids))
        self._many(_FIGURE, "figure", (_figure_row(figure, offset) for figure in outputs.figures))
        finals = [figure for figure in outputs.figures if figure.final]
        self._many(_FIGURE_REVISION, "figure_revision", (_revision_row(figure, offset) for figure in finals))
        if outputs.latest is not None:
            self._many(_LATEST, "latest", _latest_rows(outputs.latest, ids, offset))
        if outputs.states is not None:
            self._many(_STATE, "state_change", _state_rows(outputs.states, ids))
        if outputs.events:
            self._many(event_history.INSERT, "event", event_history.rows(outputs.events))
        if outputs.model_alarms:
            self._many(model_history.INSERT, "model_alarm", model_history.rows(outputs.model_alarms))
        if outputs.model_drifts:
            self._many(model_history.INSERT_DRIFT, "model_drift", model_history.drift_rows(outputs.model_drifts))
        if outputs.learning_turns:
            self._many(model_history.INSERT_TURN, "learning_turn", model_history.turn_rows(outputs.learning_turns))
        for rows in outputs.ledger:
            self._many(_LEDGER, "ledger", _ledger_rows(rows, ids))
        self._db.execute(_META, ("watermark_ns", outputs.watermark_ns))
        self._db.execute(_META, ("last_offset", offset))

    def _many(self, statement: str, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        cursor = self._db.executemany(statement, rows)
        _rows_written.labels(table).inc(max(cursor.rowcount, 0))

    def _id(self, path: tuple[str, str]) -> int:
        key = self._ids.get(path)
        if key is None:
            row = self._db.execute("insert into series (asset, tag) values (?, ?) returning id", path).fetchone()
            key = self._ids[path] = int(row[0])
        return key

    def prune(self, before_ns: int) -> int:
        """Delete what ended before `before_ns`; returns how many rows went.

        The last state change before it stays, because it is the state in force; so do latest values and series.
        """
        gone = 0
        with _transaction(self._db):
            for kind in [row[0] for row in self._db.execute("select distinct kind from figure")]:
                gone += self._db.execute(_OLD_FIGURES, (kind, before_ns)).rowcount
                self._db.execute(_OLD_REVISIONS, (kind, before_ns))
            for (asset,) in self._db.execute(_ASSETS).fetchall():
                gone += self._db.execute(event_history.PRUNE, {"asset": asset, "before": before_ns}).rowcount
            for statement in (model_history.PRUNE, model_history.PRUNE_DRIFT, model_history.PRUNE_TURN):
                gone += self._db.execute(statement, (before_ns,)).rowcount  # few rows, looked through as a whole
            # By series, along the primary keys: one statement over the whole table reads 400 days of windows.
            for series in self._ids.values():
                for statement in _OLD_ROWS:
                    gone += self._db.execute(statement, {"series": series, "before": before_ns}).rowcount
                for name in self._names(series):
                    gone += self._db.execute(_OLD_SPANS, (series, name, before_ns, before_ns)).rowcount
                for size_ns in self._sizes(series):
                    gone += self._db.execute(_OLD_WINDOWS, (series, size_ns, before_ns - size_ns)).rowcount
        return gone

    def _sizes(self, series: int) -> list[int]:
        """The window lengths that a series has rows of; one look-up each."""
        sizes: list[int] = []
        while True:
            query = 'select min(size_ns) from "window" where series = ? and size_ns > ?'
            (size_ns,) = self._db.execute(query, (series, sizes[-1] if sizes else -1)).fetchone()
            if size_ns is None:
                return sizes
            sizes.append(size_ns)

    def _names(self, series: int) -> list[str]:
        """The declared windows that a series has rows of; one look-up each."""
        names: list[str] = []
        while True:
            query = "select min(name) from span where series = ? and name > ?"
            (name,) = self._db.execute(query, (series, names[-1] if names else "")).fetchone()
            if name is None:
                return names
            names.append(name)

    def close(self) -> None:
        """Give the file back. Nothing is lost by not calling it."""
        self._db.close()


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("begin immediate")
    try:
        yield
    except BaseException:
        if db.in_transaction:  # a full disk rolls back by itself
            db.execute("rollback")
        raise
    db.execute("commit")


def _window_rows(rows: WindowRows, ids: dict[int, int]) -> Iterator[tuple[Any, ...]]:
    return zip(
        (ids[series] for series in rows.series.tolist()), rows.size_ns.tolist(), rows.start_ns.tolist(),
        rows.revision.tolist(), rows.count.tolist(), rows.minimum.tolist(), rows.maximum.tolist(),
        rows.mean.tolist(), rows.std.tolist(), rows.first.tolist(), rows.last.tolist(), rows.score.tolist(),
        strict=True,
    )  # fmt: skip


def _span_rows(rows: SpanRows, ids: dict[int, int]) -> Iterator[tuple[Any, ...]]:
    for series, *row, told in rows.each():
        yield (ids[series], *row, orjson.dumps(told).decode())


def _figure_row(figure: Figure, offset: int) -> tuple[Any, ...]:
    parts, about = _texts(figure)
    return (
        figure.asset, figure.tag, figure.kind, figure.start_ns, figure.end_ns, figure.revision,
        int(figure.final), offset, parts, about, figure.known_ns,
    )  # fmt: skip


def _revision_row(figure: Figure, offset: int) -> tuple[Any, ...]:
    parts, about = _texts(figure)
    return (
        figure.asset, figure.tag, figure.kind, figure.start_ns, figure.end_ns, figure.revision, offset, parts, about,
        figure.known_ns,
    )  # fmt: skip


def _texts(figure: Figure) -> tuple[str, str]:
    parts = orjson.dumps(dict(figure.parts), option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY).decode()
    return parts, orjson.dumps(dict(figure.about), option=orjson.OPT_SORT_KEYS).decode()


def _latest_rows(rows: Latest, ids: dict[int, int], offset: int) -> Iterator[tuple[Any, ...]]:
    columns = (rows.time_ns, rows.received_ns, rows.value, rows.status, rows.score)
    series = (ids[one] for one in rows.series.tolist())
    return ((*row, offset) for row in zip(series, *(column.tolist() for column in columns), strict=True))


def _state_rows(rows: StateChanges, ids: dict[int, int]) -> Iterator[tuple[Any, ...]]:
    # The first value at a time stays: the second is a conflict, which the ledger counts, and "last wins" would
    # depend on how the log was cut into steps.
    return zip((ids[one] for one in rows.series.tolist()), rows.time_ns.tolist(), rows.value.tolist(), strict=True)


def _ledger_rows(rows: LedgerRows, ids: dict[int, int]) -> Iterator[tuple[Any, ...]]:
    columns = (
        rows.hour_ns, rows.received, rows.counted, rows.late, rows.duplicate, rows.bad, rows.dead, rows.conflict
    )  # fmt: skip
    series = (ids[one] for one in rows.series.tolist())
    return ((*row, rows.as_of) for row in zip(series, *(column.tolist() for column in columns), strict=True))
