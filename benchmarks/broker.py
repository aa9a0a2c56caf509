"""The flow from a real Kafka broker beside confluent's plain consume, and what each of its parts takes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.testing import run_main
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from workload import BATCH, IN_MEMORY, Drop

from andon.config.deployment import Kafka as KafkaSection
from andon.plant import PlantModel
from andon.readings import NS_PER_MS
from andon.series import SeriesDictionary
from andon.slots import SlotFiles
from flows.quarantine import Quarantine
from flows.seeds import Seeds
from flows.shard import ShardEngine
from flows.stage import EngineStage
from flows.writers import DeadLetterPartition, ShardSink
from service.servers import Kafka
from sinks.dead_letters import DeadLetterStore
from sinks.journal import Journal
from sources.decode import JsonDecoder
from sources.kafka.kafka_bytewax import BUSY_POLL_S
from sources.kafka.positions import Position
from sources.kafka.reader import KafkaReader
from sources.kafka.settings import consumer_settings
from sources.spool_bytewax import Batch, shard_key

TOPIC = "bench"
AT_ONCE = 500  # of confluent's consume, as most programs that use it
BYTES = 4_000_000


@contextmanager
def filled(items: Sequence[tuple[str, Batch]]) -> Iterator[KafkaSection]:
    """A broker of its own with one partition that holds the messages; its [transport.kafka]."""
    with tempfile.TemporaryDirectory() as folder:
        broker = Kafka(Path(folder) / "kafka")
        broker.start()
        try:
            _fill(broker.bootstrap, items)
            yield KafkaSection(brokers=broker.bootstrap, topic=TOPIC, stamps="producer")
        finally:
            broker.stop()


def _fill(bootstrap: str, items: Sequence[tuple[str, Batch]]) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    topic = NewTopic(TOPIC, 1, 1, config={"retention.ms": "-1"})  # the stamps are of another time than the clock
    admin.create_topics([topic])[TOPIC].result()
    producer = Producer({
        "bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5,
        "queue.buffering.max.messages": 1_000_000,
    })  # fmt: skip
    for _, batch in items:
        for message in batch.messages:
            producer.produce(TOPIC, message.body, partition=0, timestamp=message.received_ns // NS_PER_MS)
        producer.poll(0)
    if producer.flush(120):
        raise RuntimeError("the broker did not take every message")


def raw_consume(section: KafkaSection, count: int) -> None:
    """confluent's consume(500) with the flow's settings, each message dropped at once: any program pays that."""
    consumer = Consumer(consumer_settings(section, "bench", 0))
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    seen = 0
    while seen < count:
        seen += len(consumer.consume(AT_ONCE, 1.0))
    consumer.close()


def reader(section: KafkaSection) -> KafkaReader:
    """The flow's own reader, from the beginning."""
    return KafkaReader(consumer_settings(section, "bench", 0), TOPIC, 0, Position())


def fetch_all(section: KafkaSection, count: int) -> None:
    """Everything into columns, and nothing done with them."""
    source = reader(section)
    seen = 0
    while seen < count:
        messages = source.read(BATCH, BYTES)
        seen += len(messages)
        if not messages:
            time.sleep(0.001)
    source.close()


def decode_all(model: PlantModel, items: Sequence[tuple[str, Batch]]) -> None:
    """The decoder alone over messages in memory."""
    decoder = JsonDecoder(SeriesDictionary(model, 0), model, 0)
    for _, batch in items:
        decoder.decode(batch.messages)


def compute_all(model: PlantModel, items: Sequence[tuple[str, Batch]]) -> None:
    """The engine (decoder included) over messages in memory, without Bytewax."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        engine = ShardEngine(model, 0, Journal(Path(folder) / "journal"), SlotFiles(Path(folder) / "slots"))
        engine.restore(None)
        for _, batch in items:
            engine.step(batch.messages)


def no_seed(_shard: int) -> None:
    """A new log."""


class _UntilRead(FixedPartitionedSource[tuple[str, Batch], int]):
    """The flow's reader as a source that ends after `count` messages; the one of the plant never ends."""

    class _Part(StatefulSourcePartition[tuple[str, Batch], int]):
        def __init__(self, section: KafkaSection, count: int) -> None:
            self._source, self._left = reader(section), count
            self._awake: datetime | None = None

        def next_batch(self) -> list[tuple[str, Batch]]:
            if self._left <= 0:
                raise StopIteration
            messages = self._source.read(BATCH, BYTES)
            self._left -= len(messages)
            if not messages:
                self._awake = datetime.now(UTC) + timedelta(seconds=BUSY_POLL_S)
                return []
            self._awake = None
            return [(shard_key(0), Batch(0, messages))]

        def next_awake(self) -> datetime | None:
            return self._awake

        def snapshot(self) -> int:
            return 0

        def close(self) -> None:
            self._source.close()

    def __init__(self, section: KafkaSection, count: int) -> None:
        self._section, self._count = section, count

    def list_parts(self) -> list[str]:
        return ["0"]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> _Part:
        return self._Part(self._section, self._count)


def flow_from_broker(model: PlantModel, section: KafkaSection, count: int) -> None:
    """Reader, Bytewax, engine, dead letters; windows are dropped."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name:
        folder = Path(name)

        def open_shard(shard: int) -> tuple[ShardEngine, Quarantine]:
            engine = ShardEngine(model, shard, Journal(folder / "journal"), SlotFiles(folder / "slots"))
            return engine, Quarantine(folder / "quarantine.json")

        def dead_letters(shard: int, resume: int | None) -> DeadLetterPartition:
            return DeadLetterPartition(DeadLetterStore(folder / "dead.db", shard, 256.0, 90.0), resume)

        flow = Dataflow("broker")
        batches = op.input("kafka", flow, _UntilRead(section, count))
        outputs = op.stateful_batch("engine", batches, lambda state: EngineStage(state, open_shard, no_seed))
        op.output("out", outputs, Drop())
        op.output("dead-letters", outputs, ShardSink([0], Seeds({}), dead_letters))
        run_main(flow)


def contenders(
    model: PlantModel, items: Sequence[tuple[str, Batch]], section: KafkaSection
) -> dict[str, Callable[[], object]]:
    """What is compared, over the same messages."""
    count = sum(len(batch.messages) for _, batch in items)
    return {
        "broker_raw_consume": lambda: raw_consume(section, count),
        "broker_fetch": lambda: fetch_all(section, count),
        "broker_decode": lambda: decode_all(model, items),
        "broker_compute": lambda: compute_all(model, items),
        "broker_flow": lambda: flow_from_broker(model, section, count),
        "broker_flow_plain": lambda: without_gathering(lambda: flow_from_broker(model, section, count)),
    }


def without_gathering(run: Callable[[], object]) -> None:
    """Run with confluent-kafka's own consumer, as where librdkafka's C interface cannot be used."""
    with mock.patch("sources.kafka.reader.available", return_value=None):
        run()


def shares(figures: Mapping[str, float]) -> dict[str, float]:
    """Which part of the flow's CPU time goes where; they add up to 1. Bytewax: what is left, the caches' part in it."""
    flow = figures["broker_flow"]
    parts = {
        "fetch": figures["broker_fetch"],
        "decode": figures["broker_decode"],
        "compute": figures["broker_compute"] - figures["broker_decode"],
    }
    return {name: part / flow for name, part in parts.items()} | {"bytewax": 1.0 - sum(parts.values()) / flow}
