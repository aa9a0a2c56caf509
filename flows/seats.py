"""Who scores which series in a role, champion or challenger, and which of the scores are alarms of its model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numba import njit

from andon.models import ModelAlarm, Role
from andon.plant import SeriesSpec
from andon.readings import F64, I32, U8, Readings
from detectors.alarm_manager import AlarmManager
from detectors.contract import NO_PART, Scored
from detectors.ensemble import EnsembleDetector
from detectors.ewma import EwmaDetector

DETECTORS: Final = ("", "ewma", "ensemble")  # as `SeriesSpec.detect` names them
EWMA, ENSEMBLE = 1, 2
PARTS: Final = ((), EwmaDetector.PARTS, EnsembleDetector.PARTS)  # by place in DETECTORS


class Seat:
    """One role over all series: the detector that sits there, as what model, and the alarms of its scores."""

    def __init__(self, role: Role) -> None:
        self.role: Role = role
        self.by: U8 = np.zeros(0, np.uint8)  # by series: place in DETECTORS
        self.model: dict[int, str] = {}  # by series; of those with a detector
        self.alarms = AlarmManager(0)
        self.told: U8 = np.zeros(0, np.uint8)  # by series: 1 while an episode goes on of which an alarm was told
        self._counted = np.zeros(0, np.bool_)

    @property
    def any(self) -> bool:
        """Whether any series has a detector in this seat."""
        return bool(self.by.any())

    def grow(self, count: int) -> None:
        """Make room for ids up to count - 1, with nobody in the seat."""
        more = count - len(self.by)
        self.by = np.append(self.by, np.zeros(more, np.uint8))
        self._counted = np.append(self._counted, np.zeros(more, np.bool_))
        self.told = np.append(self.told, np.zeros(max(0, count - len(self.told)), np.uint8))
        if self._counted.any():
            self.alarms.grow(count)

    def put(self, series: int, model: str, detector: str, days: float, *, counted: bool) -> None:
        """Give the seat of a series to a model; an empty name: to nobody. counted: whether its alarms are."""
        self.by[series], self._counted[series] = DETECTORS.index(detector), counted
        self.model.pop(series, None)
        if model:
            self.model[series] = model
        if counted:
            self.alarms.grow(len(self.by))
            self.alarms.set_days(series, days)

    def begin(self, series: int, known: np.ndarray | None = None) -> None:
        """A model new in the seat: what its alarms are known to be, None: nothing; none of them is told yet."""
        self.alarms.begin(series, known)
        self.told[series : series + 1] = 0

    def count(
        self, rows: Readings, scored: Scored, specs: Sequence[SeriesSpec], held: U8 | None = None
    ) -> list[ModelAlarm]:
        """The alarms among these rows; rows of series whose alarms are not counted have none.

        held: uint8[n], written: 1 on rows at which an alarm that was told goes on.
        """
        if not self._counted.any():
            return []
        score = np.where(self._counted[rows.series], scored.score, np.nan)
        alarm, goes_on = self.alarms.episodes(rows.series, rows.time_ns, score)
        if held is not None:
            hold_rows(rows.series, score, alarm, goes_on, self.told, held)
        return [
            ModelAlarm(
                spec.asset, spec.tag, self.model[series], self.role, int(rows.time_ns[row]), float(score[row]),
                "" if scored.part[row] == NO_PART else PARTS[self.by[series]][scored.part[row]],
            )
            for row in np.flatnonzero(alarm).tolist()
            for series in (int(rows.series[row]),) for spec in (specs[series],)
        ]  # fmt: skip


@njit(nogil=True, cache=True)
def hold_rows(series: I32, score: F64, alarm: U8, goes_on: U8, told: U8, held: U8) -> None:
    """An alarm that was told is held until its episode is over. A row without a score changes nothing."""
    for i in range(len(score)):
        if score[i] >= 0.0:
            told[series[i]] = goes_on[i] and (told[series[i]] or alarm[i])
            held[i] = told[series[i]]
