"""The journal: every accepted reading of a shard, in log order, as hashed Arrow segments.

It is what evidence cites, what late rows are corrected from, and what a rule is tried on. A row's number is its
place in the log of accepted readings, so it is the same however the log was cut and however often it was replayed.

Files of journal/<shard>/: `<n>.open.arrow` takes one stream a flush (journal_format.py); when it is full it becomes
`<n>.arrow`, written again and compressed where its flushes were small, and its SHA-256 goes into `manifest.jsonl`.
`series.txt` names the series. Other processes read with journal_reader.py.
`restore` goes back to the position
that a snapshot names, so a replay appends the same rows again.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from andon.errors import SourceError
from andon.readings import F64, I32, I64, U8, Readings, Status
from sinks.journal_columns import bounds
from sinks.journal_format import ROW, SMALL, Columns, Part, Rows, decode, encode_parts
from sinks.journal_kernels import OTHER, SAME, UNKNOWN, compare_log, compare_sorted

__all__ = ["OTHER", "SAME", "UNKNOWN", "Journal", "Position", "Sealed", "verify"]

SEGMENT_ROWS = 131_072
CACHED_SEGMENTS = 6
SERIES = "series.txt"  # what the numbers of series stand for
LARGE_BATCH = 2_048  # rows a flush from which an open file is good enough to be kept as it is
Position = tuple[int, int, int]  # segment number, rows in it, rows in all


@dataclass(frozen=True, slots=True)
class Sealed:
    """One line of the manifest."""

    segment: int
    first_row: int
    rows: int
    min_ns: int
    max_ns: int
    max_received_ns: int
    sha256: str
    previous: str  # sha256 of the segment before: the manifest is a chain


class Journal:
    """Append, flush, look up. One writer process; `flush` is what makes rows durable (fsync)."""

    def __init__(self, folder: Path, segment_rows: int = SEGMENT_ROWS) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._segment_rows = segment_rows
        self.kept_from_ns = 0  #: rows received earlier are not read any more
        self._sealed = self._read_manifest()
        self._cache: OrderedDict[int, tuple[Rows, I64]] = OrderedDict()
        self._open = _Columns(segment_rows + segment_rows // 8)  # a batch may go beyond it
        self._used = 0
        self._flushed = 0
        self._batches = 0  # in the open file
        self._digest = hashlib.sha256()  # of the open file
        self._segment = self._sealed[-1].segment + 1 if self._sealed else 0
        self._first_row = self._sealed[-1].first_row + self._sealed[-1].rows if self._sealed else 0
        self._file: int | None = None

    @property
    def rows(self) -> int:
        """Rows accepted so far: the number the next row gets."""
        return self._first_row + self._used

    def append(self, readings: Readings, closed_ns: I64, tick: int) -> None:
        """Take rows in log order. closed_ns int64[n]: how far it was closed; tick: ticks so far.

        A full segment is written at once, so memory is bounded however long an epoch is.
        """
        if self._used >= self._segment_rows:
            self.flush()
        begin, end = self._used, self._used + len(readings)
        self._open.reserve(end)
        columns = self._open.columns
        columns["time_ns"][begin:end] = readings.time_ns
        columns["series"][begin:end] = readings.series
        columns["value"][begin:end] = readings.value
        columns["status"][begin:end] = readings.status
        columns["offset"][begin:end] = readings.offset
        columns["received_ns"][begin:end] = readings.received_ns
        columns["closed_ns"][begin:end] = closed_ns
        columns["tick"][begin:end] = tick
        self._used = end

    def flush(self) -> Position:
        """Make every row durable and say where the journal stands."""
        if self._flushed < self._used:
            fresh = self._open.part(self._flushed, self._used)
            self._write(encode_parts(fresh))
            self._flushed = self._used
            self._batches += 1
        if self._used >= self._segment_rows:
            self._seal()
        return (self._segment, self._used, self.rows)

    def name_series(self, names: bytes) -> None:
        """Keep what the numbers of series stand for: asset-path/tag, a line each in the order of the ids."""
        _write_file(self.folder / SERIES, [names])

    def restore(self, position: Position | None) -> None:
        """Go back to a position; None: there is no state, so what stands here belongs to no log and is put aside."""
        if position is None:
            self._put_aside()
            self._sealed, self._segment, self._first_row = [], 0, 0
            self._used = self._flushed = self._batches = 0
            self._cache.clear()
            return
        segment, used, total = position
        rows = self._rows_of(segment, used)
        if len(rows) != used:
            raise SourceError("journal.short", folder=str(self.folder), segment=segment, found=len(rows), wanted=used)
        self._close()
        self._cache.clear()
        self._segment, self._first_row = segment, total - used
        self._open = _Columns(max(self._segment_rows + self._segment_rows // 8, used))
        for name, column in self._open.columns.items():
            column[:used] = rows[name]
        self._used = self._flushed = used
        self._batches = 1 if used else 0
        self._digest = hashlib.sha256()
        opened = self._open_path(segment)
        if used:  # what came after the position must not stay in the file
            # As a whole, and before anything goes: a kill or a full disk here must leave the rows where they are.
            parts = encode_parts(self._open.part(0, used))
            _write_file(opened, parts)
            _hash(self._digest, parts)
            self._file = os.open(opened, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        kept = [one for one in self._sealed if one.segment < segment]
        if kept != self._sealed:
            self._sealed = kept
            self._write_manifest()
        for path in self.folder.glob("*.arrow"):
            if int(path.name.split(".")[0]) >= segment and not (used and path == opened):
                path.unlink()

    def points(self, series: int, start_ns: int, end_ns: int) -> Rows:
        """Usable rows (good or uncertain) of a series in [start_ns, end_ns), sorted by time, ties in log order."""
        parts = [
            self._of_series(one.segment, series, start_ns, end_ns)
            for one in self._sealed
            if one.max_ns >= start_ns and one.min_ns < end_ns
        ]
        rows = self._open.part(0, self._used)
        here = np.flatnonzero(rows["series"] == series)
        time_ns = rows["time_ns"][here]
        parts.append(_rows_at(rows, here[(time_ns >= start_ns) & (time_ns < end_ns)]))
        found = parts[0] if len(parts) == 1 else np.concatenate(parts)
        found = found[(found["status"] != Status.BAD) & (found["received_ns"] >= self.kept_from_ns)]
        ordered: Rows = found[np.argsort(found["time_ns"], kind="stable")]
        return ordered

    def several(self, series: I32, start_ns: int, end_ns: int) -> tuple[I32, I64, F64, U8]:
        """Usable rows of some series in [start_ns, end_ns): series, time_ns, value, status, sorted by the first two.

        series: ids that ascend. Ties in log order. One pass over the segments, however many series they are.
        """
        overlap = [one for one in self._sealed if one.max_ns >= start_ns and one.min_ns < end_ns]
        wanted = np.zeros(int(series[-1]) + 2 if len(series) else 1, np.bool_)
        wanted[series] = True
        columns: list[list[NDArray[Any]]] = [[], [], [], []]

        def take(rows: Columns | Rows) -> None:
            time_ns, status = rows["time_ns"], rows["status"]
            mine = wanted[np.minimum(rows["series"], len(wanted) - 1)] & (time_ns >= start_ns) & (time_ns < end_ns)
            mine &= (status != Status.BAD) & (rows["received_ns"] >= self.kept_from_ns)
            at = np.flatnonzero(mine)
            for name, column in zip(("series", "time_ns", "value", "status"), columns, strict=True):
                column.append(rows[name][at])

        for one in overlap:
            if len(overlap) <= CACHED_SEGMENTS:
                take(self._sorted(one.segment)[0])
            else:  # more than stay in memory, so sorting them would be for nothing
                take(decode((self.folder / f"{one.segment:08}.arrow").read_bytes()))
        take(self._open.part(0, self._used))
        ids, times, value, status = (np.concatenate(column) for column in columns)
        order = np.lexsort((times, ids))
        return ids[order], times[order], value[order], status[order]

    def known(self, series: I32, time_ns: I64, value: F64) -> U8:
        """For each (series, time, value): UNKNOWN, SAME when that very row is here, OTHER when other values are.

        All [m], series from 0. Cost: a pass over the times of the open rows, and a search a question and segment.
        """
        verdict = np.full(len(series), UNKNOWN, np.uint8)
        if not len(series):
            return verdict
        low, high = int(time_ns.min()), int(time_ns.max())
        for one in self._sealed:
            if one.max_ns >= low and one.min_ns <= high:
                compare_sorted(*self._sorted(one.segment), series, time_ns, value, verdict)
        rows, order = self._open.part(0, self._used), np.lexsort((time_ns, series))
        starts = np.concatenate([[0], np.bincount(series).cumsum()])
        compare_log(rows["time_ns"], rows["series"], rows["value"], order, starts, time_ns, value, verdict)
        return verdict

    def evidence(self, series: int, start_ns: int, end_ns: int, offset: int) -> dict[str, object]:
        """What a record cites: usable rows of a series in [start_ns, end_ns) that came by `offset`, and their hash."""
        rows = self.points(series, start_ns, end_ns)
        rows = rows[rows["offset"] <= offset]
        digest = hashlib.sha256()
        for name, kind in (("time_ns", "<i8"), ("value", "<f8"), ("status", "u1"), ("offset", "<i8")):
            digest.update(np.ascontiguousarray(rows[name].astype(kind)).tobytes())
        return {
            "rows": len(rows), "start_ns": start_ns, "end_ns": end_ns, "sha256": digest.hexdigest(),
            "first_offset": int(rows["offset"].min()) if len(rows) else None,
            "last_offset": int(rows["offset"].max()) if len(rows) else None,
        }  # fmt: skip

    def prune(self, before_ns: int) -> int:
        """Remove sealed segments received wholly before; returns how many. The chain of the manifest stays."""
        gone = [one for one in self._sealed[:-1] if one.max_received_ns < before_ns]
        for one in gone:
            (self.folder / f"{one.segment:08}.arrow").unlink(missing_ok=True)
            self._cache.pop(one.segment, None)
        self._sealed = [one for one in self._sealed if one not in gone]  # a wrong clock may have left one among them
        return len(gone)

    def close(self) -> None:
        """Let go of the file; rows not flushed are the next run's to replay."""
        self._close()

    def _write(self, parts: list[Part]) -> None:
        if self._file is None:
            path = self._open_path(self._segment)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            _sync_folder(self.folder)
        _write_all(self._file, parts)
        _hash(self._digest, parts)
        os.fdatasync(self._file)

    def _seal(self) -> None:
        """Close the open file: kept as it is when its batches are large, else written again as one."""
        rows = self._open.part(0, self._used)
        opened, path = self._open_path(self._segment), self.folder / f"{self._segment:08}.arrow"
        self._close()
        keeps = self._used >= LARGE_BATCH * self._batches
        if keeps:
            digest = self._digest.hexdigest()
            opened.rename(path)
            _sync_folder(self.folder)
        else:
            parts, whole = encode_parts(rows, SMALL), hashlib.sha256()
            _hash(whole, parts)
            digest = whole.hexdigest()
            _write_file(path, parts)
        min_ns, max_ns = bounds(rows["time_ns"])
        line = Sealed(
            segment=self._segment,
            first_row=self._first_row,
            rows=self._used,
            min_ns=min_ns,
            max_ns=max_ns,
            max_received_ns=bounds(rows["received_ns"])[1],
            sha256=digest,
            previous=self._sealed[-1].sha256 if self._sealed else "",
        )
        self._sealed.append(line)
        with (self.folder / "manifest.jsonl").open("ab") as manifest:
            manifest.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            manifest.flush()
            os.fsync(manifest.fileno())
        if not keeps:
            opened.unlink(missing_ok=True)
        self._segment += 1
        self._first_row += self._used
        self._used = self._flushed = self._batches = 0
        self._digest = hashlib.sha256()

    def _sorted(self, segment: int) -> tuple[Rows, I64]:
        """A sealed segment by series, then time, ties in log order; where each series starts and the last ends.

        The last few stay in memory.
        """
        held = self._cache.get(segment)
        if held is None:
            rows = decode((self.folder / f"{segment:08}.arrow").read_bytes())
            rows = rows[np.lexsort((rows["time_ns"], rows["series"]))]
            most = int(rows["series"][-1]) if len(rows) else -1
            held = rows, np.searchsorted(rows["series"], np.arange(most + 2))
            self._cache[segment] = held
            if len(self._cache) > CACHED_SEGMENTS:
                self._cache.popitem(last=False)
        else:
            self._cache.move_to_end(segment)
        return held

    def _of_series(self, segment: int, series: int, start_ns: int, end_ns: int) -> Rows:
        """Rows of a series in [start_ns, end_ns) of a sealed segment, sorted by time."""
        rows, starts = self._sorted(segment)
        mine = rows[starts[series] : starts[series + 1]] if 0 <= series < len(starts) - 1 else rows[:0]
        first, last = np.searchsorted(mine["time_ns"], (start_ns, end_ns))
        return mine[first:last]

    def _rows_of(self, segment: int, count: int) -> Rows:
        for path in (self.folder / f"{segment:08}.arrow", self._open_path(segment)):
            if path.exists():
                return decode(path.read_bytes(), count)
        return np.zeros(0, ROW)

    def _open_path(self, segment: int) -> Path:
        return self.folder / f"{segment:08}.open.arrow"

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _read_manifest(self) -> list[Sealed]:
        path = self.folder / "manifest.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        entries = {}
        for line in lines:
            try:
                one = Sealed(**orjson.loads(line))
            except (ValueError, TypeError):
                continue  # the torn tail of a crash: its segment is still there as .open.arrow or is sealed again
            entries[one.segment] = one
        return [one for _, one in sorted(entries.items()) if (self.folder / f"{one.segment:08}.arrow").exists()]

    def _write_manifest(self) -> None:
        data = b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in self._sealed)
        _write_file(self.folder / "manifest.jsonl", [data])

    def _put_aside(self) -> None:
        self._close()
        files = [*self.folder.glob("*.arrow"), *self.folder.glob("manifest.jsonl"), *self.folder.glob(SERIES)]
        if not files:
            return
        number = len([path for path in self.folder.iterdir() if path.is_dir()])
        aside = self.folder / f"without-state-{number}"
        aside.mkdir(mode=0o700)
        for path in files:
            path.rename(aside / path.name)


def verify(folder: Path) -> list[str]:
    """Check the manifest's chain and every segment's hash; returns what is wrong, naming the segment."""
    wrong = []
    journal = Journal(folder)
    before: Sealed | None = None
    for one in journal._sealed:  # noqa: SLF001 - the checker of this very file format
        data = (folder / f"{one.segment:08}.arrow").read_bytes()
        if hashlib.sha256(data).hexdigest() != one.sha256:
            wrong.append(f"segment {one.segment}: content")
        if before is not None and before.segment == one.segment - 1 and one.previous != before.sha256:
            wrong.append(f"segment {one.segment}: chain")
        before = one
    return wrong


def _rows_at(columns: Columns, index: NDArray[np.intp]) -> Rows:
    """Some rows of columns as records."""
    rows = np.empty(len(index), ROW)
    for name, column in columns.items():
        rows[name] = column[index]
    return rows


class _Columns:
    """Growing columns: an append is eight plain copies, half the cost of filling records."""

    def __init__(self, capacity: int) -> None:
        self.columns = {name: np.empty(capacity, ROW[name]) for name in ROW.names or ()}

    def reserve(self, capacity: int) -> None:
        """Make room for so many rows."""
        held = len(self.columns["time_ns"])
        if capacity > held:
            more = max(capacity, 2 * held)
            self.columns = {name: np.resize(column, more) for name, column in self.columns.items()}

    def part(self, begin: int, end: int) -> Columns:
        """Views of some rows."""
        return {name: column[begin:end] for name, column in self.columns.items()}


def _write_file(path: Path, parts: Sequence[Part]) -> None:
    """Replace a file as a whole, on disk before this returns."""
    draft = path.with_suffix(".draft")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        _write_all(handle, parts)
        os.fsync(handle)
    finally:
        os.close(handle)
    draft.rename(path)
    _sync_folder(path.parent)


def _write_all(handle: int, parts: Sequence[Part]) -> None:
    """The pieces as they are: joining them first would copy every byte once more."""
    rest = [memoryview(part) for part in parts if len(part)]
    while rest:
        done = os.writev(handle, rest)
        while rest and done >= len(rest[0]):
            done -= len(rest.pop(0))
        if done:
            rest[0] = rest[0][done:]


def _hash(digest: hashlib._Hash, parts: Sequence[Part]) -> None:
    for part in parts:
        digest.update(part)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
