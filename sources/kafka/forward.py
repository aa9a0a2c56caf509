"""An edge hands its spool on to the site's topic, each message exactly once.

A chunk and the position behind it are one transaction of Kafka: both are there, or neither. A forwarder that starts has
the broker end its predecessor's transaction first (and refuse the predecessor, should it still live), then asks for the
position. What a kill, a cut line or a full disk leaves is one of two cases, and both are the right one.

The broker forgets positions that are not renewed for offsets.retention.minutes (7 days): a file beside the spool is the
second memory. It is written after the transaction, so it may be a chunk behind, never ahead; the further one counts.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from prometheus_client import Counter, Gauge

from andon.clock import Clock
from andon.datafolder import write_durably
from andon.errors import SourceError
from andon.readings import NS_PER_MS, NS_PER_S, Message
from sources.kafka.keys import asset_of
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
STEP_S = 2.0  # one call to the broker at most: signs of life and the stop flag are due in between
STUCK_S = 15.0  # beyond that a call that may take STEP_S never comes back
BEAT_S = 0.5
PAUSES_S = (0.5, 1.0, 2.0, 5.0)
LOOK_S, RELEASE_S = 1.0, 600.0
# The client says _FATAL of any call after it has noticed, in the background, that it is fenced.
_FENCED = frozenset({"_FENCED", "_FATAL", "INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED"})
Positions = dict[int, int]


class Memory:
    """The second memory: the edge's own name, which its transactions and positions go by, and how far it has come."""

    def __init__(self, path: Path) -> None:
        self._path = path
        found = json.loads(path.read_bytes()) if path.exists() else {}
        self.edge = str(found.get("edge") or uuid.uuid4().hex[:16])
        self.positions: Positions = {int(shard): int(offset) for shard, offset in found.get("positions", {}).items()}
        self._write()

    def keep(self, positions: Mapping[int, int]) -> None:
        """Positions are spool offsets by shard. A full disk leaves the file behind, which the broker's memory mends."""
        self.positions = {**self.positions, **positions}
        try:
            self._write()
        except OSError as error:
            log.warning("forward.not_remembered", cause=error.strerror)

    def _write(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(self._path, json.dumps({"edge": self.edge, "positions": self.positions}).encode())


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

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
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
                FAILURES.labels(problem.name()).inc()
                if problem.name() in _FENCED:
                    raise SourceError("forward.fenced", name=self._name, problem=problem.str()) from None
                if problem.name() != self._told:
                    self._told = problem.name()
                    log.warning("forward.failed", error=problem.name(), problem=problem.str())
                beat()
                stop.wait(PAUSES_S[min(self._failures, len(PAUSES_S) - 1)])
                self._failures += 1

    def _session(self, held: ExitStack, stop: threading.Event, beat: Callable[[], None]) -> None:
        """From taking over to the first failure. Raises KafkaException; nothing of an open transaction stays."""
        producer, group = self._clients(held)
        if not self._patiently(lambda: producer.init_transactions(STEP_S), stop, beat):
            return
        readers = {
            shard: held.enter_context(SpoolReader(self._spools[shard], shard, offset))
            for shard, offset in self._positions(group).items()
        }
        while not stop.is_set():
            beat()
            chunk = {shard: reader.read(CHUNK_MESSAGES, CHUNK_BYTES) for shard, reader in readers.items()}
            chunk = {shard: messages for shard, messages in chunk.items() if messages}
            if not chunk:
                stop.wait(IDLE_S)
            elif not self._transaction(producer, group, chunk, stop, beat):
                return
            self._look(readers)

    def _clients(self, held: ExitStack) -> tuple[Producer, Consumer]:
        try:
            producer = Producer({
                **self._settings, "transactional.id": self._name, "linger.ms": 5, "compression.type": "lz4",
                "message.max.bytes": MAX_MESSAGE_BYTES,
            })  # fmt: skip
            group = Consumer({
                **self._settings, "group.id": self._name, "enable.auto.commit": False,
                "isolation.level": "read_committed",
            })  # fmt: skip
        except KafkaException as error:
            if error.args[0].code() == KafkaError.SASL_AUTHENTICATION_FAILED:  # no token in time
                raise
            raise SourceError("kafka.settings", problem=error.args[0].str()) from error
        held.callback(group.close)
        held.callback(producer.purge)  # nothing of a transaction that failed shall be sent any more
        return producer, group

    def _positions(self, group: Consumer) -> Positions:
        """The further of what the broker and the file know."""
        places = [TopicPartition(self._topic, shard) for shard in self._spools]
        positions = {}
        for place in group.committed(places, timeout=STEP_S):
            if place.error is not None:
                raise KafkaException(place.error)
            known = self._memory.positions.get(place.partition, 0)
            if 0 <= place.offset < known:
                log.error("forward.broker_behind", shard=place.partition, broker=place.offset, known=known)
            positions[place.partition] = max(place.offset, known)
        return positions

    def _transaction(
        self, producer: Producer, group: Consumer, chunk: Mapping[int, Sequence[Message]], stop: threading.Event,
        beat: Callable[[], None],
    ) -> bool:  # fmt: skip
        """The chunk and the positions behind it, or neither; False when `stop` came before the broker's answer."""
        producer.begin_transaction()
        for shard, messages in chunk.items():
            for message in messages:
                self._produce(producer, shard, message)
        behind = {shard: messages[-1].offset for shard, messages in chunk.items()}
        places = [TopicPartition(self._topic, shard, offset) for shard, offset in behind.items()]
        metadata = group.consumer_group_metadata()
        if not self._patiently(lambda: producer.send_offsets_to_transaction(places, metadata, STEP_S), stop, beat):
            return False
        if not self._patiently(lambda: producer.commit_transaction(STEP_S), stop, beat):
            return False
        self._memory.keep(behind)
        for shard, messages in chunk.items():
            FORWARDED.labels(shard).inc(len(messages))
        if self._told:
            log.warning("forward.going_on", after=self._told)
            self._told, self._failures = "", 0
        return True

    def _produce(self, producer: Producer, shard: int, message: Message) -> None:
        body = message.body
        if len(body) > self._max_bytes:
            CUT.labels(shard).inc()
            log.warning("forward.cut", shard=shard, offset=message.offset, size=len(body), kept=self._max_bytes + 1)
            body = body[: self._max_bytes + 1]
        stamp_ms = min(message.received_ns, self._clock.now_ns()) // NS_PER_MS
        while True:
            try:
                producer.produce(self._topic, value=body, key=asset_of(body), partition=shard, timestamp=stamp_ms)
            except BufferError:
                producer.poll(0.1)
            else:
                return

    @staticmethod
    def _patiently(call: Callable[[], None], stop: threading.Event, beat: Callable[[], None]) -> bool:
        """Call again while the broker has not answered; False when `stop` came first. Raises what does not pass."""
        while True:
            try:
                _bounded(call, beat)
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise
                if stop.is_set():
                    return False
            else:
                return True

    def _look(self, readers: Mapping[int, SpoolReader]) -> None:
        """Tell the backlog once a second; let go what has been kept long enough every ten minutes."""
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        for shard, reader in readers.items():
            BACKLOG.labels(shard).set(reader.depth())
        if now_s - self._released_s < RELEASE_S:
            return
        self._released_s = now_s
        freeing, oldest_ns = self._must_free(), self._clock.now_ns() - self._keep_ns
        for shard, reader in readers.items():
            position = self._memory.positions.get(shard, 0)
            old = position if freeing else received_before(self._spools[shard], oldest_ns)
            reader.release(min(old, position))


def _bounded(call: Callable[[], None], beat: Callable[[], None]) -> None:
    """Call in a thread of its own, and give it up after `STUCK_S`: KafkaException, not to be tried with this producer.

    librdkafka 2.16 may never come back from committing a transaction whose broker was killed and started again
    (measured). The next producer of the same name fences the one given up, and the broker says what was committed.
    """
    failed: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - handed on to the caller
            failed.append(error)
        done.set()

    threading.Thread(target=run, name="forward-call", daemon=True).start()
    until_s = time.monotonic() + STUCK_S
    while not done.wait(BEAT_S):
        beat()
        if time.monotonic() > until_s:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the client does not come back"))  # noqa: SLF001 - the library's public name
    beat()
    if failed:
        raise failed[0]
