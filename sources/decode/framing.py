"""Messages to rows, in a kernel: one object, an array of objects, or a line for each (NDJSON).

A message that is one JSON value is one row, or with an array a row for each element; an array broken anywhere is one
dead letter. Anything else is lines: each line that is not blank is a row, a line that is no object a dead letter.
"""

from __future__ import annotations

from numba import njit

from andon.readings import I64
from sources.decode.fields import read_row
from sources.decode.layout import (
    END,
    LINE,
    MESSAGE,
    NOT_JSON,
    PLACE,
    ROW_BYTES,
    START,
    TOO_LARGE,
    VERDICT,
)  # fmt: skip
from sources.decode.memory import byte_at, put_byte, put_int32, put_int64
from sources.decode.table import Addresses
from sources.decode.text import blank


@njit(nogil=True, cache=True, error_model="numpy")
def read_messages(
    text: int, ends: I64, received_ns: I64, future_ns: int, max_bytes: int, table: Addresses, rows: int
) -> int:
    """Read all messages into records of `layout.ROW`; returns how many rows there are.

    text : address of the messages, a byte 0 behind each, 16 more at the end.
    ends : int64[m], index of the byte 0 behind each message.
    rows : address of the records; room for at least sum(lengths) // 2 + m: a row takes 2 bytes, a blank message is one.
    """
    row, begin = rows, text
    for m in range(ends.shape[0]):
        end = text + ends[m]
        latest_ns = received_ns[m] + future_ns
        if end - begin > max_bytes:
            row = _close(row, m, 0, begin, begin, end, TOO_LARGE)
        else:
            i = blank(begin, False)
            if byte_at(i) == 91:  # [
                row = _read_array(i, begin, end, m, latest_ns, table, row)
            else:
                j = read_row(i, False, 0, latest_ns, table, row)
                if j >= 0 and blank(j, False) == end:
                    row = _close(row, m, 0, begin, begin, end, -1)
                else:
                    row = _read_lines(begin, end, m, latest_ns, table, row)
        begin = end + 1
    return (row - rows) // ROW_BYTES


@njit(nogil=True, cache=True, error_model="numpy")
def _read_array(i: int, begin: int, end: int, m: int, latest_ns: int, table: Addresses, first: int) -> int:
    """The elements of the array at i; returns the address of the next record."""
    row, line = first, 0
    i = blank(i + 1, False)
    ended = byte_at(i) == 93
    while not ended:
        j = read_row(i, False, 1, latest_ns, table, row)
        if j < 0:
            return _close(first, m, 0, begin, begin, end, NOT_JSON)
        row = _close(row, m, line, begin, i, j, -1)
        line += 1
        i = blank(j, False)
        ended = byte_at(i) == 93
        if not ended:
            if byte_at(i) != 44:
                return _close(first, m, 0, begin, begin, end, NOT_JSON)
            i = blank(i + 1, False)
    if blank(i + 1, False) != end:
        return _close(first, m, 0, begin, begin, end, NOT_JSON)
    return row


@njit(nogil=True, cache=True, error_model="numpy")
def _read_lines(begin: int, end: int, m: int, latest_ns: int, table: Addresses, first: int) -> int:
    """A row for each line that is not blank; a message with one such line, or none, is a row as a whole."""
    row, line, i = first, 0, begin
    while i < end:
        i = blank(i, True)
        stop = i
        while stop < end and byte_at(stop) != 10:
            stop += 1
        last = stop
        while last > i and (byte_at(last - 1) == 32 or byte_at(last - 1) == 9 or byte_at(last - 1) == 13):
            last -= 1
        if last > i:
            ok = read_row(i, True, 0, latest_ns, table, row) == last
            row = _close(row, m, line, begin, i, last, -1 if ok else NOT_JSON)
            line += 1
        i = stop + 1
    if line == 0:
        return _close(first, m, 0, begin, begin, end, NOT_JSON)
    if line == 1:
        put_int64(first + START, 0)
        put_int64(first + END, end - begin)
    return row


@njit(nogil=True, cache=True, error_model="numpy")
def _close(row: int, m: int, line: int, begin: int, start: int, end: int, verdict: int) -> int:
    """Note where a row came from, and its verdict unless it has one (-1); returns the address of the next."""
    put_int32(row + MESSAGE, m)
    put_int32(row + LINE, line)
    put_int64(row + START, start - begin)
    put_int64(row + END, end - begin)
    if verdict >= 0:
        put_byte(row + VERDICT, verdict)
        put_int32(row + PLACE, -1)
    return row + ROW_BYTES
