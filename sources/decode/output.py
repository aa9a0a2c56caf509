"""Where the kernels put rows: good ones as columns, the others as records."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from andon.readings import I32, Readings
from sources.decode.layout import (
    AT_ROW,
    COUNTS,
    GOOD,
    LINE,
    MESSAGE,
    OFFSET,
    OK,
    OTHER,
    PENDING,
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

_COLUMNS = tuple(
    (np.dtype(kind), before)  # of good rows: type, bytes that the columns before it take a row
    for kind, before in (("i8", 0), ("f8", 8), ("i8", 16), ("i8", 24), ("i4", 32), ("u1", 36))
)
_GOOD_BYTES = 37


class Output(NamedTuple):
    """Addresses of everything that kernels write. row: the record of the row being read, behind it one read again."""

    row: int
    counts: int
    others: int
    place: int  # of good rows, int32
    ids: int  # int32 by place: a series' id, -1 where it has none yet
    capacity: int  # good rows that the columns below have room for; those beyond are only counted
    time_ns: int
    value: int
    offset: int
    received_ns: int
    series: int
    status: int


class GoodRows:
    """Fresh memory for the columns of `Readings`, with room for `capacity` rows, 1 or more."""

    def __init__(self, capacity: int) -> None:
        self._memory, self._capacity = np.empty(capacity * _GOOD_BYTES, np.uint8), capacity
        begin = address(self._memory)
        #: the last fields of `Output`
        self.addresses = (capacity, *(begin + before * capacity for _, before in _COLUMNS))

    def readings(self, rows: int) -> Readings:
        """The first rows, without copying them."""
        memory, capacity = self._memory, self._capacity
        time_ns, value, offset, received_ns, series, status = (
            np.ndarray(rows, dtype, memory, before * capacity) for dtype, before in _COLUMNS
        )
        return Readings(time_ns, series, value, status, offset, received_ns)


class Scratch:
    """The rest of the memory behind `Output`, used again by every call. Untouched capacity takes no memory."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.row, self.counts, self.others = np.zeros(2, ROW), np.zeros(1, COUNTS), np.empty(capacity, ROW)
        self.place = np.empty(capacity, np.int32)
        self._addresses = [address(array) for array in (self.row, self.counts, self.others, self.place)]

    def output(self, ids: I32, good: GoodRows) -> Output:
        """Addresses, with nothing put out so far."""
        self.counts[0] = 0
        return Output._make((*self._addresses, address(ids), *good.addresses))


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def put_good(
    place: int, time_ns: int, value: float, status: int, offset: int, received_ns: int, out: Output
) -> None:  # fmt: skip
    """Put out a good row."""
    good, series = int64_at(out.counts + GOOD), int32_at(out.ids + 4 * place)
    put_int64(out.counts + GOOD, good + 1)
    if series < 0:
        put_int64(out.counts + UNSEEN, 1)
    if good >= out.capacity:
        return
    put_int32(out.place + 4 * good, place)
    put_int64(out.time_ns + 8 * good, time_ns)
    put_float64(out.value + 8 * good, value)
    put_int64(out.offset + 8 * good, offset)
    put_int64(out.received_ns + 8 * good, received_ns)
    put_int32(out.series + 4 * good, series)
    put_byte(out.status + good, status)


@njit(nogil=True, cache=True, error_model="numpy")
def put_row(row: int, out: Output) -> None:
    """Put out the row in the record at an address, after its verdict.

    One that is not good may overtake rows of the block that is not settled yet: they count as good until they are not.
    """
    place = int32_at(row + PLACE)
    if byte_at(row + VERDICT) == OK:
        put_good(
            place, int64_at(row + TIME), float64_at(row + VALUE), byte_at(row + STATUS), int64_at(row + OFFSET),
            int64_at(row + RECEIVED), out,
        )  # fmt: skip
        return
    if place >= 0 and int32_at(out.ids + 4 * place) < 0:
        put_int64(out.counts + UNSEEN, 1)
    if byte_at(row + VERDICT) == SLOW:
        put_int64(out.counts + SLOW_ROWS, 1)
    other = int64_at(out.counts + OTHER)
    put_int32(row + AT_ROW, int64_at(out.counts + GOOD) + int64_at(out.counts + PENDING))
    to = out.others + ROW_BYTES * other
    while to > out.others and _is_before(row, to - ROW_BYTES):  # overtaken by that one
        _copy(to - ROW_BYTES, to)
        put_int32(to + AT_ROW, int32_at(to + AT_ROW) - 1)
        to -= ROW_BYTES
    _copy(row, to)
    put_int64(out.counts + OTHER, other + 1)


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _is_before(row: int, other: int) -> Any:
    """Whether a record stands before another in the log."""
    message, its = int32_at(row + MESSAGE), int32_at(other + MESSAGE)
    return message < its or (message == its and int32_at(row + LINE) < int32_at(other + LINE))


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _copy(row: int, to: int) -> None:
    for k in range(0, ROW_BYTES, 8):
        put_int64(to + k, int64_at(row + k))
