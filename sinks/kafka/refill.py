"""Windows that had to be given up while the broker was away: the local history has them still.

Of a segment that is given up only the time range is kept. Its windows come again from the history, each in its newest
revision and under that revision's id; what the history itself has let go since is not sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from sinks.history_reader import HistoryReader
from sinks.kafka.window_lines import SEPARATOR, span_line, window_line
from sinks.segments.files import HEADER_BYTES

MOST = 10_000_000  # windows of one series and size
Range = tuple[int, int]
"""Earliest and latest start of its windows, ns, both inside."""


def summary(path: Path) -> bytes:
    """What is kept of a segment that is given up; what a flow's `SegmentWriter` is given."""
    starts = []
    for line in path.read_bytes()[HEADER_BYTES:].splitlines():
        parts = line.partition(b"\t")[0].split(SEPARATOR.encode())
        if len(parts) == 6:
            starts.append(int(parts[4]))
    return json.dumps({"from_ns": min(starts, default=0), "to_ns": max(starts, default=-1)}).encode()


def range_of(content: bytes) -> Range | None:
    """The range that `summary` wrote; None where it is not one."""
    try:
        told = json.loads(content)
        return int(told["from_ns"]), int(told["to_ns"])
    except (ValueError, KeyError, TypeError):
        return None


class Refill:
    """Gives the windows of a range again.

    series   : (asset path, tag, unit) of every series of the shard that has windows.
    sizes_ns : lengths of windows that there are.
    declared : (asset path, tag) -> ids of the declared windows on the series.
    """

    def __init__(
        self, site: str, history: HistoryReader, series: Sequence[tuple[str, str, str]], sizes_ns: Sequence[int],
        declared: Mapping[tuple[str, str], Sequence[str]] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        self._site, self._history, self._series, self._sizes_ns = site, history, list(series), list(sizes_ns)
        self._declared = declared

    def lines(self, span: Range) -> Iterator[list[bytes]]:
        """Lines of one series and size after the other, as the queue had them; sqlite3.Error while it is busy."""
        low_ns, high_ns = span
        for asset, tag, unit in self._series:
            for size_ns in self._sizes_ns:
                found = self._history.windows(asset, tag, size_ns, low_ns, high_ns + 1, MOST)
                columns = (
                    found.start_ns, found.revision, found.count, found.minimum, found.maximum, found.mean, found.std,
                    found.first, found.last, found.score,
                )  # fmt: skip
                yield [window_line(self._site, asset, tag, unit, size_ns, *row) for row in zip(*columns, strict=True)]
            for window in self._declared.get((asset, tag), ()):
                spans = self._history.spans(asset, tag, window, low_ns, high_ns + 1, MOST, gone=True, begun=True)
                yield [
                    span_line(
                        self._site, asset, tag, unit, window, one.start_ns, one.end_ns, one.revision, one.count,
                        one.statistics,
                    )
                    for one in spans
                ]  # fmt: skip
