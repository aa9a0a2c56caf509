"""Interprets the program of an Avro schema over a message, in a kernel."""

from __future__ import annotations

from typing import Any

from numba import njit

from sources.decode.avro_schema import (
    ARRAY,
    BOOLEAN,
    CALL,
    DOUBLE,
    ENUM,
    FIXED,
    FLOAT,
    JUMP,
    MARK,
    NEXT,
    NULL,
    RETURN,
    ROW,
    ROW_END,
    STEP,
    TEXT,
    UNION,
    VARINT,
)
from sources.decode.binary import (
    Rows,
    float32_at,
    forget,
    is_utf8,
    judge_row,
    put_kind,
    put_real,
    put_row,
    put_text,
    put_whole,
    unzigzag,
    varint,
)
from sources.decode.layout import FALSE, STRING, TRUE
from sources.decode.layout import NULL as NO_VALUE
from sources.decode.memory import byte_at, float64_at, int32_at, int64_at, put_int64
from sources.decode.table import Addresses

STACK = 64  # arrays and records inside each other; more is no message of a machine


@njit(nogil=True, cache=True, error_model="numpy")
def read_avro(  # noqa: C901 - one switch over the operations
    i: int, end: int, code: int, symbols: int, stack: int, slots: int, rows: Rows, latest_ns: int, table: Addresses,
    message: int, begin: int,
) -> int:  # fmt: skip
    """Put out the rows of the message whose value is at address i; it ends at `end` and begins at `begin`.

    code, symbols: addresses of the program's steps and of its enums' texts, (start, end) int64 each.
    stack: int64[STACK]. returns: the address behind the value, or -1 when the bytes do not follow the schema.
    Cost: one pass; each step but the last of an empty record takes a byte of the message or goes on in the program.
    """
    at, depth, line, row_at = code, 0, 0, i
    while True:
        operation, a, b, c = int32_at(at), int32_at(at + 4), int32_at(at + 8), int32_at(at + 12)
        at = code + int32_at(at + 16)
        if operation == TEXT:
            size, i = varint(i, end)
            if i < 0:
                return -1
            size = unzigzag(size)
            if not 0 <= size <= end - i or (c == 1 and not is_utf8(i, i + size)):
                return -1
            if a >= 0:
                put_text(slots, a, b, i, i + size)
            i += size
        elif operation == VARINT:
            whole, i = varint(i, end)
            if i < 0:
                return -1
            if a >= 0:
                put_whole(slots, a, b, unzigzag(whole))
        elif operation == DOUBLE:
            if end - i < 8:
                return -1
            if a >= 0:
                put_real(slots, a, float64_at(i))
            i += 8
        elif operation == UNION:
            which, i = varint(i, end)
            if i < 0:
                return -1
            which = unzigzag(which)
            if not 0 <= which < a:
                return -1
            at = code + int32_at(code + b + STEP * which + 4)
        elif operation == JUMP:
            at = code + a
        elif operation == ROW:
            forget(slots)
            row_at = i
        elif operation == ROW_END:
            if a:
                put_row(rows, a, message, line, row_at - begin, i - begin, 0)
            else:
                judge_row(slots, rows, latest_ns, table, message, line, row_at - begin, i - begin, b)
            line += 1
        elif operation == NULL:
            if a >= 0:
                put_kind(slots, a, NO_VALUE)
        elif operation == BOOLEAN:
            if i >= end or byte_at(i) > 1:
                return -1
            if a >= 0:
                put_kind(slots, a, TRUE if byte_at(i) else FALSE)
            i += 1
        elif operation == FLOAT:
            if end - i < 4:
                return -1
            if a >= 0:
                put_real(slots, a, float32_at(i))
            i += 4
        elif operation == FIXED:
            size = c
            if end - i < size:
                return -1
            i += size
        elif operation == ENUM:
            which, i = varint(i, end)
            if i < 0:
                return -1
            which = unzigzag(which)
            if not 0 <= which < c:
                return -1
            if a >= 0:
                symbol = symbols + 16 * (b + which)
                put_text(slots, a, STRING, int64_at(symbol), int64_at(symbol + 8))
        elif operation == MARK:
            put_kind(slots, a, b)
        elif operation == ARRAY:
            count, i = _items(i, end, a)
            while count > 0 and a == 0 and i >= 0:
                count, i = _items(i, end, a)
            if i < 0 or depth >= STACK:
                return -1
            if count == 0:
                at = code + b
            else:
                put_int64(stack + 8 * depth, count)
                depth += 1
        elif operation == NEXT:
            count = int64_at(stack + 8 * (depth - 1)) - 1
            if count == 0:
                count, i = _items(i, end, a)
                if i < 0:
                    return -1
            if count == 0:
                depth -= 1
                at = code + c
            else:
                put_int64(stack + 8 * (depth - 1), count)
                at = code + b
        elif operation == CALL:
            if depth >= STACK:
                return -1
            put_int64(stack + 8 * depth, at)
            depth += 1
            at = code + a
        elif operation == RETURN:
            depth -= 1
            at = int64_at(stack + 8 * depth)
        else:  # END
            return i


@njit(nogil=True, cache=True, error_model="numpy")
def _items(i: int, end: int, least: int) -> tuple[Any, int]:
    """(items in the block of an array or map at i, address of the first or -1); 0 items end it.

    A count beyond what the rest of the message can hold, at `least` bytes each, is garbled.
    """
    count, i = varint(i, end)
    if i < 0:
        return 0, -1
    count = unzigzag(count)
    if count < 0:
        count = -count
        _, i = varint(i, end)  # bytes of the block
        if i < 0 or count < 0:
            return 0, -1
    if least > 0 and count > (end - i) // least:
        return 0, -1
    return count, i
