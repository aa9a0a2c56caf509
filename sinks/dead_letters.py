"""Dead letters of a shard: what could not become a reading, with its raw bytes, reason and place in the log.

A row of the file is what one step of the flow gave out, compressed as columns, so ten thousand bad messages cost
little more than one. Kept to `cap_mb` and `retention_d`; at the cap the oldest go, which is counted and logged.
"""

from __future__ import annotations

import sqlite3
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import structlog
from numpy.typing import NDArray
from prometheus_client import Counter

from andon.errors import SourceError
from andon.readings import I32, I64, U8, DeadLetters, Reason

DAY_NS = 86_400_000_000_000
_SCHEMA = """
create table if not exists batch (
    first integer not null, last integer not null, n integer not null, min_received_ns integer not null,
    max_received_ns integer not null, size integer not null, crc integer not null, body blob not null,
    primary key (last, first));
create table if not exists tally (reason integer primary key, n integer not null) without rowid;
create table if not exists redriven (offset integer not null, line integer not null, primary key (offset, line))
    without rowid;
create table if not exists dropped (id integer primary key check (id = 1), n integer not null);
"""
_CODEC = pa.Codec("zstd", compression_level=1)  # a tenth of zlib's time, which was most of a dead letter's cost
_COLUMNS = (("offset", np.int64), ("line", np.int32), ("received_ns", np.int64), ("reason", np.uint8))
_Unpacked = tuple[I64, I32, I64, U8, list[str], list[bytes]]  # offset, line, received_ns, reason, names, raw
_stored = Counter("andon_dead_letters_total", "Rows that could not become readings.", ["reason"])
_dropped = Counter("andon_dead_letters_dropped_total", "Dead letters that left because the store reached its cap.")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter as people see it. path: asset-path/tag where it could be read, else empty."""

    shard: int
    offset: int
    line: int
    received_ns: int
    reason: str
    path: str
    raw: bytes
    redriven: bool


class DeadLetterStore:
    """One writer process a file; any number of readers. Threads may share an object."""

    def __init__(self, path: Path, shard: int, cap_mb: float, retention_d: float) -> None:
        self.path, self.shard = path, shard
        self._cap, self._keep_ns = round(cap_mb * 1_000_000), round(retention_d * DAY_NS)
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._size = -1  # of all bodies, kept by the writer: adding them up takes 0.1 s with a million rows

    def write(self, dead: DeadLetters, paths: Sequence[str] | Mapping[int, str]) -> None:
        """Store the dead letters of one step; paths: asset-path/tag by series id. On disk when it returns."""
        if not len(dead):
            return
        names = ["" if one < 0 else paths[one] for one in dead.series.tolist()]
        columns: _Unpacked = (dead.offset, dead.line, dead.received_ns, dead.reason, names, list(dead.raw))
        tally = np.bincount(dead.reason)
        with self._lock, self._transaction() as db:
            self._insert(db, columns)
            self._trim(db, int(dead.received_ns.max()))
            self._add(db, tally, 1)
        for reason in np.flatnonzero(tally).tolist():
            _stored.labels(Reason(reason).name).inc(int(tally[reason]))

    def truncate_after(self, offset: int) -> None:
        """Forget what came from messages after `offset`: the flow is about to replay them."""
        if not self.path.exists():
            return
        with self._lock, self._transaction() as db:
            for rowid, body in db.execute("select rowid, body from batch where last > ?", (offset,)).fetchall():
                unpacked = _unpack(body)
                gone = unpacked[0] > offset
                self._add(db, np.bincount(unpacked[3][gone]), -1)
                db.execute("delete from batch where rowid = ?", (rowid,))
                if not gone.all():
                    self._insert(db, _kept(unpacked, ~gone))
            self._size = _size(db)

    def list(self, limit: int = 100, reason: str | None = None) -> list[DeadLetter]:
        """The newest dead letters first, of one reason or of all."""
        found: list[DeadLetter] = []
        if not self.path.exists():
            return found
        with self._lock, self._connection() as db:
            marks = set(db.execute("select offset, line from redriven"))
            for body in (row[0] for row in db.execute("select body from batch order by last desc")):
                for one in self._letters(body, marks):
                    if reason is None or one.reason == reason:
                        found.append(one)
                        if len(found) == limit:
                            return found
        return found

    def after(self, place: tuple[int, int], most: int) -> Sequence[DeadLetter]:
        """Dead letters behind a place (offset, line) in the order of the log, at most `most`; for who hands them on."""
        found: list[DeadLetter] = []
        if not self.path.exists():
            return found
        with self._lock, self._connection() as db:
            marks = set(db.execute("select offset, line from redriven where offset >= ?", place[:1]))
            for (body,) in db.execute("select body from batch where last >= ? order by last", place[:1]):
                here = [one for one in self._letters(body, marks) if (one.offset, one.line) > place]
                found += sorted(here, key=lambda one: (one.offset, one.line))
                if len(found) >= most:
                    break
        return found[:most]

    def counts(self) -> dict[str, int]:
        """Dead letters kept or dropped so far by reason, all that were ever stored."""
        if not self.path.exists():
            return {}
        with self._lock, self._connection() as db:
            return {Reason(reason).name: n for reason, n in db.execute("select reason, n from tally where n > 0")}

    def dropped(self) -> int:
        """How many left at the cap."""
        if not self.path.exists():
            return 0
        with self._lock, self._connection() as db:
            return sum(n for (n,) in db.execute("select n from dropped"))

    def get(self, offset: int, line: int) -> DeadLetter | None:
        """One dead letter by its place in the log; None when it is not kept."""
        if not self.path.exists():
            return None
        with self._lock, self._connection() as db:
            marks = set(db.execute("select offset, line from redriven where offset = ?", (offset,)))
            for (body,) in db.execute("select body from batch where first <= ? and last >= ?", (offset, offset)):
                for one in self._letters(body, marks):
                    if (one.offset, one.line) == (offset, line):
                        return one
        return None

    def mark_redriven(self, offset: int, line: int) -> None:
        """Remember that its bytes went into the log again."""
        with self._lock, self._connection() as db:
            db.execute("insert or ignore into redriven values (?, ?)", (offset, line))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _letters(self, body: bytes, marks: set[tuple[int, int]]) -> Iterator[DeadLetter]:
        """The dead letters of one stored step, newest first."""
        offset, line, received_ns, reason, names, raw = _unpack(body)
        for at in range(len(raw) - 1, -1, -1):
            place = int(offset[at]), int(line[at])
            yield DeadLetter(
                self.shard, *place, int(received_ns[at]), Reason(int(reason[at])).name, names[at], raw[at],
                place in marks,
            )  # fmt: skip

    def _insert(self, db: sqlite3.Connection, columns: _Unpacked) -> None:
        offset, received, body = columns[0], columns[2], _pack(columns)
        row = (
            int(offset.min()), int(offset.max()), len(offset), int(received.min()), int(received.max()), len(body),
            zlib.crc32(body), body,
        )  # fmt: skip
        replaced = db.execute("select size from batch where first = ? and last = ?", row[:2]).fetchone()
        db.execute("insert or replace into batch values (?, ?, ?, ?, ?, ?, ?, ?)", row)
        self._size += len(body) - (replaced[0] if replaced else 0)

    def _trim(self, db: sqlite3.Connection, now_ns: int) -> None:
        """Let the oldest go, one look each, until the rest is within its time and the cap."""
        gone = 0
        while True:
            row = db.execute("select rowid, size, n, max_received_ns from batch order by last limit 1").fetchone()
            if row is None or (row[3] >= now_ns - self._keep_ns and self._size <= self._cap):
                break
            db.execute("delete from batch where rowid = ?", row[:1])
            self._size -= row[1]
            gone += row[2] if row[3] >= now_ns - self._keep_ns else 0
        if gone:
            db.execute("insert into dropped values (1, ?) on conflict do update set n = n + excluded.n", (gone,))
            _dropped.inc(gone)
            log.error("dead_letters.cap_reached", shard=self.shard, dropped=gone, cap_bytes=self._cap)

    @staticmethod
    def _add(db: sqlite3.Connection, tally: NDArray[np.int64], sign: int) -> None:
        rows = [(reason, sign * int(tally[reason])) for reason in np.flatnonzero(tally).tolist()]
        db.executemany("insert into tally values (?, ?) on conflict do update set n = n + excluded.n", rows)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction, undone with what this object remembers of it when anything fails."""
        db = self._connection()
        db.execute("begin immediate")
        before = self._size = _size(db) if self._size < 0 else self._size
        try:
            yield db
            db.execute("commit")
        except BaseException:
            self._size = before
            if db.in_transaction:
                db.execute("rollback")
            raise

    def _connection(self) -> sqlite3.Connection:
        """The open file; in autocommit mode, so `with` only rolls back what a failure left open."""
        if self._db is None:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            db = sqlite3.connect(self.path, timeout=10.0, isolation_level=None, check_same_thread=False)
            db.execute("pragma journal_mode=wal")
            db.execute("pragma synchronous=full")
            db.executescript(_SCHEMA)
            self._db = db
        return self._db


def _size(db: sqlite3.Connection) -> int:
    (size,) = db.execute("select coalesce(sum(size), 0) from batch").fetchone()
    return int(size)


def _kept(columns: _Unpacked, which: NDArray[np.bool_]) -> _Unpacked:
    """Some of the rows."""
    at = np.flatnonzero(which).tolist()
    offset, line, received_ns, reason, names, raw = columns
    return offset[which], line[which], received_ns[which], reason[which], [names[k] for k in at], [raw[k] for k in at]


def _pack(columns: _Unpacked) -> bytes:
    """Columns, places in the table of names, sizes of the texts, texts, the table; compressed as one."""
    *numbers, names, raw = columns
    place = {name: at for at, name in enumerate(dict.fromkeys(names))}
    count = len(raw)
    packed = [
        np.array([count], np.uint32), *numbers, np.fromiter(map(place.__getitem__, names), np.uint32, count),
        np.fromiter(map(len, raw), np.uint32, count),
    ]  # fmt: skip
    texts = [*(np.ascontiguousarray(column).tobytes() for column in packed), *raw, "\n".join(place).encode()]
    data = b"".join(texts)
    compressed: bytes = _CODEC.compress(data, asbytes=True)
    return len(data).to_bytes(8, "little") + compressed


def _unpack(body: bytes) -> _Unpacked:
    try:
        data = _CODEC.decompress(body[8:], int.from_bytes(body[:8], "little"), asbytes=True)
    except (OSError, ValueError) as error:
        raise SourceError("dead_letters.unreadable", cause=str(error)) from error
    count, at = int(np.frombuffer(data, np.uint32, 1)[0]), 4
    columns: list[NDArray[Any]] = []
    for _, kind in (*_COLUMNS, ("names", np.uint32), ("raw sizes", np.uint32)):
        columns.append(np.frombuffer(data, kind, count, at))
        at += columns[-1].nbytes
    raw = []
    for size in columns[-1].tolist():
        raw.append(data[at : at + size])
        at += size
    table = data[at:].decode().split("\n")  # an asset's path has no line break
    offset, line, received_ns, reason, places = columns[:5]
    return offset, line, received_ns, reason, [table[place] for place in places.tolist()], raw
