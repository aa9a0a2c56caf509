"""Reads the wire format of Protobuf by the tables of a message type, in a kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from sources.decode import binary
from sources.decode.binary import (
    Rows,
    float32_at,
    forget,
    is_utf8,
    judge_row,
    put_kind,
    put_real,
    put_text,
    put_whole,
    unzigzag,
    varint,
)
from sources.decode.layout import ABSENT, FALSE, NESTED, NULL, TRUE, WHOLE
from sources.decode.layout import STRING as TEXT
from sources.decode.memory import float64_at, int32_at, int64_at, put_float64, put_int64
from sources.decode.protobuf_schema import (
    BOOLEAN,
    BYTES,
    CLOSED_ENUM,
    COUNT,
    DEFAULTS,
    DEFAULTS_FROM,
    DOUBLE,
    ENUM,
    FIELD,
    FIELDS,
    FIELDS_FROM,
    FIRST,
    FIXED32,
    FIXED64,
    FLOAT,
    GROUP,
    HOLDS,
    INT32,
    IS_ROW,
    MARKED,
    MESSAGE,
    NO_VALUE,
    REPEATED,
    ROW_KIND,
    SECONDS,
    SFIXED32,
    SFIXED64,
    SINT32,
    SINT64,
    SPLIT_NANOS,
    STRING,
    TO_NULL,
    TO_STAMP,
    UINT32,
    UINT64,
)
from sources.decode.table import Addresses

STACK = 100  # messages and groups inside each other, as the library has it
_VARINT, _EIGHT, _BYTES, _BEGIN, _FINISH, _FOUR = 0, 1, 2, 3, 4, 5
_LINE = 32  # bytes of a line of the tables
_S: Any = np.int64
_U: Any = np.uint64


@njit(nogil=True, cache=True, error_model="numpy")
def read_protobuf(  # noqa: C901 - one switch over the wire types
    i: int, end: int, code: int, symbols: int, stack: int, slots: int, rows: Rows, latest_ns: int, table: Addresses,
    message: int, begin: int,
) -> int:  # fmt: skip
    """Put out the rows of the message whose value is at address i; arguments and result as for `read_avro`.

    stack: int64[2 * STACK]. Cost: one pass; a field out of the order of the numbers a binary search.
    """
    depth, line, row_at, at, stop = 0, 0, i, code, end
    _enter(code, at, symbols, slots)
    hint = 0
    while True:
        while i == stop:
            if int32_at(at + 4 * IS_ROW):
                kind = int32_at(at + 4 * ROW_KIND)
                judge_row(slots, rows, latest_ns, table, message, line, row_at - begin, i - begin, kind)
                line += 1
            if depth == 0:
                return i
            depth -= 1
            at, stop, hint = int64_at(stack + 16 * depth), int64_at(stack + 16 * depth + 8), 0
        tag, i = varint(i, stop)
        if i < 0 or tag >> 32 != 0 or tag >> 3 == 0:
            return -1
        number, wire = tag >> 3, tag & 7
        field, hint = _find(code, at, number, hint)
        if wire == _BYTES:
            size, i = varint(i, stop)
            if i < 0 or not 0 <= size <= stop - i:
                return -1
            if field == 0:
                i += size
                continue
            holds, to = int32_at(field + 4 * HOLDS), int32_at(field + 4 * FIELD)
            marked = int32_at(field + 4 * MARKED)
            if holds == MESSAGE:
                if depth >= STACK - 1:
                    return -1
                if marked and to >= 0:
                    put_kind(slots, to, marked)
                put_int64(stack + 16 * depth, at)
                put_int64(stack + 16 * depth + 8, stop)
                depth += 1
                at, stop, hint = code + _LINE * int32_at(field + 4 * FIRST), i + size, 0
                if int32_at(at + 4 * IS_ROW):
                    row_at = i
                _enter(code, at, symbols, slots)
                continue
            if holds == STRING:
                if not is_utf8(i, i + size):
                    return -1
                if to >= 0:
                    put_text(slots, to, marked or TEXT, i, i + size)
            elif holds == BYTES:
                if to >= 0:
                    put_kind(slots, to, marked)
            elif int32_at(field + 4 * REPEATED):
                if not _is_packed(i, i + size, holds):
                    return -1
                if to >= 0 and size > 0:
                    put_kind(slots, to, marked)
            i += size
        elif wire == _VARINT:
            value, i = varint(i, stop)
            if i < 0:
                return -1
            if field != 0:
                _put_varint(field, value, symbols, slots)
        elif wire == _EIGHT:
            if stop - i < 8:
                return -1
            if field != 0:
                _put_eight(field, i, slots)
            i += 8
        elif wire == _FOUR:
            if stop - i < 4:
                return -1
            if field != 0:
                _put_four(field, i, slots)
            i += 4
        elif wire == _BEGIN:
            i = _skip_group(i, stop, number, stack, depth)
            if i < 0:
                return -1
            if field != 0 and int32_at(field + 4 * HOLDS) == GROUP and int32_at(field + 4 * FIELD) >= 0:
                put_kind(slots, int32_at(field + 4 * FIELD), NESTED)
        else:
            return -1


@njit(nogil=True, cache=True, error_model="numpy")
def _enter(code: int, at: int, symbols: int, slots: int) -> None:
    """A message of the type at address `at` begins: what its fields are that do not say whether they are there."""
    if int32_at(at + 4 * IS_ROW):
        forget(slots)
        if int32_at(at + 4 * TO_NULL) >= 0:
            put_kind(slots, int32_at(at + 4 * TO_NULL), NULL)
    stamp = int32_at(at + 4 * TO_STAMP)
    if stamp >= 0 and int64_at(slots + binary.SLOT_BYTES * stamp) != binary.SPLIT:
        put_text(slots, stamp, binary.SPLIT, 0, 0)
    field = code + _LINE * int32_at(at + 4 * DEFAULTS_FROM)
    for _ in range(int32_at(at + 4 * DEFAULTS)):
        _put_default(field, int32_at(field + 4 * FIELD), symbols, slots)
        field += _LINE


@njit(nogil=True, cache=True, error_model="numpy")
def _put_default(field: int, to: int, symbols: int, slots: int) -> None:
    kind, holds = int64_at(slots + binary.SLOT_BYTES * to), int32_at(field + 4 * HOLDS)
    if kind not in (ABSENT, NULL) or holds in (SECONDS, SPLIT_NANOS, BYTES):
        if holds == BYTES and kind in (ABSENT, NULL):
            put_kind(slots, to, int32_at(field + 4 * MARKED))
    elif holds == STRING:
        put_text(slots, to, TEXT, symbols, symbols)
    elif holds in (DOUBLE, FLOAT):
        put_real(slots, to, 0.0)
    else:
        _put_varint(field, _S(0), symbols, slots)


@njit(nogil=True, cache=True, error_model="numpy")
def _find(code: int, at: int, number: Any, hint: int) -> tuple[int, int]:
    """(address of a field's line or 0, index where the next is probably) of the type at address `at`."""
    count = int32_at(at + 4 * FIELDS)
    first = code + _LINE * int32_at(at + 4 * FIELDS_FROM)
    for likely in (hint, hint - 1):  # the next, or once more the last
        if 0 <= likely < count and int32_at(first + _LINE * likely) == number:
            return first + _LINE * likely, likely + 1
    low, high = 0, count
    while low < high:
        middle = (low + high) >> 1
        if int32_at(first + _LINE * middle) < number:
            low = middle + 1
        else:
            high = middle
    if low < count and int32_at(first + _LINE * low) == number:
        return first + _LINE * low, low + 1
    return 0, low


@njit(nogil=True, cache=True, error_model="numpy")
def _put_varint(field: int, value: Any, symbols: int, slots: int) -> None:
    """A number of a field that the message has as a varint; a field of another type is taken for an unknown one."""
    holds, to = int32_at(field + 4 * HOLDS), int32_at(field + 4 * FIELD)
    if to < 0 or (holds > CLOSED_ENUM and holds not in (SECONDS, SPLIT_NANOS, NO_VALUE)):
        return
    if int32_at(field + 4 * MARKED):
        put_kind(slots, to, int32_at(field + 4 * MARKED))
        return
    low = value & 0xFFFFFFFF
    signed = low - ((low >> 31) << 32)
    slot = slots + binary.SLOT_BYTES * to
    if holds == BOOLEAN:
        put_kind(slots, to, TRUE if value != 0 else FALSE)
    elif holds in (ENUM, CLOSED_ENUM):
        _put_enum(field, to, signed, symbols, slots)
    elif holds == NO_VALUE:
        put_kind(slots, to, NULL)
    elif holds == SECONDS:
        put_int64(slot + binary.FROM, value)
    elif holds == SPLIT_NANOS:
        put_int64(slot + binary.TO, signed)
    else:
        if holds == INT32:
            value = signed
        elif holds == UINT32:
            value = low
        elif holds == SINT64:
            value = unzigzag(value)
        elif holds == SINT32:
            value = unzigzag(low)
        put_whole(slots, to, WHOLE, value)
        if holds == UINT64:
            put_float64(slot + binary.FLOAT, np.float64(_U(value)))


@njit(nogil=True, cache=True, error_model="numpy")
def _put_enum(field: int, to: int, number: Any, symbols: int, slots: int) -> None:
    """The name of an enum's value; its number where a number is wanted, or where it has no name."""
    symbol = symbols + 24 * int32_at(field + 4 * FIRST)
    for _ in range(int32_at(field + 4 * COUNT)):
        if int64_at(symbol) == number:
            if to in (binary.TS, binary.Q):
                put_whole(slots, to, WHOLE, number)
            else:
                put_text(slots, to, TEXT, int64_at(symbol + 8), int64_at(symbol + 16))
            return
        symbol += 24
    if int32_at(field + 4 * HOLDS) == ENUM:  # a closed one takes it for an unknown field
        put_whole(slots, to, WHOLE, number)


@njit(nogil=True, cache=True, error_model="numpy")
def _put_eight(field: int, i: int, slots: int) -> None:
    holds, to = int32_at(field + 4 * HOLDS), int32_at(field + 4 * FIELD)
    if to < 0 or holds not in (DOUBLE, FIXED64, SFIXED64):
        return
    if int32_at(field + 4 * MARKED):
        put_kind(slots, to, int32_at(field + 4 * MARKED))
    elif holds == DOUBLE:
        put_real(slots, to, float64_at(i))
    else:
        put_whole(slots, to, WHOLE, int64_at(i))
        if holds == FIXED64:
            put_float64(slots + binary.SLOT_BYTES * to + binary.FLOAT, np.float64(_U(int64_at(i))))


@njit(nogil=True, cache=True, error_model="numpy")
def _put_four(field: int, i: int, slots: int) -> None:
    holds, to = int32_at(field + 4 * HOLDS), int32_at(field + 4 * FIELD)
    if to < 0 or holds not in (FLOAT, FIXED32, SFIXED32):
        return
    if int32_at(field + 4 * MARKED):
        put_kind(slots, to, int32_at(field + 4 * MARKED))
    elif holds == FLOAT:
        put_real(slots, to, float32_at(i))
    else:
        put_whole(slots, to, WHOLE, int32_at(i) if holds == SFIXED32 else int32_at(i) & 0xFFFFFFFF)


@njit(nogil=True, cache=True, error_model="numpy")
def _is_packed(i: int, end: int, holds: int) -> Any:
    """Whether the bytes are numbers of such a field one after the other."""
    if holds in (DOUBLE, FIXED64, SFIXED64):
        return (end - i) % 8 == 0
    if holds in (FLOAT, FIXED32, SFIXED32):
        return (end - i) % 4 == 0
    while 0 <= i < end:
        _, i = varint(i, end)
    return i == end


@njit(nogil=True, cache=True, error_model="numpy")
def _skip_group(i: int, end: int, number: Any, stack: int, depth: int) -> int:
    """Address behind the group `number` whose content begins at i, or -1. depth: messages around it."""
    outside = depth
    put_int64(stack + 16 * depth, number)
    depth += 1
    while depth > outside:
        tag, i = varint(i, end)
        if i < 0 or tag >> 32 != 0 or tag >> 3 == 0:
            return -1
        wire = tag & 7
        if wire == _VARINT:
            _, i = varint(i, end)
        elif wire == _BYTES:
            size, i = varint(i, end)
            if i < 0 or not 0 <= size <= end - i:
                return -1
            i += size
        elif wire == _BEGIN:
            if depth >= STACK - 1:
                return -1
            put_int64(stack + 16 * depth, tag >> 3)
            depth += 1
        elif wire == _FINISH:
            depth -= 1
            if int64_at(stack + 16 * depth) != tag >> 3:
                return -1
        elif wire in (_EIGHT, _FOUR):
            i += 8 if wire == _EIGHT else 4
        else:
            return -1
        if i < 0 or i > end:
            return -1
    return i
