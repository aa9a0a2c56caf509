"""The workload as the contenders find it: topics of a real broker that were filled beforehand, and a file.

`World` is written to world.json, which each contender's process reads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # not in its __all__

from benchmarks.wire import PER_MESSAGE, arrow_bodies, ndjson_bodies, sparkplug_bodies
from benchmarks.workload import PARTITIONS, RATE, START_MS, bodies, events, plant
from service.servers import Kafka
from sources.ticks import tick_body

JSON, PEERS, LONG = "json", "peers", "peers-long"
NDJSON, SPARKPLUG, ARROW = "ndjson", "sparkplug", "arrow"
BATCHED_TIMES = 2  # as many readings in those: they are soon over
AHEAD_KB = 1_024
LONG_EVENTS = 1_000_000  # for Flink, whose jobs take seconds to start
Row = tuple[int, str, str, float]
Produced = tuple[int, str, bytes, int]  # partition, key, body, stamp ms
Encode = Callable[[list[Row]], list[bytes]]
BATCHED: Mapping[str, Encode] = {NDJSON: ndjson_bodies, SPARKPLUG: sparkplug_bodies, ARROW: arrow_bodies}


@dataclass(frozen=True)
class World:
    """bootstrap: of the broker, "" where there is none. lines: file with a JSON message a line, without ticks.

    messages: by topic, ticks included. events: readings by topic.
    """

    bootstrap: str
    folder: str
    events: Mapping[str, int]
    messages: Mapping[str, int]

    @property
    def lines(self) -> Path:
        """A JSON reading a line."""
        return Path(self.folder) / "lines.ndjson"

    @classmethod
    def read(cls, folder: Path) -> World:
        """As `write` left it."""
        return cls(**json.loads((folder / "world.json").read_text()))

    def write(self) -> World:
        """For the contenders' processes."""
        (Path(self.folder) / "world.json").write_text(json.dumps(asdict(self)))
        return self


def kafka_section(bootstrap: str, topic: str) -> dict[str, object]:
    """[transport.kafka] of a contender.

    Of the batched formats little is fetched ahead: with the default nearly the whole topic is there before the first
    message is handed on, and fetching would be no part of what is measured.
    """
    ahead = {"queue_kb": AHEAD_KB} if topic in BATCHED else {}
    return {"brokers": bootstrap, "topic": topic, "stamps": "producer", **ahead}


@contextmanager
def filled(folder: Path, count: int, peer_count: int, *, with_broker: bool = True) -> Iterator[World]:
    """The world with `count` readings, the peers' topic with `peer_count`, 0: none."""
    rows = events(count * BATCHED_TIMES)
    messages = bodies(rows[:count])
    (folder / "lines.ndjson").write_bytes(b"\n".join(messages) + b"\n")
    if not with_broker:
        yield World("", str(folder), {JSON: count}, {JSON: count}).write()
        return
    broker = Kafka(folder / "kafka")
    broker.start()
    try:
        yield _fill(broker.bootstrap, folder, rows, messages, peer_count).write()
    finally:
        broker.stop()


def _fill(bootstrap: str, folder: Path, rows: list[Row], messages: list[bytes], peer_count: int) -> World:
    model = plant(detect=False, kafka=kafka_section(bootstrap, JSON))
    shard = {asset: model.shard_of(asset) for asset in model.assets}
    readings, long_count = len(messages), min(len(messages), LONG_EVENTS) if peer_count else 0
    topics = {
        JSON: (readings, with_ticks(rows[:readings], messages, shard)),
        PEERS: (peer_count, by_series(rows[:peer_count], messages, shard)),
        LONG: (long_count, by_series(rows[:long_count], messages, shard)),
        **{name: (len(rows), batched(rows, shard, encode)) for name, encode in BATCHED.items()},
    }
    counted = {name: produce(bootstrap, name, produced) for name, (_, produced) in topics.items()}
    return World(bootstrap, str(folder), {name: number for name, (number, _) in topics.items()}, counted)


def _stamp_ms(at: int) -> int:
    """Receive time of the reading at this place: the plant makes RATE a second."""
    return START_MS + at * 1000 // RATE


def _tick(second: int) -> tuple[bytes, int]:
    now_ms = START_MS + second * 1000
    return tick_body(now_ms * 1_000_000), now_ms


def with_ticks(rows: list[Row], messages: list[bytes], shard: Mapping[str, int]) -> Iterator[Produced]:
    """A message a reading, keyed by asset, and each second a tick in every partition: what Andon reads on a site."""
    for at, (row, body) in enumerate(zip(rows, messages, strict=True)):
        if at % RATE == 0:
            yield from ((partition, "", *_tick(at // RATE)) for partition in range(PARTITIONS))
        yield shard[row[1]], row[1], body, _stamp_ms(at)


def by_series(rows: list[Row], messages: list[bytes], shard: Mapping[str, int]) -> Iterator[Produced]:
    """A message a reading in the same partition, keyed by series: it spares the peers a second topic to key by."""
    for at, (row, body) in enumerate(zip(rows, messages, strict=False)):
        yield shard[row[1]], f"{row[1]}/{row[2]}", body, _stamp_ms(at)


def batched(rows: list[Row], shard: Mapping[str, int], encode: Encode) -> Iterator[Produced]:
    """The readings of a partition as `encode` puts them into messages, `PER_MESSAGE` each, and a tick each second.

    Messages that come before the first readings (births) have its stamp.
    """
    of = [[at for at, row in enumerate(rows) if shard[row[1]] == partition] for partition in range(PARTITIONS)]
    for partition, places in enumerate(of):
        messages = encode([rows[at] for at in places])
        before = len(messages) - -(-len(places) // PER_MESSAGE)
        ticked = 0
        for number, body in enumerate(messages, 1 - before):
            at = places[min(max(number, 0) * PER_MESSAGE, len(places)) - 1] if number > 0 else 0
            while ticked <= at // RATE:
                yield partition, "", *_tick(ticked)
                ticked += 1
            yield partition, "", body, _stamp_ms(at)


def produce(bootstrap: str, topic: str, messages: Iterable[Produced]) -> int:
    """Make the topic and fill it; how many messages it holds."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    new = NewTopic(topic, PARTITIONS, 1, config={"retention.ms": "-1", "max.message.bytes": "2000000"})
    admin.create_topics([new])[topic].result()  # kept for ever: the stamps are of another time than the clock
    producer = Producer({
        "bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5,
        "queue.buffering.max.messages": 2_000_000, "queue.buffering.max.kbytes": 1_000_000,
        "message.max.bytes": 2_000_000,
    })  # fmt: skip
    count = 0
    for partition, key, body, stamp_ms in messages:
        producer.produce(topic, body, key=key or None, partition=partition, timestamp=stamp_ms)
        count += 1
        if count % 10_000 == 0:
            producer.poll(0)
    if producer.flush(120):
        raise RuntimeError("the broker did not take every message")
    return count
