"""A consumer of one partition on the C interface of librdkafka, the library that confluent-kafka brings along.

A Python object for each message costs more than fetching it (measured: 0.5 against 0.2 CPU seconds per million). This
takes messages by the thousand and copies them into columns (sources/kafka/gather_kernel.py). It is used where
`available` finds what it needs; the reader does without it otherwise.
"""

from __future__ import annotations

import ctypes as c
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import confluent_kafka
import numpy as np

from andon.errors import SourceError
from andon.readings import TEXT_END
from sources.decode.memory import address
from sources.kafka.client import Fetched, OnError, OnStatistics, name_of
from sources.kafka.gather_kernel import destroy_all, gather, measure

CONSUMER = 1
LOG_APPEND_TIME = 2
TEXT_BYTES = 512
_Bytes, _Size, _Pointer = c.c_char_p, c.c_size_t, c.c_void_p
_SIGNATURES: Mapping[str, tuple[Any, list[Any]]] = {
    "version": (c.c_int, []),
    "conf_new": (_Pointer, []),
    "conf_set": (c.c_int, [_Pointer, _Bytes, _Bytes, c.c_char_p, _Size]),
    "conf_set_error_cb": (None, [_Pointer, _Pointer]),
    "conf_set_stats_cb": (None, [_Pointer, _Pointer]),
    "conf_destroy": (None, [_Pointer]),
    "new": (_Pointer, [c.c_int, _Pointer, c.c_char_p, _Size]),
    "poll_set_consumer": (c.c_int, [_Pointer]),
    "topic_partition_list_new": (_Pointer, [c.c_int]),
    "topic_partition_list_add": (_Pointer, [_Pointer, _Bytes, c.c_int32]),
    "topic_partition_list_set_offset": (c.c_int, [_Pointer, _Bytes, c.c_int32, c.c_int64]),
    "topic_partition_list_destroy": (None, [_Pointer]),
    "assign": (c.c_int, [_Pointer, _Pointer]),
    "queue_get_consumer": (_Pointer, [_Pointer]),
    "queue_destroy": (None, [_Pointer]),
    "consume_batch_queue": (c.c_ssize_t, [_Pointer, c.c_int, _Pointer, _Size]),
    "query_watermark_offsets": (c.c_int, [_Pointer, _Bytes, c.c_int32, _Pointer, _Pointer, c.c_int]),
    "message_destroy": (None, [_Pointer]),
    "message_timestamp": (c.c_int64, [_Pointer, _Pointer]),
    "consumer_close": (c.c_int, [_Pointer]),
    "destroy": (None, [_Pointer]),
}
_ErrorCallback = c.CFUNCTYPE(None, _Pointer, c.c_int, c.c_char_p, _Pointer)
_StatisticsCallback = c.CFUNCTYPE(c.c_int, _Pointer, _Pointer, _Size, _Pointer)


class _Head(c.Structure):
    """rd_kafka_message_t, for the check of what the kernel reads."""

    _fields_ = (
        ("error", c.c_int), ("topic", _Pointer), ("partition", c.c_int32), ("payload", _Pointer), ("length", _Size),
        ("key", _Pointer), ("key_length", _Size), ("offset", c.c_int64), ("private", _Pointer),
    )  # fmt: skip


class Library:
    """librdkafka's functions by their names without rd_kafka_."""

    def __init__(self, path: Path) -> None:
        library = c.CDLL(str(path))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, f"rd_kafka_{name}")
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)
        self.destroy_at = c.cast(library.rd_kafka_message_destroy, _Pointer).value or 0
        self.timestamp_at = c.cast(library.rd_kafka_message_timestamp, _Pointer).value or 0

    def __getattr__(self, name: str) -> Any:  # what __init__ sets
        raise AttributeError(name)


@cache
def available() -> Library | None:
    """The library of the installed confluent-kafka; None where it is not found, or not the one it says it uses."""
    if sys.maxsize < 2**32 or sys.byteorder != "little":
        return None
    folder = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    for path in sorted(folder.glob("librdkafka*.so*")):
        try:
            library = Library(path)
        except (OSError, AttributeError):
            continue
        if library.version() == confluent_kafka.libversion()[1]:
            return library
    return None


class LayoutError(Exception):
    """The library lays its messages out in another way than its public header says."""


class GatherClient:
    """One partition through the C interface. The callbacks are called inside `fetch`.

    settings: of librdkafka, without callbacks. most: messages of one `fetch` at most.
    Raises SourceError kafka.settings; LayoutError from `fetch` where messages are not as the kernel reads them.
    """

    def __init__(
        self, library: Library, settings: Mapping[str, Any], topic: str, partition: int, most: int,
        on_error: OnError, on_statistics: OnStatistics,
    ) -> None:  # fmt: skip
        self._c, self._topic, self._partition = library, topic.encode(), partition
        self._callbacks = (  # held here: the library calls them
            _ErrorCallback(lambda _client, code, text, _opaque: on_error(code, (text or b"").decode(errors="replace"))),
            _StatisticsCallback(lambda _client, at, size, _opaque: self._told(on_statistics, at, size)),
        )
        self._handle = self._open(settings)
        self._c.poll_set_consumer(self._handle)
        self._queue = self._c.queue_get_consumer(self._handle)
        self._pointers = np.zeros(most, np.int64)
        self._scratch = np.zeros(1, np.int64)
        self._checked = False

    def _open(self, settings: Mapping[str, Any]) -> Any:
        problem = c.create_string_buffer(TEXT_BYTES)
        conf = self._c.conf_new()
        for name, value in settings.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if self._c.conf_set(conf, name.encode(), text.encode(), problem, TEXT_BYTES):
                self._c.conf_destroy(conf)
                raise SourceError("kafka.settings", problem=problem.value.decode(errors="replace"))
        self._c.conf_set_error_cb(conf, c.cast(self._callbacks[0], _Pointer))
        self._c.conf_set_stats_cb(conf, c.cast(self._callbacks[1], _Pointer))
        handle = self._c.new(CONSUMER, conf, problem, TEXT_BYTES)
        if not handle:
            self._c.conf_destroy(conf)
            raise SourceError("kafka.settings", problem=problem.value.decode(errors="replace"))
        return handle

    @staticmethod
    def _told(on_statistics: OnStatistics, at: int, size: int) -> int:
        on_statistics(c.string_at(at, size).decode())
        return 0

    def assign(self, offset: int) -> None:
        chosen = self._c.topic_partition_list_new(1)
        self._c.topic_partition_list_add(chosen, self._topic, self._partition)
        self._c.topic_partition_list_set_offset(chosen, self._topic, self._partition, offset)
        error = self._c.assign(self._handle, chosen)
        self._c.topic_partition_list_destroy(chosen)
        if error:
            raise SourceError("kafka.settings", problem=name_of(error))

    def fetch(self, most: int) -> Fetched | None:
        most = min(most, len(self._pointers))
        pointers = address(self._pointers)
        count = self._c.consume_batch_queue(self._queue, 0, pointers, most)
        if count <= 0:
            return None
        try:
            return self._columns(pointers, count)
        finally:
            destroy_all(pointers, count, self._c.destroy_at)

    def _columns(self, pointers: int, count: int) -> Fetched:
        size, good = measure(pointers, count)
        text = np.empty(size + good + len(TEXT_END), np.uint8)
        text[size + good :] = 0
        ends, offset, stamp_ms = (np.empty(good, np.int64) for _ in range(3))
        failed = np.empty((count - good, 2), np.int64)
        gather(
            pointers, count, address(text), address(ends), address(offset), address(stamp_ms), address(failed),
            self._c.timestamp_at, address(self._scratch),
        )  # fmt: skip
        by_broker = bool(good) and int(self._scratch[0]) & 0xFFFFFFFF == LOG_APPEND_TIME
        failures = [(code, at) for code, at in failed.tolist()]
        fetched = Fetched(text.tobytes(), ends, offset, stamp_ms, by_broker, failures)
        if good and not self._checked:
            self._check(fetched, count)
        return fetched

    def _check(self, fetched: Fetched, count: int) -> None:
        """Compare the first batch with what the interface's own declarations give; a build may differ."""
        heads = [_Head.from_address(at) for at in self._pointers[:count].tolist()]
        good = [head for head in heads if not head.error]
        bodies = [c.string_at(head.payload, head.length) if head.length else b"" for head in good]
        stamps = [
            self._c.message_timestamp(at, address(self._scratch))
            for at, head in zip(self._pointers[:count].tolist(), heads, strict=True) if not head.error
        ]  # fmt: skip
        same = (
            all(head.partition == self._partition for head in good)
            and fetched.offset.tolist() == [head.offset for head in good]
            and fetched.stamp_ms.tolist() == stamps
            and fetched.text == b"\0".join([*bodies, TEXT_END])
        )
        if not same:
            raise LayoutError
        self._checked = True

    def ends(self, timeout_s: float) -> tuple[int, int] | None:
        low, high = c.c_int64(), c.c_int64()
        error = self._c.query_watermark_offsets(
            self._handle, self._topic, self._partition, c.byref(low), c.byref(high), round(timeout_s * 1000)
        )
        return None if error else (low.value, high.value)

    def close(self) -> None:
        if self._handle is not None:
            self._c.queue_destroy(self._queue)
            self._c.consumer_close(self._handle)
            self._c.destroy(self._handle)
            self._handle = None
