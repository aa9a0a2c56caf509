"""What a client of one partition gives, and the one made of confluent-kafka's own classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from andon.errors import SourceError
from andon.readings import I64, Messages


class Fetched(NamedTuple):
    """Messages as columns of length n, and what came instead of messages.

    text, ends : as in `Messages`; a message without a value is an empty one.
    offset     : int64, the partition's own numbers.
    stamp_ms   : int64, by_broker says whose.
    failures   : (error code of librdkafka, offset) pairs.
    """

    text: bytes
    ends: I64
    offset: I64
    stamp_ms: I64
    by_broker: bool
    failures: list[tuple[int, int]]


OnError = Callable[[int, str], None]  # code, text
OnStatistics = Callable[[str], None]  # JSON


class Client(Protocol):
    """One partition of one topic. Not safe for use by several threads; only `ends` waits for the broker."""

    def assign(self, offset: int) -> None:
        """Fetch from this offset of the partition on, or from one of librdkafka's logical offsets."""

    def fetch(self, most: int) -> Fetched | None:
        """What is there now, `most` messages at most; None when nothing is."""

    def ends(self, timeout_s: float) -> tuple[int, int] | None:
        """Oldest offset and the next to come, as the broker says; None when it does not answer."""

    def close(self) -> None:
        """Let the broker go."""


class PlainClient:
    """confluent-kafka's `Consumer.consume`. The callbacks are called inside `fetch`."""

    def __init__(
        self, settings: Mapping[str, Any], topic: str, partition: int, on_error: OnError, on_statistics: OnStatistics
    ) -> None:
        self._partition = topic, partition
        callbacks = {"error_cb": lambda error: on_error(error.code(), error.str()), "stats_cb": on_statistics}
        try:
            self._consumer = Consumer({**settings, **callbacks})
        except KafkaException as error:
            raise SourceError("kafka.settings", problem=error.args[0].str()) from error

    def assign(self, offset: int) -> None:
        self._consumer.assign([TopicPartition(*self._partition, offset)])

    def fetch(self, most: int) -> Fetched | None:
        fetched = self._consumer.consume(most, 0)
        if not fetched:
            return None
        failures: list[tuple[int, int]] = []
        if any(map(KafkaMessage.error, fetched)):
            failures = [(error.code(), _offset(one)) for one in fetched if (error := one.error()) is not None]
            fetched = [one for one in fetched if one.error() is None]
        n = len(fetched)
        stamps = list(map(KafkaMessage.timestamp, fetched))
        offset = np.fromiter(map(KafkaMessage.offset, fetched), np.int64, n)
        bodies = [body or b"" for body in map(KafkaMessage.value, fetched)]
        stamp_ms = np.fromiter([ms for _, ms in stamps], np.int64, n)
        columns = Messages.of_columns(bodies, offset, stamp_ms)
        by_broker = bool(n) and stamps[0][0] == TIMESTAMP_LOG_APPEND_TIME
        return Fetched(columns.text, columns.ends, offset, stamp_ms, by_broker, failures)

    def ends(self, timeout_s: float) -> tuple[int, int] | None:
        try:
            found: tuple[int, int] | None = self._consumer.get_watermark_offsets(
                TopicPartition(*self._partition), timeout=timeout_s
            )
        except KafkaException:
            return None
        return None if found is None or found[0] < 0 else found

    def close(self) -> None:
        self._consumer.close()


def _offset(message: KafkaMessage) -> int:
    offset = message.offset()
    return -1 if offset is None else offset


def name_of(code: int) -> str:
    """librdkafka's name of an error."""
    return str(KafkaError(code).name())
