"""Kernel of a steriliser's cycle: phases, lethality of each point, pulses of air removal; the plateau is beside it.

A cycle's rows are taken instant by instant: all rows of one stamp first, then the phase and the plateau are looked at.
State and limits are laid out in operators/sterilisation_layout.py.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from andon.readings import F64, I32, I64, U8
from operators.lethality import ramp_share, rate
from operators.plateau import plateau_step
from operators.sterilisation_layout import (
    ABORTED,
    ADD_KPA,
    AGAIN,
    AIR_REMOVAL,
    AT_NS,
    ATMOSPHERE,
    BEGIN_NS,
    BY_PHASE,
    CLOSED_NS,
    DOUBTED,
    DRYING,
    DURATION,
    END_AFTER_NS,
    EXHAUST,
    EXPOSURE,
    GAS,
    GAS_C,
    GAS_FROM,
    GAS_TO,
    HEATING,
    IDLE,
    KPA,
    LETHAL,
    LONGEST_NS,
    MISSED_NS,
    OTHER,
    OWN,
    P_HIGH,
    P_LOW,
    PHASE,
    PHASED,
    PLATEAU_NS,
    POINT,
    PRESSURE,
    PROBES,
    PULSE_DOUBTS,
    PULSE_LOW,
    PULSES,
    RAMP,
    RATE,
    ROLE,
    ROWS,
    RUNNING,
    SEEN,
    SETTLED_NS,
    START_C,
    START_KPA,
    T_MIN,
    T_REF,
    TOP,
    VALUE,
    WAS_ABORTED,
    Z,
    begin_cycle,
)
from operators.sterilisation_turns import cut_cycle, end_cycle, set_role

_jit = njit(nogil=True, cache=True)


@_jit
def _row(
    cyc: I64, marks: I64, sums: F64, gap: I64, limits_i: I64, limits_f: F64, kind: int, point: int, at: int,
    value: float, status: int,
) -> None:  # fmt: skip
    """One value of a point."""
    open_ = cyc[RUNNING] and cyc[PLATEAU_NS] >= 0 and cyc[CLOSED_NS] < 0
    before = marks[point, AT_NS]
    near = marks[point, SEEN] and at - before <= gap[point]
    if open_ and not near:
        marks[point, MISSED_NS] += at - max(before, cyc[PLATEAU_NS]) if marks[point, SEEN] else at - cyc[PLATEAU_NS]
    now = 0.0
    if kind == POINT and point < limits_i[PROBES]:
        now = rate(value, limits_f[T_REF], limits_f[Z], limits_f[T_MIN])
        counts = limits_i[BY_PHASE] == 0 or (open_ and before >= cyc[PLATEAU_NS])
        if cyc[RUNNING] and near and before >= cyc[BEGIN_NS] and counts:
            span = (at - before) * 1e-9
            sums[point, LETHAL] += 0.5 * (sums[point, RATE] + now) * span
            sums[point, RAMP] += ramp_share(sums[point, RATE], now) * span
    if kind == PRESSURE:
        value = value * limits_f[KPA] + limits_f[ADD_KPA]
        if cyc[RUNNING] and cyc[PLATEAU_NS] < 0:
            if value < limits_f[P_LOW]:
                if cyc[PULSE_LOW] != 1:  # 2: only an uncertain pressure was so low
                    cyc[PULSE_LOW] = 2 if status else 1
            elif value > limits_f[P_HIGH] and cyc[PULSE_LOW]:
                cyc[PULSE_DOUBTS] += cyc[PULSE_LOW] == 2 or status != 0
                cyc[PULSE_LOW] = 0
                cyc[PULSES] += 1
    if kind == OWN and status != 0:
        value = math.nan  # the steriliser's own value decides only where it is sure of it
    sums[point, VALUE], sums[point, RATE] = value, now
    marks[point, AT_NS], marks[point, SEEN] = at, 1
    if cyc[RUNNING]:
        marks[point, ROWS] += 1
        if not sums[point, TOP] >= value:
            sums[point, TOP] = value
        if status != 0 and (open_ or now > 0.0):
            marks[point, DOUBTED] += 1


@_jit
def _phase_of_itself(cyc: I64, marks: I64, sums: F64, gap: I64, limits_i: I64, limits_f: F64, low: F64, at: int) -> int:
    """Phases from pressure and temperature. Gives 1 where the cycle has ended (at SETTLED_NS)."""
    last = len(marks) - 2
    hot = sums[0, VALUE] if marks[0, SEEN] and at - marks[0, AT_NS] <= gap[0] else math.nan
    kpa = sums[last, VALUE] if marks[last, SEEN] and at - marks[last, AT_NS] <= gap[last] else math.nan
    off = kpa - limits_f[ATMOSPHERE]
    quiet = abs(off) <= limits_f[START_KPA] if off == off else hot < limits_f[START_C]
    if not cyc[RUNNING]:
        if (off == off or hot == hot) and not quiet:
            seen = 1 if cyc[ROLE] == IDLE else 0
            if cyc[ROLE] != OTHER:  # OTHER: a cycle that was cut goes on; the next one begins after it
                return 2 + seen
        elif quiet:
            cyc[ROLE] = IDLE
        return 0
    role = cyc[ROLE]
    if cyc[PLATEAU_NS] < 0:
        role = AIR_REMOVAL if off < -limits_f[START_KPA] else HEATING
        if role == AIR_REMOVAL:  # what looked like heating was the steam of a pulse
            cyc[DURATION + AIR_REMOVAL] += cyc[DURATION + HEATING]
            cyc[DURATION + HEATING] = 0
            if cyc[ROLE] == HEATING:
                cyc[ROLE] = AIR_REMOVAL
        if hot >= low[0]:
            role = EXPOSURE
    elif cyc[ROLE] == EXPOSURE:
        if hot < low[0] - 1.0:
            role = EXHAUST
    else:
        if hot >= low[0]:
            cyc[AGAIN] = 1
        if off < -limits_f[START_KPA]:
            role = DRYING
    if role != cyc[ROLE]:
        set_role(cyc, role, at)
    if not quiet:
        cyc[SETTLED_NS] = -1
    elif cyc[SETTLED_NS] < 0:
        cyc[SETTLED_NS] = at
    elif at - cyc[SETTLED_NS] >= limits_i[END_AFTER_NS]:
        return 1
    return 0


@_jit
def _phase_told(cyc: I64, ext: F64, marks: I64, sums: F64, gap: I64, limits_i: I64, role: int, at: int) -> int:
    """The phase series says `role`. Gives 0; 1 where the exposure is left, 2 where the cycle has ended."""
    was = cyc[ROLE]
    if role < 0 or role == was:
        return 0
    if cyc[RUNNING] and role == IDLE:
        end_cycle(cyc, marks, gap, limits_i, at)
        cyc[ROLE] = IDLE
        return 2
    if cyc[RUNNING]:
        set_role(cyc, role, at)
        return 1 if was == EXPOSURE else 0
    if role != IDLE and was <= IDLE:  # any other phase goes on after a cycle that was cut
        begin_cycle(cyc, ext, marks, sums, at, 1 if was == IDLE else 0)
        cyc[WAS_ABORTED] = 1 if role == ABORTED else 0
    cyc[ROLE] = role
    return 0


@_jit
def _phase_found(
    cyc: I64, ext: F64, marks: I64, sums: F64, gap: I64, limits_i: I64, limits_f: F64, low: F64, at: int
) -> int:
    """As `_phase_told`, from pressure and temperature."""
    exposed = cyc[ROLE] == EXPOSURE
    found = _phase_of_itself(cyc, marks, sums, gap, limits_i, limits_f, low, at)
    if found == 1:
        end_cycle(cyc, marks, gap, limits_i, cyc[SETTLED_NS])
        cyc[ROLE] = IDLE
        return 2
    if found >= 2:
        begin_cycle(cyc, ext, marks, sums, at, found - 2)
        cyc[ROLE] = HEATING
        _phase_of_itself(cyc, marks, sums, gap, limits_i, limits_f, low, at)
    return 1 if exposed and cyc[ROLE] != EXPOSURE else 0


@_jit
def _stands(marks: I64, sums: F64, gap: I64, point: int, at: int) -> Any:
    """What a point reads at `at`; NaN where it is silent."""
    if marks[point, SEEN] and at - marks[point, AT_NS] <= gap[point]:
        return sums[point, VALUE]
    return math.nan


@_jit
def cycle_step(
    time_ns: I64, which: I32, value: F64, status: U8, first: int, plan: I64, roles: I64, limits_i: I64, limits_f: F64,
    low: F64, high: F64, gap: I64, cyc: I64, ext: F64, marks: I64, sums: F64,
) -> int:  # fmt: skip
    """Take rows from `first` on. Gives the row to go on with: where a cycle ended (cyc[END_NS] >= 0), or all rows.

    time_ns int64[n], which int32[n] (input), value float64[n], status uint8[n], sorted by time, then input; roles
    int64[states]; low, high float64[judged]; gap int64[points]. marks, sums have two points more than are judged: the
    pressure and the steriliser's own F0.
    """
    n = len(time_ns)
    row = first
    while row < n:
        at = time_ns[row]
        if cyc[RUNNING] and at - cyc[BEGIN_NS] >= limits_i[LONGEST_NS]:
            cut_cycle(cyc, marks, gap, limits_i)
            return row
        role, unsure = -1, 0
        while row < n and time_ns[row] == at and plan[which[row], 0] == PHASE:
            code = int(value[row])
            role = roles[code] if 0 <= code < len(roles) else OTHER
            unsure = status[row]
            row += 1
        was = cyc[ROLE]
        leaving = _phase_told(cyc, ext, marks, sums, gap, limits_i, role, at)
        if unsure and role >= 0 and role != was and EXPOSURE in (role, was):
            marks[0, DOUBTED] += 1
        if leaving == 2:
            return row
        if limits_i[GAS] >= 0 and cyc[RUNNING] and cyc[ROLE] == HEATING and was != HEATING:
            ext[GAS_FROM] = _stands(marks, sums, gap, limits_i[GAS], at)
        if cyc[RUNNING] and limits_i[BY_PHASE] and cyc[ROLE] == EXPOSURE and cyc[PLATEAU_NS] < 0:
            cyc[PLATEAU_NS] = at
            if limits_i[GAS] >= 0:
                ext[GAS_TO], ext[GAS_C] = _stands(marks, sums, gap, limits_i[GAS], at), _stands(marks, sums, gap, 0, at)
        while row < n and time_ns[row] == at:
            kind, point = plan[which[row], 0], plan[which[row], 1]
            _row(cyc, marks, sums, gap, limits_i, limits_f, kind, point, at, value[row], status[row])
            row += 1
        if not limits_i[PHASED]:
            leaving = _phase_found(cyc, ext, marks, sums, gap, limits_i, limits_f, low, at)
            if leaving == 2:
                return row
        if cyc[RUNNING]:
            plateau_step(cyc, ext, marks, sums, gap, limits_i, low, high, leaving == 1, at)
    return n
