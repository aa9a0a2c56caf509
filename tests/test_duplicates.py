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

    def judge(self, series, time_ns, value, horizon=1000):
        newest = self.newest.get(series)
        if newest is not None and time_ns < newest - horizon:
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


@given(rows, st.sampled_from([1, 7, 1000]), st.sampled_from([1, 5, 1000]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_equals_everything_remembered(items, batch, stretch, restart):
    generation = module.GENERATION
    module.GENERATION = 16  # so that rows leave memory
    try:
        naive, journal = Memory(), Memory()
        product = fresh(journal)
        got = []
        for begin in range(0, len(items), batch):
            part = items[begin : begin + batch]
            series = np.array([one for one, _, _ in part], np.int32)
            times = np.array([time for _, time, _ in part], np.int64)
            values = np.array([value for _, _, value in part])
            verdict, ask = product.remember(times, series, values)
            for cut in range(0, len(part), stretch):  # the journal learns of a stretch before it is asked of the next
                here = slice(cut, cut + stretch)
                asked = ask[(ask >= cut) & (ask < cut + stretch)] - np.int32(cut)
                product.ask_journal(asked, times[here], series[here], values[here], verdict[here])
                for one in part[here]:
                    journal.judge(*one)
            got += verdict.tolist()
            if restart:
                snapshot = product.snapshot()
                product = fresh(journal)
                product.restore(snapshot)
        assert got == [naive.judge(*one) for one in items]
    finally:
        module.GENERATION = generation


def fresh(journal):
    product = DuplicateFilter(HORIZON_S, journal.known)
    for _ in range(3):
        product.bind()
    return product


def test_ids_out_of_range_are_refused():
    product = DuplicateFilter(HORIZON_S, Memory().known)
    with pytest.raises(ValueError, match=r"series ids must be"):
        product.judge(np.zeros(1, np.int64), np.zeros(1, np.int32), np.zeros(1))


def test_a_step_larger_than_a_generation_is_judged_in_one(monkeypatch):
    """The journal does not know the rows of the step yet."""
    monkeypatch.setattr(module, "GENERATION", 16)
    rng = np.random.default_rng(2)
    items = [(one, at, float(at % 3)) for one, at in rng.integers(0, (3, 900), (900, 2)).tolist()]
    series, times, values = (np.array(column) for column in zip(*items, strict=True))
    naive, product = Memory(), fresh(Memory())
    got = product.judge(times, series.astype(np.int32), values)
    assert got.tolist() == [naive.judge(*item) for item in items]
    assert product._now.used > 16


def test_series_that_come_one_by_one_get_their_rows_remembered(monkeypatch):
    """Generations grow with the series; a row of each is still known a while later without the journal."""
    monkeypatch.setattr(module, "GENERATION", 64)
    product = DuplicateFilter(HORIZON_S, lambda series, _time, _value: pytest.fail(f"asked for {series}"))
    for one in range(500):
        product.bind()
        product.judge(np.array([10]), np.array([one], np.int32), np.array([1.0]))
    every = np.arange(500, dtype=np.int32)
    for _ in range(2):
        product.judge(np.full(500, 20), every, np.ones(500))
    assert (product.judge(np.full(500, 20), every, np.ones(500)) == DUPLICATE).all()


@pytest.mark.parametrize("batch", [1, 700, 10_000])
def test_a_backlog_far_behind_and_sent_twice_is_judged_by_the_table(batch):
    """Too many rows of the series for a search along them; every third of the backlog has another value in it."""
    live = [(at % 2, 100_000 + at, 1.0) for at in range(3000)]
    backlog = [(at % 2, 99_500 + at, 2.0) for at in range(1000)]
    again = [(one, at, 3.0 if at % 3 == 0 else value) for one, at, value in backlog]
    items = [*live, *backlog, *again, *live]
    naive, product, got = Memory(), DuplicateFilter(1.0, Memory().known), []
    naive_verdicts = [naive.judge(*item, horizon=1_000_000_000) for item in items]
    for _ in range(2):
        product.bind()
    for begin in range(0, len(items), batch):
        series, times, values = (np.array(column) for column in zip(*items[begin : begin + batch], strict=True))
        got += product.judge(times, series.astype(np.int32), values).tolist()
    assert got == naive_verdicts
    assert product._now.indexed > 0
