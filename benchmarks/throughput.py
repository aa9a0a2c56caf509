"""CPU time per million readings of Andon's flow, of orjson per message and of vanilla Bytewax windows, in one run.

    .venv/bin/python benchmarks/throughput.py [--events 1000000] [--peer-events 50000] [--no-broker] [--json FILE]

Workload: 99-byte JSON readings, one a message, 1,000 series, 1 % out of order by up to 5 s; tumbling 10 s and hopping
60/5 s windows. The flow runs inside Bytewax over messages in memory: decoding, checks, ledger, duplicates, journal
(to a folder in memory), windows, one alarm rule a series, ticks once a second. CPU time of the whole process, best of
`--repeat`; ratios count, absolute figures depend on the machine and its load. From a real broker the same flow reads
one partition that was filled beforehand, beside confluent-kafka's plain `consume`.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import broker
import bytewax.operators as op
import orjson
from bytewax.dataflow import Dataflow
from bytewax.operators import windowing
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import TestingSource, run_main
from workload import BAD, BATCH, IN_MEMORY, Drop, batches, bodies, events, plant

from andon.config.deployment import Kafka
from andon.plant import PlantModel
from andon.slots import SlotFiles
from flows.quarantine import Quarantine
from flows.seeds import Seeds
from flows.shard import ShardEngine
from flows.stage import EngineStage
from flows.writers import DeadLetterPartition, ShardSink
from sinks.dead_letters import DeadLetterStore
from sinks.journal import Journal
from sources.spool_bytewax import Batch

TARGETS = {
    "flow_vs_orjson": ("<=", 1.0), "bytewax_vs_flow": (">=", 60.0), "bad_vs_clean_input": ("<=", 1.25),
    "gather_flow_vs_consume": ("<=", 2.5),
}  # fmt: skip


class Forget(DynamicSink[Any]):
    """Forgets."""

    class _Part(StatelessSinkPartition[Any]):
        def write_batch(self, items: list[Any]) -> None:
            pass

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSinkPartition[Any]:
        return self._Part()


def andon_flow(model: PlantModel, items: list[tuple[str, Batch]], folder: Path) -> Dataflow:
    """Our engine stage between an in-memory source and a sink that drops."""

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


def bytewax_flow(messages: list[bytes]) -> Dataflow:
    """The same windows the way Bytewax's documentation does them: one item a reading."""
    clock = windowing.EventClock(
        ts_getter=lambda row: datetime.fromtimestamp(row["ts"] / 1000, UTC),
        wait_for_system_duration=timedelta(seconds=5),
    )
    align = datetime(2026, 1, 1, tzinfo=UTC)
    flow = Dataflow("vanilla")
    rows = op.map("decode", op.input("in", flow, TestingSource(messages, batch_size=1000)), orjson.loads)
    keyed = op.key_on("key", rows, lambda row: row["asset"] + "/" + row["tag"])
    tumbling = windowing.TumblingWindower(length=timedelta(seconds=10), align_to=align)
    hopping = windowing.SlidingWindower(length=timedelta(seconds=60), offset=timedelta(seconds=5), align_to=align)
    for name, windower in (("tumbling", tumbling), ("hopping", hopping)):
        out = windowing.fold_window(name, keyed, clock, windower, lambda: [0, 1e300, -1e300, 0.0, 0.0], fold, merge)
        op.output(f"{name}-out", out.down, Forget())
    return flow


def fold(state: list[float], row: dict[str, Any]) -> list[float]:
    """Count, min, max, sum, sum of squares."""
    value = row["value"]
    state[0] += 1
    state[1] = min(state[1], value)
    state[2] = max(state[2], value)
    state[3] += value
    state[4] += value * value
    return state


def merge(one: list[float], two: list[float]) -> list[float]:
    """Two partial windows."""
    return [one[0] + two[0], min(one[1], two[1]), max(one[2], two[2]), one[3] + two[3], one[4] + two[4]]


def parse_all(rows: list[bytes]) -> None:
    """orjson for each message of the same batches as the flow's; a batch is dropped when the next one comes."""
    for begin in range(0, len(rows), BATCH):
        _ = [orjson.loads(row) for row in rows[begin : begin + BATCH]]


def parse_each(rows: list[bytes]) -> None:
    """orjson for each message, each result dropped at once: less than any flow can do."""
    for row in rows:
        orjson.loads(row)


@dataclass(frozen=True)
class Contender:
    """What is timed: `run` handles `count` readings."""

    name: str
    run: Callable[[], object]
    count: int
    rounds: int


def cpu_s(run: Callable[[], object]) -> float:
    """CPU seconds of this process, all threads, user and system."""
    gc.collect()
    began = time.process_time()
    run()
    return time.process_time() - began


def flow_of(model: PlantModel, items: list[tuple[str, Batch]]) -> Callable[[], object]:
    """One run of the flow in a folder of its own."""

    def run() -> None:
        with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
            run_main(andon_flow(model, items, Path(folder)))

    return run


def contenders(options: argparse.Namespace, rows: list[bytes], section: Kafka | None) -> list[Contender]:
    """Everything that is compared."""
    dirty = [BAD[at // 10 % len(BAD)] if at % 10 == 9 else row for at, row in enumerate(rows)]
    clean, good, peer = batches(rows), len(rows) * 9 // 10, rows[: options.peer_events]
    plain, scored = plant(detect=False), plant(detect=True)
    rounds = options.repeat
    those = [
        Contender("orjson_per_message", lambda: parse_all(rows), len(rows), options.repeat),
        Contender("orjson_dropped_at_once", lambda: parse_each(rows), len(rows), options.repeat),
        Contender("flow", flow_of(plain, clean), len(rows), options.repeat),
        Contender("flow_with_score", flow_of(scored, clean), len(rows), options.repeat),
        Contender("flow_with_10_percent_bad", flow_of(plain, batches(dirty)), good, options.repeat),
        Contender("bytewax_windows", lambda: run_main(bytewax_flow(peer)), len(peer), 1),
    ]
    if section is None:
        return those
    from_broker = broker.contenders(plain, clean, section)
    return [*those, *(Contender(name, run, len(rows), rounds) for name, run in from_broker.items())]


def measure(options: argparse.Namespace) -> dict[str, float]:
    """CPU s per million readings by name: the best of all rounds.

    Contenders take turns in every round, so that a machine that is busy for a while is busy for all of them.
    """
    best: dict[str, float] = {}
    rows = bodies(events(options.events))
    with broker.filled(batches(rows)) if not options.no_broker else nullcontext() as section:
        those = contenders(options, rows, section)
        cpu_s(those[3].run)  # compiled code comes from the cache from here on
        gc.freeze()  # as the flow's process does
        for number in range(options.repeat):
            for one in those:
                if number < one.rounds:
                    best[one.name] = min(best.get(one.name, float("inf")), cpu_s(one.run) / one.count * 1e6)
    return best


def main() -> int:
    """Print the table; exit status 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--peer-events", type=int, default=50_000, help="Bytewax's cost grows with it")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--no-broker", action="store_true", help="leave out what needs Kafka (`make servers`)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = {name: round(value, 4) for name, value in measure(options).items()}
    for name, value in figures.items():
        print(f"{name:24s} {value:9.3f} CPU-s per million readings")
    ratios = {
        "flow_vs_orjson": figures["flow"] / figures["orjson_per_message"],
        "flow_vs_orjson_dropped_at_once": figures["flow"] / figures["orjson_dropped_at_once"],
        "flow_with_score_vs_orjson": figures["flow_with_score"] / figures["orjson_per_message"],
        "bytewax_vs_flow": figures["bytewax_windows"] / figures["flow"],
        "bad_vs_clean_input": figures["flow_with_10_percent_bad"] / figures["flow"],
    }
    shares: dict[str, float] = {}
    if "broker_flow" in figures:
        ratios["gather_flow_vs_consume"] = figures["broker_flow"] / figures["broker_raw_consume"]
        ratios["flow_vs_consume"] = figures["broker_flow_plain"] / figures["broker_raw_consume"]
        shares = broker.shares(figures)
        print("of the flow from the broker: " + ", ".join(f"{name} {share:.0%}" for name, share in shares.items()))
    missed = 0
    for name, ratio in ratios.items():
        sign, target = TARGETS.get(name, ("", 0.0))
        met = ratio <= target if sign == "<=" else ratio >= target
        missed += not met
        verdict = f"   target {sign} {target:g}: {'met' if met else 'MISSED'}" if sign else ""
        print(f"{name:32s} {ratio:8.2f}{verdict}")
    if options.json:
        head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
        host = {"machine": platform.machine(), "python": platform.python_version(), "load": os.getloadavg()}
        result = {"ratios": ratios, "figures": figures, "shares": shares, "host": host, "commit": head.stdout.strip()}
        options.json.write_text(json.dumps(result, indent=2))
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
