"""The row and tick loops of the alarm conditions.

State is two arrays of records: `SERIES`, one per series that has rules, and `LANE`, one per rule on a series; the lanes
of a series stand together. Rows that are behind their series change nothing here: the loop says which they were, and
alarms/late.py judges that stretch of the series anew, with the functions of this file. A loop stops before a series
whose changes might not fit into the output and says where, so that no check of the bounds is needed inside. Functions
called for every row take records, never arrays: numba counts references of an array argument with atomic operations,
which cost more than the work itself (0.14 against 0.05 CPU-s per million rows of an open condition). All times are ns.
What the states mean is written for people in docs/alarm-rules.md.
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
NONE = -1  # no rule
LONG_AGO, OPEN_END = -(2**63), 2**63 - 1
#: Most changes one row or tick can make in one lane: the held value clears it, the row raises it.
MOST = 2
FAR, NEAR = 24, 12  # rows ahead: the series' record, its first lane; with 100,000 series neither is in the caches
CHUNK = 256  # series that ticks leave alone together

# No padding in these two: its bytes would be anything, and state is compared by its bytes.
SERIES = np.dtype(
    [
        ("id", "<i4"), ("first", "<i4"), ("count", "<i4"), ("seen", "<i4"),
        ("newest", "<i8"), ("received", "<i8"), ("value", "<f8"),  # of the newest usable row ahead of the others
        ("near", "<i8"), ("run", "<i8"),  # a longer step is a gap; rows ahead of the others had none since then
    ]
)  # fmt: skip

LANE = np.dtype(
    [
        ("rule", "<i4"), ("next", "<i4"),  # the rule that takes over when the condition has cleared
        ("phase", "<u2"), ("held", "<u2"), ("upper", "<u4"),
        ("start", "<i8"), ("inside", "<i8"),  # of the crossing; of the clearing stretch
        ("out", "<i8"), ("peak", "<f8"),
        ("told_start", "<i8"),  # of the last condition that was told: to the outside its identity
        ("decided", "<i8"),  # until where what was told last decided: a row before it may know better
        ("quiet", "<i8"),  # every row from here on was inside the limits, nothing open; OPEN_END: not known
    ]
)  # fmt: skip

CHANGE = np.dtype(
    [
        ("kind", "u1"), ("upper", "u1"), ("series", "<i4"), ("rule", "<i4"),
        ("start", "<i8"), ("begun", "<i8"), ("confirmed", "<i8"), ("cleared", "<i8"), ("out", "<i8"), ("peak", "<f8"),
        ("offset", "<i8"),
    ],
    align=True,
)  # fmt: skip

jit = njit(nogil=True, cache=True, error_model="numpy")


@jit
def step_rows(
    at: int, time: I64, ids: I32, value: F64, status: U8, offset: I64, received: I64, score: F64, told: U8,
    slots: I32, series: Any, lanes: Any, rules: Any, due: I64, latest: I64, passed: int, correction: int, out: Any,
    late: I32,
) -> tuple[int, int, int]:  # fmt: skip
    """Take rows `at`.. of a batch; columns of length n, ids within slots (int32, id -> row of series, -1: no rules).

    due, latest: as in `step_tick`; passed, correction: the clock of the ticks (`conditions.TickClock`).
    returns (row to go on with, n when done; changes written to `out`, of length > MOST times the most rules of a
    series; rows written to `late`, int32[n], that are behind what was decided). Cost: one pass, no allocation.
    """
    n = behind = 0
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
            return i, n, behind
        t, x, message = time[i], value[i], offset[i]
        if s.seen and t < s.newest:
            late[behind] = i
            behind += 1
            continue
        chunk = slot // CHUNK
        if not s.seen:
            due[chunk] = LONG_AGO
        last = s.newest if s.seen else t
        overtaken = False
        for k in range(s.first, s.first + s.count):
            c = lanes[k]
            overtaken |= t < c.decided
            if c.rule < 0:
                continue
            z = _score(rules[c.rule], score[i], told[i])
            if _quiet(c, rules[c.rule], x, z):
                continue
            if rules[c.rule].kind != STUCK or c.next != c.rule:
                due[chunk] = LONG_AGO
            n += _pass(c, rules[c.rule], s.id, last, t, message, out[n])
            if c.rule < 0:
                continue
            rule = c.rule
            n += _apply(c, rules[rule], s.id, last, t, x, z, message, out[n])
            c.quiet = max(c.quiet, t + 1)
            if rule != c.rule >= 0:  # the old rule is done with; the new one sees the value too
                z = _score(rules[c.rule], score[i], told[i])
                n += _apply(c, rules[c.rule], s.id, last, t, x, z, message, out[n])
        if not s.seen or t - s.newest > s.near:
            s.run = t
        s.seen, s.newest, s.received, s.value = 1, t, max(passed, received[i] + correction), x
        latest[chunk] = max(latest[chunk], s.received)
        if overtaken:
            late[behind] = i
            behind += 1
    return rows, n, behind


@jit
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
                n += _complete(c, rules[c.rule], s.id, s.newest + silent, offset, out[n])
        if n > before:
            due[chunk] = LONG_AGO
    return len(series), n


@jit
def judge_rows(
    at: int, time: I64, value: F64, lane: Any, rules: Any, offset: int, phase: U8, out: Any
) -> tuple[int, int]:
    """Rows of one series by time under one rule, `lane` LANE[1] and `rules` RULE[1]; not for anomaly and stale.

    phase uint8[n]: that of the lane after each row. returns as `step_rows`, without late rows; a gap in the rows is
    held over as between two rows that came in time.
    """
    n = 0
    c, r = lane[0], rules[0]
    for i in range(at, len(time)):
        if n + MOST >= len(out):
            return i, n
        t = time[i]
        last = time[i - 1] if i else t
        if not _quiet(c, r, value[i], 0.0):
            n += _pass(c, r, 0, last, t, offset, out[n])
            n += _apply(c, r, 0, last, t, value[i], 0.0, offset, out[n])
        phase[i] = c.phase
    return len(time), n


@jit
def judge_until(t: int, lane: Any, rules: Any, offset: int, out: Any) -> int:
    """After the last row of `judge_rows`, its value is held until t; returns how many changes were written: 0 or 1."""
    n: int = _complete(lane[0], rules[0], 0, t, offset, out[0])
    return n


@jit
def _score(r: Any, score: float, told: int) -> float:
    """What an anomaly rule looks at: the score, or for one that follows the detector's alarms whether it is told."""
    if r.told == 0 or np.isnan(score):
        return score
    return max(score, r.high) if told else min(score, 0.0)


@jit
def _quiet(c: Any, r: Any, x: float, score: float) -> bool:
    """Nothing is going on and this row starts nothing: nearly every row, so it is decided first."""
    if c.phase != IDLE or r.kind == STUCK:
        return False
    if r.kind == STALE:
        return True
    if r.kind == ANOMALY:
        return not score >= r.high
    return not (x > r.high or x < r.low)


# The functions below write at most one change, into the record o, and return how many.


@jit
def _pass(c: Any, r: Any, sid: int, last: int, t: int, offset: int, o: Any) -> int:
    """The held value lasts from `last` to t."""
    if c.phase == IDLE or r.kind >= STALE:
        return 0
    if c.held == BEYOND:
        c.out += t - last
    return _complete(c, r, sid, t, offset, o)


@jit
def _complete(c: Any, r: Any, sid: int, t: int, offset: int, o: Any) -> int:
    """Confirm or clear a value condition whose delay ends by t under the held value."""
    if r.kind >= STALE:
        return 0
    if c.phase == PENDING:
        if t - c.start >= r.on_ns:
            return _confirm(c, r, sid, offset, o)
    elif c.phase == OPEN and c.held == INSIDE and t - c.inside >= r.off_ns:
        return _clear(c, r, sid, c.inside + r.off_ns, offset, o)
    return 0


@jit
def _apply(
    c: Any, r: Any, sid: int, last: int, t: int, x: float, score: float, offset: int, o: Any
) -> int:  # fmt: skip
    """A new value at t."""
    if r.kind == STUCK:
        return _apply_stuck(c, r, sid, last, t, x, offset, o)
    if r.kind == STALE:
        if c.phase == OPEN:
            c.out = t - c.start
            return _clear(c, r, sid, t, offset, o)
        return 0
    if r.kind == ANOMALY:
        x = score
        if np.isnan(x):
            return 0
    return _apply_value(c, r, sid, t, x, offset, o)


@jit
def _apply_value(c: Any, r: Any, sid: int, t: int, x: float, offset: int, o: Any) -> int:
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
    return _complete(c, r, sid, t, offset, o)  # delays of 0


@jit
def _further(r: Any, x: float, peak: float) -> bool:
    if r.kind == BELOW:
        further = x < peak
    elif r.kind == OUTSIDE:
        further = max(x - r.high, r.low - x) > max(peak - r.high, r.low - peak)
    else:
        further = x > peak
    return further


@jit
def _apply_stuck(c: Any, r: Any, sid: int, last: int, t: int, x: float, offset: int, o: Any) -> int:
    """The peak is the reference. A step longer than the rule's own time is a gap: rows did not keep coming."""
    moved = abs(x - c.peak) > r.deadband
    if c.phase == PENDING and not moved and t - last <= r.on_ns:
        return _confirm(c, r, sid, offset, o) if t - c.start >= r.on_ns else 0
    told = 0
    if c.phase == OPEN:
        c.out = t - c.start
        if not moved:
            return 0
        rule = c.rule
        told = _clear(c, r, sid, t, offset, o)
        if c.rule != rule:
            return told
    c.phase, c.start, c.peak = PENDING, _start(c, t), x
    return told


@jit
def _fall_silent(c: Any, r: Any, s: Any, silent: int, offset: int, o: Any) -> int:
    if c.phase != IDLE or silent < r.on_ns:
        return 0
    c.start, c.peak = _start(c, s.newest), s.value
    return _confirm(c, r, s.id, offset, o)


@jit
def _start(c: Any, t: int) -> int:
    """The start is the alarm's identity: two of one instance never share it, whatever equal stamps do."""
    again: int = c.told_start + 1
    return max(t, again)


@jit
def _confirm(c: Any, r: Any, sid: int, offset: int, o: Any) -> int:
    c.phase, c.told_start = OPEN, c.start
    c.decided = LONG_AGO if r.kind == STALE else c.start + r.on_ns
    return _write(c, RAISED, sid, r, 0, r.on_ns, offset, o)


@jit
def _clear(c: Any, r: Any, sid: int, at: int, offset: int, o: Any) -> int:
    if r.kind != STALE:
        c.decided = max(at, c.decided)
    told = _write(c, CLEARED, sid, r, at, c.out, offset, o)
    c.phase, c.held, c.rule = IDLE, 0, c.next
    return told


@jit
def _write(c: Any, kind: int, sid: int, r: Any, cleared: int, lasted: int, offset: int, o: Any) -> int:
    o.kind, o.upper, o.series, o.rule = kind, c.upper, sid, c.rule
    o.start, o.begun, o.confirmed, o.cleared = c.told_start, c.start, c.start + r.on_ns, cleared
    o.out, o.peak, o.offset = lasted, c.peak, offset
    return 1
