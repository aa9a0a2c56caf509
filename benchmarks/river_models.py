"""river's anomaly detectors as its documentation shows them, for benchmarks/detection.py."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from river import anomaly, preprocessing
from river.base import AnomalyDetector

from detectors.contract import Detector
from detectors.river_faces import RiverDetector


class Lagged(AnomalyDetector):
    """A model of river on the last few values of a series, as features."""

    def __init__(self, model: AnomalyDetector, lags: int = 5) -> None:
        self.model, self.lags = model, lags
        self._last: deque[float] = deque(maxlen=lags)

    def score_one(self, x: Mapping[Any, Any]) -> float:
        """Of the value among the ones before it."""
        return float(self.model.score_one(self._features(x)))

    def learn_one(self, x: Mapping[Any, Any]) -> None:
        """As score_one; the value is remembered."""
        self.model.learn_one(self._features(x))
        self._last.append(x["value"])

    def _features(self, x: Mapping[Any, Any]) -> dict[Any, float]:
        last = [x["value"], *reversed(self._last)]
        return {f"lag{at}": last[min(at, len(last) - 1)] for at in range(self.lags)}


def rivers() -> dict[str, Callable[[], Detector]]:
    """river's, as its documentation shows them; each a model a series, its scores calibrated as ours are."""
    scaled = preprocessing.MinMaxScaler
    models: dict[str, Callable[[], AnomalyDetector]] = {
        "river GaussianScorer, window 1000": partial(anomaly.GaussianScorer, window_size=1000),
        "river StandardAbsoluteDeviation": anomaly.StandardAbsoluteDeviation,
        "river HalfSpaceTrees": lambda: scaled() | anomaly.HalfSpaceTrees(seed=1),
        "river HalfSpaceTrees, 5 lags": lambda: Lagged(scaled() | anomaly.HalfSpaceTrees(seed=1)),
        "river OneClassSVM": lambda: preprocessing.StandardScaler() | anomaly.OneClassSVM(),
        "river OneClassSVM, 5 lags": lambda: Lagged(preprocessing.StandardScaler() | anomaly.OneClassSVM()),
        "river LODA, 5 lags": lambda: Lagged(preprocessing.StandardScaler() | anomaly.LODA(seed=1)),
    }  # fmt: skip
    return {name: partial(RiverDetector, 1, make) for name, make in models.items()}
