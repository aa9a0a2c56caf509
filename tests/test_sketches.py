"""Percentiles: exact for few rows, within the digest's rank error for many; any split gives the same bits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.sketches import EXACT, Sketch, quantiles_of

RANKS = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
SHAPES = {
    "pressure": lambda rng, n: rng.normal(101_325.0, 0.1, n),
    "large": lambda rng, n: rng.normal(1e9, 1.0, n),
    "skewed": lambda rng, n: rng.exponential(1.0, n),
    "steps": lambda rng, n: np.round(rng.normal(20.0, 0.2, n), 1),
    "rising": lambda rng, n: np.linspace(0.0, 1.0, n) + rng.normal(0.0, 1e-4, n),
}


def sketch_of(values):
    sketch = Sketch()
    sketch.add(values)
    return sketch


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [1, 2, 10, EXACT])
def test_few_rows_are_exact(shape, n):
    values = SHAPES[shape](np.random.default_rng(n), n)
    assert sketch_of(values).quantiles(RANKS) == np.quantile(values, RANKS).tolist()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [EXACT + 1, 3_600, 86_400])
def test_many_rows_are_within_the_rank_error(shape, n):
    values = np.sort(SHAPES[shape](np.random.default_rng(n), n))
    for rank, found in zip(RANKS, sketch_of(values).quantiles(RANKS), strict=True):
        low, high = np.searchsorted(values, found, "left") / n, np.searchsorted(values, found, "right") / n
        error = max(low - rank, rank - high, 0.0)
        if shape == "steps":  # between two steps there is no value to compare with: at most one step off then
            assert abs(found - np.quantile(values, rank)) <= 0.1
            continue
        assert error <= (0.0015 if min(rank, 1 - rank) <= 0.05 else 0.008) + 1.0 / n
        assert values[0] <= found <= values[-1]


@given(st.integers(1, 3_000), st.lists(st.integers(1, 900), max_size=6), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_any_split_and_snapshot_gives_the_same_bits(n, cuts, seed):
    values = np.random.default_rng(seed).normal(101_325.0, 0.1, n)
    whole, split = sketch_of(values), Sketch()
    for part in np.split(values, np.cumsum(cuts)[np.cumsum(cuts) < n]):
        split.add(part)
        split.quantiles(RANKS)  # looking changes nothing
        split = Sketch.restored(split.snapshot())
    assert split.snapshot() == whole.snapshot()
    assert split.quantiles(RANKS) == whole.quantiles(RANKS)


def test_several_sketches_are_as_one():
    values = np.random.default_rng(5).normal(0.0, 1.0, 5_000)
    parts = [sketch_of(values[begin : begin + 700]) for begin in range(0, 5_000, 700)]
    assert abs(np.mean(values <= quantiles_of(parts, [0.5])[0]) - 0.5) < 0.008
    few = [sketch_of(values[:100]), sketch_of(values[100:300])]
    assert quantiles_of(few, [0.5]) == [np.quantile(values[:300], 0.5)]
    assert math.isnan(quantiles_of([], [0.5])[0])
