"""A service that starts before the time service has set the clock waits for it.

A small computer without a battery begins at 2000-01-01. What devices send until its clock is right would be from the
future, and become dead letters.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Protocol

import structlog

from andon.clock import Clock
from andon.readings import NS_PER_S

RELEASED_NS = 1_767_225_600 * NS_PER_S  # 2026-01-01: a clock before this program was written is wrong
BEHIND_NS = 24 * 3600 * NS_PER_S  # behind what the log has seen: more than somebody would put it right by
WAIT_S = 600.0
LOOK_S = 1.0
log = structlog.get_logger()


class Tell(Protocol):
    """Says what is waited for."""

    def __call__(self, *, now: str, least: str) -> None:
        """Both as RFC 3339."""
        ...


def await_clock(clock: Clock, newest_ns: int, stop: threading.Event, tell: Tell, *, wait_s: float = WAIT_S) -> bool:
    """Wait until the clock can be right, at most wait_s; whether it can.

    newest_ns: the newest stamp that was ever seen here; 0: none. tell(now=, least=): called once when it has to wait.
    """
    earliest_ns = max(RELEASED_NS, newest_ns - BEHIND_NS)
    waited_s = 0.0
    while clock.now_ns() < earliest_ns:
        told = {"now": _shown(clock.now_ns()), "least": _shown(earliest_ns)}
        if waited_s == 0.0:
            log.warning("clock.behind", **told)
            tell(now=told["now"], least=told["least"])
        if waited_s >= wait_s or stop.wait(LOOK_S):
            log.error("clock.still_behind", **told)
            return False
        waited_s += LOOK_S
    return True


def _shown(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC).isoformat()
