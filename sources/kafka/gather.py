"""A partition on the C interface of librdkafka, for which no message becomes a Python object.

A Python object for each message costs more than fetching it (measured: 0.5 against 0.2 CPU seconds per million). This
takes messages by the thousand and copies them into columns (sources/kafka/gather_kernel.py). It is used where
`available` finds what it needs; the reader does without it otherwise.
"""

from __future__ import annotations

import ctypes as c
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import numpy as np

from andon.errors import SourceError
from andon.readings import TEXT_END
from sources.decode.memory import address
from sources.kafka.client import Fetched, OnError, OnStatistics, name_of
from sources.kafka.connection import Connection
from sources.kafka.gather_kernel import POINTER, destroy_all, gather, measure
from sources.kafka.native import CONSUMER, LOG_APPEND_TIME, Head, Library, available
from sources.kafka.page import SPARE, Page

__all__ = ["CONSUMER", "GatherClient", "LayoutError", "Library", "available"]
AT_ONCE = 1_000  # messages of one call of the library


class LayoutError(Exception):
    """The library lays its messages out in another way than its public header says."""


class GatherClient:
    """One partition through the C interface. The callbacks are called inside `fetch`.

    settings: of librdkafka, without callbacks. Raises SourceError kafka.settings; LayoutError from `fetch` where
    messages are not as the kernel reads them.
    """

    def __init__(
        self, library: Library, settings: Mapping[str, Any], topic: str, partition: int,
        on_error: OnError, on_statistics: OnStatistics,
    ) -> None:  # fmt: skip
        self._c, self._topic, self._partition = library, topic.encode(), partition
        self._pointers = np.zeros(AT_ONCE, np.int64)
        self._failed = np.zeros((AT_ONCE, 2), np.int64)
        self._scratch = np.zeros(1, np.int64)
        self._body_bytes = 256.0  # of a message, as they have been lately
        self._checked = self._started = False
        self._connection: Connection | None = Connection.shared(library, settings)
        self._connection.tell(id(self), on_error, on_statistics)
        self._handle = self._connection.handle
        self._topic_handle = library.topic_new(self._handle, self._topic, None)
        self._queue = library.queue_get_partition(self._handle, self._topic, partition)

    def assign(self, offset: int) -> None:
        self._stop()
        if self._c.consume_start(self._topic_handle, self._partition, offset):
            raise SourceError("kafka.settings", problem=name_of(self._c.last_error()))
        self._started = True

    def _stop(self) -> None:
        if self._started:
            self._c.consume_stop(self._topic_handle, self._partition)
            self._started = False

    def fetch(self, max_messages: int, max_bytes: int) -> Fetched | None:
        if self._connection is None:
            return None
        self._connection.poll()
        if not self._c.queue_length(self._queue):
            return None  # asking for messages that are not there takes ten times as long
        page: Page | None = None
        failures: list[tuple[int, int]] = []
        pointers, good, used = address(self._pointers), 0, 0
        while good < max_messages and used < max_bytes:
            wanted = min(len(self._pointers), max_messages - good, max(1, int((max_bytes - used) / self._body_bytes)))
            count = self._c.consume_batch_queue(self._queue, 0, pointers, wanted)
            if count <= 0:
                break
            if page is None:
                page = Page(max_messages, int(min(max_messages * self._body_bytes * SPARE, max_bytes)))
            self._append(page, pointers, count, failures)
            good, used = page.good, page.used
            if count < wanted:
                break  # that was all there is
        if page is None:
            return None
        if good:
            self._body_bytes = used / good
        by_broker = bool(good) and int(self._scratch[0]) & 0xFFFFFFFF == LOG_APPEND_TIME
        return Fetched(*page.columns(), by_broker, failures)

    def look(self) -> None:
        if self._connection is not None:
            self._connection.poll()

    def _append(self, page: Page, pointers: int, count: int, failures: list[tuple[int, int]]) -> None:
        """Move the messages to the page and give them back to the library, whatever happens."""
        destroy = self._c.destroy_at if self._checked else 0
        at = 0
        try:
            while True:
                text, columns = page.addresses()
                at = gather(
                    pointers, at, count, text, page.room, columns, page.rows, address(page.counts),
                    address(self._failed), self._c.timestamp_at, address(self._scratch), destroy,
                )  # fmt: skip
                failures += [(code, place) for code, place in self._failed[: int(page.counts[2])].tolist()]
                if at == count:
                    break
                page.grow(measure(pointers, at, count))
            if not self._checked:
                self._check(page, count)
        finally:
            given = at if destroy else 0
            destroy_all(pointers + POINTER * given, count - given, self._c.destroy_at)

    def _check(self, page: Page, count: int) -> None:
        """Compare the first batch with what the interface's own declarations give; a build may differ."""
        text, ends, offset, stamp_ms = page.columns()
        heads = [Head.from_address(at) for at in self._pointers[:count].tolist()]
        good = [head for head in heads if not head.error]
        bodies = [c.string_at(head.payload, head.length) if head.length else b"" for head in good]
        stamps = [
            self._c.message_timestamp(at, address(self._scratch))
            for at, head in zip(self._pointers[:count].tolist(), heads, strict=True) if not head.error
        ]  # fmt: skip
        same = (
            all(head.partition == self._partition for head in good)
            and offset.tolist() == [head.offset for head in good]
            and stamp_ms.tolist() == stamps
            and ends.tolist() == [at - 1 for at in accumulate(len(body) + 1 for body in bodies)]
            and text.tobytes() == b"".join([*(body + b"\0" for body in bodies), TEXT_END])
        )
        if not same:
            raise LayoutError
        self._checked = bool(good)

    def ends(self, timeout_s: float) -> tuple[int, int] | None:
        if self._connection is None:
            return None
        low, high = c.c_int64(), c.c_int64()
        error = self._c.query_watermark_offsets(
            self._handle, self._topic, self._partition, c.byref(low), c.byref(high), round(timeout_s * 1000)
        )
        return None if error else (low.value, high.value)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._stop()
            self._c.queue_destroy(self._queue)
            self._c.topic_destroy(self._topic_handle)
            connection.release(id(self))


def compile_kernels() -> None:
    """Compile the kernels by running them over no messages."""
    none = address(np.zeros(3, np.int64))
    measure(none, 0, 0)
    gather(none, 0, 0, none, 0, none, 0, none, none, 0, none, 0)
    destroy_all(none, 0, 0)
