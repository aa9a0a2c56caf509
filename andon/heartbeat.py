"""A sign of life of each process, as a file that is touched; watchdogs look at its age."""

from __future__ import annotations

import time
from pathlib import Path

from andon.datafolder import DataFolder

EVERY_S = 1.0


class Heartbeat:
    """Call it often; it touches the file once a second."""

    def __init__(self, data: DataFolder, name: str) -> None:
        self.path = folder(data) / name
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._last = float("-inf")

    def __call__(self) -> None:
        """Still here."""
        now = time.monotonic()  # the wall clock may be stepped; the age must not jump with it
        if now - self._last >= EVERY_S:
            self._last = now
            self.path.write_text(repr(now))


def folder(data: DataFolder) -> Path:
    """Where the signs of life are."""
    return data.path / "state" / "alive"


def age_s(path: Path) -> float | None:
    """Seconds since the last sign, by the machine's monotonic clock; None where there is none of this boot."""
    try:
        age = time.monotonic() - float(path.read_text())
    except (OSError, ValueError):
        return None
    return age if age >= 0 else None
