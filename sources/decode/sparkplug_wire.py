"""Sparkplug B payloads in a kernel: the bytes of a protobuf message to a record for each metric.

Every load is behind a comparison with the end of what it reads: unlike JSON, a payload has no sentinel. Twin: the
protobuf library (tests/test_sparkplug_wire.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from andon.readings import I64
from sources.decode.layout import offsets_of
from sources.decode.memory import byte_at, float32_at, low_byte, put_byte, put_float64, put_int32, put_int64, word_at

# what a metric said; its bytes begin at start of the text, its name and text in there
METRIC = np.dtype([
    ("alias", "i8"), ("time", "i8"),  # ms; both uint64 on the wire
    ("bits", "i8"),  # the number in its field; of float and double a float64
    ("start", "i8"), ("size", "i4"),
    ("name", "i4"), ("name_size", "i4"), ("text", "i4"), ("text_size", "i4"),  # offsets from start
    ("datatype", "i4"), ("quality", "i4"),
    ("field", "u1"), ("has", "u1"), ("flags", "u1"), ("unused", "u1"),
])  # fmt: skip
METRIC_BYTES = METRIC.itemsize
(
    ALIAS, TIME, BITS, START, SIZE, NAME, NAME_SIZE, TEXT, TEXT_SIZE, DATATYPE, QUALITY, FIELD, HAS, FLAGS, _,
) = offsets_of(METRIC)  # fmt: skip
PAYLOAD = np.dtype([
    ("first", "i8"), ("count", "i8"),  # its metrics among the records
    ("time", "i8"), ("seq", "i8"),  # -1 where it has none
    ("ok", "i8"),
])  # fmt: skip
PAYLOAD_BYTES = PAYLOAD.itemsize
_FIRST, _COUNT, _PAYLOAD_TIME, _SEQ, _OK = offsets_of(PAYLOAD)

HAS_ALIAS, HAS_NAME, HAS_TIME, HAS_TYPE, HAS_QUALITY = 1, 2, 4, 8, 16
HISTORICAL, NULL_FLAG = 1, 2
INT, LONG, FLOAT, DOUBLE, BOOLEAN, TEXT_FIELD = 10, 11, 12, 13, 14, 15  # `FIELD`: 0 none; others up to 19

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_U: Any = np.uint64
_S: Any = np.int64
_BROKEN, _NONE = -1, -2
_HIGH_BITS = _U(0x8080808080808080)
_EVEN, _EVEN_PAIRS, _LOW_HALF = _U(0x00FF00FF00FF00FF), _U(0x0000FFFF0000FFFF), _U(0x00000000FFFFFFFF)
_STAMP, _STAMP_BITS = _U(0x0000808080808018), _U(0x00808080808080FF)
_QUALITY_KEY = _U(int.from_bytes(b"Quality", "little"))


@njit(nogil=True, cache=True, error_model="numpy")
def parse(text: int, begins: I64, ends: I64, payloads: int, metrics: int) -> int:
    """Read m payloads; returns how many metrics they have.

    text     : address; begins, ends: int64[m], of each payload, from there on.
    payloads : address of PAYLOAD[m]. One that is broken anywhere has ok = 0, no metrics, time nor sequence number.
    metrics  : address of METRIC records, room for sum(ends - begins) // 2: a metric takes 2 bytes.
    """
    count = 0
    for m in range(begins.shape[0]):
        one = payloads + PAYLOAD_BYTES * m
        put_int64(one + _FIRST, count)
        _put_neither(one)
        found = _payload(text, text + begins[m], text + ends[m], one, metrics + METRIC_BYTES * count)
        put_int64(one + _OK, 1 if found >= 0 else 0)
        if found < 0:
            _put_neither(one)  # what was read of it may be half a number
        found = max(found, 0)
        put_int64(one + _COUNT, found)
        count += found
    return count


@njit(nogil=True, cache=True, error_model="numpy")
def _put_neither(payload: int) -> None:
    put_int64(payload + _PAYLOAD_TIME, -1)
    put_int64(payload + _SEQ, -1)


@njit(nogil=True, cache=True, error_model="numpy")
def _payload(text: int, i: int, end: int, payload: int, metric: int) -> int:
    """Read one payload; returns its number of metrics, -1 when it is broken."""
    count = 0
    while i < end:
        tag, i = _tag(i, end)
        if tag == _U(0x12):
            size, i = varint(i, end)
            if i < 0 or size > _U(end - i):
                return _BROKEN
            stop = i + _S(size)
            if not (_usual_metric(text, i, stop, metric) or _metric(text, i, stop, metric)):
                return _BROKEN
            count += 1
            metric += METRIC_BYTES
            i = stop
        elif tag in (_U(0x08), _U(0x18)):
            value, i = varint(i, end)
            put_int64(payload + (_PAYLOAD_TIME if tag == _U(0x08) else _SEQ), _S(value))
        else:
            i = skip(tag, i, end)
        if i < 0:
            return _BROKEN
    return count


@njit(nogil=True, cache=True, error_model="numpy")
def _usual_metric(text: int, i: int, end: int, out: int) -> bool:
    """Read a metric of alias, timestamp, datatype or none, double, in this order; False for any other.

    Nearly every metric of a fast device: half the cost of `_metric`, which takes no more for those that are left.
    """
    if end - i < 18 or byte_at(i) != 0x10:
        return False
    put_int64(out + START, i - text)
    put_int32(out + SIZE, end - i)
    alias, size = byte_at(i + 1), 2
    if alias >= 128:
        alias, size = alias - 128 + (byte_at(i + 2) << 7), 3
        if alias >= 1 << 14:
            alias, size = alias - (1 << 14) + (byte_at(i + 3) << 14), 4
            if alias >= 1 << 21:
                return False
    i += size
    if end - i < 16:
        return False
    word = word_at(i)  # the tag, a stamp of six bytes (as from 2004 to 2109), the tag behind it
    if word & _STAMP_BITS != _STAMP:
        return False
    has, datatype = HAS_ALIAS | HAS_TIME, 0
    i += 7
    if byte_at(i) == 0x20 and byte_at(i + 1) < 128:
        has, datatype = has | HAS_TYPE, byte_at(i + 1)
        i += 2
    if end - i != 9 or byte_at(i) != 0x69:
        return False
    put_int64(out + ALIAS, alias)
    put_int64(out + TIME, _S(_seven_bits((word >> _U(8)) & _U(0x00007F7F7F7F7F7F))))
    put_int64(out + BITS, _S(word_at(i + 1)))
    put_int32(out + DATATYPE, datatype)
    put_int32(out + FIELD, DOUBLE | has << 8)  # and no flags
    return True


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _seven_bits(word: Any) -> Any:
    """The low seven bits of each byte moved together; the high bit of each is 0."""
    word = (word & _EVEN) | ((word & ~_EVEN) >> _U(1))
    word = (word & _EVEN_PAIRS) | ((word & ~_EVEN_PAIRS) >> _U(2))
    return (word & _LOW_HALF) | ((word & ~_LOW_HALF) >> _U(4))


@njit(nogil=True, cache=True, error_model="numpy")
def _metric(text: int, i: int, end: int, out: int) -> bool:  # noqa: C901 - one flat pass over the fields
    """Read the metric from i to end into the record at `out`; False when it is broken."""
    start, has, flags, field = i, 0, 0, 0
    put_int64(out + START, start - text)
    put_int32(out + SIZE, end - start)
    put_int32(out + DATATYPE, 0)
    while i < end:
        tag, i = _tag(i, end)
        if i < 0:
            return False
        number, wire = tag >> _U(3), tag & _U(7)
        if wire == _U(_VARINT) and number <= _U(14):
            value, i = varint(i, end)
            if i < 0:
                return False
            if number == _U(2):
                put_int64(out + ALIAS, _S(value))
                has |= HAS_ALIAS
            elif number == _U(3):
                put_int64(out + TIME, _S(value))
                has |= HAS_TIME
            elif number == _U(4):
                put_int32(out + DATATYPE, _S(value & _U(0xFFFFFFFF)))
                has |= HAS_TYPE
            elif number in (_U(10), _U(11), _U(14)):
                put_int64(out + BITS, _S(value))
                field = _S(number)
            elif number in (_U(5), _U(7)):
                flag = HISTORICAL if number == _U(5) else NULL_FLAG
                flags = flags | flag if value != _U(0) else flags & ~flag
        elif tag == _U(0x69) and end - i >= 8:
            put_int64(out + BITS, _S(word_at(i)))
            field = DOUBLE
            i += 8
        elif tag == _U(0x65) and end - i >= 4:
            put_float64(out + BITS, np.float64(float32_at(i)))
            field = FLOAT
            i += 4
        elif wire == _U(_BYTES):
            size, i = varint(i, end)
            if i < 0 or size > _U(end - i):
                return False
            if number == _U(1):
                put_int32(out + NAME, i - start)
                put_int32(out + NAME_SIZE, _S(size))
                has |= HAS_NAME
            elif number == _U(9):
                quality = _quality(i, i + _S(size))
                if quality == _BROKEN:
                    return False
                if quality != _NONE:
                    put_int32(out + QUALITY, quality)
                    has |= HAS_QUALITY
            elif _U(15) <= number <= _U(19):
                put_int32(out + TEXT, i - start)
                put_int32(out + TEXT_SIZE, _S(size))
                field = _S(number)
            i += _S(size)
        else:
            i = skip(tag, i, end)
            if i < 0:
                return False
    put_byte(out + FIELD, field)
    put_byte(out + HAS, has)
    put_byte(out + FLAGS, flags)
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def _quality(i: int, end: int) -> int:
    """Value (32 bits) of the property "Quality" in the PropertySet from i to end, -2 without one, -1 when broken."""
    first, key, values = i, -1, 0
    while i < end:  # which of the keys it is
        tag, i = _tag(i, end)
        if i < 0:
            return _BROKEN
        if tag == _U(0x0A):
            size, i = varint(i, end)
            if i < 0 or size > _U(end - i):
                return _BROKEN
            if size == _U(7) and word_at(i - 1) >> _U(8) == _QUALITY_KEY:
                key = values
            values += 1
            i += _S(size)
        elif tag == _U(0x12):
            size, i = varint(i, end)
            if i < 0 or size > _U(end - i) or _property(i, i + _S(size)) == _BROKEN:
                return _BROKEN
            i += _S(size)
        else:
            i = skip(tag, i, end)
            if i < 0:
                return _BROKEN
    i, found = first, _NONE
    while key >= 0 and i < end:  # the value of the same number; the loop above has read it all without a fault
        tag, i = _tag(i, end)
        if tag == _U(0x12):
            size, i = varint(i, end)
            if key == 0:
                found = _property(i, i + _S(size))
            key -= 1
            i += _S(size)
        else:
            i = skip(tag, i, end)
    return found


@njit(nogil=True, cache=True, error_model="numpy")
def _property(i: int, end: int) -> int:
    """The whole number (its low 32 bits) in the PropertyValue from i to end, -2 without one, -1 when broken."""
    found = _NONE
    while i < end:
        tag, i = _tag(i, end)
        if tag in (_U(0x18), _U(0x20)):  # int_value, long_value
            value, i = varint(i, end)
            found = _S(value & _U(0xFFFFFFFF))
        elif i >= 0:
            i = skip(tag, i, end)
        if i < 0:
            return _BROKEN
    return found


@njit(nogil=True, cache=True, error_model="numpy")
def skip(tag: Any, i: int, end: int) -> Any:
    """Address after the field with this tag whose content is at i; -1 when it goes over the end, or is of a group.

    Groups went out of protobuf before Sparkplug came.
    """
    wire = tag & _U(7)
    if i < 0:
        return _BROKEN
    if wire == _U(_VARINT):
        _, i = varint(i, end)
        return i
    if wire == _U(_FIXED64):
        return i + 8 if end - i >= 8 else _BROKEN
    if wire == _U(_FIXED32):
        return i + 4 if end - i >= 4 else _BROKEN
    if wire != _U(_BYTES):
        return _BROKEN
    size, i = varint(i, end)
    return i + _S(size) if i >= 0 and size <= _U(end - i) else _BROKEN


@njit(nogil=True, cache=True, error_model="numpy")
def _tag(i: int, end: int) -> Any:
    """(field number << 3 | wire type as uint64, address after it); (0, -1) when it is none."""
    tag, i = varint(i, end)
    if i < 0 or tag > _U(0xFFFFFFFF) or tag < _U(8):
        return _U(0), _BROKEN
    return tag, i


@njit(nogil=True, cache=True, error_model="numpy")
def varint(i: int, end: int) -> Any:
    """(uint64, address after it); address -1 when it does not end before `end` or within 10 bytes.

    Those of 2 to 8 bytes in one word, when there is room to load it: seven bits of each byte are moved together in
    three steps. Saves a third of a payload with stamps.
    """
    if i >= end:
        return _U(0), _BROKEN
    if byte_at(i) < 128:
        return _U(byte_at(i)), i + 1
    if end - i >= 8:
        word = word_at(i)
        stop = ~word & _HIGH_BITS
        if stop != _U(0):
            word &= (stop ^ (stop - _U(1))) & ~_HIGH_BITS
            return _seven_bits(word), i + 1 + low_byte(stop)
    return _long_varint(i, end)


@njit(nogil=True, cache=True, error_model="numpy")
def _long_varint(i: int, end: int) -> Any:
    """`varint`, a byte at a time."""
    value, shift = _U(0), _U(0)
    while i < end and shift <= _U(63):
        c = _U(byte_at(i))
        i += 1
        value |= (c & _U(127)) << shift
        if c < _U(128):
            return value, i
        shift += _U(7)
    return value, _BROKEN
