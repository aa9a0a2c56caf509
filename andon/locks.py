"""One holder at a time: a lock on a file that the kernel gives back when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from andon.errors import DataFolderError


class Exclusive:
    """Holds `path` until `release` or the end of the process; DataFolderError("lock.held") when another one does.

    Two flows on one shard's state would both write, and both be believed: the second one must not start.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            raise DataFolderError("lock.held", path=str(path)) from None

    def release(self) -> None:
        """Let the next one have it."""
        os.close(self._handle)
