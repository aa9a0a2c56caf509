"""Ticks: small records that carry the passing of time into every shard's log.

Decisions that need time to pass (idle, stale, delays without data) are driven by ticks in the log and by nothing
else, so a replay decides the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from andon.clock import Clock
from andon.errors import SourceError
from andon.readings import NS_PER_MS

log = structlog.get_logger()


class Log(Protocol):
    """The log of a shard, as far as the ticker knows it: a spool, or a partition."""

    shard: int

    def append(self, bodies: Sequence[bytes]) -> int:
        """Append messages; SourceError when it refuses."""
        ...


def tick_body(time_ns: int, since_ns: int | None = None) -> bytes:
    """The message of a tick, whole milliseconds.

    since_ns: how long after the tick before it, whatever the clock was set to meanwhile; None for the first.

    >>> tick_body(1_767_225_600_123_456_789)
    b'{"ts": 1767225600123, "event": "tick"}'
    >>> tick_body(1_767_225_600_123_456_789, 1_000_400_000)
    b'{"ts": 1767225600123, "since": 1000, "event": "tick"}'
    """
    since = b"" if since_ns is None else b'"since": %d, ' % (since_ns // NS_PER_MS)
    return b'{"ts": %d, %s"event": "tick"}' % (time_ns // NS_PER_MS, since)


def run_ticker(
    logs: Sequence[Log], clock: Clock, stop: threading.Event, every_s: float = 1.0,
    elapsed_ns: Callable[[], int] | None = None,
) -> None:  # fmt: skip
    """Append a tick to every log every `every_s` seconds of wall time until `stop` is set.

    elapsed_ns: plant time by a clock that nobody sets; with it each tick says how long after its log's last it comes,
    so that a clock set forward is not taken for a silence. A log that refuses (disk full, back-pressure, no broker)
    misses ticks; the others get theirs. Blocks; run it in a thread.
    """
    refusing: set[int] = set()
    told_ns: dict[int, int] = {}
    while not stop.is_set():
        now_ns, passed_ns = clock.now_ns(), None if elapsed_ns is None else elapsed_ns()
        for one in logs:
            before_ns = told_ns.get(one.shard)
            since_ns = None if passed_ns is None or before_ns is None else passed_ns - before_ns
            try:
                one.append([tick_body(now_ns, since_ns)])
                refusing.discard(one.shard)
                if passed_ns is not None:
                    told_ns[one.shard] = passed_ns
            except SourceError as error:
                if one.shard not in refusing:
                    refusing.add(one.shard)
                    log.warning("ticks.refused", shard=one.shard, cause=error.code)
        stop.wait(every_s)
