"""Reading a spool: one reader a shard, which also lets the rows go."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import structlog
from prometheus_client import Gauge

from andon.errors import SourceError
from andon.readings import Message, Messages
from sources.spool import segments as seg

log = structlog.get_logger()
DEPTH = Gauge("andon_spool_unread_messages", "Messages in the spool that the flow has not read", ["shard"])
_SELECT = "select last, n, received_ns, crc, sizes, body from batch where last > ? order by last limit 4"


class SpoolReader:
    """Reads a spool in order of offsets, over all its segments. Never waits for writers.

    The position is the caller's to keep (in the flow's recovery store); `release` says what will never be asked for
    again. Raises SourceError spool.gone when rows after `after_offset` are released already, spool.ahead when the
    log ends before it: both mean that state and spool do not belong together.
    """

    def __init__(self, folder: Path, shard: int, after_offset: int) -> None:
        self.folder, self.shard = Path(folder), shard
        self.position = after_offset  #: offset of the last message that `read` returned
        self._fetched: Messages | None = None  # a few rows' messages, returned up to index _at
        self._at = 0
        self._fetched_to = after_offset
        self._db: sqlite3.Connection | None = None
        self._segment: seg.Segment | None = None
        self._stuck_before = 0
        try:
            seg.remove_orphans(self.folder)
            last = self._open_at(after_offset + 1)
        except (sqlite3.Error, OSError) as error:
            raise seg.as_source_error(error, shard, self.folder) from error
        if after_offset > last:
            self.close()
            raise SourceError("spool.ahead", shard=shard, offset=after_offset, last=last)

    def read(self, max_messages: int, max_bytes: int) -> Sequence[Message]:
        """The next messages, as many as there are up to both limits; none if there are none.

        At least one message is returned if there is one, however long. Raises SourceError spool.corrupt when a row
        is not what was written.
        """
        if max_messages < 1:
            raise ValueError(f"max_messages must be at least 1, got {max_messages}")
        parts: list[Messages] = []
        room, count = max_bytes, 0
        while count < max_messages:
            if self._fetched is None and not self._fetch():
                break
            fetched, at = self._fetched, self._at
            if fetched is None:  # what _fetch promises, for the reader of types
                break
            begun = int(fetched.ends[at - 1]) + 1 if at else 0
            # Bodies up to index i take ends[i] + 1 - begun bytes less the byte 0 behind each.
            taken = fetched.ends[at:] + 1 - begun - np.arange(1, len(fetched) - at + 1)
            stop = at + min(int(np.searchsorted(taken, room, side="right")), max_messages - count)
            if stop == at:  # the next one is longer than the room left
                if parts:
                    break
                stop += 1
            parts.append(fetched.part(at, stop))
            room -= int(taken[stop - at - 1])
            count += stop - at
            self._at = stop
            if stop == len(fetched):
                self._fetched = None
        if not parts:
            return []
        messages = Messages.joined(parts)
        self.position = int(messages.offset[-1])
        return messages

    def release(self, up_to_offset: int) -> None:
        """Rows at or before `up_to_offset` may go; unlinks the segments that hold nothing else.

        Never the newest segment, so offsets are not used again. Space comes back in whole segments.
        """
        kept = seg.segments(self.folder)
        for segment, following in pairwise(kept):
            if following.first - 1 > min(up_to_offset, self.position):
                break
            seg.remove(segment)  # also when it is the open one: read to its end, it needs its name no more
            log.info("spool.segment_gone", shard=self.shard, first=segment.first, last=following.first - 1)

    def last_offset(self) -> int:
        """Offset of the newest message in the spool; on a full disk that of the last finished segment, at least."""
        newest = seg.segments(self.folder)[-1]
        try:
            if self._db is not None and newest == self._segment:
                return seg.tail(self._db)[0]
            with closing(seg.connect(newest.path)) as db:
                return seg.tail(db)[0]
        except (sqlite3.Error, OSError) as error:
            problem = seg.as_source_error(error, self.shard, self.folder)
            if problem.code != "spool.disk_full":
                raise problem from error
            return newest.first - 1

    def depth(self) -> int:
        """Messages that `read` has not returned yet."""
        unread = self.last_offset() - self.position
        DEPTH.labels(self.shard).set(unread)
        return unread

    def close(self) -> None:
        """Close the files."""
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _open_at(self, offset: int) -> int:
        """Open the segment that holds (or will hold) `offset`; returns the last offset it has now."""
        kept = seg.segments(self.folder)
        if not kept or kept[0].first > offset:
            first = kept[0].first if kept else 0
            raise SourceError("spool.gone", shard=self.shard, offset=offset, first=first, folder=self.folder)
        segment = [one for one in kept if one.first <= offset][-1]
        fresh = (seg.connect if segment == kept[-1] else seg.connect_finished)(segment.path)
        self.close()
        self._db, self._segment = fresh, segment
        return seg.tail(fresh)[0]

    def _step_into(self, segment: seg.Segment) -> bool:
        """Go on in the next segment; False, said once, when a full disk has no room for its wal-index."""
        try:
            self._open_at(segment.first)
        except (sqlite3.Error, OSError) as error:
            problem = seg.as_source_error(error, self.shard, self.folder)
            if problem.code != "spool.disk_full":
                raise problem from error
            if self._stuck_before != segment.first:
                self._stuck_before = segment.first
                log.warning(problem.code, shard=self.shard, folder=str(self.folder), reading=segment.first)
            return False
        return True

    def _fetch(self) -> bool:
        """Fetch a few rows, from the next segment where this one ends; False when there are none."""
        try:
            while True:
                if self._db is None or self._segment is None:
                    raise SourceError("spool.failed", shard=self.shard, folder=self.folder, problem="closed")
                # fetchall ends the read transaction; an open one would keep the WAL from ever being reset
                rows = self._db.execute(_SELECT, (self._fetched_to,)).fetchall()
                if rows:
                    break
                following = next((one for one in seg.segments(self.folder) if one.first > self._segment.first), None)
                # a segment that begins later than the next offset: rows came between the two looks, look again
                if following is None:
                    return False
                if following.first == self._fetched_to + 1 and not self._step_into(following):
                    return False
        except (sqlite3.Error, OSError) as error:
            raise seg.as_source_error(error, self.shard, self.folder) from error
        fetched = []
        for row in rows:
            messages = seg.unpack(seg.Row(*row))
            if messages is None:
                raise SourceError("spool.corrupt", shard=self.shard, file=self._segment.path, offset=row[0])
            skip = self._fetched_to - (row[0] - row[1])  # only the first row of a reader begins in the middle
            fetched.append(messages.part(skip, len(messages)))
            self._fetched_to = row[0]
        self._fetched, self._at = Messages.joined(fetched), 0
        return True
