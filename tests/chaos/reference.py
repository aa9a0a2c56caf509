"""The undisturbed run: the same log through the engine and the writers in one process, nothing stopped, no Bytewax."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from andon.clock import SystemClock
from andon.datafolder import DataFolder
from andon.plant import PlantModel
from andon.readings import Message
from andon.records import SYSTEM_FLOW, Records
from andon.slots import SlotFiles
from flows.shard import ShardEngine
from service.rules import register_rules
from sinks.dead_letters import DeadLetterStore
from sinks.history import HistoryWriter
from sinks.journal import Journal

STEP = 3_000  # messages; another cut than the flow's, which must not matter


def run_reference(plant: PlantModel, logs: Mapping[int, Iterable[Message]], folder: Path) -> DataFolder:
    """A data folder as the site's would be without any kill. logs: by shard."""
    data = DataFolder(folder)
    site = plant.config.site
    data.create(site.id, len(logs))
    with Records(data.records_db, site.id, SystemClock(), zone=site.timezone) as records:
        register_rules(plant, records)
        for shard, log in logs.items():
            _run_shard(plant, data, shard, iter(log), records)
    return data


def _run_shard(plant: PlantModel, data: DataFolder, shard: int, log: Iterator[Message], records: Records) -> None:
    engine = ShardEngine(plant, shard, Journal(data.journal(shard)), SlotFiles(data.slots(shard)))
    engine.restore(None)
    history = HistoryWriter(data.history_db(shard), shard)
    keep = plant.config.retention
    dead = DeadLetterStore(data.dead_letters_db(shard), shard, keep.dead_letters_mb, keep.dead_letters_d)
    while step := list(islice(log, STEP)):
        outputs = engine.step(step)
        history.write(outputs)
        dead.write(outputs.dead, {series: "/".join(path) for series, path in outputs.paths.items()})
        if outputs.conditions:
            records.apply_conditions(outputs.conditions, SYSTEM_FLOW)
    engine.snapshot()
    engine.journal.close()
    history.close()
    dead.close()
