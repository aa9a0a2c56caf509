"""The plant's dataflow: the log of a shard through its engine into local files. Wiring only.

    python -m flows.plant --config plant.toml --data data --shard 0     one shard, as the supervisor starts it
    ANDON_CONFIG=plant.toml ANDON_DATA=data python -m bytewax.run flows.plant:flow -r data/state/0/recovery

Step ids are part of the recovery store's keys: renaming one silently starts from nothing (tests/test_flow.py holds
the list).
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from andon.clock import Clock, SystemClock
from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.disk import is_disk_full
from andon.errors import DataFolderError
from andon.heartbeat import Heartbeat
from andon.locks import Exclusive
from andon.logs import set_up_logs
from andon.plant import PlantModel
from andon.process import exit_status_of
from andon.records import Records
from andon.slots import SlotFiles
from flows.quarantine import Quarantine
from flows.shard import ShardEngine
from flows.stage import EngineStage, Opened
from flows.writers import DeadLetterPartition, HistoryPartition, RecordsPartition, ShardSink
from sinks.dead_letters import DeadLetterStore
from sinks.history import HistoryWriter
from sinks.journal import Journal
from sources.spool_bytewax import SpoolSource

EPOCH = timedelta(seconds=1)


def plant_flow(
    plant: PlantModel, data: DataFolder, shards: Sequence[int], stop: threading.Event, clock: Clock
) -> Dataflow:
    """spool -> engine -> history, dead letters, records; one Bytewax key a shard."""
    records = Records(data.records_db, plant.config.site.id, clock, zone=plant.config.site.timezone).open()
    keep = plant.config.retention
    beat = Heartbeat(data, f"flow-{shards[0]}")

    def open_shard(shard: int) -> Opened:
        engine = ShardEngine(plant, shard, Journal(data.journal(shard)), SlotFiles(data.slots(shard)))
        return engine, Quarantine(data.slots(shard).parent / "quarantine.json")

    def history(shard: int, _resume: None) -> HistoryPartition:
        return HistoryPartition(HistoryWriter(data.history_db(shard), shard), keep.history_d * 86_400)

    def dead_letters(shard: int, resume: int | None) -> DeadLetterPartition:
        store = DeadLetterStore(data.dead_letters_db(shard), shard, keep.dead_letters_mb, keep.dead_letters_d)
        return DeadLetterPartition(store, resume)

    flow = Dataflow("plant")
    batches = op.input("spool", flow, SpoolSource({shard: data.spool(shard) for shard in shards}, stop, beat))
    outputs = op.stateful_batch("engine", batches, lambda state: EngineStage(state, open_shard))
    op.output("history", outputs, ShardSink(shards, history))
    op.output("dead-letters", outputs, ShardSink(shards, dead_letters))
    op.output("records", outputs, ShardSink(shards, lambda _shard, _resume: RecordsPartition(records)))
    return flow


def flow() -> Dataflow:
    """For `python -m bytewax.run flows.plant:flow`: all shards in one worker; paths from the environment."""
    plant = load_plant(Path(os.environ["ANDON_CONFIG"]))
    data = DataFolder(Path(os.environ["ANDON_DATA"]))
    shards = range(plant.config.transport.shards)
    data.create(plant.config.site.id, len(shards))
    return plant_flow(plant, data, shards, stop_on_signals(), SystemClock())


def stop_on_signals() -> threading.Event:
    """Set by SIGTERM and SIGINT: the source ends, state is kept, nothing is read twice."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def main(argv: Sequence[str] | None = None) -> int:
    """Run one shard until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m flows.plant")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--shard", type=int, required=True)
    options = parser.parse_args(argv)
    stop = stop_on_signals()
    set_up_logs(f"flow-{options.shard}")
    plant = load_plant(options.config)
    data = DataFolder(options.data)
    data.open(plant.config.site.id, plant.config.transport.shards)
    recovery = data.recovery(options.shard)
    held = Exclusive(recovery.parent / "lock")
    gc.freeze()  # what is loaded by now stays: the collector need not look at it again and again
    if not (recovery / "part-0.sqlite3").exists():
        recovery.mkdir(mode=0o700, parents=True, exist_ok=True)
        init_db_dir(recovery, 1)
    try:
        cli_main(
            plant_flow(plant, data, [options.shard], stop, SystemClock()),
            epoch_interval=EPOCH,
            recovery_config=RecoveryConfig(recovery),
        )
    except Exception as error:
        if is_disk_full(error, data.path, recovery):
            raise DataFolderError("flow.disk_full", path=str(data.path)) from error
        raise
    held.release()
    return 0


if __name__ == "__main__":
    raise SystemExit(exit_status_of(main))
