"""Reads a shard's journal beside the process that writes it: some series of a stretch of time, with their row numbers.

Files are only read. What was flushed before a call is seen by it; a segment that is closed meanwhile is found under
its new name. A row's number is its place in the log of accepted readings, so it names the row for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from andon.readings import I64
from sinks.journal import SERIES, Sealed
from sinks.journal_format import ROW, Rows, decode

MOST_SEGMENTS = 128  # read by one call; of more, the first and the last half
TRIES = 5  # a segment is closed about once in 13 s at the most
DIGESTED = (
    ("time_ns", "<i8"), ("value", "<f8"), ("status", "u1"), ("offset", "<i8"), ("received_ns", "<i8"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of the journal. sha256 and previous are empty while it is open: the manifest seals whole segments."""

    segment: int
    first_row: int
    rows: int
    sha256: str
    previous: str


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of some series in order of time, ties in log order.

    rows   : the journal's columns, length n.
    number : int64[n], place of each row in the log of accepted readings.
    segments : those that hold a row, in their order.
    skipped  : how many segments that overlap the stretch were not read, because there are too many.
    resumed_row : first row number after those.
    """

    rows: Rows
    number: I64
    segments: tuple[Segment, ...] = ()
    skipped: int = 0
    resumed_row: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, mask: NDArray[np.bool_]) -> Found:
        """Those rows."""
        return replace(self, rows=self.rows[mask], number=self.number[mask])

    def of(self, series: int, start_ns: int, end_ns: int) -> Found:
        """Rows of one series in [start_ns, end_ns)."""
        time_ns = self.rows["time_ns"]
        return self.where((self.rows["series"] == series) & (time_ns >= start_ns) & (time_ns < end_ns))

    def sha256(self) -> str:
        """Of number, time, value, status, offset and receive time of every row, in this order; hex."""
        digest = hashlib.sha256(np.ascontiguousarray(self.number.astype("<i8")).tobytes())
        for name, kind in DIGESTED:
            digest.update(np.ascontiguousarray(self.rows[name].astype(kind)).tobytes())
        return digest.hexdigest()


class JournalReader:
    """One shard's journal; a folder that is not there reads as empty."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def series(self) -> dict[str, int]:
        """Number of each series by asset-path/tag; empty before the writer's first snapshot."""
        path = self.folder / SERIES
        names = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return {name: number for number, name in enumerate(names)}

    def find(self, series: Collection[int], start_ns: int, end_ns: int, most: int = MOST_SEGMENTS) -> Found:
        """Rows of the series in [start_ns, end_ns); of more than `most` segments the first and the last half."""

        def overlap(sealed: Sequence[Sealed]) -> list[Sealed]:
            return [one for one in sealed if one.max_ns >= start_ns and one.min_ns < end_ns]

        return self._read(overlap, series, start_ns, end_ns, most)

    def within(
        self, ranges: Sequence[tuple[int, int]], series: Collection[int], start_ns: int, end_ns: int
    ) -> Found:  # fmt: skip
        """Rows of the series in [start_ns, end_ns) whose number is in one of the ranges [first, last]."""

        def overlap(sealed: Sequence[Sealed]) -> list[Sealed]:
            return [
                one for one in sealed
                if any(one.first_row <= last and one.first_row + one.rows > first for first, last in ranges)
            ]  # fmt: skip

        found = self._read(overlap, series, start_ns, end_ns, None)
        inside = np.zeros(len(found), np.bool_)
        for first, last in ranges:
            inside |= (found.number >= first) & (found.number <= last)
        return found.where(inside)

    def broken(self, segments: Collection[int]) -> list[int]:
        """Which of these sealed segments are not what the manifest says: other content, or gone."""
        entries = {one.segment: one for one in self._manifest()}
        return [
            number
            for number in sorted(segments)
            if number in entries and _sha256(self._closed(number)) != entries[number].sha256
        ]

    def sealed(self) -> dict[int, Sealed]:
        """The manifest by segment, those included whose file retention has removed."""
        return {one.segment: one for one in self._manifest()}

    def _read(
        self, choose: Callable[[Sequence[Sealed]], list[Sealed]], series: Collection[int], start_ns: int, end_ns: int,
        most: int | None,
    ) -> Found:  # fmt: skip
        """Closed segments that are chosen, and the open one."""
        sealed, opened = self._steady()
        chosen = [one for one in choose(sealed) if self._closed(one.segment).exists()]
        skipped = resumed_row = 0
        if most is not None and len(chosen) > most:
            skipped = len(chosen) - most
            chosen = chosen[: most // 2] + chosen[len(chosen) - (most - most // 2) :]
            resumed_row = chosen[most // 2].first_row
        after = sealed[-1].segment + 1, sealed[-1].first_row + sealed[-1].rows
        parts = [
            (Segment(one.segment, one.first_row, one.rows, one.sha256, one.previous),
             decode(self._closed(one.segment).read_bytes()))
            for one in chosen
        ]  # fmt: skip
        parts.append((Segment(*after, len(opened), "", ""), opened))
        found = _gathered(parts, np.fromiter(series, np.int32), start_ns, end_ns)
        return replace(found, skipped=skipped, resumed_row=resumed_row)

    def _steady(self) -> tuple[list[Sealed], Rows]:
        """The manifest led by an entry for nothing, and the rows of the segment after it: both of one moment."""
        sealed = self._manifest()
        for _ in range(TRIES):
            number = sealed[-1].segment + 1
            rows = np.zeros(0, ROW)
            for path in (self.folder / f"{number:08}.open.arrow", self._closed(number)):
                try:
                    rows = decode(path.read_bytes())
                    break
                except FileNotFoundError:
                    continue
            before, sealed = sealed, self._manifest()
            if before[-1] == sealed[-1]:
                return sealed, rows
        return sealed, np.zeros(0, ROW)

    def _manifest(self) -> list[Sealed]:
        entries = {-1: Sealed(-1, 0, 0, 0, -1, 0, "", "")}
        path = self.folder / "manifest.jsonl"
        for line in path.read_bytes().splitlines() if path.exists() else ():
            try:
                one = Sealed(**orjson.loads(line))
            except (ValueError, TypeError):
                continue  # being written just now
            entries[one.segment] = one
        return [one for _, one in sorted(entries.items())]

    def _closed(self, segment: int) -> Path:
        return self.folder / f"{segment:08}.arrow"


def _gathered(parts: Sequence[tuple[Segment, Rows]], series: NDArray[np.int32], start_ns: int, end_ns: int) -> Found:
    rows, numbers, segments = [np.zeros(0, ROW)], [np.zeros(0, np.int64)], []
    for segment, held in parts:
        mine = np.isin(held["series"], series) & (held["time_ns"] >= start_ns) & (held["time_ns"] < end_ns)
        at = np.flatnonzero(mine)
        if len(at):
            rows.append(held[at])
            numbers.append(at + segment.first_row)
            segments.append(segment)
    number = np.concatenate(numbers)
    found = np.concatenate(rows)
    order = np.lexsort((number, found["time_ns"]))
    return Found(found[order], number[order].astype(np.int64), tuple(segments))


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""
