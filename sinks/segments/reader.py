"""Reading a queue of lines; one reader a folder, in the process that sends them."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import structlog

from andon.clock import Clock, SystemClock
from andon.datafolder import write_durably
from andon.readings import NS_PER_S
from sinks.segments import files
from sinks.segments.files import HEADER_BYTES, Mark, Position, Segment

log = structlog.get_logger()
LINE_FEED = 10


class Gap(NamedTuple):
    """A segment that was given up at the cap, and what its writer kept of it."""

    number: int
    summary: bytes


class SegmentReader:
    """The reading end. A folder that is not there yet reads as empty. Never waits for the writer.

    `read` goes on where the last `read` ended, after a restart where the last `done` was.
    """

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self.folder, self._clock = Path(folder), clock or SystemClock()
        self._mark = files.read_mark(self.folder)
        self._at: Position = self._mark.position
        self._out = False  # whether lines were read that are not done
        self._file: tuple[int, int] | None = None  # (segment, handle)
        self._tail = (0, HEADER_BYTES, 0)  # lines counted in the newest segment, up to a byte

    def read(self, max_bytes: int, max_rows: int | None = None) -> tuple[bytes, Position]:
        """The next whole lines, as many as there are up to both limits, and the position after them.

        One line is returned if there is one, however long. No lines: nothing is there now.
        """
        while True:
            kept = files.segments(self.folder)  # before the read: a segment with a follower grows no more
            here = next((one for one in kept if one.number >= self._at[0]), None)
            if here is None:
                return b"", self._at
            if here.number > self._at[0] or not self._at[1]:
                self._at = (here.number, HEADER_BYTES, 0)
            lines = self._whole_lines(here, max_bytes)
            if lines:
                break
            following = next((one for one in kept if one.number > here.number), None)
            if following is None:
                return b"", self._at
            self._at = (following.number, HEADER_BYTES, 0)
            if not self._out:  # only a torn line was left, which its writer writes again
                self.done(self._at)
        rows = lines.count(b"\n")
        if max_rows is not None and rows > max_rows:
            ends = np.flatnonzero(np.frombuffer(lines, np.uint8) == LINE_FEED)
            lines, rows = lines[: int(ends[max_rows - 1]) + 1], max_rows
        number, byte, before = self._at
        self._at, self._out = (number, byte + len(lines), before + rows), True
        return lines, self._at

    def done(self, position: Position) -> None:
        """Everything up to a position that `read` gave is delivered: durable, and finished segments before it go."""
        self._out = self._out and position < self._at
        kept = files.segments(self.folder)
        finished = {one.number: following.number for one, following in pairwise(kept)}
        number, byte, _ = position
        if number in finished and byte >= files.size_bytes(self._path(number)):
            position = (finished[number], HEADER_BYTES, 0)
            self._at = max(self._at, position)
        empty_ns = self._clock.now_ns() if self._bytes_after(position, kept) == 0 else self._mark.empty_ns
        mark = Mark(position, empty_ns)
        files.write_mark(self.folder, mark)
        self._mark = mark
        for one in kept[:-1]:  # never the newest: its number must not come again
            if one.number < position[0]:
                one.path.unlink(missing_ok=True)

    def rewind(self) -> None:
        """Read again what is not `done`."""
        self._at, self._out = self._mark.position, False

    def backlog_bytes(self) -> int:
        """Bytes that are not `done`."""
        return self._bytes_after(self._mark.position, files.segments(self.folder))

    def backlog_rows(self) -> int:
        """Lines that are not `done`; an estimate after a crash of the writer or lines given up, else exact."""
        kept = [one for one in files.segments(self.folder) if one.number >= self._mark.position[0]]
        if not kept:
            return 0
        first, newest = files.read_header(kept[0].path), files.read_header(kept[-1].path)
        delivered = self._mark.position[2] if kept[0].number == self._mark.position[0] else 0
        return max(0, newest.rows_before - first.rows_before + self._rows_in(kept[-1]) - delivered)

    def oldest_ns(self) -> int | None:
        """When the oldest line that is not `done` was written, ns of the machine, or earlier; None without any.

        Known to a segment: the later of its begin and the last time that the queue was seen empty.
        """
        for one in files.segments(self.folder):
            number, byte, _ = self._mark.position
            done_to = byte if one.number == number else HEADER_BYTES
            if one.number >= number and files.size_bytes(one.path) > done_to:
                return max(files.read_header(one.path).begun_ns, self._mark.empty_ns)
        return None

    def oldest_s(self) -> float | None:
        """Age of that line, s; None without any."""
        oldest_ns = self.oldest_ns()
        return None if oldest_ns is None else max(0.0, (self._clock.now_ns() - oldest_ns) / NS_PER_S)

    def gaps(self) -> list[Gap]:
        """Segments that were given up at the cap and not yet made good, oldest first."""
        found = []
        for number in files.numbers(self.folder, files.GAP_SUFFIX):
            with suppress(FileNotFoundError):  # made good meanwhile, by the process that sends
                found.append(Gap(number, self._path(number, files.GAP_SUFFIX).read_bytes()))
        return found

    def gap_left(self, number: int, summary: bytes) -> None:
        """A part of a gap has been made good; this is what is left of it."""
        write_durably(self._path(number, files.GAP_SUFFIX), summary)

    def gap_done(self, number: int) -> None:
        """A gap has been made good, or cannot be."""
        self._path(number, files.GAP_SUFFIX).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file[1])
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _path(self, number: int, suffix: str = files.SUFFIX) -> Path:
        return self.folder / f"{number:012d}{suffix}"

    def _whole_lines(self, segment: Segment, max_bytes: int) -> bytes:
        """Lines from where we are; a torn one at the end (being written, or cut by a crash) is left out."""
        if self._file is None or self._file[0] != segment.number:
            self.close()
            try:
                self._file = (segment.number, os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC))
            except FileNotFoundError:  # given up or rolled back meanwhile
                return b""
        size = max_bytes
        while True:
            data = os.pread(self._file[1], size, self._at[1])
            end = (data.rfind(b"\n") if size == max_bytes else data.find(b"\n")) + 1
            if end or len(data) < size:
                return data[:end]
            size *= 2

    @staticmethod
    def _bytes_after(position: Position, kept: list[Segment]) -> int:
        number, byte, _ = position
        return sum(
            max(0, files.size_bytes(one.path) - (byte if one.number == number else HEADER_BYTES))
            for one in kept
            if one.number >= number
        )

    def _rows_in(self, segment: Segment) -> int:
        """Lines of the newest segment, counted on from the last call."""
        number, byte, rows = self._tail
        if number != segment.number:
            byte, rows = HEADER_BYTES, 0
        try:
            with segment.path.open("rb") as file:
                file.seek(byte)
                data = file.read()
        except FileNotFoundError:
            return 0
        end = data.rfind(b"\n") + 1
        self._tail = (segment.number, byte + end, rows + data.count(b"\n"))
        return self._tail[2]
