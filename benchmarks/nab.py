"""The Numenta Anomaly Benchmark: its series, and the score that rewards early detection.

Series and labels are no part of the project (MIT licence, public repository numenta/NAB). A folder holds either
`windows.json` beside the series, or the repository's `labels/combined_windows.json` and `data/`.

Scoring after Lavin and Ahmad, "Evaluating Real-Time Anomaly Detection Algorithms" (ICMLA 2015), version 1.1: the first
15 % of a series (750 rows at most) is probation and not scored. The best hit in a labelled window counts by its place
in it; a row with an alarm outside costs, less just behind a window. 0 is silence, 100 the perfect detector.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from andon.readings import F64, I64, NS_PER_S

PROFILES = {"standard": (1.0, 0.11, 1.0), "low_fp": (1.0, 0.22, 1.0), "low_fn": (1.0, 0.11, 2.0)}  # hit, false, missed
PROBATION, PROBATION_MOST = 0.15, 750
DAY_NS = 86_400 * NS_PER_S


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSeries:
    """One series: time_ns int64[n], value float64[n]; windows: first and last row of each labelled abnormality."""

    name: str
    time_ns: I64
    value: F64
    windows: tuple[tuple[int, int], ...]

    @property
    def days(self) -> float:
        """From its first row to its last, d."""
        return float((self.time_ns[-1] - self.time_ns[0]) / DAY_NS)


@dataclass(frozen=True, slots=True)
class Result:
    """What the alarms of a detector come to over some series.

    scores: by profile; recall: share of windows hit; delay_s: median from the begin of a hit window to its first hit.
    false : runs of rows with an alarm outside all windows; days: of all series.
    """

    scores: Mapping[str, float]
    recall: float
    delay_s: float
    false: int
    days: float

    @property
    def false_per_day(self) -> float:
        """False episodes for each day and series."""
        return self.false / self.days


def load(folder: Path) -> list[LabelledSeries]:
    """All series with labels, by name. FileNotFoundError where the folder holds none."""
    labels, data = folder / "windows.json", folder
    if not labels.exists():
        labels, data = folder / "labels" / "combined_windows.json", folder / "data"
    windows = json.loads(labels.read_text())
    return [_read(data / name, name, windows[name]) for name in sorted(windows)]


def _read(path: Path, name: str, windows: Sequence[Sequence[str]]) -> LabelledSeries:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    time_ns = np.array([_ns(row["timestamp"]) for row in rows])
    first = {}
    for at, one in enumerate(time_ns.tolist()):  # hours come twice when clocks go back
        first.setdefault(one, at)
    return LabelledSeries(
        name, time_ns, np.array([float(row["value"]) for row in rows]),
        tuple((first[_ns(begin)], first[_ns(end)]) for begin, end in windows),
    )  # fmt: skip


def _ns(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS_PER_S


def probation(rows: int) -> int:
    """How many first rows of a series are not scored."""
    return min(int(PROBATION * rows), PROBATION_MOST)


def weights(series: LabelledSeries) -> tuple[F64, I64]:
    """What an alarm at each row is worth before the profile, float64[n], and in which window it lies, -1 for none.

    1 at a window's begin, falling to 0 at its end; -1 for false ones, from 0 on just behind a window.
    """
    n = len(series.value)
    worth, window = np.full(n, -1.0), np.full(n, -1)
    for k, (begin, end) in enumerate(series.windows):
        inside, behind = np.arange(begin, end + 1), np.arange(end + 1, n)
        worth[behind] = _falling((behind - end) / (end - begin))
        worth[inside] = _falling(-(end - inside + 1) / (end - begin + 1)) / _falling(np.array(-1.0))
        window[behind], window[inside] = -1, k
    return worth, window


def _falling(at: F64) -> F64:
    """1 far before 0, 0 there, -1 far behind; beyond 3 it is -1."""
    return np.where(at > 3.0, -1.0, 2.0 / (1.0 + np.exp(5.0 * np.minimum(at, 3.0))) - 1.0)


class Judge:
    """Scores alarms on some series. Series that lie wholly within probation, with their windows, count for nothing."""

    def __init__(self, series: Iterable[LabelledSeries]) -> None:
        self.series = list(series)
        self._worth, self._window, first = [], [], 0
        for one in self.series:
            worth, window = weights(one)
            worth[: probation(len(worth))] = np.nan
            self._worth.append(worth)
            self._window.append(np.where(window >= 0, window + first, -1))
            first += len(one.windows)
        self._windows = first  # with those in probation: they are part of what is perfect

    def at(self, alarms: Sequence[F64], threshold: float = 0.5) -> Result:
        """Of rows where a column a series reaches a threshold. Columns of 0 and 1 need none of their own."""
        scores = {name: self._normal(name, self._raw(name, alarms, threshold)) for name in PROFILES}
        hit, delays, false = 0, [], 0
        for one, worth, window, alarm in zip(self.series, self._worth, self._window, alarms, strict=True):
            rings = (alarm >= threshold) & ~np.isnan(worth)
            for k, (begin, _) in zip(np.unique(window[window >= 0]), one.windows, strict=True):
                rows = np.flatnonzero(rings & (window == k))
                if len(rows):
                    hit += 1
                    delays.append((one.time_ns[rows[0]] - one.time_ns[begin]) / NS_PER_S)
            wrong = rings & (window < 0)
            false += int((wrong & ~np.r_[False, wrong[:-1]]).sum())
        known = max(len(self._judged()), 1)
        days = sum(one.days for one in self.series)
        return Result(scores, hit / known, float(np.median(delays)) if delays else float("nan"), false, days)

    def best(self, scores: Sequence[F64], profile: str) -> tuple[float, float]:
        """The highest score of a profile that any one threshold for all series reaches, and that threshold.

        As the benchmark reports detectors: chosen on the labels, so it tells what was possible, not what was reached.
        """
        hit, false, missed = PROFILES[profile]
        worth, window, score = (np.concatenate(parts) for parts in (self._worth, self._window, list(scores)))
        rows = np.flatnonzero(~np.isnan(worth))
        rows = rows[np.argsort(-score[rows], kind="stable")]
        worth, window, score = worth[rows], window[rows], score[rows]
        gain = np.where(window < 0, worth * false, 0.0)
        for k in np.unique(window[window >= 0]):
            own = np.flatnonzero(window == k)
            reached = np.maximum.accumulate(np.r_[-missed, worth[own] * hit])
            gain[own] = np.diff(reached)
        raw = -missed * len(self._judged()) + np.cumsum(gain)
        ends = np.flatnonzero(np.r_[score[1:] != score[:-1], True])
        best = ends[np.argmax(raw[ends])]
        silent = -missed * len(self._judged())
        if raw[best] <= silent:
            return 0.0, float("inf")
        return self._normal(profile, float(raw[best])), float(score[best])

    def _judged(self) -> set[int]:
        """Windows that do not lie wholly within probation."""
        return {
            int(k) for worth, window in zip(self._worth, self._window, strict=True)
            for k in np.unique(window[(window >= 0) & ~np.isnan(worth)])
        }  # fmt: skip

    def _raw(self, profile: str, alarms: Sequence[F64], threshold: float) -> float:
        hit, false, missed = PROFILES[profile]
        total = -missed * len(self._judged())
        for worth, window, alarm in zip(self._worth, self._window, alarms, strict=True):
            rings = (alarm >= threshold) & ~np.isnan(worth)
            total += false * float(worth[rings & (window < 0)].sum())
            for k in np.unique(window[rings & (window >= 0)]):
                total += missed + hit * float(worth[rings & (window == k)].max())
        return total

    def _normal(self, profile: str, raw: float) -> float:
        hit, _, missed = PROFILES[profile]
        silent = -missed * len(self._judged())
        return 100.0 * (raw - silent) / (hit * self._windows - silent)
