"""What must hold for every detector, whatever its idea; a detector's own test file runs these on it."""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise

import numpy as np

SECOND = 1_000_000_000


def mixed_rows(n=4000, series=3, seed=1):
    """Rows of several series in one log: noise, a level shift, repeats, NaN and infinities."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, series, n).astype(np.int32)
    value = rng.normal(20.0, 0.1, n) + 5.0 * ids + (np.arange(n) > 0.7 * n)
    value[rng.random(n) < 0.05] = 20.0
    value[rng.random(n) < 0.01] = np.nan
    value[n // 3] = np.inf
    return ids, np.arange(n) * SECOND, value


def check_any_split_gives_the_same_bits(make, cuts):
    ids, time_ns, value = mixed_rows()
    whole, parts = make(), make()
    expected = whole.step(ids, time_ns, value)
    edges = [0, *sorted(cuts), len(ids)]
    pieces = [parts.step(ids[a:b], time_ns[a:b], value[a:b]) for a, b in pairwise(edges)]
    assert np.concatenate(pieces).tobytes() == expected.tobytes()
    assert parts.snapshot() == whole.snapshot()


def check_input_is_not_changed(make):
    rows = mixed_rows()
    before = [column.copy() for column in rows]
    make().step(*rows)
    for column, copied in zip(rows, before, strict=True):
        assert column.tobytes() == copied.tobytes()


def check_scored_before_learned(make):
    """The future of a stream changes nothing, not even the row itself what came before it."""
    ids, time_ns, value = mixed_rows()
    expected = make().step(ids, time_ns, value)
    for cut in (1, 900, 2800):
        other = value.copy()
        other[cut:] = -1e6
        assert make().step(ids, time_ns, other)[:cut].tobytes() == expected[:cut].tobytes()


def check_snapshot_goes_on(make):
    """Plain data that survives pickling; restored, the detector goes on to the bit."""
    ids, time_ns, value = mixed_rows()
    first, second = make(), make()
    first.step(ids[:2500], time_ns[:2500], value[:2500])
    snapshot = pickle.loads(pickle.dumps(first.snapshot()))
    assert all(isinstance(part, int | bytes) for part in snapshot)
    second.restore(snapshot)
    assert second.snapshot() == snapshot
    expected = first.step(ids[2500:], time_ns[2500:], value[2500:])
    assert second.step(ids[2500:], time_ns[2500:], value[2500:]).tobytes() == expected.tobytes()


def check_clones_are_independent(make):
    ids, time_ns, value = mixed_rows()
    one = make()
    one.step(ids[:2500], time_ns[:2500], value[:2500])
    other = make()
    other.restore(one.snapshot())
    deep = copy.deepcopy(one)
    before = one.snapshot()
    other.step(ids[2500:], time_ns[2500:], value[2500:])
    deep.step(ids[2500:], time_ns[2500:], value[2500:])
    assert one.snapshot() == before
    assert deep.snapshot() == other.snapshot() != before


def check_unusable_values_change_nothing(make):
    ids, time_ns, value = mixed_rows()
    detector = make()
    detector.step(ids, time_ns, value)
    before = detector.snapshot()
    for bad in (np.nan, np.inf, -np.inf):
        score = detector.step(ids[:5], time_ns[:5] + time_ns[-1], np.full(5, bad))
        assert np.isnan(score).all()
    assert detector.snapshot() == before


def check_memory_is_bounded(make):
    """By the number of series, not of rows."""
    ids, time_ns, value = mixed_rows()
    detector = make()
    detector.step(ids, time_ns, value)
    used = detector.nbytes
    for again in range(1, 4):
        detector.step(ids, time_ns + again * (time_ns[-1] + SECOND), value)
    assert detector.nbytes == used


def check_constant_series_are_silent(make):
    for level in (0.0, 3.3, 101_325.0, -1e9):
        score = make().step(np.zeros(5000, np.int32), np.arange(5000) * SECOND, np.full(5000, level))
        assert score.max() == 0.0


ALL = (
    check_input_is_not_changed,
    check_scored_before_learned,
    check_snapshot_goes_on,
    check_clones_are_independent,
    check_unusable_values_change_nothing,
    check_memory_is_bounded,
    check_constant_series_are_silent,
)
