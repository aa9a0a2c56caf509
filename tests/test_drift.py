"""Detectors of drift: what every one keeps, river's decisions beside them, twins from the papers."""

from __future__ import annotations

import copy
import math
import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import drift
from scipy.stats import ks_2samp

from detectors.drift import Adwin, Kswin, PageHinkley, least_distance
from tests.naive_drift import NaiveAdwin, NaiveKswin, NaivePageHinkley

KINDS = [PageHinkley, Adwin, Kswin]


def mixed(n=3000, seed=1):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 3, n).astype(np.int32)
    value = rng.normal(0.0, 1.0, n) + 4.0 * (np.arange(n) // 900 % 2)
    value[rng.random(n) < 0.02] = np.nan
    value[5], value[900] = np.inf, -1e300
    return ids, value


def one_stream(seed, n=3000):
    rng = np.random.default_rng(seed)
    if seed % 3 == 0:
        return (rng.random(n) < np.where(np.arange(n) // 900 % 2, 0.5, 0.1)).astype(np.float64)
    value = rng.normal(0.0, 1.0, n) * rng.choice([0.1, 1.0]) + np.where(np.arange(n) // 700 % 2, 2.0, 0.0)
    return np.round(value, 1) if seed % 3 == 1 else value


def found(detector, value):
    return np.flatnonzero(detector.step(np.zeros(len(value), np.int32), value)).tolist()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 3000), max_size=6))
def test_any_split_gives_the_same_bits(kind, cuts):
    ids, value = mixed()
    whole, parts = kind(3), kind(3)
    expected = whole.step(ids, value)
    edges = [0, *sorted(cuts), len(ids)]
    pieces = [parts.step(ids[a:b], value[a:b]) for a, b in pairwise(edges)]
    assert np.concatenate(pieces).tobytes() == expected.tobytes()
    assert expected.any()
    assert parts.snapshot() == whole.snapshot()


@pytest.mark.parametrize("kind", KINDS)
def test_as_every_detector(kind):
    """A prefix says the same; input stays; snapshots go on; clones are independent; memory is bounded."""
    ids, value = mixed()
    before, detector = (ids.tobytes(), value.tobytes()), kind(3)
    expected = detector.step(ids, value)
    assert (ids.tobytes(), value.tobytes()) == before
    used = detector.nbytes
    detector.step(ids, value)
    assert detector.nbytes == used == len(detector.snapshot()[2])
    other = value.copy()
    other[1500:] = 1e6
    assert kind(3).step(ids, other)[:1500].tobytes() == expected[:1500].tobytes()
    assert kind(3).step(ids[:1500], value[:1500]).tobytes() == expected[:1500].tobytes()
    first, second = kind(3), kind(1)
    first.step(ids[:1500], value[:1500])
    snapshot = pickle.loads(pickle.dumps(first.snapshot()))
    second.restore(snapshot)
    deep = copy.deepcopy(first)
    assert second.step(ids[1500:], value[1500:]).tobytes() == expected[1500:].tobytes()
    assert deep.step(ids[1500:], value[1500:]).tobytes() == expected[1500:].tobytes()
    assert first.snapshot() == snapshot != second.snapshot()


@pytest.mark.parametrize("kind", KINDS)
def test_unusable_values_change_nothing_and_still_streams_do_not_drift(kind):
    ids, value = mixed()
    detector = kind(3)
    detector.step(ids, value)
    before = detector.snapshot()
    assert not detector.step(np.zeros(4, np.int32), np.array([np.nan, np.inf, -np.inf, 1e200])).any()
    assert detector.snapshot() == before
    for level in (0.0, 3.3, -1e9):
        assert not found(kind(1), np.full(2000, level))


@pytest.mark.parametrize("kind", KINDS)
def test_what_does_not_fit_is_refused(kind):
    detector = kind(2)
    for wrong in ([-1], [2], [0, 5]):
        with pytest.raises(ValueError, match=r"allowed 0\.\.1"):
            detector.step(np.array(wrong, np.int32), np.zeros(len(wrong)))
    with pytest.raises(ValueError, match="lengths differ"):
        detector.step(np.zeros(2, np.int32), np.zeros(3))
    layout, setting, states = detector.snapshot()
    for torn in ((99, setting, states), (layout, "another", states), (layout, setting, b"7 bytes")):
        with pytest.raises(ValueError, match="restore: found layout"):
            detector.restore(torn)
    assert len(detector.step(np.zeros(0, np.int32), np.zeros(0))) == 0


@pytest.mark.parametrize("seed", range(6))
def test_page_hinkley_decides_as_that_of_river(seed):
    value, theirs = one_stream(seed), []
    model = drift.PageHinkley(threshold=10.0)
    for at, x in enumerate(value.tolist()):
        model.update(x)
        if model.drift_detected:
            theirs.append(at)
    assert found(PageHinkley(1, threshold=10.0), value) == theirs != []


@pytest.mark.parametrize("seed", range(6))
def test_adwin_decides_as_the_window_of_river(seed):
    """river's ADWIN gives its window up after a drift; the window itself does not."""
    value, detector = one_stream(seed), Adwin(1)
    window = drift.ADWIN()._helper
    theirs = [at for at, x in enumerate(value.tolist()) if window.update(x)]
    assert found(detector, value) == theirs != []
    assert detector.mean(0) == pytest.approx(window.get_total() / window.get_width())


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000))
def test_equal_their_twins_in_plain_python(seed):
    value = one_stream(seed, 1500)
    for kind, twin in ((PageHinkley, NaivePageHinkley), (Adwin, NaiveAdwin), (Kswin, NaiveKswin)):
        slow = twin()
        assert found(kind(1), value) == [at for at, x in enumerate(value.tolist()) if slow.step(x)]


@pytest.mark.parametrize(("n", "alpha"), [(30, 0.005), (30, 0.0001), (10, 0.05), (50, 0.01), (2, 0.01)])
def test_the_least_distance_is_where_the_test_of_scipy_turns(n, alpha):
    least = least_distance(n, alpha)
    low = np.arange(n, dtype=float)
    assert least == n + 1 or ks_2samp(low, low + least - 0.5).pvalue <= alpha
    assert ks_2samp(low, low + least - 1.5).pvalue > alpha or (least - 1) / n <= 0.1


def test_false_alarms_of_one_test_are_as_many_as_alpha_allows():
    """Streams of exactly one test each."""
    rng, streams = np.random.default_rng(5), 20_000
    ids = np.repeat(np.arange(streams, dtype=np.int32), 100)
    share = Kswin(streams, alpha=0.05).step(ids, rng.random(len(ids))).sum() / streams
    assert 0.02 < share <= 0.05 + 3.0 * math.sqrt(0.05 / streams)


def test_the_seed_decides_what_is_drawn():
    value = np.random.default_rng(2).normal(size=4000)
    one, same, other = (found(Kswin(1, alpha=0.05, seed=seed), value) for seed in (1, 1, 2))
    assert one == same != other


def test_adwin_has_few_false_alarms():
    ids = np.tile(np.arange(50, dtype=np.int32), 2000)
    assert Adwin(50).step(ids, np.random.default_rng(3).normal(size=len(ids))).sum() <= 5


@pytest.mark.parametrize("wrong", [{"recent": 0}, {"recent": 51}, {"alpha": 0.0}, {"alpha": 1.0}])
def test_bad_settings_are_refused(wrong):
    with pytest.raises(ValueError, match="Kswin"):
        Kswin(1, **wrong)
