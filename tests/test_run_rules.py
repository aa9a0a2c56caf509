"""Run rules: the twin, any split, and what the texts leave open; run lengths against their chain and theory."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.run_length import arl_cusum, arl_ewma, arl_nelson, arl_run_same_side, arl_western_electric
from operators.run_rules import BITS, completed, names, new_state
from tests.naive_spc import naive_rules

EDGES = st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, math.nan, 1.5, -1.5, 2.5, -2.5, 0.5, -0.5])
SIDES = st.sampled_from([0.3, 0.6, 1.2, 1.4, -1.2, -1.4])
POINTS = st.lists(EDGES, max_size=50) | st.lists(SIDES, max_size=50) | st.lists(st.floats(-4, 4), max_size=50)


@given(POINTS, st.data())
def test_rules_equal_the_twin_however_split(z, data):
    state, got, begin = new_state(), [], 0
    while begin < len(z):
        end = data.draw(st.integers(begin + 1, len(z)))
        got += completed(np.array(z[begin:end]), state).tolist()
        begin = end
    assert got == naive_rules(z)


CASES = {
    # id:                        (points, rule, places that complete it)
    "three-sigma-is-inside":     ([3.0, -3.0, 3.0000001], "nelson_1", [3]),
    "nine-on-one-side":          ([0.1] * 10, "nelson_2", [9, 10]),
    "centre-breaks-a-side":      ([0.1] * 5 + [0.0] + [0.1] * 8, "nelson_2", []),
    "eight-for-western":         ([-0.1] * 9, "we_4", [8, 9]),
    "six-points-up":             ([0, 0.1, 0.2, 0.3, 0.4, 0.5], "nelson_3", [6]),
    "a-tie-breaks-a-trend":      ([0, 0.1, 0.2, 0.2, 0.3, 0.4, 0.5], "nelson_3", []),
    "fourteen-alternating":      ([0.1, -0.1] * 7, "nelson_4", [14]),
    "a-tie-breaks-alternation":  ([0.1, -0.1] * 6 + [-0.1, 0.1], "nelson_4", []),
    "two-of-three-same-side":    ([2.1, -2.1, 2.2], "nelson_5", [3]),
    "two-sides-do-not-add":      ([2.1, -2.1, 0.0], "nelson_5", []),
    "completing-point-counts":   ([2.1, 2.2, 0.0], "nelson_5", [2]),
    "four-of-five":              ([1.1, 1.1, 0.5, 1.1, 1.1], "nelson_6", [5]),
    "one-sigma-is-within":       ([1.0, -1.0] * 8, "nelson_7", [15, 16]),
    "both-sides-are-needed":     ([1.1] * 8, "nelson_8", []),
    "eight-beyond-on-both":      ([1.1, -1.1] * 4, "nelson_8", [8]),
}  # fmt: skip


@pytest.mark.parametrize(("z", "rule", "expected"), CASES.values(), ids=CASES.keys())
def test_what_the_texts_leave_open(z, rule, expected):
    bits = completed(np.array(z, float), new_state())
    assert [place for place, one in enumerate(bits, 1) if one & BITS[rule]] == expected


def test_names_are_the_chosen_ones():
    assert names(BITS["nelson_5"] | BITS["we_4"], ("we_2", "we_4", "nelson_1")) == ("we_2", "we_4")


def test_run_lengths_agree_with_each_other():
    for delta in (0.0, 0.3, 1.0):
        assert arl_run_same_side(8, delta) == pytest.approx(arl_western_electric([4], delta))
        assert arl_nelson([1, 5, 6], delta) == pytest.approx(arl_western_electric([1, 2, 3], delta))
    assert arl_run_same_side(9) == pytest.approx(511) == arl_nelson([2])
    both, one = arl_cusum(0.5, 4.0), arl_cusum(0.5, 4.0, sided=1)
    assert both == pytest.approx(one / 2)
    assert arl_cusum(0.5, 4.0, 0.5, start=2.0) < arl_cusum(0.5, 4.0, 0.5)
    assert arl_ewma(1.0, 3.0) == pytest.approx(370.398, abs=1e-3)  # lam = 1 is the Shewhart chart
    with pytest.raises(ValueError, match="3, 4"):
        arl_nelson([1, 3, 4])
