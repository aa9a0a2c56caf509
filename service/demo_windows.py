"""The windows in InfluxDB held against those of the local history: the same ones, with the same values, to the bit."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import httpx

from andon.readings import NS_PER_S
from sinks.history import HistoryReader

FIELDS = ("count", "min", "max", "mean", "std", "first", "last", "score", "revision")
Key = tuple[str, str, str, int]  # asset, series, size as its tag says it, start in ns
Values = tuple[float | None, ...]  # in the order of FIELDS; None where there is none
MOST = 1_000_000
SHOWN = 5
TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class WindowsCompared:
    """How many windows InfluxDB has, and how many of those it should have or not have are wrong."""

    windows: int
    missing: int
    extra: int
    different: int
    examples: tuple[str, ...] = ()  # of what is wrong, for people

    @property
    def ok(self) -> bool:
        """As many, and each the same."""
        return not (self.missing or self.extra or self.different)

    @property
    def line(self) -> str:
        """A line of `andon demo --check`; the same in every language, for programs."""
        return (
            f"windows in InfluxDB {self.windows}, missing {self.missing}, extra {self.extra}, "
            f"different {self.different}"
        )


def compare(local: Mapping[Key, Values], remote: Mapping[Key, Values]) -> WindowsCompared:
    """Hold `remote` against `local`."""
    keys = sorted(local.keys() | remote.keys())
    wrong = [(*key, local.get(key), remote.get(key)) for key in keys if local.get(key) != remote.get(key)]
    return WindowsCompared(
        windows=len(remote),
        missing=len(local.keys() - remote.keys()),
        extra=len(remote.keys() - local.keys()),
        different=sum(None not in one[-2:] for one in wrong),
        examples=tuple(" ".join(map(str, one)) for one in wrong[:SHOWN]),
    )


def local_windows(history: HistoryReader) -> dict[Key, Values]:
    """Every window of the local history in its newest revision."""
    found: dict[Key, Values] = {}
    for asset, tag in ((row.asset, row.tag) for row in history.ledger()):
        for size_ns in history.sizes(asset, tag):
            rows = history.windows(asset, tag, size_ns, 0, 2**63 - 1, MOST)
            columns = zip(
                rows.start_ns, rows.count, rows.minimum, rows.maximum, rows.mean, rows.std, rows.first, rows.last,
                rows.score, rows.revision, strict=True,
            )  # fmt: skip
            size = f"{size_ns / NS_PER_S:g}s"
            for start_ns, *values in columns:
                found[asset, tag, size, start_ns] = tuple(None if one is None else float(one) for one in values)
    return found


def influx_windows(client: httpx.Client, org: str, bucket: str) -> dict[Key, Values]:
    """Every window of a bucket. client: with base address and token. httpx.HTTPError when InfluxDB refuses."""
    query = (
        f'from(bucket: "{bucket}") |> range(start: 0, stop: 2200-01-01T00:00:00Z) '
        '|> filter(fn: (r) => r._measurement == "window") '
        '|> keep(columns: ["asset", "series", "size", "_time", "_field", "_value"]) |> group()'
    )
    asked = {"query": query, "dialect": {"annotations": [], "header": True}}
    found: dict[Key, dict[str, float]] = {}
    with client.stream("POST", "/api/v2/query", params={"org": org}, json=asked, timeout=TIMEOUT_S) as answer:
        answer.raise_for_status()
        for row in _rows(answer.iter_lines()):
            key = (row["asset"], row["series"], row["size"], _ns(row["_time"]))
            found.setdefault(key, {})[row["_field"]] = float(row["_value"])
    return {key: tuple(values.get(name) for name in FIELDS) for key, values in found.items()}


def _rows(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    """The rows of an answer; each table of it begins with its header after an empty line."""
    header: list[str] = []
    for row in csv.reader(lines):
        if not row:
            header = []
        elif not header:
            header = row
        else:
            named = dict(zip(header, row, strict=True))
            if "error" in named:
                raise httpx.DecodingError(named["error"])
            yield named


@lru_cache(maxsize=100_000)
def _ns(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1e6) * 1000
