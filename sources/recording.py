"""Recorded data: rows of a CSV file or of a bundled data set, in file order.

wide: a time column, every other column is a tag. long: time, asset, tag, value, and if given unit and q. Time columns
are called timestamp, datetime, time, ts or date; stamps are ISO 8601, or seconds or milliseconds since 1970.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from zoneinfo import ZoneInfo

from andon.errors import SourceError
from andon.readings import NS_PER_MS, NS_PER_S

TIME_NAMES = ("timestamp", "datetime", "time", "ts", "date")
DATASETS = ("waterflow",)
LOOK_AHEAD = 1_000  # rows from which the usual interval is taken
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_EPOCH = re.compile(r"\d{9,13}(\.\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a recording: its event time (None: unreadable), values by tag, and the line itself."""

    time_ns: int | None
    values: tuple[tuple[str, object], ...]
    raw: bytes
    asset: str | None = None  # of a long file
    more: tuple[tuple[str, object], ...] = ()  # unit and q of a long file


@dataclass(frozen=True, slots=True)
class Recording:
    """A source of rows with its tags and usual interval. `rows` may be called again."""

    name: str
    tags: tuple[str, ...]
    every_s: float
    assets: tuple[str, ...]
    source: _Csv | _Dataset

    def rows(self) -> Iterator[Row]:
        """All rows, in file order. A naive stamp without a time zone to read it in raises SourceError."""
        return self.source.rows()


@dataclass(frozen=True, slots=True)
class _Csv:
    path: Path
    zone: ZoneInfo | None

    def rows(self) -> Iterator[Row]:
        # a byte that is no UTF-8 goes through as it is, and its row ends as a dead letter
        with self.path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            sample = file.read(4096)
            file.seek(0)
            reader = csv.reader(file, delimiter=_delimiter(sample))
            layout = _Layout.of([name.strip() for name in next(reader, [])], self.path)
            newest_ns = 0
            while True:
                try:
                    cells = next(reader, None)
                except csv.Error as error:
                    yield Row(None, (), f"line {reader.line_num}: {error}".encode())
                    continue
                if cells is None:
                    return
                if cells:
                    row = layout.row(cells, self.zone, self.path, reader.line_num, newest_ns)
                    newest_ns = max(newest_ns, row.time_ns or 0)
                    yield row


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which column is what: wide (a column a tag) or long (asset, tag, value, and perhaps unit and q)."""

    time: int
    tags: tuple[tuple[int, str], ...]
    long: tuple[int, int, int] | None = None
    more: tuple[tuple[int, str], ...] = ()

    @staticmethod
    def of(header: Sequence[str], path: Path) -> _Layout:
        lower = [name.lower() for name in header]
        time = next((lower.index(name) for name in TIME_NAMES if name in lower), None)
        if time is None:
            raise SourceError(
                "replay.no_time", file=str(path), found=", ".join(header) or "-", allowed=", ".join(TIME_NAMES)
            )
        if {"asset", "tag", "value"} <= set(lower):
            more = tuple((lower.index(name), name) for name in ("unit", "q") if name in lower)
            return _Layout(time, (), (lower.index("asset"), lower.index("tag"), lower.index("value")), more)
        names: dict[str, int] = {}
        for at, name in enumerate(header):
            if at != time:
                slug, again = slug_of(name), 2
                while slug in names:  # two columns of one name, or of none that has Latin letters
                    slug, again = f"{slug_of(name)}-{again}", again + 1
                names[slug] = at
        return _Layout(time, tuple((at, name) for name, at in names.items()))

    def row(self, cells: Sequence[str], zone: ZoneInfo | None, path: Path, line: int, newest_ns: int) -> Row:
        """newest_ns: of the rows before it."""
        raw = ",".join(cells).encode(errors="surrogateescape")
        if len(cells) <= self.time or (self.long and len(cells) <= max(self.long)):
            return Row(None, (), raw)
        time_ns = _stamp(cells[self.time], zone, path, line, newest_ns)
        if self.long:
            asset, tag, value = (cells[at].strip() for at in self.long)
            more = tuple((name, _cell(cells[at])) for at, name in self.more if at < len(cells) and cells[at].strip())
            return Row(time_ns, ((tag, _cell(value)),), raw, asset, more)
        return Row(time_ns, tuple((tag, _cell(cells[at])) for at, tag in self.tags if at < len(cells)), raw)


@dataclass(frozen=True, slots=True)
class _Dataset:
    name: str

    def rows(self) -> Iterator[Row]:
        from river import datasets  # takes a second; only this needs it

        # as a list: its file is closed only at the end, and those who only look at the beginning stop before
        for features, value in list(datasets.WaterFlow()):
            stamp: datetime = features["Time"]
            raw = f"{stamp},{value}".encode()
            yield Row(round(stamp.timestamp()) * NS_PER_S, (("flow", float(value)),), raw)


def open_csv(path: Path, timezone: str | None) -> Recording:
    """Look at a CSV file. SourceError: no such file, no time column, no row, or naive stamps and no timezone."""
    zone = ZoneInfo(timezone) if timezone else None
    try:
        return _look(path.stem, _Csv(path, zone))
    except OSError as error:
        raise SourceError("replay.unreadable", file=str(path), cause=error.strerror or str(error)) from error


def open_dataset(name: str) -> Recording:
    """A data set that a library brings along. SourceError for another name."""
    if name not in DATASETS:
        raise SourceError("replay.unknown_dataset", found=name, allowed=", ".join(DATASETS))
    return _look(name, _Dataset(name))


def _look(name: str, source: _Csv | _Dataset) -> Recording:
    times: list[int] = []
    tags: dict[str, None] = {}
    assets: dict[str, None] = {}
    for at, row in enumerate(source.rows()):
        if row.time_ns is not None:
            times.append(row.time_ns)
        tags.update(dict.fromkeys(tag for tag, _ in row.values))
        assets.update(dict.fromkeys([row.asset] if row.asset else []))
        if at >= LOOK_AHEAD and not row.asset:
            break
    if not times:
        raise SourceError("replay.no_rows", file=name)
    steps = [two - one for one, two in pairwise(times) if two > one]
    every_s = max(0.001, median(steps) / NS_PER_S) if steps else 1.0
    return Recording(slug_of(name), tuple(tags), every_s, tuple(assets), source)


def _stamp(text: str, zone: ZoneInfo | None, path: Path, line: int, newest_ns: int) -> int | None:
    """ns since the epoch of ISO 8601 or of seconds or milliseconds since 1970; None where it is neither.

    A local hour that comes twice, in the night when summer time ends, is the second one when the rows before it
    (newest_ns) are later than the first.
    """
    text = text.strip()
    if _EPOCH.fullmatch(text):
        whole, _, fraction = text.partition(".")
        scale = NS_PER_MS if len(whole) > 10 else NS_PER_S
        return int(whole) * scale + int((fraction + "0" * 9)[:9]) * scale // 10**9
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        if zone is None:
            raise SourceError("replay.naive", file=str(path), line=line, found=text)
        at = at.replace(tzinfo=zone)
        if _ns(at) < newest_ns:
            at = at.replace(fold=1)  # the same where the hour comes once
    return _ns(at)


def _ns(at: datetime) -> int:
    return round(at.replace(microsecond=0).timestamp()) * NS_PER_S + at.microsecond * 1000


def _cell(text: str) -> object:
    """A number, None for an empty cell, else the text itself: the decoder says what is wrong with it."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    # inf and NaN are written by programs for "no value"
    return None if text.lower().lstrip("+-") in {"", "nan", "inf", "infinity"} else text


def _delimiter(sample: str) -> str:
    first = next(csv.reader(io.StringIO(sample), delimiter="\0"), [""])
    head = first[0] if first else ""
    return max(",;\t", key=head.count)


def slug_of(name: str) -> str:
    """A name as it may stand in paths: lower case, digits and "._-"."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.strip().lower()).strip("-._")[:48] or "value"
