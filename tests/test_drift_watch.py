"""Drift of input, score and alarm rate: quiet on noise, days and weekends, loud on a lasting change."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.drift_watch import OPEN, RECENT, REFERENCE, SIGNALS, STATE, WINDOW_NS, Drifts, DriftWatch
from tests import naive_drift_watch

A_YEAR = 1461


def told(found: Drifts) -> list[tuple[int, str, int, float, float]]:
    columns = (column.tolist() for column in found[1:])
    return [(series, SIGNALS[signal], *rest) for series, signal, *rest in zip(*columns, strict=True)]


def noise(windows: int, streams: int, phi: float, seed: int = 3) -> np.ndarray:
    """Window means, float64[windows, streams], AR(1) with spread 1 at 100."""
    rng = np.random.default_rng(seed)
    made = np.zeros((windows, streams))
    now = rng.normal(size=streams)
    for at in range(windows):
        now = phi * now + np.sqrt(1.0 - phi * phi) * rng.normal(size=streams)
        made[at] = now
    return made + 100.0


def of_means(value: np.ndarray, score: np.ndarray | None = None) -> list[tuple[int, str, int, float, float]]:
    """Drifts where each window has one row; value, score: float64[windows, streams]."""
    windows, streams = value.shape
    watch = DriftWatch(streams)
    series = np.tile(np.arange(streams, dtype=np.int32), windows)
    time_ns = np.repeat(np.arange(windows, dtype=np.int64) * WINDOW_NS, streams)
    scores = np.full(value.size, 0.5) if score is None else score.ravel()
    return told(watch.step(series, time_ns, value.ravel(), scores))


@pytest.mark.parametrize(
    ("phi", "most"), [(0.0, 1), (0.3, 8), (0.5, 20), (0.7, 40)], ids=["white", "0.3", "0.5", "0.7"]
)
def test_stationary_noise_is_quiet_for_years(phi: float, most: int) -> None:
    """200 streams of a year; what docs/models.md says, with room for chance."""
    assert len(of_means(noise(A_YEAR, 200, phi))) <= most


@pytest.mark.parametrize("days", [(0, 1, 2, 3, 4), (0, 1, 2, 3, 4, 5, 6)], ids=["weekends-off", "day-shift-only"])
def test_what_returns_each_week_is_no_drift(days: tuple[int, ...]) -> None:
    at = np.arange(A_YEAR)
    runs = np.isin(at // 4 % 7, days) & ((at % 4 == 1) | (len(days) == 5))
    value = noise(A_YEAR, 20, 0.0) + 50.0 * runs[:, None]
    assert of_means(value) == []


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_lasting_change_of_three_standard_deviations_is_told_with_both_levels(sign: float) -> None:
    value = noise(200, 300, 0.0)
    value[100:] += 3.0 * sign
    found = [one for one in of_means(value) if one[2] > 100 * WINDOW_NS]
    first = {one[0]: one for one in reversed(found)}
    delay = np.array([one[2] // WINDOW_NS - 100 for one in first.values()])
    assert len(first) >= 299
    assert np.median(delay) <= 9
    assert np.median([one[3] for one in first.values()]) == pytest.approx(100.0, abs=0.2)
    assert np.median([one[4] for one in first.values()]) == pytest.approx(100.0 + 3.0 * sign, abs=0.5)
    assert {one[1] for one in first.values()} == {"input"}


def test_score_and_alarm_rate_have_drifts_of_their_own() -> None:
    score = np.abs(noise(100, 1, 0.0) - 100.0) * 0.1 + 0.5
    score[60:] += 1.0  # below the alarm threshold
    score[80:] = 5.0
    assert [one[1] for one in of_means(noise(100, 1, 0.0), score)] == ["score", "alarm_rate"]


def test_one_bad_half_day_and_a_change_smaller_than_noise_of_rows_are_none() -> None:
    value = noise(100, 1, 0.0)
    value[60:62] += 1e6
    assert of_means(value) == []
    rng = np.random.default_rng(1)
    per_window, windows = 60, 100
    time_ns = np.repeat(np.arange(windows) * WINDOW_NS, per_window) + np.tile(np.arange(per_window), windows)
    rows = np.tile(np.linspace(-1.7, 1.7, per_window), windows) + rng.normal(0.0, 1e-3, len(time_ns))
    rows[60 * per_window :] += 0.1
    zero = np.zeros(len(rows), np.int32)
    assert told(DriftWatch(1).step(zero, time_ns, rows, np.full(len(rows), 0.5))) == []


def test_after_a_drift_the_next_week_is_the_reference() -> None:
    value = noise(300, 1, 0.0)
    value[60:] += 10.0
    value[200:] += 10.0
    (first, second) = of_means(value)
    assert second[3] == pytest.approx(110.0, abs=1.0)
    assert (second[2] - first[2]) // WINDOW_NS > REFERENCE
    assert (first[2] // WINDOW_NS - 60, second[2] // WINDOW_NS - 200) == (RECENT + 1, RECENT + 1)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), offset=st.sampled_from([0.0, 20.0, 101_325.0]),
    cuts=st.lists(st.integers(1, 2_999), max_size=6), restart=st.booleans(),
)  # fmt: skip
def test_as_the_naive_twin_however_the_log_is_cut(seed: int, offset: float, cuts: list[int], restart: bool) -> None:
    n, streams = 3_000, 3
    rng = np.random.default_rng(seed)
    series = rng.integers(0, streams, n).astype(np.int32)
    time_ns = np.cumsum(rng.integers(0, 2 * 250 * WINDOW_NS // n, n))
    level = np.where(np.arange(n) > rng.integers(n), rng.normal() * 5.0, 0.0)
    value = offset + level + rng.normal(size=n)
    score = np.where(rng.random(n) < 0.02, np.nan, np.abs(rng.normal(0.3, 0.2, n)) + np.abs(level))
    watch, found = DriftWatch(streams), []
    ends = sorted({0, n, *cuts})
    for a, b in pairwise(ends):
        if restart:
            kept, watch = watch.snapshot(), DriftWatch(0)
            watch.restore(kept)
        found += told(watch.step(series[a:b], time_ns[a:b], value[a:b], score[a:b]))
    assert found == told(DriftWatch(streams).step(series, time_ns, value, score))
    for one in range(streams):
        own = series == one
        rows = list(zip(time_ns[own].tolist(), value[own].tolist(), score[own].tolist(), strict=True))
        wanted = naive_drift_watch.drifts(rows)
        mine = [row[1:] for row in found if row[0] == one]
        assert [row[:2] for row in mine] == [row[:2] for row in wanted]
        np.testing.assert_allclose([row[2:] for row in mine], [row[2:] for row in wanted], rtol=1e-9, atol=1e-9)


def test_more_drifts_in_one_step_than_there_is_room_for() -> None:
    value = noise(80, 100, 0.0)
    value[40:] += 100.0
    assert len({one[0] for one in of_means(value)}) == 100


def test_memory_is_bounded_and_what_is_wrong_is_refused() -> None:
    watch = DriftWatch(5_000)
    watch.snapshot()
    assert watch.nbytes <= 5_000 * 800
    watch.grow(5_001)
    assert watch.nbytes <= 5_001 * (OPEN.itemsize + STATE.itemsize + 144)
    one, at, x = np.zeros(1, np.int32), np.zeros(1, np.int64), np.zeros(1)
    with pytest.raises(ValueError, match="lengths differ"):
        watch.step(one, at, np.zeros(2), x)
    with pytest.raises(ValueError, match="call grow first"):
        DriftWatch(0).step(one, at, x, x)
    with pytest.raises(ValueError, match="layout 1"):
        watch.restore((9, b"", b"", b""))
    watch.begin(3)
    assert len(watch.step(one, at, x, x).series) == 0


def test_a_snapshot_is_of_now_whatever_was_kept_of_the_one_before() -> None:
    rows = np.zeros(40, np.int32), np.arange(40) * WINDOW_NS, np.arange(40.0), np.full(40, 0.5)
    watch = DriftWatch(1)
    for at in range(40):
        watch.step(*(column[at : at + 1] for column in rows))
        other = DriftWatch(0)
        other.restore(watch.snapshot())
        assert other.snapshot() == watch.snapshot()
        assert other._states.tobytes() == watch._states.tobytes()
        assert watch.snapshot()[2] is watch.snapshot()[2]
    watch.grow(3)
    assert len(watch.snapshot()[2]) == 3 * STATE.itemsize
    watch.begin(0)
    assert not any(watch.snapshot()[2])
