"""Stretches of one category of time as rows come: what single stops are cut from."""

from __future__ import annotations

from numba import njit

from andon.readings import F64, I32, I64
from operators.oee_kernel import (
    MODE,
    MODE_GAP_NS,
    MODE_ROLE,
    MODE_UNTIL,
    NOW,
    REASON_ROLE,
    SEEN,
    SILENT_FROM,
    SILENT_NS,
    STATE,
    STATE_GAP_NS,
    STATE_ROLE,
    STATE_UNTIL,
    category_now,
    category_of,
)
from operators.time_model import PRODUCTION, UNKNOWN

RUN_BEGIN, RUN_CATEGORY, RUN_REASON, REASON = range(4)  # of the stretch that stands; the code of the reason series
EDGES_A_ROW = 4  # a row may end a stretch, and so may the end of what a state, a mode and any row stand for


@njit(nogil=True, cache=True)
def pass_to(clock: I64, run: I64, out: I64, found: int, upto: int) -> int:
    """Let time pass; stretches that end go to out[found:], begin, end, category, reason. Returns how many are in it."""
    while clock[NOW] < upto:
        category = category_now(clock) if clock[SEEN] else UNKNOWN  # a unit that never spoke has no stops
        if category != run[RUN_CATEGORY]:
            if run[RUN_CATEGORY] >= 0:
                out[found, 0], out[found, 1], out[found, 2] = run[RUN_BEGIN], clock[NOW], run[RUN_CATEGORY]
                out[found, 3] = run[RUN_REASON]
                found += 1
            run[RUN_BEGIN], run[RUN_CATEGORY] = clock[NOW], category
        run[RUN_REASON] = run[REASON]  # the last that stood while time passed in the stretch
        until = upto
        for limit in (clock[STATE_UNTIL], clock[MODE_UNTIL], clock[SILENT_FROM]):
            if clock[NOW] < limit < until:
                until = limit
        clock[NOW] = until
    return found


@njit(nogil=True, cache=True)
def stretches(
    clock: I64, setup: I64, starts: F64, categories: I64, modes: I64, roles: I64, time_ns: I64, number: I32,
    value: F64, begin: int, end: int, upto: int, run: I64, out: I64,
) -> int:  # fmt: skip
    """As `operators.oee_kernel.take`, without counters. out int64[m, 4], m >= EDGES_A_ROW * (end - begin + 1)."""
    found = 0
    for row in range(begin, end):
        role = roles[number[row]]
        found = pass_to(clock, run, out, found, time_ns[row])
        clock[SILENT_FROM] = time_ns[row] + SILENT_NS
        if role == STATE_ROLE:
            clock[STATE] = category_of(starts, categories, value[row])
            clock[STATE_UNTIL] = time_ns[row] + setup[STATE_GAP_NS]
            clock[SEEN] = 1
        elif role == REASON_ROLE:
            run[REASON] = int(value[row])
        elif role == MODE_ROLE:
            known = 0.0 <= value[row] < len(modes)
            clock[MODE] = modes[int(value[row])] if known else PRODUCTION
            clock[MODE_UNTIL] = time_ns[row] + setup[MODE_GAP_NS]
    return pass_to(clock, run, out, found, upto)
