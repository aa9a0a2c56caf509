"""One client of librdkafka for all partitions that a process reads: `Connection`.

A client of its own for each of 20 partitions was the first way: 87 threads instead of 11, 3.3 % of a core while idle
instead of 1.3, and at 50,000 messages a second 1.6 times the CPU time, since each has its own requests to the broker
(docs/kafka.md). Each partition has a queue of its own, so none waits behind another; the interface is the one of
librdkafka without groups.
"""

from __future__ import annotations

import ctypes as c
import threading
import time
from collections.abc import Mapping
from typing import Any

from andon.errors import SourceError
from sources.kafka.client import OnError, OnStatistics
from sources.kafka.native import CONSUMER, ErrorCallback, Library, Pointer, StatisticsCallback

TEXT_BYTES = 512
POLL_S = 0.01  # between two looks for errors and statistics
_GROUP = ("group.id", "enable.auto.commit")  # of the interface with groups
_open: dict[frozenset[tuple[str, str]], Connection] = {}
_lock = threading.Lock()


class Connection:
    """A handle of librdkafka, shared by all that are opened with the same settings; closed with the last of them.

    handle: for the functions of `Library`. Its callbacks tell everybody, inside somebody's `poll`. Thread-safe.
    """

    def __init__(self, library: Library, settings: Mapping[str, str]) -> None:
        self._c, self.users = library, 0
        self._told: dict[int, tuple[OnError, OnStatistics]] = {}
        self._callbacks = (  # held here: the library calls them
            ErrorCallback(lambda _client, code, text, _opaque: self._on_error(code, text)),
            StatisticsCallback(lambda _client, at, size, _opaque: self._on_statistics(at, size)),
        )
        self._polled_s = 0.0
        self.handle = self._new(settings)

    def _new(self, settings: Mapping[str, str]) -> Any:
        problem = c.create_string_buffer(TEXT_BYTES)
        conf = self._c.conf_new()
        for name, value in settings.items():
            if self._c.conf_set(conf, name.encode(), value.encode(), problem, TEXT_BYTES):
                self._c.conf_destroy(conf)
                raise SourceError("kafka.settings", problem=problem.value.decode(errors="replace"))
        self._c.conf_set_error_cb(conf, c.cast(self._callbacks[0], Pointer))
        self._c.conf_set_stats_cb(conf, c.cast(self._callbacks[1], Pointer))
        handle = self._c.new(CONSUMER, conf, problem, TEXT_BYTES)
        if not handle:
            self._c.conf_destroy(conf)
            raise SourceError("kafka.settings", problem=problem.value.decode(errors="replace"))
        return handle

    def tell(self, user: int, on_error: OnError, on_statistics: OnStatistics) -> None:
        """What this user wants to hear, until `release`."""
        self._told = {**self._told, user: (on_error, on_statistics)}

    def poll(self) -> None:
        """Let the callbacks be called, at most every 10 ms."""
        now_s = time.monotonic()
        if now_s - self._polled_s >= POLL_S:
            self._polled_s = now_s
            self._c.poll(self.handle, 0)

    def _on_error(self, code: int, text: bytes | None) -> None:
        for on_error, _ in self._told.values():
            on_error(code, (text or b"").decode(errors="replace"))

    def _on_statistics(self, at: int, size: int) -> int:
        text = c.string_at(at, size).decode()
        for _, on_statistics in self._told.values():
            on_statistics(text)
        return 0

    @staticmethod
    def shared(library: Library, settings: Mapping[str, Any]) -> Connection:
        """The open one with these settings, or a new one. Raises SourceError kafka.settings."""
        texts = {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in settings.items() if name not in _GROUP
        } | {"auto.commit.enable": "false"}  # fmt: skip
        key = frozenset(texts.items())
        with _lock:
            found = _open.get(key)
            if found is None:
                found = _open[key] = Connection(library, texts)
            found.users += 1
            return found

    def release(self, user: int) -> None:
        """One user less."""
        with _lock:
            self._told = {one: told for one, told in self._told.items() if one != user}
            self.users -= 1
            if self.users:
                return
            for key in [key for key, one in _open.items() if one is self]:
                del _open[key]
        self._c.destroy(self.handle)
