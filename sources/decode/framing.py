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
    GOOD,
    LINE,
    MESSAGE,
    NOT_JSON,
    OFFSET,
    OTHER,
    PLACE,
    RECEIVED,
    START,
    TOO_LARGE,
    VERDICT,
)  # fmt: skip
from sources.decode.memory import byte_at, int64_at, put_byte, put_int32, put_int64
from sources.decode.output import Output, put_row
from sources.decode.table import Addresses
from sources.decode.text import blank


@njit(nogil=True, cache=True, error_model="numpy")
def read_messages(
    text: int, ends: I64, offsets: I64, received_ns: I64, future_ns: int, max_bytes: int, table: Addresses, out: Output
) -> None:
    """Read m messages and put out their rows.

    text: address of the messages, a byte 0 behind each, 16 more at the end.
    ends, offsets, received_ns: int64[m]; of each message the index of the byte 0 behind it, its offset and stamp.
    out : with room for at least sum(lengths) // 2 + m rows: a row takes 2 bytes, a blank message is a row.
    """
    begin = text
    for m in range(ends.shape[0]):
        end = text + ends[m]
        put_int32(out.row + MESSAGE, m)
        put_int64(out.row + OFFSET, offsets[m])
        put_int64(out.row + RECEIVED, received_ns[m])
        latest_ns = received_ns[m] + future_ns
        if end - begin > max_bytes:
            _refuse(begin, end, TOO_LARGE, out)
        else:
            i = blank(begin, False)
            if byte_at(i) == 91:  # [
                _read_array(i, begin, end, latest_ns, table, out)
            else:
                j = read_row(i, False, 0, latest_ns, table, out.row)
                if j >= 0 and blank(j, False) == end:
                    _put(0, 0, end - begin, out)
                else:
                    _read_lines(begin, end, latest_ns, table, out)
        begin = end + 1


@njit(nogil=True, cache=True, error_model="numpy")
def _read_array(i: int, begin: int, end: int, latest_ns: int, table: Addresses, out: Output) -> None:
    """The elements of the array at i; when it turns out broken, what they were is taken back."""
    good, other = int64_at(out.counts + GOOD), int64_at(out.counts + OTHER)
    i = blank(i + 1, False)
    ended, ok, line = byte_at(i) == 93, True, 0
    while ok and not ended:
        j = read_row(i, False, 1, latest_ns, table, out.row)
        ok = j >= 0
        if ok:
            _put(line, i - begin, j - begin, out)
            line += 1
            i = blank(j, False)
            ended = byte_at(i) == 93
            if not ended:
                ok = byte_at(i) == 44
                i = blank(i + 1, False)
    if not ok or blank(i + 1, False) != end:
        put_int64(out.counts + GOOD, good)
        put_int64(out.counts + OTHER, other)
        _refuse(begin, end, NOT_JSON, out)


@njit(nogil=True, cache=True, error_model="numpy")
def _read_lines(begin: int, end: int, latest_ns: int, table: Addresses, out: Output) -> None:
    """A row for each line that is not blank; a message with one such line, or none, is a row as a whole."""
    line, i = 0, _line(begin, end)
    if i == end:
        _refuse(begin, end, NOT_JSON, out)
    while i < end:
        last = read_row(i, True, 0, latest_ns, table, out.row)
        stop = blank(last, True) if last >= 0 else i
        if last < 0 or (stop < end and byte_at(stop) != 10):
            put_byte(out.row + VERDICT, NOT_JSON)
            put_int32(out.row + PLACE, -1)
            while stop < end and byte_at(stop) != 10:
                stop += 1
            last = stop
            while byte_at(last - 1) in (32, 9, 13):
                last -= 1
        following = _line(stop, end)
        if line == 0 and following == end:
            _put(line, 0, end - begin, out)
        else:
            _put(line, i - begin, last - begin, out)
        line += 1
        i = following


@njit(nogil=True, cache=True, error_model="numpy")
def _line(i: int, end: int) -> int:
    """Where the next line with anything on it begins; `end` when there is none."""
    i = blank(i, False)
    return min(i, end)


@njit(nogil=True, cache=True, error_model="numpy")
def _refuse(begin: int, end: int, verdict: int, out: Output) -> None:
    """Put out a whole message as a dead letter."""
    put_byte(out.row + VERDICT, verdict)
    put_int32(out.row + PLACE, -1)
    _put(0, 0, end - begin, out)


@njit(nogil=True, cache=True, error_model="numpy")
def _put(line: int, start: int, end: int, out: Output) -> None:
    put_int32(out.row + LINE, line)
    put_int64(out.row + START, start)
    put_int64(out.row + END, end)
    put_row(out)
