"""Where the kernels put rows: good ones as columns, the others as records."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from sources.decode.layout import (
    AT_ROW,
    COUNTS,
    GOOD,
    OFFSET,
    OK,
    OTHER,
    PLACE,
    RECEIVED,
    ROW,
    ROW_BYTES,
    SLOW,
    SLOW_ROWS,
    STATUS,
    TIME,
    UNSEEN,
    VALUE,
    VERDICT,
)  # fmt: skip
from sources.decode.memory import (
    address,
    byte_at,
    float64_at,
    int32_at,
    int64_at,
    put_byte,
    put_float64,
    put_int32,
    put_int64,
)  # fmt: skip


class Output(NamedTuple):
    """Addresses of everything that kernels write. row: the record of the row being read."""

    row: int
    counts: int
    others: int
    time_ns: int
    place: int
    value: int
    status: int
    offset: int
    received_ns: int
    ids: int  # int32 by place, to see which series has no id yet


class Scratch:
    """The memory behind `Output`, used again by every call. Untouched capacity takes no memory."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.row, self.counts, self.others = np.zeros(1, ROW), np.zeros(1, COUNTS), np.empty(capacity, ROW)
        self.time_ns, self.offset, self.received_ns = (np.empty(capacity, np.int64) for _ in range(3))
        self.place, self.value = np.empty(capacity, np.int32), np.empty(capacity, np.float64)
        self.status = np.empty(capacity, np.uint8)
        self._addresses = [
            address(array)
            for array in (
                self.row, self.counts, self.others, self.time_ns, self.place, self.value, self.status, self.offset,
                self.received_ns,
            )
        ]  # fmt: skip

    def output(self, ids: np.ndarray[tuple[int], np.dtype[np.int32]]) -> Output:
        """Addresses, with nothing put out so far."""
        self.counts[0] = 0
        return Output._make((*self._addresses, address(ids)))


@njit(nogil=True, cache=True, error_model="numpy")
def put_row(out: Output) -> None:
    """Put out the row in out.row, after its verdict."""
    row, good = out.row, int64_at(out.counts + GOOD)
    place = int32_at(row + PLACE)
    if place >= 0 and int32_at(out.ids + 4 * place) < 0:
        put_int64(out.counts + UNSEEN, 1)
    if byte_at(row + VERDICT) == OK:
        put_int64(out.time_ns + 8 * good, int64_at(row + TIME))
        put_int32(out.place + 4 * good, place)
        put_float64(out.value + 8 * good, float64_at(row + VALUE))
        put_byte(out.status + good, byte_at(row + STATUS))
        put_int64(out.offset + 8 * good, int64_at(row + OFFSET))
        put_int64(out.received_ns + 8 * good, int64_at(row + RECEIVED))
        put_int64(out.counts + GOOD, good + 1)
        return
    if byte_at(row + VERDICT) == SLOW:
        put_int64(out.counts + SLOW_ROWS, 1)
    other = int64_at(out.counts + OTHER)
    put_int32(row + AT_ROW, good)
    for k in range(0, ROW_BYTES, 8):
        put_int64(out.others + ROW_BYTES * other + k, int64_at(row + k))
    put_int64(out.counts + OTHER, other + 1)
