"""Row loop of the duplicate filter; operators/duplicates.py says what it is for.

A row of a generation knows how many rows of the log back the one before it of the same series is. Seen along those,
times mostly fall. A row that was ahead of its series when it came is newer than all before it: a search ends there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from andon.readings import F64, I32, I64, U8

AHEAD, BEHIND, DUPLICATE, CONFLICT, TOO_OLD = range(5)
NEVER = np.iinfo(np.int64).min
MOST_STEPS = 128  # back along the rows of a series; beyond it the table is asked
SERIES = np.dtype(
    [
        ("newest_ns", "i8"),
        ("forgotten_ns", "i8"),  # newest of the rows that memory no longer holds
        ("last", "i8"),  # number in the log of its newest row, -1: none
        ("far_ns", "i8"),  # so far behind, a search has taken too long before
    ]
)
ROW = np.dtype([("time_ns", "i8"), ("bits", "i8"), ("back", "i4"), ("mark", "i4")])  # mark: 2 * series, + 1: was ahead
_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def _slot(key: int, time_ns: int, mask: int) -> np.int64:
    mixed = np.uint64(time_ns) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key) * np.uint64(0xC2B2AE3D27D4EB4F)
    return np.int64(mixed >> np.uint64(32)) & mask


@_jit
def _is_marked(seen: NDArray[np.uint64], key: int, time_ns: int) -> Any:
    at = _slot(key, time_ns, seen.shape[0] * 64 - 1)
    return seen[at >> 6] >> np.uint64(at & 63) & np.uint64(1)


@_jit
def _index(rows: NDArray[np.void], begin: int, end: int, table: I32) -> None:
    """Put the numbers of rows begin .. end - 1, from 1, into the table."""
    mask = table.shape[0] - 1
    for number in range(begin, end):
        at = _slot(rows[number].mark >> 1, rows[number].time_ns, mask)
        while table[at]:
            at = (at + 1) & mask
        table[at] = number + 1


@_jit
def _find(table: I32, rows: NDArray[np.void], key: int, time_ns: int, bits: int) -> int:
    """BEHIND where the table knows nothing of this series and time, DUPLICATE for the value, CONFLICT for another."""
    verdict = 1
    mask = table.shape[0] - 1
    at = _slot(key, time_ns, mask)
    while table[at]:
        row = rows[table[at] - 1]
        if row.mark >> 1 == key and row.time_ns == time_ns:
            if row.bits == bits:
                return 2
            verdict = 3
        at = (at + 1) & mask
    return verdict


@_jit
def _search(
    last: int, time_ns: int, bits: int, first: int, rows: NDArray[np.void], old_first: int, old_rows: NDArray[np.void]
) -> int:
    """As `_find`, along the rows of the series from `last` back; AHEAD (0): not found out within MOST_STEPS."""
    verdict = 1
    number = last
    for _ in range(MOST_STEPS):
        if number < old_first:
            return verdict
        row = rows[number - first] if number >= first else old_rows[number - old_first]
        if row.time_ns == time_ns:
            if row.bits == bits:
                return 2
            verdict = 3
        if row.back == 0 or (row.mark & 1 and row.time_ns <= time_ns):
            return verdict
        number -= row.back
    return 0


@_jit
def judge_rows(
    time_ns: I64, series: I32, value: F64, value_bits: I64, all_series: NDArray[np.void], horizon_ns: int, first: int,
    used: int, indexed: int, rows: NDArray[np.void], table: I32, seen: NDArray[np.uint64], old_first: int,
    old_used: int, old_indexed: int, old_rows: NDArray[np.void], old_table: I32, old_seen: NDArray[np.uint64],
    verdict: U8, ask: I32,
) -> tuple[int, int, int, int]:  # fmt: skip
    """Verdicts by memory alone; ask takes the rows that the journal may know more of.

    seen: one bit for each row, at the place of its series and time; most rows that are behind find none set.

    first, used, indexed, rows, table, seen: of this generation, with room for all rows; old_..: of the one before. The
    caller has checked ids and lengths. Returns (used, indexed, old_indexed, length of ask).
    """
    asked = 0
    for i in range(time_ns.shape[0]):
        key, t, bits = series[i], time_ns[i], value_bits[i]
        s = all_series[key]
        if value[i] == 0.0:  # one zero, one NaN
            bits = 0
        elif value[i] != value[i]:
            bits = -1
        ahead = t > s.newest_ns
        verdict[i] = 0
        if ahead:
            s.newest_ns = t
        elif t < s.newest_ns - horizon_ns:
            verdict[i] = 4
            continue
        else:
            found = 0
            if not _is_marked(seen, key, t) and not _is_marked(old_seen, key, t):
                found = 1
            elif s.newest_ns - t < s.far_ns:
                found = _search(s.last, t, bits, first, rows, old_first, old_rows)
            if found == 0:
                s.far_ns = min(s.far_ns, s.newest_ns - t)
                _index(rows, indexed, used, table)
                _index(old_rows, old_indexed, old_used, old_table)
                indexed, old_indexed = used, old_used
                one = _find(table, rows, key, t, bits)
                two = _find(old_table, old_rows, key, t, bits)
                found = 2 if one == 2 or two == 2 else max(one, two)
            verdict[i] = found
            if found == 2:
                continue
            if t <= s.forgotten_ns:
                ask[asked] = i
                asked += 1
        row = rows[used]
        number = first + used
        row.time_ns, row.bits, row.mark = t, bits, key << 1 | ahead
        row.back = number - s.last if s.last >= 0 and number - s.last < 2**31 else 0
        s.last = number
        at = _slot(key, t, seen.shape[0] * 64 - 1)
        seen[at >> 6] |= np.uint64(1) << np.uint64(at & 63)
        used += 1
    return used, indexed, old_indexed, asked


@_jit
def forget_rows(rows: NDArray[np.void], used: int, all_series: NDArray[np.void]) -> None:
    """Memory lets go of these rows."""
    for number in range(used):
        s = all_series[rows[number].mark >> 1]
        s.forgotten_ns = max(s.forgotten_ns, rows[number].time_ns)
