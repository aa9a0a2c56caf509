"""Kernels that find the columns of Arrow messages whose bytes are, but for the numbers, those of a message before."""

from __future__ import annotations

from typing import Any

from numba import njit

from andon.readings import I64
from sources.decode.arrow_guard import BODY_LENGTH, HEADER, HEADER_TYPE, RECORDS, field_at, follow
from sources.decode.memory import byte_at, int32_at, int64_at, word_at

PAIR = 16  # bytes of a node (rows, nulls) and of a buffer (offset, length)
_LENGTH, _NODES, _BUFFERS = 0, 1, 2  # fields of RecordBatch


@njit(nogil=True, cache=True, error_model="numpy")
def head_size(begin: int, end: int) -> Any:
    """Bytes of the stream at address begin .. end - 1 before its first batch, -1 where it has none.

    The stream is `harmless`.
    """
    i = begin
    while end - i >= 8 and int32_at(i) == -1 and int32_at(i + 4) != 0:
        message, stop = i + 8 + int32_at(i + 8), i + 8 + int32_at(i + 4)
        kind, body = field_at(message, HEADER_TYPE, i + 8, stop), field_at(message, BODY_LENGTH, i + 8, stop)
        if kind > 0 and byte_at(kind) == RECORDS:
            return i - begin
        i = stop + (int64_at(body) if body > 0 else 0)
    return -1


@njit(nogil=True, cache=True, error_model="numpy")
def survey(i: int, end: int, columns: int, places: I64) -> bool:
    """Find the numbers in the header of a batch, address i .. end - 1.

    Writes places, int64[4], counted from i: of the length, the first node, the first buffer, the length of the body.
    returns: False for a batch that has not so many columns of two buffers each, or that has nulls.
    """
    begin = i + 8
    message = begin + int32_at(begin)
    body = field_at(message, BODY_LENGTH, begin, end)
    table = follow(field_at(message, HEADER, begin, end), begin, end)
    length = field_at(table, _LENGTH, begin, end)
    nodes = follow(field_at(table, _NODES, begin, end), begin, end)
    buffers = follow(field_at(table, _BUFFERS, begin, end), begin, end)
    if body <= 0 or body + 8 > end or length <= 0 or length + 8 > end or nodes <= 0 or buffers <= 0:
        return False
    if nodes + 4 + PAIR * columns > end or buffers + 4 + 2 * PAIR * columns > end:
        return False
    if int32_at(nodes) != columns or int32_at(buffers) != 2 * columns:
        return False
    for k in range(columns):
        if int64_at(nodes + 4 + PAIR * k + 8) != 0:
            return False
    places[0], places[1], places[2], places[3] = length - i, nodes + 4 - i, buffers + 4 - i, body - i
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def read_batches(begin: int, end: int, text: int, program: I64, found: I64) -> int:
    """How many batches the message at address begin .. end - 1 has, 0 where it is not all of this form.

    program: int64: sizes of head and header; addresses of head, header, mask; columns; the places of `survey`; of each
        column bytes a row, and the number that its codes are below or -1. Nothing in it is from the message.
    Writes found: int64[most batches, 1 + columns]: rows, and where each column begins, counted from text. All that it
    says is within the message.
    """
    head, size, columns, first_buffer = program[0], program[1], program[5], program[8]
    if end - begin < head + size or not _same(begin, program[2], head):
        return 0
    i, count = begin + head, 0
    while end - i >= 8 and int32_at(i + 4) != 0:
        if end - i < size or count == found.shape[0] or not _like(i, program[3], program[4], size):
            return 0
        rows, body, left = int64_at(i + program[6]), i + size, int64_at(i + program[9])
        if left < 0 or left > end - body or rows <= 0 or rows > left:
            return 0
        found[count, 0] = rows
        for k in range(columns):
            width, most = program[10 + 2 * k], program[11 + 2 * k]
            validity = i + first_buffer + 2 * PAIR * k
            values = _buffer(validity + PAIR, left, rows * width)
            if int64_at(i + program[7] + PAIR * k) != rows or _buffer(validity, left, 0) < 0 or values < 0:
                return 0
            if most >= 0 and not _below(body + values, rows, width, most):
                return 0
            found[count, 1 + k] = body + values - text
        i = body + left
        count += 1
    ended = i == end or (end - i >= 8 and int32_at(i) == -1)
    return count if ended else 0


@njit(nogil=True, cache=True, error_model="numpy")
def _buffer(at: int, body: int, least: int) -> Any:
    """Where a buffer begins in a body of so many bytes, -1 where it is not within it or has not the least bytes."""
    offset, size = int64_at(at), int64_at(at + 8)
    if offset < 0 or offset & 7 != 0 or size < least or offset > body or size > body - offset:
        return -1
    return offset


@njit(nogil=True, cache=True, error_model="numpy")
def _same(one: int, other: int, size: int) -> bool:
    """Whether size bytes, a multiple of 8, are the same at two addresses."""
    differ = word_at(one) ^ word_at(other)
    for k in range(8, size, 8):
        differ |= word_at(one + k) ^ word_at(other + k)
    return bool(differ == 0)


@njit(nogil=True, cache=True, error_model="numpy")
def _like(one: int, other: int, mask: int, size: int) -> bool:
    """Whether size bytes, a multiple of 8, are the same at two addresses where a mask at a third has ones."""
    differ = (word_at(one) ^ word_at(other)) & word_at(mask)
    for k in range(8, size, 8):
        differ |= (word_at(one + k) ^ word_at(other + k)) & word_at(mask + k)
    return bool(differ == 0)


@njit(nogil=True, cache=True, error_model="numpy")
def _below(at: int, rows: int, width: int, most: int) -> bool:
    """Whether all of so many codes, width bytes each, are 0 .. most - 1, and most what their type can count to."""
    over = 0  # negative once a code is not
    if width == 1:
        for k in range(rows):
            over |= most - 1 - byte_at(at + k)
    elif width == 2:
        for k in range(rows):
            over |= most - 1 - (byte_at(at + 2 * k) | byte_at(at + 2 * k + 1) << 8)
    elif width == 4:
        for k in range(rows):
            code = int32_at(at + 4 * k)
            over |= code | most - 1 - code
    else:
        for k in range(rows):
            code = int64_at(at + 8 * k)
            over |= code | most - 1 - code
    return over >= 0
