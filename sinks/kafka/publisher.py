"""One round trip with the broker: a list of messages, each confirmed by its own delivery callback.

Bytewax's own Kafka sink has no callback and ignores what `flush` returns: 50 messages to a dead broker end with exit
status 0 and no error (measured with 0.21.1). Here a message counts as sent when the broker has said so, never earlier.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer
from prometheus_client import Counter

from andon.config.deployment import Kafka
from sinks.kafka.message import Outgoing

PENDING: Final = "pending"
FOR_GOOD = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD, KafkaError._INVALID_ARG})  # noqa: SLF001 - librdkafka's own codes begin so
LEAVING_S = 5.0
POLL_S = 0.2
PARTITIONERS = {"crc32": "consistent_random", "murmur2": "murmur2_random"}
_sent = Counter(
    "andon_kafka_out_messages_total", "Messages that the broker has confirmed or refused.", ["topic", "outcome"]
)
_failed = Counter("andon_kafka_out_failures_total", "Messages not confirmed, by the reason given.", ["topic", "reason"])
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a list: its first `confirmed` messages need not be sent again.

    refused : places among those that the broker will never take (too large, invalid).
    error   : name of the librdkafka error that stopped the rest; None when nothing is left.
    """

    confirmed: int
    refused: tuple[int, ...] = ()
    error: str | None = None


def producer_settings(kafka: Kafka, timeout_s: float) -> dict[str, Any]:
    """What makes a producer safe: acknowledged by all replicas, no doubles and no swaps within a session."""
    return {
        "acks": "all", "enable.idempotence": True, "compression.type": "lz4", "linger.ms": 10, "batch.size": 200_000,
        "message.timeout.ms": round(timeout_s * 1000), "partitioner": PARTITIONERS[kafka.partitioner],
    }  # fmt: skip


class Publisher:
    """A producer that is made again after every failure, so that nothing of the failed list is still under way.

    settings  : of confluent-kafka, with `producer_settings`.
    timeout_s : a message that is not confirmed by then has failed.
    stop      : set: `send` waits `LEAVING_S` more and gives up.
    beat      : called while it waits.

    Not safe for use by several threads.
    """

    def __init__(
        self, settings: Mapping[str, Any], timeout_s: float, stop: threading.Event,
        beat: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._settings, self._timeout_s, self._stop, self._beat = dict(settings), timeout_s, stop, beat
        self._producer: Producer | None = None
        self._said: set[str] = set()

    def send(self, topic: str, messages: Sequence[Outgoing]) -> Sent:
        """Send them in order and wait for each callback. Raises nothing that the broker is the cause of.

        Messages behind the first that failed may have been taken; sent again they are doubles with the same id. Those
        of one key stay in order, but for such doubles.
        """
        outcomes = self._round(topic, messages)
        refused: list[int] = []
        for at, outcome in enumerate(outcomes):
            error = outcome
            if error is not None and error.code() in FOR_GOOD:  # of its batch, perhaps: by itself it may pass
                (error,) = self._round(topic, messages[at : at + 1])
                if error is not None and error.code() in FOR_GOOD:
                    refused.append(at)
                    log.error("kafka_out.refused", topic=topic, id=messages[at].headers[0][1].decode(),
                              bytes=len(messages[at].value), error=error.name())  # fmt: skip
                    continue
            if error is not None:
                return self._stopped(topic, outcomes, at, refused, error)
        self._said.clear()
        _sent.labels(topic, "confirmed").inc(len(messages) - len(refused))
        _sent.labels(topic, "refused").inc(len(refused))
        return Sent(len(messages), tuple(refused))

    def _stopped(
        self, topic: str, outcomes: Sequence[KafkaError | None], at: int, refused: Sequence[int], error: KafkaError
    ) -> Sent:
        _sent.labels(topic, "confirmed").inc(at - len(refused))
        _sent.labels(topic, "refused").inc(len(refused))
        for outcome in outcomes[at:]:
            if outcome is not None:
                _failed.labels(topic, outcome.name()).inc()
        return Sent(at, tuple(refused), error.name())

    def close(self) -> None:
        """Let the connections go. What is still under way is given up."""
        if self._producer is not None:
            self._producer.purge()
            self._producer.poll(0)
            self._producer = None

    def _round(self, topic: str, messages: Sequence[Outgoing]) -> list[KafkaError | None]:
        """The outcome of each message: None when the broker has it."""
        reports = _Reports(len(messages))
        try:
            producer = self._opened()
        except KafkaException as error:  # of no message, whatever its code: a certificate that cannot be read
            reports.end(KafkaError(KafkaError._FAIL, error.args[0].str()))  # noqa: SLF001 - librdkafka's own codes begin so
            return reports.outcomes
        try:
            for at, one in enumerate(messages):
                self._produce(producer, topic, one, at, reports)
            deadline = time.monotonic() + self._timeout_s + LEAVING_S
            while reports.left and time.monotonic() < deadline:
                producer.poll(POLL_S)
                self._beat()
                if self._stop.is_set():
                    deadline = min(deadline, time.monotonic() + LEAVING_S)
        except KafkaException as error:  # a producer that broke (fenced, out of order): the next one starts afresh
            reports.end(error.args[0])
        reports.end(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - librdkafka's own codes begin so
        if reports.failed():
            self.close()
        return reports.outcomes

    def _produce(self, producer: Producer, topic: str, one: Outgoing, at: int, reports: _Reports) -> None:
        while True:
            try:
                producer.produce(topic, one.value, one.key, headers=list(one.headers), on_delivery=reports.of(at))
            except BufferError:  # our own queue is full: let some of it out
                producer.poll(POLL_S)
                self._beat()
            except KafkaException as error:
                if error.args[0].code() not in FOR_GOOD:
                    raise
                reports.of(at)(error.args[0], None)
                return
            else:
                return

    def _opened(self) -> Producer:
        if self._producer is None:
            self._producer = Producer({**self._settings, "error_cb": self._tell})
        return self._producer

    def _tell(self, error: KafkaError) -> None:
        """Log what librdkafka complains of, once until something is delivered."""
        if error.name() not in self._said:
            self._said.add(error.name())
            log.warning("kafka_out.broker", error=error.name(), detail=error.str())


class _Reports:
    """The delivery reports of one list of messages."""

    def __init__(self, count: int) -> None:
        self.outcomes: list[Any] = [PENDING] * count
        self.left = count

    def of(self, at: int) -> Callable[[KafkaError | None, object], None]:
        """The delivery callback of message `at`."""

        def report(error: KafkaError | None, _message: object) -> None:
            self.left -= 1
            if self.outcomes[at] is PENDING or error is None:  # given up already: only a success is news
                self.outcomes[at] = error

        return report

    def end(self, error: KafkaError) -> None:
        """What has no report yet has failed."""
        self.outcomes = [error if outcome is PENDING else outcome for outcome in self.outcomes]

    def failed(self) -> bool:
        """Whether any message was not confirmed."""
        return any(outcome is not None for outcome in self.outcomes)
