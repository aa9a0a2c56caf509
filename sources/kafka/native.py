"""librdkafka's C interface: the library that confluent-kafka brings along, called by ctypes."""

from __future__ import annotations

import ctypes as c
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import confluent_kafka

CONSUMER = 1
LOG_APPEND_TIME = 2
Bytes, Size, Pointer = c.c_char_p, c.c_size_t, c.c_void_p
_SIGNATURES: Mapping[str, tuple[Any, list[Any]]] = {
    "version": (c.c_int, []),
    "conf_new": (Pointer, []),
    "conf_set": (c.c_int, [Pointer, Bytes, Bytes, c.c_char_p, Size]),
    "conf_set_error_cb": (None, [Pointer, Pointer]),
    "conf_set_stats_cb": (None, [Pointer, Pointer]),
    "conf_destroy": (None, [Pointer]),
    "new": (Pointer, [c.c_int, Pointer, c.c_char_p, Size]),
    "poll_set_consumer": (c.c_int, [Pointer]),
    "topic_partition_list_new": (Pointer, [c.c_int]),
    "topic_partition_list_add": (Pointer, [Pointer, Bytes, c.c_int32]),
    "topic_partition_list_set_offset": (c.c_int, [Pointer, Bytes, c.c_int32, c.c_int64]),
    "topic_partition_list_destroy": (None, [Pointer]),
    "assign": (c.c_int, [Pointer, Pointer]),
    "queue_get_consumer": (Pointer, [Pointer]),
    "queue_get_partition": (Pointer, [Pointer, Bytes, c.c_int32]),
    "topic_new": (Pointer, [Pointer, Bytes, Pointer]),
    "topic_destroy": (None, [Pointer]),
    "consume_start": (c.c_int, [Pointer, c.c_int32, c.c_int64]),
    "consume_stop": (c.c_int, [Pointer, c.c_int32]),
    "last_error": (c.c_int, []),
    "poll": (c.c_int, [Pointer, c.c_int]),
    "queue_destroy": (None, [Pointer]),
    "queue_length": (Size, [Pointer]),
    "consume_batch_queue": (c.c_ssize_t, [Pointer, c.c_int, Pointer, Size]),
    "query_watermark_offsets": (c.c_int, [Pointer, Bytes, c.c_int32, Pointer, Pointer, c.c_int]),
    "message_destroy": (None, [Pointer]),
    "message_timestamp": (c.c_int64, [Pointer, Pointer]),
    "consumer_close": (c.c_int, [Pointer]),
    "destroy": (None, [Pointer]),
}
ErrorCallback = c.CFUNCTYPE(None, Pointer, c.c_int, c.c_char_p, Pointer)
StatisticsCallback = c.CFUNCTYPE(c.c_int, Pointer, Pointer, Size, Pointer)


class Head(c.Structure):
    """rd_kafka_message_t, for the check of what the kernel reads."""

    _fields_ = (
        ("error", c.c_int), ("topic", Pointer), ("partition", c.c_int32), ("payload", Pointer), ("length", Size),
        ("key", Pointer), ("key_length", Size), ("offset", c.c_int64), ("private", Pointer),
    )  # fmt: skip


class Library:
    """librdkafka's functions by their names without rd_kafka_."""

    def __init__(self, path: Path) -> None:
        library = c.CDLL(str(path))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, f"rd_kafka_{name}")
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)
        self.destroy_at = c.cast(library.rd_kafka_message_destroy, Pointer).value or 0
        self.timestamp_at = c.cast(library.rd_kafka_message_timestamp, Pointer).value or 0

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
