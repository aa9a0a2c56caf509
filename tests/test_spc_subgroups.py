"""Rational subgroups against their twin, however the rows are split."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.spc_subgroups import BY_TIME, COUNT, EVENT, FULL, TIME, Cutting, Subgroups
from tests.naive_spc import naive_subgroups

VALUES = st.sampled_from([0.0, 1.0, 1.5, -2.0, 101_325.1, 101_324.9, math.nan])
ROWS = st.lists(st.tuples(st.integers(0, 60), st.booleans(), VALUES, st.booleans()), max_size=40).map(
    lambda rows: sorted(rows, key=lambda row: row[0])
)
HOW = st.builds(
    Cutting, mode=st.sampled_from([COUNT, TIME, EVENT]), size=st.sampled_from([1.0, 3.0, 5.0]),
    by_inspected=st.booleans(), length_ns=st.sampled_from([7, 20]), gap_ns=st.sampled_from([4, 30]),
    lower=st.just(0.5), upper=st.just(101_325.0),
)  # fmt: skip


class Subgroup(NamedTuple):
    start_ns: int
    end_ns: int
    reason: int
    after_gap: bool
    uncertain: int
    outside: int
    n: int
    left_out: int
    short: bool
    mean: float
    spread: float
    deviation: float
    amount: float
    inspected: float


def listed(closed):
    return [Subgroup(*one, *parts) for one, parts in zip(closed[0].tolist(), closed[1].tolist(), strict=True)]


def taken(groups, rows, upto):
    time, main, value, status = (np.array(one) for one in zip(*rows, strict=True)) if rows else ([],) * 4
    return listed(groups.take(
        np.asarray(time, np.int64), np.asarray(main, np.uint8), np.asarray(value, float), np.asarray(status, np.uint8),
        upto,
    ))  # fmt: skip


@given(ROWS, HOW, st.lists(st.integers(0, 80), max_size=6))
def test_subgroups_equal_the_twin_however_split(rows, how, cuts):
    expected = naive_subgroups(rows, 80, how)
    groups, got, begin = Subgroups(how), [], 0
    for upto in [*sorted(cuts), 80]:
        again = Subgroups(how)
        again.restore(groups.snapshot())
        groups = again
        got += taken(groups, [row for row in rows if begin <= row[0] < upto], upto)
        begin = upto
    whole = Subgroups(how)
    assert got == taken(whole, rows, 80)
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        values = other["values"]
        assert (one.start_ns, one.end_ns, one.reason) == (other["start"], other["end"], other["reason"])
        assert (one.n, one.uncertain, one.after_gap) == (len(values), other["uncertain"], other["gap"])
        assert one.left_out == other["left_out"]
        assert one.outside == sum(not how.lower <= value <= how.upper for value in values)
        assert one.inspected == pytest.approx(sum(other["inspected"]), rel=1e-12)
        assert one.amount == pytest.approx(sum(values), rel=1e-12)
        if len(values) > 1:
            assert one.spread == max(values) - min(values)
            assert one.deviation == pytest.approx(float(np.std(values, ddof=1)), rel=1e-9, abs=1e-9)
        else:
            assert (one.spread, one.deviation) == (0.0, 0.0)
        whole = one.reason == FULL or (
            one.reason == BY_TIME and one.start_ns % how.length_ns == 0 and not one.after_gap
        )
        assert bool(one.short) is not whole


def test_a_cut_ends_the_open_subgroup_and_splits_its_time():
    groups = Subgroups(Cutting(TIME, 1.0, by_inspected=False, length_ns=100, gap_ns=1000))
    assert taken(groups, [(10, 1, 1.0, 0), (20, 1, 3.0, 0)], 30) == []
    (cut,) = listed(groups.cut(30))
    assert (cut.start_ns, cut.end_ns, cut.n, cut.mean) == (0, 30, 2, 2.0)
    (rest,) = taken(groups, [(40, 1, 5.0, 0)], 100)
    assert (rest.start_ns, rest.end_ns, rest.n) == (30, 100, 1)
    assert listed(groups.cut(200)) == []
    assert cut.short
    assert rest.short


def test_another_layout_is_refused():
    groups = Subgroups(Cutting(COUNT, 1.0, by_inspected=False, length_ns=1, gap_ns=1))
    with pytest.raises(ValueError, match="layout 0"):
        groups.restore((0, *groups.snapshot()[1:]))
