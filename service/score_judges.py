"""What is said of the rows of a file: score, alarm and reason, by the detector that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from andon.errors import SourceError
from andon.readings import F64, I64, U8
from detectors import registry
from detectors.alarm_manager import AlarmManager, AlarmSettings
from detectors.contract import NO_PART, Detector


@dataclass(frozen=True, slots=True)
class Judged:
    """What is said of n rows.

    score    : float64[n], -log10 of how often so unusual a row comes; NaN where nothing can be said.
    alarm    : uint8[n], 1 where there is an alarm.
    reason   : n texts: the component that says most, or the channel, or both; empty where none says anything.
    expected : float64[n], what it calls normal, in the value's unit; NaN where it does not say.
    spread   : float64[n], how far values usually lie from it.
    """

    score: F64
    alarm: U8
    reason: Sequence[str]
    expected: F64
    spread: F64


class Judge(Protocol):
    """Says something of each row, from the rows before it."""

    @property
    def detector_name(self) -> str:
        """Of the detector, in the registry."""

    def step(self, time_ns: I64, values: F64) -> Judged:
        """time_ns: int64[n], never falling; values: float64[n, channels], finite; n at least 1."""


@dataclass(slots=True)
class SeriesJudge:
    """Each channel a series of its own; of a row the channel with the highest score speaks.

    reference: no alarm is told in so many of the first rows; they only teach.
    """

    detector_name: str
    names: tuple[str, ...]
    detector: Detector
    alarms: AlarmManager
    reference: int

    def step(self, time_ns: I64, values: F64) -> Judged:
        """As `Judge.step`."""
        n, k = values.shape
        series = np.tile(np.arange(k, dtype=np.int32), n)
        times = np.repeat(time_ns, k)
        scored = self.detector.score_many(series, times, values.ravel())
        alarm = self.alarms.step(series, times, scored.score, scored.part).reshape(n, k).max(axis=1)
        alarm[: self.reference] = 0
        self.reference = max(0, self.reference - n)
        best = np.where(np.isnan(scored.score), -1.0, scored.score).reshape(n, k).argmax(axis=1)
        at = np.arange(n) * k + best
        reason = [self._reason(*one) for one in zip(best.tolist(), scored.part[at].tolist(), strict=True)]
        return Judged(scored.score[at], alarm, reason, scored.expected[at], scored.spread[at])

    def _reason(self, channel: int, part: int) -> str:
        if part == NO_PART:
            return ""
        code = self.detector.PARTS[part]
        return code if len(self.names) == 1 else f"{self.names[channel]}:{code}"


@dataclass(slots=True)
class GroupJudge:
    """All channels together: the detector of the group scores and raises its own alarms."""

    detector_name: str
    names: tuple[str, ...]
    detector: registry.GroupDetector

    def step(self, time_ns: I64, values: F64) -> Judged:
        """As `Judge.step`."""
        found = self.detector.score_many(time_ns, values)
        reason = ["" if at == NO_PART else self.names[at] for at in found.channel.tolist()]
        silent = np.full(len(values), np.nan)
        return Judged(found.score, found.alarm, reason, silent, silent)


MakeJudge = Callable[[tuple[str, ...]], Judge]  # the argument: names of the channels


def judge_maker(detector: str, reference: int, days: float | None) -> MakeJudge:
    """What makes the judge of a file once its channels are known.

    detector : a name of the registry; empty: the default for one channel or for several.
    reference: rows from the beginning that only teach; 0: as many as the detector is shipped with.
    days     : about one false alarm of a channel in so many days; None: as shipped. A group has its own limits.
    """
    settings = AlarmSettings() if days is None else AlarmSettings(false_alarm_days=days)

    def judge(names: tuple[str, ...]) -> Judge:
        count = len(names)
        name = detector or (registry.DEFAULT_GROUP if 1 < count <= registry.GROUP_MOST else registry.DEFAULT)
        if name not in registry.GROUPS:
            return SeriesJudge(name, names, registry.maker(name)(count), AlarmManager(count, settings), reference)
        if count > registry.GROUP_MOST:
            raise SourceError("score.too_many", found=count, detector=name, allowed=registry.GROUP_MOST)
        make = registry.group_maker(name)
        return GroupJudge(name, names, make(count, reference or registry.GROUP_REFERENCE))

    return judge
