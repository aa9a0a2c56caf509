"""Windows of a shard, out of the segment queue that its flow writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog
from prometheus_client import Counter

from sinks.kafka.message import Outgoing
from sinks.kafka.refill import Refill, range_of
from sinks.segments import Gap, Position, SegmentReader

MAX_BYTES = 2_000_000
_refilled = Counter("andon_kafka_out_refilled_total", "Windows sent from the history: the queue had reached its cap.")
log = structlog.get_logger()


class WindowFeed:
    """Reads the segments of one shard; when they are empty, refills what was given up at the cap.

    A refill that a crash interrupts begins anew: the same windows under the same ids. lost: segments that nothing
    could be refilled of.
    """

    def __init__(self, folder: Path, shard: int, refill: Refill | None = None) -> None:
        self.name, self.lost = f"shard-{shard}", 0
        self._reader = SegmentReader(folder)
        self._refill = refill
        self._lines: list[bytes] = []
        self._end: Position | None = None  # of the lines in the queue; None: the lines offered are a refill's
        self._gap: tuple[int, Iterator[list[bytes]]] | None = None
        self._gap_lines: list[bytes] = []  # of it, not confirmed

    def read(self, most: int) -> Sequence[Outgoing]:
        """The next windows; key asset/series."""
        self._reader.rewind()
        content, end = self._reader.read(MAX_BYTES, most)
        if content:
            self._lines, self._end = content.splitlines(keepends=True), end
        else:
            self._fill()
            self._lines, self._end = self._gap_lines[:most], None
        return [_message(line) for line in self._lines]

    def confirm(self, count: int) -> None:
        """Up to and with line `count` of what was read."""
        if not count:
            return
        if self._end is None:
            del self._gap_lines[:count]
            _refilled.inc(count)
        else:
            segment, byte, rows = self._end
            rest = self._lines[count:]
            self._reader.done((segment, byte - sum(map(len, rest)), rows - len(rest)))

    def backlog_bytes(self) -> int:
        """Bytes in the segments that are not with the broker."""
        return self._reader.backlog_bytes()

    def _fill(self) -> None:
        """Take the next lines of the oldest gap, when those before are confirmed."""
        while not self._gap_lines:
            if self._gap is None:
                gaps = self._reader.gaps()
                if not gaps:
                    return
                self._begin(gaps[0])
                continue
            number, parts = self._gap
            try:
                found = next(parts, None)
            except BaseException:  # from the beginning then: an iterator that broke seems to be at its end
                self._gap = None
                raise
            if found is None:
                self._gap = None
                self._reader.gap_done(number)
            else:
                self._gap_lines = found

    def _begin(self, gap: Gap) -> None:
        span = range_of(gap.summary)
        if self._refill is None or span is None:
            self.lost += 1
            log.error("kafka_out.given_up", feed=self.name, segment=gap.number)
            self._reader.gap_done(gap.number)
        else:
            log.warning("kafka_out.refilling", feed=self.name, segment=gap.number)
            self._gap = gap.number, self._refill.lines(span)


def _message(line: bytes) -> Outgoing:
    told, _, value = line.partition(b"\t")
    parts = told.split(b"|")
    return Outgoing(b"%s/%s" % (parts[1], parts[2]), value[:-1], [("id", told)])
