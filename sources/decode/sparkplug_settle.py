"""Metrics of Sparkplug payloads to rows, in a kernel: which series by alias or name, the value after its datatype."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from andon.readings import F64, I32, I64, U8, Status
from sources.decode import stamps
from sources.decode.columns import UNREADABLE, WireRows
from sources.decode.layout import FALSE, MISSING_FIELD, NESTED, NULL, REAL, STRING, TRUE, UNKNOWN_SERIES, WHOLE
from sources.decode.memory import byte_at
from sources.decode.sparkplug_wire import (
    BOOLEAN,
    DOUBLE,
    FLOAT,
    HAS_ALIAS,
    HAS_NAME,
    HAS_QUALITY,
    HAS_TIME,
    HAS_TYPE,
    INT,
    LONG,
    NULL_FLAG,
    TEXT_FIELD,
)  # fmt: skip

Records = Any  # NDArray[np.void]: mypy knows no fields of it
IGNORED = 255  # as verdict of an entry: no reading, and no dead letter
_GOOD, _UNCERTAIN, _BAD = int(Status.GOOD), int(Status.UNCERTAIN), int(Status.BAD)
_U: Any = np.uint64
_S: Any = np.int64
_MIX = _U(0x9E3779B97F4A7C15)
_STALE = 500  # Sparkplug's own quality code
# datatypes
INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64 = range(1, 9)
FLOAT32, FLOAT64, BOOL, STRING_TYPE, DATETIME, TEXT_TYPE, UUID = range(9, 16)


class Tables(NamedTuple):
    """The births of all nodes and devices, by number of the birth.

    first, mask         : int64, of its slots in `by_alias` and `by_name`: int32, entry or -1, open addressing.
    alias, place, verdict, datatype: of an entry. place as in `WireRows`, verdict 0 or a Reason or `IGNORED`.
    name_begin, name_end: of an entry, in names uint8.
    """

    first: I64
    mask: I64
    by_alias: I32
    by_name: I32
    alias: I64
    has_alias: U8
    place: I32
    verdict: U8
    datatype: U8
    name_begin: I64
    name_end: I64
    names: U8


@njit(nogil=True, cache=True, error_model="numpy")
def settle(
    text: int, metrics: Records, reals: F64, payloads: Records, births: I64, message: I32, tables: Tables,
    rows: WireRows, entry: I32, record: I32,
) -> int:  # fmt: skip
    """Rows of m payloads; returns how many.

    text             : address that the records' start counts from.
    metrics, payloads: of `sparkplug_wire.parse`; reals: metrics["bits"] as float64.
    births, message  : int64[m], number of the birth; int32[m].
    rows             : with room for all metrics; entry, record: int32, of a row, -1 none.
    """
    # every access of a tuple's array in the loop would count its references, 5 ns each time
    places, times, values, kinds, verdicts, statuses, messages, lines = rows
    firsts, masks, by_alias, _, aliases, _, entry_place, entry_verdict, entry_type, _, _, _ = tables
    n = 0
    for p in range(births.shape[0]):
        payload, birth = payloads[p], births[p]
        first_slot, mask, first_metric, payload_ms = firsts[birth], masks[birth], payload.first, payload.time
        for r in range(first_metric, first_metric + payload.count):
            metric = metrics[r]
            has, e = metric.has, -1
            if has & HAS_ALIAS:
                slot = alias_slot(metric.alias) & mask
                e = by_alias[first_slot + slot]
                while e >= 0 and aliases[e] != metric.alias:
                    slot = (slot + 1) & mask
                    e = by_alias[first_slot + slot]
            elif has & HAS_NAME:
                e = _by_name(text + metric.start + metric.name, metric.name_size, birth, tables)
            verdict = entry_verdict[e] if e >= 0 else UNKNOWN_SERIES
            if verdict == IGNORED:
                continue
            time_ms = metric.time if has & HAS_TIME else payload_ms
            no_time = has & HAS_TIME == 0 and payload_ms == -1
            null = metric.flags & NULL_FLAG != 0
            if has & (HAS_ALIAS | HAS_NAME) == 0 or no_time or (metric.field == 0 and not null):
                verdict, e = MISSING_FIELD, -1
            datatype = _S(metric.datatype) if has & HAS_TYPE or e < 0 else _S(entry_type[e])
            if metric.field == DOUBLE and datatype == FLOAT64:  # nearly all
                kind, x = REAL, reals[r]
            else:
                kind, x = _value(metric.field, metric.bits, reals[r], datatype)
            places[n] = entry_place[e] if e >= 0 else -1
            in_range = stamps.FIRST_MS <= time_ms < stamps.END_MS
            times[n] = time_ms * 1_000_000 if in_range else UNREADABLE
            values[n], kinds[n], verdicts[n] = x, NULL if null else kind, verdict
            statuses[n] = _status(metric.quality) if has & HAS_QUALITY else _GOOD
            messages[n], lines[n] = message[p], r - first_metric
            entry[n], record[n] = e, r
            n += 1
    return n


@njit(nogil=True, cache=True, error_model="numpy")
def alias_slot(alias: int) -> Any:
    """Where the search for an alias begins, before it is masked."""
    return _S((_U(alias) * _MIX) >> _U(33))


@njit(nogil=True, cache=True, error_model="numpy")
def name_slot(name: int, size: int) -> Any:
    """Where the search for the name of size bytes at an address begins, before it is masked."""
    h = _MIX
    for k in range(size):
        h = (h ^ _U(byte_at(name + k))) * _MIX
    return _S(h >> _U(33))


@njit(nogil=True, cache=True, error_model="numpy")
def _by_name(name: int, size: int, birth: int, tables: Tables) -> Any:
    """Entry of a name, bytes compared; -1 if the birth has no such name."""
    slot = name_slot(name, size) & tables.mask[birth]
    while True:
        e = tables.by_name[tables.first[birth] + slot]
        if e < 0:
            return e
        begin = tables.name_begin[e]
        same = tables.name_end[e] - begin == size
        k = 0
        while same and k < size:
            same = tables.names[begin + k] == byte_at(name + k)
            k += 1
        if same:
            return e
        slot = (slot + 1) & tables.mask[birth]


@njit(nogil=True, cache=True, error_model="numpy")
def fill(birth: int, begin: int, end: int, tables: Tables, names: int) -> None:
    """Put the entries begin .. end - 1 into the slots of their birth. names: address of tables.names.

    Of an alias or a name that is given twice the first counts.
    """
    first, mask = tables.first[birth], tables.mask[birth]
    for e in range(begin, end):
        if tables.has_alias[e]:
            slot = alias_slot(tables.alias[e]) & mask
            while tables.by_alias[first + slot] >= 0 and tables.alias[tables.by_alias[first + slot]] != tables.alias[e]:
                slot = (slot + 1) & mask
            if tables.by_alias[first + slot] < 0:
                tables.by_alias[first + slot] = e
        name, size = names + tables.name_begin[e], tables.name_end[e] - tables.name_begin[e]
        if _by_name(name, size, birth, tables) < 0:
            slot = name_slot(name, size) & mask
            while tables.by_name[first + slot] >= 0:
                slot = (slot + 1) & mask
            tables.by_name[first + slot] = e


@njit(nogil=True, cache=True, error_model="numpy")
def _value(field: int, bits: int, real: float, datatype: int) -> tuple[int, float]:
    """(kind, float64) of a value; kind NESTED when its field does not hold this datatype (0: unknown, any does)."""
    if field in (DOUBLE, FLOAT):
        return REAL if datatype in (0, FLOAT32, FLOAT64) else NESTED, real
    if field == BOOLEAN:
        return (TRUE if bits != 0 else FALSE) if datatype in (0, BOOL) else NESTED, 0.0 if bits == 0 else 1.0
    if field == TEXT_FIELD:
        return STRING if datatype in (0, STRING_TYPE, TEXT_TYPE, UUID) else NESTED, -1.0
    if field not in (INT, LONG):
        return NESTED, 0.0
    low = bits & 0xFFFFFFFF
    signed = low - (1 << 32) if low >= 1 << 31 else low
    if field == INT:
        bits = low
    if datatype in (INT8, INT16):
        size = 8 if datatype == INT8 else 16
        if 0 <= bits < 1 << size:  # some write the bits of the small number, most those of 32 bits
            return WHOLE, np.float64(bits - (1 << size) if bits >= 1 << (size - 1) else bits)
        return WHOLE if -(1 << (size - 1)) <= signed < 0 else NESTED, np.float64(signed)
    if datatype == INT32:
        return WHOLE, np.float64(signed)
    if datatype == INT64:
        return WHOLE, np.float64(bits if field == LONG else signed)
    if datatype in (UINT8, UINT16):
        return WHOLE if 0 <= bits < 1 << (8 if datatype == UINT8 else 16) else NESTED, np.float64(bits)
    if datatype in (0, UINT32, UINT64, DATETIME):
        return WHOLE, np.float64(_U(bits))
    return NESTED, 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def _status(quality: int) -> Any:
    """Status of the property Quality: Sparkplug's 0, 192 and 500, else as JSON's `q`."""
    if quality == _STALE:
        return _UNCERTAIN
    code = quality & 0xFFFFFFFF
    if code <= 255:
        return _GOOD if code >= 192 else _UNCERTAIN if code >= 64 else _BAD
    return min(code >> 30, _BAD)
