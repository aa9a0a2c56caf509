"""The multivariate detector: its twin, published run lengths, any split and restore, bad input, what it must find."""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.mewma import FAST_SHIFT, NO_CHANNEL, MewmaDetector
from detectors.mewma_kernel import PARTS, STEADY, WEIGHTS, chi_table, look_up, score_rows
from detectors.mewma_reference import shrunk_correlation
from tests import naive_mewma
from tests.detector_checks import SECOND

ROWS, REFERENCE = 900, 200


def machine(n=ROWS, channels=5, seed=1):
    """Rows of a machine in order: correlated noise around levels of any size, one channel on its way to equilibrium."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, channels)) @ rng.normal(size=(channels, channels))
    values[:, 2] = np.cumsum(rng.normal(0.0, 0.3, n))
    return np.arange(n) * SECOND, values + np.array([20.0, 101_325.0, 80.0, 0.0, -5.0])[:channels]


def dirty(seed=1):
    """The same with a fault, missing values, a gap, a channel that stands still, rows without any value."""
    time_ns, values = machine(seed=seed)
    values[600:, 0] += 3.0
    values[np.random.default_rng(2).random(values.shape) < 0.03] = np.nan
    values[300:303], values[650, 3], values[651, 3] = np.nan, np.inf, -1e300
    values[:, 4] = 7.5
    time_ns[450:] += 60 * SECOND
    return time_ns, values


def scored(time_ns, values, **more):
    return MewmaDetector(values.shape[1], REFERENCE).score_many(time_ns, values, **more)


def columns(found):
    return [found.score, found.alarm, found.channel, found.statistic, found.contribution]


def in_pieces(detector, time_ns, values, cuts):
    edges = [0, *sorted(cuts), len(values)]
    pieces = [detector.score_many(time_ns[a:b], values[a:b]) for a, b in pairwise(edges)]
    return [np.concatenate(parts) for parts in zip(*map(columns, pieces), strict=True)]


@pytest.mark.parametrize("rows", [machine, dirty])
@pytest.mark.parametrize("seed", [1, 5])
def test_equals_its_twin_in_plain_numpy(rows, seed):
    time_ns, values = rows(seed=seed)
    values[700:, 1] = values[0, 1] + 4.0 * (values[700:, 1] - values[0, 1])  # scatter
    found = scored(time_ns, values)
    usable = np.where(np.abs(values) <= 1e150, values, np.nan)
    twin = naive_mewma.Mewma(REFERENCE).rows(time_ns / 1e9, usable)
    np.testing.assert_allclose(found.score, [row[0] for row in twin], rtol=1e-4, atol=1e-4)
    assert found.alarm.tolist() == [row[1] for row in twin]
    assert [None if one == NO_CHANNEL else one for one in found.channel] == [row[2] for row in twin]
    assert np.nanmax(found.score) > 5.0


@pytest.mark.parametrize(("weight", "limit"), [(0.05, 7.35), (0.2, 9.65)])
def test_run_lengths_are_the_published_ones(weight, limit):
    """Prabhu and Runger, J. Quality Technology 29 (1997): of two channels, a false alarm every 200 rows."""
    which = 0 if weight == 0.05 else 1
    per_size = np.zeros((2, 2))
    per_size[which] = np.sqrt((2.0 - weight) / weight)
    weights = np.zeros((WEIGHTS, 2))
    weights[0] = 1.0  # standard deviations; no scatter, no creep
    chi, role = chi_table(2), np.full(2, STEADY, np.uint8)
    rng, lengths, n = np.random.default_rng(1), [], 2000
    signal = look_up(chi, np.sqrt(limit)) - np.log10(4.0)
    out = (np.empty(n), *(np.empty(n, np.uint8) for _ in range(3)), np.zeros((0, 2)))
    for _ in range(2000):
        given_rows = (rng.normal(size=(n, 2)), np.zeros(n, np.uint8), role, weights, np.eye(2), per_size)
        score_rows(*given_rows, np.zeros(2), chi, np.zeros((PARTS, 2)), np.zeros(2), *out)
        above = out[0] > signal
        lengths.append(int(above.argmax()) + 1 if above.any() else n)
    assert np.mean(lengths) == pytest.approx(200.0, rel=0.07)  # three standard errors


def test_contributions_are_what_the_distance_loses_without_the_channel():
    """Mason, Tracy and Young's conditional terms."""
    rng = np.random.default_rng(4)
    values = rng.normal(size=(600, 3)) @ rng.normal(size=(3, 3))
    values[400:, 1] += 2.0
    found = scored(np.arange(600) * SECOND, values, contributions=True)
    at = int(np.flatnonzero((found.statistic <= FAST_SHIFT) & (found.score > 2.0))[0])
    twin = naive_mewma.Mewma(REFERENCE)
    twin.rows(np.arange(at + 1.0), values[: at + 1])
    which = int(found.statistic[at] == FAST_SHIFT)
    expected = twin._less_without(twin.z[which], twin.covariances[which])
    np.testing.assert_allclose(found.contribution[at], expected, rtol=1e-6)
    assert scored(np.arange(600) * SECOND, values).contribution.shape == (0, 3)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, ROWS), max_size=6))
def test_any_split_gives_the_same_bits(cuts):
    time_ns, values = dirty()
    whole, parts = MewmaDetector(5, REFERENCE), MewmaDetector(5, REFERENCE)
    expected = columns(whole.score_many(time_ns, values))
    for ours, theirs in zip(in_pieces(parts, time_ns, values, cuts), expected, strict=True):
        assert ours.tobytes() == theirs.tobytes()
    assert parts.snapshot() == whole.snapshot()


def test_single_rows_give_the_same_bits_as_one_batch():
    time_ns, values = dirty()
    pieces = in_pieces(MewmaDetector(5, REFERENCE), time_ns, values, range(1, ROWS))
    assert pieces[0].tobytes() == scored(time_ns, values).score.tobytes()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, ROWS))
def test_a_prefix_is_scored_as_in_the_whole_and_a_snapshot_goes_on(cut):
    time_ns, values = dirty()
    expected = scored(time_ns, values).score
    other = values.copy()
    other[cut:] = -1e6
    assert scored(time_ns, other).score[:cut].tobytes() == expected[:cut].tobytes()
    first, second = MewmaDetector(5, REFERENCE), MewmaDetector(5, REFERENCE)
    first.score_many(time_ns[:cut], values[:cut])
    snapshot = pickle.loads(pickle.dumps(first.snapshot()))
    assert all(isinstance(part, int | bytes) for part in snapshot)
    second.restore(snapshot)
    assert second.snapshot() == snapshot
    assert second.score_many(time_ns[cut:], values[cut:]).score.tobytes() == expected[cut:].tobytes()
    assert first.snapshot() == snapshot


def test_clones_are_independent_and_input_is_not_changed():
    time_ns, values = dirty()
    before = values.tobytes(), time_ns.tobytes()
    one = MewmaDetector(5, REFERENCE)
    one.score_many(time_ns[:500], values[:500])
    deep, kept = copy.deepcopy(one), one.snapshot()
    deep.score_many(time_ns[500:], values[500:])
    assert one.snapshot() == kept != deep.snapshot()
    assert (values.tobytes(), time_ns.tobytes()) == before


def test_memory_is_bounded():
    time_ns, values = dirty()
    detector = MewmaDetector(5, REFERENCE)
    most = 0
    for again in range(5):
        detector.score_many(time_ns + again * (time_ns[-1] + SECOND), values)
        most = max(most, detector.nbytes)
    assert detector.nbytes == most < 5 * (REFERENCE + 100) * 8


def test_rows_without_a_value_change_nothing():
    time_ns, values = machine()
    detector = MewmaDetector(5, REFERENCE)
    detector.score_many(time_ns, values)
    kept = detector.snapshot()
    found = detector.score_many(np.full(3, time_ns[-1]), np.array([[np.nan] * 5, [np.inf] * 5, [-np.inf] * 5]))
    assert np.isnan(found.score).all()
    assert detector.snapshot() == kept


def test_a_channel_that_falls_silent_leaves_the_others_judged():
    time_ns, values = machine()
    values[400:, 1] = np.nan
    calm = scored(time_ns, values)
    assert not calm.alarm.any()
    values[600:, 0] += 4.0 * values[:400, 0].std()
    found = scored(time_ns, values)
    assert found.alarm[620:].all()
    assert set(found.channel[620:]) <= {0, 3, 4}


def test_channels_that_say_nothing_are_left_out():
    time_ns, values = machine()
    values[:, 0], values[:150, 3] = 101_325.0, np.nan
    detector = MewmaDetector(5, REFERENCE)
    values[600:, 0] = 0.0
    found = detector.score_many(time_ns, values)
    assert (detector.left_out, detector.wandering) == ([0, 3], [2])
    assert not found.alarm.any()


@pytest.mark.parametrize("level", [0.0, 3.3, -1e9])
def test_a_machine_that_stands_still_is_silent(level):
    found = scored(np.arange(ROWS) * SECOND, np.full((ROWS, 3), level))
    assert not found.score.any()


def test_a_reference_shorter_than_the_channels_are_many():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(2000, 60))
    detector = MewmaDetector(60, reference_rows=40)
    found = detector.score_many(np.arange(2000) * SECOND, values)
    assert np.isfinite(found.score).all()
    assert found.alarm.mean() < 0.01


def test_after_a_gap_a_wandering_channel_begins_anew():
    time_ns, values = machine()
    values[500:, 2] += 40.0
    assert scored(time_ns, values).alarm[500:].any()
    time_ns[500:] += 3600 * SECOND
    assert not scored(time_ns, values).alarm.any()


def test_rows_that_share_their_times_are_no_gaps():
    """A source that writes ten rows at once: no interval is usual, and a jump of a wandering channel stays one."""
    time_ns, values = machine()
    values[500:, 2] += 40.0
    assert scored(time_ns // (10 * SECOND) * 10 * SECOND, values).alarm[500:].any()


def test_relearn_takes_the_next_rows_as_normal():
    time_ns, values = machine()
    detector = MewmaDetector(5, REFERENCE)
    detector.score_many(time_ns, values)
    detector.relearn()
    again = detector.score_many(time_ns, values + 1000.0)
    assert not again.alarm.any()
    assert again.score[REFERENCE:].max() > 0.0


def test_correlation_is_shrunk_as_far_as_chance_goes():
    rng = np.random.default_rng(5)
    loose, rows = rng.normal(size=(100, 30)), rng.normal(size=(4000, 1)) + 0.1 * rng.normal(size=(4000, 3))
    assert np.abs(shrunk_correlation(loose) - np.eye(30)).max() < 0.1 < np.abs(np.corrcoef(loose.T) - np.eye(30)).max()
    np.testing.assert_allclose(shrunk_correlation(rows), np.corrcoef(rows.T), atol=0.01)


BAD = {
    "no-channels": (lambda: MewmaDetector(0), "channels must be 1..254, got 0"),
    "too-many": (lambda: MewmaDetector(255), "got 255"),
    "short-reference": (lambda: MewmaDetector(2, 19), "reference_rows must be >= 20, got 19"),
    "channels": (lambda: scored_shape((3,), (3, 4)), r"wanted \(n,\) and \(n, 2\)"),
    "rows": (lambda: scored_shape((4,), (3, 2)), r"found time_ns \(4,\), values \(3, 2\)"),
    "flat": (lambda: scored_shape((3,), (3,)), r"values \(3,\)"),
    "other-channels": (lambda: MewmaDetector(3).restore(MewmaDetector(2).snapshot()), "this has 1, 3 and 400"),
    "torn": (lambda: MewmaDetector(2).restore((*MewmaDetector(2).snapshot()[:-1], b"1234567")), "torn data"),
}


def scored_shape(times, values):
    return MewmaDetector(2).score_many(np.zeros(times, np.int64), np.zeros(values))


@pytest.mark.parametrize(("call", "words"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_no_rows_are_no_scores():
    detector = MewmaDetector(2)
    assert len(detector.score_many(np.zeros(0, np.int64), np.zeros((0, 2))).score) == 0
