"""The ledger against a plain counter."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.ledger import COUNTED, DEAD, HOUR_NS, LATE, Ledger

row = st.tuples(st.integers(-1, 4), st.integers(0, 3 * HOUR_NS), st.integers(0, 4), st.integers(0, 1))


@given(st.lists(st.lists(row, max_size=20), max_size=8), st.booleans())
def test_every_row_is_in_exactly_one_class(batches, restart):
    ledger, expected, taken = Ledger(), Counter(), Counter()
    for as_of, rows in enumerate(batches):
        if rows:
            series, times, classes, conflict = (np.array(column) for column in zip(*rows, strict=True))
            ledger.add(series.astype(np.int32), times, classes.astype(np.uint8), conflict.astype(np.uint8))
        for series, time_ns, kind, clash in rows:
            expected[series, time_ns // HOUR_NS, kind] += 1
            expected[series, time_ns // HOUR_NS, "conflict"] += clash
        if restart:
            snapshot = ledger.snapshot()
            ledger = Ledger()
            ledger.restore(snapshot)
        if as_of % 2:
            collect(ledger.take(as_of), taken)
    collect(ledger.take(len(batches)), taken)
    assert +taken == +expected
    assert ledger.take(99) is None


def collect(rows, taken):
    if rows is None:
        return
    total = rows.counted + rows.late + rows.duplicate + rows.bad + rows.dead
    assert (rows.received == total).all()
    for at in range(len(rows.series)):
        key = int(rows.series[at]), int(rows.hour_ns[at]) // HOUR_NS
        for kind, name in enumerate(("counted", "late", "duplicate", "bad", "dead")):
            taken[*key, kind] += int(getattr(rows, name)[at])
        taken[*key, "conflict"] += int(rows.conflict[at])


def test_rows_leave_with_the_tick_that_closes_the_count():
    ledger = Ledger()
    ledger.add(np.array([0, 0, -1], np.int32), np.array([5, HOUR_NS, 7]), np.array([COUNTED, LATE, DEAD], np.uint8),
               np.zeros(3, np.uint8))  # fmt: skip
    with pytest.raises(ValueError, match="series -2, allowed -1 and above; class 4"):
        ledger.add(
            np.array([3, -2], np.int32), np.zeros(2, np.int64), np.full(2, DEAD, np.uint8), np.zeros(2, np.uint8)
        )
    with pytest.raises(ValueError, match="columns of 1, 2, 1 and 1 rows"):
        ledger.add(np.zeros(1, np.int32), np.zeros(2, np.int64), np.zeros(1, np.uint8), np.zeros(1, np.uint8))
    rows = ledger.take(as_of=42)
    assert rows.as_of == 42
    assert rows.series.tolist() == [-1, 0, 0]
    assert rows.hour_ns.tolist() == [0, 0, HOUR_NS]
