"""Making good what was given up while InfluxDB was away: the local history has it still.

A gap is a time range for each measurement. It is refilled when the queues are empty, an hour of plant time after the
other, some series at a step; it shrinks with each hour that InfluxDB has taken. What a crash interrupts is done again
from that hour, which changes nothing.

A step reads the history and delivers what it read before anything else is delivered, past the queues. So InfluxDB
never keeps an older revision for a newer one: a flow writes a revision to the history before it writes it to its queue,
hence what a step has not seen is not delivered yet, and replaces the step's lines when it is. A step that fails is
read anew. Rejected: writing into the sender's queue, where lines grow old while the flow's newer ones overtake them,
and of which an hour of 600 series did not fit into the 64 MB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import structlog
from prometheus_client import Counter, Gauge

from andon.figures import KINDS
from andon.outputs import WindowRows
from andon.readings import NS_PER_S
from flows.influx import OutputEncoder
from sinks.history_reader import HistoryReader, WindowColumns
from sinks.influx import gaps
from sinks.influx.gaps import Ranges
from sinks.segments import Gap, SegmentReader

STEP_NS = 3600 * NS_PER_S
STEP_LINES = 5_000  # a step ends with the series that reaches it
STEP_READS = 200  # series of a step; where they have nothing, reading is what takes the time
KEPT = ("window", "oee", "cold_chain", "state")  # what the local history has
FIGURES = tuple(KINDS)
MOST = 1_000_000  # rows of one series in one hour
GAPS = Gauge("andon_influx_gaps", "Segments given up and not yet refilled.", multiprocess_mode="livemostrecent")
REFILLED = Counter("andon_influx_refilled_lines_total", "Lines written again from the local history.")
log = structlog.get_logger()


@dataclass
class Hour:
    """An hour of a gap: what reads its series and figures, one after the other, and how many of them are delivered.

    wanted : the ranges of the whole gap, of what the history has
    """

    of: tuple[str, Gap]
    wanted: Ranges
    end_ns: int
    reads: Sequence[Callable[[], bytes]]
    done: int = 0
    lines: int = 0


class Refill:
    """Refills the gaps of `queues` from the histories of their shards.

    queues    : reader of each shard's queue, and of the sender's own
    histories : reader of each shard's file; a queue without one is refilled from all of them
    again     : called for each measurement that its feed must write anew ("alarm", "ledger")
    sizes_ns  : lengths of windows that there are
    send      : delivers lines of a queue; False: not all of them, give them again later
    """

    def __init__(
        self, queues: Mapping[str, SegmentReader], histories: Mapping[str, HistoryReader], encoder: OutputEncoder,
        again: Callable[[str], None], sizes_ns: Sequence[int], send: Callable[[str, Sequence[bytes]], bool],
    ) -> None:  # fmt: skip
        self._queues, self._histories, self._encoder = queues, histories, encoder
        self._again, self._sizes_ns, self._send = again, tuple(sizes_ns), send
        self._ids: dict[tuple[str, str], int] = {}
        self._hour: Hour | None = None

    def open(self) -> int:
        """How many segments were given up and not made good; what people asked for is no loss."""
        count = sum(gap.number != gaps.ASKED for reader in self._queues.values() for gap in reader.gaps())
        GAPS.set(count)
        return count

    def step(self) -> bool:
        """Deliver the next part of the oldest gap of the first queue that has one; whether that went on."""
        for name, reader in self._queues.items():
            gaps.take_asks(reader)
            if (gap := gaps.first_gap(reader)) is not None:
                return self._refill(name, reader, gap)
        return False

    def _refill(self, name: str, reader: SegmentReader, gap: Gap) -> bool:
        if self._hour is None or self._hour.of != (name, gap):
            lean = self._hour is None or self._hour.lines == 0
            self._hour = self._begun(name, gap, skip=lean)
        hour, upto = self._hour, self._hour.done
        lines: list[bytes] = []
        while upto < min(len(hour.reads), hour.done + STEP_READS) and len(lines) < STEP_LINES:
            lines += hour.reads[upto]().splitlines()
            upto += 1
        if not self._send(name, lines):
            return False
        REFILLED.inc(len(lines))
        hour.done, hour.lines = upto, hour.lines + len(lines)
        if upto == len(hour.reads):
            self._finish(name, reader, hour)
        return True

    def _begun(self, name: str, gap: Gap, *, skip: bool) -> Hour:
        """The first hour of a gap. What the history does not have is fed anew, if it can be. skip: empty hours."""
        ranges = gaps.load(gap.summary)
        wanted = {}
        for measurement, times in ranges.items():
            if measurement in KEPT:
                wanted[measurement] = times
            else:
                self._again(measurement)
        if not wanted:
            return Hour((name, gap), {}, 0, ())
        sources = [self._histories[name]] if name in self._histories else list(self._histories.values())
        start_ns, stop_ns = min(low for low, _ in wanted.values()), max(high for _, high in wanted.values()) + 1
        if skip:
            start_ns = self._first_ns(sources, start_ns, stop_ns)
        end_ns = min(start_ns + STEP_NS, stop_ns)
        due = {one for one, (low, high) in wanted.items() if low < end_ns and high >= start_ns}
        reads = [read for history in sources for read in self._reads(history, due, start_ns, end_ns)]
        return Hour((name, gap), wanted, end_ns, reads)

    def _finish(self, name: str, reader: SegmentReader, hour: Hour) -> None:
        gap, end_ns = hour.of[1], hour.end_ns
        rest = {one: (max(low, end_ns), high) for one, (low, high) in hour.wanted.items() if high >= end_ns}
        if rest:
            reader.gap_left(gap.number, gaps.dump(rest))
            return
        reader.gap_done(gap.number)
        self._hour = None
        log.warning("influx.gap_refilled", queue=name, segment=gap.number)

    def _first_ns(self, sources: Sequence[HistoryReader], start_ns: int, stop_ns: int) -> int:
        """The begin of the first hour, counted from start_ns, that has anything; stop_ns: none has.

        By halves: a refill of 90 days at a site that is new would else read 2,160 empty hours.
        """
        if not self._has(sources, start_ns, stop_ns):
            return stop_ns
        empty, hours = 0, -(-(stop_ns - start_ns) // STEP_NS)  # the first `empty` hours have nothing, `hours` have
        while hours - empty > 1:
            middle = (empty + hours) // 2
            if self._has(sources, start_ns, start_ns + middle * STEP_NS):
                hours = middle
            else:
                empty = middle
        return start_ns + empty * STEP_NS

    def _has(self, sources: Sequence[HistoryReader], start_ns: int, end_ns: int) -> bool:
        """Whether some history has a point in [start_ns, end_ns)."""
        for history in sources:
            if any(
                one.start_ns >= start_ns for kind in FIGURES for one in history.figures(kind, start_ns, end_ns, None, 1)
            ):
                return True
            for asset, tag in history.paths():
                if any(history.windows(asset, tag, size, start_ns, end_ns, 1).start_ns for size in self._sizes_ns):
                    return True
                if any(
                    history.spans(asset, tag, one, start_ns, end_ns, 1, gone=True, begun=True)
                    for one in self._encoder.declared((asset, tag))
                ):
                    return True
                if any(time_ns >= start_ns for time_ns, _ in history.states(asset, tag, start_ns, end_ns, 1)):
                    return True
        return False

    def _reads(
        self, history: HistoryReader, due: set[str], start_ns: int, end_ns: int
    ) -> Iterator[Callable[[], bytes]]:
        """What gives the lines of [start_ns, end_ns), a series at a time: none holds more than an hour of one."""
        for asset, tag in history.paths():
            if "window" in due:
                yield partial(self._windows, history, asset, tag, start_ns, end_ns)
            if "state" in due:
                yield partial(self._states, history, asset, tag, start_ns, end_ns)
        for kind in FIGURES:
            if kind in due:
                yield partial(self._figures, history, kind, start_ns, end_ns)

    def _windows(self, history: HistoryReader, asset: str, tag: str, start_ns: int, end_ns: int) -> bytes:
        series = self._ids.setdefault((asset, tag), len(self._ids))
        found = (history.windows(asset, tag, size_ns, start_ns, end_ns, MOST) for size_ns in self._sizes_ns)
        rows = (_rows(series, columns) for columns in found)
        lines = [self._encoder.windows.encode(one, {series: (asset, tag)}) for one in rows]
        for window in self._encoder.declared((asset, tag)):
            spans = history.spans(asset, tag, window, start_ns, end_ns, MOST, gone=True, begun=True)
            lines += [self._encoder.span((asset, tag), window, one) for one in spans]
        return b"".join(lines)

    def _states(self, history: HistoryReader, asset: str, tag: str, start_ns: int, end_ns: int) -> bytes:
        changes = history.states(asset, tag, start_ns, end_ns, MOST)
        return b"".join(self._encoder.state(asset, tag, *change) for change in changes)

    def _figures(self, history: HistoryReader, kind: str, start_ns: int, end_ns: int) -> bytes:
        """Those that begin in the hour: the time of a figure's point is its begin."""
        found = history.figures(kind, start_ns, end_ns, None, MOST, gone=True)
        return b"".join(self._encoder.figure(one) for one in found if one.start_ns >= start_ns)


def _rows(series: int, columns: WindowColumns) -> WindowRows:
    """Columns of one series as rows."""
    n = len(columns.start_ns)
    given = (columns.minimum, columns.maximum, columns.mean, columns.std, columns.first, columns.last, columns.score)
    floats = [np.array([np.nan if value is None else value for value in column], np.float64) for column in given]
    return WindowRows(
        np.full(n, series, np.int32), np.full(n, columns.size_ns), np.array(columns.start_ns, np.int64),
        np.array(columns.revision, np.int32), np.array(columns.count, np.int64), *floats,
    )  # fmt: skip
