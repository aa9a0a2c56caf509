"""The clock is an argument everywhere; this is the only place that reads the machine's."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from andon.readings import NS_PER_S


class Clock(Protocol):
    """Tells the time of the plant."""

    def now_ns(self) -> int:
        """ns since the epoch, UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now_ns(self) -> int:
        """ns since the epoch, UTC."""
        return time.time_ns()


@dataclass
class ManualClock:
    """A clock that moves only when told; for tests.

    >>> clock = ManualClock(5 * NS_PER_S)
    >>> clock.advance(1.5)
    >>> clock.now_ns()
    6500000000
    """

    time_ns: int = 0

    def now_ns(self) -> int:
        """ns since the epoch, UTC."""
        return self.time_ns

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`, which may be negative."""
        self.time_ns += round(seconds * NS_PER_S)


@dataclass(frozen=True)
class ScaledClock:
    """Plant time that starts at `origin_ns` when the machine shows `wall_ns` and runs `speed` times as fast.

    Simulators and the demo share one, so that stamps and receive times agree.
    """

    origin_ns: int
    wall_ns: int
    speed: float

    def now_ns(self) -> int:
        """ns since the epoch, UTC, of the simulated plant."""
        return self.origin_ns + round((time.time_ns() - self.wall_ns) * self.speed)
