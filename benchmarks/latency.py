"""How long a reading takes from the producer to the engine's output, for each profile of [transport].

    .venv/bin/python -m benchmarks.latency [--profiles balanced ...] [--rates 5000 50000] [--partitions 20]

A real broker, a producer in a process of its own that lingers 5 ms, and the plant's source and engine in this process
with recovery on. The latency of a message is from before it is handed to the producer until the output of the step
that read it reaches the sink. Target: p99 of "balanced" at the highest rate at most 3 times what the producer lingers
and the source pauses at the longest. Absolute figures depend on the machine and its load, which is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig
from bytewax.testing import run_main
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # not in its __all__
from numpy.typing import NDArray

from andon.clock import SystemClock
from andon.config.models import Plant
from andon.datafolder import DataFolder
from andon.heartbeat import Heartbeat
from andon.outputs import ShardOutputs
from andon.plant import PlantModel
from andon.slots import SlotFiles
from benchmarks.paced import ASSETS, LINGER_MS, TAGS, asset
from flows.quarantine import Quarantine
from flows.recovery import make_store
from flows.seeds import SeededSource, Seeds
from flows.shard import ShardEngine
from flows.steady import Pace, SteadySource
from flows.together import Siblings, SiblingStage
from service.servers import Kafka
from sinks.journal import Journal
from sources.kafka.kafka_bytewax import KafkaSource
from sources.profile import PROFILES
from sources.ticks import tick_body

TARGET = 3.0
PARTITIONS, RATES = 20, (5_000, 50_000)
WARM_S, SECONDS, LEFT_S, START_S = 2.5, 8.0, 20.0, 120.0
Step = tuple[int, int, int, int]  # shard, first and last offset, when it came out, ns


class Steps(DynamicSink[tuple[str, ShardOutputs]]):
    """Notes when the output of each step comes."""

    def __init__(self) -> None:
        self.seen: list[Step] = []

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSinkPartition[Any]:
        """The one of this process."""
        seen = self.seen

        class _Part(StatelessSinkPartition[Any]):
            def write_batch(self, items: list[tuple[str, ShardOutputs]]) -> None:
                now_ns = time.time_ns()
                seen.extend((out.shard, out.first_offset, out.last_offset, now_ns) for _, out in items)

        return _Part()


def plant(bootstrap: str, topic: str, partitions: int, profile: str) -> PlantModel:
    """The plant of the benchmarks, an asset in each partition in turn."""
    kafka = {"brokers": bootstrap, "topic": topic, "stamps": "producer"}
    series = [{"tag": f"tag{tag:02}", "unit": "Cel", "range": [-50.0, 150.0]} for tag in range(TAGS)]
    return PlantModel(Plant.model_validate({
        "schema": 1, "enterprise": {"id": "bench"}, "site": {"id": "bench"},
        "transport": {"kind": "kafka", "shards": partitions, "profile": profile, "kafka": kafka},
        "windows": {"pane_s": 5.0, "sizes_s": [10.0], "hopping_s": [[60.0, 5.0]]},
        "template": [{"name": "machine", "series": series}],
        "asset": [
            {"path": asset(number), "template": "machine", "shard": number % partitions} for number in range(ASSETS)
        ],
        "rule": [{"id": "hot", "on": "hall/*", "above": 24.0, "delay_s": 30.0, "deadband": 0.5}],
    }))  # fmt: skip


def flow_of(model: PlantModel, data: DataFolder, stop: threading.Event, steps: Steps) -> Dataflow:
    """The plant's source and engine; outputs go no further."""
    shards = range(model.config.transport.shards)

    def open_shard(shard: int) -> tuple[ShardEngine, Quarantine]:
        engine = ShardEngine(model, shard, Journal(data.journal(shard)), SlotFiles(data.slots(shard)))
        return engine, Quarantine(data.slots(shard).parent / "quarantine.json")

    flow = Dataflow("latency")
    source = KafkaSource(model, data, shards, stop, Heartbeat(data, "bench"), SystemClock())
    batches = op.input("kafka", flow, SteadySource(SeededSource(source, Seeds({})), Pace()))
    siblings = Siblings()
    op.output(
        "out", op.stateful_batch("engine", batches, lambda state: SiblingStage(siblings, state, open_shard)), steps
    )
    return flow


def watch(
    command: Sequence[str], partitions: int, steps: Steps, stop: threading.Event, cpu: list[tuple[float, float]]
) -> None:
    """Idle for a while once all shards run; then let the producer run, and stop the flow when everything came out."""
    until = time.monotonic() + START_S
    while _read(steps) < partitions and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(WARM_S)
    cpu.append((time.process_time(), time.perf_counter()))
    time.sleep(WARM_S)
    cpu.append((time.process_time(), time.perf_counter()))
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        if process.stdout is not None:
            process.stdout.readline()
        time.sleep(WARM_S)
        cpu.append((time.process_time(), float(_read(steps))))
        time.sleep(SECONDS - WARM_S - 1.0)
        cpu.append((time.process_time(), float(_read(steps))))
        process.wait()
    until = time.monotonic() + LEFT_S
    sent = np.load(command[-1]).shape[1] + partitions
    while _read(steps) < sent and time.monotonic() < until:
        time.sleep(0.05)
    stop.set()


def _read(steps: Steps) -> int:
    return sum(last - first + 1 for _, first, last, _ in steps.seen.copy())


def latencies_ms(sent: NDArray[np.int64], steps: Sequence[Step]) -> NDArray[np.float64]:
    """Of each message in the order they were sent. Raises RuntimeError when some did not come out."""
    partition, place, sent_ns = sent
    out_ns = np.zeros(len(place), np.int64)
    for shard in np.unique(partition).tolist():
        mine = np.flatnonzero(partition == shard)
        here = sorted(step[1:] for step in steps if step[0] == shard)
        last = np.array([step[1] for step in here])
        at = np.searchsorted(last, place[mine] + 2)  # the log counts from 1, and a tick was first
        if at.max(initial=0) >= len(here):
            raise RuntimeError(f"partition {shard}: {place[mine[-1]] + 1} sent, {last.max(initial=0)} came out")
        out_ns[mine] = np.array([step[2] for step in here])[at]
    added: NDArray[np.float64] = (out_ns - sent_ns) / 1e6
    return added


def wake(bootstrap: str, topic: str, partitions: int) -> None:
    """A tick in each partition: with it the shards open, and kernels are compiled where they are not yet."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for partition in range(partitions):
        producer.produce(topic, tick_body(time.time_ns()), partition=partition)
    producer.flush(30)


def measure(profile: str, rate: int, partitions: int = PARTITIONS, bootstrap: str = "") -> dict[str, Any]:
    """One run: p50_ms, p99_ms, cpu_s_per_million, idle_core (share of a core), p99_over_linger_plus_poll, load.

    bootstrap: of a broker that is there; none: one of its own.
    """
    if not bootstrap:
        with tempfile.TemporaryDirectory() as folder:
            broker = Kafka(Path(folder) / "kafka")
            broker.start()
            try:
                return measure(profile, rate, partitions, broker.bootstrap)
            finally:
                broker.stop()
    topic = f"latency-{uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result()
    wake(bootstrap, topic, partitions)
    chosen, steps, stop = PROFILES[profile], Steps(), threading.Event()
    cpu: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as name:
        data = DataFolder(Path(name) / "data")
        data.create("bench", partitions)
        store = data.recovery(1, 0)
        make_store(store)
        file = Path(name) / "sent.npy"
        command = [
            sys.executable, "-m", "benchmarks.paced", bootstrap, topic, str(partitions), str(rate), str(SECONDS),
            str(file),
        ]  # fmt: skip
        beside = threading.Thread(target=watch, args=(command, partitions, steps, stop, cpu), daemon=True)
        beside.start()
        flow = flow_of(plant(bootstrap, topic, partitions, profile), data, stop, steps)
        run_main(flow, epoch_interval=timedelta(seconds=chosen.epoch_s), recovery_config=RecoveryConfig(str(store)))
        beside.join()
        sent = np.load(file)
    added = latencies_ms(sent, steps.seen)[sent[2] > sent[2, 0] + WARM_S * 1e9]
    p50, p99 = np.percentile(added, [50, 99]).tolist()
    (idle_begin, began_s), (idle_end, ended_s), (busy_begin, read_begin), (busy_end, read_end) = cpu
    return {
        "profile": profile, "rate": rate, "partitions": partitions, "p50_ms": round(p50, 1), "p99_ms": round(p99, 1),
        "cpu_s_per_million": round((busy_end - busy_begin) / max(1.0, read_end - read_begin) * 1e6, 2),
        "idle_core": round((idle_end - idle_begin) / (ended_s - began_s), 4),
        "p99_over_linger_plus_poll": round(p99 / (LINGER_MS + chosen.idle_s * 1000), 2),
        "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip


def main() -> int:
    """Print a line for each run; exit status 1 when the target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--profiles", nargs="*", choices=PROFILES, default=list(PROFILES))
    parser.add_argument("--rates", nargs="*", type=int, default=list(RATES))
    parser.add_argument("--partitions", type=int, default=PARTITIONS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    runs = []
    for rate in options.rates:
        for profile in options.profiles:
            runs.append(measure(profile, rate, options.partitions))
            print(" ".join(f"{name} {value}" for name, value in runs[-1].items()), flush=True)
    figures = {}
    for one in runs:
        if one["profile"] == "balanced" and one["rate"] == max(options.rates):
            figures["latency_p99_over_linger_plus_poll"] = one["p99_over_linger_plus_poll"]
    if options.json:
        options.json.write_text(json.dumps({"ratios": {}, "figures": {**figures, "latency": runs}}, indent=2))
    return 1 if any(ratio > TARGET for ratio in figures.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
