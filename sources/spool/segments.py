"""Segment files of a spool: names, schema, one row's layout, how they are made and go.

A segment is a SQLite file named after its first offset. A row is one append (or a part of it): messages joined, with
their lengths and a crc. Rejected: a row per message, 10x the CPU time per message at 1,000 messages an append.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import zlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from andon.errors import SourceError
from andon.readings import TEXT_END, Messages

SEGMENT_BYTES = 32_000_000
ROW_BYTES = 262_144  # an append is cut into rows of about this many bytes ...
ROW_MESSAGES = 4_096  # ... and at most so many messages, so that a reader's step stays small
_SUFFIX = ".db"
_NEW = ".new"

_SCHEMA = """
create table batch (last integer primary key, n integer not null, received_ns integer not null,
                    crc integer not null, sizes blob not null, body blob not null);
create table producer (name text primary key, checkpoint blob not null) without rowid;
create table meta (first integer not null, received_ns integer not null);
pragma user_version = 1;
"""


class Segment(NamedTuple):
    """A segment file and the offset of its first message."""

    first: int
    path: Path


def segments(folder: Path) -> list[Segment]:
    """The segments of a folder, oldest first."""
    with os.scandir(folder) as entries:  # asked at every append and every empty read; Path.glob takes 4x as long
        names = sorted(entry.name for entry in entries if entry.name.endswith(_SUFFIX))
    return [Segment(int(name[: -len(_SUFFIX)]), folder / name) for name in names]


def connect(path: Path) -> sqlite3.Connection:
    """Open a segment. FULL: a commit is on disk. secure_delete OFF: deleting needs no free pages."""
    db = _open(path, "mode=rw")
    try:
        db.execute("pragma journal_mode=wal")
        db.execute("pragma synchronous=full")
        db.execute("pragma secure_delete=off")
    except sqlite3.Error:
        db.close()
        raise
    return db


def connect_finished(path: Path) -> sqlite3.Connection:
    """Open for reading a segment that nobody writes to: it has a follower, or the caller holds the lock.

    Needs no space on the disk where the WAL is gone (`connect` needs 32 kB for the wal-index).
    """
    wal = Path(f"{path}-wal")
    if wal.exists() and wal.stat().st_size:
        return connect(path)
    return _open(path, "mode=ro&immutable=1")


def _open(path: Path, how: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{how}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10.0, check_same_thread=False)


def create(folder: Path, first: int, received_ns: int, checkpoints: Sequence[tuple[str, bytes]]) -> Segment:
    """Make a segment whole before it has its name, so that a crash leaves none or all of it. Caller holds the lock."""
    path = folder / f"{first:020d}{_SUFFIX}"
    new = path.with_suffix(_NEW)
    for leftover in (*folder.glob(f"*{_NEW}"), *folder.glob(f"*{_NEW}-*")):
        leftover.unlink()
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # SQLite would take 0644; wal, shm follow
    try:
        db = sqlite3.connect(new, isolation_level=None)
        try:
            db.execute("pragma page_size=8192")
            db.executescript(f"begin; {_SCHEMA} commit;")
            db.execute("begin")
            db.execute("insert into meta values (?, ?)", (first, received_ns))
            db.executemany("insert into producer values (?, ?)", checkpoints)
            db.execute("commit")
            db.execute("pragma journal_mode=wal")
        finally:
            db.close()
        _sync(new)
        new.rename(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    _sync(folder)
    return Segment(first, path)


def remove(segment: Segment) -> None:
    """Unlink a segment; its main file goes first, so a crash in between leaves no half segment behind."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{segment.path}{suffix}").unlink(missing_ok=True)


def remove_orphans(folder: Path) -> None:
    """Unlink -wal and -shm files whose segment is gone (a crash inside `remove`)."""
    for part in (*folder.glob(f"*{_SUFFIX}-wal"), *folder.glob(f"*{_SUFFIX}-shm")):
        if not part.with_name(part.name[:-4]).exists():
            part.unlink(missing_ok=True)


def size_bytes(folder: Path) -> int:
    """Bytes that the folder's files take; files that go meanwhile count nothing."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                total += entry.stat().st_size
            except FileNotFoundError:
                continue
    return total


def content_bytes(db: sqlite3.Connection) -> int:
    """Size of a segment's content, also what still is in its WAL (the file alone lags by up to 4 MB)."""
    return int(db.execute("pragma page_count").fetchone()[0] * db.execute("pragma page_size").fetchone()[0])


def tail(db: sqlite3.Connection) -> tuple[int, int]:
    """(last offset, its received_ns) of a segment; of the segment before where this one is empty."""
    row = db.execute("select last, received_ns from batch order by last desc limit 1").fetchone()
    if row is None:
        first, received_ns = db.execute("select first, received_ns from meta").fetchone()
        return first - 1, received_ns
    return row[0], row[1]


def received_before(folder: Path, time_ns: int) -> int:
    """Offset up to which everything was received before time_ns, by whole segments; 0 for nothing."""
    offset = 0
    for segment in segments(folder)[1:]:
        with closing(connect_finished(segment.path)) as db:
            newest_ns = db.execute("select received_ns from meta").fetchone()[0]  # of the segment before
        if newest_ns >= time_ns:
            break
        offset = segment.first - 1
    return offset


class Row(NamedTuple):
    """One row of `batch`, in the order of its columns."""

    last: int
    n: int
    received_ns: int
    crc: int
    sizes: bytes
    body: bytes


def pack(after: int, received_ns: int, bodies: Sequence[bytes]) -> list[Row]:
    """Rows for messages whose first offset is after + 1."""
    rows, at, last = [], 0, after
    lengths = [len(body) for body in bodies]
    while at < len(bodies):
        stop, total = at + 1, lengths[at]
        while stop < len(bodies) and stop - at < ROW_MESSAGES and total + lengths[stop] <= ROW_BYTES:
            total += lengths[stop]
            stop += 1
        sizes, body = np.array(lengths[at:stop], "<u4").tobytes(), b"\0".join([*bodies[at:stop], b""])
        last += stop - at
        rows.append(Row(last, stop - at, received_ns, _crc(last, stop - at, received_ns, sizes, body), sizes, body))
        at = stop
    return rows


def unpack(row: Row) -> Messages | None:
    """The messages of a row; None when its bytes are not what was written."""
    last, n, received_ns, crc, sizes, body = row
    if _crc(last, n, received_ns, sizes, body) != crc or len(sizes) != 4 * n:
        return None
    ends = (np.frombuffer(sizes, "<u4").astype(np.int64) + 1).cumsum() - 1
    return Messages(body + TEXT_END, ends, np.arange(last - n + 1, last + 1), np.full(n, received_ns))


def as_source_error(error: sqlite3.Error | OSError, shard: int, path: Path) -> SourceError:
    """What a failure below means to the user."""
    number = error.errno if isinstance(error, OSError) else None
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if number in (errno.ENOSPC, errno.EDQUOT) or primary == sqlite3.SQLITE_FULL:
        return SourceError("spool.disk_full", shard=shard, folder=path)
    if primary == sqlite3.SQLITE_IOERR and _disk_is_full(path):  # SQLite hides ENOSPC of wal and shm behind IOERR
        return SourceError("spool.disk_full", shard=shard, folder=path)
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return SourceError("spool.busy", shard=shard, folder=path)
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return SourceError("spool.corrupt", shard=shard, file=path, offset="?")
    return SourceError("spool.failed", shard=shard, folder=path, problem=str(error))


def _disk_is_full(path: Path) -> bool:
    free = os.statvfs(path if path.is_dir() else path.parent)
    return free.f_bavail * free.f_frsize < 1_000_000


def _crc(last: int, n: int, received_ns: int, sizes: bytes, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(sizes, zlib.crc32(b"%d %d %d" % (last, n, received_ns))))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
