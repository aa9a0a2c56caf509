"""The kernel of declared windows: rows of a series, in time order, folded into panes and panes into windows.

One pane part a series is shared by all its windows. Moments after Welford and Chan et al. (1983), the time-weighted
mean likewise, with lengths of time as weights: a running sum would lose digits at 101,325 Pa.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from andon.readings import F64, I64

TUMBLING, HOPPING, SESSION, CALENDAR = 0, 1, 2, 3
DONE, FULL, NEED = 0, 1, 2  # what `fold` stops for: nothing, a larger `out`, the bounds of a calendar window
NEVER = np.iinfo(np.int64).min
_PART = [
    ("count", "i8"), ("minimum", "f8"), ("maximum", "f8"), ("mean", "f8"), ("m2", "f8"),
    ("first_ns", "i8"), ("first", "f8"), ("last_ns", "i8"), ("last", "f8"),
    ("held_ns", "i8"), ("held_mean", "f8"),  # for how long a value stood, and its mean over that time
    ("increase", "f8"), ("deltas", "i8"),  # what a counter counted, in how many steps
]  # fmt: skip
PART = np.dtype(_PART)
OUT = np.dtype([("member", "i4"), ("span", "i4"), ("start_ns", "i8"), ("end_ns", "i8"), *_PART])
MEMBER = np.dtype(
    [
        ("folded_ns", "i8"),  # rows before it are in the windows
        ("standing_ns", "i8"), ("standing", "f8"),  # the newest row before folded_ns
        ("hold_ns", "i8"),  # how long a value stands at most
        ("modulus", "f8"),  # NaN: the counter never wraps
        ("first_span", "i8"), ("spans", "i8"), ("sessions", "i8"), ("worst", "i8"),
        ("known", "?"), ("counter", "?"),
    ]
)  # fmt: skip
SPAN = np.dtype(
    [
        ("kind", "i8"),
        ("cell_ns", "i8"),  # tumbling: the window; hopping: common divisor of size and hop
        ("window_ns", "i8"), ("hop_ns", "i8"), ("gap_ns", "i8"), ("max_ns", "i8"),
        ("ring", "i8"), ("cells", "i8"),  # hopping: its closed cells are rings[ring : ring + cells]
        ("start_ns", "i8"), ("end_ns", "i8"),  # of the open cell
        ("next_ns", "i8"), ("filled_ns", "i8"),  # hopping: end of the next window, of the newest cell with something
        ("open", "?"), ("holds", "?"),
    ]
)  # fmt: skip
Record = Any  # of a dtype above: mypy knows no fields of it
Records = NDArray[np.void]
_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def _clear(part: Record) -> None:
    part.count = 0
    part.minimum = np.nan
    part.maximum = np.nan
    part.mean = np.nan
    part.m2 = 0.0
    part.first_ns = 0
    part.first = np.nan
    part.last_ns = 0
    part.last = np.nan
    part.held_ns = 0
    part.held_mean = 0.0
    part.increase = 0.0
    part.deltas = 0


@_jit
def _row(part: Record, time_ns: int, value: float, counts: bool, delta: float) -> None:
    """One row, not older than any before it."""
    part.count += 1
    if part.count == 1:
        part.minimum = value
        part.maximum = value
        part.mean = value
        part.first_ns = time_ns
        part.first = value
    else:
        step = value - part.mean
        part.mean += step / part.count
        part.m2 += step * (value - part.mean)
        part.minimum = min(part.minimum, value)
        part.maximum = max(part.maximum, value)
    part.last_ns = time_ns
    part.last = value
    if counts:
        part.increase += delta
        part.deltas += 1


@_jit
def _hold(part: Record, value: float, held_ns: int) -> None:
    """`value` stood for held_ns > 0."""
    total = part.held_ns + held_ns
    part.held_mean += (value - part.held_mean) * (held_ns / total)
    part.held_ns = total


@_jit
def _merge(into: Record, part: Record) -> None:
    """A later part of the same window."""
    if part.held_ns > 0:
        _hold(into, part.held_mean, part.held_ns)
    if part.count == 0:
        return
    into.increase += part.increase
    into.deltas += part.deltas
    into.last_ns = part.last_ns
    into.last = part.last
    if into.count == 0:
        into.count = part.count
        into.minimum = part.minimum
        into.maximum = part.maximum
        into.mean = part.mean
        into.m2 = part.m2
        into.first_ns = part.first_ns
        into.first = part.first
        return
    total = into.count + part.count
    step = part.mean - into.mean
    into.mean += step * (part.count / total)
    into.m2 += part.m2 + step * step * (into.count * (part.count / total))
    into.count = total
    into.minimum = min(into.minimum, part.minimum)
    into.maximum = max(into.maximum, part.maximum)


@_jit
def _emit(
    out: Records, at: int, member: int, number: int, span: Record, part: Record, start_ns: int, end_ns: int
) -> int:
    """A window that ended; returns the next place. One of which nothing is known is not written."""
    if part.count == 0 and not (span.holds and part.held_ns > 0):
        return at
    row = out[at]
    row.member = member
    row.span = number
    row.start_ns = start_ns
    row.end_ns = end_ns
    _clear(row)
    _merge(row, part)
    return at + 1


@_jit
def _close_hopping(
    out: Records, at: int, member: int, number: int, span: Record, part: Record, rings: Records, numbers: I64,
    folded_ns: int,
) -> int:  # fmt: skip
    """Put a cell that ended into the ring; write the windows that ended."""
    if span.open and span.end_ns <= folded_ns:
        cell_no = span.start_ns // span.cell_ns
        place = span.ring + cell_no % span.cells
        _clear(rings[place])
        _merge(rings[place], part)
        numbers[place] = cell_no
        span.open = False
    while span.next_ns <= folded_ns and span.next_ns - span.window_ns < span.filled_ns:
        if out.shape[0] - at < 2:
            return at
        whole = out[at + 1]  # scratch: `_emit` writes at most out[at]
        _clear(whole)
        for cell_no in range((span.next_ns - span.window_ns) // span.cell_ns, span.next_ns // span.cell_ns):
            place = span.ring + cell_no % span.cells
            if numbers[place] == cell_no:
                _merge(whole, rings[place])
        at = _emit(out, at, member, number, span, whole, span.next_ns - span.window_ns, span.next_ns)
        span.next_ns += span.hop_ns
    return at


@_jit
def _close(
    out: Records, at: int, member: int, me: Record, spans: Records, parts: Records, rings: Records, numbers: I64
) -> int:
    """Write every window of a series that ended at or before what is folded; returns the next place."""
    for number in range(me.first_span, me.first_span + me.spans):
        span = spans[number]
        if span.kind == HOPPING:
            at = _close_hopping(out, at, member, number, span, parts[number], rings, numbers, me.folded_ns)
        elif span.open and span.end_ns <= me.folded_ns:
            at = _emit(out, at, member, number, span, parts[number], span.start_ns, span.end_ns)
            span.open = False
    return at


@_jit
def _open(me: Record, spans: Records, parts: Records) -> int:
    """Open a cell for the next pane in every window that has none; the number of one whose calendar must be asked."""
    for number in range(me.first_span, me.first_span + me.spans):
        span = spans[number]
        if span.kind == SESSION or span.open:
            continue
        if span.kind == CALENDAR:
            if not span.start_ns <= me.folded_ns < span.end_ns:
                return number
        else:
            span.start_ns = me.folded_ns // span.cell_ns * span.cell_ns
            span.end_ns = span.start_ns + span.cell_ns
            if span.kind == HOPPING and span.next_ns <= span.start_ns:
                span.next_ns = (span.start_ns // span.hop_ns + 1) * span.hop_ns
        _clear(parts[number])
        span.open = True
    return -1


@_jit
def _session_row(
    out: Records, at: int, member: int, me: Record, spans: Records, parts: Records, time_ns: int, value: float,
    counts: bool, delta: float,
) -> int:  # fmt: skip
    for number in range(me.first_span, me.first_span + me.spans):
        span = spans[number]
        if span.kind != SESSION:
            continue
        if span.open and time_ns >= span.end_ns:
            at = _emit(out, at, member, number, span, parts[number], span.start_ns, span.end_ns)
            span.open = False
        if not span.open:
            _clear(parts[number])
            span.start_ns = time_ns
            span.open = True
        _row(parts[number], time_ns, value, counts, delta)
        span.end_ns = min(time_ns + span.gap_ns, span.start_ns + span.max_ns)
    return at


@_jit
def _standing(me: Record, spans: Records, parts: Records, pane: Record, begin_ns: int, end_ns: int) -> None:
    """The newest value stands over [begin_ns, end_ns), as far as it may."""
    until_ns = min(end_ns, me.standing_ns + me.hold_ns)
    if not me.known or until_ns <= begin_ns:
        return
    _hold(pane, me.standing, until_ns - begin_ns)
    if me.sessions == 0:
        return
    for number in range(me.first_span, me.first_span + me.spans):
        span = spans[number]
        if span.kind == SESSION and span.open:
            inside_ns = min(until_ns, span.end_ns) - max(begin_ns, span.start_ns)
            if inside_ns > 0:
                _hold(parts[number], me.standing, inside_ns)


@_jit
def _fold_pane(
    out: Records, at: int, member: int, me: Record, spans: Records, parts: Records, pane: Record, time_ns: I64,
    value: F64, row: int, stop: int, pane_ns: int,
) -> int:  # fmt: skip
    """Rows row..stop are those of the next pane; returns the next place of `out`."""
    _clear(pane)
    begin_ns = me.folded_ns
    for i in range(row, stop):
        _standing(me, spans, parts, pane, begin_ns, time_ns[i])
        begin_ns = time_ns[i]
        delta = 0.0
        counts = me.counter and me.known
        if counts:
            delta = value[i] - me.standing
            if delta < 0.0:
                delta = value[i] if np.isnan(me.modulus) else delta + me.modulus
        _row(pane, time_ns[i], value[i], counts, delta)
        if me.sessions > 0:
            at = _session_row(out, at, member, me, spans, parts, time_ns[i], value[i], counts, delta)
        me.standing_ns = time_ns[i]
        me.standing = value[i]
        me.known = True
    me.folded_ns += pane_ns
    _standing(me, spans, parts, pane, begin_ns, me.folded_ns)
    if pane.count > 0 or pane.held_ns > 0:
        for number in range(me.first_span, me.first_span + me.spans):
            span = spans[number]
            if span.kind != SESSION:
                _merge(parts[number], pane)
                if span.kind == HOPPING:
                    span.filled_ns = span.end_ns
    return at


@_jit
def fold(
    time_ns: I64, value: F64, bounds: I64, closed_ns: I64, members: Records, spans: Records, parts: Records,
    rings: Records, numbers: I64, panes: Records, pane_ns: int, out: Records, cursor: I64,
) -> tuple[int, int]:  # fmt: skip
    """Fold rows of series that are closed up to closed_ns; returns (why it stopped, windows written).

    time_ns, value : int64[n], float64[n] without NaN; rows bounds[k]:bounds[k+1] are those of member k, sorted by time
                     (ties in log order), none before its folded_ns or at or after its closed_ns
    closed_ns      : int64[k], multiples of pane_ns
    rings, numbers : PART[c], int64[c]: closed cells of hopping windows and which they are
    panes          : PART[1], scratch
    cursor         : int64[3]: member and row to go on with; the span whose calendar is needed (NEED)
    """
    at = 0
    while cursor[0] < members.shape[0]:
        member = cursor[0]
        me = members[member]
        end = bounds[member + 1]
        while me.folded_ns != NEVER and me.folded_ns < closed_ns[member]:
            row = cursor[1]
            stop = row
            while stop < end and time_ns[stop] < me.folded_ns + pane_ns:
                stop += 1
            if out.shape[0] - at < me.worst + me.sessions * (stop - row):
                cursor[2] = me.worst + me.sessions * (stop - row)
                return FULL, at
            if stop == row and not (me.known and me.standing_ns + me.hold_ns > me.folded_ns):
                next_ns = time_ns[row] // pane_ns * pane_ns if row < end else closed_ns[member]
                me.folded_ns = min(next_ns, closed_ns[member])
            else:
                asked = _open(me, spans, parts)
                if asked >= 0:
                    cursor[2] = asked
                    return NEED, at
                at = _fold_pane(out, at, member, me, spans, parts, panes[0], time_ns, value, row, stop, pane_ns)
                cursor[1] = stop
            at = _close(out, at, member, me, spans, parts, rings, numbers)
        cursor[0] = member + 1
        cursor[1] = end
    return DONE, at
