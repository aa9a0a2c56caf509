"""The stream of one work unit: time by category in integers of ns, stops by their length, what its counters counted.

State is five small arrays; nothing is allocated. Times are sums of integers and counts are added row by row, so any
split into steps gives the same bits.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from andon.readings import F64, I32, I64, NS_PER_S, U8
from operators.counters import counted
from operators.time_model import (
    DOWN,
    IDLE,
    INTERNAL,
    OTHER_MODE,
    PLANNED,
    PRODUCING,
    PRODUCTION,
    SETUP,
    SETUP_MODE,
    TRANSITION,
    UNKNOWN,
)

# clock int64[CLOCK]: what stands
(
    NOW, STATE, STATE_UNTIL, UNSURE, MODE, MODE_UNTIL, CALENDAR, ACT, ORDER, STOP_BEGIN, STOP_HERE, STARTUP_UNTIL, SEEN,
    SILENT_FROM, STARTING, RAN_UNTIL, TOTAL_AT, GOOD_AT,
) = range(18)  # fmt: skip
CLOCK = 18
#: So long after the newest row nothing is said of a unit any more, not even that it stands as planned.
SILENT_NS = 31 * 86_400 * NS_PER_S
NO_ACT, PLANNED_ACT, SETUP_ACT = range(3)  # what events say is going on
IN_SHIFT, IN_BREAK, OUT_OF_SHIFT = range(3)
NO_ORDER, AN_ORDER, ORDER_UNKNOWN = range(3)
# set-up int64[3]: a stop of at most so many ns is a micro-stop; how long a state, a mode stands
MICRO_NS, STATE_GAP_NS, MODE_GAP_NS = range(3)
# sums int64[SUMS], ns unless said otherwise; the first eleven are the categories of time
MICRO, MICRO_COUNT, BREAKDOWN, FAILURES, REPAIRS, AOET, ADET, ADOT, BREAK, UNSURE_NS, NO_SHIFT = range(11, 22)
SUMS = 22
# roles of inputs; the counters' are also places in `last` and `counts`
TOTAL, GOOD, SCRAP, REWORK, STATE_ROLE, MODE_ROLE, REASON_ROLE = range(7)
STARTUP_TOTAL, STARTUP_GOOD, STOP_TOTAL = range(4, 7)  # further places in `counts`
COUNTS = 7


@njit(nogil=True, cache=True)
def category_now(clock: I64) -> int:
    """Category of time at clock[NOW].

    A mode other than production and planned events are planned down time, whatever the state says; a break of the
    calendar is, unless the unit produces through it. Of a unit that is silent for SILENT_NS nothing is known.
    """
    now = clock[NOW]
    if now >= clock[SILENT_FROM]:
        return UNKNOWN
    category = clock[STATE] if now < clock[STATE_UNTIL] else UNKNOWN
    if now < clock[MODE_UNTIL] and clock[MODE] == OTHER_MODE:
        return PLANNED
    if clock[ACT] == PLANNED_ACT:
        return PLANNED
    if clock[CALENDAR] != IN_SHIFT and category != PRODUCING:
        return PLANNED
    if clock[ACT] == SETUP_ACT or (now < clock[MODE_UNTIL] and clock[MODE] == SETUP_MODE):
        return SETUP
    return category


@njit(nogil=True, cache=True)
def end_stop(clock: I64, setup: I64, sums: I64) -> None:
    """A stop is over at clock[NOW]: its time in this window goes where its whole length puts it."""
    if clock[STOP_BEGIN] < 0:
        return
    if clock[NOW] - clock[STOP_BEGIN] <= setup[MICRO_NS]:
        sums[MICRO] += clock[STOP_HERE]
        sums[MICRO_COUNT] += 1
    else:
        sums[BREAKDOWN] += clock[STOP_HERE]
        sums[REPAIRS] += 1
    clock[STOP_BEGIN] = -1
    clock[STOP_HERE] = 0


@njit(nogil=True, cache=True)
def advance(clock: I64, setup: I64, sums: I64, upto: int) -> None:
    """Let time pass to `upto`, ns, while no row comes."""
    while clock[NOW] < upto:
        category = category_now(clock)
        until = upto
        for limit in (clock[STATE_UNTIL], clock[MODE_UNTIL], clock[SILENT_FROM]):
            if clock[NOW] < limit < until:
                until = limit
        passed = until - clock[NOW]
        sums[category] += passed
        if category == PRODUCING:
            clock[RAN_UNTIL] = until
        if category in (INTERNAL, DOWN):
            if clock[STOP_BEGIN] < 0:
                clock[STOP_BEGIN] = clock[NOW]
            limit = clock[STOP_BEGIN] + setup[MICRO_NS]
            if clock[NOW] <= limit < until:
                sums[FAILURES] += 1
            clock[STOP_HERE] += passed
        else:
            end_stop(clock, setup, sums)
        if clock[ORDER] == AN_ORDER and category not in (PLANNED, UNKNOWN):
            sums[AOET] += passed
            if INTERNAL <= category <= DOWN or category in (TRANSITION, IDLE):
                sums[ADET] += passed
        elif clock[ORDER] == NO_ORDER and (INTERNAL <= category <= IDLE):
            sums[ADOT] += passed
        if category == PLANNED and clock[CALENDAR] != IN_SHIFT:
            sums[BREAK if clock[CALENDAR] == IN_BREAK else NO_SHIFT] += passed
        if clock[UNSURE] == 1 and category != UNKNOWN and clock[NOW] < clock[STATE_UNTIL]:
            sums[UNSURE_NS] += passed
        clock[NOW] = until


@njit(nogil=True, cache=True)
def category_of(starts: F64, categories: I64, code: float) -> int:
    """Category of a state code; unknown below the first."""
    if not code >= starts[0]:
        return UNKNOWN
    return int(categories[np.searchsorted(starts, code, side="right") - 1])


@njit(nogil=True, cache=True)
def starting_of(starts: F64, starting: I64, code: float) -> int:
    """1 for the code of a state in which a unit starts, else 0."""
    if not code >= starts[0]:
        return 0
    return int(starting[np.searchsorted(starts, code, side="right") - 1])


@njit(nogil=True, cache=True)
def count(clock: I64, counts: F64, last: F64, modulus: F64, role: int, value: float) -> None:
    """Take a sample of a counter: what it `counted` since the one before is of now.

    What is below zero is no count. Where the unit produced since the sample before, the items are
    taken as made then, whatever its state is now: a part is often counted when the state after it has begun.
    """
    if value < 0.0:
        return
    before = last[role]
    last[role] = value
    since = clock[NOW]
    if role <= GOOD:
        since = clock[TOTAL_AT + role]
        clock[TOTAL_AT + role] = clock[NOW]
    if np.isnan(before):
        return
    more = counted(before, value, modulus[role])
    counts[role] += more
    if role > GOOD:
        return
    category = category_now(clock)
    ran = category == PRODUCING or clock[RAN_UNTIL] > since
    setting_up = category == SETUP or (category == TRANSITION and clock[STARTING] == 1)
    if (setting_up and not ran) or clock[NOW] < clock[STARTUP_UNTIL]:
        counts[STARTUP_TOTAL + role] += more
    if role == TOTAL and not ran:
        counts[STOP_TOTAL] += more


@njit(nogil=True, cache=True)
def take(
    clock: I64, setup: I64, sums: I64, counts: F64, last: F64, modulus: F64, starts: F64, categories: I64,
    starting: I64, modes: I64, roles: I64, time_ns: I64, number: I32, value: F64, status: U8, begin: int, end: int,
    upto: int,
) -> None:  # fmt: skip
    """Take rows begin..end, all earlier than `upto`, and let time pass to it.

    roles int64[inputs]: role of each input. modes int64[]: meaning of each unit mode; beyond them it is production.
    starting int64[m]: 1 for codes from starts[i] on of a state in which the unit starts.
    """
    for row in range(begin, end):
        advance(clock, setup, sums, time_ns[row])
        clock[SEEN] = 1
        clock[SILENT_FROM] = time_ns[row] + SILENT_NS
        role, found = roles[number[row]], value[row]
        if role == STATE_ROLE:
            clock[STATE] = category_of(starts, categories, found)
            clock[STARTING] = starting_of(starts, starting, found)
            clock[STATE_UNTIL] = time_ns[row] + setup[STATE_GAP_NS]
            clock[UNSURE] = 1 if status[row] != 0 else 0
        elif role == MODE_ROLE:
            known = 0.0 <= found < len(modes)
            clock[MODE] = modes[int(found)] if known else PRODUCTION
            clock[MODE_UNTIL] = time_ns[row] + setup[MODE_GAP_NS]
        else:
            count(clock, counts, last, modulus, role, found)
    advance(clock, setup, sums, upto)
