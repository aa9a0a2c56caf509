"""Looking at the topic before the flow starts: is the broker there, has the topic the partitions it should have."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from andon.config.deployment import Kafka
from andon.errors import SourceError

log = structlog.get_logger()
ATTEMPT_S = 10.0  # one look at most: signs of life and the stop flag are due in between
PAUSE_S = 1.0


def partitions_of(settings: Mapping[str, Any], topic: str, timeout_s: float) -> int:
    """How many partitions the topic has.

    Raises SourceError kafka.away after about timeout_s, kafka.no_topic, kafka.refused.
    """
    problems: list[str] = []
    callback: dict[str, Any] = {"error_cb": lambda error: problems.append(error.str())}
    client: AdminClient | None = None
    try:
        client = AdminClient({**settings, **callback})  # waits up to 10 s for a token, where one is asked for
        found = client.list_topics(topic, timeout=timeout_s).topics[topic]
    except KafkaException as error:
        if client is not None:
            client.poll(0)  # hands over the callbacks
        problem = problems[-1] if problems else error.args[0].str()
        raise SourceError("kafka.away", brokers=settings["bootstrap.servers"], problem=problem) from None
    if found.error is None:
        return len(found.partitions)
    if found.error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.LEADER_NOT_AVAILABLE):
        raise SourceError("kafka.no_topic", topic=topic, brokers=settings["bootstrap.servers"])
    raise SourceError("kafka.refused", topic=topic, problem=found.error.str())


def await_topic(
    kafka: Kafka, settings: Mapping[str, Any], shards: int, stop: threading.Event, beat: Callable[[], None]
) -> int | None:
    """Wait for the broker, or not, as kafka.start says; returns the partitions, None when `stop` came first.

    Raises SourceError kafka.away with start = "fail", kafka.no_topic, kafka.refused, and kafka.fewer when the topic
    has fewer partitions than there are shards. beat is called at least every `ATTEMPT_S`.
    """
    said, until_s = False, time.monotonic() + kafka.start_timeout_s
    while not stop.is_set():
        beat()
        try:
            found = partitions_of(settings, kafka.topic, min(kafka.start_timeout_s, ATTEMPT_S))
        except SourceError as error:
            if error.code != "kafka.away" or (kafka.start == "fail" and time.monotonic() > until_s - PAUSE_S):
                raise
            if not said:
                log.warning("kafka.waiting", brokers=kafka.brokers, problem=error.params["problem"])
                said = True
            stop.wait(PAUSE_S)
            continue
        if found < shards:
            raise SourceError("kafka.fewer", topic=kafka.topic, found=found, shards=shards)
        if found > shards:
            log.error("kafka.more_partitions", topic=kafka.topic, found=found, shards=shards)
        return found
    return None
