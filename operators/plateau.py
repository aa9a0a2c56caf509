"""The plateau of a sterilisation cycle: equilibration, the holding time, who left it first."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from andon.readings import F64, I64
from operators.steam import CRITICAL_MPA, LOWEST_MPA, tsat_c
from operators.sterilisation_layout import (
    AT_NS,
    BY_PHASE,
    CLOSED_NS,
    ENTERED_NS,
    EQUIL_NS,
    EXPOSURE,
    HEATING,
    HELD_HIGH,
    HELD_LOW,
    HELD_NS,
    HIGH,
    HOLD,
    INSTANT_NS,
    JUDGED,
    LOW,
    MATCHED,
    MISSED_NS,
    MISSING,
    N_HELD,
    OUT_POINT,
    OUT_SIDE,
    OUTSIDE_NS,
    PLATEAU_NS,
    PRESSURE_HIGH,
    PRESSURE_LOW,
    PROBES,
    REACHED_NS,
    ROLE,
    SEEN,
    SPREAD,
    SUPER_HIGH,
    SUPER_LOW,
    VALUE,
    WAS_OUTSIDE,
)

EDGE = 1.0 + 1e-9  # inside the ends of the curve in spite of rounding
_jit = njit(nogil=True, cache=True)


@_jit
def close_plateau(cyc: I64, marks: I64, gap: I64, limits_i: I64, at: int) -> None:
    """The stretch that decides is over at `at`; points that fell silent in it are missing."""
    if cyc[PLATEAU_NS] < 0 or cyc[CLOSED_NS] >= 0:
        return
    cyc[CLOSED_NS] = at
    if cyc[HOLD] == 1:
        cyc[HOLD] = 2
    for point in range(len(marks) - 1):
        if point < limits_i[JUDGED] or limits_i[MATCHED]:
            since = max(marks[point, AT_NS], cyc[PLATEAU_NS]) if marks[point, SEEN] else cyc[PLATEAU_NS]
            if at - since > gap[point]:
                marks[point, MISSED_NS] += at - since


@_jit
def _held(cyc: I64, ext: F64, marks: I64, sums: F64, gap: I64, limits_i: I64, low: F64, high: F64, at: int) -> None:
    """An instant of the stretch that decides: who is inside, how long already."""
    out, side = -1, 0
    least, most = math.inf, -math.inf
    first_probe = 1 if limits_i[PROBES] > 1 else 0
    for point in range(limits_i[JUDGED]):
        value = sums[point, VALUE]
        fresh = marks[point, SEEN] and at - marks[point, AT_NS] <= gap[point] and marks[point, MISSED_NS] == 0
        if marks[point, REACHED_NS] < 0 and fresh and value >= low[point]:
            marks[point, REACHED_NS] = at
        if first_probe <= point < limits_i[PROBES]:
            least, most = min(least, value), max(most, value)
        if side == MISSING:
            continue
        if not fresh:
            out, side = point, MISSING
        elif side == 0 and value < low[point]:
            out, side = point, LOW
        elif side == 0 and value > high[point]:
            out, side = point, HIGH
    if cyc[WAS_OUTSIDE]:
        cyc[OUTSIDE_NS] += at - cyc[INSTANT_NS]
    cyc[INSTANT_NS], cyc[WAS_OUTSIDE] = at, 1 if side else 0
    if cyc[HOLD] == 1 and side:
        if side != MISSING and at - cyc[PLATEAU_NS] <= limits_i[EQUIL_NS]:
            cyc[HOLD], cyc[ENTERED_NS] = 0, -1  # it was not in for good: equilibration goes on
        else:
            cyc[HOLD], cyc[OUT_POINT], cyc[OUT_SIDE] = 2, out, side
        return
    if cyc[HOLD] == 2 or side:
        return
    if cyc[HOLD] == 0:
        cyc[HOLD], cyc[ENTERED_NS] = 1, at
        for one in range(N_HELD):
            ext[one] = math.nan
        for point in range(len(marks)):
            sums[point, HELD_LOW], sums[point, HELD_HIGH] = math.nan, math.nan
    cyc[HELD_NS] = at
    for point in range(limits_i[JUDGED]):
        sums[point, HELD_LOW] = np.fmin(sums[point, HELD_LOW], sums[point, VALUE])
        sums[point, HELD_HIGH] = np.fmax(sums[point, HELD_HIGH], sums[point, VALUE])
    if least <= most:
        ext[SPREAD] = np.fmax(ext[SPREAD], most - least)
    last = len(marks) - 2
    if marks[last, SEEN] and at - marks[last, AT_NS] <= gap[last]:
        # A pressure beyond the steam curve counts as its end: far from saturated, and a number all the same.
        kpa = min(max(sums[last, VALUE], LOWEST_MPA * 1000.0 * EDGE), CRITICAL_MPA * 1000.0 / EDGE)
        off = sums[0, VALUE] - tsat_c(kpa)
        ext[SUPER_LOW], ext[SUPER_HIGH] = np.fmin(ext[SUPER_LOW], off), np.fmax(ext[SUPER_HIGH], off)
        ext[PRESSURE_LOW] = np.fmin(ext[PRESSURE_LOW], sums[last, VALUE])
        ext[PRESSURE_HIGH] = np.fmax(ext[PRESSURE_HIGH], sums[last, VALUE])


@_jit
def _leave(cyc: I64, marks: I64, sums: F64, gap: I64, limits_i: I64, low: F64, high: F64, at: int) -> None:
    """The exposure has ended: its last instant counts if all are still inside, and blames nobody if not."""
    inside = cyc[HOLD] == 1
    for point in range(limits_i[JUDGED]):
        value = sums[point, VALUE]
        if at - marks[point, AT_NS] > gap[point] or not low[point] <= value <= high[point]:
            inside = False
    if inside:
        cyc[HELD_NS] = at
    close_plateau(cyc, marks, gap, limits_i, at)


@_jit
def plateau_step(
    cyc: I64, ext: F64, marks: I64, sums: F64, gap: I64, limits_i: I64, low: F64, high: F64, leaving: bool, at: int
) -> None:
    """An instant of a cycle: whether the plateau begins, goes on or ends."""
    ready = cyc[ROLE] == HEATING or cyc[ROLE] == EXPOSURE
    fresh = marks[0, SEEN] and at - marks[0, AT_NS] <= gap[0]
    if cyc[PLATEAU_NS] < 0 and not limits_i[BY_PHASE] and ready and fresh and sums[0, VALUE] >= low[0]:
        cyc[PLATEAU_NS] = at
    if cyc[PLATEAU_NS] >= 0 and cyc[CLOSED_NS] < 0:
        if leaving:
            _leave(cyc, marks, sums, gap, limits_i, low, high, at)
        else:
            _held(cyc, ext, marks, sums, gap, limits_i, low, high, at)
