"""A stored version run again over the journal: whether it gives the scores that the history holds, bit for bit.

The rows are those that the flow's detector scored: usable, each newer than all before it of its series, received while
the detector was that of the champion or of the challenger, or of plant.toml as it stands. Where learning paused, the
history knows. What the journal no longer holds cannot be run again, and is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from andon.datafolder import DataFolder
from andon.errors import ConfigError
from andon.models import LearningTurn
from andon.plant import PlantModel
from andon.readings import Status
from andon.records.model_rows import ModelAssignment, ModelVersion, TrainingData
from detectors.contract import LEARN
from detectors.registry import IN_FLOWS
from service.models import frozen
from sinks.history_reader import HistoryReader
from sinks.journal_reader import Found, JournalReader

FAR = 2**62


@dataclass(frozen=True, slots=True)
class Reproduced:
    """Windows in which the version was champion: of how many the highest score is the same, other, or not there.

    rows: readings that were scored again; complete: whether the journal still holds all of them since it began.
    """

    rows: int
    windows: int
    same: int
    other: int
    missing: int
    complete: bool

    @property
    def bit_for_bit(self) -> bool | None:
        """True: every window; False: not; None: it has judged no window yet, or the journal begins later."""
        if not self.windows or not self.complete:
            return None
        return self.same == self.windows


def journal_rows(plant: PlantModel, data: DataFolder, series: tuple[str, str]) -> tuple[JournalReader, Found]:
    """Everything the journal holds of a series."""
    reader = JournalReader(data.journal(plant.shard_of(series[0])))
    number = reader.series().get("/".join(series))
    return reader, reader.find([] if number is None else [number], -FAR, FAR, most=FAR)


def training_data(
    plant: PlantModel, data: DataFolder, series: tuple[str, str], span_ns: tuple[int, int]
) -> TrainingData:  # fmt: skip
    """A stretch of a series with the hash of its rows. ConfigError where the journal holds none of it."""
    found = journal_rows(plant, data, series)[1]
    time_ns = found.rows["time_ns"]
    inside = found.where((time_ns >= span_ns[0]) & (time_ns < span_ns[1]))
    if not len(inside):
        raise ConfigError("cli.models.no_readings", series="/".join(series))
    return TrainingData("/".join(series), *span_ns, inside.sha256())


def reproduce(
    plant: PlantModel, data: DataFolder, history: HistoryReader, version: ModelVersion,
    rows: Sequence[ModelAssignment], detectors: Mapping[str, str], series: tuple[str, str], span_ns: tuple[int, int],
) -> Reproduced:  # fmt: skip
    """Run a version over a series and compare with the windows that begin in [from, until), event time.

    rows: all assignments of the series, oldest first; detectors: those of every version by its key. ConfigError where
    this release's setting is another one.
    """
    check_fingerprint(version)
    reader, found = journal_rows(plant, data, series)
    log = found.rows[np.argsort(found.number)]
    before = np.maximum.accumulate(np.concatenate([[-FAR], log["time_ns"]]))[:-1] if len(log) else log["time_ns"]
    received_ns = np.maximum.accumulate(np.ascontiguousarray(log["received_ns"], np.int64))  # as flows take them
    since = np.array([one.since_ns for one in rows], np.int64)
    learns = _learns(version.detector, plant.series[series].detect, rows, detectors)
    learned = (
        (log["time_ns"] > before) & (log["status"] != Status.BAD) & np.isfinite(log["value"])
        & learns[np.searchsorted(since, received_ns, "right")]
    )  # fmt: skip
    log, received_ns = log[learned], received_ns[learned]
    time_ns = np.ascontiguousarray(log["time_ns"], np.int64)
    score = IN_FLOWS[version.detector](1).score_many(
        np.zeros(len(log), np.int32), time_ns, np.ascontiguousarray(log["value"], np.float64),
        learned_at(history.learning_turns(*series), time_ns),
    ).score  # fmt: skip
    champion = _reigns(version.key, rows, received_ns)
    begin_ns = -FAR if learns[0] else next((one.since_ns for one, on in zip(rows, learns[1:], strict=True) if on), FAR)
    return _compared(history, series, span_ns, time_ns, score, champion, _complete(reader, begin_ns))


def learned_at(turns: Sequence[LearningTurn], time_ns: np.ndarray) -> np.ndarray:
    """uint8[n]: what became of rows at these times, as the flow said (FORGET, LEARN, HOLD of detectors/contract.py)."""
    since = np.array([one.time_ns for one in turns], np.int64)
    learn = np.array([LEARN, *(one.learn for one in turns)], np.uint8)
    return learn[np.searchsorted(since, time_ns, "right")]


def check_fingerprint(version: ModelVersion) -> None:
    """ConfigError where this release's setting of the detector is not the one the version was registered with."""
    if frozen(version.detector) != version.fingerprint:
        raise ConfigError(
            "cli.models.fingerprint", model=version.key, detector=version.detector, found=frozen(version.detector),
            wanted=version.fingerprint, release=version.release,
        )  # fmt: skip


def _learns(
    detector: str, plants: str, rows: Sequence[ModelAssignment], detectors: Mapping[str, str]
) -> np.ndarray:  # fmt: skip
    """bool[n + 1]: whether a detector learns the series before the first assignment, and under each."""
    under = [
        detector
        in (plants if one.champion is None else detectors.get(one.champion), detectors.get(one.challenger or ""))
        for one in rows
    ]
    return np.array([plants == detector, *under])


def _reigns(model: str, rows: Sequence[ModelAssignment], received_ns: np.ndarray) -> np.ndarray:
    """bool[n]: whether the model was the champion for messages received then."""
    since = np.array([one.since_ns for one in rows], np.int64)
    champion = np.array([False, *(one.champion == model for one in rows)])
    return champion[np.searchsorted(since, received_ns, "right")]


def _compared(
    history: HistoryReader, series: tuple[str, str], span_ns: tuple[int, int], time_ns: np.ndarray, score: np.ndarray,
    champion: np.ndarray, complete: bool,
) -> Reproduced:  # fmt: skip
    """The highest score of each window against the history's; windows with rows of another champion are left out."""
    sizes = history.sizes(*series)
    if not sizes:
        return Reproduced(len(time_ns), 0, 0, 0, 0, complete)
    held = history.windows(*series, sizes[0], *span_ns, limit=2**31)
    starts = np.array(held.start_ns, np.int64)
    place = np.searchsorted(starts, time_ns, "right") - 1
    inside = (place >= 0) & (time_ns < starts[place] + sizes[0]) if len(starts) else np.zeros(len(time_ns), np.bool_)
    highest, mixed = np.full(len(starts), -np.inf), np.zeros(len(starts), np.bool_)
    scored = inside & np.isfinite(score)
    np.maximum.at(highest, place[scored], score[scored])
    mixed[place[inside & ~champion]] = True
    seen = np.unique(place[scored & champion])
    chosen = seen[~mixed[seen]]
    told = np.array([np.nan if held.score[one] is None else held.score[one] for one in chosen], np.float64)
    same = int((told.view(np.int64) == highest[chosen].view(np.int64)).sum())
    missing = int(np.isnan(told).sum())
    return Reproduced(len(time_ns), len(chosen), same, len(chosen) - same - missing, missing, complete)


def _complete(reader: JournalReader, since_ns: int) -> bool:
    """Whether no segment is gone that may hold rows since then."""
    gone = [one for number, one in reader.sealed().items() if number >= 0 and one.max_ns >= since_ns
            and not (reader.folder / f"{number:08}.arrow").exists()]  # fmt: skip
    return not gone
