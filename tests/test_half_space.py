"""Half-space trees, of series and of groups: the checks of every detector, twins from the paper, river beside them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import anomaly, preprocessing
from scipy.stats import rankdata

from andon.i18n import LANGUAGES, catalogue
from detectors import registry
from detectors.contract import NO_PART
from detectors.half_space import PARTS, HalfSpaceDetector
from detectors.half_space_group import HalfSpaceGroupDetector
from detectors.half_space_kernel import splits
from tests import detector_checks, group_checks
from tests.detector_checks import SECOND
from tests.naive_half_space import HalfSpaceGroup, HalfSpaceSeries


def make():
    return HalfSpaceDetector(capacity=4)


def make_group():
    return HalfSpaceGroupDetector(group_checks.CHANNELS, group_checks.REFERENCE)


def scored(value):
    return HalfSpaceDetector(1).score_many(np.zeros(len(value), np.int32), np.arange(len(value)) * SECOND, value)


@pytest.mark.parametrize("check", detector_checks.ALL, ids=lambda check: check.__name__)
def test_as_every_detector(check):
    check(make)


@pytest.mark.parametrize("check", group_checks.ALL, ids=lambda check: check.__name__)
def test_as_every_detector_of_a_group(check):
    check(make_group)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 2000), max_size=6))
def test_any_split_gives_the_same_bits(cuts):
    detector_checks.check_any_split_gives_the_same_bits(make, cuts)
    group_checks.check_any_split_gives_the_same_bits(make_group, cuts)


def test_single_rows_give_the_same_bits_as_one_batch():
    detector_checks.check_any_split_gives_the_same_bits(make, range(1, 4000))
    group_checks.check_any_split_gives_the_same_bits(make_group, range(1, 2000))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, -3.0, 101_325.0, 1e9]), st.integers(0, 3))
def test_equals_its_twin_in_plain_python(seed, level, gaps):
    rng = np.random.default_rng(seed)
    n = 1600
    time_s = np.cumsum(rng.integers(1, 4, n))
    value = rng.normal(level, 0.1, n) + (np.arange(n) // 40 % 2)
    for at in rng.integers(50, n, gaps).tolist():
        time_s[at:] += int(10.0 ** rng.uniform(0, 5))
        value[at:] += rng.normal()
    value[rng.random(n) < 0.02] = np.nan
    value[1200:1400] += 10.0
    found = HalfSpaceDetector(1).score_many(np.zeros(n, np.int32), time_s * SECOND, value)
    twin = HalfSpaceSeries()
    slow = [twin.step(time, one) for time, one in zip(time_s.tolist(), value.tolist(), strict=True)]
    np.testing.assert_allclose(found.score, [score for score, _ in slow], rtol=1e-12, atol=1e-12)
    assert found.part.tolist() == [NO_PART if part is None else part for _, part in slow]
    assert np.nanmax(found.score) > 3.0


@pytest.mark.parametrize("seed", [1, 5])
def test_of_a_group_equals_its_twin_in_plain_python(seed):
    time_ns, values = group_checks.mixed_rows(1200, seed)
    found = make_group().score_many(time_ns, values)
    twin = HalfSpaceGroup(group_checks.CHANNELS, group_checks.REFERENCE)
    slow = [twin.step(row) for row in values.tolist()]
    np.testing.assert_allclose(found.score, [row[0] for row in slow], rtol=1e-12, atol=1e-12)
    assert found.alarm.tolist() == [row[1] for row in slow]
    assert found.channel.tolist() == [NO_PART if row[2] is None else row[2] for row in slow]


def test_splits_halve_the_range_of_the_paper():
    """A point s in 0..1, the range 2 max(s, 1 - s) on either side: the first split is at the point itself."""
    feature, threshold = splits(1, 200, 2)
    assert not feature.any()
    point = threshold[:, 0]
    assert 0.0 <= point.min() < 0.05
    assert 0.95 < point.max() <= 1.0
    half = 2.0 * np.maximum(point, 1.0 - point)
    np.testing.assert_allclose(threshold[:, 1:], point[:, None] + half[:, None] * [-0.5, 0.5], atol=1e-12)


def labelled(seed, channels=3, n=6000):
    """Three modes of a machine, one row in fifty anywhere in the space around them."""
    rng = np.random.default_rng(seed)
    modes = rng.uniform(0.0, 100.0, (3, channels))
    values = modes[rng.integers(0, 3, n)] + rng.normal(0.0, 2.0, (n, channels))
    wrong = rng.random(n) < 0.02
    values[wrong] = rng.uniform(-20.0, 120.0, (int(wrong.sum()), channels))
    return values, wrong


def auc(wrong, score):
    """How often a wrong row has a higher score than a right one."""
    hits = int(wrong.sum())
    return (rankdata(score)[wrong].sum() - hits * (hits + 1) / 2) / (hits * (len(wrong) - hits))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_tells_as_well_as_that_of_river(seed):
    values, wrong = labelled(seed)
    ours = HalfSpaceGroupDetector(3).score_many(np.arange(len(values)) * SECOND, values).score
    model, theirs = preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(n_trees=25, height=8, seed=seed), []
    for row in values.tolist():
        x = dict(enumerate(row))
        theirs.append(model.score_one(x))
        model.learn_one(x)
    ours_auc, theirs_auc = (auc(wrong[500:], score[500:]) for score in (ours, theirs))
    assert ours_auc > 0.85
    assert ours_auc > theirs_auc - 0.03


def test_a_score_is_about_a_false_alarm_rate():
    score = scored(np.random.default_rng(11).normal(20.0, 0.1, 40_000)).score[1000:]
    for threshold in (1.0, 2.0):
        assert 0.2 < (score >= threshold).mean() * 10**threshold < 5.0
    assert (score >= 3.0).mean() < 5e-3


def test_it_says_which_of_the_three_it_is():
    rng = np.random.default_rng(3)
    value = np.sin(np.arange(4000) / 20.0) + rng.normal(0.0, 0.01, 4000)
    value[3000] = 4.0
    found = scored(value)
    assert found.score[3000] > 2.0
    jump = np.sin(np.arange(4000) / 20.0) + rng.normal(0.0, 0.01, 4000)
    jump[3000:] = np.sin((np.arange(3000, 4000) + 62.83) / 20.0) + rng.normal(0.0, 0.01, 1000)  # half a turn on
    found = scored(jump)
    assert found.score[3000] > 2.0
    assert PARTS[found.part[3000]] in ("step", "residual")


def test_a_fault_stays_one_for_some_windows_and_then_is_normal():
    rng = np.random.default_rng(4)
    values = rng.normal(size=(8000, 3))
    values[2000:] += 8.0
    found = HalfSpaceGroupDetector(3).score_many(np.arange(8000) * SECOND, values)
    assert found.alarm[2001:2200].mean() > 0.9
    assert found.alarm[6000:].mean() < 0.05


def test_it_is_asked_for_by_name_and_its_components_have_words():
    assert isinstance(registry.maker("half_space")(1), HalfSpaceDetector)
    assert isinstance(registry.group_maker("half_space_group")(2, 400), HalfSpaceGroupDetector)
    assert all(f"alarms.component.{part}" in catalogue(language) for language in LANGUAGES for part in PARTS)


BAD = {
    "no-channels": (lambda: HalfSpaceGroupDetector(0), "channels must be 1..254, got 0"),
    "too-many": (lambda: HalfSpaceGroupDetector(255), "got 255"),
    "short-reference": (lambda: HalfSpaceGroupDetector(2, 19), "reference_rows must be >= 20, got 19"),
}


@pytest.mark.parametrize(("call", "words"), BAD.values(), ids=BAD.keys())
def test_bad_settings_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
