"""Per series: the newest reading, and changes of state series; see flows/touched.py."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from andon.readings import F64, I32, I64, U8, Status

NEWEST = np.dtype(
    [
        ("time_ns", "i8"), ("received_ns", "i8"), ("value", "f8"), ("score", "f8"), ("state", "f8"),
        ("status", "u1"), ("is_state", "?"), ("touched", "?"),
    ],
    align=True,
)  # fmt: skip
BAD = int(Status.BAD)


_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def note_rows(
    time_ns: I64, series: I32, value: F64, status: U8, received_ns: I64, score: F64, verdict: U8, ahead: int,
    newest: NDArray[np.void], touched: I32, used: int, changed: I32,
) -> tuple[int, int]:  # fmt: skip
    """Rows with verdict == ahead into their series' records. Ids and lengths are checked by the caller.

    touched int32[series]: ids of records that were not touched before, from `used` on; changed int32[n]: rows that
    change the state of a state series. Returns (length of touched, length of changed).
    """
    changes = 0
    for i in range(time_ns.shape[0]):
        if verdict[i] != ahead:
            continue
        one = newest[series[i]]
        one.time_ns = time_ns[i]
        one.received_ns = received_ns[i]
        one.value = value[i]
        one.status = status[i]
        if not np.isnan(score[i]):
            one.score = score[i]
        if not one.touched:
            one.touched = True
            touched[used] = series[i]
            used += 1
        if one.is_state and status[i] != BAD and value[i] != one.state:
            one.state = value[i]
            changed[changes] = i
            changes += 1
    return used, changes


@_jit
def take_rows(
    series: I32, newest: NDArray[np.void], time_ns: I64, received_ns: I64, value: F64, status: U8, score: F64
) -> None:
    """The records of these series, ids checked by the caller, into columns of their length; none is touched then."""
    for i in range(series.shape[0]):
        one = newest[series[i]]
        time_ns[i] = one.time_ns
        received_ns[i] = one.received_ns
        value[i] = one.value
        status[i] = one.status
        score[i] = one.score
        one.touched = False
