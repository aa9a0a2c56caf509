"""Ours among river's detectors, and river's among ours.

`OneAtATime` stands wherever river takes an anomaly detector: a pipeline, a threshold filter, an evaluation.
`RiverDetector` stands wherever Andon takes a detector. It is a slow lane: Python for each row, 4 to 400 us of it, so it
is for window rows or some hundred readings a second, not for the readings of a plant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from river.base import AnomalyDetector, SupervisedAnomalyDetector

from andon.packed import pack, unpack
from andon.readings import F64, I32, I64, NS_PER_S
from detectors.calibration import learn_tail
from detectors.contract import Detector, Scored, check_rows
from detectors.ensemble import EnsembleDetector

LAYOUT = 1
SETTLE, WARM_UP = 20, 200  # rows of a series before raw scores are learned from, before anything is scored
SCORE_MOST = 12.0
FEATURE = "value"
LEVEL_RATE = 0.0005  # of mean and spread of the raw scores; 1/n until then
Q_FIRST, Q_LEAST, Q_RATE = 3.0, 0.0, 0.0003  # step of q: Q_FIRST / rows, Q_RATE at least; q in spreads from the mean
EXCESS, EXCESS_LIMIT = 0.6, 5.0  # prior of the mean excess over q, spreads; one counts for so many of it


class OneAtATime(AnomalyDetector):
    """A detector of ours that takes a row at a time, as river's do.

    Every feature is a series of its own; the score of a row is the highest of its features. A feature that is missing
    or not finite says nothing; nor does a feature beyond the first `most`, so that memory is bounded.

    make    : gives the detector; its argument is the capacity.
    every_s : time that passes from one learned row to the next, s; a row may say its own under the feature `time_ns`.
    most    : so many features have a series.

    >>> model = OneAtATime()
    >>> rng = np.random.default_rng(7)
    >>> for value in rng.normal(20.0, 0.1, 2000):
    ...     model.learn_one({"temperature": value})
    >>> model.score_one({"temperature": 20.1}) < 3.0 < 6.0 < model.score_one({"temperature": 22.0})
    True
    """

    def __init__(
        self, make: Callable[[int], Detector] = EnsembleDetector, every_s: float = 1.0, most: int = 256
    ) -> None:
        self.make, self.every_s, self.most = make, every_s, most
        self._detector = make(0)
        self._series: dict[Any, int] = {}
        self._now_ns = 0

    def score_one(self, x: Mapping[Any, Any]) -> float:
        """-log10 of how often so unusual a row comes; 0 for a row that says nothing. Nothing is learned."""
        before = self._detector.snapshot()
        score = self._step(x)
        self._detector.restore(before)
        return score

    def learn_one(self, x: Mapping[Any, Any]) -> None:
        """Learn a row; time passes."""
        for name in x:
            if name != "time_ns" and len(self._series) < self.most:
                self._series.setdefault(name, len(self._series))
        self._detector.grow(len(self._series))
        self._step(x)
        self._now_ns = self._time_ns(x) + round(self.every_s * NS_PER_S)

    def _time_ns(self, x: Mapping[Any, Any]) -> int:
        return max(self._now_ns, int(x.get("time_ns", self._now_ns)))

    def _step(self, x: Mapping[Any, Any]) -> float:
        known = [name for name in x if name in self._series]
        series = np.array([self._series[name] for name in known], np.int32)
        value = np.array([float(x[name]) for name in known])
        scored = self._detector.score_many(series, np.full(len(known), self._time_ns(x)), value)
        return float(np.nanmax(scored.score, initial=0.0)) if known else 0.0


class RiverDetector:
    """A detector of river for many series, a model each; its scores become -log10 of tail probabilities.

    A raw score is taken as so many mean absolute distances from the mean raw score of its series; the tail of that is
    learned as the others' are (calibration.py). A detector whose scores saturate (`GaussianScorer` at 1.0) cannot tell
    rare from rarer, and gives no high score here. 0 for the first 200 rows of a series. A model that wants a target
    (`GaussianScorer`, `StandardAbsoluteDeviation`, `PredictiveAnomalyDetection`) gets the value as it; others get it as
    the feature `value`.

    Memory is bounded where the model's is: not with `LocalOutlierFactor`, which keeps every row.

    make: gives a model, alike each time (with a seed where it has one).

    >>> from river.anomaly import StandardAbsoluteDeviation
    >>> detector = RiverDetector(1, StandardAbsoluteDeviation)
    >>> value = np.random.default_rng(7).normal(20.0, 0.1, 1000)
    >>> value[900] = 39.0
    >>> int(np.argmax(detector.score_many(np.zeros(1000, np.int32), np.arange(1000) * 1_000_000_000, value).score))
    900
    """

    PARTS: tuple[str, ...] = ("model",)

    def __init__(self, capacity: int, make: Callable[[], AnomalyDetector]) -> None:
        self._make = make
        self._models: dict[int, Any] = {}
        self._tails: dict[int, tuple[float, ...]] = {}  # rows, mean and spread of raw scores; q, excess, run of these
        self._count = capacity

    @property
    def nbytes(self) -> int:
        """Memory of the models as they are kept, bytes."""
        return len(pack(self._models)) + 48 * len(self._tails)

    def grow(self, capacity: int) -> None:
        """Make room for ids up to capacity - 1; never shrinks."""
        self._count = max(self._count, capacity)

    def score_many(self, series: I32, time_ns: I64, value: F64) -> Scored:
        """As `contract.Detector.score_many`."""
        check_rows(series, time_ns, value, self._count)
        scored = Scored.empty(len(value))
        for i, (one, x) in enumerate(zip(series.tolist(), value.tolist(), strict=True)):
            if math.isfinite(x):
                scored.score[i] = self._score(one, x)
                scored.part[i] = 0
        return scored

    def snapshot(self) -> tuple[int, int, bytes]:
        """Everything the detector knows, as plain data."""
        packed = pack((self._models, self._tails))
        return LAYOUT, self._count, pack(unpack(packed))  # alike, whichever of their parts were one object

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Know what `snapshot` knew, and nothing else; capacity becomes at least its own."""
        layout, count, packed = snapshot
        if layout != LAYOUT:
            raise ValueError(f"restore: found layout {layout}, this is layout {LAYOUT}")
        try:
            models, tails = unpack(packed)
        except Exception as error:
            raise ValueError(f"restore: found {len(packed)} bytes that hold no models") from error
        self._models, self._tails, self._count = models, tails, max(self._count, count)

    def _score(self, series: int, x: float) -> float:
        model = self._models.get(series)
        if model is None:
            model = self._models[series] = self._make()
        if isinstance(model, SupervisedAnomalyDetector):
            raw = float(model.score_one({}, x))
            model.learn_one({}, x)
        else:
            raw = float(model.score_one({FEATURE: x}))
            model.learn_one({FEATURE: x})
        score, self._tails[series] = _calibrated(raw, self._tails.get(series, (0.0, raw, 0.0, Q_LEAST, EXCESS, 0.0)))
        return score


def _calibrated(raw: float, tail: tuple[float, ...]) -> tuple[float, tuple[float, ...]]:
    """-log10 of the tail probability of a raw score, and what is known of the tail after it."""
    rows, mean, spread, q, excess, run = tail
    if not math.isfinite(raw):
        return 0.0, tail
    rows += 1.0
    if rows <= SETTLE:  # what a model says of its first rows has no measure: divided by hardly anything, for one
        return 0.0, (rows, raw, 0.0, q, excess, run)
    off = raw - mean
    z = off / spread if spread > 0.0 else 0.0
    score = min(max(1.0 + (z - q) / (math.log(10.0) * excess), 0.0), SCORE_MOST) if rows > WARM_UP and z > 0.0 else 0.0
    rate = max(Q_RATE, Q_FIRST / rows) * 2.0 * max(excess, 0.2)
    q, excess, run = learn_tail(z, q, excess, run, rows, rate, EXCESS_LIMIT)
    weight = max(LEVEL_RATE, 1.0 / (rows - SETTLE))
    return score, (rows, mean + weight * off, spread + weight * (abs(off) - spread), max(q, Q_LEAST), excess, run)
