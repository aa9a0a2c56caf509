"""Detectors: river's, which take a value at a time, beside Andon's, which take columns of many series."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from andon.readings import NS_PER_S
from benchmarks.world import World
from detectors.ewma import EwmaDetector
from detectors.robust import RobustDetector

SERIES = 1_000
AT_ONCE = 8_192
Run = Callable[[], int]


def values(count: int) -> list[float]:
    """Readings of a steady series."""
    noise: list[float] = np.random.default_rng(7).normal(20.0, 0.5, count).round(2).tolist()
    return noise


def ours(make: Callable[[int], RobustDetector | EwmaDetector]) -> Callable[[World], Run]:
    """A detector of 1,000 series over a million readings; each run begins with empty state."""

    def ready(_world: World) -> Run:
        count = 1_000_000
        value, number = np.array(values(count)), np.arange(count)
        series = np.random.default_rng(8).integers(0, SERIES, count).astype(np.int32)
        time_ns = number * (NS_PER_S // 10_000)

        def run() -> int:
            detector = make(SERIES)
            for begin in range(0, count, AT_ONCE):
                some = slice(begin, begin + AT_ONCE)
                detector.score_many(series[some], time_ns[some], value[some])
            return count

        return run

    return ready


def half_space_trees(_world: World) -> Run:
    """river's HalfSpaceTrees as its documentation shows: 10 trees of height 8 behind a MinMaxScaler; one model."""
    from river import anomaly, preprocessing

    rows = values(5_000)

    def run() -> int:
        model = preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(seed=1)
        for value in rows:
            row = {"x": value}
            model.score_one(row)
            model.learn_one(row)
        return len(rows)

    return run


def ew_mean_and_variance(_world: World) -> Run:
    """river's EWMean and EWVar and a z-score of them; one model."""
    from river import stats

    rows = values(100_000)

    def run() -> int:
        mean, variance = stats.EWMean(0.05), stats.EWVar(0.05)
        for value in rows:
            _ = abs(value - mean.get()) / (variance.get() ** 0.5 + 1e-9)
            mean.update(value)
            variance.update(value)
        return len(rows)

    return run


def page_hinkley(_world: World) -> Run:
    """river's PageHinkley; one model."""
    from river import drift

    rows = values(50_000)

    def run() -> int:
        model = drift.PageHinkley()
        for value in rows:
            model.update(value)
        return len(rows)

    return run


DETECTORS: dict[str, Callable[[World], Run]] = {
    "robust_detector": ours(RobustDetector),
    "ewma_detector": ours(EwmaDetector),
    "river_half_space_trees": half_space_trees,
    "river_ew_mean_and_variance": ew_mean_and_variance,
    "river_page_hinkley": page_hinkley,
}
