"""Segment files of a queue of lines: names, header, the reader's mark.

<number>.seg   a header of 64 bytes, then whole lines; numbers grow and are never used again
<number>.gap   what stood in a segment that was given up at the cap
delivered.json how far the reader's target has taken everything

A number is never used again because the newest segment is only removed after a newer one is there, and the mark is
looked at too. So a mark or a read in progress can never point into other lines than it meant.
"""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import NamedTuple

from andon.datafolder import write_durably

SEGMENT_BYTES = 8_000_000
HEADER_BYTES = 64
SUFFIX, GAP_SUFFIX = ".seg", ".gap"
_MARK = "delivered.json"
_MAGIC = b"# andon segment 1 rows %d at %d"

Position = tuple[int, int, int]
"""(segment, byte in its file, rows of the segment up to there); plain, so it lives in a recovery store for years."""


class Segment(NamedTuple):
    """A segment file."""

    number: int
    path: Path


class Header(NamedTuple):
    """What a segment's first line says: rows written before it, and when it was begun, ns of the machine."""

    rows_before: int
    begun_ns: int


class Mark(NamedTuple):
    """What was delivered, and when the queue was last seen empty, ns of the machine; 0: never."""

    position: Position
    empty_ns: int


def segments(folder: Path) -> list[Segment]:
    """The segments of a folder, oldest first; none where there is no folder."""
    return [Segment(number, folder / f"{number:012d}{SUFFIX}") for number in numbers(folder, SUFFIX)]


def numbers(folder: Path, suffix: str) -> list[int]:
    """The numbers of the files with a suffix, ascending."""
    try:
        with os.scandir(folder) as entries:
            found = [entry.name[: -len(suffix)] for entry in entries if entry.name.endswith(suffix)]
    except FileNotFoundError:
        return []
    return sorted(int(name) for name in found if name.isdigit())


def size_bytes(path: Path) -> int:
    """Size of a file; 0 when it has gone meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def create(folder: Path, number: int, header: Header) -> int:
    """Make a segment that has its whole header before it has its name; returns a handle that appends to it."""
    path = folder / f"{number:012d}{SUFFIX}"
    draft = path.with_suffix(".new")
    handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        _write_header(handle, header)
        os.fsync(handle)
        draft.rename(path)
        sync_folder(folder)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _write_header(handle: int, header: Header) -> None:
    if os.write(handle, (_MAGIC % header).ljust(HEADER_BYTES - 1) + b"\n") < HEADER_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read_header(path: Path) -> Header:
    """A segment's header; zeros where it cannot be read any more."""
    try:
        with path.open("rb") as file:
            words = file.read(HEADER_BYTES).split()
        return Header(int(words[5]), int(words[7]))
    except (OSError, IndexError, ValueError):
        return Header(0, 0)


def read_mark(folder: Path) -> Mark:
    """The reader's mark; before everything where there is none."""
    try:
        raw = json.loads((folder / _MARK).read_bytes())
        return Mark((int(raw["segment"]), int(raw["byte"]), int(raw["rows"])), int(raw["empty_ns"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return Mark((0, 0, 0), 0)


def write_mark(folder: Path, mark: Mark) -> None:
    """Replace the reader's mark; on disk when this returns."""
    segment, byte, rows = mark.position
    content = {"segment": segment, "byte": byte, "rows": rows, "empty_ns": mark.empty_ns}
    write_durably(folder / _MARK, json.dumps(content).encode() + b"\n")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
