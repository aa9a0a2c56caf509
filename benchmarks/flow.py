"""Andon's own flow over a topic, from its first message to its last: what a worker of a site does, in this process."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from unittest import mock

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig
from bytewax.testing import run_main

from andon.clock import SystemClock
from andon.datafolder import DataFolder
from andon.heartbeat import Heartbeat
from andon.plant import PlantModel
from andon.slots import SlotFiles
from benchmarks.lane import Sample, Stretch
from benchmarks.workload import IN_MEMORY, PARTITIONS, Drop, plant
from benchmarks.world import World, kafka_section
from flows.plant import NO_SEEDS, plant_flow
from flows.quarantine import Quarantine
from flows.recovery import make_store
from flows.seeds import SeededSource
from flows.shard import ShardEngine
from flows.steady import Pace, SteadySource
from flows.together import Siblings, SiblingStage
from flows.writers import DeadLetterPartition, ShardSink
from sinks.dead_letters import DeadLetterStore
from sinks.journal import Journal
from sources.kafka import reader
from sources.kafka.kafka_bytewax import KafkaSource

EPOCH_S, LOOK_S = 1.0, 0.01
SHARDS = range(PARTITIONS)


def scored_plant(world: World, topic: str, detect: str = "ewma") -> PlantModel:
    """W1's plant on this topic, every reading with the score of that detector."""
    return plant(detect=detect, kafka=kafka_section(world.bootstrap, topic))


def engine_flow(model: PlantModel, data: DataFolder, stop: threading.Event) -> Dataflow:
    """`plant_flow` with the engine's outputs dropped, dead letters kept: what InfluxDB and SQLite cost is left out."""
    keep = model.config.retention

    def open_shard(shard: int) -> tuple[ShardEngine, Quarantine]:
        engine = ShardEngine(model, shard, Journal(data.journal(shard)), SlotFiles(data.slots(shard)))
        return engine, Quarantine(data.slots(shard).parent / "quarantine.json")

    def dead_letters(shard: int, resume: int | None) -> DeadLetterPartition:
        store = DeadLetterStore(data.dead_letters_db(shard), shard, keep.dead_letters_mb, keep.dead_letters_d)
        return DeadLetterPartition(store, resume)

    flow = Dataflow("plant")
    source = KafkaSource(model, data, SHARDS, stop, Heartbeat(data, "bench"), SystemClock())
    batches = op.input("kafka", flow, SteadySource(SeededSource(source, NO_SEEDS), Pace()))
    siblings = Siblings()
    outputs = op.stateful_batch("engine", batches, lambda state: SiblingStage(siblings, state, open_shard))
    op.output("out", outputs, Drop())
    op.output("dead-letters", outputs, ShardSink(SHARDS, NO_SEEDS, dead_letters))
    return flow


def read_so_far() -> float:
    """Messages that the readers of this process have handed on."""
    told = (reader.READ.labels(shard)._value.get() for shard in SHARDS)  # noqa: SLF001 - a counter has no other reader
    return float(sum(told))


@contextmanager
def stopped_at(count: int) -> Iterator[tuple[threading.Event, Stretch]]:
    """The event of a source that is to end after `count` messages of all partitions, and the run's middle."""
    stop, over, before, stretch = threading.Event(), threading.Event(), read_so_far(), Stretch(count)

    def look() -> None:
        while not over.wait(LOOK_S):
            read = int(read_so_far() - before)
            stretch.note(read)
            if read >= count:
                stop.set()

    beside = threading.Thread(target=look, daemon=True)
    beside.start()
    try:
        yield stop, stretch
    finally:
        over.set()
        beside.join()


def run_flow(world: World, topic: str, model: PlantModel, *, writers: bool = False) -> Sample:
    """The whole topic through the flow, recovery on. writers: with the sinks of a site, else outputs are dropped."""
    messages, events = world.messages[topic], world.events[topic]
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name, stopped_at(messages) as (stop, stretch):
        data = DataFolder(Path(name))
        data.create(model.config.site.id, PARTITIONS)
        store = data.recovery(1, 0)
        make_store(store)
        before = Drop.readings
        flow = plant_flow(model, data, SHARDS, stop, SystemClock()) if writers else engine_flow(model, data, stop)
        run_main(flow, epoch_interval=timedelta(seconds=EPOCH_S), recovery_config=RecoveryConfig(str(store)))
    taken = Drop.readings - before
    if not writers and taken < 0.99 * events:  # a few are the same again: duplicates
        raise RuntimeError(f"{taken} of {events} readings came out")
    return stretch.sample(events)


@contextmanager
def without_gathering() -> Iterator[None]:
    """confluent-kafka's own consumer, as where librdkafka's C interface cannot be used."""
    with mock.patch("sources.kafka.reader.available", return_value=None):
        yield


def first_result(model: PlantModel) -> Sample:
    """One event that cost what this process has cost from its start until the flow had handed on its first outputs."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name, stopped_at(1) as (stop, _):
        data = DataFolder(Path(name))
        data.create(model.config.site.id, PARTITIONS)
        store = data.recovery(1, 0)
        make_store(store)
        flow, before = engine_flow(model, data, stop), Drop.readings
        run_main(flow, epoch_interval=timedelta(seconds=EPOCH_S), recovery_config=RecoveryConfig(str(store)))
    if Drop.readings == before:
        raise RuntimeError("nothing came out")
    return Sample(1, time.process_time(), time.perf_counter() - began)
