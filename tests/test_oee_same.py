"""The streaming OEE gives the parts that the function over all points of a window gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.plant import PACKML_STATES
from operators import oee_kernel as at
from operators.machines import Every, Inputs
from operators.oee import PARTS
from operators.oee_machine import OeeMachine
from operators.oee_setup import MODES, Cycle, OeeSetup
from operators.time_model import OTHER_MODE, PRODUCTION, state_table
from tests.naive_oee_parts import oee_parts

NS = 1_000_000_000
LENGTH = 100
row_st = st.tuples(
    st.integers(0, 4 * LENGTH * 10).map(lambda tenth: tenth * NS // 10),
    st.one_of(
        st.tuples(st.just(0), st.integers(-1, 19)), st.tuples(st.sampled_from([1, 2]), st.integers(0, 99)),
        st.tuples(st.just(3), st.integers(-1, 40)),
    ),
)  # fmt: skip


@given(st.lists(row_st, max_size=60), st.sampled_from([None, 100.0]), st.integers(1, 90))
@settings(max_examples=100, deadline=None)
def test_each_window_is_that_of_the_function(told, modulus, gap_s):
    rows = sorted((time, number, float(value)) for time, (number, value) in told)
    time_ns = np.array([row[0] for row in rows], np.int64)
    number = np.array([row[1] for row in rows], np.int32)
    value = np.array([row[2] for row in rows], np.float64)
    starts, categories = state_table(PACKML_STATES, "packml")
    modes = np.full(MODES, OTHER_MODE, np.int64)
    modes[1] = PRODUCTION
    setup = OeeSetup(
        np.array([at.STATE_ROLE, at.TOTAL, at.GOOD, at.MODE_ROLE]), np.full(4, np.nan if modulus is None else modulus),
        starts, categories, modes, 20 * NS, gap_s * NS, gap_s * NS, cycles=(Cycle("", 0.5),),
    )  # fmt: skip
    inputs = Inputs(time_ns, number, value, np.zeros(len(rows), np.uint8))
    found = {one.start_ns: one.parts for one in OeeMachine(0, Every(LENGTH * NS), setup).step(inputs, 500 * NS)}
    for begin in range(0, 500 * NS, LENGTH * NS):
        expected = oee_parts(
            *(inputs.of(one) for one in range(3)), begin, begin + LENGTH * NS, ideal_cycle_s=0.5, gap_ns=gap_s * NS,
            modulus=modulus, mode=inputs.of(3),
        )  # fmt: skip
        if begin in found:
            assert {name: found[begin][name] for name in PARTS} == pytest.approx(expected, abs=1e-9)
        else:
            assert expected["unknown_s"] == LENGTH
            assert not expected["pq"]
