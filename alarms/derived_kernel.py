"""The row loop of what is computed before it is judged: rates of change, deviations, forecasts, holes.

One `SLOT` for each (series, rule). It sees the rows of its series and, for a deviation, those of the reference, in log
order; rows behind the newest one of their series are not looked at. Each value comes with a time that never goes back
within its slot. All times are ns. What the values mean is written for people in docs/alarm-rules.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from alarms.rules import Kind
from andon.readings import F64, I32, I64, NS_PER_S, U8, Status

DEVIATION, FORECAST, GAP = int(Kind.DEVIATION), int(Kind.FORECAST), int(Kind.GAP)
BAD = int(Status.BAD)
SUBJECT, REFERENCE = 0, 1  # what a series is to a slot
NONE = -1
POINTS = 64  # rows that a slot remembers
SPACING = 60  # they stand at least this part of `over` apart, so that POINTS always reach back far enough
NEVER_S = 1e9  # a forecast that does not cross its limit

SLOT = np.dtype(
    [
        ("kind", "<i8"), ("over", "<i8"), ("low", "<f8"), ("high", "<f8"),
        ("newest", "<i8"), ("value", "<f8"),  # of the series
        ("other_newest", "<i8"), ("other", "<f8"),  # of the reference
        ("told", "<i8"),  # time of the newest value given out
        ("waits", "<i4"),  # the slot that has to clear first; NONE: it gives out values
        ("first", "<i4"), ("count", "<i4"),  # of the remembered points
        ("seen", "u1"), ("other_seen", "u1"), ("told_any", "u1"),
    ],
    align=True,
)  # fmt: skip

_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def derive_rows(
    time: I64, ids: I32, value: F64, status: U8, begins: I32, slot_of: I32, role_of: U8,
    slots: Any, point_time: I64, point_value: F64, out_row: I64, out_slot: I32, out_time: I64, out_value: F64,
) -> int:  # fmt: skip
    """Take a batch in log order; columns of length n.

    begins int32[series + 1]: the slots of series i, and what it is to them, stand at begins[i]..begins[i + 1] of
    slot_of, role_of. slots SLOT[m]; point_time, point_value [m, POINTS].
    returns how many values were given out, into out_*: row int64, slot int32, time int64 ns, value float64; room for
    one of each slot and row is needed. Cost: 5 ns a row without a slot, up to 0.2 us a row of a forecast.
    """
    n = 0
    for i in range(len(time)):
        series = ids[i]
        if begins[series] == begins[series + 1] or status[i] >= BAD or not np.isfinite(value[i]):
            continue
        t, x = time[i], value[i]
        for at in range(begins[series], begins[series + 1]):
            k = slot_of[at]
            s = slots[k]
            given, out_at, out = _take(s, role_of[at], t, x, point_time[k], point_value[k])
            if not given or s.waits != NONE:
                continue
            if s.told_any:
                out_at = max(out_at, s.told)
            s.told_any, s.told = 1, out_at
            out_row[n], out_slot[n], out_time[n], out_value[n] = i, k, out_at, out
            n += 1
    return n


@_jit
def _take(s: Any, role: int, t: int, x: float, times: I64, values: F64) -> tuple[bool, int, float]:
    """(whether a value comes of it, its time, the value)."""
    if role == REFERENCE:
        if s.other_seen and t < s.other_newest:
            return False, t, 0.0
        s.other_seen, s.other_newest, s.other = 1, t, x
        return s.seen == 1, t, s.value - s.other
    if s.seen and t < s.newest:
        return False, t, 0.0
    seen, before = s.seen, s.newest
    s.seen, s.newest, s.value = 1, t, x
    if s.kind == DEVIATION:
        return s.other_seen == 1, t, x - s.other
    if s.kind == GAP:
        return seen == 1 and t - before > s.over, before, float(t - before) / NS_PER_S
    if s.kind == FORECAST:
        return _forecast(s, t, x, times, values)
    return _rate(s, t, x, times, values)


@_jit
def _rate(s: Any, t: int, x: float, times: I64, values: F64) -> tuple[bool, int, float]:
    """Change per s against the newest remembered point that is at least `over` old."""
    while s.count >= 2 and times[(s.first + 1) % POINTS] <= t - s.over:
        _drop(s)
    given, rate = False, 0.0
    if s.count and times[s.first] <= t - s.over:
        given, rate = True, (x - values[s.first]) / (float(t - times[s.first]) / NS_PER_S)
    _remember(s, t, x, times, values)
    return given, t, rate


@_jit
def _forecast(s: Any, t: int, x: float, times: I64, values: F64) -> tuple[bool, int, float]:
    """Seconds until the straight line through the points of the last `over` and this row crosses a limit."""
    while s.count and times[s.first] < t - s.over:
        _drop(s)
    given, out = False, NEVER_S
    if x > s.high or x < s.low:
        given, out = True, 0.0
    elif s.count >= 2 and t - times[s.first] >= s.over // 2:
        level, slope = _line(s, t, x, times, values)
        given = True
        if slope > 0.0:
            out = min(NEVER_S, max(0.0, (s.high - level) / slope))
        elif slope < 0.0:
            out = min(NEVER_S, max(0.0, (s.low - level) / slope))
    _remember(s, t, x, times, values)
    return given, t, out


@_jit
def _line(s: Any, t: int, x: float, times: I64, values: F64) -> tuple[float, float]:
    """Least squares: (value at t, slope per s). Both axes are shifted to this row, so no digits are lost."""
    n, sum_u, sum_v = 1.0, 0.0, 0.0
    for k in range(s.count):
        at = (s.first + k) % POINTS
        n += 1.0
        sum_u += float(times[at] - t) / NS_PER_S
        sum_v += values[at] - x
    mean_u, mean_v = sum_u / n, sum_v / n
    over, under = mean_u * mean_v, mean_u * mean_u  # of this row, at (0, 0)
    for k in range(s.count):
        at = (s.first + k) % POINTS
        du = float(times[at] - t) / NS_PER_S - mean_u
        over += du * (values[at] - x - mean_v)
        under += du * du
    slope = over / under
    return x + mean_v - slope * mean_u, slope


@_jit
def _remember(s: Any, t: int, x: float, times: I64, values: F64) -> None:
    if s.count and t - times[(s.first + s.count - 1) % POINTS] < max(s.over // SPACING, 1):
        return
    if s.count == POINTS:
        _drop(s)
    at = (s.first + s.count) % POINTS
    times[at], values[at] = t, x
    s.count += 1


@_jit
def _drop(s: Any) -> None:
    s.first = (s.first + 1) % POINTS
    s.count -= 1
