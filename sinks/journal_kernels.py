"""Row loops of the journal's question whether it holds a row; sinks/journal.py says what it is asked for.

Rows that were sealed are sorted and stay so: each question looks for its place among them. Rows of the open file are in
log order: each looks for its place among the questions, which are few. Sorting the rows for that took ten milliseconds
a question, however small.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from andon.readings import F64, I32, I64, U8
from sinks.journal_columns import ROW, Rows

UNKNOWN, SAME, OTHER = 1, 2, 3  # verdicts of `Journal.known`, the numbers of operators.duplicates
_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def _is_same(one: float, two: float) -> bool:
    """Equality in which NaN equals NaN, as duplicates are judged."""
    return one == two or (one != one and two != two)


@_jit
def compare_sorted(rows: Rows, starts: I64, series: I32, time_ns: I64, value: F64, verdict: U8) -> None:
    """Raise the verdicts of questions by records sorted by series, time; starts int64[k + 1]: of series 0 .. k - 1."""
    for at in range(series.shape[0]):
        key, when = series[at], time_ns[at]
        if verdict[at] == SAME or key < 0 or key >= starts.shape[0] - 1:
            continue
        low, high = starts[key], starts[key + 1]
        end = high
        while low < high:
            middle = (low + high) >> 1
            if rows[middle].time_ns < when:
                low = middle + 1
            else:
                high = middle
        while low < end and rows[low].time_ns == when and verdict[at] != SAME:
            verdict[at] = SAME if _is_same(rows[low].value, value[at]) else OTHER
            low += 1


@_jit
def compare_log(
    log_time_ns: I64, log_series: I32, log_value: F64, order: I64, starts: I64, time_ns: I64, value: F64, verdict: U8
) -> None:
    """Raise the verdicts of questions by rows in any order.

    order int64[m] > 0 sorts the questions by series, time; starts int64[k + 1]: where in it those of series 0 .. k - 1
    start and the last end.
    """
    earliest, latest = time_ns.min(), time_ns.max()
    for i in range(log_time_ns.shape[0]):
        when, key = log_time_ns[i], log_series[i]
        if when < earliest or when > latest or key >= starts.shape[0] - 1:
            continue
        low, end = starts[key], starts[key + 1]
        high = end
        while low < high:
            middle = (low + high) >> 1
            if time_ns[order[middle]] < when:
                low = middle + 1
            else:
                high = middle
        while low < end and time_ns[order[low]] == when:
            at = order[low]
            if verdict[at] != SAME:
                verdict[at] = SAME if _is_same(log_value[i], value[at]) else OTHER
            low += 1


def compile_kernels() -> None:
    """Compile for the journal's types, into the cache."""
    series, time_ns, value, verdict = np.zeros(1, np.int32), np.zeros(1, np.int64), np.zeros(1), np.zeros(1, np.uint8)
    starts = np.zeros(2, np.int64)
    compare_sorted(np.zeros(1, ROW), starts, series, time_ns, value, verdict)
    compare_log(time_ns, series, value, np.zeros(1, np.int64), starts, time_ns, value, verdict)
