"""The condition of one series over time: mean of a window, its zone, and the trend of means of longer stretches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numba import njit

from andon.readings import F64, I64, NS_PER_S, U8, Status
from operators.baseline import alarm_level, novelty_score
from operators.trend import Trend, robust_trend
from operators.zones import held_zone

BINS = 60  # means that the trend is taken over: enough for a slope, small enough to keep a snapshot of it each hour
DAY_NS = 86_400 * NS_PER_S
ORIGIN, SUM, COUNT, MOST = range(4)  # of a running mean: sums are of what lies beside the first value


@njit(nogil=True, cache=True)
def add_until(time_ns: I64, value: F64, begin: int, end_ns: int, mean: F64) -> int:
    """Rows from `begin` on that are earlier than end_ns into mean, float64[4]; returns where the rest begins."""
    at = begin
    while at < time_ns.shape[0] and time_ns[at] < end_ns:
        if mean[2] == 0.0:
            mean[0] = value[at]
            mean[3] = value[at]
        mean[1] += value[at] - mean[0]
        mean[2] += 1.0
        mean[3] = max(mean[3], value[at])
        at += 1
    return at


def mean_of(mean: F64) -> float | None:
    """The mean of what `add_until` took; None of nothing."""
    return float(mean[ORIGIN] + mean[SUM] / mean[COUNT]) if mean[COUNT] else None


@dataclass(frozen=True, slots=True)
class WearSpec:
    """bounds: of the zones A/B, B/C, C/D, or none. limit: where the time to it ends. bin_ns: length of one mean.

    learn: windows that make the baseline; 0: none is learned.
    """

    bounds: tuple[float, ...]
    hysteresis: float
    limit: float | None
    bin_ns: int
    exponential: bool
    confidence: float
    learn: int = 0


class Wear:
    """State of one series; plain sequential, so any split of the rows gives the same bits."""

    def __init__(self, spec: WearSpec) -> None:
        self.spec = spec
        self.window: F64 = np.zeros(4)
        self.uncertain = 0
        self.zone = 0  # 0: none yet
        self.over = False  # beyond the alarm of the baseline
        self.learned: tuple[float, ...] = ()
        self._bin: F64 = np.zeros(4)
        self._bin_end_ns = 0  # of the open bin; 0: none is open
        self._bins: list[tuple[int, float]] = []  # (end_ns, mean) of closed ones
        self._trend: tuple[Trend | None] | None = None  # of these bins, once computed

    def take(self, time_ns: I64, value: F64, status: U8, counted_from_ns: int) -> None:
        """Rows in order of time; those before counted_from_ns are of the trend only."""
        n = len(time_ns)
        if n == 0:
            return
        first = int(np.searchsorted(time_ns, counted_from_ns)) if time_ns[0] < counted_from_ns else 0
        add_until(time_ns, value, first, 2**63 - 1, self.window)
        self.uncertain += int(np.count_nonzero(status[first:] == Status.UNCERTAIN))
        at = 0
        while at < n:
            if self._bin_end_ns <= time_ns[at]:
                self._close_bin()
                self._bin_end_ns = (int(time_ns[at]) // self.spec.bin_ns + 1) * self.spec.bin_ns
            at = add_until(time_ns, value, at, self._bin_end_ns, self._bin)

    def close(self, end_ns: int) -> tuple[float | None, float | None]:
        """(mean, largest) of the window that ends now; its zone is in `zone`, and a new window begins."""
        found = mean_of(self.window), float(self.window[MOST]) if self.window[COUNT] else None
        self.zone = self.zone_at(found[0])
        if found[0] is not None and len(self.learned) < self.spec.learn:
            self.learned = (*self.learned, found[0])
        self.over = bool(self.over_at(found[0]))
        self.window, self.uncertain = np.zeros(4), 0
        self.pass_to(end_ns)
        return found

    def zone_at(self, value: float | None) -> int:
        """The zone that a window of this mean has; the one before where there is none."""
        if value is None or not self.spec.bounds:
            return self.zone
        return held_zone(value, self.spec.bounds, self.zone, self.spec.hysteresis)

    @property
    def baseline(self) -> float | None:
        """Median of the windows learned; None until all are."""
        return median(self.learned) if self.spec.learn and len(self.learned) == self.spec.learn else None

    @property
    def alarm(self) -> float | None:
        """Level of the alarm over the baseline; None without a baseline or zones."""
        baseline = self.baseline
        return alarm_level(baseline, self.spec.bounds[1]) if baseline is not None and self.spec.bounds else None

    def over_at(self, value: float | None) -> bool | None:
        """Whether a window of this mean is beyond the alarm, with the zones' hysteresis; as before without a mean."""
        alarm = self.alarm
        if alarm is None:
            return None
        if value is None:
            return self.over
        return value > alarm or (self.over and value > alarm * (1.0 - self.spec.hysteresis))

    def novelty(self, value: float | None) -> float | None:
        """How unlike the windows learned a mean is, robust standard deviations; None before they are learned."""
        return None if value is None or self.baseline is None else novelty_score(value, self.learned)

    def pass_to(self, now_ns: int) -> None:
        """No more rows come from before now_ns."""
        if self._bin_end_ns <= now_ns:
            self._close_bin()
        if self._bins and self._bins[0][0] <= now_ns - BINS * self.spec.bin_ns:  # what is that old says nothing of now
            self._bins = [one for one in self._bins if one[0] > now_ns - BINS * self.spec.bin_ns]
            self._trend = None

    def reset(self) -> None:
        """The part is as new: what was before tells nothing of what comes."""
        self._bin, self._bin_end_ns, self._bins, self._trend, self.zone = np.zeros(4), 0, [], None, 0
        self.learned, self.over = (), False

    @property
    def bins(self) -> int:
        """How many means the trend has."""
        return len(self._bins)

    def trend(self) -> Trend | None:
        """Unit a day (exponential: of the logarithm) over the closed bins."""
        if self._trend is None:
            self._trend = (self._computed(),)
        return self._trend[0]

    def _computed(self) -> Trend | None:
        t = np.array([end_ns / DAY_NS for end_ns, _ in self._bins])
        y = np.array([mean for _, mean in self._bins])
        if self.spec.exponential:
            if not len(y) or y.min() <= 0.0:
                return None
            y = np.log(y)
        return robust_trend(t, y, self.spec.confidence)

    def days_to_limit(self, now_ns: int) -> tuple[float | None, float | None, float | None]:
        """(days, soonest, latest) until the trend reaches the limit; None each where it does not."""
        trend, limit = self.trend(), self.spec.limit
        if trend is None or limit is None:
            return None, None, None
        half = self.spec.bin_ns / DAY_NS / 2.0  # a mean stands for the middle of its stretch
        return trend.time_to(math.log(limit) if self.spec.exponential else limit, now_ns / DAY_NS + half)

    def slopes(self) -> tuple[float | None, float | None, float | None]:
        """(slope, low, high) a day; of exponential growth the share a day, exp(slope) - 1."""
        trend = self.trend()
        if trend is None:
            return None, None, None
        three = trend.slope, trend.low, trend.high
        return tuple(map(math.expm1, three)) if self.spec.exponential else three  # type: ignore[return-value]  # of 3

    def _close_bin(self) -> None:
        mean = mean_of(self._bin)
        if mean is not None:
            oldest = self._bin_end_ns - BINS * self.spec.bin_ns
            self._bins = [one for one in self._bins if one[0] > oldest] + [(self._bin_end_ns, mean)]
            self._bin, self._trend = np.zeros(4), None
        self._bin_end_ns = 0

    def snapshot(self) -> tuple[Any, ...]:
        """Plain numbers."""
        sums = tuple(self.window.tolist()), tuple(self._bin.tolist())
        own = self.uncertain, self.zone, self._bin_end_ns, tuple(self._bins), self.learned, self.over
        return (*sums, *own)

    def restore(self, snapshot: Sequence[Any]) -> None:
        """Take over a snapshot."""
        window, open_bin, self.uncertain, self.zone, self._bin_end_ns, bins, learned, self.over = snapshot
        self.learned = tuple(learned)
        self.window, self._bin = np.array(window), np.array(open_bin)
        self._bins, self._trend = [(int(end_ns), float(mean)) for end_ns, mean in bins], None
