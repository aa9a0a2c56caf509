"""Avro in a real Kafka topic with a registry that is away at first: the shard waits, then everything is there."""

from __future__ import annotations

import json
import threading
import time

import pytest

from andon.clock import SystemClock
from andon.config.registry import SchemaRegistry
from andon.datafolder import DataFolder
from andon.readings import Reason
from andon.slots import SlotFiles
from flows.shard import ShardEngine
from sinks.journal import Journal
from sources.kafka.kafka_bytewax import KafkaSource
from tests.kafka_world import new_topic, plant_on, produce, settings
from tests.registered_world import avro, framed
from tests.registry_stub import running

pytestmark = pytest.mark.real
READING = {"type": "record", "name": "R", "fields": [
    {"name": "ts", "type": "long"}, {"name": "asset", "type": "string"}, {"name": "tag", "type": "string"},
    {"name": "value", "type": "double"},
]}  # fmt: skip


def with_registry(plant, url):
    sources = plant.config.sources.model_copy(update={"schema_registry": SchemaRegistry(url=url, timeout_s=5.0)})
    return type(plant)(plant.config.model_copy(update={"sources": sources}))


def polled(partition, most, seconds=20.0):
    """Messages until there are so many, or the time is over."""
    found, until = [], time.monotonic() + seconds
    while len(found) < most and time.monotonic() < until:
        for _, batch in partition.next_batch():
            found += batch.messages
        time.sleep(0.005)
    return found


def test_the_shard_waits_for_the_registry_and_never_asks_twice(kafka, tmp_path):
    topic = new_topic(kafka.bootstrap)
    plant = plant_on(settings(kafka.bootstrap, topic))
    asset, tag = next(iter(plant.series))
    now_ms = SystemClock().now_ns() // 1_000_000
    row = {"ts": now_ms, "asset": asset, "tag": tag, "value": 5.0}
    text = json.dumps({**row, "value": 6.0, "ts": now_ms + 1}).encode()
    produce(kafka.bootstrap, topic, [text, framed(7, avro(READING, row)), framed(8, b"x"), text])
    data = DataFolder(tmp_path / "data")
    data.create("szh1")
    stop = threading.Event()

    def part(plant, state=None):
        return KafkaSource(plant, data, [0], stop, lambda: None).build_part("in", "0000", state)

    with running() as stub:
        stub.schemas[7], stub.status = {"schema": json.dumps(READING)}, 503
        partition = part(with_registry(plant, stub.url))
        assert polled(partition, 4, 3.0) == []
        assert partition.snapshot() == (0, 0)  # a crash now loses nothing
        assert stub.asked
        stub.status = None
        messages = polled(partition, 4)
        state = partition.snapshot()
        partition.close()
    assert (len(messages), state[0]) == (4, messages[-1].offset)
    engine = ShardEngine(plant, 0, Journal(data.journal(0)), SlotFiles(data.slots(0)))
    engine.restore(None)
    outputs = engine.step(messages)
    assert (outputs.readings, outputs.dead.reason.tolist()) == (2, [Reason.unknown_schema])  # the last is a repeat
    partition = part(with_registry(plant, stub.url))  # nobody listens there any more
    again = polled(partition, 4)
    partition.close()
    assert again == messages  # schema and denial are on disk
