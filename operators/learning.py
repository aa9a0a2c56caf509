"""Which readings a detector does not learn: in maintenance, after a change, while the machine is off, in an alarm."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from andon.readings import F64, I32, I64, NS_PER_S, U8, Status

FORGET, LEARN, HOLD = 0, 1, 2  # as detectors/contract.py has them, which operators do not import
NEVER: Final = -(2**62)
LONGEST_MAINTENANCE_NS: Final = 24 * 3600 * NS_PER_S  # one that nobody ended is over then
STATUS_BAD: Final = int(Status.BAD)
#: Of a series. change_ns, alarm_ns: for how long; gate: that judges it, feeds: that it is the state of, -1: none.
SERIES = np.dtype([
    ("maintained_ns", "i8"), ("changed_ns", "i8"), ("since_ns", "i8"), ("told", "u1"), ("last", "u1"),
    ("change_ns", "i8"), ("alarm_ns", "i8"), ("gate", "i4"), ("feeds", "i4"),
])  # fmt: skip
#: Of the state of an asset: whether it runs, when that was said last, since when. gap_ns: how long a state stands.
GATE = np.dtype([
    ("runs", "u1"), ("at_ns", "i8"), ("since_ns", "i8"), ("gap_ns", "i8"), ("settle_ns", "i8"),
])  # fmt: skip


@njit(nogil=True, cache=True, error_model="numpy")
def mark(
    series: I32, time_ns: I64, value: F64, status: U8, states: NDArray[np.void], gates: NDArray[np.void], codes: U8,
    learn: U8,
) -> None:  # fmt: skip
    """Write FORGET, LEARN or HOLD into learn uint8[n]; rows in log order, the caller has checked the ids.

    codes: uint8[gates, k], 1 for each state that runs.
    """
    for i in range(len(series)):
        s, t = states[series[i]], time_ns[i]
        if s.feeds >= 0 and status[i] != STATUS_BAD and t >= gates[s.feeds].at_ns:
            gate, code = gates[s.feeds], value[i]
            runs = 0.0 <= code < codes.shape[1] and codes[s.feeds, int(code)] == 1  # false for NaN
            if runs and (not gate.runs or t - gate.at_ns > gate.gap_ns):
                gate.since_ns = t
            gate.runs, gate.at_ns = runs, t
        learn[i] = LEARN
        if (
            s.maintained_ns <= t < s.maintained_ns + LONGEST_MAINTENANCE_NS
            or s.changed_ns <= t < s.changed_ns + s.change_ns
        ):
            learn[i] = FORGET
        elif s.gate >= 0:
            gate = gates[s.gate]
            if not gate.runs or t - gate.at_ns > gate.gap_ns or t - gate.since_ns < gate.settle_ns:
                learn[i] = FORGET
        if learn[i] == LEARN and s.told:
            if s.since_ns == NEVER:
                s.since_ns = t
            if t - s.since_ns < s.alarm_ns:
                learn[i] = HOLD


@njit(nogil=True, cache=True, error_model="numpy")
def turns(series: I32, learn: U8, judged: NDArray[np.bool_], states: NDArray[np.void], found: I32) -> int:
    """Places of the judged rows at which a series begins or ends to be learned, into found int32[n]; how many."""
    count = 0
    for i in range(len(series)):
        if judged[i] and states[series[i]].last != learn[i]:
            states[series[i]].last = learn[i]
            found[count] = i
            count += 1
    return count
