"""Rows found by templates, settled a block at a time: series looked up, fields judged, good rows put out.

Two short loops over a block instead of one long one over rows: the look-ups of its rows are on their way at the same
time, which is what keeps 100,000 series cheap. A row that is not simply good is read again by the general path.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import njit

from andon.readings import Status
from sources.decode.fields import read_row
from sources.decode.judge import judge_value
from sources.decode.layout import (
    CURRENT,
    END,
    LINE,
    MESSAGE,
    NOT_JSON,
    OFFSET,
    OK,
    PENDING,
    PLACE,
    REAL,
    RECEIVED,
    ROW_BYTES,
    SAMPLE,
    SAMPLE_END,
    SAMPLE_START,
    START,
    TEMPLATE_ROWS,
    VERDICT,
)  # fmt: skip
from sources.decode.lookup import (
    ENTRY_BYTES,
    FAST_HIGH,
    FAST_LOW,
    FAST_UNIT,
    UNIT_BYTES,
    Slots,
    candidate,
    hash_of,
    kind_if_same,
    unit_word,
)  # fmt: skip
from sources.decode.memory import (
    byte_at,
    float64_at,
    int32_at,
    int64_at,
    prefetch,
    put_byte,
    put_int32,
    put_int64,
    word_at,
)  # fmt: skip
from sources.decode.output import Output, put_good, put_row
from sources.decode.table import NUMBER, Addresses
from sources.decode.template import (
    F_ASSET,
    F_ASSET_SIZE,
    F_END,
    F_KIND,
    F_LINE,
    F_MESSAGE,
    F_MODE,
    F_PLACE,
    F_QUALITY,
    F_ROW,
    F_START,
    F_STOP,
    F_TAG,
    F_TAG_SIZE,
    F_TEXT,
    F_TEXT_SIZE,
    F_TIME,
    F_UNIT,
    F_UNIT_SIZE,
    F_VALUE,
    FOUND_BYTES,
    MOST_STEPS,
    STEP_BYTES,
    match,
)  # fmt: skip

BLOCK_ROWS = 32
TEMPLATE_BYTES = MOST_STEPS * STEP_BYTES
WHOLE_MESSAGE, ONE_LINE, ELEMENT = 0, 1, 2  # how a row stands in its message
_GOOD, _UNCERTAIN, _BAD = int(Status.GOOD), int(Status.UNCERTAIN), int(Status.BAD)


class Job(NamedTuple):
    """One call as the kernels see it; all but future_ns, max_bytes and template_count are addresses.

    stop: behind the last byte of the text that may be read. offsets, received_ns: int64 of each message.
    templates: template_count of them, TEMPLATE_BYTES apart; hits: int64 of each. found: BLOCK_ROWS of `FOUND`.
    """

    text: int
    stop: int
    offsets: int
    received_ns: int
    future_ns: int
    max_bytes: int
    templates: int
    template_count: int
    hits: int
    found: int


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def match_any(i: int, job: Job, out: Output) -> Any:
    """Find the row at address i by the template that was right last, then by the others; its end, or -1.

    What it holds is in the block's next place then, which `pend` takes.
    """
    if job.template_count == 0:
        return -1
    found = job.found + int64_at(out.counts + PENDING) * FOUND_BYTES
    latest = int64_at(out.counts + CURRENT)
    end, which = match(i, job.templates + latest * TEMPLATE_BYTES, job.stop, found), latest
    if end < 0:
        for k in range(job.template_count):
            if end < 0 and k != latest:
                end, which = match(i, job.templates + k * TEMPLATE_BYTES, job.stop, found), k
        if end < 0:
            return -1
        put_int64(out.counts + CURRENT, which)
    put_int64(job.hits + 8 * which, int64_at(job.hits + 8 * which) + 1)
    put_int64(found + F_ROW, i)
    put_int64(found + F_END, end)
    return end


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def pend(
    message: int, line: int, start: int, stop: int, mode: int, job: Job, table: Addresses, lookup: Slots, out: Output
) -> Any:  # fmt: skip
    """Keep the row that `match_any` found for its block; a full block is settled. False as `settle` says it."""
    pending = int64_at(out.counts + PENDING)
    found = job.found + pending * FOUND_BYTES
    put_int64(found + F_MESSAGE, message)
    put_int64(found + F_LINE, line)
    put_int64(found + F_START, start)
    put_int64(found + F_STOP, stop)
    put_int64(found + F_MODE, mode)
    put_int64(out.counts + PENDING, pending + 1)
    return settle(job, table, lookup, out) if pending + 1 == BLOCK_ROWS else True


@njit(nogil=True, cache=True, error_model="numpy")
def settle(job: Job, table: Addresses, lookup: Slots, out: Output) -> Any:
    """Put out all rows of the block, in their order; False when an element of an array turns out to be no JSON."""
    stop = job.found + int64_at(out.counts + PENDING) * FOUND_BYTES
    put_int64(out.counts + PENDING, 0)
    for found in range(job.found, stop, FOUND_BYTES):
        h = hash_of(
            int64_at(found + F_ASSET), int64_at(found + F_ASSET_SIZE), int64_at(found + F_TAG),
            int64_at(found + F_TAG_SIZE),
        )  # fmt: skip
        place = candidate(lookup, h)
        put_int64(found + F_PLACE, place)
        prefetch(lookup.entries + place * ENTRY_BYTES)
        prefetch(lookup.entries + place * ENTRY_BYTES + 64)
    for found in range(job.found, stop, FOUND_BYTES):
        if not _put_good(found, job, table, lookup, out) and not _read_again(found, job, table, out):
            return False
    return True


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _put_good(found: int, job: Job, table: Addresses, lookup: Slots, out: Output) -> Any:
    """Put out a found row whose series is known and whose fields are all right; False for any other."""
    place, message = int64_at(found + F_PLACE), int64_at(found + F_MESSAGE)
    if place < 0:
        return False
    one = lookup.entries + place * ENTRY_BYTES
    what = kind_if_same(
        one, int64_at(found + F_ASSET), int64_at(found + F_ASSET_SIZE), int64_at(found + F_TAG),
        int64_at(found + F_TAG_SIZE),
    )  # fmt: skip
    time_ns, received_ns = int64_at(found + F_TIME), int64_at(job.received_ns + 8 * message)
    if what < 0 or time_ns > received_ns + job.future_ns:
        return False
    unit_size = int64_at(found + F_UNIT_SIZE)
    if unit_size >= 0 and (
        unit_size > UNIT_BYTES or unit_word(int64_at(found + F_UNIT), unit_size) != word_at(one + FAST_UNIT)
    ):
        return False
    quality, value, kind = int64_at(found + F_QUALITY), float64_at(found + F_VALUE), int64_at(found + F_KIND)
    if quality > 255:
        if quality > 4294967295:
            return False
        status = min(quality >> 30, _BAD)
    else:
        status = _GOOD if quality >= 192 else _UNCERTAIN if quality >= 64 else _BAD
    in_range = float64_at(one + FAST_LOW) <= value <= float64_at(one + FAST_HIGH)
    if what != NUMBER or kind != REAL:
        text = int64_at(found + F_TEXT)
        verdict, value, in_range = judge_value(kind, value, text, text + int64_at(found + F_TEXT_SIZE), table, place)
        if verdict != OK:
            return False
    put_good(place, time_ns, value, status if in_range else _BAD, int64_at(job.offsets + 8 * message), received_ns, out)
    put_int64(out.counts + TEMPLATE_ROWS, int64_at(out.counts + TEMPLATE_ROWS) + 1)
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def _read_again(found: int, job: Job, table: Addresses, out: Output) -> Any:
    """Let the general path read a found row; it ends where it was found to end, unless it is not UTF-8."""
    mode, message, row = int64_at(found + F_MODE), int64_at(found + F_MESSAGE), out.row + ROW_BYTES
    set_message(row, message, job)
    latest_ns = int64_at(job.received_ns + 8 * message) + job.future_ns
    end = read_row(int64_at(found + F_ROW), mode == ONE_LINE, 1 if mode == ELEMENT else 0, latest_ns, table, row)
    if end != int64_at(found + F_END):
        if mode == ELEMENT:
            return False
        put_byte(row + VERDICT, NOT_JSON)
        put_int32(row + PLACE, -1)
    put_whole(row, int64_at(found + F_LINE), int64_at(found + F_START), int64_at(found + F_STOP), out)
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def set_message(row: int, message: int, job: Job) -> None:
    """Say in a record which message the rows are of that `put_whole` puts out."""
    put_int32(row + MESSAGE, message)
    put_int64(row + OFFSET, int64_at(job.offsets + 8 * message))
    put_int64(row + RECEIVED, int64_at(job.received_ns + 8 * message))


@njit(nogil=True, cache=True, error_model="numpy")
def put_whole(row: int, line: int, start: int, end: int, out: Output) -> None:
    """Put out the record that the general path has filled; a good one is a sample to learn a template from."""
    put_int32(row + LINE, line)
    put_int64(row + START, start)
    put_int64(row + END, end)
    if byte_at(row + VERDICT) == OK:
        put_int64(out.counts + SAMPLE, int32_at(row + MESSAGE))
        put_int64(out.counts + SAMPLE_START, start)
        put_int64(out.counts + SAMPLE_END, end)
    put_row(row, out)
