"""What the demo's check is told of a run: alarms, the ERP's own records, ledger, dead letters, windows."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from andon.datafolder import DataFolder
from andon.plant import PlantModel
from andon.records import Records
from simulators.checker import Report, check
from simulators.truth import Truth
from sinks.dead_letters import DeadLetterStore
from sinks.history import HistoryReader

ALARM = ("key", "asset", "tag", "rule_id", "raises", "start_ns")
LEDGER = ("asset", "tag", "received", "counted", "late", "duplicate", "bad", "dead", "conflict")
MOST_ALARMS = 1_000_000


def report_of(
    told: Truth, plant: PlantModel, data: DataFolder, records: Records, history: HistoryReader, erp: Path
) -> Report:
    """Hold a finished, drained run against the simulators' truth. erp: the stub ERP's database."""
    return check(
        told,
        [{name: getattr(alarm, name) for name in ALARM} for alarm in records.alarms(limit=MOST_ALARMS)],
        erp_records(erp),
        [tuple(getattr(row, name) for name in LEDGER) for row in history.ledger()],
        dead_letters(plant, data),
        windows=history.window_count(),
    )


def dead_letters(plant: PlantModel, data: DataFolder) -> dict[str, int]:
    """Stored dead letters of all shards by reason."""
    keep, counts = plant.config.retention, dict[str, int]()
    for shard in range(plant.config.transport.shards):
        store = DeadLetterStore(data.dead_letters_db(shard), shard, keep.dead_letters_mb, keep.dead_letters_d)
        for reason, count in store.counts().items():
            counts[reason] = counts.get(reason, 0) + count
    return counts


def erp_records(path: Path) -> list[dict[str, object]]:
    """Every record of the stub ERP, as its own database has it."""
    with sqlite3.connect(path) as db:
        return [
            {"key": key, "kind": kind, "number": number}
            for key, kind, number in db.execute("select external_key, kind, number from record order by id")
        ]
