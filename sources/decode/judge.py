"""Verdicts about single fields, in kernels: stamp, unit, quality, value. (OK or the Reason, what it means.)"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from andon.readings import Status
from sources.decode import stamps
from sources.decode.layout import (
    ABSENT,
    FALSE,
    NULL,
    OK,
    REAL,
    SLOW,
    STAMP_IN_FUTURE,
    STAMP_NAIVE,
    STAMP_UNREADABLE,
    STRING,
    TRUE,
    UNIT_MISMATCH,
    UNKNOWN_STATE,
    WHOLE,
    WRONG_TYPE,
)  # fmt: skip
from sources.decode.memory import float64_at, int32_at
from sources.decode.table import (
    BOOLEAN,
    HIGH,
    KIND,
    LOW,
    STATE,
    STATE_COUNT,
    WAVEFORM,
    Addresses,
    entry,
    is_unit,
    state_number,
)  # fmt: skip

_GOOD, _UNCERTAIN, _BAD = int(Status.GOOD), int(Status.UNCERTAIN), int(Status.BAD)


@njit(nogil=True, cache=True, error_model="numpy")
def judge_stamp(kind: int, whole: int, real: float, start: int, end: int, latest_ns: int) -> tuple[int, int]:
    """(verdict, ns since the epoch) of ts: a number of ms, or RFC 3339 text from address start to end."""
    if kind == WHOLE:
        if not stamps.FIRST_MS <= whole < stamps.END_MS:
            return STAMP_UNREADABLE, 0
        time_ns = whole * 1_000_000
    elif kind == REAL:
        time_ns = stamps.milliseconds(real)
        if time_ns < 0:
            return STAMP_UNREADABLE, 0
    elif kind == STRING:
        status, time_ns = stamps.rfc3339(start, end)
        if status != stamps.OK:
            return STAMP_NAIVE if status == stamps.NAIVE else STAMP_UNREADABLE, 0
    else:
        return STAMP_UNREADABLE, 0
    return OK if time_ns <= latest_ns else STAMP_IN_FUTURE, time_ns


@njit(nogil=True, cache=True, error_model="numpy")
def judge_unit(kind: int, start: int, end: int, table: Addresses, place: int) -> int:
    """Verdict of unit; left out or null is the configured one."""
    if kind in (ABSENT, NULL):
        return OK
    if kind != STRING:
        return WRONG_TYPE
    return OK if is_unit(table, place, start, end - start) else UNIT_MISMATCH


@njit(nogil=True, cache=True, error_model="numpy")
def judge_quality(kind: int, q: float) -> tuple[int, Any]:
    """(verdict, status) of q: an OPC DA byte up to 255, above that OPC UA with the severity in its top two bits."""
    if kind in (ABSENT, NULL):
        return OK, _GOOD
    if kind not in (WHOLE, REAL) or not 0.0 <= q <= 4294967295.0 or q != np.floor(q):
        return WRONG_TYPE, _BAD
    code = np.int64(q)
    if code <= 255:
        return OK, _GOOD if code >= 192 else _UNCERTAIN if code >= 64 else _BAD
    severity = code >> 30
    return OK, min(severity, _BAD)


@njit(nogil=True, cache=True, error_model="numpy")
def judge_value(kind: int, real: float, start: int, end: int, table: Addresses, place: int) -> tuple[int, float, bool]:
    """(verdict, value, in range) of value: after the kind of the series at `place`. null is NaN and not in range.

    SLOW for a waveform.
    """
    one = entry(table, place)
    what = int32_at(one + KIND)
    if what == WAVEFORM:
        return SLOW, 0.0, False  # Python looks for its samples
    if kind == NULL:
        return OK, np.nan, False
    if kind == STRING:
        if what != STATE:
            return WRONG_TYPE, 0.0, False
        real = np.float64(state_number(table, place, start, end - start))
        if real < 0.0:
            return UNKNOWN_STATE, 0.0, False
    elif kind in (TRUE, FALSE):
        if what != BOOLEAN:
            return WRONG_TYPE, 0.0, False
        real = 1.0 if kind == TRUE else 0.0
    elif kind not in (WHOLE, REAL) or not np.isfinite(real):  # 1e999 is JSON, but no float64
        return WRONG_TYPE, 0.0, False
    elif what == BOOLEAN:
        if real not in (0.0, 1.0):
            return WRONG_TYPE, 0.0, False
    elif what == STATE and not (0.0 <= real < int32_at(one + STATE_COUNT) and real == np.floor(real)):
        return UNKNOWN_STATE, 0.0, False
    return OK, real, float64_at(one + LOW) <= real <= float64_at(one + HIGH)
