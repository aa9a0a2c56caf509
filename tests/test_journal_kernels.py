"""What the journal holds of asked rows: each kernel against a plain walk over all rows."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sinks.journal_columns import ROW
from sinks.journal_kernels import OTHER, SAME, UNKNOWN, compare_log, compare_sorted

row = st.tuples(st.integers(0, 4), st.integers(-3, 6), st.sampled_from([1.0, 0.0, -0.0, 2.0, math.nan]))
verdicts = st.sampled_from([UNKNOWN, SAME, OTHER])


def naive(rows, asked, before):
    found = []
    for (series, at, value), verdict in zip(asked, before, strict=True):
        held = [one[2] for one in rows if one[:2] == (series, at)]
        same = any(one == value or (one != one and value != value) for one in held)
        found.append(SAME if same or verdict == SAME else OTHER if held else verdict)
    return found


def columns(rows):
    return tuple(np.array([one[at] for one in rows], kind) for at, kind in enumerate((np.int32, np.int64, np.float64)))


@given(st.lists(row, max_size=60), st.lists(st.tuples(row, verdicts), min_size=1, max_size=20))
def test_both_equal_a_walk_over_all_rows(rows, questions):
    asked, before = [one for one, _ in questions], [one for _, one in questions]
    expected = naive(rows, asked, before)
    series, time_ns, value = columns(rows)
    of, at, what = columns(asked)
    verdict = np.array(before, np.uint8)
    starts = np.searchsorted(np.sort(of), np.arange(int(of.max()) + 2))
    compare_log(time_ns, series, value, np.lexsort((at, of)), starts, at, what, verdict)
    assert verdict.tolist() == expected
    records = np.zeros(len(rows), ROW)
    records["series"], records["time_ns"], records["value"] = series, time_ns, value
    records = records[np.lexsort((time_ns, series))]
    starts = np.searchsorted(records["series"], np.arange(int(series.max(initial=-1)) + 2))
    verdict = np.array(before, np.uint8)
    compare_sorted(records, starts, of, at, what, verdict)
    assert verdict.tolist() == expected
