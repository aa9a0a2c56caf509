"""What becomes of each row of a batch: its class in the ledger, whether it is late, whether it contradicts another."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from andon.readings import I32, I64, U8, Status
from operators.duplicates import AHEAD, CONFLICT, DUPLICATE, TOO_OLD
from operators.duplicates_kernel import NEVER
from operators.ledger import BAD, COUNTED, DEAD, LATE
from operators.ledger import DUPLICATE as LEDGER_DUPLICATE

STATUS_BAD = int(Status.BAD)


class Classes(NamedTuple):
    """Columns of length n, and how many rows there are of what is rare.

    of       : uint8, class in the ledger.
    conflict : uint8, 1 where the ledger counts a conflict.
    late     : bool, usable and behind what its series has closed.
    """

    of: U8
    conflict: U8
    late: NDArray[np.bool_]
    duplicates: int
    dead: int
    conflicts: int  # with those of status bad
    lates: int
    newest_ns: int  # of the usable rows; NEVER where there are none


@njit(nogil=True, cache=True, error_model="numpy")
def _classify(
    verdict: U8, usable: NDArray[np.bool_], time_ns: I64, closed_ns: I64, of: U8, conflict: U8, late: NDArray[np.bool_]
) -> tuple[int, int, int, int, int]:
    duplicates = dead = conflicts = lates = 0
    newest_ns = NEVER
    for i in range(time_ns.shape[0]):
        is_late = usable[i] and time_ns[i] < closed_ns[i]
        late[i] = is_late
        conflict[i] = verdict[i] == CONFLICT and usable[i]
        if usable[i]:
            of[i] = LATE if is_late else COUNTED
            lates += is_late
            newest_ns = max(newest_ns, time_ns[i])
        elif verdict[i] == DUPLICATE:
            of[i] = LEDGER_DUPLICATE
            duplicates += 1
        elif verdict[i] == TOO_OLD:
            of[i] = DEAD
            dead += 1
        else:
            of[i] = BAD
        conflicts += verdict[i] == CONFLICT
    return duplicates, dead, conflicts, lates, newest_ns


@njit(nogil=True, cache=True, error_model="numpy")
def _admit(series: I32, time_ns: I64, status: U8, whole_from_ns: I64, verdict: U8, usable: NDArray[np.bool_]) -> None:
    for i in range(time_ns.shape[0]):
        if verdict[i] != AHEAD and time_ns[i] < whole_from_ns[series[i]]:
            verdict[i] = TOO_OLD
        usable[i] = status[i] != STATUS_BAD and verdict[i] != DUPLICATE and verdict[i] != TOO_OLD


def admit(series: I32, time_ns: I64, status: U8, whole_from_ns: I64, verdict: U8) -> NDArray[np.bool_]:
    """Which of n rows are computed with: bool[n], True unless their status is bad, or they are duplicates or too old.

    Verdicts of rows behind their series turn to TOO_OLD where they are before whole_from_ns int64[series], up to
    where the series' windows may have lost rows (`JournalRetention`). The caller has checked the ids.
    """
    if not len(series) == len(time_ns) == len(status) == len(verdict):
        raise ValueError(f"columns of {len(series)}, {len(time_ns)}, {len(status)} and {len(verdict)} rows")
    usable = np.empty(len(verdict), np.bool_)
    _admit(series, time_ns, status, whole_from_ns, verdict, usable)
    return usable


@njit(nogil=True, cache=True, error_model="numpy")
def _scorers(series: I32, status: U8, verdict: U8, detects: U8, by: U8) -> None:
    for i in range(series.shape[0]):
        by[i] = detects[series[i]] if verdict[i] == AHEAD and status[i] != STATUS_BAD else 0


def scorers(series: I32, status: U8, verdict: U8, detects: U8) -> U8:
    """Which detector scores each of n rows, uint8[n]: that of its series (detects uint8[series]), 0 for none.

    Only rows that move their series forward are scored. The caller has checked the ids.
    """
    if not len(series) == len(status) == len(verdict):
        raise ValueError(f"columns of {len(series)}, {len(status)} and {len(verdict)} rows")
    by: U8 = np.empty(len(series), np.uint8)
    _scorers(series, status, verdict, detects, by)
    return by


def classify(verdict: U8, usable: NDArray[np.bool_], time_ns: I64, closed_ns: I64) -> Classes:
    """Classes of n rows by their verdict; usable: neither status bad nor a duplicate nor too old.

    closed_ns int64[n]: up to where the row's series was closed when it came. One pass: a mask for each question and a
    look whether any of it is set took ten times as long.
    """
    if not len(verdict) == len(usable) == len(time_ns) == len(closed_ns):
        raise ValueError(f"columns of {len(verdict)}, {len(usable)}, {len(time_ns)} and {len(closed_ns)} rows")
    of, conflict = np.empty((2, len(verdict)), np.uint8)
    late = np.empty(len(verdict), np.bool_)
    return Classes(of, conflict, late, *_classify(verdict, usable, time_ns, closed_ns, of, conflict, late))
