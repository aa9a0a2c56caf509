"""Recorded data as a log: rows of a CSV file or a data set, in file order, with the ticks that a live log would have.

Stamps of arrival follow event time, so a replay at any speed gives what a live run would have given. A row that
cannot be used goes into the log as it stands and ends as a dead letter; it never stops the replay.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from zoneinfo import ZoneInfo

import orjson

from andon.config.models import Plant
from andon.errors import SourceError
from andon.plant import PlantModel
from andon.readings import NS_PER_MS, NS_PER_S, Message
from sources.ticks import tick_body

TIME_NAMES = ("timestamp", "datetime", "time", "ts", "date")
LOOK_AHEAD = 1_000  # rows from which the usual interval is taken
BATCH = 1_000
DATASETS = ("waterflow",)
DEFAULT_ANOMALY = 5.0
LEAST_OFF_DELAY_S, OFF_INTERVALS = 3600.0, 12  # one upset is one episode
QUIET_INTERVALS = 30  # after the last row, for the ticks that close everything


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a recording: its event time (None: unreadable), values by tag, and the line itself."""

    time_ns: int | None
    values: tuple[tuple[str, object], ...]
    raw: str
    asset: str | None = None  # of a long file


@dataclass(frozen=True, slots=True)
class Recording:
    """A source of rows with its tags and usual interval. `rows` may be called again."""

    name: str
    tags: tuple[str, ...]
    every_s: float
    assets: tuple[str, ...]
    source: _Csv | _Dataset

    def rows(self) -> Iterator[Row]:
        """All rows, in file order."""
        return self.source.rows()


@dataclass(frozen=True, slots=True)
class _Csv:
    path: Path
    zone: ZoneInfo | None

    def rows(self) -> Iterator[Row]:
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            sample = file.read(4096)
            file.seek(0)
            reader = csv.reader(file, delimiter=_delimiter(sample))
            header = [name.strip() for name in next(reader, [])]
            layout = _Layout.of(header, self.path)
            for cells in reader:
                if cells:
                    yield layout.row(cells, self.zone, self.path, reader.line_num)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which column is what: wide (a column a tag) or long (time, asset, tag, value)."""

    time: int
    tags: tuple[tuple[int, str], ...]
    long: tuple[int, int, int] | None = None  # columns of asset, tag, value

    @staticmethod
    def of(header: Sequence[str], path: Path) -> _Layout:
        lower = [name.lower() for name in header]
        time = next((lower.index(name) for name in TIME_NAMES if name in lower), None)
        if time is None:
            raise SourceError(
                "replay.no_time", file=str(path), found=", ".join(header) or "-", allowed=", ".join(TIME_NAMES)
            )
        if {"asset", "tag", "value"} <= set(lower):
            return _Layout(time, (), (lower.index("asset"), lower.index("tag"), lower.index("value")))
        return _Layout(time, tuple((at, _slug(name)) for at, name in enumerate(header) if at != time))

    def row(self, cells: Sequence[str], zone: ZoneInfo | None, path: Path, line: int) -> Row:
        raw = ",".join(cells)
        if len(cells) <= self.time or (self.long and len(cells) <= max(self.long)):
            return Row(None, (), raw)
        time_ns = _stamp(cells[self.time], zone, path, line)
        if self.long:
            asset, tag, value = (cells[at].strip() for at in self.long)
            return Row(time_ns, ((tag, _number(value)),), raw, asset)
        values = tuple((tag, _number(cells[at])) for at, tag in self.tags if at < len(cells))
        return Row(time_ns, values, raw)


@dataclass(frozen=True, slots=True)
class _Dataset:
    name: str

    def rows(self) -> Iterator[Row]:
        from river import datasets  # takes a second; only this needs it

        for features, value in datasets.WaterFlow():
            stamp: datetime = features["Time"]
            yield Row(round(stamp.timestamp()) * NS_PER_S, (("flow", float(value)),), f"{stamp},{value}")


def open_csv(path: Path, timezone: str | None) -> Recording:
    """Look at a CSV file. SourceError: no such file, no time column, no row, or naive stamps and no timezone."""
    zone = ZoneInfo(timezone) if timezone else None
    try:
        return _look(path.stem, _Csv(path, zone))
    except OSError as error:
        raise SourceError("replay.unreadable", file=str(path), cause=error.strerror or str(error)) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError("replay.unreadable", file=str(path), cause=str(error)) from error


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
    steps = [two - one for one, two in zip(times, times[1:], strict=False) if two > one]
    every_s = max(0.001, median(steps) / NS_PER_S) if steps else 1.0
    return Recording(_slug(name), tuple(tags), every_s, tuple(assets), source)


def replay_plant(recording: Recording, *, anomaly: float = DEFAULT_ANOMALY, site: str = "sandbox") -> PlantModel:
    """A plant for a recording that has none: every column a scored series, an anomaly rule, windows to its pace."""
    every_s = recording.every_s
    pane_s = max(10.0, 60.0 * round(every_s * OFF_INTERVALS / 60.0))
    template = {
        "name": "recorded",
        "series": [{"tag": tag, "detect": True, "every_s": every_s} for tag in recording.tags],
    }
    rule = {
        "id": "anomaly", "on": "*", "anomaly": anomaly,
        "off_delay_s": max(LEAST_OFF_DELAY_S, OFF_INTERVALS * every_s), "raises": "quality_event",
    }  # fmt: skip
    return PlantModel(
        Plant.model_validate(
            {
                "schema": 1, "enterprise": {"id": "sandbox"}, "site": {"id": site},
                "windows": {"pane_s": pane_s, "sizes_s": (pane_s, 6 * pane_s), "figures_s": 24 * pane_s},
                "time": {"idle_s": 10.0 * every_s, "correct_for_h": 24.0 * 366.0},
                "template": (template,), "rule": (rule,),
                "asset": tuple({"path": path, "template": "recorded"} for path in _assets(recording)),
            }
        )
    )  # fmt: skip


def messages(recording: Recording, asset: str | None = None) -> Iterator[Message]:
    """The log of a recording: a message a row, a tick at most once an interval, two ticks after the end."""
    asset = asset or _assets(recording)[0]
    every_ns = max(NS_PER_S, round(recording.every_s * NS_PER_S))
    offset, now_ns, tick_ns = 0, 0, 0
    for row in recording.rows():
        now_ns = max(now_ns, row.time_ns or 0)
        if now_ns >= tick_ns:
            offset, tick_ns = offset + 1, now_ns + every_ns
            yield Message(offset, now_ns, tick_body(now_ns))
        offset += 1
        yield Message(offset, now_ns, _body(row, asset))
    quiet_ns = now_ns + round(QUIET_INTERVALS * recording.every_s + LEAST_OFF_DELAY_S) * NS_PER_S
    for at in range(2):
        yield Message(offset + 1 + at, quiet_ns + at * NS_PER_S, tick_body(quiet_ns + at * NS_PER_S))


def batches(log: Iterable[Message], size: int = BATCH) -> Iterator[list[Message]]:
    """Messages in lists of `size`."""
    batch: list[Message] = []
    for message in log:
        batch.append(message)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _body(row: Row, asset: str) -> bytes:
    if row.time_ns is None or not row.values:
        return row.raw.encode()
    stamp = row.time_ns // NS_PER_MS
    return b"\n".join(
        orjson.dumps({"ts": stamp, "asset": row.asset or asset, "tag": tag, "value": value}) for tag, value in row.values
    )


def _assets(recording: Recording) -> tuple[str, ...]:
    return recording.assets or (f"replay/{recording.name}",)


def _stamp(text: str, zone: ZoneInfo | None, path: Path, line: int) -> int | None:
    """ns since the epoch of ISO 8601 or of seconds or milliseconds since 1970; None where it is neither."""
    text = text.strip()
    if re.fullmatch(r"\d{9,13}(\.\d+)?", text):
        number = float(text)
        return round(number * (NS_PER_MS if number >= 1e11 else NS_PER_S))
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        if zone is None:
            raise SourceError("replay.naive", file=str(path), line=line, found=text)
        at = at.replace(tzinfo=zone)
    whole = at.replace(microsecond=0)
    return round(whole.timestamp()) * NS_PER_S + at.microsecond * 1000


def _number(text: str) -> object:
    """A number, None for an empty cell, else the text itself: the decoder says what is wrong with it."""
    text = text.strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        return text
    return value if value - value == 0.0 else None  # inf and NaN are not numbers anybody measured


def _delimiter(sample: str) -> str:
    first = next(csv.reader(io.StringIO(sample), delimiter="\0"), [""])
    head = first[0] if first else ""
    return max(",;\t", key=head.count)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", name.strip().lower()).strip("-._") or "value"
