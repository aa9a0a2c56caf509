"""The history as the control room reads it, with windows, figures and states from InfluxDB.

Everything else, and these too while InfluxDB does not answer or has nothing, is read from the local files, which the
flows write in any case. One failure or one slow answer, and for half a minute nobody asks InfluxDB again: the page
never waits twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Final

import structlog
from prometheus_client import Counter

from andon.figures import KINDS
from andon.outputs import Figure
from andon.readings import NS_PER_S
from sinks.history_reader import HistoryReader, WindowColumns
from sinks.influx.client import InfluxError
from sinks.influx.flux import Ask, Row, between, condition, number, text, time_ns, where
from sinks.influx.lines import tag_value
from sinks.influx.schema import ABOUT, VOID, tags_of
from sinks.influx.window_lines import SIZE, size_name

LIMIT_S: Final = 2.0  # for one answer
LOCAL_S: Final = 30.0  # after a failure
NEWEST_S: Final = 2.0  # how old the newest figures may be
SPAN_NS: Final = 24 * 3600 * NS_PER_S  # what newest figures are kept by
_COLUMNS: Final = ("min", "max", "mean", "std", "first", "last", "score")
_PIVOT: Final = '|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
READS = Counter("andon_influx_reads_total", "Reads of the history, by where the answer came from.", ["source"])
log = structlog.get_logger()


class InfluxHistory(HistoryReader):
    """Like `HistoryReader`, over InfluxDB where that is as good. Safe for use by several threads.

    paths      : the local files of all shards
    ask        : runs a query
    part_names : the parts of each kind of figure: those that the answer lacks are None
    kept_from  : the time from which InfluxDB keeps, ns; what began earlier is read locally
    behind     : whether InfluxDB is so far behind the local files that these are better
    longest_ns : length of the longest figure
    """

    def __init__(
        self, paths: Sequence[Path], ask: Ask, site: str, bucket: str, *, part_names: Mapping[str, Sequence[str]],
        kept_from: Callable[[], int], behind: Callable[[], bool] = lambda: False,
        longest_ns: int = SPAN_NS, now_s: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        super().__init__(paths)
        self._ask, self._site, self._bucket, self._from = ask, site, bucket, f"from(bucket: {text(bucket)})"
        self._part_names, self._kept_from, self._behind, self._now_s = part_names, kept_from, behind, now_s
        self._longest_ns = longest_ns
        self._lock = Lock()
        self._local_until_s = float("-inf")
        self._newest: dict[tuple[str, int], tuple[float, list[Figure]]] = {}

    @property
    def source(self) -> str:
        """Where windows, figures and states come from just now: "influx" or "local"."""
        return "local" if self._now_s() < self._local_until_s or self._behind() else "influx"

    def windows(
        self, asset: str, tag: str, size_ns: int, start_ns: int, end_ns: int, limit: int = 5000
    ) -> WindowColumns:
        flux = (
            f"{self._from} {between(start_ns, end_ns)} "
            f"{self._series('window', asset, tag, size=size_name(size_ns))} {_PIVOT} "
            f'|> group() |> sort(columns: ["_time"], desc: true) |> limit(n: {limit})'
        )
        found = self._rows(flux, start_ns) if start_ns < end_ns else None
        if found is None:
            return super().windows(asset, tag, size_ns, start_ns, end_ns, limit)
        found.sort(key=lambda row: time_ns(row["_time"]))
        columns = [[number(row.get(name)) for row in found] for name in _COLUMNS]
        whole = [[round(float(row[name])) for row in found] for name in ("revision", "count")]
        return WindowColumns(size_ns, [time_ns(row["_time"]) for row in found], whole[0], whole[1], *columns)

    def sizes(self, asset: str, tag: str) -> list[int]:
        flux = (
            f'import "influxdata/influxdb/schema"\n'
            f'schema.tagValues(bucket: {text(self._bucket)}, tag: "size", start: time(v: {self._kept_from()}), '
            f"predicate: {condition({'_measurement': 'window', 'asset': tag_value(asset), 'series': tag_value(tag)})})"
        )
        found = self._rows(flux, None)
        if found is None:
            return super().sizes(asset, tag)
        sizes = [row["_value"] for row in found if SIZE.fullmatch(row["_value"])]  # the others are declared windows
        return sorted(round(float(size.removesuffix("s")) * NS_PER_S) for size in sizes)

    def figures(
        self, kind: str, start_ns: int, end_ns: int, asset: str | None = None, limit: int = 5000, *,
        as_of_ns: int | None = None, gone: bool = False,
    ) -> list[Figure]:  # fmt: skip
        if as_of_ns is not None or gone:
            return super().figures(kind, start_ns, end_ns, asset, limit, as_of_ns=as_of_ns, gone=gone)
        wanted = {"_measurement": kind, "site": tag_value(self._site)}
        if asset is not None:
            wanted["asset"] = tag_value(asset)
        flux = f"{self._from} {between(start_ns - self._longest_ns, end_ns)} {where(wanted)} {_PIVOT}"
        found = self._rows(flux, start_ns) if start_ns < end_ns else None
        if found is None:
            return super().figures(kind, start_ns, end_ns, asset, limit)
        figures = [one for row in found if not _gone(row) and (one := self._figure(kind, row)).end_ns > start_ns]
        figures.sort(key=lambda one: (one.start_ns, one.asset, one.tag))
        return figures[-limit:]

    def newest_figures(self, kind: str, since_ns: int = 0) -> list[Figure]:
        now_s, span = self._now_s(), since_ns // SPAN_NS
        with self._lock:
            kept = self._newest.get((kind, span))
        if kept is not None and 0 <= now_s - kept[0] < NEWEST_S and self.source == "influx":
            return [one for one in kept[1] if one.end_ns > since_ns]
        wanted = where({"_measurement": kind, "site": tag_value(self._site)})
        groups = ", ".join(text(tag) for tag in tags_of(kind))
        from_ns = max(self._kept_from(), span * SPAN_NS - self._longest_ns)
        flux = (
            f"{self._from} {between(from_ns, 2**63 - 3)} {wanted} {_PIVOT} "
            f'|> group(columns: [{groups}]) |> sort(columns: ["_time"], desc: true) |> limit(n: 1)'
        )
        found = self._rows(flux, None)
        if found is None:
            figures = super().newest_figures(kind, span * SPAN_NS)
        else:
            figures = sorted(
                (self._figure(kind, row) for row in found if not _gone(row)), key=lambda one: (one.asset, one.tag)
            )
        with self._lock:
            self._newest[kind, span] = (now_s, figures)
            while len(self._newest) > 8:
                del self._newest[next(iter(self._newest))]
        return [one for one in figures if one.end_ns > since_ns]

    def states(
        self, asset: str, tag: str, start_ns: int, end_ns: int, limit: int = 5000
    ) -> list[tuple[int, float | None]]:
        series = self._series("state", asset, tag)
        flux = (
            f'{self._from} {between(self._kept_from(), start_ns + 1)} {series} |> last() |> yield(name: "lead")\n'
            f"{self._from} {between(start_ns + 1, end_ns)} {series} {_PIVOT} |> group() "
            f'|> sort(columns: ["_time"], desc: true) |> limit(n: {limit}) |> yield(name: "changes")'
        )
        found = self._rows(flux, start_ns) if start_ns + 1 < end_ns else None
        if found is None:
            return super().states(asset, tag, start_ns, end_ns, limit)
        lead = {row["_field"]: row for row in found if "_field" in row}
        changes = [(time_ns(row["_time"]), number(row.get("value"))) for row in found if "_field" not in row]
        if "name" in lead:  # every change has a name; one without a value has the time of an older one's value
            stamp, value = lead["name"]["_time"], lead.get("value", {})
            changes.append((time_ns(stamp), number(value.get("_value")) if value.get("_time") == stamp else None))
        return sorted(changes, key=lambda change: change[0])[-limit:]

    def _rows(self, flux: str, start_ns: int | None) -> list[Row] | None:
        """The answer; None where the local files are to be asked. start_ns: the earliest time wanted."""
        if self.source == "local" or (start_ns is not None and start_ns < self._kept_from()):
            READS.labels("local").inc()
            return None
        try:
            found = self._ask(flux)
        except InfluxError as error:
            with self._lock:
                open_before = self._now_s() < self._local_until_s
                self._local_until_s = self._now_s() + LOCAL_S
            if not open_before:
                log.warning("influx.read_locally", kind=error.kind, status=error.status, detail=error.detail)
            READS.labels("local").inc()
            return None
        if not found:  # a bucket that is new, was lost, or keeps for less long than configured: the files may have it
            READS.labels("local").inc()
            return None
        READS.labels("influx").inc()
        return found

    def _series(self, measurement: str, asset: str, tag: str, **more: str) -> str:
        return where({
            "_measurement": measurement, "site": tag_value(self._site), "asset": tag_value(asset),
            "series": tag_value(tag), **more,
        })  # fmt: skip

    def _figure(self, kind: str, row: Row) -> Figure:
        start_ns = time_ns(row["_time"])
        parts = {name: number(row.get(name)) for name in self._part_names.get(kind) or _part_names(kind)}
        length_ns = round(float(row["seconds"]) * NS_PER_S)
        return Figure(
            row["asset"], row.get("series", ""), kind, start_ns, start_ns + length_ns, round(float(row["revision"])),
            row["final"] == "1", parts,
            {name.removeprefix(ABOUT): told for name, told in row.items() if name.startswith(ABOUT) and told},
        )  # fmt: skip


def _gone(row: Row) -> bool:
    """Whether late rows took the figure away."""
    return bool(number(row.get(VOID)))


def _part_names(kind: str) -> list[str]:
    return [part.name for part in KINDS[kind].parts if not part.at_read]
