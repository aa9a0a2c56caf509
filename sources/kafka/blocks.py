"""Memory for fetched messages that is used again, once nobody holds any of it.

Fresh memory for each batch costs page faults and the processor's caches: the same few megabytes, used again and again,
stay warm from the copy to the parser.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from andon.readings import U8

SMALLEST = 1 << 20
LARGEST = 1 << 23  # longer ones, for single long messages, are given back to the system
KEPT = 1 << 25  # bytes; each partition of a worker has one on the way


class Blocks:
    """A pool of blocks of one process. Thread-safe: taking and giving back is one operation on a list each.

    free: blocks that nobody uses.
    """

    def __init__(self) -> None:
        self.free: list[bytearray] = []
        self._given: dict[int, Any] = {}  # what tells that a block's array has gone

    def take(self, size: int) -> U8:
        """An array of `size` bytes or more, of any content. The block is free again when the array is gone.

        Parts of the array hold it; so does whatever shows them as a buffer.
        """
        block = self._fitting(size)
        # of a bytearray, not of an array: numpy would make parts hold that one, and not what is watched here
        array = np.frombuffer(block, np.uint8)
        self._given[id(block)] = weakref.ref(array, lambda _gone: self._back(block))
        return array

    def _fitting(self, size: int) -> bytearray:
        try:
            block = self.free.pop()  # the newest: the caches still have it
        except IndexError:
            block = bytearray()
        return block if len(block) >= size else bytearray(max(size, SMALLEST))

    def _back(self, block: bytearray) -> None:
        del self._given[id(block)]
        if len(block) <= LARGEST and sum(map(len, tuple(self.free))) + len(block) <= KEPT:
            self.free.append(block)


BLOCKS = Blocks()
