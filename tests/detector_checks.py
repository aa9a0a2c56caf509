"""What must hold for every detector, whatever its idea; a detector's own test file runs these on it.

make: gives a new detector of four series.
"""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise

import numpy as np
import pytest

from detectors.contract import FORGET, HOLD, LEARN, NO_PART

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


def said(scored):
    """All that a detector says of rows, as bytes."""
    return [getattr(scored, name).tobytes() for name in ("score", "part", "expected", "spread")]


def check_any_split_gives_the_same_bits(make, cuts):
    ids, time_ns, value = mixed_rows()
    whole, parts = make(), make()
    expected = said(whole.score_many(ids, time_ns, value))
    edges = [0, *sorted(cuts), len(ids)]
    pieces = [said(parts.score_many(ids[a:b], time_ns[a:b], value[a:b])) for a, b in pairwise(edges)]
    assert [b"".join(column) for column in zip(*pieces, strict=True)] == expected
    assert parts.snapshot() == whole.snapshot()


def check_input_is_not_changed(make):
    rows = mixed_rows()
    before = [column.copy() for column in rows]
    make().score_many(*rows)
    for column, copied in zip(rows, before, strict=True):
        assert column.tobytes() == copied.tobytes()


def check_scored_before_learned(make):
    """The future of a stream changes nothing, not even the row itself what came before it."""
    ids, time_ns, value = mixed_rows()
    expected = make().score_many(ids, time_ns, value)
    for cut in (1, 900, 2800):
        other = value.copy()
        other[cut:] = -1e6
        assert said(make().score_many(ids, time_ns, other).rows(slice(cut))) == said(expected.rows(slice(cut)))


def check_a_prefix_says_the_same(make):
    """What comes behind it, and how much, is not known."""
    ids, time_ns, value = mixed_rows()
    expected = make().score_many(ids, time_ns, value)
    for cut in (1, 900, 2800):
        assert said(make().score_many(ids[:cut], time_ns[:cut], value[:cut])) == said(expected.rows(slice(cut)))


def check_snapshot_goes_on(make):
    """Plain data that survives pickling; restored, the detector goes on to the bit."""
    ids, time_ns, value = mixed_rows()
    first, second = make(), make()
    first.score_many(ids[:2500], time_ns[:2500], value[:2500])
    snapshot = pickle.loads(pickle.dumps(first.snapshot()))
    assert all(isinstance(part, int | bytes) for part in snapshot)
    second.restore(snapshot)
    assert second.snapshot() == snapshot
    rest = ids[2500:], time_ns[2500:], value[2500:]
    assert said(second.score_many(*rest)) == said(first.score_many(*rest))


def check_clones_are_independent(make):
    ids, time_ns, value = mixed_rows()
    one = make()
    one.score_many(ids[:2500], time_ns[:2500], value[:2500])
    other = make()
    other.restore(one.snapshot())
    deep = copy.deepcopy(one)
    before = one.snapshot()
    other.score_many(ids[2500:], time_ns[2500:], value[2500:])
    deep.score_many(ids[2500:], time_ns[2500:], value[2500:])
    assert one.snapshot() == before
    assert deep.snapshot() == other.snapshot() != before


def check_unusable_values_change_nothing(make):
    ids, time_ns, value = mixed_rows()
    detector = make()
    detector.score_many(ids, time_ns, value)
    before = detector.snapshot()
    for bad in (np.nan, np.inf, -np.inf):
        scored = detector.score_many(ids[:5], time_ns[:5] + time_ns[-1], np.full(5, bad))
        assert np.isnan(scored.score).all()
        assert (scored.part == NO_PART).all()
    assert detector.snapshot() == before


def check_memory_is_bounded(make):
    """By the number of series, not of rows."""
    ids, time_ns, value = mixed_rows()
    detector = make()
    detector.score_many(ids, time_ns, value)
    used = detector.nbytes
    for again in range(1, 4):
        detector.score_many(ids, time_ns + again * (time_ns[-1] + SECOND), value)
    assert detector.nbytes == used


def check_constant_series_are_silent(make):
    for level in (0.0, 3.3, 101_325.0, -1e9):
        scored = make().score_many(np.zeros(5000, np.int32), np.arange(5000) * SECOND, np.full(5000, level))
        assert scored.score.max() == 0.0


def check_what_is_said_has_its_meaning(make):
    """Scores from 0 on; a component of the detector's own; where it expects a value, how far values usually lie."""
    ids, time_ns, value = mixed_rows()
    detector = make()
    scored = detector.score_many(ids, time_ns, value)
    assert (np.isnan(scored.score) == ~np.isfinite(value)).all()
    assert (scored.score[np.isfinite(value)] >= 0.0).all()
    named = scored.part != NO_PART
    assert named.any()
    assert (scored.part[named] < len(detector.PARTS)).all()
    assert len(set(detector.PARTS)) == len(detector.PARTS) <= NO_PART
    assert np.isnan(scored.expected[~named]).all()
    assert (np.isnan(scored.spread) == np.isnan(scored.expected)).all()
    assert (scored.spread[np.isfinite(scored.spread)] >= 0.0).all()


def check_a_wild_value_is_explained(make):
    """A value far out scores high, and the component that says so expected something like the values before it.

    At once, but for a detector that judges windows: within TELLS_WITHIN rows.
    """
    rng = np.random.default_rng(2)
    value = rng.normal(20.0, 0.1, 3000)
    value[2500] = 25.0
    detector = make()
    scored = detector.score_many(np.zeros(3000, np.int32), np.arange(3000) * SECOND, value)
    within = getattr(detector, "TELLS_WITHIN", 1)
    at = 2500 + int(scored.score[2500 : 2500 + within].argmax())
    assert scored.score[at] > 4.0
    assert scored.part[at] != NO_PART
    assert abs(scored.expected[at] - 20.0) < 0.5
    assert 0.0 < scored.spread[at] < 0.5


def check_what_is_not_learned_leaves_no_trace(make):
    """Of a detector of flows. FORGET: all goes on as if the row had not come; HOLD: as if it had only passed time."""
    ids, time_ns, value = mixed_rows()
    whole, told = make(), make()
    everything = whole.score_many(ids, time_ns, value)
    assert said(told.score_many(ids, time_ns, value, np.full(len(ids), LEARN, np.uint8))) == said(everything)
    learn = np.where(np.arange(len(ids)) % 1000 < 900, LEARN, FORGET).astype(np.uint8)
    some, without = make(), make()
    scored = some.score_many(ids, time_ns, value, learn)
    kept = learn == LEARN
    expected = without.score_many(ids[kept], time_ns[kept], value[kept])
    assert scored.score[kept].tobytes() == expected.score.tobytes()
    assert some.snapshot() == without.snapshot()
    usable = ~kept & (np.abs(value) < 1e30)
    assert np.isfinite(scored.score[usable]).all()
    for each in (1, 7, 1000):
        again = make()
        parts = [again.score_many(ids[a : a + each], time_ns[a : a + each], value[a : a + each], learn[a : a + each])
                 for a in range(0, len(ids), each)]  # fmt: skip
        assert b"".join(one.score.tobytes() for one in parts) == scored.score.tobytes()
    with pytest.raises(ValueError, match="lengths differ"):
        make().score_many(ids, time_ns, value, learn[1:])


def check_a_level_that_is_held_off_stays_unusual(make):
    """A fault of an hour, HOLD: unusual to its end; FORGET: a gap, after which nothing is a step."""
    value = np.random.default_rng(3).normal(20.0, 0.1, 9000)
    value[3000:6600] += 2.0
    rows = np.zeros(9000, np.int32), np.arange(9000) * SECOND, value
    fault = (np.arange(9000) >= 3000) & (np.arange(9000) < 6600)
    held = make().score_many(*rows, np.where(fault, HOLD, LEARN).astype(np.uint8)).score
    assert np.median(held[3000:6600]) > 4.0
    assert np.median(held[-1000:]) < 2.0
    forgotten = make().score_many(*rows, np.where(fault, FORGET, LEARN).astype(np.uint8)).score
    assert forgotten[6600:].max() < 6.0


def check_rows_that_do_not_fit_are_refused(make):
    detector = make()
    for wrong in ([-1], [4], [0, 1, 4]):
        with pytest.raises(ValueError, match=r"allowed 0\.\.3"):
            detector.score_many(np.array(wrong, np.int32), np.zeros(len(wrong), np.int64), np.zeros(len(wrong)))
    with pytest.raises(ValueError, match="lengths differ"):
        detector.score_many(np.zeros(2, np.int32), np.zeros(2, np.int64), np.zeros(3))
    assert len(detector.score_many(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0))) == 0


def check_a_snapshot_of_another_kind_is_refused(make):
    layout, *rest = make().snapshot()
    with pytest.raises(ValueError, match="layout 99"):
        make().restore((99, *rest))
    with pytest.raises(ValueError, match="7 bytes"):
        make().restore((layout, *rest[:-1], b"7 bytes"))


ALL = (
    check_input_is_not_changed,
    check_scored_before_learned,
    check_a_prefix_says_the_same,
    check_snapshot_goes_on,
    check_clones_are_independent,
    check_unusable_values_change_nothing,
    check_memory_is_bounded,
    check_constant_series_are_silent,
    check_what_is_said_has_its_meaning,
    check_a_wild_value_is_explained,
    check_rows_that_do_not_fit_are_refused,
    check_a_snapshot_of_another_kind_is_refused,
)


PAUSING = (check_what_is_not_learned_leaves_no_trace, check_a_level_that_is_held_off_stays_unusual)
