"""What a client of one partition gives, and the one made of confluent-kafka's own classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

import numpy as np
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from andon.errors import SourceError
from andon.readings import I64, U8
from sources.kafka.page import SPARE, Page


class Fetched(NamedTuple):
    """Messages as columns of length n, and what came instead of messages.

    text, ends : as in `Messages`; a message without a value is an empty one.
    offset     : int64, the partition's own numbers.
    stamp_ms   : int64, by_broker says whose.
    failures   : (error code of librdkafka, offset) pairs.
    """

    text: bytes | U8
    ends: I64
    offset: I64
    stamp_ms: I64
    by_broker: bool
    failures: list[tuple[int, int]]


AT_ONCE = 500  # messages of one `consume`; 4,000 cost up to 1.6 times as much each
_MILLISECONDS = itemgetter(1)  # of kind and stamp
OnError = Callable[[int, str], None]  # code, text
OnStatistics = Callable[[str], None]  # JSON


class Client(Protocol):
    """One partition of one topic. Not safe for use by several threads; only `ends` waits for the broker."""

    def assign(self, offset: int) -> None:
        """Fetch from this offset of the partition on, or from one of librdkafka's logical offsets."""

    def fetch(self, max_messages: int, max_bytes: int) -> Fetched | None:
        """What is there now, up to about both limits, never more messages than said; None when nothing is."""

    def look(self) -> None:
        """Let the callbacks be called, without fetching."""

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
        self._body_bytes = 256.0  # of a message, as they have been lately
        self._by_broker = False
        callbacks = {"error_cb": lambda error: on_error(error.code(), error.str()), "stats_cb": on_statistics}
        try:
            self._consumer = Consumer({**settings, **callbacks})
        except KafkaException as error:
            raise SourceError("kafka.settings", problem=error.args[0].str()) from error

    def assign(self, offset: int) -> None:
        self._consumer.assign([TopicPartition(*self._partition, offset)])

    def fetch(self, max_messages: int, max_bytes: int) -> Fetched | None:
        page: Page | None = None
        failures: list[tuple[int, int]] = []
        good, used = 0, 0
        while good < max_messages and used < max_bytes:
            wanted = min(AT_ONCE, max_messages - good, max(1, int((max_bytes - used) / self._body_bytes)))
            fetched = self._consumer.consume(wanted, 0)
            if not fetched:
                break
            page = page or Page(max_messages, int(min(max_messages * self._body_bytes * SPARE, max_bytes)))
            count = len(fetched)
            if any(map(KafkaMessage.error, fetched)):
                failures += [(error.code(), _offset(one)) for one in fetched if (error := one.error()) is not None]
                fetched = [one for one in fetched if one.error() is None]
            if fetched:
                self._by_broker = fetched[-1].timestamp()[0] == TIMESTAMP_LOG_APPEND_TIME
                page.add(*_columns(fetched))
            good, used = page.good, page.used
            if count < wanted:
                break  # that was all there is
        if page is None:
            return None
        if good:
            self._body_bytes = used / good
        return Fetched(*page.columns(), bool(good) and self._by_broker, failures)

    def look(self) -> None:
        """Nothing: confluent-kafka calls back where it gives messages, and there only."""

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


def _columns(messages: list[KafkaMessage]) -> tuple[bytes, I64, I64, I64]:
    """Bodies with a byte 0 behind each, their lengths, offsets, stamps; while the messages are still in the caches."""
    n = len(messages)
    bodies: list[Any] = [*map(KafkaMessage.value, messages)]
    try:
        text = b"\0".join([*bodies, b""])
    except TypeError:  # some have no value
        bodies = [body or b"" for body in bodies]
        text = b"\0".join([*bodies, b""])
    sizes = np.fromiter(map(len, bodies), np.int64, n)
    stamp_ms = np.fromiter(map(_MILLISECONDS, map(KafkaMessage.timestamp, messages)), np.int64, n)
    return text, sizes, _offsets(messages), stamp_ms


def _offsets(messages: list[KafkaMessage]) -> I64:
    """Of all; offsets grow, so that the first and the last tell those between when nothing is left out."""
    first, last = _offset(messages[0]), _offset(messages[-1])
    if last - first == len(messages) - 1:
        return np.arange(first, last + 1)
    return np.fromiter(map(_offset, messages), np.int64, len(messages))


def _offset(message: KafkaMessage) -> int:
    offset = message.offset()
    return -1 if offset is None else offset


def name_of(code: int) -> str:
    """librdkafka's name of an error."""
    return str(KafkaError(code).name())
