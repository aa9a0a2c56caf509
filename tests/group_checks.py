"""What must hold for every detector of a group of channels; a detector's own test file runs these on it.

make: gives a new detector of five channels that scores from row 200 on.
"""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise

import numpy as np
import pytest

from detectors.contract import NO_PART
from tests.detector_checks import SECOND

CHANNELS, REFERENCE = 5, 200


def mixed_rows(n=2000, seed=1):
    """Rows of a machine: correlated noise at levels of any size, a fault, gaps, missing values, a still channel."""
    rng = np.random.default_rng(seed)
    load = rng.normal(size=(n, 2))
    values = load @ rng.normal(size=(2, CHANNELS)) + rng.normal(0.0, 0.3, (n, CHANNELS))
    values += np.array([20.0, 101_325.0, 80.0, 0.0, -5.0])
    values[int(0.7 * n) :, 0] += 3.0
    values[int(0.8 * n) :, 1] = 101_325.0 + rng.normal(size=n - int(0.8 * n))
    values[rng.random(values.shape) < 0.03] = np.nan
    values[300:303], values[650, 3], values[651, 3] = np.nan, np.inf, -1e300
    values[:, 4] = 7.5
    time_ns = np.arange(n) * SECOND
    time_ns[450:] += 60 * SECOND
    return time_ns, values


def said(found):
    """All that a detector says of rows, as bytes."""
    return [getattr(found, name).tobytes() for name in ("score", "alarm", "channel")]


def check_any_split_gives_the_same_bits(make, cuts):
    time_ns, values = mixed_rows()
    whole, parts = make(), make()
    expected = said(whole.score_many(time_ns, values))
    edges = [0, *sorted(cuts), len(values)]
    pieces = [said(parts.score_many(time_ns[a:b], values[a:b])) for a, b in pairwise(edges)]
    assert [b"".join(column) for column in zip(*pieces, strict=True)] == expected
    assert parts.snapshot() == whole.snapshot()


def check_input_is_not_changed(make):
    time_ns, values = mixed_rows()
    before = time_ns.tobytes(), values.tobytes()
    make().score_many(time_ns, values)
    assert (time_ns.tobytes(), values.tobytes()) == before


def check_scored_before_learned(make):
    """The future of a stream changes nothing, nor does how much of it there is."""
    time_ns, values = mixed_rows()
    expected = make().score_many(time_ns, values)
    for cut in (1, REFERENCE, 900, 1500):
        other = values.copy()
        other[cut:] = -1e6
        for found in (make().score_many(time_ns, other), make().score_many(time_ns[:cut], values[:cut])):
            assert found.score[:cut].tobytes() == expected.score[:cut].tobytes()
            assert found.alarm[:cut].tobytes() == expected.alarm[:cut].tobytes()
            assert found.channel[:cut].tobytes() == expected.channel[:cut].tobytes()


def check_snapshot_goes_on(make):
    time_ns, values = mixed_rows()
    for cut in (0, 100, 1000):
        first, second = make(), make()
        first.score_many(time_ns[:cut], values[:cut])
        snapshot = pickle.loads(pickle.dumps(first.snapshot()))
        assert all(isinstance(part, int | bytes) for part in snapshot)
        second.restore(snapshot)
        assert second.snapshot() == snapshot
        rest = time_ns[cut:], values[cut:]
        assert said(second.score_many(*rest)) == said(first.score_many(*rest))


def check_clones_are_independent(make):
    time_ns, values = mixed_rows()
    one, other = make(), make()
    one.score_many(time_ns[:1000], values[:1000])
    other.restore(one.snapshot())
    deep, before = copy.deepcopy(one), one.snapshot()
    other.score_many(time_ns[1000:], values[1000:])
    deep.score_many(time_ns[1000:], values[1000:])
    assert one.snapshot() == before
    assert deep.snapshot() == other.snapshot() != before


def check_rows_without_a_value_change_nothing(make):
    time_ns, values = mixed_rows()
    detector = make()
    detector.score_many(time_ns, values)
    before = detector.snapshot()
    for bad in (np.nan, np.inf, -np.inf):
        found = detector.score_many(np.full(3, time_ns[-1]), np.full((3, CHANNELS), bad))
        assert np.isnan(found.score).all()
        assert (found.channel == NO_PART).all()
    assert detector.snapshot() == before


def check_memory_is_bounded(make):
    time_ns, values = mixed_rows()
    detector = make()
    detector.score_many(time_ns, values)
    used = detector.nbytes
    for again in range(1, 4):
        detector.score_many(time_ns + again * (time_ns[-1] + SECOND), values)
    assert detector.nbytes <= used


def check_a_machine_that_stands_still_is_silent(make):
    for level in (0.0, 3.3, 101_325.0, -1e9):
        found = make().score_many(np.arange(2000) * SECOND, np.full((2000, CHANNELS), level))
        assert not found.score.any()
        assert not found.alarm.any()


def check_what_is_said_has_its_meaning(make):
    time_ns, values = mixed_rows()
    found = make().score_many(time_ns, values)
    usable = (np.abs(values) <= 1e150).any(axis=1)
    assert (np.isnan(found.score) == ~usable).all()
    assert (found.score[usable] >= 0.0).all()
    assert not found.score[:REFERENCE].any()
    assert set(np.unique(found.alarm)) <= {0, 1}
    assert (found.channel[found.channel != NO_PART] < CHANNELS).all()
    assert (found.channel != NO_PART).any()


def check_a_channel_that_falls_silent_leaves_the_others_judged(make):
    time_ns, values = mixed_rows()
    values[300:, 1] = np.nan
    found = make().score_many(time_ns, values)
    assert np.isfinite(found.score[303:]).all()
    assert not (found.channel[303:] == 1).any()


def check_rows_that_do_not_fit_are_refused(make):
    for times, shape in ((3, (3, 4)), (4, (3, 5)), (5, (5,))):
        with pytest.raises(ValueError, match=r"wanted \(n,\) and \(n, 5\)"):
            make().score_many(np.zeros(times, np.int64), np.zeros(shape))
    assert len(make().score_many(np.zeros(0, np.int64), np.zeros((0, CHANNELS))).score) == 0


def check_a_snapshot_of_another_kind_is_refused(make):
    layout, channels, *rest = make().snapshot()
    with pytest.raises(ValueError, match="layout 99"):
        make().restore((99, channels, *rest))
    with pytest.raises(ValueError, match="4 channels"):
        make().restore((layout, 4, *rest))
    with pytest.raises(ValueError, match="torn"):
        make().restore((layout, channels, *rest[:-1], b"7 bytes"))


ALL = tuple(check for name, check in list(globals().items()) if name.startswith("check_") and "any_split" not in name)
