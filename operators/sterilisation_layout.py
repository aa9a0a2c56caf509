"""Layout of a sterilisation cycle's state: four arrays, what stands at each place of them, how a cycle begins.

cyc int64 and ext float64 are of the cycle, marks int64[points, ...] and sums float64[points, ...] of each point.
Point 0 is the reference; `judged` points take part in the holding time; a value stands until the next, at most gap_ns.
"""

from __future__ import annotations

import math

from numba import njit

from andon.readings import F64, I64

# What an input is: `plan` int64[inputs, 2] holds one of these and the number of its point.
PHASE, POINT, PRESSURE, OWN = 0, 1, 2, 3
# Roles of phases, in the order of andon.config.sterilisation.ROLES
IDLE, CONDITIONING, AIR_REMOVAL, HEATING, EXPOSURE, EXHAUST, DRYING, AERATION, LEAK, ABORTED, OTHER = range(11)
N_ROLES = 11
# cyc: the cycle. *_NS are stamps, -1 where not yet; HOLD: 0 not yet, 1 holding, 2 over
ROLE, ROLE_NS, RUNNING, BEGIN_NS, BEGAN_SEEN, PLATEAU_NS, ENTERED_NS, HELD_NS, HOLD, CLOSED_NS = range(10)
OUTSIDE_NS, INSTANT_NS, WAS_OUTSIDE, PULSES, PULSE_LOW = range(10, 15)
OUT_POINT, OUT_SIDE, SETTLED_NS, WAS_ABORTED, END_NS = range(15, 20)
AGAIN = 20  # hot enough a second time, without phases that tell two cycles apart
PULSE_DOUBTS = 21  # pulses that rest on an uncertain pressure
DURATION = 22  # N_ROLES of them, ns
N_S = DURATION + N_ROLES
# ext
SPREAD, SUPER_LOW, SUPER_HIGH, PRESSURE_LOW, PRESSURE_HIGH = range(5)
N_HELD = 5  # those of the holding time
GAS_FROM, GAS_TO, GAS_C = range(5, 8)  # EO: pressure before and after the gas was let in (transmitter's unit), Cel
N_SF = 8
# marks: of a point. AT_NS stamp of its last value; REACHED_NS when it first was inside its lower limit
AT_NS, SEEN, REACHED_NS, DOUBTED, MISSED_NS, ROWS = range(6)
N_PI = 6
# sums: VALUE; LETHAL, RAMP: equivalent s by trapezoids and by ramps; HELD_*: in the holding time; TOP: of the cycle
VALUE, RATE, LETHAL, RAMP, HELD_LOW, HELD_HIGH, TOP = range(7)
N_PF = 7
# limits_i
LONGEST_NS, EQUIL_NS, PHASED, JUDGED, PROBES, BY_PHASE, END_AFTER_NS, MATCHED, GAS = range(9)  # GAS: point, -1 none
# limits_f
T_REF, Z, T_MIN, P_LOW, P_HIGH, START_KPA, ATMOSPHERE, START_C, ADD_KPA, KPA = range(10)
LOW, HIGH, MISSING = 1, 2, 3  # OUT_SIDE


@njit(nogil=True, cache=True)
def begin_cycle(cyc: I64, ext: F64, marks: I64, sums: F64, at: int, seen: int) -> None:
    """A cycle begins at `at`; what the points read stands on."""
    for one in range(BEGIN_NS, N_S):
        cyc[one] = 0
    cyc[RUNNING], cyc[BEGIN_NS], cyc[BEGAN_SEEN], cyc[ROLE_NS] = 1, at, seen, at
    for one in (PLATEAU_NS, ENTERED_NS, HELD_NS, CLOSED_NS, SETTLED_NS, OUT_POINT, END_NS):
        cyc[one] = -1
    for one in range(N_SF):
        ext[one] = math.nan
    for point in range(len(marks)):
        marks[point, REACHED_NS] = -1
        marks[point, DOUBTED], marks[point, MISSED_NS], marks[point, ROWS] = 0, 0, 0
        for one in (LETHAL, RAMP):
            sums[point, one] = 0.0
        for one in (HELD_LOW, HELD_HIGH, TOP):
            sums[point, one] = math.nan
