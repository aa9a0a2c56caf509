"""Newest reading and changes of state of each series against plain dictionaries, in any cut, through restores."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.readings import Readings, Status
from flows.touched import PACKED, Touched
from operators.duplicates import AHEAD, BEHIND, CONFLICT

KINDS = [False, True, True, False]  # by series: is it a state series
row = st.tuples(
    st.integers(0, 3), st.sampled_from([0.0, 1.0, 2.0]), st.sampled_from(list(Status)),
    st.sampled_from([AHEAD, AHEAD, AHEAD, BEHIND, CONFLICT]), st.sampled_from([math.nan, 0.5, 7.0]),
)  # fmt: skip


def naive(rows):
    """({series: newest}, [changes of state]) of rows whose place in the log is their time."""
    newest, score, states, changes = {}, {}, {}, []
    for at, (series, value, status, verdict, scored) in enumerate(rows):
        if verdict != AHEAD:
            continue
        score[series] = score.get(series, math.nan) if math.isnan(scored) else scored
        newest[series] = (at, at * 10, value, int(status), score[series])
        if KINDS[series] and status != Status.BAD and states.get(series) != value:
            states[series] = value
            changes.append((series, at, value))
    return newest, changes


def batch(rows, begin):
    series, value, status, verdict, score = (np.array(column) for column in zip(*rows, strict=True))
    at = np.arange(begin, begin + len(rows))
    readings = Readings(at, series.astype(np.int32), value, status.astype(np.uint8), at, at * 10)
    return readings, score, verdict.astype(np.uint8)


def fresh():
    touched = Touched()
    touched.bind(KINDS[:1])
    touched.bind(KINDS[1:])
    return touched


@given(st.lists(row, max_size=60), st.integers(1, 20), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_equals_dictionaries_in_any_cut(rows, cut, restart, takes):
    touched, newest, changes = fresh(), {}, []
    for begin in [*range(0, len(rows), cut), None]:
        if begin is not None:
            part = rows[begin : begin + cut]
            touched.add(*batch(part, begin))
        if restart:
            snapshot = touched.snapshot()
            pending = touched.take_states()
            touched = Touched()
            touched.restore(snapshot)
        else:
            pending = touched.take_states()
        if pending is not None:
            columns = (pending.series.tolist(), pending.time_ns.tolist(), pending.value.tolist())
            changes += list(zip(*columns, strict=True))
        latest = touched.take_latest() if takes or begin is None else None
        if latest is not None:
            assert latest.series.tolist() == sorted(set(latest.series.tolist()))
            names = ("time_ns", "received_ns", "value", "status", "score")
            columns = zip(*(getattr(latest, name).tolist() for name in names), strict=True)
            newest.update(zip(latest.series.tolist(), columns, strict=True))
    expected, expected_changes = naive(rows)
    assert repr(sorted(newest.items())) == repr(sorted(expected.items()))
    assert changes == expected_changes
    assert touched.take_latest() is None


def test_state_of_the_version_before_is_read():
    """Packed records of 43 bytes, as they still are written."""
    assert PACKED.itemsize == 43
    touched = fresh()
    touched.add(*batch([(2, 5.0, Status.GOOD, AHEAD, 1.0)], 0))
    count, data = touched.snapshot()
    assert (count, len(data)) == (4, 4 * 43)
    record = np.frombuffer(data, PACKED)[2]
    assert (record["value"], record["state"], record["is_state"], record["touched"]) == (5.0, 5.0, True, True)
