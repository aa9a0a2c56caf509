"""What Avro and Protobuf have in common, in kernels: varints, UTF-8, and the fields of a row before they are judged.

A position is an address; every read is checked against the end of the message, and -1 means: garbled.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # it ships no types
from numba import njit, types
from numba.extending import intrinsic

from andon.readings import Reason, Status
from sources.decode import stamps
from sources.decode.judge import judge_quality, judge_stamp, judge_unit, judge_value
from sources.decode.layout import (
    ABSENT,
    MISSING_FIELD,
    NULL,
    OK,
    REAL,
    SLOW,
    STAMP_IN_FUTURE,
    STAMP_NAIVE,
    STAMP_UNREADABLE,
    STRING,
    UNKNOWN_SERIES,
    WRONG_PARTITION,
    WRONG_TYPE,
)  # fmt: skip
from sources.decode.memory import (
    address,
    byte_at,
    float64_at,
    int32_at,
    int64_at,
    put_byte,
    put_float64,
    put_int32,
    put_int64,
    word_at,
)  # fmt: skip
from sources.decode.table import KIND, WAVEFORM, Addresses, entry, find

GARBLED = int(Reason.garbled)
# kinds beside those of `layout`: stamps that are no milliseconds (SPLIT: seconds in FROM, nanoseconds in TO), and a
# value that Python must read
MICROS, NANOS, NAIVE, EXOTIC, SPLIT = 8, 9, 10, 11, 12

# the fields of a row: kind, start and end of a text, whole number, float64; 40 bytes each
TS, ASSET, TAG, VALUE, Q, UNIT, SAMPLES, RATE = range(8)
FIELD_NAMES = ("ts", "asset", "tag", "value", "q", "unit", "samples", "rate_hz")
SLOT_BYTES, FIELDS = 40, 8
FROM, TO, NUMBER, FLOAT = 8, 16, 24, 32

_U: Any = np.uint64
_S: Any = np.int64
_HIGH_BITS = _U(0x8080808080808080)
_BAD = int(Status.BAD)


@intrinsic
def _float32_at(_typing: Any, _address: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        value = builder.load(builder.inttoptr(args[0], ir.FloatType().as_pointer()))
        value.align = 1
        return builder.fpext(value, ir.DoubleType())

    return types.float64(types.int64), generate


float32_at: Any = _float32_at  #: the float32 at an address, as float64


class Rows(NamedTuple):
    """Addresses of where rows go, and how many there are (int64). kind: of a row that Python must read, whose it is."""

    counter: int
    time_ns: int
    value: int
    start: int
    end: int
    message: int
    line: int
    place: int
    kind: int
    verdict: int
    status: int


class RowMemory:
    """The memory behind `Rows`, used again by every call. Untouched capacity takes no memory."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.counter = np.zeros(1, np.int64)
        self.time_ns, self.start, self.end = (np.empty(capacity, np.int64) for _ in range(3))
        self.value = np.empty(capacity, np.float64)
        self.message, self.line, self.place, self.kind = (np.empty(capacity, np.int32) for _ in range(4))
        self.verdict, self.status = np.empty(capacity, np.uint8), np.empty(capacity, np.uint8)
        self.slots = np.zeros(FIELDS * SLOT_BYTES // 8, np.int64)
        self._rows = Rows._make(address(getattr(self, name)) for name in Rows._fields)

    def rows(self) -> Rows:
        """Addresses, with nothing put out so far."""
        self.counter[0] = 0
        return self._rows


@njit(nogil=True, cache=True, error_model="numpy")
def varint(i: int, end: int) -> tuple[Any, int]:
    """(value as int64, address behind it or -1) of the base-128 number at i: at most ten bytes, all before `end`."""
    if i < end and byte_at(i) < 128:  # most are
        return _S(byte_at(i)), i + 1
    value, shift = _U(0), _U(0)
    stop = min(end, i + 10)
    while i < stop:
        c = byte_at(i)
        i += 1
        value |= _U(c & 127) << shift
        if c < 128:
            return _S(value), i
        shift += _U(7)
    return _S(0), -1


@njit(nogil=True, cache=True, error_model="numpy")
def unzigzag(value: Any) -> Any:
    """The signed number that a varint stands for: 0, -1, 1, -2, 2 ..."""
    return _S(_U(value) >> _U(1)) ^ -(value & 1)


@njit(nogil=True, cache=True, error_model="numpy")
def is_utf8(i: int, end: int) -> Any:
    """Whether the bytes from address i to end are UTF-8: no overlong forms, no surrogates (RFC 3629)."""
    while i < end:
        if i + 8 <= end and (word_at(i) & _HIGH_BITS) == _U(0):
            i += 8
            continue
        c, low, high = byte_at(i), 0x80, 0xBF
        i += 1
        if c < 0x80:
            continue
        if 0xC2 <= c <= 0xDF:
            more = 1
        elif 0xE0 <= c <= 0xEF:
            more = 2
            low, high = (0xA0 if c == 0xE0 else low), (0x9F if c == 0xED else high)
        elif 0xF0 <= c <= 0xF4:
            more = 3
            low, high = (0x90 if c == 0xF0 else low), (0x8F if c == 0xF4 else high)
        else:
            return False
        if i + more > end:
            return False
        for k in range(more):
            if not low <= byte_at(i + k) <= high:
                return False
            low, high = 0x80, 0xBF
        i += more
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def forget(slots: int) -> None:
    """No field of the row is there yet."""
    for field in range(FIELDS):
        put_int64(slots + SLOT_BYTES * field, ABSENT)


@njit(nogil=True, cache=True, error_model="numpy")
def put_whole(slots: int, field: int, kind: int, whole: Any) -> None:
    """Field `field` is a whole number (int64)."""
    slot = slots + SLOT_BYTES * field
    put_int64(slot, kind)
    put_int64(slot + NUMBER, whole)
    put_float64(slot + FLOAT, np.float64(whole))


@njit(nogil=True, cache=True, error_model="numpy")
def put_real(slots: int, field: int, real: float) -> None:
    """Field `field` is a float64; NaN is no value, as null is."""
    slot = slots + SLOT_BYTES * field
    put_int64(slot, NULL if np.isnan(real) else REAL)
    put_float64(slot + FLOAT, real)


@njit(nogil=True, cache=True, error_model="numpy")
def put_text(slots: int, field: int, kind: int, start: int, end: int) -> None:
    """Field `field` is the text from address start to end."""
    slot = slots + SLOT_BYTES * field
    put_int64(slot, kind)
    put_int64(slot + FROM, start)
    put_int64(slot + TO, end)


@njit(nogil=True, cache=True, error_model="numpy")
def put_kind(slots: int, field: int, kind: int) -> None:
    """Field `field` is there, and is nothing but its kind."""
    put_int64(slots + SLOT_BYTES * field, kind)


@njit(nogil=True, cache=True, error_model="numpy")
def put_row(rows: Rows, verdict: int, message: int, line: int, start: int, end: int, kind: int) -> None:
    """Put out a row that is no reading. start, end: its bytes, from the message's first on."""
    n = int64_at(rows.counter)
    put_byte(rows.verdict + n, verdict)
    put_int32(rows.place + 4 * n, -1)
    put_int32(rows.kind + 4 * n, kind)
    _put_where(rows, n, message, line, start, end)


@njit(nogil=True, cache=True, error_model="numpy")
def _put_where(rows: Rows, n: int, message: int, line: int, start: int, end: int) -> None:
    put_int32(rows.message + 4 * n, message)
    put_int32(rows.line + 4 * n, line)
    put_int64(rows.start + 8 * n, start)
    put_int64(rows.end + 8 * n, end)
    put_int64(rows.counter, n + 1)


@njit(nogil=True, cache=True, error_model="numpy")
def judge_row(
    slots: int, rows: Rows, latest_ns: int, table: Addresses, message: int, line: int, start: int, end: int, kind: int
) -> None:
    """Put out the row whose fields are in the slots, after its verdict; the checks stand in the order of JSON's.

    SLOW: all is well, but Python must read the value, or the samples of a waveform.
    """
    n, place, time_ns, value, status = int64_at(rows.counter), -1, 0, 0.0, 0
    asset, tag = slots + SLOT_BYTES * ASSET, slots + SLOT_BYTES * TAG
    value_slot, samples = slots + SLOT_BYTES * VALUE, slots + SLOT_BYTES * SAMPLES
    lacks = int64_at(value_slot) == ABSENT and int64_at(samples) == ABSENT
    if lacks or int64_at(slots) == ABSENT or int64_at(asset) == ABSENT or int64_at(tag) == ABSENT:
        verdict = MISSING_FIELD
    elif int64_at(asset) != STRING or int64_at(tag) != STRING:
        verdict = WRONG_TYPE
    else:
        asset_0, tag_0 = int64_at(asset + FROM), int64_at(tag + FROM)
        asset_size = int64_at(asset + TO) - asset_0
        place = find(table, asset_0, asset_size, tag_0, int64_at(tag + TO) - tag_0)
        if place < 0 or place >= table.series:
            place = find(table, asset_0, asset_size, asset_0, 0)
            verdict = WRONG_PARTITION if place >= table.foreign else UNKNOWN_SERIES
            place = -1
        else:
            is_block = int32_at(entry(table, place) + KIND) == WAVEFORM
            if _lacks(slots, is_block):
                verdict, place = MISSING_FIELD, -1
            else:
                verdict, time_ns, status = _judge_rest(slots, latest_ns, table, place)
            if verdict == OK and (is_block or int64_at(value_slot) == EXOTIC):
                verdict = SLOW
            if verdict == OK:
                verdict, value, in_range = judge_value(
                    int64_at(value_slot), float64_at(value_slot + FLOAT), int64_at(value_slot + FROM),
                    int64_at(value_slot + TO), table, place,
                )  # fmt: skip
                if not in_range:
                    status = _BAD
    put_byte(rows.verdict + n, verdict)
    put_int32(rows.place + 4 * n, place)
    put_int32(rows.kind + 4 * n, kind)
    put_int64(rows.time_ns + 8 * n, time_ns)
    put_float64(rows.value + 8 * n, value)
    put_byte(rows.status + n, status)
    _put_where(rows, n, message, line, start, end)


@njit(nogil=True, cache=True, error_model="numpy")
def _lacks(slots: int, is_block: bool) -> Any:
    """Whether what its series needs is not there: a value, or samples and their rate."""
    if not is_block:
        return int64_at(slots + SLOT_BYTES * VALUE) == ABSENT
    return int64_at(slots + SLOT_BYTES * SAMPLES) == ABSENT or int64_at(slots + SLOT_BYTES * RATE) == ABSENT


@njit(nogil=True, cache=True, error_model="numpy")
def _judge_rest(slots: int, latest_ns: int, table: Addresses, place: int) -> tuple[int, Any, Any]:
    """(verdict, ns since the epoch, status) of stamp, unit and quality."""
    unit, q, status = slots + SLOT_BYTES * UNIT, slots + SLOT_BYTES * Q, 0
    verdict, time_ns = _stamp(slots, latest_ns)
    if verdict == OK:
        verdict = judge_unit(int64_at(unit), int64_at(unit + FROM), int64_at(unit + TO), table, place)
    if verdict == OK:
        verdict, status = judge_quality(int64_at(q), float64_at(q + FLOAT))
    return verdict, time_ns, status


@njit(nogil=True, cache=True, error_model="numpy")
def _stamp(slots: int, latest_ns: int) -> tuple[int, Any]:
    """(verdict, ns since the epoch) of the field ts."""
    kind, whole = int64_at(slots), int64_at(slots + NUMBER)
    if kind == SPLIT:
        seconds, nanos = int64_at(slots + FROM), int64_at(slots + TO)
        if not stamps.FIRST_MS // 1000 <= seconds < stamps.END_MS // 1000 or not 0 <= nanos < 1_000_000_000:
            return STAMP_UNREADABLE, 0
        kind, whole = NANOS, seconds * 1_000_000_000 + nanos
    if kind not in (MICROS, NANOS):
        if kind == NAIVE:
            return STAMP_NAIVE, 0
        start, end = int64_at(slots + FROM), int64_at(slots + TO)
        return judge_stamp(kind, whole, float64_at(slots + FLOAT), start, end, latest_ns)
    per_ms = 1_000 if kind == MICROS else 1_000_000
    if not stamps.FIRST_MS * per_ms <= whole < stamps.END_MS * per_ms:
        return STAMP_UNREADABLE, 0
    time_ns = whole * (1_000_000 // per_ms)
    return OK if time_ns <= latest_ns else STAMP_IN_FUTURE, time_ns
