"""One row in a kernel: its fields in any order, then the verdict.

The order of the checks is the order in which a row with several faults gets its reason; the slow path (`slow`) and the
twin in tests/naive_decode.py have the same.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from andon.readings import Status
from sources.decode import stamps
from sources.decode.judge import judge_quality, judge_stamp, judge_unit, judge_value
from sources.decode.layout import (
    ABSENT,
    FALSE,
    MISSING_FIELD,
    NESTED,
    NOT_AN_OBJECT,
    NULL,
    OK,
    PLACE,
    REAL,
    SLOW,
    STAMP_UNREADABLE,
    STATUS,
    STRING,
    TICK,
    TIME,
    TRUE,
    UNIT_MISMATCH,
    UNKNOWN_EVENT,
    UNKNOWN_SERIES,
    VALUE,
    VERDICT,
    WHOLE,
    WRONG_PARTITION,
    WRONG_TYPE,
)  # fmt: skip
from sources.decode.memory import byte_at, put_byte, put_float64, put_int32, put_int64, word_at
from sources.decode.numbers import ERROR, INTEGER, UNDECIDED, number
from sources.decode.table import Addresses, find
from sources.decode.text import blank, literal, skip, string

_TS, _ASSET, _TAG, _VALUE, _Q, _UNIT, _EVENT, _OTHER = 0, 1, 2, 3, 4, 5, 6, 7
_BAD = int(Status.BAD)


def _word(text: str) -> np.uint64:
    return np.uint64(int.from_bytes(text.encode().ljust(8, b"\0"), "little"))


_NAME_TS, _NAME_ASSET, _NAME_TAG, _NAME_VALUE = _word('ts"'), _word('asset"'), _word('tag"'), _word('value"')
_NAME_Q, _NAME_UNIT, _NAME_EVENT, _NAME_TICK = _word('q"'), _word('unit"'), _word('event"'), _word('tick"')
_MASK2, _MASK3, _MASK4 = np.uint64(0xFFFF), np.uint64(0xFFFFFF), np.uint64(0xFFFFFFFF)
_MASK5, _MASK6 = np.uint64(0xFFFFFFFFFF), np.uint64(0xFFFFFFFFFFFF)


@njit(nogil=True, cache=True, error_model="numpy")
def read_row(i: int, lines: bool, depth: int, latest_ns: int, table: Addresses, row: int) -> int:  # noqa: C901 - one pass
    """Read the JSON value at address i into the record at address `row`.

    lines: a line feed ends it. depth: arrays around it. latest_ns: a stamp beyond it is in the future.
    returns: the address after the value, or -1 when it is not JSON. Cost: one pass.
    """
    put_int32(row + PLACE, -1)
    if byte_at(i) != 123:
        put_byte(row + VERDICT, NOT_AN_OBJECT)
        return skip(i, lines, depth)
    kinds, slow = 0, False  # kinds: 4 bits a field
    ts_whole, ts_real, ts_0, ts_1 = 0, 0.0, 0, 0
    asset_0, asset_1, tag_0, tag_1, unit_0, unit_1, event_0, event_1, value_0, value_1 = 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    value, q = 0.0, 0.0
    i = blank(i + 1, lines)
    ended = byte_at(i) == 125
    if ended:
        i += 1
    while not ended:
        if byte_at(i) != 34:
            return -1
        field, i, escapes = _field(i + 1)
        if i < 0:
            return -1
        slow |= escapes  # an escaped name may be any field's
        i = blank(i, lines)
        if byte_at(i) != 58:
            return -1
        i = blank(i + 1, lines)
        c, begin, whole, real = byte_at(i), i, 0, 0.0
        if c == 34:
            kind, begin = STRING, i + 1
            i, escapes = string(begin)
            if i < 0:
                return -1
            i += 1
            slow |= escapes and field != _OTHER
        elif c == 45 or 48 <= c <= 57:
            i, found, whole, real = number(i)
            if found == ERROR:
                return -1
            slow |= found == UNDECIDED and field != _OTHER
            kind = WHOLE if found == INTEGER else REAL
        elif c in (123, 91):
            kind, i = NESTED, skip(i, lines, depth + 1)
        else:
            kind, i = TRUE if c == 116 else FALSE if c == 102 else NULL, literal(i)
        if i < 0:
            return -1
        if field != _OTHER:
            slow |= ((kinds >> (4 * field)) & 15) != ABSENT  # given twice: the last counts
            kinds |= kind << (4 * field)
            if field == _VALUE:
                value, value_0, value_1 = real, begin, i - 1
            elif field == _TS:
                ts_whole, ts_real, ts_0, ts_1 = whole, real, begin, i - 1
            elif field == _ASSET:
                asset_0, asset_1 = begin, i - 1
            elif field == _TAG:
                tag_0, tag_1 = begin, i - 1
            elif field == _Q:
                q = real
            elif field == _UNIT:
                unit_0, unit_1 = begin, i - 1
            else:
                event_0, event_1 = begin, i - 1
        i = blank(i, lines)
        c = byte_at(i)
        ended = c == 125
        if ended:
            i += 1
        elif c == 44:
            i = blank(i + 1, lines)
        else:
            return -1
    if slow:
        put_byte(row + VERDICT, SLOW)
        return i
    ts_kind, asset_kind = (kinds >> (4 * _TS)) & 15, (kinds >> (4 * _ASSET)) & 15
    tag_kind, value_kind = (kinds >> (4 * _TAG)) & 15, (kinds >> (4 * _VALUE)) & 15
    event_kind = (kinds >> (4 * _EVENT)) & 15
    if event_kind != ABSENT:
        verdict = _judge_event(event_kind, event_0, event_1, ts_kind, ts_whole, asset_kind, asset_0, asset_1, table)
        put_byte(row + VERDICT, verdict)
        put_int64(row + TIME, ts_whole * 1_000_000)
        return i
    if ABSENT in (ts_kind, asset_kind, tag_kind, value_kind):
        put_byte(row + VERDICT, MISSING_FIELD)
        return i
    if asset_kind != STRING or tag_kind != STRING:
        put_byte(row + VERDICT, WRONG_TYPE)
        return i
    place = find(table, asset_0, asset_1 - asset_0, tag_0, tag_1 - tag_0)
    if place < 0 or place >= table.series:
        place = find(table, asset_0, asset_1 - asset_0, asset_0, 0)
        put_byte(row + VERDICT, WRONG_PARTITION if place >= table.foreign else UNKNOWN_SERIES)
        return i
    verdict, time_ns = judge_stamp(ts_kind, ts_whole, ts_real, ts_0, ts_1, latest_ns)
    if verdict == OK:
        verdict = judge_unit((kinds >> (4 * _UNIT)) & 15, unit_0, unit_1, table, place)
        if verdict == UNIT_MISMATCH:
            verdict = SLOW  # Python knows whether it converts
    status = 0
    if verdict == OK:
        verdict, status = judge_quality((kinds >> (4 * _Q)) & 15, q)
    if verdict == OK:
        verdict, value, in_range = judge_value(value_kind, value, value_0, value_1, table, place)
        if not in_range:
            status = _BAD
    put_byte(row + VERDICT, verdict)
    put_int32(row + PLACE, place)
    put_int64(row + TIME, time_ns)
    put_float64(row + VALUE, value)
    put_byte(row + STATUS, status)
    return i


@njit(nogil=True, cache=True, error_model="numpy")
def _field(i: int) -> tuple[int, int, bool]:
    """(field, address after the closing quote or -1, has escapes) of the name whose first character is at i."""
    word = word_at(i)  # with the closing quote, so that a longer name is not taken for one of these
    if word & _MASK3 == _NAME_TS:
        return _TS, i + 3, False
    if word & _MASK6 == _NAME_ASSET:
        return _ASSET, i + 6, False
    if word & _MASK4 == _NAME_TAG:
        return _TAG, i + 4, False
    if word & _MASK6 == _NAME_VALUE:
        return _VALUE, i + 6, False
    if word & _MASK2 == _NAME_Q:
        return _Q, i + 2, False
    if word & _MASK5 == _NAME_UNIT:
        return _UNIT, i + 5, False
    if word & _MASK6 == _NAME_EVENT:
        return _EVENT, i + 6, False
    i, escapes = string(i)
    return _OTHER, i + 1 if i >= 0 else -1, escapes


@njit(nogil=True, cache=True, error_model="numpy")
def _judge_event(
    kind: int, start: int, end: int, ts_kind: int, ts_whole: int, asset_kind: int, asset_0: int, asset_1: int,
    table: Addresses,
) -> int:  # fmt: skip
    """TICK, a dead letter's reason, or SLOW for an event whose data Python must read."""
    if kind != STRING:
        return WRONG_TYPE
    if ts_kind == ABSENT:
        return MISSING_FIELD
    if end - start == 4 and word_at(start) & _MASK5 == _NAME_TICK:
        if ts_kind != WHOLE or not stamps.FIRST_MS <= ts_whole < stamps.END_MS:
            return STAMP_UNREADABLE
        return TICK
    if asset_kind == ABSENT:
        return UNKNOWN_EVENT
    if asset_kind != STRING:
        return WRONG_TYPE
    place = find(table, asset_0, asset_1 - asset_0, asset_0, 0)
    if place < table.series:
        return UNKNOWN_EVENT
    return WRONG_PARTITION if place >= table.foreign else SLOW
