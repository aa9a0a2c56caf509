"""RFC 3339 date-times to ns since the epoch: a kernel, and the same for the slow path."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from sources.decode.memory import address, byte_at, text_buffer

OK, UNREADABLE, NAIVE = 0, 1, 2
FIRST_MS = 31_536_000_000  # 1971-01-01: a stamp in seconds or days since 1970 is before it
END_MS = 7_289_654_400_000  # 2201-01-01
_DAYS_BEFORE = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365])


@njit(nogil=True, cache=True, error_model="numpy")
def rfc3339(start: int, end: int) -> tuple[int, int]:
    """(OK, ns since the epoch) of the text from address start to end, or (NAIVE, 0) without a zone, or (UNREADABLE, 0).

    YYYY-MM-DD, T (or t, or a space), hh:mm:ss, a fraction of any length (cut to ns), Z (or z) or +hh:mm. Years 1971
    to 2200. Second 60 is the first of the next minute.
    """
    if end - start < 19:
        return UNREADABLE, 0
    for k in (4, 7):
        if byte_at(start + k) != 45:
            return UNREADABLE, 0
    if byte_at(start + 13) != 58 or byte_at(start + 16) != 58:
        return UNREADABLE, 0
    t = byte_at(start + 10)
    if t not in (84, 116, 32):
        return UNREADABLE, 0
    century, year2 = _two(start), _two(start + 2)
    month, day = _two(start + 5), _two(start + 8)
    hour, minute, second = _two(start + 11), _two(start + 14), _two(start + 17)
    if century < 0 or year2 < 0 or not 0 <= hour <= 23 or not 0 <= minute <= 59 or not 0 <= second <= 60:
        return UNREADABLE, 0
    year = century * 100 + year2
    if not 1 <= month <= 12 or year < 1970 or year > 2201:  # a zone may move a day over the years' bounds
        return UNREADABLE, 0
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    length = _DAYS_BEFORE[month] - _DAYS_BEFORE[month - 1] + (1 if leap and month == 2 else 0)
    if not 1 <= day <= length:
        return UNREADABLE, 0
    i = start + 19
    fraction, scale = 0, 100_000_000
    if i < end and byte_at(i) == 46:
        i += 1
        begun = i
        while i < end and 48 <= byte_at(i) <= 57:
            fraction += (byte_at(i) - 48) * scale
            scale //= 10
            i += 1
        if i == begun:
            return UNREADABLE, 0
    if i == end:
        return NAIVE, 0
    offset_min = _zone(i, end)
    if offset_min == _NO_ZONE:
        return UNREADABLE, 0
    past = year - 1
    days = past * 365 + past // 4 - past // 100 + past // 400 - 719_162
    days += _DAYS_BEFORE[month - 1] + (1 if leap and month > 2 else 0) + day - 1
    seconds = days * 86_400 + hour * 3600 + (minute - offset_min) * 60 + second
    if not FIRST_MS // 1000 <= seconds < END_MS // 1000:
        return UNREADABLE, 0
    return OK, seconds * 1_000_000_000 + fraction


_NO_ZONE = 9999


@njit(nogil=True, cache=True, error_model="numpy")
def _zone(i: int, end: int) -> int:
    c = byte_at(i)
    if c in (90, 122):
        return 0 if i + 1 == end else _NO_ZONE
    if c not in (43, 45) or end - i != 6 or byte_at(i + 3) != 58:
        return _NO_ZONE
    hours, minutes = _two(i + 1), _two(i + 4)
    if not 0 <= hours <= 23 or not 0 <= minutes <= 59:
        return _NO_ZONE
    return (hours * 60 + minutes) * (1 if c == 43 else -1)


@njit(nogil=True, cache=True, error_model="numpy")
def _two(i: int) -> int:
    """Two digits, -1 if they are none."""
    tens, ones = byte_at(i) - 48, byte_at(i + 1) - 48
    return tens * 10 + ones if 0 <= tens <= 9 and 0 <= ones <= 9 else -1


@njit(nogil=True, cache=True, error_model="numpy")
def milliseconds(value: float) -> Any:
    """Ns of a stamp in ms with a fraction (float64), rounded half to even; -1 outside 1971 .. 2200."""
    if not FIRST_MS <= value < END_MS:
        return -1
    whole = np.floor(value)
    return np.int64(whole) * 1_000_000 + np.int64(np.rint((value - whole) * 1e6))


def read_text(text: str) -> tuple[int, int]:
    """`rfc3339` for a Python string, for the slow path."""
    raw = text.encode("ascii", "replace")
    buffer = text_buffer(raw)
    start = address(buffer)
    status, time_ns = rfc3339(start, start + len(raw))
    return int(status), int(time_ns)
