"""An edge hands its spool on to the site's topic, each message exactly once.

A chunk is one transaction of Kafka: all of it is readable, or nothing. A forwarder that starts has the broker end its
predecessor's transaction first (and refuse the predecessor, should it still live), then looks which message of the
edge is the newest one readable (sources/kafka/held.py), and goes on behind it. So whatever a kill, a cut line, a full
disk or a broker that forgets has left: the topic itself says what it holds.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage
from prometheus_client import Counter, Gauge

from andon.clock import Clock
from andon.errors import SourceError
from andon.readings import NS_PER_MS, NS_PER_S, Message
from sources.kafka.held import Held, Memory, Topic
from sources.kafka.keys import asset_of
from sources.kafka.patience import STEP_S, Beat, flush, patiently, timed_out
from sources.kafka.producer import MAX_MESSAGE_BYTES
from sources.spool import SpoolReader
from sources.spool.segments import received_before

log = structlog.get_logger()
FORWARDED = Counter("andon_forward_messages_total", "Messages in the topic, committed", ["shard"])
CUT = Counter("andon_forward_cut_messages_total", "Messages too long to be readings, forwarded cut off", ["shard"])
FAILURES = Counter("andon_forward_failures_total", "Attempts that ended with an error", ["error"])
BACKLOG = Gauge(
    "andon_forward_backlog_messages", "Messages in the spool that the topic does not have", ["shard"],
    multiprocess_mode="livemostrecent",
)  # fmt: skip
CHUNK_MESSAGES, CHUNK_BYTES = 1_000, 4_000_000
IDLE_S = 0.02
# What is committed has to be readable after so long, another edge's transaction in the way included: the broker ends
# that after a minute (transaction.timeout.ms). Beyond, the marker is lost, and this edge begins anew.
READABLE_S = 90.0
NOT_READABLE = "what is committed does not become readable"
PAUSES_S = (0.5, 1.0, 2.0, 5.0)
LOOK_S, RELEASE_S = 1.0, 600.0
# The client says _FATAL of any call after it has noticed, in the background, that it is fenced.
_FENCED = frozenset({"_FENCED", "_FATAL", "INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED"})
_PASSING = frozenset({"spool.disk_full", "spool.busy"})


class Delivered:
    """The newest offset in each partition that the broker has taken."""

    def __init__(self) -> None:
        self._offsets: dict[int, int] = {}
        self._refused: KafkaError | None = None

    def __call__(self, shard: int, error: KafkaError | None, message: KafkaMessage) -> None:
        """The delivery callback of a message, after the shard."""
        if error is None:
            self._offsets[shard] = message.offset() or 0
        else:
            self._refused = error

    def take(self) -> dict[int, int]:
        """The offsets since the last call. Raises KafkaException when a message was refused."""
        if self._refused is not None:
            raise KafkaException(self._refused)
        taken, self._offsets = self._offsets, {}
        return taken


class Forwarder:
    """Forwards the spools of one edge; a spool's shard is the partition.

    settings  : of `andon.kafka.client_settings`.
    max_bytes : a longer message is a dead letter at the site; so much and one byte more of it is forwarded.
    keep_s    : how long the spool keeps what is forwarded already, by its receive stamps.
    must_free : tells whether the disk is so full that it shall keep less.
    """

    def __init__(
        self, settings: Mapping[str, Any], topic: str, site: str, spools: Mapping[int, Path], memory: Memory,
        clock: Clock, *, max_bytes: int, keep_s: float, must_free: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self._name = f"andon-forward-{site}-{memory.edge}"
        self._settings, self._topic, self._spools, self._memory = settings, topic, spools, memory
        self._clock, self._max_bytes, self._keep_ns = clock, max_bytes, round(keep_s * NS_PER_S)
        self._must_free = must_free
        self._failures = 0
        self._told = ""
        self._looked_s = self._released_s = float("-inf")
        self._unseen: dict[int, deque[tuple[float, Held]]] = {}  # committed at (monotonic), not yet seen readable

    def run(self, stop: threading.Event, beat: Beat) -> None:
        """Forward until `stop`. What passes (broker away, disk full) is logged once and tried again.

        Raises SourceError forward.fenced when another forwarder has taken over by this one's name (or the broker had to
        end a transaction that took too long): start again. And what the spool raises when it cannot be read.
        """
        while not stop.is_set():
            try:
                with ExitStack() as held:
                    self._session(held, stop, beat)
            except KafkaException as error:
                problem: KafkaError = error.args[0]
                if problem.name() in _FENCED:
                    FAILURES.labels(problem.name()).inc()
                    raise SourceError("forward.fenced", name=self._name, problem=problem.str()) from None
                self._failed(problem.name(), problem.str(), stop, beat)
            except SourceError as error:
                if error.code not in _PASSING:
                    raise
                self._failed(error.code, str(error.params), stop, beat)

    def _failed(self, name: str, problem: str, stop: threading.Event, beat: Beat) -> None:
        FAILURES.labels(name).inc()
        if name != self._told:
            self._told = name
            log.warning("forward.failed", error=name, problem=problem)
        beat()
        stop.wait(PAUSES_S[min(self._failures, len(PAUSES_S) - 1)])
        self._failures += 1

    def _session(self, held: ExitStack, stop: threading.Event, beat: Beat) -> None:
        """From taking over to the first failure. Raises KafkaException; nothing of an open transaction stays."""
        producer, topic = self._clients(held)
        delivered = Delivered()
        found = self._take_over(producer, topic, delivered, stop, beat)
        if found is None:
            return
        self._unseen = {shard: deque() for shard in found}
        readers = {
            shard: held.enter_context(SpoolReader(self._spools[shard], shard, one.spool))
            for shard, one in found.items()
        }
        while not stop.is_set():
            beat()
            chunk = {shard: reader.read(CHUNK_MESSAGES, CHUNK_BYTES) for shard, reader in readers.items()}
            chunk = {shard: messages for shard, messages in chunk.items() if messages}
            if chunk and not self._transaction(producer, topic, delivered, chunk, stop, beat):
                return
            self._look(readers, topic, idle=not chunk)
            if not chunk:
                stop.wait(IDLE_S)

    def _clients(self, held: ExitStack) -> tuple[Producer, Topic]:
        try:
            producer = Producer({
                **self._settings, "transactional.id": self._name, "linger.ms": 5, "compression.type": "lz4",
                "message.max.bytes": MAX_MESSAGE_BYTES,
            })  # fmt: skip
            topic = Topic(self._settings, self._topic, self._memory.edge, STEP_S)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.SASL_AUTHENTICATION_FAILED:  # no token in time
                raise
            raise SourceError("kafka.settings", problem=error.args[0].str()) from error
        held.callback(topic.close)
        held.callback(producer.purge, blocking=False)  # nothing of a transaction that failed shall be sent any more
        return producer, topic

    def _take_over(
        self, producer: Producer, topic: Topic, delivered: Delivered, stop: threading.Event, beat: Beat
    ) -> dict[int, Held] | None:
        """End what the predecessor left open, then learn from the topic how far it came; None when `stop` came first.

        A message that is aborted writes a marker into each partition, and with it the end of whatever this edge has
        open there, known to the broker or not. Nobody reads such a message.
        """
        if not patiently(lambda: producer.init_transactions(STEP_S), stop, beat):
            return None
        producer.begin_transaction()
        for shard in self._spools:
            producer.produce(self._topic, value=b"", partition=shard, on_delivery=partial(delivered, shard))
        if not patiently(lambda: flush(producer), stop, beat):
            return None
        if not patiently(lambda: producer.abort_transaction(STEP_S), stop, beat):
            return None
        markers = delivered.take()
        if not self._readable(topic, markers, stop, beat):
            return None
        known = self._memory.held
        new = {shard: Held(0, marker) for shard, marker in markers.items() if shard not in known}
        found = {}
        for shard in markers.keys() & known.keys():
            newest = topic.newest(shard, known[shard], stop, beat)
            if newest is None:
                return None
            found[shard] = newest
        if not self._memory.keep(new | found) and new:  # without it the next start would send everything again
            raise KafkaException(KafkaError(KafkaError._FS, "no place for forward.json"))  # noqa: SLF001 - the library's public name
        return new | found

    def _readable(self, topic: Topic, ends: Mapping[int, int], stop: threading.Event, beat: Beat) -> bool:
        """Wait until the partitions are readable beyond these offsets; False when `stop` came first."""
        until_s = time.monotonic() + READABLE_S
        while not all(topic.end(shard) > offset for shard, offset in ends.items()):
            beat()
            if time.monotonic() > until_s:
                raise timed_out(NOT_READABLE)
            if stop.wait(IDLE_S):
                return False
        return True

    def _transaction(
        self, producer: Producer, topic: Topic, delivered: Delivered, chunk: Mapping[int, Sequence[Message]],
        stop: threading.Event, beat: Beat,
    ) -> bool:  # fmt: skip
        """The chunk, or nothing of it; False when `stop` came before the broker's answer."""
        producer.begin_transaction()
        for shard, messages in chunk.items():
            for message in messages[:-1]:
                self._produce(producer, topic, shard, message)
            self._produce(producer, topic, shard, messages[-1], on_delivery=partial(delivered, shard))
        if not patiently(lambda: producer.commit_transaction(STEP_S), stop, beat):
            return False
        now_s = time.monotonic()
        for shard, offset in delivered.take().items():
            self._unseen[shard].append((now_s, Held(chunk[shard][-1].offset, offset + 1)))
            FORWARDED.labels(shard).inc(len(chunk[shard]))
        if self._told:
            log.warning("forward.going_on", after=self._told)
            self._told, self._failures = "", 0
        return True

    def _produce(
        self, producer: Producer, topic: Topic, shard: int, message: Message, **more: Callable[..., None]
    ) -> None:
        body = message.body
        if len(body) > self._max_bytes:
            CUT.labels(shard).inc()
            log.warning("forward.cut", shard=shard, offset=message.offset, size=len(body), kept=self._max_bytes + 1)
            body = body[: self._max_bytes + 1]
        stamp_ms = min(message.received_ns, self._clock.now_ns()) // NS_PER_MS
        while True:
            try:
                producer.produce(
                    self._topic, value=body, key=asset_of(body), partition=shard, timestamp=stamp_ms,
                    headers=topic.header(message), **more,
                )  # fmt: skip
            except BufferError:
                producer.poll(0.1)
            else:
                return

    def _look(self, readers: Mapping[int, SpoolReader], topic: Topic, *, idle: bool) -> None:
        """See what has become readable, at once when idle; every second tell the backlog; let go what is old."""
        now_s = time.monotonic()
        due = now_s - self._looked_s >= LOOK_S
        if due or (idle and any(self._unseen.values())):
            self._see(topic, now_s)
        if not due:
            return
        self._looked_s = now_s
        for shard, reader in readers.items():
            BACKLOG.labels(shard).set(reader.depth())
        if now_s - self._released_s < RELEASE_S:
            return
        self._released_s = now_s
        freeing, oldest_ns = self._must_free(), self._clock.now_ns() - self._keep_ns
        for shard, reader in readers.items():
            position = self._memory.held[shard].spool
            old = position if freeing else received_before(self._spools[shard], oldest_ns)
            reader.release(min(old, position))

    def _see(self, topic: Topic, now_s: float) -> None:
        """Remember the chunks that are readable now. Raises KafkaException when one has not become so in time."""
        seen = {}
        for shard, unseen in self._unseen.items():
            if not unseen:
                continue
            if (end := topic.end(shard)) < 0:  # the broker is away, and would be for the next one, too
                break
            while unseen and unseen[0][1].topic <= end:
                seen[shard] = unseen.popleft()[1]
            if unseen and now_s - unseen[0][0] > READABLE_S:
                raise timed_out(NOT_READABLE)
        self._memory.keep(seen)
