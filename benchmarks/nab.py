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

    scores: by profile; recall: share of windows hit; delay_s: median from the begin of a hit window to its first hit,
    None where none is hit.
    false : runs of rows with an alarm outside all windows; days: of all series.
    """

    scores: Mapping[str, float]
    recall: float
    delay_s: float | None
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
    """Scores alarms on some series. Windows that lie wholly within probation can be neither hit nor missed."""

    def __init__(self, series: Iterable[LabelledSeries]) -> None:
        self.series = list(series)
        self._worth, self._window, first = [], [], 0
        for one in self.series:
            worth, window = weights(one)
            worth[: probation(len(worth))] = np.nan
            self._worth.append(worth)
            self._window.append(np.where((window >= 0) & ~np.isnan(worth), window + first, -1))
            first += len(one.windows)
        self._judged = np.array([len(np.unique(window[window >= 0])) for window in self._window])
        self._labelled = np.array([len(one.windows) for one in self.series])

    def at(self, alarms: Sequence[F64], threshold: float = 0.5) -> Result:
        """Of rows where a column a series reaches a threshold. Columns of 0 and 1 need none of their own."""
        scores = {name: self._normal(name, self.gains(name, alarms, threshold)) for name in PROFILES}
        hits, delays, false = 0, [], 0
        for one, worth, window, alarm in zip(self.series, self._worth, self._window, alarms, strict=True):
            rings = (alarm >= threshold) & ~np.isnan(worth)
            for begin, end in one.windows:
                rows = begin + np.flatnonzero(rings[begin : end + 1])
                if len(rows):
                    hits += 1
                    delays.append((one.time_ns[rows[0]] - one.time_ns[begin]) / NS_PER_S)
            wrong = rings & (window < 0)
            false += int((wrong & ~np.r_[False, wrong[:-1]]).sum())
        delay_s = float(np.median(delays)) if delays else None
        days = sum(one.days for one in self.series)
        return Result(scores, hits / max(int(self._judged.sum()), 1), delay_s, false, days)

    def gains(self, profile: str, alarms: Sequence[F64], threshold: float = 0.5) -> F64:
        """What each series adds to silence, float64[series], before it is made a share of what is perfect."""
        hit, false, missed = PROFILES[profile]
        gains = np.zeros(len(self.series))
        for at, (worth, window, alarm) in enumerate(zip(self._worth, self._window, alarms, strict=True)):
            rings = (alarm >= threshold) & ~np.isnan(worth)
            gains[at] = false * float(worth[rings & (window < 0)].sum())
            for k in np.unique(window[rings & (window >= 0)]):
                gains[at] += missed + hit * float(worth[rings & (window == k)].max())
        return gains

    def interval(
        self, profile: str, alarms: Sequence[F64], share: float = 0.8, draws: int = 2_000, seed: int = 1
    ) -> tuple[float, float]:
        """Bounds of a profile's score when series are drawn anew with replacement: the middle `share` of `draws`."""
        gains, rng = self.gains(profile, alarms), np.random.default_rng(seed)
        drawn = rng.integers(0, len(gains), (draws, len(gains)))
        scores = [self._normal(profile, gains[one], one) for one in drawn if self._labelled[one].any()]
        low, high = np.quantile(scores, [(1.0 - share) / 2.0, (1.0 + share) / 2.0])
        return float(low), float(high)

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
            gain[own] = np.diff(np.maximum.accumulate(np.r_[-missed, worth[own] * hit]))
        gained = np.cumsum(gain)
        ends = np.flatnonzero(np.r_[score[1:] != score[:-1], True])
        best = ends[np.argmax(gained[ends])]
        if gained[best] <= 0.0:
            return 0.0, float("inf")
        return self._normal(profile, gained[best : best + 1]), float(score[best])

    def _normal(self, profile: str, gains: F64, drawn: I64 | slice = slice(None)) -> float:
        """Share of what a perfect detector adds to silence on these series, in %."""
        hit, _, missed = PROFILES[profile]
        perfect = hit * int(self._labelled[drawn].sum()) + missed * int(self._judged[drawn].sum())
        return 100.0 * float(gains.sum()) / perfect
