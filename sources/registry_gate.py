"""Messages wait at the gate of a shard until the schemas they name are on disk: the network belongs to the source.

They pass when every schema is there, or the registry has said that there is none. The registry is asked in a thread, so
nobody else waits; nothing is read behind messages that wait.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import structlog
from numpy.typing import NDArray
from prometheus_client import Counter, Gauge

from andon.readings import Message, Messages
from sources.kafka.positions import Position
from sources.registry_files import MOST_UNKNOWN, Schema, SchemaFiles

log = structlog.get_logger()
WAITING = Gauge(
    "andon_schemas_awaited", "Schemas the shard stands still for, until the registry answers; 0: none", ["shard"],
    multiprocess_mode="livemostrecent",
)  # fmt: skip
ASKED = Counter("andon_schemas_asked_total", "Questions to the schema registry, by answer", ["shard", "answer"])
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0  # between questions to a registry that does not answer
DENIED_S = 60.0  # for so long "no such id" is not asked again
_HEADER = 5
Ask = Callable[[int], Schema | None]


class RegistryAwayError(Exception):
    """The registry does not answer, or not as one; the text says what it did."""


class Reader(Protocol):
    """What the gate needs of a reader; `position` is after the last message that `read` returned."""

    position: Position

    def read(self, max_messages: int, max_bytes: int) -> Sequence[Message]:
        """The next messages, if there are any."""
        ...


class SchemaGate:
    """Reads for one shard, and holds back messages whose schemas are not known yet.

    reader: nothing is read from it while messages wait. files: where schemas are kept. ask: the registry; None: there
    is none, everything passes, and an id that is not kept makes dead letters. What the registry denies passes too,
    once `files` has a note of it; it is asked again for later messages, after a minute.
    """

    def __init__(self, shard: int, reader: Reader, files: SchemaFiles, ask: Ask | None) -> None:
        self._shard, self._reader, self._files, self._ask = shard, reader, files, ask
        self._held: Messages | None = None
        self._before = reader.position
        self._known: set[int] = set()
        self._denied: dict[int, float] = {}
        self._answered: set[int] = set()  # denied since messages are held
        self._thread: threading.Thread | None = None
        self._failed = ""
        self._pause_s, self._again_s = FIRST_PAUSE_S, 0.0
        WAITING.labels(shard).set(0)

    @property
    def position(self) -> Position:
        """After the last message that `read` returned."""
        return self._reader.position if self._held is None else self._before

    @property
    def waits(self) -> bool:
        """Whether messages are held back."""
        return self._held is not None

    def read(self, max_messages: int, max_bytes: int) -> Sequence[Message]:
        """As the reader's; none while messages wait for their schemas."""
        if self._held is None:
            before = self._reader.position
            messages = self._reader.read(max_messages, max_bytes)
            if self._ask is None or not messages:
                return messages
            self._held, self._before = Messages.of(messages), before
            self._answered.clear()
        held, last = self._held, _ids(self._held)
        missing = [number for number in last if not self._settled(number, last[number])]
        if missing:
            self._go_on_asking(missing)
            return []
        if denied := {number: offset for number, offset in last.items() if number not in self._known}:
            self._files.note_unknown(denied)
        self._held = None
        if self._thread is not None:
            WAITING.labels(self._shard).set(0)
        return held

    def _settled(self, number: int, last_offset: int) -> bool:
        if number in self._known:
            return True
        if self._files.load(number) is not None:
            self._known.add(number)
            return True
        if number in self._answered:
            return True
        denied_s = self._denied.get(number)
        if denied_s is not None and time.monotonic() - denied_s < DENIED_S:
            return True
        return last_offset <= self._files.unknown_until(number)

    def _go_on_asking(self, missing: Sequence[int]) -> None:
        """Start a question where none is on its way, and none has failed just now."""
        if self._thread is not None:
            if self._thread.is_alive():
                return
            self._thread = None
            self._look_at_failure()
        if time.monotonic() >= self._again_s and self._ask is not None:
            WAITING.labels(self._shard).set(len(missing))
            self._thread = threading.Thread(target=self._run, args=(self._ask, missing), name="schemas", daemon=True)
            self._thread.start()

    def _look_at_failure(self) -> None:
        if self._failed:
            self._again_s = time.monotonic() + self._pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        else:
            self._pause_s = FIRST_PAUSE_S
            WAITING.labels(self._shard).set(0)

    def _run(self, ask: Ask, missing: Sequence[int]) -> None:
        """In the thread: until all are there or one question fails. Nothing else writes what it writes meanwhile."""
        for number in missing:
            try:
                schema = ask(number)
                if schema is not None:
                    self._files.keep(schema)
            except Exception as error:  # noqa: BLE001 - whatever it is: it is said, and asked again
                ASKED.labels(self._shard, "away").inc()
                if not self._failed:
                    log.error("schema.registry_away", shard=self._shard, schema=number, problem=str(error))
                self._failed = str(error) or type(error).__name__
                return
            ASKED.labels(self._shard, "found" if schema is not None else "denied").inc()
            if schema is None:
                log.error("schema.unknown", shard=self._shard, schema=number)
                if len(self._denied) >= MOST_UNKNOWN:
                    self._denied.clear()
                self._denied[number] = time.monotonic()
                self._answered.add(number)
            else:
                log.info("schema.found", shard=self._shard, schema=number, kind=schema.kind)
        if self._failed:
            log.warning("schema.registry_there_again", shard=self._shard)
            self._failed = ""


def _ids(messages: Messages) -> dict[int, int]:
    """Ids of schemas that messages name, each with the offset of the last message that does."""
    text = np.frombuffer(messages.text, np.uint8)
    ends = messages.ends
    begins = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])
    framed: NDArray[np.intp] = np.flatnonzero((text[begins] == 0) & (ends - begins >= _HEADER))
    if not len(framed):
        return {}
    at = begins[framed] + 1
    ids = np.zeros(len(framed), np.int64)
    for k in range(4):
        ids = ids << 8 | text[at + k]
    return dict(zip(ids.tolist(), messages.offset[framed].tolist(), strict=True))
