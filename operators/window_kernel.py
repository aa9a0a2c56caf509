"""Kernels of the windows: a 64-byte record a series, a 64-byte record a pane, one cache line each.

A series' panes are a ring beside each other. Sums are taken around the pane's first value (`first` is the pivot), so
neither 101,325 +- 0.1 nor 1e9 loses digits: the pivot is a row of the pane, and the distance to it is part of what is
measured. Panes merge by moving their sums to the pivot of the window's first pane; there is one division a window
and none a row.

Memory is the cost with many series, so rows are looked at ahead: far ahead for the series' record, nearer for the
pane, or for the whole ring where the row is going to close a pane.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from andon.prefetch import prefetch
from andon.readings import F64, I32, I64, U8

SERIES = np.dtype(
    [
        ("newest_ns", "i8"),  # newest event time, the series' own clock
        ("newest_received_ns", "i8"),  # the log's stamp of that row
        ("arrived_ns", "i8"),  # the log's stamp of the row that came last, late or not
        ("closed", "i8"),  # first pane that is still open
        ("filled", "i8"),  # newest pane that holds a row
        ("seen", "i8"),
        ("place", "i4"),  # of the filled pane in the ring
        ("emits", "u4"),  # whether windows come out of it
        ("spare", "i8"),
    ]
)
PANE = np.dtype(
    [
        ("count", "u4"),
        ("first_at", "u4"),
        ("last_at", "u4"),
        ("first_high", "u2"),
        ("last_high", "u2"),
        ("minimum", "f8"),
        ("maximum", "f8"),
        ("sum", "f8"),
        ("squares", "f8"),
        ("first", "f8"),
        ("last", "f8"),
    ]
)  # fmt: skip - first_at, last_at: ns after the pane's begin, 48 bits; sums around `first`
LONGEST_PANE_NS = 1 << 48
NEVER = np.iinfo(np.int64).min
CHUNK = 1024  # series whose changes are marked, and kept, together
FAR, NEAR = 40, 16  # rows ahead: the series' record, its pane
FIGURES = 7  # of a window: minimum, maximum, mean, std, first, last, score
Record = Any  # of a dtype above: mypy knows no fields of it
Records = NDArray[np.void]
_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def add(pane: Record, at: int, value: float) -> None:
    """One row, `at` ns after the pane's begin. Of equal stamps the later row of the log is `last`."""
    count = pane.count
    if count == 0:
        pane.count = 1
        pane.minimum = value
        pane.maximum = value
        pane.sum = 0.0
        pane.squares = 0.0
        pane.first = value
        pane.last = value
        pane.first_at = at & 0xFFFFFFFF
        pane.first_high = at >> 32
        pane.last_at = at & 0xFFFFFFFF
        pane.last_high = at >> 32
        return
    distance = value - pane.first
    pane.count = count + 1
    pane.sum += distance
    pane.squares += distance * distance
    low = pane.minimum
    high = pane.maximum
    pane.minimum = min(low, value)
    pane.maximum = max(high, value)
    if at >= (np.int64(pane.last_high) << 32) + np.int64(pane.last_at):
        pane.last = value
        pane.last_at = at & 0xFFFFFFFF
        pane.last_high = at >> 32
    elif at < (np.int64(pane.first_high) << 32) + np.int64(pane.first_at):
        total = np.float64(count) + 1.0
        pane.squares += distance * (total * distance - 2.0 * pane.sum)  # the pivot moves to this row
        pane.sum -= total * distance
        pane.first = value
        pane.first_at = at & 0xFFFFFFFF
        pane.first_high = at >> 32


@_jit
def emit(
    at: int, key: int, kind: int, end_pane: int, place: int, filled: int, pane_ns: int, panes: Records, scores: F64,
    scored: bool, sizes: I64, out_id: I32, out_whole: I64, out: F64,
) -> int:  # fmt: skip
    """Merge the panes of the window that ends before `end_pane` into column `at`; 1, or 0 where it holds no row.

    place: of pane end_pane in the ring. Panes after `filled` hold nothing; the ring's records there are old.
    """
    ring = panes.shape[0]
    size = sizes[kind]
    begin = end_pane - size
    place = place - size
    if place < 0:
        place += ring
    rows = np.int64(0)
    low = high = pivot = total = squares = first = last = 0.0
    score = np.nan
    for _ in range(begin, min(end_pane, filled + 1)):
        pane = panes[place]
        count = np.int64(pane.count)
        if count > 0:
            if rows == 0:
                low = pane.minimum
                high = pane.maximum
                pivot = first = pane.first
                total = pane.sum
                squares = pane.squares
            else:
                shift = pane.first - pivot
                moved = count * shift
                squares += pane.squares + shift * (2.0 * pane.sum + moved)
                total += pane.sum + moved
                low = min(low, pane.minimum)
                high = max(high, pane.maximum)
            rows += count
            last = pane.last
            if scored and not np.isnan(scores[place]) and not score >= scores[place]:
                score = scores[place]
        place += 1
        if place == ring:
            place = 0
    if rows == 0:
        return 0
    mean = total / rows
    out_id[at] = key
    out_whole[0, at] = size * pane_ns
    out_whole[1, at] = begin * pane_ns
    out_whole[2, at] = rows
    out[0, at] = low
    out[1, at] = high
    out[2, at] = pivot + mean
    out[3, at] = np.inf if np.isinf(squares) else np.sqrt(max(squares / rows - mean * mean, 0.0))
    out[4, at] = first
    out[5, at] = last
    out[6, at] = score
    return 1


@_jit
def close(
    at: int, key: int, target: int, state: Record, panes: Records, scores: F64, scored: bool, sizes: I64, hops: I64,
    longest: int, pane_ns: int, out_id: I32, out_whole: I64, out: F64,
) -> int:  # fmt: skip
    """Close the panes of one series up to `target` (not included); returns the new end of the output."""
    if state.emits:
        last = min(target, state.filled + longest)  # beyond it no window holds a row
        ring = panes.shape[0]
        filled = state.filled
        place = (state.closed + 1) % ring
        for end_pane in range(state.closed + 1, last + 1):
            for kind in range(sizes.shape[0]):
                if hops[kind] == 1 or end_pane % hops[kind] == 0:
                    at += emit(
                        at, key, kind, end_pane, place, filled, pane_ns, panes, scores, scored, sizes, out_id,
                        out_whole, out,
                    )  # fmt: skip
            place += 1
            if place == ring:
                place = 0
    state.closed = target
    return at


@_jit
def open_pane(state: Record, pane_no: int, panes: Records, changed: U8) -> None:
    """`filled` moves on to pane_no: the records of all panes up to it are emptied."""
    ring = panes.shape[0]
    place = state.place
    for _ in range(min(pane_no - state.filled, ring)):
        place += 1
        if place == ring:
            place = 0
        if panes[place].count > 0:
            panes[place].count = 0
            changed[1 + place] = 1
    state.filled = pane_no
    state.place = pane_no % ring


@_jit
def survey(
    time_ns: I64, series: I32, use: NDArray[np.bool_], score: F64, received_ns: I64
) -> tuple[int, int, int, int, Any, bool]:
    """Lowest and highest series, earliest and latest receive stamp, newest time of rows in use (or 0), any score."""
    low = high = series[0]
    first = last = received_ns[0]
    newest = np.int64(0)
    scored = False
    for i in range(time_ns.shape[0]):
        low = min(low, series[i])
        high = max(high, series[i])
        first = min(first, received_ns[i])
        last = max(last, received_ns[i])
        newest = max(newest, time_ns[i] if use[i] else np.int64(0))
        scored |= score[i] == score[i]
    return low, high, first, last, newest, scored


@_jit
def place_ahead(state: Record, time_ns: int, ring: int, pane_ns: int, lateness_ns: int) -> int:
    """Place in the ring that a row is going to touch, -1 where it is going to close panes: that reads the whole."""
    if time_ns - lateness_ns >= (state.closed + 1) * pane_ns:
        return -1
    place: int = state.place
    if time_ns >= (state.filled + 1) * pane_ns:
        place += 1
    return place if place < ring else 0


@_jit
def step_rows(
    begin: int, time_ns: I64, series: I32, value: F64, use: NDArray[np.bool_], score: F64, scored: bool,
    received_ns: I64, closed_ns: I64, states: Records, rings: Records, scores: F64, changed: U8, sizes: I64, hops: I64,
    longest: int, pane_ns: int, lateness_ns: int, out_id: I32, out_whole: I64, out: F64, worst: int,
) -> tuple[int, int]:  # fmt: skip
    """Rows from `begin` on; stops where the output might be too small for one more. Returns (next row, rows out)."""
    at = 0
    rows = time_ns.shape[0]
    ring = rings.shape[1]
    panes = rings.reshape(rings.shape[0] * ring)
    points = scores.reshape(scores.shape[0] * ring)
    room = out_id.shape[0]
    for i in range(begin, min(begin + FAR, rows)):
        prefetch(states, np.int64(series[i]))
    for i in range(begin, rows):
        if room - at < worst:
            return i, at
        if i + FAR < rows:
            prefetch(states, np.int64(series[i + FAR]))
        if i + NEAR < rows:
            ahead = series[i + NEAR]
            base = np.int64(ahead) * ring
            place = place_ahead(states[ahead], time_ns[i + NEAR], ring, pane_ns, lateness_ns)
            first, last = (place, place + 1) if place >= 0 else (0, ring)
            for at_place in range(first, last):
                prefetch(panes, base + at_place)
            if scored:
                prefetch(points, base + first)
                prefetch(points, base + last - 1)
        key = series[i]
        now = time_ns[i]
        state = states[key]
        if state.seen == 0:
            pane_no = now // pane_ns
            state.closed = (now - lateness_ns) // pane_ns
            if not use[i]:
                closed_ns[i] = state.closed * pane_ns
                state.closed = 0
                continue
            state.newest_ns = NEVER
            state.filled = pane_no
            state.place = pane_no % ring
        closed_ns[i] = state.closed * pane_ns
        if not use[i]:
            continue
        chunk = key // CHUNK
        changed[chunk, 0] = 1
        state.seen += 1
        state.arrived_ns = received_ns[i]
        if now > state.newest_ns:
            state.newest_ns = now
            state.newest_received_ns = received_ns[i]
            if now - lateness_ns >= (state.closed + 1) * pane_ns:
                at = close(
                    at, key, (now - lateness_ns) // pane_ns, state, rings[key], scores[key] if scored else scores[0],
                    scored, sizes, hops, longest, pane_ns, out_id, out_whole, out,
                )  # fmt: skip
        offset = now - state.filled * pane_ns
        place = state.place
        if offset < 0 or offset >= pane_ns:
            pane_no = now // pane_ns
            if pane_no <= state.closed - longest:
                continue  # no window that is still open holds it
            offset = now - pane_no * pane_ns
            if pane_no > state.filled:
                open_pane(state, pane_no, rings[key], changed[chunk])
            place = pane_no % ring
        changed[chunk, 1 + place] = 1
        pane = rings[key, place]
        if scored:
            best = scores[key, place]
            if pane.count == 0 or not (np.isnan(score[i]) or best >= score[i]):
                scores[key, place] = score[i]
        add(pane, offset, value[i])
    return rows, at


@_jit
def tick_series(
    begin: int, count: int, tick_ns: int, idle_ns: int, clamp: bool, busy_ns: I64, states: Records, rings: Records,
    scores: F64, scored: bool, changed: U8, sizes: I64, hops: I64, longest: int, pane_ns: int, lateness_ns: int,
    out_id: I32, out_whole: I64, out: F64, worst: int,
) -> tuple[int, int]:  # fmt: skip
    """Close the windows of series without an arrival for idle_ns. Returns (next series, rows out).

    busy_ns int64[chunks]: stamp of the oldest last arrival in each chunk of series, a lower bound; chunks in which
    nobody can have been silent for so long are not looked at. clamp: rows may be ahead of the tick.
    """
    at = 0
    key = begin
    while key < count:
        if out_id.shape[0] - at < worst:
            return key, at
        chunk = key // CHUNK
        if key % CHUNK == 0:
            if not clamp and tick_ns - busy_ns[chunk] < idle_ns:
                key += CHUNK
                continue
            busy_ns[chunk] = tick_ns - idle_ns // 2  # so that stamps may be out of order by so much
        state = states[key]
        if state.seen > 0:
            # A row that is ahead of the tick came between it and the one before; after a clock was set back, far ahead.
            if clamp and (state.arrived_ns > tick_ns or state.newest_received_ns > tick_ns):
                state.arrived_ns = min(state.arrived_ns, tick_ns)
                state.newest_received_ns = min(state.newest_received_ns, tick_ns)
                changed[chunk, 0] = 1
            busy_ns[chunk] = min(busy_ns[chunk], state.arrived_ns)
            if tick_ns - state.arrived_ns >= idle_ns:
                target = (state.newest_ns + (tick_ns - state.newest_received_ns) - lateness_ns) // pane_ns
                if target > state.closed:
                    changed[chunk, 0] = 1
                    at = close(
                        at, key, target, state, rings[key], scores[key] if scored else scores[0], scored, sizes, hops,
                        longest, pane_ns, out_id, out_whole, out,
                    )  # fmt: skip
        key += 1
    return count, at
