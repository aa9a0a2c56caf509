"""Open conflicts against a loop over every row."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from andon.plant import SeriesSpec
from andon.readings import Readings
from flows.conflicts import QUIET_NS, ConflictWatch

row = st.tuples(st.integers(0, 3), st.integers(0, 9), st.sampled_from([1.0, 2.0]), st.integers(0, 9))


def naive(opened, rows):
    """By series: event time of the first conflict, of the last, its value, when it came."""
    for series, time_ns, value, received_ns in rows:
        opened[series] = (opened.get(series, (time_ns,))[0], time_ns, value, received_ns)


def spec_of(series):
    return SeriesSpec("cold/room", f"air{series}", "number", "Cel", -50, 50, 30, (), None, "", True)


def batch(rows):
    series, time_ns, value, received_ns = (np.array(column) for column in zip(*rows, strict=True))
    zero = np.zeros(len(rows), np.int64)
    return Readings(time_ns, series.astype(np.int32), value, zero.astype(np.uint8), zero, received_ns)


@given(st.lists(st.lists(row, min_size=1, max_size=12), max_size=6))
def test_the_first_and_the_last_of_each_series_in_any_cut(batches):
    watch, opened = ConflictWatch(spec_of), {}
    for rows in batches:
        fresh = sorted({one for one, *_ in rows} - set(opened))
        watch.note(batch(rows))
        naive(opened, rows)
        changes = watch.tick(10, 7)
        assert [(change.kind, change.tag) for change in changes] == [("raised", f"air{one}") for one in fresh]
        assert [(change.start_ns, change.peak) for change in changes] == [opened[one][0:3:2] for one in fresh]
    assert watch.snapshot() == (tuple((one, *state) for one, state in sorted(opened.items())), ())
    assert len(watch.tick(10 + QUIET_NS, 8)) == len(opened)


def test_one_that_came_while_the_clock_was_set_back_is_not_kept_longer():
    """Whatever is open already: as after a restart, which looks at all."""
    watch = ConflictWatch(spec_of)
    watch.note(batch([(0, 1, 1.0, 2000)]))
    watch.tick(2000, 7)
    watch.note(batch([(1, 1, 1.0, 0)]))
    told = watch.tick(QUIET_NS, 8)
    assert [(change.kind, change.tag) for change in told] == [("raised", "air1"), ("cleared", "air1")]
