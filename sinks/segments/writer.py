"""Appending to a queue of lines; one writer a folder, fenced by its flow."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import structlog

from andon.clock import Clock, SystemClock
from andon.datafolder import write_durably
from sinks.segments import files
from sinks.segments.files import HEADER_BYTES, SEGMENT_BYTES, Header, Position, Segment

log = structlog.get_logger()


def counted(path: Path) -> bytes:
    """What is kept of a segment that is given up, if the writer is told nothing better: its rows and bytes."""
    body = path.read_bytes()[HEADER_BYTES:]
    return json.dumps({"rows": body.count(b"\n"), "bytes": len(body)}).encode()


class SegmentWriter:
    """The writing end. Call `restore` once before the first `write`.

    folder        : made (0700) when it does not exist.
    segment_bytes : a new file is begun at this size.
    max_bytes     : at this size the oldest finished segments are given up, delivered or not, so the folder never
                    holds more (but for one `write`). None: no cap.
    summary       : what to keep of such a segment, as the reader finds it in `gaps`.
    """

    def __init__(
        self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES, max_bytes: int | None = None,
        summary: Callable[[Path], bytes] = counted, clock: Clock | None = None,
    ) -> None:  # fmt: skip
        self.folder = Path(folder)
        # the open segment cannot be given up, so a cap must leave room for several
        self.segment_bytes = segment_bytes if max_bytes is None else max(1, min(segment_bytes, max_bytes // 4))
        self.max_bytes, self._summary, self._clock = max_bytes, summary, clock or SystemClock()
        self._handle: int | None = None
        self._number = self._bytes = self._rows = self._rows_before = 0
        self._synced = True

    def restore(self, position: Position | None) -> None:
        """Go on after a position that `flush` gave; what was written after it goes away, as far as it is still here.

        None: there is no state, so all that stands here stays and is delivered. Either way writing goes on in a new
        segment: a reader may be anywhere in the old ones.
        """
        self.close()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = files.segments(self.folder)
        marked = files.read_mark(self.folder).position[0]
        newest = max([marked, position[0] if position else 0, *(one.number for one in kept)])
        self._begin(newest + 1, self._rows_kept(kept, position))  # before anything goes: see sinks/segments/files.py
        for segment in kept:
            if position is None:
                continue
            if segment.number > position[0]:
                segment.path.unlink(missing_ok=True)
            elif segment.number == position[0] and files.size_bytes(segment.path) > position[1]:
                os.truncate(segment.path, position[1])

    def write(self, lines: bytes, rows: int) -> None:
        """Append whole lines, each ended by a line feed. The reader may see them at once; `flush` makes them durable.

        rows : how many lines those are.
        Raises ValueError when the last line has no end, OSError with nothing appended (disk full, for one).
        """
        if not lines:
            return
        if not lines.endswith(b"\n"):
            raise ValueError(f"lines must end with a line feed, got {lines[-20:]!r}")
        if self._bytes >= self.segment_bytes:
            self._rotate()
        handle, done = self._opened(), 0
        try:
            while done < len(lines):
                done += os.write(handle, memoryview(lines)[done:])
        except OSError:
            os.ftruncate(handle, self._bytes)  # else the next line would be joined to half of this one
            raise
        self._bytes += len(lines)
        self._rows += rows
        self._synced = False

    def flush(self) -> Position:
        """Everything written so far is on disk; the position is what `restore` takes after a crash."""
        if not self._synced:
            os.fdatasync(self._opened())
            self._synced = True
        return (self._number, self._bytes, self._rows)

    def close(self) -> None:
        """Let go of the file. What was not flushed may be lost with the machine, not with the process."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _opened(self) -> int:
        if self._handle is None:
            raise ValueError(f"{self.folder}: the writer is closed, or restore was not called")
        return self._handle

    def _rotate(self) -> None:
        self.flush()
        if self.max_bytes is not None:
            self._make_room(self.max_bytes - self.segment_bytes)
        finished, rows = self._opened(), self._rows_before + self._rows
        self._begin(self._number + 1, rows)
        os.close(finished)

    @staticmethod
    def _rows_kept(kept: list[Segment], position: Position | None) -> int:
        if position is not None:
            path = next((one.path for one in kept if one.number == position[0]), None)
            return 0 if path is None else files.read_header(path).rows_before + position[2]
        if not kept:
            return 0
        last = kept[-1].path
        return files.read_header(last).rows_before + last.read_bytes().count(b"\n") - 1

    def _begin(self, number: int, rows_before: int) -> None:
        self._handle = files.create(self.folder, number, Header(rows_before, self._clock.now_ns()))
        self._number, self._rows_before = number, rows_before
        self._bytes, self._rows, self._synced = HEADER_BYTES, 0, True

    def _make_room(self, limit_bytes: int) -> None:
        """Give up the oldest finished segments until the folder holds no more than `limit_bytes`."""
        kept = files.segments(self.folder)
        sizes = [files.size_bytes(one.path) for one in kept]
        total = sum(sizes)
        for segment, size in zip(kept[:-1], sizes, strict=False):
            if total <= limit_bytes:
                return
            try:
                write_durably(segment.path.with_suffix(files.GAP_SUFFIX), self._summary(segment.path))
            except FileNotFoundError:  # delivered and removed meanwhile
                total -= size
                continue
            segment.path.unlink(missing_ok=True)
            total -= size
            log.error("segments.given_up", folder=str(self.folder), segment=segment.number, bytes=size)
