"""Topics and messages on the tests' broker."""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager

from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from andon.config.deployment import Kafka
from andon.config.models import Plant
from andon.plant import PlantModel
from sources.kafka import KafkaReader, Position
from sources.kafka.settings import consumer_settings

TIMEOUT_S = 30.0
START = Position()


def admin(bootstrap):
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


def new_topic(bootstrap, partitions=1, *, stamps="broker", **config):
    """A topic with a name of its own, ready to use."""
    name = f"t-{uuid.uuid4().hex[:12]}"
    kind = "LogAppendTime" if stamps == "broker" else "CreateTime"
    settings = {"message.timestamp.type": kind, **config}
    client = admin(bootstrap)
    client.create_topics([NewTopic(name, partitions, 1, config=settings)])[name].result(TIMEOUT_S)
    deadline = time.monotonic() + TIMEOUT_S
    while True:  # until every partition has a leader
        found = client.list_topics(name, timeout=5.0).topics[name].partitions
        if len(found) == partitions and all(one.leader >= 0 for one in found.values()):
            return name
        assert time.monotonic() < deadline
        time.sleep(0.05)


def delete_before(bootstrap, topic, partition, offset):
    """What retention does: the messages before this offset of Kafka are gone."""
    place = TopicPartition(topic, partition, offset)
    client = admin(bootstrap)  # without a name it would be gone before its answer
    client.delete_records([place])[place].result(TIMEOUT_S)


@contextmanager
def producer(bootstrap, **settings):
    client = Producer({"bootstrap.servers": bootstrap, "log_level": 0, "enable.idempotence": True, **settings})
    yield client
    assert client.flush(TIMEOUT_S) == 0


def produce(bootstrap, topic, bodies, partition=0, stamps_ms=None, keys=None, **settings):
    """All bodies into one partition, on the broker when it returns; a stamp each, if given."""
    failed = []
    with producer(bootstrap, **settings) as client:
        for n, body in enumerate(bodies):
            stamp = {} if stamps_ms is None else {"timestamp": stamps_ms[n]}
            key = {} if keys is None else {"key": keys[n]}
            client.produce(
                topic, value=body, partition=partition, on_delivery=lambda error, _: error and failed.append(error),
                **stamp, **key,
            )  # fmt: skip
            client.poll(0)
    assert not failed


def settings(bootstrap, topic, **more):
    return Kafka(brokers=bootstrap, topic=topic, **more)


def plant_on(kafka, shards=1, **more):
    """A small plant with its log in a topic."""
    return PlantModel(Plant.model_validate({
        "schema": 1, "enterprise": {"id": "acme"}, "site": {"id": "szh1"},
        "transport": {"kind": "kafka", "shards": shards, "kafka": kafka.model_dump(exclude_defaults=True)},
        "template": [{"name": "t", "series": [{"tag": "temp"}]}],
        "asset": [{"path": f"line/m{shard}", "template": "t", "shard": shard} for shard in range(shards)],
        **more,
    }))  # fmt: skip


def reader(bootstrap, topic, after=START, shard=0, **more):
    kafka = settings(bootstrap, topic)
    return KafkaReader({**consumer_settings(kafka, "szh1", shard), **more}, topic, shard, after)


def read_all(source, count, *, max_messages=8192, max_bytes=4_000_000):
    """Batches until `count` messages have come."""
    batches, deadline = [], time.monotonic() + TIMEOUT_S
    while sum(map(len, batches)) < count:
        batch = source.read(max_messages, max_bytes)
        if batch:
            batches.append(batch)
        else:
            assert time.monotonic() < deadline, f"{sum(map(len, batches))} of {count} messages came"
            time.sleep(0.005)
    return batches


def until(done, why, timeout_s=TIMEOUT_S, every_s=0.02):
    """Wait for something to become true."""
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline, why
        time.sleep(every_s)
