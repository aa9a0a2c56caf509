"""Which detector scores which series, and which of its scores are alarms of its model.

The champion of a series is what plant.toml says, or what a person put in its place (andon/models.py); its scores are
told. A challenger scores the same rows in shadow. The alarms of both are counted, so that they can be compared. Every
detector goes on learning a series as long as it is either of them, and an assignment holds for the rows received from
its time on: the same log and the same assignments give the same scores, however the log is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from andon.models import Assignment, ModelAlarm, ModelDrift, ModelUse
from andon.plant import SeriesSpec
from andon.readings import U8, Event, Readings, Tick
from detectors.alarm_manager import AlarmSettings
from detectors.contract import FORGET, PausingDetector, Scored
from detectors.drift_watch import SIGNALS, DriftWatch
from detectors.ensemble import EnsembleDetector
from detectors.ewma import EwmaDetector
from flows.learning import LearningPauses
from flows.seats import DETECTORS, ENSEMBLE, EWMA, PARTS, Seat
from operators.classes import scorers

LAYOUT: Final = 2  # 1: without the series whose alarm is told
SILENT = np.empty(0, np.uint8), np.empty(0), np.empty(0)  # no series is scored: nobody asks why
Path = tuple[str, str]  # asset, tag
log = structlog.get_logger()


class Detection:
    """Detectors of one shard."""

    def __init__(
        self, tells: Callable[[SeriesSpec], bool] = lambda _spec: False, pauses: LearningPauses | None = None
    ) -> None:
        """tells: whether a rule of a series asks for its alarms; they are counted then, whatever detector it has."""
        self._tells = tells
        self.pauses = pauses or LearningPauses(None)
        self._held: list[U8] = []  # of the rows since `take_held`
        self.ewma, self.ensemble = EwmaDetector(0), EnsembleDetector(0)
        self.champions, self.challengers = Seat("champion"), Seat("challenger")
        self._specs: list[SeriesSpec] = []
        self._id_of: dict[Path, int] = {}
        self._in_force: dict[Path, Assignment] = {}
        self._pending: list[Assignment] = []  # by time; not in force yet for any row that came
        self._alarms: list[ModelAlarm] = []
        self.drift = DriftWatch(0)
        self._drifts: list[tuple[int, ModelDrift]] = []

    @property
    def any(self) -> bool:
        """Whether any series is scored."""
        return self.champions.any or self.challengers.any

    def bind(self, fresh: Sequence[SeriesSpec]) -> None:
        """The next series ids."""
        first = len(self._specs)
        self._specs += fresh
        for seat in (self.champions, self.challengers):
            seat.grow(len(self._specs))
        for series, spec in enumerate(fresh, first):
            self._id_of[spec.asset, spec.tag] = series
            self._sit(series, self._in_force.get((spec.asset, spec.tag)))
        self.pauses.bind(fresh)
        self._make_room()

    def assign(self, assignments: Sequence[Assignment]) -> None:
        """What the file says. Those already in force stay; the others come into force with the first row for them."""
        later = [
            one for one in assignments
            if (known := self._in_force.get((one.asset, one.tag))) is None or one.since_ns > known.since_ns
        ]  # fmt: skip
        self._pending = sorted(later, key=lambda one: one.since_ns)

    def detector_of(self, series: int) -> str:
        """Name of the champion's detector."""
        return DETECTORS[self.champions.by[series]]

    def model_of(self, series: int) -> str:
        """The champion."""
        return self.champions.model.get(series, "")

    def part_of(self, series: int, part: int) -> str:
        """Name of a component of the champion's detector."""
        return PARTS[self.champions.by[series]][part]

    def score(self, rows: Readings, verdict: U8, marks: Sequence[Tick | Event] = ()) -> Scored:
        """What champions say of rows that move their series forward; of all others nothing.

        marks: ticks and events of these rows, in log order.
        """
        cuts = self.pauses.cuts(marks)
        if not cuts:
            return self._score_assigned(rows, verdict)
        scored, begin = Scored.empty(len(rows)), 0
        for one in cuts:
            self._score_part(rows, verdict, begin, one.at_row, scored)
            self.pauses.take(one, self.champions.told)
            begin = one.at_row
        self._score_part(rows, verdict, begin, len(rows), scored)
        return scored

    def _score_part(self, rows: Readings, verdict: U8, begin: int, end: int, scored: Scored) -> None:
        if begin < end:
            said = self._score_assigned(rows.rows(slice(begin, end)), verdict[begin:end])
            if len(said.part):
                scored.put(np.arange(begin, end), said)

    def _score_assigned(self, rows: Readings, verdict: U8) -> Scored:
        """Rows between two cuts."""
        if not self._pending or not len(rows):
            return self._score(rows, verdict)
        received_ns = np.maximum.accumulate(rows.received_ns)
        scored, begin = Scored.empty(len(rows)), 0
        while begin < len(rows):
            self._come_into_force(int(received_ns[begin]))
            end = len(rows)
            if self._pending:
                end = int(np.searchsorted(received_ns, self._pending[0].since_ns))
            part = slice(begin, end)
            said = self._score(rows.rows(part), verdict[part])
            if len(said.part):
                scored.put(np.arange(begin, end), said)
            begin = end
        return scored

    def take_held(self) -> U8:
        """Of all rows scored since the last call, in order: 1 where an alarm that was told goes on."""
        held, self._held = self._held, []
        return held[0] if len(held) == 1 else np.concatenate(held or [np.zeros(0, np.uint8)])

    def take_alarms(self) -> list[ModelAlarm]:
        """Alarms of models since the last call."""
        told, self._alarms = self._alarms, []
        return told

    def take_drifts(self) -> list[tuple[int, ModelDrift]]:
        """Drifts of what champions read and say since the last call, with the offset of the row that told each."""
        told, self._drifts = self._drifts, []
        return told

    def snapshot(self) -> tuple[Any, ...]:
        """Who is in force, and the alarm managers; the detectors are parts of their own."""
        in_force = tuple(
            (one.since_ns, one.asset, one.tag, *(use and astuple(use) for use in (one.champion, one.challenger)))
            for _, one in sorted(self._in_force.items())
        )
        told = np.flatnonzero(self.champions.told).astype(np.int32).tobytes()
        return LAYOUT, in_force, self.champions.alarms.snapshot(), self.challengers.alarms.snapshot(), told

    def restore(self, snapshot: Any) -> None:
        """Know what `snapshot` knew; series are bound afterwards. Raises: ValueError on another layout."""
        layout, in_force, champions, challengers, *more = snapshot
        if layout not in (1, LAYOUT):
            raise ValueError(f"restore: found layout {layout} of models, this is {LAYOUT}")
        self._in_force = {
            (asset, tag): Assignment(since_ns, asset, tag, *(use and ModelUse(*use) for use in uses))
            for since_ns, asset, tag, *uses in in_force
        }
        self.champions.alarms.restore(champions)
        self.challengers.alarms.restore(challengers)
        told = np.frombuffer(more[0], np.int32) if more else np.zeros(0, np.int32)
        self.champions.told = np.zeros(int(told.max(initial=-1)) + 1, np.uint8)
        self.champions.told[told] = 1

    def _come_into_force(self, received_ns: int) -> None:
        """Everything that holds for what was received at that time."""
        while self._pending and self._pending[0].since_ns <= received_ns:
            one = self._pending.pop(0)
            self._in_force[one.asset, one.tag] = one
            series = self._id_of.get((one.asset, one.tag))
            if series is not None:
                self._change(series, one)
        self._make_room()

    def _change(self, series: int, one: Assignment) -> None:
        """Go over to an assignment. A challenger that is promoted keeps what it had told; any other begins anew."""
        before = [seat.model.get(series, "") for seat in (self.champions, self.challengers)]
        known = self.challengers.alarms.known(series)
        self._sit(series, one)
        champion, challenger = (seat.model.get(series, "") for seat in (self.champions, self.challengers))
        if champion != before[0]:
            self.champions.begin(series, known if champion == before[1] else None)
            self.drift.begin(series)
        if challenger != before[1]:
            self.challengers.begin(series)

    def _sit(self, series: int, one: Assignment | None) -> None:
        """Give both seats of a series to whom they belong."""
        spec = self._specs[series]
        days = AlarmSettings.false_alarm_days if spec.false_alarm_days is None else spec.false_alarm_days
        plants = ModelUse(f"plant:{spec.detect}", spec.detect, days, "")
        champion = _usable(one.champion, spec) if one is not None else None
        challenger = _usable(one.challenger, spec) if one is not None else None
        champion = champion or plants
        for seat, use in ((self.champions, champion), (self.challengers, challenger)):
            if use is None or not use.detector:
                seat.put(series, "", "", 0.0, counted=False)
            else:
                # Counting costs a twentieth of what the EWMA score saves: of that one only where somebody asks for it.
                asked = use is not plants or spec.false_alarm_days is not None or self._tells(spec)
                counted = asked or use.detector != "ewma"
                seat.put(series, use.model, use.detector, use.false_alarm_days, counted=counted)

    def _make_room(self) -> None:
        """Detectors keep room only where some series needs them."""
        for number, detector in ((EWMA, self.ewma), (ENSEMBLE, self.ensemble)):
            wanted = any((seat.by == number).any() for seat in (self.champions, self.challengers))
            if detector.nbytes or wanted:
                detector.grow(len(self._specs))
        if self.drift.nbytes or self.champions.any:
            self.drift.grow(len(self._specs))

    def _score(self, rows: Readings, verdict: U8) -> Scored:
        """As `score`, of rows to which the same assignments apply."""
        held = np.zeros(len(rows), np.uint8)
        self._held.append(held)
        learn = self.pauses.of(rows)  # of all rows: states may come before what they are about
        if not self.any:
            return Scored(np.full(len(rows), np.nan), *SILENT)
        scored = Scored.empty(len(rows))
        by = scorers(rows.series, rows.status, verdict, self.champions.by)
        judged = by > 0
        if self.challengers.any:
            shadow, shadow_by = Scored.empty(len(rows)), scorers(rows.series, rows.status, verdict, self.challengers.by)
            judged |= shadow_by > 0
            self._score_both(rows, learn, ((by, scored), (shadow_by, shadow)))
            self._alarms += self.challengers.count(rows, _quiet(shadow, learn), self._specs)
        else:
            own = np.flatnonzero(by == ENSEMBLE)
            if len(own):
                scored.put(own, _asked(self.ensemble, rows, learn, own))
            if self.ewma.nbytes:
                self.ewma.score_some(rows.series, rows.time_ns, rows.value, by, EWMA, scored, learn)
        usual = _quiet(scored, learn)
        self._alarms += self.champions.count(rows, usual, self._specs, held)
        if self.champions.any:
            self._watch(rows, usual)
        if learn is not None:
            self.pauses.note(rows, learn, judged)
        return scored

    def _watch(self, rows: Readings, scored: Scored) -> None:
        """Whether what champions read and say has drifted."""
        found = self.drift.step(rows.series, rows.time_ns, rows.value, scored.score)
        for row, series, signal, *told in zip(*(column.tolist() for column in found), strict=True):
            spec = self._specs[series]
            one = ModelDrift(spec.asset, spec.tag, self.model_of(series), SIGNALS[signal], *told)
            self._drifts.append((int(rows.offset[row]), one))

    def _score_both(self, rows: Readings, learn: U8 | None, seats: Sequence[tuple[U8, Scored]]) -> None:
        """What the detectors of both seats say, each into its own; where both are of one detector it is asked once."""
        detectors: tuple[tuple[int, PausingDetector], ...] = ((EWMA, self.ewma), (ENSEMBLE, self.ensemble))
        for number, detector in detectors:
            own = np.flatnonzero((seats[0][0] == number) | (seats[1][0] == number))
            if not len(own):
                continue
            said = _asked(detector, rows, learn, own)
            for by, into in seats:
                mine = np.flatnonzero(by[own] == number)
                into.put(own[mine], Scored(said.score[mine], said.part[mine], said.expected[mine], said.spread[mine]))


def _asked(detector: PausingDetector, rows: Readings, learn: U8 | None, own: NDArray[np.intp]) -> Scored:
    """What a detector says of its own rows."""
    learns = None if learn is None else learn[own]
    return detector.score_many(rows.series[own], rows.time_ns[own], rows.value[own], learns)


def _quiet(scored: Scored, learn: U8 | None) -> Scored:
    """What can be an alarm or a drift: nothing of rows that are forgotten as if they had not come."""
    if learn is None:
        return scored
    return replace(scored, score=np.where(learn == FORGET, np.nan, scored.score))


def _usable(use: ModelUse | None, spec: SeriesSpec) -> ModelUse | None:
    """The use, unless this release has no such detector: a flow of an older release than the one that wrote it."""
    if use is not None and use.detector not in DETECTORS:
        log.warning("flow.unknown_detector", model=use.model, detector=use.detector, series=spec.path)
        return None
    return use
