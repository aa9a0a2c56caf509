"""Arrays that grow without moving: address space is reserved, memory comes with the first write.

An array that doubles copies everything it holds: at 65,000 series that is a stall of tens of milliseconds in the
middle of a log. A reservation costs nothing until it is used, and views of it stay valid for ever.
"""

from __future__ import annotations

import mmap
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

RESERVED = 1 << 18  # rows; a shard with more is copied once into a reservation of twice the size
LARGE = 8 << 20  # bytes from which on memory comes in pages of 2 MB: a fifth less for rows in random order
NO_RESERVE = 0x4000  # MAP_NORESERVE of Linux, which the mmap module names from Python 3.13 on
Array = NDArray[Any]


class Arena:
    """Rows of zeros, `rows` of shape (len, *shape); `reach(n)` makes at least n of them usable.

    Where the system refuses the reservation (a limit on address space), the array is an ordinary one that is copied
    when it doubles.
    """

    def __init__(self, dtype: DTypeLike, shape: tuple[int, ...] = ()) -> None:
        self._dtype, self._shape = np.dtype(dtype), shape
        self.row_bytes = self._dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        self._memory: mmap.mmap | None = None
        self._is_large = False
        self.rows: Array = self._reserve(RESERVED, 1024)

    def reach(self, count: int) -> None:
        """Make rows 0..count - 1 usable. Cost: nothing up to RESERVED rows, then a copy for each doubling."""
        if count > len(self.rows):
            old = self.rows
            self._is_large = False
            self.rows = self._reserve(1 << (count - 1).bit_length())
            self.rows[: len(old)] = old
        if self._memory is not None and not self._is_large and count * self.row_bytes >= LARGE:
            self._is_large = True
            with suppress(OSError):  # a kernel without them
                self._memory.madvise(mmap.MADV_HUGEPAGE)

    def _reserve(self, count: int, least: int | None = None) -> Array:
        """least: rows that do for now where the system refuses."""
        try:
            memory = mmap.mmap(-1, count * self.row_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NO_RESERVE)
        except OSError:
            self._memory = None
            return np.zeros((least or count, *self._shape), self._dtype)
        self._memory = memory
        return np.frombuffer(memory, self._dtype).reshape(count, *self._shape)
