"""Reading one partition from an exact offset: never waits, never skips."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache, partial
from typing import Any, Self

import numpy as np
import orjson
import structlog
from confluent_kafka import OFFSET_BEGINNING, KafkaError
from prometheus_client import Counter, Gauge

from andon.clock import Clock, SystemClock
from andon.errors import SourceError
from andon.readings import NS_PER_MS, NS_PER_S, Message, Messages
from sources.kafka.client import Client, Fetched, PlainClient, name_of
from sources.kafka.gather import GatherClient, LayoutError, available
from sources.kafka.positions import FIRST, Position

log = structlog.get_logger()
READ = Counter("andon_kafka_read_messages_total", "Messages read from the partition", ["shard"])
ERRORS = Counter("andon_kafka_errors_total", "Errors that the client reported", ["shard", "error"])
LAG = Gauge(
    "andon_kafka_lag_messages", "Messages in the partition that the flow has not read; markers of transactions count",
    ["shard"], multiprocess_mode="livemostrecent",
)  # fmt: skip
LAG_S = Gauge(
    "andon_kafka_lag_seconds", "Age of the newest message read while there are more", ["shard"],
    multiprocess_mode="livemostrecent",
)  # fmt: skip
_LOST = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})  # noqa: SLF001 - the library's public names


class KafkaReader:
    """Reads a partition in its order, committed transactions only. Never waits for the broker, nor for messages.

    settings : of `consumer_settings`; the broker need not be there.
    after    : where to go on; offset 0 begins at the oldest message that the broker has.
    contact  : called when the broker has answered since the last time.
    clock    : tells how old the newest message read is, for the metric; the machine's if not given.

    position   : after the last message that `read` returned.
    lost       : the broker has no message at the position; the reader stands still until `go_on`.
    partitions : of the topic, as far as the client knows.
    stamped_by_broker : whose stamps the newest messages have; None before the first.
    lag        : messages at most (markers of transactions count) that `read` has not returned.

    Errors that pass are counted and logged once each; the client goes on by itself. `read` raises SourceError
    kafka.corrupt and kafka.fatal for those that do not.
    """

    def __init__(
        self, settings: Mapping[str, Any], topic: str, shard: int, after: Position,
        contact: Callable[[], None] = lambda: None, clock: Clock | None = None,
    ) -> None:  # fmt: skip
        self.topic, self.shard = topic, shard
        self.position = after
        self.lost = False
        self.stamped_by_broker: bool | None = None
        self.partitions: int | None = None
        self.lag = 0
        self._contact = contact
        self._clock = clock or SystemClock()
        self._errors: set[str] = set()
        self._end = self._answers = 0
        self._count = READ.labels(shard)
        self._plain = partial(PlainClient, settings, topic, shard, self._on_error, self._on_statistics)
        self._client = self._open(settings)
        self.go_on(after.offset or OFFSET_BEGINNING)

    def _open(self, settings: Mapping[str, Any]) -> Client:
        """The client that makes no object of each message, else confluent-kafka's own.

        Settings that hold a Python function (the tokens of OAUTHBEARER) need the latter.
        """
        library = available()
        if library is None:
            _say_plain()
        if library is None or any(map(callable, settings.values())):
            return self._plain()
        return GatherClient(library, settings, self.topic, self.shard, self._on_error, self._on_statistics)

    def go_on(self, offset: int) -> None:
        """Read from this offset of the partition on; OFFSET_BEGINNING: from the oldest message."""
        self._client.assign(offset)
        self.lost = False

    def ends(self, timeout_s: float) -> tuple[int, int] | None:
        """Offsets of the oldest message and of the next to come, as the broker says; None when it does not answer.

        Waits. Only for the rare case that the position is lost.
        """
        return self._client.ends(timeout_s)

    def read(self, max_messages: int, max_bytes: int) -> Sequence[Message]:
        """The next messages, as many as have been fetched up to about both limits; none if there are none."""
        fetched = self._fetch(max_messages, max_bytes)
        if fetched is None:
            return []
        for code, offset in fetched.failures:
            self._on_failure(code, offset)
        count = len(fetched.offset)
        if not count:
            return []
        self._count.inc(count)
        if self._errors:
            log.warning("kafka.going_on", shard=self.shard, after=sorted(self._errors))
            self._errors.clear()
        return self._columns(fetched)

    def look(self) -> None:
        """Hear what the client has to say, where nothing is to be read now."""
        self._client.look()

    def _fetch(self, max_messages: int, max_bytes: int) -> Fetched | None:
        try:
            return self._client.fetch(max_messages, max_bytes)
        except LayoutError:
            self._client.close()
            _say_plain()
            self._client = self._plain()
            self.go_on(self.position.offset or OFFSET_BEGINNING)
            return None

    def _columns(self, fetched: Fetched) -> Messages:
        self.stamped_by_broker = fetched.by_broker
        offset, stamp_ns = fetched.offset, fetched.stamp_ms  # nobody else has them
        offset += FIRST
        stamp_ns *= NS_PER_MS
        stamp_ns[0] = max(int(stamp_ns[0]), self.position.stamp_ns)
        np.maximum.accumulate(stamp_ns, out=stamp_ns)
        self.position = Position(int(offset[-1]), int(stamp_ns[-1]))
        return Messages(fetched.text, fetched.ends, offset, stamp_ns)

    def _on_failure(self, code: int, offset: int) -> None:
        """What came instead of a message."""
        if code == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's public name
            self._end = max(self._end, offset)
        elif code in _LOST:
            self.lost = True
        elif code == KafkaError._BAD_MSG:  # noqa: SLF001 - the same
            raise SourceError("kafka.corrupt", topic=self.topic, shard=self.shard, offset=self.position.offset)
        elif code == KafkaError._FATAL:  # noqa: SLF001 - the same
            raise SourceError("kafka.fatal", topic=self.topic, shard=self.shard, problem=KafkaError(code).str())
        else:
            self._on_error(code, KafkaError(code).str())

    def _on_error(self, code: int, problem: str) -> None:
        """Count it; say it once until messages come again."""
        name = name_of(code)
        ERRORS.labels(self.shard, name).inc()
        if name not in self._errors:
            self._errors.add(name)
            log.warning("kafka.error", shard=self.shard, error=name, problem=problem)

    def _on_statistics(self, text: str) -> None:
        statistics = _parsed(text)
        partitions = statistics["topics"].get(self.topic, {}).get("partitions", {})
        leader = partitions.get(str(self.shard), {}).get("leader", -1)  # another broker's answers say nothing of it
        brokers = statistics["brokers"].values()
        answers = sum(broker["rx"] for broker in brokers if leader < 0 or broker["nodeid"] == leader)
        if answers != self._answers:
            self._answers = answers
            self._contact()
        known = sum(1 for number in partitions if int(number) >= 0)
        if known:
            self.partitions = known
        mine = partitions.get(str(self.shard))
        if mine is not None and mine["ls_offset"] >= 0:
            self.lag = max(0, mine["ls_offset"] - max(self.position.offset, self._end, mine["lo_offset"]))
            LAG.labels(self.shard).set(self.lag)
            behind_s = (self._clock.now_ns() - self.position.stamp_ns) / NS_PER_S if self.position.stamp_ns else 0.0
            LAG_S.labels(self.shard).set(max(0.0, behind_s) if self.lag else 0.0)

    def close(self) -> None:
        """Let the broker go."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@lru_cache(maxsize=1)
def _parsed(text: str) -> Mapping[str, Any]:
    """All partitions of a process are told the same."""
    found: Mapping[str, Any] = orjson.loads(text)
    return found


@cache
def _say_plain() -> None:
    """Once a process."""
    log.warning("kafka.plain_client", library="librdkafka")
