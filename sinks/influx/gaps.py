"""What stood in segments that were given up at the cap: a time range for each measurement.

It is refilled from the local history, so only the range must be kept, not the lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import orjson

from andon.datafolder import write_durably
from sinks.segments.files import GAP_SUFFIX, HEADER_BYTES

ASKED = 0  # number of a gap that people ask for; segments count from 1
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


def ask_refill(folder: Path, ranges: Ranges) -> None:
    """Ask the sender to write these times of a shard's measurements again; added to what is asked already."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{ASKED:012d}{GAP_SUFFIX}"
    before = load(path.read_bytes()) if path.exists() else {}
    for name, (low, high) in before.items():
        first, last = ranges.get(name, (low, high))
        ranges = {**ranges, name: (min(low, first), max(high, last))}
    write_durably(path, dump(ranges))
