"""Replays a recording in a sandbox: the same engine and writers as live, a folder and a site id of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from andon.clock import SystemClock
from andon.datafolder import DataFolder
from andon.plant import PlantModel
from andon.readings import NS_PER_S, Message
from andon.records import SYSTEM_FLOW, AlarmRecord, Records
from andon.slots import SlotFiles
from flows.shard import ShardEngine
from service.rules import register_rules
from sinks.dead_letters import DeadLetterStore
from sinks.history import HistoryReader, HistoryWriter
from sinks.journal import Journal
from sources.replay import Recording, batches, messages

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a replay gave. days: length of the recording, event time."""

    rows: int
    windows: int
    dead_letters: int
    days: float
    alarms: list[AlarmRecord]

    @property
    def final_line(self) -> str:
        """For people and programs alike."""
        return (
            f"rows {self.rows}, windows {self.windows}, alarms {len(self.alarms)}, dead letters {self.dead_letters}, "
            f"days {self.days:.1f}"
        )


def replay(
    plant: PlantModel, recording: Recording, folder: Path, *, speed: float = 0.0,
    shown: Callable[[int, int], None] = lambda _count, _time_ns: None,
) -> Outcome:  # fmt: skip
    """Run a recording through one shard of a fresh data folder.

    speed: recorded seconds a second; 0: as fast as it goes. shown(messages so far, event time) after each batch.
    """
    data, site = DataFolder(folder), plant.config.site
    data.create(site.id, 1)
    keep = plant.config.retention
    engine = ShardEngine(plant, 0, Journal(data.journal(0)), SlotFiles(data.slots(0)))
    engine.restore(None)
    history = HistoryWriter(data.history_db(0), 0)
    dead = DeadLetterStore(data.dead_letters_db(0), 0, keep.dead_letters_mb, keep.dead_letters_d)
    first_ns, count = 0, 0
    with Records(data.records_db, site.id, SystemClock(), zone=site.timezone) as records:
        register_rules(plant, records)
        for batch in _paced(batches(messages(recording)), speed):
            outputs = engine.step(batch)
            history.write(outputs)
            dead.write(outputs.dead, ["/".join(path) for path in outputs.paths.values()])
            if outputs.conditions:
                records.apply_conditions(outputs.conditions, SYSTEM_FLOW)
            first_ns = first_ns or batch[0].received_ns
            count += len(batch)
            shown(count, engine.newest_ns)
        engine.snapshot()
        alarms = sorted(records.alarms(limit=100_000), key=lambda alarm: alarm.start_ns)
    history.close()
    reader = HistoryReader([data.history_db(0)])
    rows, windows = sum(row.received for row in reader.ledger()), reader.window_count()
    reader.close()
    days = (engine.newest_ns - first_ns) / NS_PER_S / DAY_S
    outcome = Outcome(rows, windows, sum(dead.counts().values()), days, alarms)
    dead.close()
    return outcome


def _paced(log: Iterator[list[Message]], speed: float) -> Iterator[list[Message]]:
    """Hold each batch back until its time has come."""
    began, origin_ns = time.monotonic(), 0
    for batch in log:
        origin_ns = origin_ns or batch[0].received_ns
        if speed:
            due = began + (batch[-1].received_ns - origin_ns) / NS_PER_S / speed
            time.sleep(max(0.0, due - time.monotonic()))
        yield batch
