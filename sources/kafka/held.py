"""What the site's topic holds of an edge's spool: asked of the topic itself, remembered in a file as a hint.

Each message carries the edge and its offset in the spool as a header. That a broker calls a transaction committed is
not enough: a Kafka 4.3.1 that was killed may skip the markers that make it readable, and then the next transaction of
the producer that fails takes the committed one along (docs/kafka.md). What is not readable is not yet forwarded.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from andon.datafolder import write_durably
from andon.readings import Message
from sources.kafka.patience import Beat, timed_out

log = structlog.get_logger()
HEADER = "andon-spool"
AT_ONCE, WAIT_S, SILENT_S = 1_000, 0.5, 30.0


class Held(NamedTuple):
    """How far a shard's spool is readable in the topic: spool offset of the last such message; where to look on."""

    spool: int
    topic: int


def forwarded(path: Path, shard: int) -> int:
    """The spool offset up to which the site's topic holds a shard, as the edge's file says; 0 without a file."""
    return Memory.read(path).get(shard, Held(0, 0)).spool


class Memory:
    """The edge's own name, which its transactions and messages go by, and how far it has come.

    It may be behind the topic, never ahead of what has been seen readable there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        found = json.loads(path.read_bytes()) if path.exists() else {}
        self.edge = str(found.get("edge") or uuid.uuid4().hex[:16])
        self.held = self.read(path)
        if not found:
            self._write()

    @staticmethod
    def read(path: Path) -> dict[int, Held]:
        """The shards of a file that `Memory` wrote; none without a file."""
        found = json.loads(path.read_bytes()) if path.exists() else {}
        return {int(shard): Held(*places) for shard, places in found.get("held", {}).items()}

    def keep(self, held: dict[int, Held]) -> bool:
        """False when the disk took nothing: the file stays behind, and the topic is looked through from there."""
        before = self.held
        if before | held == before:
            return True
        self.held = before | held
        try:
            self._write()
        except OSError as error:
            log.warning("forward.not_remembered", cause=error.strerror)
            self.held = before
            return False
        return True

    def _write(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(self._path, json.dumps({"edge": self.edge, "held": self.held}).encode())


class Topic:
    """The topic as its readers see it: committed messages up to the first transaction that is still open."""

    def __init__(self, settings: Mapping[str, Any], name: str, edge: str, timeout_s: float) -> None:
        self._name, self._edge, self._timeout_s = name, edge.encode(), timeout_s
        self._consumer = Consumer({
            **settings, "group.id": f"andon-forward-{edge}", "enable.auto.commit": False, "auto.offset.reset": "error",
            "isolation.level": "read_committed", "enable.partition.eof": True,
        })  # fmt: skip

    def header(self, message: Message) -> list[tuple[str, str | bytes | None]]:
        """What a forwarded message carries."""
        return [(HEADER, b"%s:%d" % (self._edge, message.offset))]

    def end(self, shard: int) -> int:
        """The offset up to which the partition is readable; -1 while the broker does not say."""
        try:
            return self._ends(shard)[1]
        except KafkaException:
            return -1

    def newest(self, shard: int, since: Held, stop: threading.Event, beat: Beat) -> Held | None:
        """The newest readable message of this edge, not before `since`; None when `stop` came first.

        Raises KafkaException, also when nothing has come for `SILENT_S`.
        """
        begin, end = self._ends(shard)
        at = since.topic if begin <= since.topic <= end else begin
        found = since
        self._consumer.assign([TopicPartition(self._name, shard, at)])
        heard_s = time.monotonic()
        while at < end:
            beat()
            if stop.is_set():
                return None
            messages = self._consumer.consume(AT_ONCE, WAIT_S)
            if messages:
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > SILENT_S:
                raise timed_out("reading back what was forwarded")
            for message in messages:
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's public name
                    raise KafkaException(error)
                at = (message.offset() or 0) + (error is None)
                offset = self._offset_of(message)
                if offset is not None:
                    found = Held(offset, at)
        self._consumer.unassign()
        return found

    def _offset_of(self, message: KafkaMessage) -> int | None:
        """The spool offset of a message of this edge."""
        headers: Any = message.headers() or ()
        edge, _, offset = dict(headers).get(HEADER, b"").partition(b":")
        return int(offset) if edge == self._edge else None

    def _ends(self, shard: int) -> tuple[int, int]:
        found = self._consumer.get_watermark_offsets(TopicPartition(self._name, shard), timeout=self._timeout_s)
        if found is None:
            raise timed_out("ends of the partition")
        return int(found[0]), int(found[1])

    def close(self) -> None:
        """Let the broker go."""
        self._consumer.close()
