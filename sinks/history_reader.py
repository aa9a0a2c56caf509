"""Reads the embedded time-series store: the files of all shards as one.

Files are opened read-only; one that is not there yet reads as empty. Every call sees what was committed when it began.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import orjson

from andon.models import LearningTurn, ModelAlarm, ModelDrift
from andon.outputs import Figure
from andon.readings import NS_PER_S
from sinks import event_history, model_history
from sinks.event_history import EventRow

BUSY_TIMEOUT_S = 10.0
HAS_REVISIONS = "select 1 from pragma_table_info('figure') where name = 'about'"
_FIGURE = "asset, tag, kind, start_ns, end_ns, revision, final, parts, about, known_ns"
#: What a file of a version before has of them, under the same names.
_BEFORE = """with figure as (
    select asset, tag, kind, start_ns, end_ns, revision, final, parts, '{}' as about, 0 as known_ns from main.figure),
figure_revision as (
    select asset, tag, kind, start_ns, end_ns, revision, parts, '{}' as about, end_ns as known_ns
    from main.figure where final = 1) """
_HAS_SPANS = "select 1 from sqlite_master where type = 'table' and name = 'span'"


@dataclass(frozen=True, slots=True)
class LatestValue:
    """The newest reading of a series by event time; value and score None where unknown. status: `readings.Status`."""

    asset: str
    tag: str
    time_ns: int
    received_ns: int
    value: float | None
    status: int
    score: float | None


@dataclass(frozen=True, slots=True)
class WindowColumns:
    """Windows of one series and size in order of start_ns, columns of equal length; None where not known."""

    size_ns: int
    start_ns: list[int]
    revision: list[int]
    count: list[int]
    minimum: list[float | None]
    maximum: list[float | None]
    mean: list[float | None]
    std: list[float | None]
    first: list[float | None]
    last: list[float | None]
    score: list[float | None]


@dataclass(frozen=True, slots=True)
class DeclaredRow:
    """A closed declared window of a series: those of its statistics that are known, by name.

    A session that late rows took away has a count of 0 and none.
    """

    start_ns: int
    end_ns: int
    revision: int
    count: int
    statistics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class LedgerTotals:
    """Rows of a series over the hours asked for. It balances when `difference` is 0."""

    asset: str
    tag: str
    received: int
    counted: int
    late: int
    duplicate: int
    bad: int
    dead: int
    conflict: int

    @property
    def difference(self) -> int:
        """Rows received and not accounted for."""
        return self.received - self.counted - self.late - self.duplicate - self.bad - self.dead


@dataclass(frozen=True, slots=True)
class ShardMark:
    """How far a shard's history has come: watermark in event time, last message consumed."""

    shard: int
    watermark_ns: int
    last_offset: int


class HistoryReader:
    """Reads the histories of all shards as one. Safe for use by several threads; each call sees a fresh state."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files = [_File(path) for path in paths]

    @property
    def source(self) -> str:
        """Where windows, figures and states come from: "local", the files."""
        return "local"

    def latest(self) -> list[LatestValue]:
        """The newest reading of every series, in order of path."""
        rows = self._all(
            "select asset, tag, time_ns, received_ns, value, status, score from latest join series on id = series"
        )
        return sorted((LatestValue(*row) for row in rows), key=lambda one: (one.asset, one.tag))

    def windows(
        self, asset: str, tag: str, size_ns: int, start_ns: int, end_ns: int, limit: int = 5000
    ) -> WindowColumns:
        """The newest `limit` windows of `size_ns` that start in [start_ns, end_ns)."""
        rows = self._all(
            """select start_ns, revision, count, minimum, maximum, mean, std, first, last, score
               from "window" where series = (select id from series where asset = ? and tag = ?)
               and size_ns = ? and start_ns >= ? and start_ns < ? order by start_ns desc limit ?""",
            (asset, tag, size_ns, start_ns, end_ns, limit),
        )
        columns = [list(column) for column in zip(*sorted(rows)[-limit:], strict=True)] or [[] for _ in range(10)]
        return WindowColumns(size_ns, *columns)

    def sizes(self, asset: str, tag: str) -> list[int]:
        """The window sizes stored for a series, ns, ascending."""
        rows = self._all(
            """select distinct size_ns from "window" where series = (select id from series where asset = ? and tag = ?)
            """,
            (asset, tag),
        )
        return sorted(row[0] for row in rows)

    def spans(
        self,
        asset: str,
        tag: str,
        window: str,
        start_ns: int,
        end_ns: int,
        limit: int = 5000,
        *,
        gone: bool = False,
        begun: bool = False,
    ) -> list[DeclaredRow]:
        """The newest `limit` windows of a [[window]] that overlap [start_ns, end_ns), in order of start.

        gone: sessions that late rows took away too. begun: only those that begin in it, which is found much faster.
        """
        statement = f"""select start_ns, end_ns, revision, count, statistics from span
               where series = (select id from series where asset = ? and tag = ?) and name = ?
               and start_ns < ? and {"start_ns >= ?" if begun else "end_ns > ?"}
               and (? or count > 0 or statistics <> '{{}}')
               order by start_ns desc limit ?"""  # noqa: S608 - one of two texts
        values = (asset, tag, window, end_ns, start_ns, gone, limit)
        files = [file for file in self._files if file.rows(_HAS_SPANS)]  # others are of a version before spans
        rows = [row for file in files for row in file.rows(statement, values)]
        newest = sorted(rows)[-limit:]
        return [DeclaredRow(row[0], row[1], row[2], row[3], orjson.loads(row[4])) for row in newest]

    def figures(
        self, kind: str, start_ns: int, end_ns: int, asset: str | None = None, limit: int = 5000, *,
        as_of_ns: int | None = None, gone: bool = False,
    ) -> list[Figure]:  # fmt: skip
        """Figures that overlap [start_ns, end_ns), the running ones (final False) among them, in order of start.

        as_of_ns: only final ones, as they were known at that time of the plant; of two revisions the newer one then.
        gone: those that late rows took away too, `about["void"]` says so.
        """
        source = "figure"
        values: tuple[Any, ...] = (kind, end_ns, start_ns, asset, gone, limit)
        if as_of_ns is not None:
            source = """(select asset, tag, kind, start_ns, end_ns, max(revision) as revision, 1 as final, parts, about,
                    known_ns from figure_revision where kind = ?1 and start_ns < ?2 and known_ns <= ?7
                    and (?4 is null or asset = ?4) group by asset, tag, start_ns)"""
            values = (*values, as_of_ns)
        rows = self._figures(
            f"""from {source} where kind = ?1 and start_ns < ?2 and end_ns > ?3 and (?4 is null or asset = ?4)
                and (?5 or about not like '%"void"%') order by start_ns desc limit ?6""",
            values,
        )
        return sorted((_figure(row) for row in rows), key=lambda one: (one.start_ns, one.asset, one.tag))

    def newest_figures(self, kind: str, since_ns: int = 0) -> list[Figure]:
        """The figure with the latest start of every asset and tag, running or final, of those that end after since_ns.

        Give a `since_ns` where the answer is wanted every second: without it all figures are looked through.
        """
        rows = self._figures(
            """, max(start_ns) from figure where kind = ? and end_ns > ? and about not like '%"void"%'
               group by asset, tag""",
            (kind, since_ns),
        )
        return sorted((_figure(row) for row in rows), key=lambda one: (one.asset, one.tag))

    def _figures(self, rest: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Rows with the columns of `_FIGURE`."""
        found = []
        for file in self._files:
            before = "" if file.rows(HAS_REVISIONS) else _BEFORE
            found += [row[:10] for row in file.rows(f"{before}select {_FIGURE} {rest}", values)]
        return found

    def newest_states(self) -> dict[tuple[str, str], tuple[int, float | None]]:
        """(time_ns, value) of the last change of every state and boolean series."""
        rows = self._all(
            """select asset, tag, time_ns, value from series
               join state_change on series = id
                and time_ns = (select max(time_ns) from state_change as newest where newest.series = id)"""
        )
        return {(asset, tag): (time_ns, value) for asset, tag, time_ns, value in rows}

    def states(
        self, asset: str, tag: str, start_ns: int, end_ns: int, limit: int = 5000
    ) -> list[tuple[int, float | None]]:
        """(time_ns, value) of a state or boolean series in [start_ns, end_ns), led by the one in force at start."""
        rows = self._all(
            """select time_ns, value from state_change
               where series = (select id from series where asset = ?1 and tag = ?2) and time_ns < ?4
               and time_ns >= coalesce((select max(time_ns) from state_change where time_ns <= ?3
                   and series = (select id from series where asset = ?1 and tag = ?2)), ?3)
               order by time_ns desc limit ?5""",
            (asset, tag, start_ns, end_ns, limit),
        )
        return sorted(((time_ns, value) for time_ns, value in rows), key=lambda row: row[0])

    def ledger(self, start_ns: int = 0, end_ns: int = 2**63 - 1) -> list[LedgerTotals]:
        """Totals per series over the hours that start in [start_ns, end_ns), in order of path.

        The path ("", "") stands for rows of which no series could be read.
        """
        # "cross join" has SQLite look up the hours of each series instead of reading the whole table.
        rows = self._all(
            """select asset, tag, sum(received), sum(counted), sum(late), sum(duplicate), sum(bad), sum(dead),
               sum(conflict) from series cross join ledger on series = id and hour_ns >= ? and hour_ns < ?
               group by id""",
            (start_ns, end_ns),
        )
        totals: dict[tuple[str, str], LedgerTotals] = {}
        for row in rows:
            one = LedgerTotals(*row)
            before = totals.get((one.asset, one.tag))
            totals[one.asset, one.tag] = one if before is None else _sum(before, one)
        return [totals[path] for path in sorted(totals)]

    def ledger_hours(
        self, asset: str, tag: str, start_ns: int = 0, end_ns: int = 2**63 - 1
    ) -> list[tuple[int, LedgerTotals]]:
        """(hour_ns, totals) of one series, in order of time; of all shards for the path ("", "")."""
        rows = self._all(
            """select hour_ns, asset, tag, received, counted, late, duplicate, bad, dead, conflict
               from ledger join series on id = series
               where asset = ? and tag = ? and hour_ns >= ? and hour_ns < ?""",
            (asset, tag, start_ns, end_ns),
        )
        hours: dict[int, LedgerTotals] = {}
        for hour_ns, *row in rows:
            one = LedgerTotals(*row)
            hours[hour_ns] = _sum(hours[hour_ns], one) if hour_ns in hours else one
        return sorted(hours.items())

    def ledger_changes(
        self, after: int, from_hour_ns: int = -(2**63), limit: int = 5000
    ) -> tuple[int, set[tuple[str, str, int]]]:
        """Hours, as (asset, tag, hour_ns), that ticks after offset `after` have added to, and how far that goes.

        Of one shard's file: offsets mean something inside a shard only. About `limit` hours at once, of whole ticks.
        """
        rows = self._all(
            """with newer as (
                   select asset, tag, hour_ns, as_of
                   from series cross join ledger on series = id and hour_ns >= ?1 and as_of > ?2)
               select * from newer where as_of <= (
                   select max(as_of) from (select as_of from newer order by as_of limit ?3))""",
            (from_hour_ns, after, limit),
        )
        return max((row[3] for row in rows), default=after), {(row[0], row[1], row[2]) for row in rows}

    def events(self, asset: str, start_ns: int, end_ns: int, names: Sequence[str] = ()) -> list[EventRow]:
        """What happened to an asset in [start_ns, end_ns) of event time, in order; names: of these events alone."""
        rows: list[EventRow] = []
        statement = event_history.SELECT_NAMED if names else event_history.SELECT
        values = (asset, start_ns, end_ns, *([orjson.dumps(list(names)).decode()] if names else ()))
        for file in self._files:
            if file.rows(event_history.HAS):  # a version before had none
                rows += map(event_history.told, file.rows(statement, values))
        return sorted(rows, key=lambda one: (one.time_ns, one.offset))

    def model_alarms(
        self, after_ns: int, until_ns: int, asset: str | None = None, tag: str | None = None
    ) -> list[ModelAlarm]:
        """Alarms of models, told or in shadow, with after_ns < time_ns <= until_ns of event time, in order of time."""
        files = [file for file in self._files if file.rows(model_history.HAS)]  # a version before had none
        values = (after_ns, until_ns, asset, tag)
        found = [model_history.told(row) for file in files for row in file.rows(model_history.SELECT, values)]
        return sorted(found, key=lambda one: (one.time_ns, one.asset, one.tag, one.model))

    def model_drifts(self, after_ns: int, until_ns: int, model: str | None = None) -> list[ModelDrift]:
        """Drifts of models, or of one, with after_ns < time_ns <= until_ns of event time, in order of time."""
        return self._drifts(model_history.SELECT_DRIFT, (after_ns, until_ns, model))

    def last_model_drifts(self) -> list[ModelDrift]:
        """The last drift of each series and signal, in order of time."""
        return self._drifts(model_history.SELECT_LAST_DRIFT)

    def _drifts(self, select: str, values: tuple[object, ...] = ()) -> list[ModelDrift]:
        files = [file for file in self._files if file.rows(model_history.HAS_DRIFT)]  # a version before had none
        rows = [row for file in files for row in file.rows(select, values)]
        return sorted(map(model_history.told_drift, rows), key=lambda one: (one.time_ns, one.asset, one.tag))

    def learning_turns(self, asset: str, tag: str) -> list[LearningTurn]:
        """Where detectors began and ended to learn a series, in order of time; before the first they learned it."""
        files = [file for file in self._files if file.rows(model_history.HAS_TURN)]  # a version before had none
        rows = [row for file in files for row in file.rows(model_history.SELECT_TURN, (asset, tag))]
        return sorted(map(model_history.told_turn, rows), key=lambda one: one.time_ns)

    def paths(self) -> list[tuple[str, str]]:
        """(asset, tag) of every series that was ever written, in order."""
        return sorted({(asset, tag) for asset, tag in self._all("select asset, tag from series")})

    def marks(self) -> list[ShardMark]:
        """How far each shard has come; shards without a file, or that have written nothing yet, are left out."""
        marks = []
        for file in self._files:
            meta = dict(file.rows("select key, value from meta"))
            if "watermark_ns" in meta:
                marks.append(ShardMark(meta["shard"], meta["watermark_ns"], meta["last_offset"]))
        return marks

    def window_count(self) -> int:
        """Window rows of all series and sizes."""
        return sum(count for (count,) in self._all('select count(*) from "window"'))

    def watermark_ns(self) -> int | None:
        """The event time that every shard has reached; None before the first write."""
        return min((mark.watermark_ns for mark in self.marks()), default=None)

    def lag_s(self, now_ns: int) -> float | None:
        """How far the slowest shard is behind `now_ns`, s, never below 0; None before the first write."""
        reached = self.watermark_ns()
        return None if reached is None else max(0.0, (now_ns - reached) / NS_PER_S)

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()

    def _all(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return [row for file in self._files for row in file.rows(statement, values)]


class _File:
    """One shard's file, opened at the first read that finds it."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, Lock()
        self._db: sqlite3.Connection | None = None

    def rows(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """All rows at once: a read left open would keep the write-ahead log from being reset."""
        with self._lock:
            self._db = self._db or self._open()
            return [] if self._db is None else self._db.execute(statement, values).fetchall()

    def _open(self) -> sqlite3.Connection | None:
        """The file, if it is there and its writer has made the tables."""
        if not self._path.exists():
            return None
        db = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S, check_same_thread=False
        )
        try:
            ready = db.execute("select 1 from meta where key = 'shard'").fetchone() is not None
        except sqlite3.OperationalError:  # created, tables not yet committed
            ready = False
        if not ready:
            db.close()
            return None
        return db

    def close(self) -> None:
        """Close the file; the next read opens it again."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None


def _figure(row: tuple[Any, ...]) -> Figure:
    asset, tag, kind, start_ns, end_ns, revision, final, parts, about, known_ns = row
    told = orjson.loads(parts), orjson.loads(about)
    return Figure(asset, tag, kind, start_ns, end_ns, revision, bool(final), *told, known_ns)


def _sum(one: LedgerTotals, other: LedgerTotals) -> LedgerTotals:
    return LedgerTotals(
        one.asset, one.tag, one.received + other.received, one.counted + other.counted, one.late + other.late,
        one.duplicate + other.duplicate, one.bad + other.bad, one.dead + other.dead, one.conflict + other.conflict,
    )  # fmt: skip
