"""A learned row layout in a kernel: what every row of a producer has in common is compared, what differs is read.

A template is a list of steps. A step compares up to 16 bytes that never change, then reads one field. A row that
differs anywhere is not the template's, and another path reads it. So a template never decides what a row means: it only
finds the fields of rows that the general path would read in the same way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from sources.decode import stamps
from sources.decode.layout import FALSE, NULL, REAL, STRING, TRUE, offsets_of
from sources.decode.memory import byte_at, int64_at, put_float64, put_int64, same_16, unseen
from sources.decode.numbers import ERROR, number
from sources.decode.quick import M_NUMBER, M_SIZE, MEMO, code, decimal, milliseconds, string_stop
from sources.decode.text import literal

# what a step reads behind its fixed bytes
END, TEXT, VALUE, STAMP_MS, STAMP_TEXT, QUALITY, OTHER_NUMBER, OTHER_TEXT, NOTHING = range(9)
FIXED_BYTES = 16
MOST_STEPS = 30

STEP = np.dtype([
    ("fixed", "u8", 2), ("mask", "u8", 2), ("size", "i8"),  # the bytes that are compared
    ("reads", "i8"), ("into", "i8"),  # of a text: where in `FOUND` its span goes
    ("unused", "V8"), ("memo", MEMO), ("more", "V56"),
])  # fmt: skip
_FIXED, _MASK, _SIZE, _READS, _INTO, _, _MEMO, _ = offsets_of(STEP)
STEP_BYTES = STEP.itemsize

# what a row was found to hold, and where it came from
FOUND = np.dtype([
    ("asset", "i8"), ("asset_size", "i8"), ("tag", "i8"), ("tag_size", "i8"),
    ("unit", "i8"), ("unit_size", "i8"),  # -1: left out
    ("time_ns", "i8"), ("value", "f8"), ("kind", "i8"), ("text", "i8"), ("text_size", "i8"), ("quality", "i8"),
    ("row", "i8"), ("end", "i8"),  # its address, and the one behind it
    ("start", "i8"), ("stop", "i8"),  # its bytes as a dead letter has them, from the message's first on
    ("message", "i8"), ("line", "i8"), ("mode", "i8"), ("place", "i8"),
])  # fmt: skip
(
    F_ASSET, F_ASSET_SIZE, F_TAG, F_TAG_SIZE, F_UNIT, F_UNIT_SIZE, F_TIME, F_VALUE, F_KIND, F_TEXT, F_TEXT_SIZE,
    F_QUALITY, F_ROW, F_END, F_START, F_STOP, F_MESSAGE, F_LINE, F_MODE, F_PLACE,
) = offsets_of(FOUND)  # fmt: skip
FOUND_BYTES = FOUND.itemsize

_U: Any = np.uint64  # kernels turn integers into these types; for mypy they stay integers
_S: Any = np.int64
_U0 = _U(0)
_MS_DIGITS = 13
_MOST_MISSES = 64


@njit(nogil=True, cache=True, error_model="numpy")
def expect_again(templates: int, count: int) -> None:
    """Let texts be expected as long as the ones before them again, after a call that gave it up."""
    for step in range(templates, templates + count * MOST_STEPS * STEP_BYTES, STEP_BYTES):
        if int64_at(step + _READS) == TEXT:
            put_int64(step + _MEMO + M_NUMBER, 0)


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _expected(i: int, end: int, memo: int) -> Any:
    """`end`, the address behind the text at i, out of the size that is expected of it, if it is the right one.

    The size is mostly that of the text before it. The processor guesses this comparison and reads on, into the next
    row even, where else every field would wait for the text before it; a fifth of a line's time. Where sizes change
    it guesses wrong, and so nothing is expected any more after a few times.
    """
    size = int64_at(memo + M_SIZE)
    if end - i == size:
        return i + unseen(size)
    misses = int64_at(memo + M_NUMBER)
    if misses <= _MOST_MISSES:
        put_int64(memo + M_SIZE, end - i if misses < _MOST_MISSES else -1)
        put_int64(memo + M_NUMBER, misses + 1)
    return end


@njit(nogil=True, cache=True, error_model="numpy")
def match(i: int, template: int, stop: int, found: int) -> Any:
    """Read the row at address i into the `FOUND` at address `found` if it is of this template.

    template: address of its steps. stop: address behind the last byte that may be read.
    returns : the address behind the row, or -1 when it is not of this template. What then is in `found` means nothing.
    """
    put_int64(found + F_UNIT_SIZE, -1)
    put_int64(found + F_QUALITY, 192)
    step = template
    while True:
        if not same_16(i, step + _FIXED, step + _MASK):
            return -1
        i += int64_at(step + _SIZE)
        reads = int64_at(step + _READS)
        if reads == TEXT:  # a quote is the first byte that the next step compares
            end = _expected(i, string_stop(i, stop), step + _MEMO)
            into = found + int64_at(step + _INTO)
            put_int64(into, i)
            put_int64(into + 8, end - i)
            i = end
        elif reads == END:
            return i
        elif reads == VALUE:
            i = _value(i, stop, step, found)
        elif reads == STAMP_MS:
            ms = milliseconds(i, step + _MEMO)
            if ms < 0:
                return -1
            i += _MS_DIGITS
            put_int64(found + F_TIME, ms * 1_000_000)
        elif reads == QUALITY:
            size, quality = code(i, step + _MEMO)
            if size < 0:
                return -1
            i += size
            put_int64(found + F_QUALITY, quality)
        elif reads == STAMP_TEXT:
            end = string_stop(i, stop)
            status, time_ns = stamps.rfc3339(i, end)
            if status != stamps.OK:
                return -1
            put_int64(found + F_TIME, time_ns)
            i = end
        elif reads == OTHER_TEXT:
            i = _ascii(i, stop)
        elif reads == OTHER_NUMBER:
            c = byte_at(i)
            if c != 45 and not 48 <= c <= 57:
                return -1
            i, kind, _, _ = number(i)
            if kind == ERROR:
                return -1
        if i < 0:
            return -1
        step += STEP_BYTES


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _value(i: int, stop: int, step: int, found: int) -> Any:
    """Read a value of any kind; returns the address behind it, or -1."""
    c = byte_at(i)
    if c == 45 or 48 <= c <= 57:
        i, real = decimal(i, stop, step + _MEMO)
        put_float64(found + F_VALUE, real)
        put_int64(found + F_KIND, REAL)
        return i
    if c == 34:
        end = string_stop(i + 1, stop)
        put_int64(found + F_KIND, STRING)
        put_int64(found + F_TEXT, i + 1)
        put_int64(found + F_TEXT_SIZE, end - i - 1)
        return end + 1 if byte_at(end) == 34 else -1
    put_int64(found + F_KIND, TRUE if c == 116 else FALSE if c == 102 else NULL)
    return literal(i)


@njit(nogil=True, cache=True, error_model="numpy")
def _ascii(i: int, stop: int) -> Any:
    """Address of the quote that ends a string without escapes whose bytes are all ASCII, else -1."""
    end = string_stop(i, stop)
    for k in range(i, end):
        if byte_at(k) > 127:
            return -1
    return end
