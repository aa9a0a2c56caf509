"""faults.jsonl: one line for each fault of the simulation, written when its cause begins."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from simulators.schedule import Fault


def read_faults(path: Path) -> list[Fault]:
    """The faults logged so far; empty where there is no file."""
    if not path.exists():
        return []
    return [Fault.from_json(line) for line in path.read_text(encoding="utf-8").splitlines()]


class FaultLog:
    """Appends each fault once, however often it is told; a line torn by a crash is taken away first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        _mend(path)
        self._known = set(read_faults(path))

    def note(self, faults: Sequence[Fault]) -> None:
        """Write what is new, on disk when it returns."""
        fresh = [fault for fault in faults if fault not in self._known]
        if not fresh:
            return
        with os.fdopen(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "wb") as file:
            file.write("".join(f"{fault.to_json()}\n" for fault in fresh).encode())
            file.flush()
            os.fsync(file.fileno())
        self._known.update(fresh)


def _mend(path: Path) -> None:
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)
