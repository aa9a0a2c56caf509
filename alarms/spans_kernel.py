"""The loops over late rows and the stretches that they make: what each row touches, whose turn it is, what is quiet.

The stretches of one series stand in a block of at most ROOM rows (first, last, since, latest: see `spans.Span`);
blocks stand without gaps, `place` names that of a series. Almost no late row can change what was told: one inside the
limits of a series on which nothing was going on then. Such stretches are found here by what each lane keeps
(`LANE.quiet`), and end without a look into the journal.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alarms.kernels import ANOMALY, IDLE, NONE, OPEN, OPEN_END, STALE, STUCK, jit
from andon.readings import F64, I32, I64

QUIET_TICKS = 5  # no late row for so long: what came is judged
LONG_QUIET_TICKS = 60  # the same, where the rows after the last late one are still missing: more may be on its way
OLDEST_TICKS, OLDEST_OPEN_TICKS = 60, 600  # late rows keep coming: judged all the same after so long; open: as above
NEAR_NS = 60_000_000_000  # late rows this near to each other, or three intervals, are one stretch
PATIENCE_NS = 600_000_000_000  # of an open condition, for each tick that late rows of its series wait at least
MOST_OF_SERIES = 8  # stretches; the nearest two become one beyond that
ROOM = MOST_OF_SERIES + 1
FIRST, LAST, SINCE, LATEST = 0, 1, 2, 3  # columns of a stretch
ASK = 1  # column 4 of `take_due`: whether the series goes on behind the stretch is for the journal to say
CALM = 2  # and nothing that was told can change by it


@jit
def note_rows(
    late: I32, ids: I32, time: I64, value: F64, slots: I32, series: Any, lanes: Any, rules: Any, ticks: int,
    place: I32, owner: I32, count: I32, spans: I64, used: int,
) -> int:  # fmt: skip
    """Take up the rows `late` of a batch (int32[m], columns of any length) as late ones, before tick `ticks`.

    place int32[series], -1: no block; owner, count int32[blocks], spans int64[blocks, ROOM, 4]: room for m more than
    the `used` ones. returns how many are used then. All rows are of series with rules.
    """
    for i in late:
        s = series[slots[ids[i]]]
        t, x = time[i], value[i]
        for k in range(s.first, s.first + s.count):
            c = lanes[k]
            rule = max(c.rule, c.next)
            if rule >= 0 and rules[rule].kind < ANOMALY and (x > rules[rule].high or x < rules[rule].low):
                c.quiet = max(c.quiet, t + 1)
        block = place[ids[i]]
        if block < 0:
            block = used
            used += 1
            place[ids[i]], owner[block], count[block] = block, ids[i], 0
        near = max(s.near, NEAR_NS)
        count[block] = _join(spans[block], _put(spans[block], count[block], t, near, ticks), near)
    return used


@jit
def _put(spans: I64, n: int, t: int, near: int, ticks: int) -> int:
    """One row into the stretches of its series, sorted by their begin; returns how many there are."""
    for k in range(n):
        if spans[k, FIRST] - near <= t <= spans[k, LAST] + near:
            spans[k, FIRST], spans[k, LAST] = min(spans[k, FIRST], t), max(spans[k, LAST], t)
            spans[k, LATEST] = ticks
            return n
    k = n
    while k and spans[k - 1, FIRST] > t:
        for column in range(4):
            spans[k, column] = spans[k - 1, column]
        k -= 1
    spans[k, FIRST] = spans[k, LAST] = t
    spans[k, SINCE] = spans[k, LATEST] = ticks
    return n + 1


@jit
def _join(spans: I64, n: int, near: int) -> int:
    """Make one of those that are near to each other, and of the nearest two while there are too many."""
    while n > 1:
        at = 0
        for k in range(1, n - 1):
            if spans[k + 1, FIRST] - spans[k, LAST] < spans[at + 1, FIRST] - spans[at, LAST]:
                at = k
        if spans[at + 1, FIRST] - spans[at, LAST] > near and n <= MOST_OF_SERIES:
            return n
        spans[at, LAST] = max(spans[at, LAST], spans[at + 1, LAST])
        spans[at, SINCE] = min(spans[at, SINCE], spans[at + 1, SINCE])
        spans[at, LATEST] = max(spans[at, LATEST], spans[at + 1, LATEST])
        n = _remove(spans, n, at + 1)
    return n


@jit
def _remove(spans: I64, n: int, at: int) -> int:
    for k in range(at, n - 1):
        for column in range(4):
            spans[k, column] = spans[k + 1, column]
    return n - 1


@jit
def _free(block: int, used: int, place: I32, owner: I32, count: I32, spans: I64) -> int:
    """Give up an empty block; the last one takes its place. returns how many are used."""
    place[owner[block]] = NONE
    last = used - 1
    if block != last:
        owner[block], count[block] = owner[last], count[last]
        place[owner[block]] = block
        for k in range(count[block]):
            for column in range(4):
                spans[block, k, column] = spans[last, k, column]
    return last


@jit
def take_due(
    ticks: int, slots: I32, series: Any, lanes: Any, rules: Any, place: I32, owner: I32, count: I32, spans: I64,
    used: int, out: I64,
) -> tuple[int, int]:  # fmt: skip
    """The stretches whose turn it is, or may be, into `out` int64[used * ROOM, 5].

    Its columns: since, series, first, last, and of ASK and CALM what holds. Those that are CALM and need nothing asked
    are forgotten here and not written. returns (written, blocks used).
    """
    n = 0
    for block in range(used - 1, -1, -1):
        slot = slots[owner[block]]
        patience = _patience(series[slot], lanes) if slot >= 0 else 0
        for k in range(count[block] - 1, -1, -1):
            one = spans[block, k]
            age, quiet = ticks - one[SINCE], ticks - one[LATEST]
            how = 0
            if age < patience:
                continue
            if quiet < LONG_QUIET_TICKS and age < OLDEST_OPEN_TICKS:
                if quiet != QUIET_TICKS and (age <= 0 or age % OLDEST_TICKS):
                    continue
                if slot < 0 or not series[slot].run <= one[LAST] < series[slot].newest:
                    how = ASK
            if slot < 0 or _calm(series[slot], lanes, rules, one[FIRST]):
                how |= CALM
            if how == CALM:
                count[block] = _remove(spans[block], count[block], k)
                continue
            out[n, 0], out[n, 1], out[n, 2], out[n, 3], out[n, 4] = one[SINCE], owner[block], one[FIRST], one[LAST], how
            n += 1
        if not count[block]:
            used = _free(block, used, place, owner, count, spans)
    return n, used


@jit
def drop(which: I32, first: I64, place: I32, owner: I32, count: I32, spans: I64, used: int) -> int:
    """Forget the stretches of series `which` that begin at `first`, one each; returns how many blocks are used."""
    for i in range(len(which)):
        block = place[which[i]]
        for k in range(count[block]):
            if spans[block, k, FIRST] == first[i]:
                count[block] = _remove(spans[block], count[block], k)
                break
        if not count[block]:
            used = _free(block, used, place, owner, count, spans)
    return used


@jit
def _patience(s: Any, lanes: Any) -> int:
    """Ticks that a stretch of the series waits at least: all rows of what is open are read for a judgement."""
    start = s.newest
    for k in range(s.first, s.first + s.count):
        if lanes[k].phase == OPEN:
            start = min(start, lanes[k].start)
    ticks: int = min((s.newest - start) // PATIENCE_NS, OLDEST_OPEN_TICKS)
    return ticks


@jit
def _calm(s: Any, lanes: Any, rules: Any, first: int) -> bool:
    """Late rows from `first` on change nothing under any rule of the series.

    Under each rule that judges values: nothing goes on, and from a delay before them on every row of the journal, late
    ones included, is inside the limits, and nothing was told. Judged, they would find nothing and leave all as it is.
    A stuck rule always has a reference, and any row may be one.
    """
    for k in range(s.first, s.first + s.count):
        c = lanes[k]
        rule = max(c.rule, c.next)
        if rule < 0:
            continue
        r = rules[rule]
        since = c.quiet
        if r.kind not in (ANOMALY, STALE):
            if r.kind == STUCK or c.phase != IDLE:
                return False
            since = max(since, max(c.told_start, c.decided) + 1)
        if c.rule != c.next or since == OPEN_END or first - r.on_ns - 2 < since:
            return False
    return True


def empty(blocks: int) -> tuple[I32, I32, I64]:
    """owner, count and spans of so many blocks."""
    return np.zeros(blocks, np.int32), np.zeros(blocks, np.int32), np.zeros((blocks, ROOM, 4), np.int64)
