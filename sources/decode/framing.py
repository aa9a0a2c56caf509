"""Messages to rows, in a kernel: one object, an array of objects, or a line for each (NDJSON).

A message that is one JSON value is one row, or with an array a row for each element; an array broken anywhere is one
dead letter. Anything else is lines: each line that is not blank is a row, a line that is no object a dead letter.

Each row is tried by the templates first, then read by the general path. Rows found by a template wait in their block;
it is settled before another good row is put out, so rows stay in the order of the log. Others may overtake them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from andon.readings import I64
from sources.decode.fields import read_row
from sources.decode.layout import GOOD, NOT_JSON, OK, OTHER, PENDING, PLACE, TEMPLATE_ROWS, TOO_LARGE, VERDICT
from sources.decode.lookup import Slots
from sources.decode.memory import byte_at, int64_at, put_byte, put_int32, put_int64, word_at
from sources.decode.numbers import HIGH_BITS
from sources.decode.output import Output
from sources.decode.settle import ELEMENT, ONE_LINE, WHOLE_MESSAGE, Job, match_any, pend, put_whole, set_message, settle
from sources.decode.table import Addresses
from sources.decode.template import expect_again
from sources.decode.text import blank

_U0, _ONES, _LINE_FEEDS = np.uint64(0), np.uint64(0x0101010101010101), np.uint64(0x0A0A0A0A0A0A0A0A)
_MOST_AHEAD = 64  # rows that a row of the block may have to be put before


@njit(nogil=True, cache=True, error_model="numpy")
def read_messages(ends: I64, job: Job, table: Addresses, lookup: Slots, out: Output) -> None:
    """Read m messages and put out their rows.

    ends: int64[m], index in the job's text of the byte 0 behind each; 16 more bytes stand at the end.
    out : with room for at least sum(lengths) // 2 + m rows: a row takes 2 bytes, a blank message is a row.
    """
    expect_again(job.templates, job.template_count)
    begin = job.text
    for m in range(ends.shape[0]):
        end = job.text + ends[m]
        found = -1
        if end - begin <= job.max_bytes and byte_at(begin) == 123:  # {
            found = match_any(begin, job, out)
        if found >= 0 and (found == end or (found + 1 == end and byte_at(found) == 10)):
            pend(m, 0, 0, end - begin, WHOLE_MESSAGE, job, table, lookup, out)
        else:
            set_message(out.row, m, job)
            if byte_at(begin) != 123 or not _read_object(m, begin, end, job, table, lookup, out):
                settle(job, table, lookup, out)
                _read_message(m, begin, end, job, table, lookup, out)
        begin = end + 1
    settle(job, table, lookup, out)


@njit(nogil=True, cache=True, error_model="numpy")
def _read_object(m: int, begin: int, end: int, job: Job, table: Addresses, lookup: Slots, out: Output) -> Any:
    """One message that begins as an object and is one row; False when it may be several, or is too large."""
    if end - begin > job.max_bytes:
        return False
    j = read_row(begin, False, 0, int64_at(job.received_ns + 8 * m) + job.future_ns, table, out.row)
    if j < 0 or blank(j, False) != end:
        if not _is_one_line(begin, end):
            return False
        put_byte(out.row + VERDICT, NOT_JSON)
        put_int32(out.row + PLACE, -1)
    _put_or_overtake(0, 0, end - begin, job, table, lookup, out)
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def _put_or_overtake(
    line: int, start: int, end: int, job: Job, table: Addresses, lookup: Slots, out: Output
) -> None:  # fmt: skip
    """Put out the row in out.row. A good one goes behind those of the block; others may go ahead, a few at a time."""
    if byte_at(out.row + VERDICT) == OK or int64_at(out.counts + OTHER) % _MOST_AHEAD == 0:
        settle(job, table, lookup, out)
    put_whole(out.row, line, start, end, out)


@njit(nogil=True, cache=True, error_model="numpy")
def _is_one_line(i: int, end: int) -> Any:
    """Whether no byte is a line feed."""
    while i + 8 <= end:
        word = word_at(i) ^ _LINE_FEEDS
        if (word - _ONES) & ~word & HIGH_BITS != _U0:
            return False
        i += 8
    while i < end:
        if byte_at(i) == 10:
            return False
        i += 1
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def _read_message(m: int, begin: int, end: int, job: Job, table: Addresses, lookup: Slots, out: Output) -> None:
    """One message that is not just one row of a template."""
    if end - begin > job.max_bytes:
        _refuse(begin, end, TOO_LARGE, out)
        return
    i = blank(begin, False)
    if byte_at(i) == 91:  # [
        _read_array(m, i, begin, end, job, table, lookup, out)
        return
    latest_ns = int64_at(job.received_ns + 8 * m) + job.future_ns
    j = read_row(i, False, 0, latest_ns, table, out.row)
    if j >= 0 and blank(j, False) == end:
        put_whole(out.row, 0, 0, end - begin, out)
    else:
        _read_lines(m, begin, end, job, table, lookup, out)


@njit(nogil=True, cache=True, error_model="numpy")
def _read_array(m: int, i: int, begin: int, end: int, job: Job, table: Addresses, lookup: Slots, out: Output) -> None:
    """The elements of the array at i; when it turns out broken, what they were is taken back."""
    good, other = int64_at(out.counts + GOOD), int64_at(out.counts + OTHER)
    by_template = int64_at(out.counts + TEMPLATE_ROWS)
    latest_ns = int64_at(job.received_ns + 8 * m) + job.future_ns
    i = blank(i + 1, False)
    ended, ok, line = byte_at(i) == 93, True, 0
    while ok and not ended:
        j = match_any(i, job, out)
        if j >= 0:
            ok = pend(m, line, i - begin, j - begin, ELEMENT, job, table, lookup, out)
        else:
            ok = settle(job, table, lookup, out)
            if ok:
                j = read_row(i, False, 1, latest_ns, table, out.row)
                ok = j >= 0
            if ok:
                put_whole(out.row, line, i - begin, j - begin, out)
        if ok:
            line += 1
            i = blank(j, False)
            ended = byte_at(i) == 93
            if not ended:
                ok = byte_at(i) == 44
                i = blank(i + 1, False)
    ok = ok and settle(job, table, lookup, out)
    if not ok or blank(i + 1, False) != end:
        put_int64(out.counts + PENDING, 0)
        put_int64(out.counts + GOOD, good)
        put_int64(out.counts + OTHER, other)
        put_int64(out.counts + TEMPLATE_ROWS, by_template)
        _refuse(begin, end, NOT_JSON, out)


@njit(nogil=True, cache=True, error_model="numpy")
def _read_lines(m: int, begin: int, end: int, job: Job, table: Addresses, lookup: Slots, out: Output) -> None:
    """A row for each line that is not blank; a message with one such line, or none, is a row as a whole."""
    latest_ns = int64_at(job.received_ns + 8 * m) + job.future_ns
    line, i = 0, _line(begin, end)
    if i == end:
        _refuse(begin, end, NOT_JSON, out)
    while i < end:
        last = match_any(i, job, out)
        by_template = last >= 0 and (last == end or byte_at(last) == 10)
        stop = last
        if not by_template:
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
        first, behind = (0, end - begin) if line == 0 and following == end else (i - begin, last - begin)
        if by_template:
            pend(m, line, first, behind, ONE_LINE, job, table, lookup, out)
        else:
            _put_or_overtake(line, first, behind, job, table, lookup, out)
        line += 1
        i = following
    settle(job, table, lookup, out)


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
    put_whole(out.row, 0, 0, end - begin, out)
