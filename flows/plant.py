"""The plant's dataflow: the logs of a worker's shards through their engines into local files. Wiring only.

    python -m flows.plant --config plant.toml --data data --worker 0 --workers 2   as the supervisor starts it
    ANDON_CONFIG=plant.toml ANDON_DATA=data python -m bytewax.run flows.plant:flow ...   process of a Bytewax cluster

Step ids are part of the recovery store's keys: renaming one silently starts from nothing (tests/test_flow.py holds
the list).
"""

from __future__ import annotations

import argparse
import gc
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig
from bytewax.run import cli_main

from andon.clock import Clock, SystemClock
from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.disk import is_disk_full
from andon.errors import DataFolderError
from andon.heartbeat import Heartbeat, kept
from andon.locks import Exclusive
from andon.logs import set_up_logs
from andon.plant import PlantModel
from andon.process import exit_status_of, stop_on_signals
from andon.records import open_site_records
from andon.slots import SlotFiles
from flows.edits import RuleEdits
from flows.influx import influx_partition
from flows.kafka_out import kafka_out_partition
from flows.model_file import ModelFile
from flows.quarantine import Quarantine
from flows.recovery import forget_unreached
from flows.seeds import SeededSource, Seeds, Source
from flows.shard import ShardEngine
from flows.shard_state import State
from flows.stage import Opened
from flows.steady import Pace, SteadySource
from flows.together import Siblings, SiblingStage
from flows.workers import for_cluster, join
from flows.writers import DeadLetterPartition, HistoryPartition, RecordsPartition, ShardSink
from sinks.dead_letters import DeadLetterStore
from sinks.history import HistoryWriter
from sinks.journal import Journal
from sources.batch import shard_key
from sources.kafka.kafka_bytewax import KafkaSource
from sources.profile import PROFILES
from sources.spool_bytewax import SpoolSource

COMPILE_S = 300.0  # kernels that are not compiled yet take a minute on a fast machine
API_SERVER = "BYTEWAX_DATAFLOW_API_ENABLED"
NO_SEEDS = Seeds({})
Lock = Callable[[int], object]


def plant_flow(
    plant: PlantModel,
    data: DataFolder,
    shards: Sequence[int],
    stop: threading.Event,
    clock: Clock,
    *,
    name: str = "flow-0",
    seeds: Seeds = NO_SEEDS,
    lock: Lock = lambda _shard: None,
    pace: Pace | None = None,
) -> Dataflow:
    """log -> engine -> history, dead letters, records and what is configured besides; one Bytewax key a shard.

    name: of its sign of life. seeds: where shards go on that are new to the recovery store. lock: called before a
    shard's engine opens. pace: tells afterwards whether the source ended because the clock was set back.
    """
    os.environ.pop(API_SERVER, None)  # where it is set, whatever to, Bytewax opens a port to everybody, without a login
    keep = plant.config.retention
    beat = Heartbeat(data, name)
    records = open_site_records(plant.config, data, stop, clock=clock, beat=beat)

    def fresh(shard: int) -> ShardEngine:
        return ShardEngine(plant, shard, Journal(data.journal(shard)), SlotFiles(data.slots(shard)))

    def open_shard(shard: int) -> Opened:
        lock(shard)
        return fresh(shard), Quarantine(data.slots(shard).parent / "quarantine.json")

    def edits(shard: int) -> RuleEdits:
        return RuleEdits(data.slots(shard).parent / "rules.json", plant.config.rule, clock)

    def engine_seed(shard: int) -> State | None:
        state: State | None = seeds.get("plant.engine", shard_key(shard))
        return state

    def history(shard: int, _resume: None) -> HistoryPartition:
        return HistoryPartition(HistoryWriter(data.history_db(shard), shard), keep.history_d * 86_400)

    def dead_letters(shard: int, resume: int | None) -> DeadLetterPartition:
        store = DeadLetterStore(data.dead_letters_db(shard), shard, keep.dead_letters_mb, keep.dead_letters_d)
        return DeadLetterPartition(store, resume)

    flow = Dataflow("plant")
    source = _source(plant, data, shards, stop, beat, clock)
    batches = op.input(plant.config.transport.kind, flow, SteadySource(SeededSource(source, seeds), pace or Pace()))
    compiling, siblings, models = partial(kept, beat, COMPILE_S), Siblings(), ModelFile(data.models_json)
    outputs = op.stateful_batch(
        "engine", batches,
        lambda state: SiblingStage(siblings, state, open_shard, engine_seed, compiling, edits, fresh, models),
    )  # fmt: skip
    # Bytewax runs outputs in this order, each for all shards: an alarm shall not wait for the history's commits.
    op.output("records", outputs, ShardSink(shards, seeds, lambda _shard, _resume: RecordsPartition(records)))
    op.output("history", outputs, ShardSink(shards, seeds, history))
    op.output("dead-letters", outputs, ShardSink(shards, seeds, dead_letters))
    if plant.config.influx is not None:
        op.output("influx", outputs, ShardSink(shards, seeds, partial(influx_partition, plant, data)))
    kafka = plant.config.transport.kafka
    if kafka is not None and "windows" in kafka.out:  # alarms and dead letters the sender takes from their stores
        op.output("kafka-out", outputs, ShardSink(shards, seeds, partial(kafka_out_partition, plant, data)))
    return flow


def _source(
    plant: PlantModel, data: DataFolder, shards: Sequence[int], stop: threading.Event, beat: Heartbeat, clock: Clock
) -> Source:
    if plant.config.transport.kind == "kafka":
        return KafkaSource(plant, data, shards, stop, beat, clock)
    folders = {shard: data.spool(shard) for shard in shards}
    return SpoolSource(folders, stop, beat, plant.config.transport.profile)


def flow() -> Dataflow:
    """For `python -m bytewax.run flows.plant:flow` alone or as a cluster; paths from the environment.

    The data folder is the cluster's own: `andon run` refuses it, and this refuses one of `andon run`.
    """
    plant = load_plant(Path(os.environ["ANDON_CONFIG"]))
    data = DataFolder(Path(os.environ["ANDON_DATA"]))
    transport = plant.config.transport
    data.create(plant.config.site.id, transport.shards)
    for_cluster(data, transport)
    return plant_flow(
        plant, data, range(transport.shards), stop_on_signals(), SystemClock(), name="flow-cluster",
        lock=lambda shard: Exclusive(data.shard_lock(shard)), pace=Pace(drains=False),
    )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run one worker until SIGTERM. ANDON_EPOCH_S in the environment: seconds between snapshots, not the profile's."""
    parser = argparse.ArgumentParser(prog="python -m flows.plant")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--worker", type=int, default=0, help="number of this worker, from 0")
    parser.add_argument("--workers", type=int, default=1, help="how many there are")
    options = parser.parse_args(argv)
    stop = stop_on_signals()
    name = f"flow-{options.worker}"
    set_up_logs(name)
    plant = load_plant(options.config)
    epoch_s = PROFILES[plant.config.transport.profile].epoch_s
    data = DataFolder(options.data)
    data.open(plant.config.site.id, plant.config.transport.shards)
    gc.freeze()  # what is loaded by now stays: the collector need not look at it again and again
    with ExitStack() as held:
        layout = join(held, data, plant.config.transport, options.worker, options.workers)
        store = data.recovery(layout.generation, options.worker)
        seeds = Seeds.read(data.generation(layout.generation))
        shards = layout.shards_of(options.worker)
        try:
            while True:
                pace = Pace()
                forget_unreached(store)
                cli_main(
                    plant_flow(plant, data, shards, stop, SystemClock(), name=name, seeds=seeds, pace=pace),
                    epoch_interval=timedelta(seconds=float(os.environ.get("ANDON_EPOCH_S", epoch_s))),
                    recovery_config=RecoveryConfig(store),
                )
                if not pace.stepped or stop.is_set():
                    break
        except Exception as error:
            if is_disk_full(error, data.path, store):
                raise DataFolderError("flow.disk_full", path=str(data.path)) from error
            raise
    return 0


if __name__ == "__main__":
    raise SystemExit(exit_status_of(main))
