"""Appending to a partition: ticks, and what a person puts into the log again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage
from prometheus_client import Counter

from andon.clock import Clock
from andon.errors import SourceError
from andon.readings import NS_PER_MS
from sources.kafka.positions import log_offset

APPENDED = Counter("andon_kafka_appended_messages_total", "Messages that the broker has confirmed", ["shard"])
LOST = Counter("andon_kafka_undelivered_messages_total", "Messages given up before the broker confirmed", ["shard"])
TICK_TIMEOUT_S = 1.0
POLL_S = 0.1
MAX_MESSAGE_BYTES = 64_000_000  # the broker decides; the client's own 1 MB would come before it


class KafkaLog:
    """One partition of the topic, to append to. Several may share a client. Not for several threads.

    clock: stamps the messages, where the topic keeps producers' stamps. Every message is confirmed by all replicas in
    sync (acks=all, idempotent) or counted as not delivered.
    """

    def __init__(self, client: Producer, topic: str, shard: int, clock: Clock) -> None:
        self.topic, self.shard = topic, shard
        self._client, self._clock = client, clock
        self._waiting = self._failed = self._last = 0
        self._problem = ""

    def append(self, bodies: Sequence[bytes], keys: Sequence[bytes | None] | None = None) -> int:
        """Append messages in their order and wait until each is confirmed; returns the log offset of the last.

        Raises SourceError kafka.not_delivered after the client's message.timeout.ms: some may be in the log all the
        same, which a reader may see as duplicates.
        """
        self._send(bodies, keys)
        while self._waiting:
            self._client.poll(POLL_S)
        self._raise_failures()
        return self._last

    def last_offset(self) -> int:
        """Log offset of the newest message that was appended here; 0 before the first."""
        return self._last

    def _send(self, bodies: Sequence[bytes], keys: Sequence[bytes | None] | None = None) -> None:
        stamp_ms = self._clock.now_ns() // NS_PER_MS
        for body, key in zip(bodies, keys or [None] * len(bodies), strict=True):
            self._waiting += 1
            try:
                self._client.produce(
                    self.topic, value=body, key=key, partition=self.shard, timestamp=stamp_ms, on_delivery=self._done
                )
            except (KafkaException, BufferError) as error:
                self._give_up(error.args[0].str() if isinstance(error, KafkaException) else str(error))
            self._client.poll(0)

    def _done(self, error: KafkaError | None, message: KafkaMessage) -> None:
        offset = message.offset()
        if error is not None or offset is None:
            self._give_up("-" if error is None else error.str())
            return
        self._waiting -= 1
        self._last = max(self._last, log_offset(offset))
        APPENDED.labels(self.shard).inc()

    def _give_up(self, problem: str) -> None:
        self._waiting -= 1
        self._failed += 1
        self._problem = problem
        LOST.labels(self.shard).inc()

    def _raise_failures(self) -> None:
        count, self._failed = self._failed, 0
        if count:
            raise SourceError(
                "kafka.not_delivered", topic=self.topic, shard=self.shard, count=count, problem=self._problem
            )


class TickLog(KafkaLog):
    """A partition for the ticker: nothing waits. A tick that is not delivered within a second is dropped.

    Ticks carry the passing of time and nothing else: those of an hour without a broker would all come at once after
    it, and tell nothing.
    """

    def append(self, bodies: Sequence[bytes], keys: Sequence[bytes | None] | None = None) -> int:
        """Append without waiting; returns the log offset of the newest tick confirmed.

        Raises SourceError kafka.not_delivered when ticks before these were dropped.
        """
        self._send(bodies, keys)
        self._raise_failures()
        return self._last


def log_client(settings: Mapping[str, Any], timeout_s: float) -> Producer:
    """A client for `KafkaLog`: idempotent, in order. timeout_s: how long a message may take."""
    return _client(settings, {"enable.idempotence": True, "message.timeout.ms": round(timeout_s * 1000)})


def tick_client(settings: Mapping[str, Any]) -> Producer:
    """A client for `TickLog`. In order by one request at a time: idempotence has errors that end a client for good."""
    return _client(settings, {"max.in.flight": 1, "message.timeout.ms": round(TICK_TIMEOUT_S * 1000)})


def _client(settings: Mapping[str, Any], own: Mapping[str, Any]) -> Producer:
    try:
        return Producer({**settings, "acks": "all", "linger.ms": 0, "message.max.bytes": MAX_MESSAGE_BYTES, **own})
    except KafkaException as error:
        raise SourceError("kafka.settings", problem=error.args[0].str()) from error
