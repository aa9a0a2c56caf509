"""Models under control and the flow: the file that flows read, made from the records, and models as flows use them.

The records are the truth. The file is written after the commit by whoever acted, at each start, and again and again by
the follow-up process: what a crash left undone between commit and file is made good there.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from andon.datafolder import DataFolder
from andon.errors import AndonError, ConfigError, DataFolderError
from andon.models import Assignment, ModelDrift, ModelUse, read_assignments, write_assignments
from andon.plant import PlantModel, SeriesSpec
from andon.records import Records
from andon.records.model_rows import PLANT, ModelAssignment, ModelVersion
from detectors.alarm_manager import AlarmSettings
from detectors.registry import OWN
from detectors.settings import MODULES, fingerprint
from sinks.history_reader import HistoryReader

DAYS: Final = "false_alarm_days"
DAYS_DEFAULT: Final = AlarmSettings().false_alarm_days
log = structlog.get_logger()


def detectors() -> tuple[str, ...]:
    """Detectors of single series whose setting is frozen: a version of another could not be reproduced."""
    return tuple(name for name in OWN if name in MODULES)


def frozen(detector: str) -> str:
    """Fingerprint of a detector's setting in this release. ConfigError for one that cannot be a model."""
    if detector not in detectors():
        raise ConfigError("cli.models.detector", found=detector, allowed=", ".join(detectors()))
    return fingerprint(detector)


def parameters_of(days: float) -> dict[str, object]:
    """The parameters of a version. ConfigError for days that are not above 0."""
    if not 0.0 < days <= 3650.0:
        raise ConfigError("cli.models.days", found=days)
    return {DAYS: float(days)}


def judged_series(plant: PlantModel, asset: str, tag: str) -> SeriesSpec:
    """A series that a detector judges. ConfigError with those that there are."""
    judged = judged_paths(plant)
    if (asset, tag) not in judged:
        told = ", ".join("/".join(path) for path in judged[:20])
        raise ConfigError("cli.models.series", found=f"{asset}/{tag}", allowed=told or "-")
    return plant.series[asset, tag]


def judged_paths(plant: PlantModel) -> list[tuple[str, str]]:
    """(asset, tag) of every series with `detect`, in order."""
    return sorted(path for path, spec in plant.series.items() if spec.detect)


def champion_key(plant: PlantModel, asset: str, tag: str, champion: str | None) -> str:
    """How the champion of a series is called: its version, else what plant.toml says, `plant:<detector>`."""
    spec = plant.series.get((asset, tag))
    return champion or f"{PLANT}:{spec.detect if spec else ''}"


def drifts_of(plant: PlantModel, data: DataFolder, model: str | None = None) -> list[ModelDrift]:
    """Drifts that the history holds, the newest first; without `model` the last of each series and signal."""
    history = HistoryReader(data.history_dbs(plant.config.transport.shards))
    try:
        found = history.last_model_drifts() if model is None else history.model_drifts(0, 2**62, model)
        return found[::-1]
    finally:
        history.close()


def uses_of(versions: Sequence[ModelVersion]) -> dict[str, ModelUse]:
    """What flows need to know of each version, by its key."""
    return {
        one.key: ModelUse(one.key, one.detector, float(one.parameters.get(DAYS, DAYS_DEFAULT)), one.fingerprint)
        for one in versions
    }


def assignments(rows: Sequence[ModelAssignment], versions: Sequence[ModelVersion]) -> list[Assignment]:
    """What stands in the file: every assignment that ever was, oldest first, so that a replay is judged as it was."""
    uses = uses_of(versions)

    def use(key: str | None) -> ModelUse | None:
        return None if key is None else uses[key]

    made = [Assignment(one.since_ns, one.asset, one.tag, use(one.champion), use(one.challenger)) for one in rows]
    return sorted(made, key=lambda one: (one.since_ns, one.asset, one.tag))


def publish(records: Records, data: DataFolder) -> bool:
    """Make the file say what the records say; False where it does already. One writer at a time, of all processes.

    The records are read under the lock: whoever comes last writes what was committed last.
    """
    with _alone(data.process_lock("models")):
        wanted = assignments(*records.model_assignments())
        path = data.models_json
        if _found(path) == wanted:
            return False
        write_assignments(path, wanted)
        return True


def published(records: Records, data: DataFolder) -> bool:
    """`publish` after an act that is committed: what cannot be written now (a full disk) the follow-up writes later.

    False where it could not; the act holds all the same.
    """
    try:
        publish(records, data)
    except (OSError, AndonError) as error:
        log.warning("models.not_published", cause=str(error))
        return False
    return True


def _found(path: Path) -> list[Assignment] | None:
    """What the file says; None where it cannot be read and has to be written anew."""
    try:
        return read_assignments(path)
    except DataFolderError as error:
        log.warning("models.file_broken", detail=str(error))
        return None


class ModelsWatch:
    """Heals the file again and again, in the follow-up process."""

    def __init__(self, records: Records, data: DataFolder) -> None:
        self.records, self.data = records, data

    def step(self) -> None:
        """Write the file where it does not say what the records say."""
        if publish(self.records, self.data):
            log.info("models.published", path=str(self.data.models_json))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait for the lock and hold it; the kernel gives it back when the process ends, however it ends."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
