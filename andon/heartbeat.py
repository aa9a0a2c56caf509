"""A sign of life of each process, as a file that is touched; watchdogs look at its age."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from andon.datafolder import DataFolder

EVERY_S = 1.0


class Heartbeat:
    """Call it often; it touches the file once a second. The processes of a Bytewax cluster share one file."""

    def __init__(self, data: DataFolder, name: str) -> None:
        self.path = folder(data) / name
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._last = float("-inf")
        self._lock = threading.Lock()

    def __call__(self) -> None:
        """Still here. Any thread may call."""
        with self._lock:
            now = time.monotonic()  # the wall clock may be stepped; the age must not jump with it
            if now - self._last < EVERY_S:
                return
            self._last = now
            draft = self.path.with_suffix(f".{os.getpid()}.new")
            draft.write_text(repr(now))
            draft.replace(self.path)  # a watchdog that finds an empty file would take it for silence


@contextmanager
def kept(beat: Callable[[], None], limit_s: float) -> Iterator[None]:
    """Signs of life from beside, for what cannot give any itself; none beyond the limit."""
    done = threading.Event()
    until_s = time.monotonic() + limit_s

    def run() -> None:
        while not done.wait(EVERY_S) and time.monotonic() < until_s:
            beat()

    beside = threading.Thread(target=run, name="sign-of-life", daemon=True)
    beside.start()
    try:
        yield
    finally:
        done.set()
        beside.join()


def folder(data: DataFolder) -> Path:
    """Where the signs of life are."""
    return data.path / "state" / "alive"


def age_s(path: Path) -> float | None:
    """Seconds since the last sign, by the machine's monotonic clock; None where there is none of this boot."""
    try:
        last = float(path.read_text())
    except (OSError, ValueError):
        return None
    age = time.monotonic() - last  # asked for after the sign was read, which may be newer than the question
    return age if age >= 0 else None
