"""The clock is an argument everywhere; this is the only place that reads the machine's."""

from __future__ import annotations

import time
from collections.abc import Callable
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


class SteadyClock:
    """A clock that never runs back. Not for use by several threads.

    Where the one behind it is set back, it goes on at nine tenths of the pace until that one has caught up.

    clock         : the one to keep to; speed: its seconds a second of real time.
    not_before_ns : what the clock is not to be behind of at the start, ns; of a log, its newest stamp.

    >>> wall, at = ManualClock(100 * NS_PER_S), [0]
    >>> clock = SteadyClock(wall, monotonic_ns=lambda: at[0])
    >>> def after(seconds, moved):
    ...     at[0] += seconds * NS_PER_S
    ...     wall.advance(moved)
    ...     return clock.now_ns() / NS_PER_S
    >>> [after(10, 10), after(10, -50), after(10, 10), after(10, 100)]
    [110.0, 119.0, 128.0, 170.0]
    """

    def __init__(
        self, clock: Clock, not_before_ns: int = 0, *, speed: float = 1.0,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:  # fmt: skip
        self._clock, self._speed, self._monotonic_ns = clock, speed, monotonic_ns
        self._began_ns = self._looked_ns = monotonic_ns()
        self._last_ns = not_before_ns

    def now_ns(self) -> int:
        """ns since the epoch, UTC, of the plant."""
        looked_ns = self._monotonic_ns()
        slowed_ns = self._last_ns + round((looked_ns - self._looked_ns) * self._speed * 0.9)
        self._last_ns, self._looked_ns = max(self._clock.now_ns(), slowed_ns), looked_ns
        return self._last_ns

    def elapsed_ns(self) -> int:
        """Plant time since this object was made, ns, whatever the clock was set to."""
        return round((self._monotonic_ns() - self._began_ns) * self._speed)


class StepWatch:
    """Notices that the machine's wall clock was set back, by its monotonic clock. Ask often.

    A time service slews by 0.5 ms/s at most: that, and a clock set forward, is no step.

    >>> at = [0, 0]
    >>> watch = StepWatch(0.25, wall_ns=lambda: at[0], monotonic_ns=lambda: at[1])
    >>> at[:] = [1_000_000_000, 1_000_000_000]
    >>> watch.set_back_s()
    0.0
    >>> at[:] = [-3_598_000_000_000, 2_000_000_000]
    >>> watch.set_back_s(), watch.set_back_s()
    (3600.0, 0.0)
    """

    def __init__(
        self, least_s: float = 0.25, *, wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:  # fmt: skip
        self._least_ns = round(least_s * NS_PER_S)
        self._wall_ns, self._monotonic_ns = wall_ns, monotonic_ns
        self._looked_ns = monotonic_ns()
        self._apart_ns = wall_ns() - self._looked_ns

    def set_back_s(self) -> float:
        """By how much the clock was set back since the last call, s; 0.0: it was not."""
        now_ns = self._monotonic_ns()
        apart_ns = self._wall_ns() - now_ns
        back_ns = self._apart_ns - apart_ns
        # A base that is not renewed would add up slewing; one renewed at each call would miss a step in small pieces.
        if back_ns < 0 or back_ns > self._least_ns or now_ns - self._looked_ns > NS_PER_S:
            self._looked_ns, self._apart_ns = now_ns, apart_ns
        return back_ns / NS_PER_S if back_ns > self._least_ns else 0.0
