"""Slot files: large state beside the recovery store, written in place and named by slot, length and hash.

A snapshot in the recovery store holds only the reference; the bytes are on disk before the reference is. A slot is
free again when none of the last `KEEP` snapshots names it, so no file is ever deleted and none grows for ever.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from pathlib import Path

from andon.errors import DataFolderError

KEEP = 4  # one survived 90 kills; Bytewax may resume one epoch before the newest snapshot
Reference = tuple[int, int, str]  # slot, length in bytes, SHA-256


class SlotFiles:
    """A pool of files of one shard. One writer process."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._named: deque[int] = deque(maxlen=KEEP)

    def write(self, data: bytes) -> Reference:
        """Bytes into a free slot, on disk when this returns. The slots of the last KEEP references stay as they are."""
        slot = next(number for number in range(KEEP + 1) if number not in self._named)
        path = self.folder / f"{slot}.slot"
        is_new = not path.exists()
        handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle) if is_new else os.fdatasync(handle)
        finally:
            os.close(handle)
        if is_new:
            folder = os.open(self.folder, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        self._named.append(slot)
        return (slot, len(data), hashlib.sha256(data).hexdigest())

    def read(self, reference: Reference) -> bytes:
        """The bytes a snapshot names (DataFolderError when they are not the same any more); its slot is kept."""
        slot, length, digest = reference
        path = self.folder / f"{slot}.slot"
        data = path.read_bytes()[:length] if path.exists() else b""
        if hashlib.sha256(data).hexdigest() != digest:
            raise DataFolderError("state.corrupt", path=str(path))
        self._named.append(slot)
        return data
