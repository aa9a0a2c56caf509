"""The file that says which models judge which series, as a running flow sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from andon.errors import DataFolderError
from andon.models import Assignment, read_assignments

LOOK_S = 1.0  # assignments begin 5 s after they are written (andon/records/models.py): none is seen too late
log = structlog.get_logger()


class ModelFile:
    """What `path` says, looked at no oftener than once in LOOK_S. monotonic_s: for tests.

    A file that cannot be read is told once, and what it said before holds.
    """

    def __init__(self, path: Path, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._path, self._monotonic_s = path, monotonic_s
        self._stamp: tuple[int, int] | None = None
        self._looked_s: float | None = None
        self._edition = 0
        self._assignments: Sequence[Assignment] = ()

    def now(self) -> tuple[int, Sequence[Assignment]]:
        """How often it has changed so far, and the assignments."""
        at_s = self._monotonic_s()
        if self._looked_s is None or at_s - self._looked_s >= LOOK_S:
            self._looked_s = at_s
            self._look()
        return self._edition, self._assignments

    def _look(self) -> None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return
        stamp = found.st_mtime_ns, found.st_ino  # it is replaced, never written into
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._assignments = read_assignments(self._path)
        except (DataFolderError, OSError) as error:
            log.warning("flow.models_unread", path=str(self._path), cause=str(error))
            return
        self._edition += 1
