"""The row and tick loops of the alarm conditions.

State is two arrays of records: `SERIES`, one per series that has rules, and `LANE`, one per instance (rule, series,
lane). The lanes of a series stand together: the live ones of all its rules, then the backlog ones in the same order.
A loop stops before a series whose changes might not fit into the output and says where, so that no check of the
bounds is needed inside. Functions called for every row take records, never arrays: numba counts references of an
array argument with atomic operations, which cost more than the work itself (0.14 against 0.05 CPU-s per million rows
of an open condition). All times are ns. What the states mean is written for people in docs/alarm-rules.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from alarms.rules import Kind
from andon.prefetch import prefetch
from andon.readings import F64, I32, I64, U8, Status

# numba reads these module constants when it compiles; enums in the row loop would cost a look-up each.
ANOMALY, STALE, STUCK = int(Kind.ANOMALY), int(Kind.STALE), int(Kind.STUCK)
BELOW, OUTSIDE = int(Kind.BELOW), int(Kind.OUTSIDE)
BAD = int(Status.BAD)
RAISED, CLEARED = 0, 1
IDLE, PENDING, OPEN = 0, 1, 2  # stuck: no reference, reference set, raised
BEYOND, BETWEEN, INSIDE = 1, 2, 3  # where the last value of a lane was: beyond the limit, in the deadband, inside it
LIVE, LATE = 0, 1
NONE = -1  # no rule
LONG_AGO, OPEN_END = -(2**63), 2**63 - 1
#: Most changes one row or tick can make in one instance: a backlog stretch ends (raised, cleared), the row raises.
MOST = 3
FAR, NEAR = 24, 12  # rows ahead: the series' record, its first lane; with 100,000 series neither is in the caches
#: A backlog without a row for so long (receive time) has ended.
BACKLOG_ENDS_NS = 600_000_000_000
CHUNK = 256  # series that ticks leave alone together

SERIES = np.dtype(
    [
        ("id", "<i4"), ("first", "<i4"), ("count", "<i4"), ("seen", "u1"), ("late_runs", "u1"),
        ("hold", "<i8"),  # longer steps than this are gaps
        ("newest", "<i8"), ("received", "<i8"), ("value", "<f8"),  # of the newest usable live row
        ("gap_start", "<i8"), ("gap_end", "<i8"),  # the last gap of the live rows, its end not in it
        ("late_first", "<i8"), ("late_newest", "<i8"), ("late_received", "<i8"),  # of the running backlog stretch
        ("late_until", "<i8"),  # where the live rows take over from it
    ],
    align=True,
)  # fmt: skip

LANE = np.dtype(
    [
        ("rule", "<i4"), ("next", "<i4"),  # the rule that takes over when the condition has cleared
        ("phase", "u1"), ("held", "u1"), ("upper", "u1"),
        ("start", "<i8"), ("inside", "<i8"),  # of the crossing; of the clearing stretch
        ("out", "<i8"), ("peak", "<f8"),
        ("told_start", "<i8"), ("told_end", "<i8"),  # the last condition that was told, to the outside its identity
    ],
    align=True,
)  # fmt: skip

CHANGE = np.dtype(
    [
        ("kind", "u1"), ("late", "u1"), ("upper", "u1"), ("series", "<i4"), ("rule", "<i4"),
        ("start", "<i8"), ("confirmed", "<i8"), ("cleared", "<i8"), ("out", "<i8"), ("peak", "<f8"),
        ("offset", "<i8"),
    ],
    align=True,
)  # fmt: skip

_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def step_rows(
    at: int, time: I64, ids: I32, value: F64, status: U8, offset: I64, received: I64, score: F64,
    slots: I32, series: Any, lanes: Any, rules: Any, due: I64, latest: I64, passed: int, correction: int, out: Any,
) -> tuple[int, int]:  # fmt: skip
    """Take rows `at`.. of a batch; columns of length n, ids within slots (int32, id -> row of series, -1: no rules).

    due, latest: as in `step_tick`; passed, correction: the clock of the ticks (`conditions.TickClock`).
    returns (row to go on with, n when done; changes written to `out`, of length > MOST times the most rules of a
    series). Cost: one pass, no allocation.
    """
    n = 0
    rows = len(time)
    for i in range(at, min(at + FAR, rows)):
        prefetch(series, np.int64(slots[ids[i]]))
    for i in range(at, rows):
        if i + FAR < rows:
            prefetch(series, np.int64(slots[ids[i + FAR]]))
        if i + NEAR < rows and slots[ids[i + NEAR]] >= 0:
            prefetch(lanes, np.int64(series[slots[ids[i + NEAR]]].first))
        slot = slots[ids[i]]
        if slot < 0 or status[i] >= BAD or not np.isfinite(value[i]):
            continue
        s = series[slot]
        if n + MOST * s.count >= len(out):
            return i, n
        t, x, z, message = time[i], value[i], score[i], offset[i]
        chunk = slot // CHUNK
        if s.seen and t < s.newest:
            due[chunk] = LONG_AGO
            n = _late_row(s, lanes, rules, t, x, z, message, out, n)
            s.late_received = max(passed, received[i] + correction)
            continue
        if not s.seen:
            due[chunk] = LONG_AGO
        last = s.newest if s.seen else t
        if t - last > s.hold:
            s.gap_start, s.gap_end = last, t
        for k in range(s.first, s.first + s.count):
            c = lanes[k]
            if c.rule < 0 or _quiet(c, rules[c.rule], x, z):
                continue
            if rules[c.rule].kind != STUCK or c.next != c.rule:
                due[chunk] = LONG_AGO
            n += _pass(c, c, rules[c.rule], s.id, LIVE, last, t, message, out[n])
            if c.rule < 0:
                continue
            rule = c.rule
            n += _apply(c, c, rules[rule], s.id, LIVE, last, t, x, z, message, out[n])
            if rule != c.rule >= 0:  # the old rule is done with; the new one sees the value too
                n += _apply(c, c, rules[c.rule], s.id, LIVE, last, t, x, z, message, out[n])
        s.seen, s.newest, s.received, s.value = 1, t, max(passed, received[i] + correction), x
        latest[chunk] = max(latest[chunk], s.received)
    return rows, n


@_jit
def step_tick(
    at: int, series: Any, lanes: Any, rules: Any, due: I64, latest: I64, passed: int, offset: int, out: Any
) -> tuple[int, int]:
    """Let time pass in the series `at`.. until `passed` of the ticks' clock. returns as `step_rows`, in series.

    due, latest int64[chunks]: no tick before `due` can change a series of the chunk, a lower bound, and `latest` is the
    newest receive time of its rows; a chunk that is not due, without a row ahead of the tick, is not looked at.
    """
    n = 0
    i = at
    while i < len(series):
        s = series[i]
        if n + MOST * s.count >= len(out):
            return i, n
        chunk = i // CHUNK
        if i % CHUNK == 0:
            if passed < due[chunk] and latest[chunk] <= passed:
                i += CHUNK
                continue
            due[chunk], latest[chunk] = OPEN_END, passed
        i += 1
        if not s.seen:
            continue
        before = n
        s.received = min(s.received, passed)  # it came between the last tick and this one
        silent = passed - s.received
        for k in range(s.first, s.first + s.count):
            c = lanes[k]
            if c.rule < 0:
                continue
            if rules[c.rule].kind == STALE:
                n += _fall_silent(c, rules[c.rule], s, silent, offset, out[n])
                if c.phase == IDLE:
                    due[chunk] = min(due[chunk], s.received + rules[c.rule].on_ns)
            elif c.phase == PENDING or c.held == INSIDE:
                if rules[c.rule].kind != STUCK:
                    due[chunk] = LONG_AGO
                n += _complete(c, c, rules[c.rule], s.id, LIVE, s.newest + silent, offset, out[n])
        if s.late_runs or n > before:
            due[chunk] = LONG_AGO
        if s.late_runs:
            s.late_received = min(s.late_received, passed)
            if passed - s.late_received >= BACKLOG_ENDS_NS:
                n = _end_backlog(s, lanes, rules, max(s.late_until, s.late_newest), offset, out, n)
    return len(series), n


@_jit
def _quiet(c: Any, r: Any, x: float, score: float) -> bool:
    """Nothing is going on and this row starts nothing: nearly every row, so it is decided first."""
    if c.phase != IDLE or r.kind == STUCK:
        return False
    if r.kind == STALE:
        return True
    if r.kind == ANOMALY:
        return not score >= r.high
    return not (x > r.high or x < r.low)


@_jit
def _late_row(
    s: Any, lanes: Any, rules: Any, t: int, x: float, score: float, offset: int, out: Any, n: int
) -> int:  # fmt: skip
    """A row behind the newest one: the backlog lane, whose stretch goes on or is ended and begun anew."""
    if s.late_runs:
        if t < s.late_newest:
            n = _end_backlog(s, lanes, rules, s.late_newest, offset, out, n)
            if s.gap_start <= s.late_first < s.gap_end:
                s.gap_end = s.late_first  # from there on the gap is filled: nothing may be held over it
        elif s.late_until > s.late_newest:
            if t >= s.late_until:
                n = _end_backlog(s, lanes, rules, s.late_until, offset, out, n)
        elif t - s.late_newest > s.hold:
            n = _end_backlog(s, lanes, rules, s.late_newest, offset, out, n)
    if not s.late_runs:
        s.late_runs, s.late_first, s.late_newest, s.late_until = 1, t, t, LONG_AGO
    if s.gap_start <= t < s.gap_end:
        s.late_until = s.gap_end
    last = s.late_newest
    for k in range(s.first, s.first + s.count):
        c, live = lanes[s.count + k], lanes[k]
        if c.rule < 0:
            continue
        n += _pass(c, live, rules[c.rule], s.id, LATE, last, t, offset, out[n])
        if c.rule < 0:
            continue
        rule = c.rule
        n += _apply(c, live, rules[rule], s.id, LATE, last, t, x, score, offset, out[n])
        if rule != c.rule >= 0:
            n += _apply(c, live, rules[c.rule], s.id, LATE, last, t, x, score, offset, out[n])
    s.late_newest = t
    return n


@_jit
def _end_backlog(s: Any, lanes: Any, rules: Any, end: int, offset: int, out: Any, n: int) -> int:
    """The live rows take over at `end`: what is open there is cleared, what is not confirmed by then is dropped."""
    for k in range(s.first, s.first + s.count):
        c = lanes[s.count + k]
        if c.rule < 0:
            continue
        n += _pass(c, lanes[k], rules[c.rule], s.id, LATE, s.late_newest, end, offset, out[n])
        if c.phase == OPEN:
            if rules[c.rule].kind == STUCK:
                c.out = end - c.start
            n += _clear(c, rules[c.rule], s.id, LATE, end, offset, out[n])
        c.phase = IDLE
    s.late_runs = 0
    return n


# The functions below write at most one change, into the record o, and return how many.


@_jit
def _pass(c: Any, live: Any, r: Any, sid: int, late: int, last: int, t: int, offset: int, o: Any) -> int:
    """The held value lasts from `last` to t."""
    if c.phase == IDLE or r.kind >= STALE:
        return 0
    if c.held == BEYOND:
        c.out += t - last
    return _complete(c, live, r, sid, late, t, offset, o)


@_jit
def _complete(c: Any, live: Any, r: Any, sid: int, late: int, t: int, offset: int, o: Any) -> int:
    """Confirm or clear a value condition whose delay ends by t under the held value."""
    if r.kind >= STALE:
        return 0
    if c.phase == PENDING:
        if t - c.start >= r.on_ns:
            return _confirm(c, live, r, sid, late, t, offset, o)
    elif c.phase == OPEN and c.held == INSIDE and t - c.inside >= r.off_ns:
        return _clear(c, r, sid, late, c.inside + r.off_ns, offset, o)
    return 0


@_jit
def _apply(
    c: Any, live: Any, r: Any, sid: int, late: int, last: int, t: int, x: float, score: float, offset: int, o: Any
) -> int:
    """A new value at t."""
    if r.kind == STUCK:
        return _apply_stuck(c, live, r, sid, late, last, t, x, offset, o)
    if r.kind == STALE:
        if c.phase == OPEN:  # only ever in a live lane
            c.out = t - c.start
            return _clear(c, r, sid, late, t, offset, o)
        return 0
    if r.kind == ANOMALY:
        x = score
        if np.isnan(x):
            return 0
    return _apply_value(c, live, r, sid, late, t, x, offset, o)


@_jit
def _apply_value(
    c: Any, live: Any, r: Any, sid: int, late: int, t: int, x: float, offset: int, o: Any
) -> int:  # fmt: skip
    beyond = x >= r.high if r.kind == ANOMALY else (x > r.high or x < r.low)
    if c.phase == IDLE:
        if not beyond:
            return 0
        c.phase, c.start, c.out, c.peak, c.upper = PENDING, _start(c, t), 0, x, x >= r.high
    if beyond:
        c.held = BEYOND
        if _further(r, x, c.peak):
            c.peak = x
    elif c.phase == PENDING:
        c.phase = IDLE
    elif r.deadband == 0.0 or (r.low_clear < x < r.high_clear):
        if c.held != INSIDE:
            c.held, c.inside = INSIDE, t
    else:
        c.held = BETWEEN
    return _complete(c, live, r, sid, late, t, offset, o)  # delays of 0


@_jit
def _further(r: Any, x: float, peak: float) -> bool:
    if r.kind == BELOW:
        further = x < peak
    elif r.kind == OUTSIDE:
        further = max(x - r.high, r.low - x) > max(peak - r.high, r.low - peak)
    else:
        further = x > peak
    return further


@_jit
def _apply_stuck(
    c: Any, live: Any, r: Any, sid: int, late: int, last: int, t: int, x: float, offset: int, o: Any
) -> int:  # fmt: skip
    """The peak is the reference. A step longer than the rule's own time is a gap: rows did not keep coming."""
    moved = abs(x - c.peak) > r.deadband
    if c.phase == PENDING and not moved and t - last <= r.on_ns:
        return _confirm(c, live, r, sid, late, t, offset, o) if t - c.start >= r.on_ns else 0
    told = 0
    if c.phase == OPEN:
        c.out = t - c.start
        if not moved:
            return 0
        rule = c.rule
        told = _clear(c, r, sid, late, t, offset, o)
        if c.rule != rule:
            return told
    c.phase, c.start, c.peak = PENDING, _start(c, t), x
    return told


@_jit
def _fall_silent(c: Any, r: Any, s: Any, silent: int, offset: int, o: Any) -> int:
    if c.phase != IDLE or silent < r.on_ns:
        return 0
    c.start, c.peak = _start(c, s.newest), s.value
    return _confirm(c, c, r, s.id, LIVE, 0, offset, o)


@_jit
def _start(c: Any, t: int) -> int:
    """The start is the alarm's identity: two of one instance never share it, whatever equal stamps do."""
    again: int = c.told_start + 1
    return max(t, again)


@_jit
def _confirm(c: Any, live: Any, r: Any, sid: int, late: int, t: int, offset: int, o: Any) -> int:
    if late == LATE:
        for _ in range(2):  # past the one may be inside the other
            if live.told_start <= c.start <= live.told_end:
                if live.told_end == OPEN_END:
                    return 0
                c.start = live.told_end + 1
                c.out = t - c.start
            if c.told_start <= c.start <= c.told_end:
                c.start = c.told_end + 1
                c.out = t - c.start
        if t - c.start < r.on_ns:  # part of a condition that is already known, and no more than that so far
            return 0
    c.phase, c.told_start, c.told_end = OPEN, c.start, OPEN_END
    return _write(c, RAISED, sid, late, r, 0, r.on_ns, offset, o)


@_jit
def _clear(c: Any, r: Any, sid: int, late: int, at: int, offset: int, o: Any) -> int:
    c.told_end = at
    told = _write(c, CLEARED, sid, late, r, at, c.out, offset, o)
    c.phase, c.held, c.rule = IDLE, 0, c.next
    return told


@_jit
def _write(c: Any, kind: int, sid: int, late: int, r: Any, cleared: int, lasted: int, offset: int, o: Any) -> int:
    o.kind, o.late, o.upper, o.series, o.rule = kind, late, c.upper, sid, c.rule
    o.start, o.confirmed, o.cleared = c.start, c.start + r.on_ns, cleared
    o.out, o.peak, o.offset = lasted, c.peak, offset
    return 1
