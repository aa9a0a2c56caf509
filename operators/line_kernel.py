"""The stream of a line: what each of its cells does, from that what the line does, and from that its sums.

A line produces while at least `least` of its cells do. Else it has the category of its initial cell: the one whose stop
began first, of those at one time the first in the line. It is unknown where the cells that are unknown might make it
produce or say why it does not, and planned down only where every cell that does not produce is.

A cell's clock is that of a unit (operators/oee_kernel.py): STOP_BEGIN says since when it stands, whatever the cause
(-1: it does not), STOP_HERE how long the line stood for it in this window.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from andon.readings import F64, I32, I64, U8
from operators.oee_kernel import (
    CLOCK,
    COUNTS,
    GOOD_AT,
    MODE,
    MODE_ROLE,
    MODE_UNTIL,
    NOW,
    SEEN,
    SILENT_FROM,
    SILENT_NS,
    STARTING,
    STATE,
    STATE_ROLE,
    STATE_UNTIL,
    STOP_BEGIN,
    STOP_HERE,
    SUMS,
    TOTAL_AT,
    UNSURE,
    advance,
    category_now,
    category_of,
    count,
    starting_of,
)
from operators.time_model import OTHER_MODE, PLANNED, PRODUCING, PRODUCTION, UNKNOWN

FAR = 2**63 - 1


@njit(nogil=True, cache=True)
def look(clock: I64, cells: I64, least: int, mark: bool) -> tuple[int, int]:
    """Set what the line does at clock[NOW].

    Gives until when that stands if no row comes, ns, and the place of its initial cell, -1 where it has none.
    mark: note since when cells stand, as time passes now.
    """
    now, until, running, unknown = clock[NOW], FAR, 0, 0
    initial, since, stopped, unsure = -1, FAR, UNKNOWN, 0
    for place in range(len(cells)):
        cell = cells[place]
        cell[NOW] = now
        category = category_now(cell)
        for limit in (cell[STATE_UNTIL], cell[MODE_UNTIL], cell[SILENT_FROM]):
            if now < limit < until:
                until = limit
        if cell[UNSURE] == 1 and now < cell[STATE_UNTIL]:
            unsure = 1
        stands = False
        if category == PRODUCING:
            running += 1
        elif category == UNKNOWN:
            unknown += 1
        elif category != PLANNED:
            stands = True
            begin = cell[STOP_BEGIN] if cell[STOP_BEGIN] >= 0 else now
            if begin < since:
                initial, since, stopped = place, begin, category
        if mark:
            cell[STOP_BEGIN] = (cell[STOP_BEGIN] if cell[STOP_BEGIN] >= 0 else now) if stands else -1
    clock[STARTING] = 0
    if running >= least:
        initial, stopped = -1, PRODUCING
    elif running + unknown >= least:
        initial, stopped = -1, UNKNOWN
    elif initial >= 0:
        clock[STARTING] = cells[initial, STARTING]
    else:
        stopped = UNKNOWN if unknown else PLANNED
    clock[STATE], clock[STATE_UNTIL], clock[UNSURE] = stopped, FAR, unsure
    clock[MODE], clock[MODE_UNTIL] = OTHER_MODE, FAR if stopped == PLANNED else -FAR
    if len(cells) == 1:  # what the cell is, so that the line's events and calendar meet the same as a unit's do
        for one in (STATE, STATE_UNTIL, UNSURE, STARTING, MODE, MODE_UNTIL):
            clock[one] = cells[0, one]
    return until, initial


@njit(nogil=True, cache=True)
def pass_line(clock: I64, cells: I64, setup: I64, sums: I64, least: int, upto: int) -> None:
    """Let time pass to `upto`, ns, while no row comes."""
    while clock[NOW] < upto:
        until, initial = look(clock, cells, least, True)
        passed = min(until, upto) - clock[NOW]
        if initial >= 0 and category_now(clock) != PLANNED:
            cells[initial, STOP_HERE] += passed
        advance(clock, setup, sums, clock[NOW] + passed)


@njit(nogil=True, cache=True)
def take_line(
    clock: I64, cells: I64, setup: I64, sums: I64, counts: F64, last: F64, modulus: F64, starts: F64, categories: I64,
    starting: I64, modes: I64, gaps: I64, cell_of: I64, roles: I64, least: int, time_ns: I64, number: I32, value: F64,
    status: U8, begin: int, end: int, upto: int,
) -> None:  # fmt: skip
    """Take rows begin..end, all earlier than `upto`, and let time pass to it.

    As `operators.oee_kernel.take` with a row for each cell in last, modulus, starts, categories, starting, modes and
    gaps (int64[cells, 2]: how long a state, a mode stands). cell_of, roles int64[inputs].
    """
    for row in range(begin, end):
        pass_line(clock, cells, setup, sums, least, time_ns[row])
        place, role, found = cell_of[number[row]], roles[number[row]], value[row]
        cell = cells[place]
        clock[SEEN] = 1
        clock[SILENT_FROM] = cell[SILENT_FROM] = time_ns[row] + SILENT_NS
        if role == STATE_ROLE:
            cell[STATE] = category_of(starts[place], categories[place], found)
            cell[STARTING] = starting_of(starts[place], starting[place], found)
            cell[STATE_UNTIL] = time_ns[row] + gaps[place, 0]
            cell[UNSURE] = 1 if status[row] != 0 else 0
        elif role == MODE_ROLE:
            known = 0.0 <= found < modes.shape[1]
            cell[MODE] = modes[place, int(found)] if known else PRODUCTION
            cell[MODE_UNTIL] = time_ns[row] + gaps[place, 1]
        else:
            look(clock, cells, least, False)
            clock[TOTAL_AT], clock[GOOD_AT] = cell[TOTAL_AT], cell[GOOD_AT]
            count(clock, counts, last[place], modulus[place], role, found)
            cell[TOTAL_AT], cell[GOOD_AT] = clock[TOTAL_AT], clock[GOOD_AT]
    pass_line(clock, cells, setup, sums, least, upto)


def compile_kernels() -> None:
    """For a service that warms its kernels before a line is declared."""
    clock, cells, whole = np.zeros(CLOCK, np.int64), np.zeros((1, CLOCK), np.int64), np.zeros((1, 1), np.int64)
    take_line(
        clock, cells, np.zeros(3, np.int64), np.zeros(SUMS, np.int64), np.zeros(COUNTS), np.zeros((1, 4)),
        np.zeros((1, 4)), np.zeros((1, 1)), whole, whole, whole, np.zeros((1, 2), np.int64), np.zeros(1, np.int64),
        np.zeros(1, np.int64), 1, np.ones(1, np.int64), np.zeros(1, np.int32), np.zeros(1), np.zeros(1, np.uint8), 0, 1,
        2,
    )  # fmt: skip
