"""Ticks: small records that carry the passing of time into every shard's log.

Decisions that need time to pass (idle, stale, delays without data) are driven by ticks in the log and by nothing
else, so a replay decides the same.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import structlog

from andon.clock import Clock
from andon.errors import SourceError
from andon.readings import NS_PER_MS
from sources.spool import Spool

log = structlog.get_logger()


def tick_body(time_ns: int) -> bytes:
    """The message of a tick, whole milliseconds.

    >>> tick_body(1_767_225_600_123_456_789)
    b'{"ts": 1767225600123, "event": "tick"}'
    """
    return b'{"ts": %d, "event": "tick"}' % (time_ns // NS_PER_MS)


def run_ticker(spools: Sequence[Spool], clock: Clock, stop: threading.Event, every_s: float = 1.0) -> None:
    """Append a tick to every spool every `every_s` seconds of wall time until `stop` is set.

    A spool that refuses (disk full, back-pressure) misses ticks; the others get theirs. Blocks; run it in a thread.
    """
    refusing: set[int] = set()
    while not stop.is_set():
        body = tick_body(clock.now_ns())
        for spool in spools:
            try:
                spool.append([body])
                refusing.discard(spool.shard)
            except SourceError as error:
                if spool.shard not in refusing:
                    refusing.add(spool.shard)
                    log.warning("ticks.refused", shard=spool.shard, cause=error.code)
        stop.wait(every_s)
