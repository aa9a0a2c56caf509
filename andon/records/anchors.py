"""Anchors: the audit trail's length and head hash, written outside the database as it grows.

A line is `{"site", "count", "root", "at_ns"}`; root is the hash of record `count`, which covers all before it. The
file lies in the data folder by default; for a second trust domain, copy it elsewhere or name a path on another host.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path

from andon.records.canonical import canonical

EVERY_RECORDS = 1000
EVERY_NS = 15 * 60 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Anchor:
    """The trail of `site` had `count` records, and the last one's hash was `root`."""

    site: str
    count: int
    root: str
    at_ns: int


def append_anchor(path: Path, anchor: Anchor) -> None:
    """Add a line and fsync it; several processes may do so at once. Raises OSError."""
    line = canonical({"site": anchor.site, "count": anchor.count, "root": anchor.root, "at_ns": str(anchor.at_ns)})
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        # A crash can leave half a line; a line of its own keeps the next one whole.
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, (b"\n" if torn else b"") + line + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_anchors(path: Path, site: str) -> tuple[list[Anchor], list[int]]:
    """Anchors of a site in file order, and the numbers of lines that are unreadable. No file: none.

    A crash tears at most a line's end, so a torn line is a prefix of a JSON object; it is reported too, because
    nobody can tell it from one that was spoilt on purpose.
    """
    anchors, unreadable = [], []
    if not path.exists():
        return [], []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
            anchor = Anchor(str(told["site"]), int(told["count"]), str(told["root"]), int(told["at_ns"]))
        except (ValueError, KeyError, TypeError):
            unreadable.append(number)
            continue
        if anchor.site == site:
            anchors.append(anchor)
    return anchors, unreadable
