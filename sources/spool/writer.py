"""Appending to a spool, from any number of processes and threads."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

import structlog
from prometheus_client import Counter

from andon.clock import Clock
from andon.errors import SourceError
from sources.spool import segments as seg
from sources.spool.reader import SpoolReader

log = structlog.get_logger()
APPENDED = Counter("andon_spool_appended_messages_total", "Messages appended to the spool", ["shard"])
REFUSED = Counter("andon_spool_refused_appends_total", "Appends refused, by cause", ["shard", "cause"])


class Spool:
    """The log of one shard. Make one per process; its methods may be called from several threads.

    folder        : made (0700) with a first segment when it does not exist.
    clock         : stamps received_ns, which never runs backwards inside the shard.
    segment_bytes : a new file is begun at this size.
    max_bytes     : back-pressure: with so much content `append` refuses; at most an append more is written.
    reserve_bytes : free space on the disk that `append` leaves to the readers, who need some to let rows go.
    """

    def __init__(
        self, folder: Path, shard: int, clock: Clock, *, segment_bytes: int = seg.SEGMENT_BYTES,
        max_bytes: int | None = None, reserve_bytes: int = 16_000_000,
    ) -> None:  # fmt: skip
        self.folder, self.shard, self.clock = Path(folder), shard, clock
        # the newest segment cannot go, so a limit must leave room for several
        self.segment_bytes = segment_bytes if max_bytes is None else max(1, min(segment_bytes, max_bytes // 4))
        self.max_bytes, self.reserve_bytes = max_bytes, reserve_bytes
        self._thread_lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._open: seg.Segment | None = None
        self._refusing = ""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_file = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with self._locked():
                kept = seg.segments(self.folder) or [seg.create(self.folder, 1, 0, ())]
                self._connect(kept[-1])
        except BaseException:
            self.close()
            raise

    def append(self, bodies: Sequence[bytes], producer: str | None = None, checkpoint: bytes | None = None) -> int:
        """Append messages in one transaction, with the producer's checkpoint if given; returns the last offset.

        On disk when it returns. After an error nothing of it was appended, unless the process died inside: then
        `checkpoint(producer)` tells. Refuses with SourceError spool.full (max_bytes), spool.disk_full, spool.busy;
        the caller tries again later. No bodies: only the checkpoint is stored.
        """
        if (producer is None) != (checkpoint is None):
            raise ValueError(f"producer and checkpoint go together: {producer!r}, {checkpoint!r}")
        with self._locked():
            self._check_disk()
            db = self._newest()
            self._check_limit(db)
            try:
                db.execute("begin immediate")
                last, received_ns = seg.tail(db)
                rows = seg.pack(last, max(received_ns, self.clock.now_ns()), bodies)
                db.executemany("insert into batch values (?, ?, ?, ?, ?, ?)", rows)
                if producer is not None:
                    db.execute("insert or replace into producer values (?, ?)", (producer, checkpoint))
                db.execute("commit")
            except BaseException:
                self._roll_back()
                raise
        self._going_on()
        APPENDED.labels(self.shard).inc(len(bodies))
        return rows[-1].last if rows else last

    def checkpoint(self, producer: str) -> bytes | None:
        """What the producer stored with its last appended rows; None if it never did."""
        with self._locked(), self._looking() as db:
            row = db.execute("select checkpoint from producer where name = ?", (producer,)).fetchone()
        return None if row is None else bytes(row[0])

    def last_offset(self) -> int:
        """Offset of the newest message; 0 before the first."""
        with self._locked(), self._looking() as db:
            return seg.tail(db)[0]

    def newest_ns(self) -> int:
        """Receive time of the newest message, ns; 0 before the first."""
        with self._locked(), self._looking() as db:
            return seg.tail(db)[1]

    def first_offset(self) -> int:
        """Offset of the oldest message still kept (or of the next to come, in an empty spool)."""
        return seg.segments(self.folder)[0].first

    def size_bytes(self) -> int:
        """Bytes on disk."""
        return seg.size_bytes(self.folder)

    def reader(self, after_offset: int) -> SpoolReader:
        """A reader that goes on after `after_offset` (0: from the beginning). SourceError spool.gone, spool.ahead."""
        return SpoolReader(self.folder, self.shard, after_offset)

    def close(self) -> None:
        """Close the files; everything appended is on disk already."""
        with self._thread_lock:
            self._drop_connection()
            if self._lock_file >= 0:
                os.close(self._lock_file)
                self._lock_file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone among threads and processes. A file lock: waiting for SQLite's own polls, and stalls up to 0.6 s."""
        with self._thread_lock:
            if self._lock_file < 0:
                raise SourceError("spool.failed", shard=self.shard, folder=self.folder, problem="closed")
            fcntl.flock(self._lock_file, fcntl.LOCK_EX)
            try:
                yield
            except (sqlite3.Error, OSError) as error:
                problem = seg.as_source_error(error, self.shard, self.folder)
                self._refused(problem)
                raise problem from error
            finally:
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)

    def _newest(self) -> sqlite3.Connection:
        """A connection to the newest segment; a fresh one first if that is full. Caller holds the lock."""
        kept = seg.segments(self.folder)
        db = self._connect(kept[-1])
        if seg.content_bytes(db) < self.segment_bytes:
            return db
        last, received_ns = seg.tail(db)
        if last < kept[-1].first:
            return db  # empty, so its follower would have its name
        checkpoints = db.execute("select name, checkpoint from producer").fetchall()
        fresh = seg.create(self.folder, last + 1, received_ns, checkpoints)
        db.execute("pragma wal_checkpoint(truncate)")  # fails softly when another process reads
        return self._connect(fresh)

    @contextmanager
    def _looking(self) -> Iterator[sqlite3.Connection]:
        """The newest segment, to read. Caller holds the lock; works on a disk without any space."""
        newest = seg.segments(self.folder)[-1]
        if self._db is not None and self._open == newest:
            yield self._db
            return
        with closing(seg.connect_finished(newest.path)) as db:
            yield db

    def _connect(self, segment: seg.Segment) -> sqlite3.Connection:
        if self._db is None or self._open != segment:
            self._drop_connection()
            self._db, self._open = seg.connect(segment.path), segment
        return self._db

    def _roll_back(self) -> None:
        """Undo the open transaction, keeping the connection: on a full disk there may be no room to open another."""
        if self._db is not None and self._db.in_transaction:
            try:
                self._db.execute("rollback")
            except sqlite3.Error:
                self._drop_connection()

    def _drop_connection(self) -> None:
        db, self._db, self._open = self._db, None, None
        if db is not None:
            db.close()

    def _check_disk(self) -> None:
        disk = os.statvfs(self.folder)
        if disk.f_bavail * disk.f_frsize < self.reserve_bytes:
            problem = SourceError("spool.disk_full", shard=self.shard, folder=self.folder)
            self._refused(problem)
            raise problem

    def _check_limit(self, db: sqlite3.Connection) -> None:
        """Counts content, without the newest segment's WAL (some 4 MB), which is not what the reader can let go."""
        if self.max_bytes is None:
            return
        older = seg.segments(self.folder)[:-1]
        size = seg.content_bytes(db) + sum(one.path.stat().st_size for one in older if one.path.exists())
        if size >= self.max_bytes:
            problem = SourceError("spool.full", shard=self.shard, size=size, limit=self.max_bytes)
            self._refused(problem)
            raise problem

    def _refused(self, problem: SourceError) -> None:
        REFUSED.labels(self.shard, problem.code.removeprefix("spool.")).inc()
        if self._refusing != problem.code:  # said once, not at every retry
            self._refusing = problem.code
            log.warning(problem.code, shard=self.shard, folder=str(self.folder))

    def _going_on(self) -> None:
        if self._refusing:
            log.warning("spool.going_on", shard=self.shard, after=self._refusing)
            self._refusing = ""
