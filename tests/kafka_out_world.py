"""A site whose shard has windows, dead letters and alarms to publish, and a consumer that takes all there is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from andon.conditions import ConditionChange
from andon.datafolder import DataFolder
from andon.outputs import ShardOutputs, WindowRows
from andon.plant import PlantModel
from andon.readings import DeadLetters, Reason
from andon.records import SYSTEM_FLOW, Records, site_records
from flows.kafka_out import KafkaOutPartition, kafka_out_partition
from sinks.dead_letters import DeadLetterStore
from tests.engine_world import START_NS, S, plant

PARTITIONS = 3
KINDS = ("windows", "alarms", "dead-letters")
PATHS = {0: ("line1/filler", "total"), 1: ("cold/room", "air"), 2: ("util/pump", "vibration")}


class Got(NamedTuple):
    """A message as its consumer sees it."""

    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: dict[str, str]

    @property
    def id(self) -> str:
        """What consumers drop doubles by."""
        return self.headers["id"]


def publishing(bootstrap: str, prefix: str, out: Sequence[str] = KINDS, **more: object) -> PlantModel:
    """The small plant, publishing on topics with a prefix of their own."""
    kafka = {"brokers": bootstrap, "out": tuple(out), "out_prefix": prefix, **more}
    return plant(transport={"kafka": kafka})


def make_topics(bootstrap: str, prefix: str, kinds: Sequence[str] = KINDS, **config: str) -> None:
    """The three topics, or some of them."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    wanted = [NewTopic(f"{prefix}{kind}", PARTITIONS, 1, config=config) for kind in kinds]
    for made in admin.create_topics(wanted, operation_timeout=30.0).values():
        made.result(60.0)


def ends_of(consumer: Consumer, topic: str, deadline: float) -> dict[int, int]:
    """The end of each partition that has messages. One that was made just now may have no leader yet."""
    while True:
        try:
            found = {}
            for partition in consumer.list_topics(topic, timeout=10.0).topics[topic].partitions:
                low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10.0)
                if high > low:
                    found[partition] = high
        except KafkaException:
            assert time.monotonic() < deadline, "no leader"
            time.sleep(0.1)
        else:
            return found


def consume(bootstrap: str, topic: str, patience_s: float = 30.0) -> list[Got]:
    """Every message of a topic up to its end as it is now, partition by partition in order."""
    deadline = time.monotonic() + patience_s
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap, "group.id": "tests", "enable.auto.commit": False, "log_level": 0,
            "auto.offset.reset": "error", "check.crcs": True,
        }
    )  # fmt: skip
    try:
        ends = ends_of(consumer, topic, deadline)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
        found: list[Got] = []
        reached = dict.fromkeys(ends, 0)
        while any(reached[one] < ends[one] for one in ends):
            assert time.monotonic() < deadline, (reached, ends)
            for message in consumer.consume(1000, 0.5):
                assert message.error() is None, message.error()
                headers = {name: text.decode() for name, text in message.headers() or []}
                found.append(Got(message.partition(), message.offset(), message.key(), message.value(), headers))
                reached[message.partition()] = message.offset() + 1
    finally:
        consumer.close()
    return sorted(found, key=lambda one: (one.partition, one.offset))


def window_rows(first: int, count: int, revision: int = 0) -> WindowRows:
    """Windows number `first` to `first + count - 1` of series 0, 1, 2 in turn; values that need all their digits.

    A window's values depend on its number and revision alone.
    """
    number = np.arange(first, first + count, dtype=np.int64)
    values = 101_325.0 + 0.1 * np.sin((number + 1) * (np.arange(7)[:, None] + 1.0) + revision)
    return WindowRows(
        (number % 3).astype(np.int32), np.full(count, 10 * S, np.int64), START_NS + number // 3 * 10 * S,
        np.full(count, revision, np.int32), np.full(count, 10, np.int64), *values,
    )  # fmt: skip


def step(rows: WindowRows, offset: int = 1) -> ShardOutputs:
    """One step of the flow that gives these windows."""
    return ShardOutputs(0, offset, offset, START_NS, 0, windows=rows, paths=PATHS)


def dead_letters(first: int, count: int) -> DeadLetters:
    """Messages number `first` and on that could not be read."""
    number = np.arange(first, first + count, dtype=np.int64)
    return DeadLetters(
        number, np.zeros(count, np.int32), START_NS + number * S, np.full(count, Reason.not_json, np.uint8),
        np.full(count, -1, np.int32), [b'{"broken": %d' % one for one in number.tolist()],
    )  # fmt: skip


def condition(number: int, *, cleared: bool = False) -> ConditionChange:
    """An alarm's beginning or end."""
    start_ns = START_NS + number * 60 * S
    return ConditionChange(
        kind="cleared" if cleared else "raised", asset="cold/room", tag="air", rule_id="warm", rule_version="1",
        raises="quality_event", priority="high", condition="above", limit=8.0, unit="Cel", start_ns=start_ns,
        confirmed_ns=start_ns + 10 * S, cleared_ns=start_ns + 30 * S if cleared else None, peak=9.5, out_s=30.0,
        offset=number,
    )  # fmt: skip


class Site:
    """A data folder with its stores, as the flow of shard 0 fills them."""

    def __init__(self, folder: Path, model: PlantModel) -> None:
        self.model = model
        self.data = DataFolder(folder)
        self.data.create(model.config.site.id, 1)

    def writer(self, resume: tuple[int, int, int] | None = None) -> KafkaOutPartition:
        """The flow's writer of windows."""
        return kafka_out_partition(self.model, self.data, 0, resume)

    def write_windows(self, rows: WindowRows) -> None:
        """One step, flushed."""
        writer = self.writer()
        writer.write_batch([step(rows)])
        writer.close()

    def write_dead(self, dead: DeadLetters) -> None:
        """One step's dead letters."""
        store = DeadLetterStore(self.data.dead_letters_db(0), 0, 100.0, 1e6)
        store.write(dead, {})
        store.close()

    def records(self) -> Records:
        """The site's records."""
        return site_records(self.model.config, self.data)

    def apply(self, changes: Sequence[ConditionChange]) -> None:
        """Alarms that come or go."""
        with self.records() as records:
            records.apply_conditions(changes, SYSTEM_FLOW)

    def config_file(self) -> Path:
        """plant.toml of the site, for processes."""
        kafka = self.model.config.transport.kafka
        assert kafka is not None
        text = f"""
schema = 1
enterprise = {{ id = "e" }}
site = {{ id = "{self.model.config.site.id}" }}
[transport.kafka]
brokers = "{kafka.brokers}"
out = {list(kafka.out)!r}
out_prefix = "{kafka.out_prefix}"
[[template]]
name = "room"
series = [{{ tag = "air", unit = "Cel" }}]
[[asset]]
path = "cold/room"
template = "room"
"""
        path = self.data.path.parent / f"{self.data.path.name}.toml"
        path.write_text(text.replace("'", '"'), encoding="utf-8")
        return path

    def start_sender(self) -> subprocess.Popen[bytes]:
        """service.kafka_sender as a process of its own."""
        command = [
            sys.executable,
            "-m",
            "service.kafka_sender",
            "--config",
            self.config_file(),
            "--data",
            self.data.path,
        ]
        log = (self.data.logs / "kafka-sender.out").open("ab")
        with log:
            return subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, env=dict(os.environ))


def stop(process: subprocess.Popen[bytes], number: int = signal.SIGTERM, limit_s: float = 30.0) -> int:
    """Signal a process we started and wait for its end; its exit status."""
    process.send_signal(number)
    return process.wait(limit_s)


def until(done: Callable[[], bool], limit_s: float = 60.0, every_s: float = 0.1) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(every_s)


def only_equal_doubles(found: Sequence[Got]) -> Counter[str]:
    """How often each id came; all messages of an id must be the same."""
    first: dict[str, Got] = {}
    for one in found:
        known = first.setdefault(one.id, one)
        assert (known.key, known.value, known.headers, known.partition) == (
            one.key,
            one.value,
            one.headers,
            one.partition,
        )
    return Counter(one.id for one in found)
