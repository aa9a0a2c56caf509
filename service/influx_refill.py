"""Making good what was given up while InfluxDB was away: the local history has it still.

A gap is a time range for each measurement. It is refilled an hour of plant time at a step, when the queues are nearly
empty, and shrinks with each step; what a crash interrupts is done again from that hour, which changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import structlog
from prometheus_client import Counter, Gauge

from andon.outputs import WindowRows
from andon.readings import NS_PER_S
from flows.influx import OutputEncoder
from sinks.history_reader import HistoryReader, WindowColumns
from sinks.influx import gaps
from sinks.influx.gaps import Ranges
from sinks.segments import Gap, SegmentReader, SegmentWriter

STEP_NS = 3600 * NS_PER_S
KEPT = ("window", "oee", "cold_chain", "state")  # what the local history has
MOST = 1_000_000  # rows of one series in one step
GAPS = Gauge("andon_influx_gaps", "Segments given up and not yet refilled.", multiprocess_mode="livemostrecent")
REFILLED = Counter("andon_influx_refilled_lines_total", "Lines written again from the local history.")
log = structlog.get_logger()


class Refill:
    """Refills the gaps of `queues` from the histories of their shards.

    queues    : reader of each shard's queue, and of the sender's own under `own`
    histories : reader of each shard's file
    again     : called for each measurement of the sender's own queue ("alarm", "ledger") that it must feed anew
    sizes_ns  : lengths of windows that there are
    """

    def __init__(
        self, queues: Mapping[str, SegmentReader], histories: Mapping[str, HistoryReader], encoder: OutputEncoder,
        own: str, again: Callable[[str], None], sizes_ns: Sequence[int],
    ) -> None:  # fmt: skip
        self._queues, self._histories, self._encoder = queues, histories, encoder
        self._own, self._again, self._sizes_ns = own, again, tuple(sizes_ns)
        self._ids: dict[tuple[str, str], int] = {}

    def open(self) -> int:
        """How many gaps wait."""
        count = sum(len(reader.gaps()) for reader in self._queues.values())
        GAPS.set(count)
        return count

    def step(self, writer: SegmentWriter) -> int:
        """Refill an hour of the oldest gap of each queue into `writer`; returns how many lines."""
        lines = 0
        for name, reader in self._queues.items():
            found = reader.gaps()
            if found:
                lines += self._refill(name, reader, found[0], writer)
        REFILLED.inc(lines)
        return lines

    def _refill(self, name: str, reader: SegmentReader, gap: Gap, writer: SegmentWriter) -> int:
        ranges = gaps.load(gap.summary)
        for measurement in ranges:
            self._again(measurement)
        wanted = {name: times for name, times in ranges.items() if name in KEPT}
        if not wanted:
            reader.gap_done(gap.number)
            return 0
        start_ns = min(low for low, _ in wanted.values())
        end_ns = min(start_ns + STEP_NS, max(high for _, high in wanted.values()) + 1)
        sources = self._histories.values() if name == self._own else [self._histories[name]]
        rows = 0
        for history in sources:
            for lines in self._lines(history, wanted, start_ns, end_ns):
                writer.write(lines, count := lines.count(b"\n"))
                rows += count
        writer.flush()
        rest = {one: (max(low, end_ns), high) for one, (low, high) in wanted.items() if high >= end_ns}
        if rest:
            reader.gap_left(gap.number, gaps.dump(rest))
        else:
            reader.gap_done(gap.number)
            log.warning("influx.gap_refilled", queue=name, segment=gap.number)
        return rows

    def _lines(self, history: HistoryReader, wanted: Ranges, start_ns: int, end_ns: int) -> list[bytes]:
        """Everything of [start_ns, end_ns) that was wanted."""
        found = []
        for asset, tag in history.paths():
            if "window" in wanted:
                series = self._ids.setdefault((asset, tag), len(self._ids))
                for size_ns in self._sizes_ns:
                    columns = history.windows(asset, tag, size_ns, start_ns, end_ns, MOST)
                    found.append(self._encoder.windows.encode(_rows(series, columns), {series: (asset, tag)}))
            if "state" in wanted:
                changes = history.states(asset, tag, start_ns, end_ns, MOST)
                found += [self._encoder.state(asset, tag, *change) for change in changes]
        for kind in ("oee", "cold_chain"):
            if kind in wanted:
                found += [self._encoder.figure(one) for one in history.figures(kind, start_ns, end_ns, None, MOST)]
        return [lines for lines in found if lines]


def _rows(series: int, columns: WindowColumns) -> WindowRows:
    """Columns of one series as rows."""
    n = len(columns.start_ns)
    given = (columns.minimum, columns.maximum, columns.mean, columns.std, columns.first, columns.last, columns.score)
    floats = [np.array([np.nan if value is None else value for value in column], np.float64) for column in given]
    return WindowRows(
        np.full(n, series, np.int32), np.full(n, columns.size_ns), np.array(columns.start_ns, np.int64),
        np.array(columns.revision, np.int32), np.array(columns.count, np.int64), *floats,
    )  # fmt: skip
