"""Ours in river, river's in ours: both keep what their side promises."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import anomaly, compose, preprocessing

from detectors.ensemble import EnsembleDetector
from detectors.ewma import EwmaDetector
from detectors.river_faces import OneAtATime, RiverDetector
from tests import detector_checks
from tests.detector_checks import SECOND


def trees():
    return preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(n_trees=3, height=4, window_size=100, seed=1)


def make():
    return RiverDetector(4, trees)


CHECKS = [check for check in detector_checks.ALL if check is not detector_checks.check_a_wild_value_is_explained]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_as_every_detector(check):
    """But for what value it expects: a model of river does not say."""
    check(make)


@settings(max_examples=5, deadline=None)
@given(st.lists(st.integers(0, 4000), max_size=6))
def test_any_split_gives_the_same_bits(cuts):
    detector_checks.check_any_split_gives_the_same_bits(make, cuts)


def test_scores_of_a_model_are_tail_probabilities():
    value = np.random.default_rng(5).normal(20.0, 1.0, 20_000)
    detector = RiverDetector(1, anomaly.StandardAbsoluteDeviation)
    score = detector.score_many(np.zeros(len(value), np.int32), np.arange(len(value)) * SECOND, value).score[1000:]
    for threshold in (1.0, 2.0, 3.0):
        assert 0.3 < (score >= threshold).mean() * 10**threshold < 4.0


@pytest.mark.parametrize("kind", [EnsembleDetector, EwmaDetector])
def test_one_at_a_time_says_what_the_columns_say(kind):
    value = np.random.default_rng(4).normal(20.0, 0.1, 1500)
    value[1200:1210] = 22.0
    value[700] = np.nan
    model, said = OneAtATime(kind), []
    for one in value.tolist():
        model.learn_one({}) if not said else None
        said.append(model.score_one({"value": one}))
        model.learn_one({"value": one})
    columns = kind(1).score_many(np.zeros(1500, np.int32), (1 + np.arange(1500)) * SECOND, value).score
    assert said == np.nan_to_num(columns).tolist()


def test_scoring_learns_nothing_and_clones_are_new():
    model = OneAtATime()
    for one in np.random.default_rng(4).normal(20.0, 0.1, 900).tolist():
        model.learn_one({"a": one, "b": -one})
    same = copy.deepcopy(model)
    for _ in range(50):
        model.score_one({"a": 99.0, "b": 99.0, "never-seen": 1.0})
    assert model.score_one({"a": 22.0}) == same.score_one({"a": 22.0}) > 4.0
    assert model.clone().score_one({"a": 22.0}) == 0.0


def test_it_stands_in_a_pipeline_and_behind_a_filter_of_river():
    model = compose.Pipeline(preprocessing.StandardScaler(), OneAtATime())
    filtered = anomaly.ThresholdFilter(OneAtATime(), threshold=5.0)
    for one in np.random.default_rng(4).normal(20.0, 0.1, 1000).tolist():
        model.learn_one({"value": one})
        filtered.learn_one({"value": one})
    assert model.score_one({"value": 20.05}) < 3.0 < model.score_one({"value": 25.0})
    assert filtered.classify(filtered.score_one({"value": 25.0}))
    assert not filtered.classify(filtered.score_one({"value": 20.05}))


def test_features_beyond_the_most_have_no_series():
    model = OneAtATime(most=2)
    for _ in range(3):
        model.learn_one({"a": 1.0, "b": 2.0, "c": 3.0})
    assert list(model._series) == ["a", "b"]


def test_time_does_not_run_back():
    model = OneAtATime(every_s=60.0)
    model.learn_one({"a": 1.0, "time_ns": 10 * SECOND})
    model.learn_one({"a": 1.0, "time_ns": 5 * SECOND})
    assert model._now_ns == 130 * SECOND
