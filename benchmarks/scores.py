"""Detectors: river's, which take a value at a time, beside Andon's, which take columns of many series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from andon.readings import NS_PER_S
from benchmarks.world import World
from detectors.alarm_manager import AlarmManager
from detectors.registry import DEFAULT, OWN

SERIES = 1_000
AT_ONCE = 8_192
MOST = 1_000_000
WARM = 400  # readings of a series; the default detector scores from its 200th move on
Run = Callable[[], int]


def values(count: int) -> list[float]:
    """Readings of a steady series."""
    noise: list[float] = np.random.default_rng(7).normal(20.0, 0.5, count).round(2).tolist()
    return noise


@dataclass
class Judged:
    """A detector of `count` series at `hz`, and the alarms of its scores where `managed`: readings that go on and on.

    In each round every series reads once, in an order of its own.
    """

    name: str
    count: int
    hz: float
    managed: bool = True
    rows: int = 0

    def __post_init__(self) -> None:
        self.detector, self.alarms = OWN[self.name](self.count), AlarmManager(self.count)
        self._value = np.array(values(MOST))
        order = np.random.default_rng(8).permuted(np.tile(np.arange(self.count), (MOST // self.count, 1)), axis=1)
        self._series = order.astype(np.int32).ravel()

    def run(self, rows: int) -> int:
        """So many readings more."""
        for begin in range(0, rows, AT_ONCE):
            some = slice(begin, min(begin + AT_ONCE, rows))
            number = np.arange(some.start, some.stop) + self.rows
            time_ns = (number * (NS_PER_S / (self.count * self.hz))).astype(np.int64)
            said = self.detector.score_many(self._series[some], time_ns, self._value[some])
            if self.managed:
                self.alarms.step(self._series[some], time_ns, said.score)
        self.rows += rows
        return rows


def ours(name: str, count: int = SERIES, *, managed: bool = True) -> Callable[[World], Run]:
    """A million readings of a detector that knows its series: it has seen WARM of each."""

    def ready(_world: World) -> Run:
        judged = Judged(name, count, 10.0, managed)
        for _ in range(-(-count * WARM // MOST)):
            judged.run(MOST)
        return lambda: judged.run(MOST)

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
    "default_detector": ours(DEFAULT),
    "default_detector_5k": ours(DEFAULT, 5_000),
    "ewma_detector": ours("ewma", managed=False),
    "river_half_space_trees": half_space_trees,
    "river_ew_mean_and_variance": ew_mean_and_variance,
    "river_page_hinkley": page_hinkley,
}
