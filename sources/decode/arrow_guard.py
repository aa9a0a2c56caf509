"""What must not get as far as pyarrow: batches that say they unpack to more than the message holds.

A compressed buffer of a few bytes may claim gigabytes, a column without buffers any number of rows. So batches whose
buffers are compressed are refused (let Kafka compress), and those with more rows than the message has bytes. The walk
reads the headers (flatbuffers of Arrow's Message.fbs) of all batches of a stream; pyarrow checks everything else.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from sources.decode.memory import byte_at, int32_at, int64_at

DICTIONARY, RECORDS = 2, 3  # header types
HEADER_TYPE, HEADER, BODY_LENGTH = 1, 2, 3  # fields of Message
_DATA = 1  # of DictionaryBatch: its RecordBatch
_LENGTH, _COMPRESSION = 0, 3  # of RecordBatch


@njit(nogil=True, cache=True, error_model="numpy")
def harmless(begin: int, end: int) -> bool:
    """Whether the stream at address begin .. end - 1 has uncompressed batches only, of fewer rows than it has bytes."""
    i = begin
    while end - i >= 8 and int32_at(i) == -1:
        size = int32_at(i + 4)
        if size == 0:
            return True
        i += 8
        if size < 8 or size > end - i:
            return False
        message, stop = i + int32_at(i), i + size
        kind = field_at(message, HEADER_TYPE, i, stop)
        if kind > 0 and byte_at(kind) in (DICTIONARY, RECORDS):
            table = follow(field_at(message, HEADER, i, stop), i, stop)
            if byte_at(kind) == DICTIONARY:
                table = follow(field_at(table, _DATA, i, stop), i, stop)
            rows = field_at(table, _LENGTH, i, stop)
            if table < 0 or field_at(table, _COMPRESSION, i, stop) != 0 or rows < 0 or rows + 8 > stop:
                return False
            if rows > 0 and not 0 <= int64_at(rows) < end - begin:
                return False
        body = field_at(message, BODY_LENGTH, i, stop)
        if body < 0 or body + 8 > stop or (body > 0 and not 0 <= int64_at(body) <= end - stop):
            return False
        i = stop + (int64_at(body) if body > 0 else 0)
    return i == end  # a stream may end without a mark


@njit(nogil=True, cache=True, error_model="numpy")
def field_at(table: int, number: int, begin: int, end: int) -> Any:
    """Address of a field of a flatbuffer's table, 0 where it is left out, -1 where the table is not within the text."""
    if table < begin or table + 4 > end:
        return -1
    layout = table - int32_at(table)
    at = layout + 4 + 2 * number
    if layout < begin or layout + 4 > end:
        return -1
    if 4 + 2 * number + 2 > _short(layout):
        return 0
    if at + 2 > end:
        return -1
    offset = _short(at)
    if offset == 0:
        return 0
    return table + offset if table + offset + 4 <= end else -1


@njit(nogil=True, cache=True, error_model="numpy")
def follow(reference: int, begin: int, end: int) -> Any:
    """Address of what the offset at `reference` points to, -1 for none within the text."""
    if reference <= 0:
        return -1
    target = reference + int32_at(reference)
    return target if begin <= target < end else -1


@njit(nogil=True, cache=True, error_model="numpy")
def _short(i: int) -> Any:
    return byte_at(i) | byte_at(i + 1) << 8
