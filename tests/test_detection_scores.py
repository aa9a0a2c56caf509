"""The scores of the recorded benchmarks: a series small enough to count by hand, and a second implementation."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.readings import NS_PER_S
from benchmarks import nab, skab
from tests.tree import ROOT

SHARED = Path(os.environ.get("ANDON_RECORDED") or ROOT.parent / "shared" / "data")
TOOL = SHARED.parent / "tools" / "nab_score.py"
needs_nab = pytest.mark.skipif(
    not (SHARED / "nab").exists(), reason=f"no series at {SHARED}; set ANDON_RECORDED to a folder with nab and skab"
)
needs_skab = pytest.mark.skipif(
    not (SHARED / "skab").exists(), reason=f"no series at {SHARED}; set ANDON_RECORDED to a folder with nab and skab"
)


def series(windows, n=1000, name="one"):
    return nab.LabelledSeries(name, np.arange(n) * 300 * NS_PER_S, np.zeros(n), tuple(windows))


def alarm(n, *rows):
    column = np.zeros(n)
    column[list(rows)] = 1.0
    return column


def test_silence_is_0_and_the_first_row_of_every_window_100():
    judge = nab.Judge([series([(300, 399), (700, 799)]), series([], name="two")])
    silent = judge.at([np.zeros(1000), np.zeros(1000)])
    perfect = judge.at([alarm(1000, 300, 700), np.zeros(1000)])
    assert set(silent.scores.values()) == {0.0}
    assert set(perfect.scores.values()) == {100.0}
    assert (silent.recall, perfect.recall, perfect.false, perfect.delay_s) == (0.0, 1.0, 0, 0.0)


def test_a_late_hit_counts_less_and_the_best_one_alone():
    judge = nab.Judge([series([(300, 399)])])
    at = {row: judge.at([alarm(1000, row)]).scores["standard"] for row in (300, 350, 399)}
    assert at[300] == 100.0
    assert at[350] == pytest.approx(100 * (1 + (2 / (1 + np.exp(-2.5)) - 1) / (2 / (1 + np.exp(-5)) - 1)) / 2)
    assert 50.0 < at[399] < at[350]
    assert judge.at([alarm(1000, 350, 351, 399)]).scores["standard"] == at[350]


def test_a_false_alarm_costs_less_just_behind_a_window_and_nothing_in_probation():
    judge = nab.Judge([series([(300, 399)])])
    far = judge.at([alarm(1000, 200, 300)])
    assert far.scores["standard"] == pytest.approx(100.0 * (1.0 - 0.11 / 2.0))
    assert far.scores["low_fp"] == pytest.approx(100.0 * (1.0 - 0.22 / 2.0))
    assert far.scores["low_fn"] == pytest.approx(100.0 * (1.0 - 0.11 / 3.0))
    assert far.scores["standard"] < judge.at([alarm(1000, 300, 402)]).scores["standard"] < 100.0
    assert judge.at([alarm(1000, 149, 300)]).scores["standard"] == 100.0
    assert judge.at([alarm(1000, 150, 300)]).scores["standard"] < 100.0


def test_the_interval_is_as_wide_as_series_differ():
    alike = nab.Judge([series([(300, 399)], name=str(at)) for at in range(6)])
    assert alike.interval("standard", [alarm(1000, 300)] * 6) == (100.0, 100.0)
    half = [alarm(1000, 300)] * 3 + [np.zeros(1000)] * 3
    low, high = alike.interval("standard", half)
    assert low < alike.at(half).scores["standard"] == 50.0 < high
    assert 10.0 < high - low < 70.0


def test_runs_of_false_rows_are_episodes_for_each_day():
    found = nab.Judge([series([(300, 399)])]).at([alarm(1000, 200, 201, 202, 500, 900)])
    assert (found.false, found.recall) == (3, 0.0)
    assert found.false_per_day == pytest.approx(3 / (999 * 300 / 86_400))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_best_threshold_is_the_best_of_all_that_are_tried(seed):
    rng = np.random.default_rng(seed)
    judge = nab.Judge([series([(300, 340), (500, 520)], 700), series([(50, 90)], 400)])
    scores = [rng.integers(0, 30, 700).astype(float), rng.integers(0, 30, 400).astype(float)]
    for profile in nab.PROFILES:
        tried = {at: judge.at(scores, at).scores[profile] for at in [*map(float, range(31))]}
        best, threshold = judge.best(scores, profile)
        assert best == pytest.approx(max(0.0, *tried.values()))
        if best > 0.0:
            assert tried[threshold] == pytest.approx(best)


@needs_nab
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves files open
def test_agrees_with_a_second_implementation_on_recorded_series():
    spec = importlib.util.spec_from_file_location("nab_score", TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    corpus = nab.load(SHARED / "nab")
    judge, other = nab.Judge(corpus), tool.NAB()
    rng = np.random.default_rng(1)
    scores = [np.round(rng.random(len(one.value)) ** 0.1, 4) for one in corpus]
    given = {one.name: score for one, score in zip(corpus, scores, strict=True)}
    names = {"standard": "standard", "low_FP": "low_fp", "low_FN": "low_fn"}
    for threshold in (0.9, 0.999, 0.9999):
        expected, found = other.score(given, threshold), judge.at(scores, threshold)
        assert {names[key]: pytest.approx(value, abs=0.006) for key, (value, _) in expected.items()} == found.scores
        detail = other.detail(given, threshold)
        assert (found.recall, found.false) == (pytest.approx(detail["event_recall"]), detail["fp_episodes"])
    for key, (value, _) in other.score(given).items():
        assert judge.best(scores, names[key])[0] == pytest.approx(value, abs=0.006)


def test_both_layouts_of_the_folder_are_read(tmp_path):
    text = "timestamp,value\n2026-10-25 02:30:00,1\n2026-10-25 02:35:00,2\n2026-10-25 02:30:00,3\n"
    windows = json.dumps({"plant/a.csv": [["2026-10-25 02:30:00.000000", "2026-10-25 02:35:00.000000"]]})
    for labels, data in (("flat/windows.json", "flat"), ("repo/labels/combined_windows.json", "repo/data")):
        (tmp_path / data / "plant").mkdir(parents=True)
        (tmp_path / labels).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / labels).write_text(windows)
        (tmp_path / data / "plant" / "a.csv").write_text(text)
        (one,) = nab.load(tmp_path / labels.partition("/")[0])
        assert (one.name, one.windows, one.value.tolist()) == ("plant/a.csv", ((0, 1),), [1.0, 2.0, 3.0])


def test_rates_of_rows_behind_the_reference():
    n = skab.REFERENCE + 10
    anomaly = np.arange(n) >= skab.REFERENCE + 6
    one = skab.LabelledRows("valve1", "0.csv", np.arange(n), np.zeros((n, 1)), anomaly, ("a",))
    rings = np.zeros(n)
    rings[: skab.REFERENCE] = 1.0  # not scored
    rings[skab.REFERENCE + 5 : skab.REFERENCE + 8] = 1.0
    found = skab.rates([one], [rings])
    assert (found.f1, found.false_alarm, found.missed_alarm) == pytest.approx((2 * 2 / (2 * 2 + 1 + 2), 1 / 6, 2 / 4))


@needs_skab
def test_always_alarm_on_recorded_rows_is_what_the_field_reports():
    files = skab.load(SHARED / "skab")
    found = skab.rates(files, [np.ones(len(one.anomaly)) for one in files])
    assert files[0].channels[0] == "Accelerometer1RMS"
    assert files[0].values.shape[1] == 8
    assert (found.false_alarm, found.missed_alarm) == (1.0, 0.0)
    assert 0.65 < found.f1 < 0.75
