"""Andon over messages in memory: the flow without a broker, and its parts alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSource, run_main

from andon.plant import PlantModel
from andon.series import SeriesDictionary
from andon.slots import SlotFiles
from benchmarks.workload import BAD, IN_MEMORY, Drop, batches, plant
from benchmarks.world import World
from flows.quarantine import Quarantine
from flows.seeds import Seeds
from flows.shard import ShardEngine
from flows.stage import EngineStage
from flows.writers import DeadLetterPartition, ShardSink
from sinks.dead_letters import DeadLetterStore
from sinks.journal import Journal
from sources.batch import Batch
from sources.decode import LogDecoder

MOST = 1_000_000
Items = list[tuple[str, Batch]]


def andon_flow(model: PlantModel, items: Items, folder: Path) -> Dataflow:
    """The engine's stage between a source in memory and a sink that drops."""

    def open_shard(shard: int) -> tuple[ShardEngine, Quarantine]:
        engine = ShardEngine(model, shard, Journal(folder / "journal"), SlotFiles(folder / "slots"))
        return engine, Quarantine(folder / "quarantine.json")

    def dead_letters(shard: int, resume: int | None) -> DeadLetterPartition:
        return DeadLetterPartition(DeadLetterStore(folder / "dead.db", shard, 256.0, 90.0), resume)

    flow = Dataflow("bench")
    batches_in = op.input("in", flow, TestingSource(items, batch_size=1))
    outputs = op.stateful_batch("engine", batches_in, lambda state: EngineStage(state, open_shard, lambda _shard: None))
    op.output("out", outputs, Drop())
    op.output("dead-letters", outputs, ShardSink([0], Seeds({}), dead_letters))
    return flow


def lines_of(world: World) -> list[bytes]:
    """The messages, without ticks; a million at most."""
    return world.lines.read_bytes().splitlines()[:MOST]


def soiled(rows: Sequence[bytes]) -> list[bytes]:
    """Every tenth message unusable, seven kinds."""
    return [BAD[at // 10 % len(BAD)] if at % 10 == 9 else row for at, row in enumerate(rows)]


def flow(detect: str, *, bad: bool = False) -> Callable[[World], Callable[[], int]]:
    """The flow in memory; `detect`: the detector of every series, "" for none. It counts good readings."""

    def ready(world: World) -> Callable[[], int]:
        model, rows = plant(detect=detect or False), lines_of(world)
        items = batches(soiled(rows) if bad else rows)
        good = len(rows) * 9 // 10 if bad else len(rows)

        def run() -> int:
            with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
                run_main(andon_flow(model, items, Path(folder)))
            return good

        return run

    return ready


def decode(world: World) -> Callable[[], int]:
    """The decoder alone; each run begins with an empty dictionary."""
    model, rows = plant(detect="ewma"), lines_of(world)
    items = batches(rows)

    def run() -> int:
        decoder = LogDecoder(SeriesDictionary(model, 0), model, 0)
        for _, batch in items:
            decoder.decode(batch.messages)
        return len(rows)

    return run


def engine(world: World) -> Callable[[], int]:
    """The engine alone, decoder included, without Bytewax."""
    model, rows = plant(detect="ewma"), lines_of(world)
    items = batches(rows)

    def run() -> int:
        with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
            shard = ShardEngine(model, 0, Journal(Path(folder) / "journal"), SlotFiles(Path(folder) / "slots"))
            shard.restore(None)
            for _, batch in items:
                shard.step(batch.messages)
        return len(rows)

    return run
