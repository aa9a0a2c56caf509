"""State beside the recovery store: cells of one file, overwritten in place and named by number, length and hash.

A snapshot in the recovery store names the cells it needs; their bytes are on disk before it is. A cell is free again
when none of the last `KEEP` snapshots names it, so nothing is ever deleted and the file stops growing after a few.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from andon.errors import DataFolderError

KEEP = 4  # one survived 90 kills; Bytewax may resume one epoch before the newest snapshot
CELL = 73_728  # bytes: a pane of 1,024 series with its scores
AT_ONCE = 64  # blocks in memory together
SMALL = 8_192  # bytes that are hashed before another thread has woken up
WRITE = 2  # SYNC_FILE_RANGE_WRITE of Linux
Cell = tuple[int, int, bytes]  # number, length in bytes, SHA-256
Reference = tuple[int, int, str]  # of layout 2: file, length in bytes, SHA-256


class SlotFiles:
    """The cells of one shard. One writer process.

    put(...) as often as needed, then commit(all cells of the snapshot): when that returns, they are on disk.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder, self.path = folder, folder / "cells.slot"
        is_new = not self.path.exists()
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if is_new:
            _sync_folder(folder)
        self._named: deque[frozenset[int]] = deque(maxlen=KEEP)
        self._taken: set[int] = set()  # since the last commit
        self._free: list[int] = []
        self._cells = -(-os.fstat(self._file).st_size // CELL)
        self._commits = 0
        self._beside = ThreadPoolExecutor(1, "digests")
        self._sync_file_range = getattr(ctypes.CDLL(None), "sync_file_range", None)
        self._find_free()

    def __del__(self) -> None:
        os.close(self._file)

    def put(self, data: bytes | NDArray[Any]) -> Cell:
        """At most CELL bytes (ValueError) into a free cell. On disk after the next commit."""
        return self.put_all([data])[0]

    def put_all(self, blocks: Iterable[bytes | NDArray[Any]]) -> list[Cell]:
        """As `put`, each into a cell of its own; the disk begins with them while their hashes are made."""
        cells: list[Cell] = []
        numbers: list[int] = []
        portion: list[memoryview] = []
        for block in blocks:  # written one by one: who hands them out may take the end for "all are written"
            data = np.frombuffer(block, np.uint8).data
            if len(data) > CELL:
                raise ValueError(f"{len(data)} bytes for a cell of {CELL}")
            numbers.append(self._write(data))
            portion.append(data)
            if len(portion) == AT_ONCE:
                cells += self._hashed(numbers, portion)
                numbers, portion = [], []
        return cells + self._hashed(numbers, portion)

    def _hashed(self, numbers: Sequence[int], blocks: Sequence[memoryview]) -> list[Cell]:
        """The cells that were written just now; the disk begins with them while their hashes are made."""
        if blocks:
            self._begin_sync()
        return list(zip(numbers, map(len, blocks), self._digests(blocks), strict=True))

    def _begin_sync(self) -> None:
        """Have the disk begin, so that `commit` waits less. It promises nothing, so failing is no matter either."""
        if self._sync_file_range is not None:
            whole_file = ctypes.c_int64(0), ctypes.c_int64(0)
            self._sync_file_range(self._file, *whole_file, ctypes.c_uint(WRITE))

    def _digests(self, blocks: Sequence[memoryview]) -> list[bytes]:
        """SHA-256 of each, on two threads.

        Not beside the writing: the threads would take the interpreter from each other with every block, and a
        busy machine makes each of those turns long.
        """
        made, waiting = [b""] * len(blocks), deque(range(len(blocks)))
        large = sum(map(len, blocks)) > SMALL
        beside = self._beside.submit(_make_digests, blocks, waiting, made) if large and len(blocks) > 1 else None
        _make_digests(blocks, waiting, made)
        if beside is not None:
            beside.result()
        return made

    def _write(self, data: memoryview) -> int:
        """The number of the cell that holds it now."""
        number = self._free.pop() if self._free else self._cells
        self._cells = max(self._cells, number + 1)
        self._taken.add(number)
        at = number * CELL
        while data:
            written = os.pwrite(self._file, data, at)
            data, at = data[written:], at + written
        return number

    def commit(self, named: Iterable[int]) -> None:
        """Make every cell durable that was put; named: the numbers of all cells of this snapshot, new or not."""
        if self._taken:
            os.fdatasync(self._file)
        self.hold(named)
        self._commits += 1
        if self._commits == KEEP + 1:
            self._forget_layout_2()

    def hold(self, named: Iterable[int]) -> None:
        """A snapshot names these cells: they stay as they are until KEEP later ones have been committed."""
        self._named.append(frozenset(named))
        self._taken.clear()
        self._find_free()

    def get(self, cell: Cell) -> bytes:
        """The bytes a snapshot names (DataFolderError when they are not the same any more)."""
        number, length, digest = cell
        data = os.pread(self._file, length, number * CELL)
        if hashlib.sha256(data).digest() != digest:
            raise DataFolderError("state.corrupt", path=str(self.path))
        return data

    def read(self, reference: Reference) -> bytes:
        """What a snapshot of layout 2 names: a file of its own."""
        slot, length, digest = reference
        path = self.folder / f"{slot}.slot"
        data = path.read_bytes()[:length] if path.exists() else b""
        if hashlib.sha256(data).hexdigest() != digest:
            raise DataFolderError("state.corrupt", path=str(path))
        return data

    def _find_free(self) -> None:
        kept = frozenset[int]().union(*self._named)
        self._free = [number for number in range(self._cells - 1, -1, -1) if number not in kept]

    def _forget_layout_2(self) -> None:
        """Nothing that Bytewax could resume from names the files of the layout before any more."""
        for path in self.folder.glob("[0-9].slot"):
            path.unlink()


def _make_digests(blocks: Sequence[memoryview], waiting: deque[int], made: list[bytes]) -> None:
    """Until none waits any more; another thread may take from the same ones."""
    while True:
        try:
            at = waiting.popleft()
        except IndexError:  # the other thread has taken the last one
            return
        made[at] = hashlib.sha256(blocks[at]).digest()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
