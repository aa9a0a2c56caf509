"""Verdicts of the duplicate filter against a plain dictionary of everything seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import operators.duplicates as module
from operators.duplicates import AHEAD, BEHIND, CONFLICT, DUPLICATE, TOO_OLD, DuplicateFilter

HORIZON_S = 1e-6  # 1,000 ns
rows = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3000), st.sampled_from([0.0, -0.0, 1.5, float("nan")])), max_size=120
)


class Memory:
    """Everything accepted so far: the naive twin, and the journal of the product under test."""

    def __init__(self):
        self.values: dict[tuple[int, int], list[float]] = {}
        self.newest: dict[int, int] = {}

    def judge(self, series, time_ns, value):
        newest = self.newest.get(series)
        if newest is not None and time_ns < newest - 1000:
            return TOO_OLD
        known = self.values.get((series, time_ns), [])
        if any(one == value or (one != one and value != value) for one in known):
            return DUPLICATE
        ahead = newest is None or time_ns > newest
        verdict = AHEAD if ahead else CONFLICT if known else BEHIND
        self.values.setdefault((series, time_ns), []).append(value)
        self.newest[series] = max(time_ns, newest if newest is not None else time_ns)
        return verdict

    def known(self, series, time_ns, value):
        out = np.full(len(series), BEHIND, np.uint8)
        for at, (one, time, number) in enumerate(zip(series.tolist(), time_ns.tolist(), value.tolist(), strict=True)):
            held = self.values.get((one, time), [])
            if any(old == number or (old != old and number != number) for old in held):
                out[at] = DUPLICATE
            elif held:
                out[at] = CONFLICT
        return out


@given(rows, st.sampled_from([1, 7, 1000]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_equals_everything_remembered(items, batch, restart):
    generation, slots = module.GENERATION, module.SLOTS
    module.GENERATION, module.SLOTS = 16, 64  # so that rows leave memory
    try:
        naive, journal = Memory(), Memory()
        product = fresh(journal)
        got = []
        for begin in range(0, len(items), batch):
            part = items[begin : begin + batch]
            series = np.array([one for one, _, _ in part], np.int32)
            times = np.array([time for _, time, _ in part], np.int64)
            values = np.array([value for _, _, value in part])
            got += product.judge(times, series, values).tolist()
            for one in part:
                journal.judge(*one)
            if restart:
                snapshot = product.snapshot()
                product = fresh(journal)
                product.restore(snapshot)
        assert got == [naive.judge(*one) for one in items]
    finally:
        module.GENERATION, module.SLOTS = generation, slots


def fresh(journal):
    product = DuplicateFilter(HORIZON_S, journal.known)
    for _ in range(3):
        product.bind()
    return product


def test_ids_out_of_range_are_refused():
    product = DuplicateFilter(HORIZON_S, Memory().known)
    with pytest.raises(ValueError, match=r"series ids must be"):
        product.judge(np.zeros(1, np.int64), np.zeros(1, np.int32), np.zeros(1))
