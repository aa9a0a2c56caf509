"""The same log through Kafka: any number of workers, changes after kills, and the Bytewax cluster give the same."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bytewax.recovery import init_db_dir

from andon.readings import NS_PER_MS
from flows.shard import ShardEngine
from flows.workers import read_layout
from tests.engine_world import IN_MEMORY
from tests.kafka_world import new_topic, produce
from tests.workers_world import (
    SHARDS,
    everything,
    fill,
    killed_processes,
    model,
    new_folder,
    reached,
    shard_log,
    work,
    write_plant,
)

ENDS = {shard: len(shard_log(shard)) for shard in range(SHARDS)}
CLUSTER_S = 120.0
pytestmark = pytest.mark.timeout(400)  # processes that compile their kernels first, on a machine that does much besides


@pytest.fixture(scope="module")
def memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def through_the_spool(memory) -> dict[str, list[str]]:
    """What one worker makes of the log in the spool."""
    plant, data = model(memory), new_folder(memory / "spool")
    fill(data)
    work(data, plant, 1)
    return everything(data, plant)


def transport(bootstrap: str, topic: str) -> str:
    return f'kind = "kafka"\nkafka = {{ brokers = "{bootstrap}", topic = "{topic}", stamps = "producer" }}'


def send(bootstrap: str, topic: str, begin: float = 0.0, end: float = 1.0) -> dict[int, int]:
    """A part of every shard's log, 0..1, with the receive times of the spool's; returns the last offsets."""
    for shard in range(SHARDS):
        log = shard_log(shard)[round(begin * ENDS[shard]) : round(end * ENDS[shard])]
        stamps = [received_ns // NS_PER_MS for received_ns, _ in log]
        produce(bootstrap, topic, [raw for _, raw in log], partition=shard, stamps_ms=stamps)
    return {shard: round(end * ENDS[shard]) for shard in range(SHARDS)}


def own_topic(bootstrap: str) -> str:
    """A topic that keeps what producers stamped long ago: retention goes by the messages' stamps."""
    return new_topic(bootstrap, SHARDS, stamps="producer", **{"retention.ms": "-1"})


@pytest.fixture(scope="module")
def topic(kafka) -> str:
    """The whole log, a partition a shard."""
    name = own_topic(kafka.bootstrap)
    send(kafka.bootstrap, name)
    return name


@pytest.fixture
def folder(memory) -> Path:
    return Path(tempfile.mkdtemp(dir=memory))


@pytest.mark.real
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_kafka_gives_the_same_as_the_spool(workers, folder, kafka, topic, through_the_spool):
    plant, data = model(folder, transport(kafka.bootstrap, topic)), new_folder(folder / "data")
    work(data, plant, workers, last=ENDS)
    assert everything(data, plant) == through_the_spool


@pytest.mark.real
@pytest.mark.crash
def test_changing_the_workers_after_kills_gives_the_same(folder, kafka, topic, through_the_spool):
    plant, data = model(folder, transport(kafka.bootstrap, topic)), new_folder(folder / "data")
    for workers, share in ((1, 0.3), (3, 0.6)):
        killed_processes(data, folder / "plant.toml", workers, share)
        assert 0 < sum(reached(data, shard) for shard in range(SHARDS)) < sum(ENDS.values()), "killed in the middle"
    work(data, plant, 2, last=ENDS)
    layout = read_layout(data)
    assert layout is not None
    assert (layout.generation, layout.workers, layout.log) == (3, 2, "kafka")
    assert everything(data, plant) == through_the_spool


@pytest.mark.real
def test_a_graceful_stop_and_a_change_see_each_offset_once(folder, kafka, through_the_spool, monkeypatch):
    step, seen = ShardEngine.step, []

    def noted(self, batch):
        seen.extend((self.shard, message.offset) for message in batch)
        return step(self, batch)

    monkeypatch.setattr(ShardEngine, "step", noted)
    name = own_topic(kafka.bootstrap)
    plant, data = model(folder, transport(kafka.bootstrap, name)), new_folder(folder / "data")
    for workers, begin, end in ((1, 0.0, 0.3), (3, 0.3, 0.6), (2, 0.6, 1.0)):
        work(data, plant, workers, last=send(kafka.bootstrap, name, begin, end))
    assert sorted(seen) == [(shard, offset) for shard in range(SHARDS) for offset in range(1, ENDS[shard] + 1)]
    assert everything(data, plant) == through_the_spool


class Cluster:
    """The Bytewax cluster command: two processes on loopback."""

    def __init__(self, folder: Path, config: Path) -> None:
        self.store = folder / "data" / "state" / "cluster"
        if not self.store.exists():
            self.store.mkdir()
            init_db_dir(self.store, 2)
        self.environment = os.environ | {"ANDON_CONFIG": str(config), "ANDON_DATA": str(folder / "data")}
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        addresses = ";".join(f"127.0.0.1:{free_port()}" for _ in range(2))
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-m", "bytewax.run", "flows.plant:flow", "-i", str(number), "-a", addresses,
                 "-r", str(self.store), "-s", "1", "-b", "0"],
                env=self.environment, stderr=subprocess.DEVNULL,
            )
            for number in range(2)
        ]  # fmt: skip

    def until(self, ready) -> None:
        deadline = time.monotonic() + CLUSTER_S
        while not ready():
            assert [one.poll() for one in self.processes] == [None, None], "a process has ended"
            assert time.monotonic() < deadline, "not reached in time"
            time.sleep(0.05)

    def end(self, number: int) -> list[int]:
        """Signal both and wait."""
        for one in self.processes:
            one.send_signal(number)
        return [one.wait(60) for one in self.processes]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def through_a_cluster(folder: Path, config: Path) -> None:
    """Killed once on the way, when it has worked off some."""
    data = new_folder(folder / "data")
    cluster = Cluster(folder, config)
    try:
        cluster.start()
        cluster.until(lambda: sum(reached(data, shard) for shard in range(SHARDS)) > 0)
        cluster.end(signal.SIGKILL)
        cluster.start()
        cluster.until(lambda: all(reached(data, shard) == end for shard, end in ENDS.items()))
        assert cluster.end(signal.SIGTERM) == [0, 0]
    finally:
        cluster.end(signal.SIGKILL)


@pytest.mark.crash
@pytest.mark.slow
def test_a_bytewax_cluster_over_the_spool_gives_the_same(folder, through_the_spool):
    config = write_plant(folder)
    fill(new_folder(folder / "data"))
    through_a_cluster(folder, config)
    plant, data = model(folder), new_folder(folder / "data")
    assert everything(data, plant) == through_the_spool
    layout = read_layout(data)
    assert layout is not None
    assert layout.workers == 0


@pytest.mark.real
@pytest.mark.crash
@pytest.mark.slow
def test_a_bytewax_cluster_over_kafka_gives_the_same(folder, kafka, topic, through_the_spool):
    config = write_plant(folder, transport(kafka.bootstrap, topic))
    through_a_cluster(folder, config)
    plant, data = model(folder, transport(kafka.bootstrap, topic)), new_folder(folder / "data")
    assert everything(data, plant) == through_the_spool
