"""Detectors of drift: has the mean, or the distribution, of a stream changed since the last time it did?

Page-Hinkley, ADWIN and KSWIN for many streams. The streams are inputs (does what arrives still look as it did?) or
scores and errors of another detector or model (is it still right?). docs/detection-drift.md says which is for what.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np
from scipy.stats import ks_2samp

from andon.readings import F64, I32, U8
from detectors import drift_kernel as kernel

LAYOUT = 1
Snapshot = tuple[int, str, bytes]  # layout, the detector and its setting, states


class DriftDetector(ABC):
    """What the three have in common: a row of float64 a stream, ids of streams 0..capacity - 1.

    A value that is not finite (or beyond 1e150) is no drift and changes nothing. Memory is bounded by the number of
    streams. The same rows in any split give the same drifts.
    """

    setting: str  # the detector and what it was made with
    width: int  # of a stream's state, float64s

    def __init__(self, capacity: int, width: int, **setting: float) -> None:
        self.width = width
        self.setting = " ".join([type(self).__name__, *(f"{key}={value!r}" for key, value in setting.items())])
        self._states = np.zeros((capacity, width))

    @property
    def nbytes(self) -> int:
        """Memory of the state, bytes."""
        return self._states.nbytes

    def grow(self, capacity: int) -> None:
        """Make room for ids up to capacity - 1; never shrinks."""
        more = capacity - len(self._states)
        if more > 0:
            self._states = np.concatenate([self._states, np.zeros((more, self.width))])

    def step(self, series: I32, value: F64) -> U8:
        """1 on each row on which a drift of its stream is seen, uint8[n].

        series: int32[n], ids; value: float64[n]. None is changed.

        Raises: ValueError where lengths differ or an id is outside 0..capacity - 1.
        """
        if len(series) != len(value):
            raise ValueError(f"step: lengths differ: series {len(series)}, value {len(value)}")
        if len(series) and not 0 <= int(series.min()) <= int(series.max()) < len(self._states):
            here = f"allowed 0..{len(self._states) - 1}; call grow first"
            raise ValueError(f"step: series {series.min()}..{series.max()}, {here}")
        drift = np.zeros(len(value), np.uint8)
        self._run(series, value, drift)
        return drift

    @abstractmethod
    def _run(self, series: I32, value: F64, drift: U8) -> None:
        """Write 1 into drift where there is one; ids and lengths are right."""

    def snapshot(self) -> Snapshot:
        """Everything the detector knows, as plain data."""
        return LAYOUT, self.setting, self._states.tobytes()

    def restore(self, snapshot: Snapshot) -> None:
        """Know what `snapshot` knew, and nothing else; capacity becomes at least its own.

        Raises: ValueError on another layout, another detector or setting, or torn data.
        """
        layout, setting, states = snapshot
        if (layout, setting) != (LAYOUT, self.setting) or len(states) % (8 * self.width):
            here = f"layout {LAYOUT} of {self.setting}, {8 * self.width} bytes a stream"
            raise ValueError(f"restore: found layout {layout} of {setting}, {len(states)} bytes; this is {here}")
        capacity = len(self._states)
        self._states = np.frombuffer(states).reshape(-1, self.width).copy()
        self.grow(capacity)


class PageHinkley(DriftDetector):
    """Cumulative sums of the distances from the mean of all rows since the last drift, both ways.

    A drift is a sum `threshold` above its least, or below its most; the stream begins anew with the row after it.
    Decisions are those of river's PageHinkley (mode both), row for row.

    threshold: in the unit of the values times rows; delta: what a row may be off, in their unit: both must suit the
    stream, so scale it first. alpha: what a sum keeps from row to row. least_rows: before the first drift.

    Good at: jumps and lasting shifts of the mean of a stream of known scale, at hardly any cost. Bad at: streams of
    unknown scale; changes of spread or shape; slow drift, which the mean follows.

    Cost: O(1), 0.01 us a row; 48 bytes a stream. Source: Page, Biometrika 41 (1954); Hinkley, Biometrika 58 (1971).

    >>> value = np.r_[np.zeros(500), np.full(100, 5.0)]
    >>> np.flatnonzero(PageHinkley(1, threshold=20.0).step(np.zeros(600, np.int32), value)).tolist()
    [504]
    """

    def __init__(
        self, capacity: int, *, threshold: float = 50.0, delta: float = 0.005, alpha: float = 0.9999,
        least_rows: int = 30,
    ) -> None:  # fmt: skip
        super().__init__(
            capacity, kernel.PH_WIDTH, threshold=threshold, delta=delta, alpha=alpha, least_rows=least_rows
        )
        self._arguments = (float(least_rows), delta, threshold, alpha)

    def _run(self, series: I32, value: F64, drift: U8) -> None:
        kernel.page_hinkley(series, value, self._states, *self._arguments, drift)


class Adwin(DriftDetector):
    """A window that is as long as its mean has stayed the same, kept as buckets of 1, 2, 4, ... values.

    Every `clock` rows each border between buckets is looked at: where the means on both sides differ by more than
    chance explains with confidence 1 - delta, it is a drift, and the oldest buckets go until none differ. The newer
    part of the window stays, as in the paper: a large change is told again while rests of the old level are dropped.
    Those are the decisions of river's window, row for row; river's ADWIN throws the whole window away after a drift.

    delta: 0..1; clock: rows; buckets: of one size at most; least: values on each side; grace: rows before the first
    look.

    Good at: shifts of the mean of any size and scale, abrupt or slow, of inputs and of errors (0 and 1), with few false
    alarms and no memory of rows. Bad at: changes of spread or shape that leave the mean; cycles, which are drifts to
    it.

    Cost: O(log rows), 0.05 us a row; 4.2 kB a stream. Source: Bifet and Gavalda, "Learning from Time-Changing Data with
    Adaptive Windowing", SDM 2007 (ADWIN2).

    >>> value = np.random.default_rng(7).normal(0.0, 1.0, 2000) + 3.0 * (np.arange(2000) >= 1000)
    >>> int(Adwin(1).step(np.zeros(2000, np.int32), value).argmax())
    1023
    """

    def __init__(
        self, capacity: int, *, delta: float = 0.002, clock: int = 32, buckets: int = 5, least: int = 5, grace: int = 10
    ) -> None:
        width = kernel.A_HEAD + kernel.LEVELS + 2 * kernel.LEVELS * (buckets + 1)
        super().__init__(capacity, width, delta=delta, clock=clock, buckets=buckets, least=least, grace=grace)
        self._arguments = (delta, clock, buckets, float(least), float(grace))

    def mean(self, series: int) -> float:
        """Of the stream's window; NaN before its first value."""
        width = float(self._states[series, kernel.A_WIDTH])
        return float(self._states[series, kernel.A_TOTAL]) / width if width else math.nan

    def _run(self, series: I32, value: F64, drift: U8) -> None:
        kernel.adwin(series, value, self._states, *self._arguments, drift)


class Kswin(DriftDetector):
    """Kolmogorov and Smirnov's test of the last `recent` values against as many drawn by chance from those before.

    A drift is a distance whose exact probability is at most alpha, and above 0.1; the recent values stay, as in the
    paper (river's KSWIN throws them away too). What is drawn depends on the seed and the stream's rows alone, so the
    same rows give the same drifts.

    alpha: of one test; each row is one, so that a stream without change has a drift in some 600 rows with the
    default. window: values held; recent: of them the last, at most half.

    Good at: any change of the distribution, spread and shape too, without a scale. Bad at: rare false alarms; slow
    drift, which is the same over one window; a pattern within a window (a cycle is a change of distribution).

    Cost: O(window), 2 us a row; 0.8 kB a stream. Source: Raab, Heusinger and Schleif, "Reactive Soft Prototype
    Computing for Concept Drift Streams", Neurocomputing 416 (2020).

    Raises: ValueError where recent is 0 or more than half of the window, or alpha not within 0..1.

    >>> value = np.random.default_rng(7).normal(0.0, 1.0, 600) * np.where(np.arange(600) < 400, 1.0, 5.0)
    >>> int(Kswin(1, alpha=1e-4).step(np.zeros(600, np.int32), value).argmax())
    441
    """

    def __init__(
        self, capacity: int, *, alpha: float = 0.005, window: int = 100, recent: int = 30, seed: int = 1
    ) -> None:  # fmt: skip
        if not 0 < 2 * recent <= window:
            raise ValueError(f"Kswin: recent must be 1..{window // 2} of a window of {window}, got {recent}")
        if not 0.0 < alpha < 1.0:
            raise ValueError(f"Kswin: alpha must be within 0..1, got {alpha}")
        width = kernel.K_HEAD + window
        super().__init__(capacity, width, alpha=alpha, window=window, recent=recent, seed=seed)
        self._arguments = (window, recent, least_distance(recent, alpha), float(seed % 2**32))
        self._chosen = np.zeros(window, np.int32)

    def _run(self, series: I32, value: F64, drift: U8) -> None:
        kernel.kswin(series, value, self._states, *self._arguments, self._chosen, drift)


def least_distance(n: int, alpha: float) -> int:
    """Least count c so that two samples of n whose distributions are c / n apart have probability alpha or less.

    n + 1 where there is none.

    >>> least_distance(30, 0.005)
    14
    """
    even = np.arange(n, dtype=np.float64)
    for count in range(int(n * kernel.KS_LEAST) + 1, n + 1):
        if ks_2samp(even, even + count - 0.5, method="exact").pvalue <= alpha:
            return count
    return n + 1
