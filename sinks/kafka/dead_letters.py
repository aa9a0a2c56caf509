"""Dead letters of a shard, out of the store that its flow writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sinks.dead_letters import DeadLetter, DeadLetterStore
from sinks.kafka.message import Mark, Outgoing

START = (-1, 0)


class DeadLetterFeed:
    """Reads the store of one shard in log order. The store keeps them for people too, within its own limits.

    kafka_log : the log is a Kafka partition; then its own offset is told, which is one less than the log's.
    """

    def __init__(self, store: DeadLetterStore, site: str, mark: Path, *, kafka_log: bool) -> None:
        self.name, self.lost = f"shard-{store.shard}", 0
        self._store, self._site, self._kafka_log = store, site, kafka_log
        self._mark = Mark(mark, START)
        self._place = self._mark.read()
        self._read: Sequence[DeadLetter] = ()

    def read(self, most: int) -> Sequence[Outgoing]:
        """The next dead letters; key: asset/tag where it could be read, else the shard."""
        self._read = self._store.after((self._place[0], self._place[1]), most)
        return [self._message(letter) for letter in self._read]

    def confirm(self, count: int) -> None:
        """Up to and with letter `count` of what was read."""
        if count:
            last = self._read[count - 1]
            self._place = (last.offset, last.line)
            self._mark.write(self._place)

    def backlog_bytes(self) -> int:
        """None of its own."""
        return 0

    def _message(self, letter: DeadLetter) -> Outgoing:
        shard = str(letter.shard)
        place = letter.offset - 1 if self._kafka_log else letter.offset
        told = f"{self._site}|{shard}|{place}|{letter.line}"
        headers = {
            "id": told, "site": self._site, "reason": letter.reason, "shard": shard,
            **({"partition": shard} if self._kafka_log else {}),
            "offset": str(place), "line": str(letter.line), "received_ms": str(letter.received_ns // 1_000_000),
        }  # fmt: skip
        key = letter.path or f"{self._site}/shard-{shard}"
        return Outgoing(key.encode(), letter.raw, [(name, text.encode()) for name, text in headers.items()])
