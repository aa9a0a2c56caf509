"""What stood in segments that were given up at the cap: a time range for each measurement.

It is refilled from the local history, so only the range must be kept, not the lines. What somebody asks for is a range
too, in a file of its own: `<unique>.ask`. The sender alone makes gap 0 of it, so nobody writes over anybody's file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from uuid import uuid4

import orjson

from andon.datafolder import write_durably
from sinks.segments import Gap, SegmentReader
from sinks.segments.files import HEADER_BYTES

ASKED = 0  # number of the gap of what was asked for; segments count from 1
ASK_SUFFIX = ".ask"
Ranges = dict[str, tuple[int, int]]
"""Measurement -> (earliest, latest) time of its points, ns, both inside."""


def ranges_of(lines: Iterable[bytes]) -> Ranges:
    """The time range of every measurement in `lines`; lines that cannot be read are passed over."""
    found: Ranges = {}
    for line in lines:
        measurement, _, _ = line.partition(b",")
        _, _, stamp = line.rstrip().rpartition(b" ")
        try:
            name, time_ns = measurement.decode(), int(stamp)
        except ValueError:
            continue
        low, high = found.get(name, (time_ns, time_ns))
        found[name] = (min(low, time_ns), max(high, time_ns))
    return found


def summary(path: Path) -> bytes:
    """What is kept of a segment that is given up."""
    return dump(ranges_of(path.read_bytes()[HEADER_BYTES:].splitlines()))


def dump(ranges: Mapping[str, tuple[int, int]]) -> bytes:
    """Ranges as they stand in a gap's file."""
    return orjson.dumps(ranges)


def load(content: bytes) -> Ranges:
    """Ranges from a gap's file; none where it is not one."""
    try:
        return {str(name): (int(low), int(high)) for name, (low, high) in orjson.loads(content).items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def joined(one: Ranges, other: Ranges) -> Ranges:
    """Ranges that cover both.

    >>> joined({"window": (1, 5)}, {"window": (3, 9), "oee": (2, 2)})
    {'window': (1, 9), 'oee': (2, 2)}
    """
    found = dict(one)
    for name, (low, high) in other.items():
        first, last = found.get(name, (low, high))
        found[name] = (min(low, first), max(high, last))
    return found


def overlap(one: Ranges, other: Ranges) -> bool:
    """Whether some measurement's ranges have a time in common."""
    return any(low <= other[name][1] and other[name][0] <= high for name, (low, high) in one.items() if name in other)


def ask_refill(folder: Path, ranges: Ranges) -> None:
    """Ask the sender to write these times of a queue's measurements again; on disk when it returns."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(folder / f"{uuid4().hex}{ASK_SUFFIX}", dump(ranges))


def asks(folder: Path) -> list[Path]:
    """What was asked of a queue and is no gap yet."""
    return sorted(folder.glob(f"*{ASK_SUFFIX}"))


def take_asks(reader: SegmentReader) -> None:
    """Make what was asked for a part of gap 0; a crash in between makes it so twice, which changes nothing."""
    found = asks(reader.folder)
    if not found:
        return
    ranges = next((load(gap.summary) for gap in reader.gaps() if gap.number == ASKED), {})
    for path in found:
        ranges = joined(ranges, load(path.read_bytes()))
    reader.gap_left(ASKED, dump(ranges))
    for path in found:
        path.unlink()


def first_gap(reader: SegmentReader) -> Gap | None:
    """The oldest gap, made one with all that overlap it: each would be refilled as a whole. None: there is none."""
    found = reader.gaps()
    if not found:
        return None
    ranges, numbers = load(found[0].summary), {found[0].number}
    while more := [gap for gap in found if gap.number not in numbers and overlap(ranges, load(gap.summary))]:
        for gap in more:
            ranges = joined(ranges, load(gap.summary))
            numbers.add(gap.number)
    first = Gap(max(numbers), dump(ranges))  # a segment that was given up stays one, whoever asks for its time
    if len(numbers) > 1:
        reader.gap_left(*first)
        for number in numbers - {first.number}:
            reader.gap_done(number)
    return first
