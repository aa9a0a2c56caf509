"""When a sender may call its receiver: a circuit breaker that opens at the first sign of an outage.

closed     calls go
open       the receiver was away: none goes for a while, which grows from outage to outage
half_open  the while is over: one call finds out for all of them
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal

from andon.clock import Clock
from andon.readings import NS_PER_S

BreakerState = Literal["closed", "open", "half_open"]
STATES: tuple[BreakerState, ...] = ("closed", "open", "half_open")


class Breaker:
    """Counts outages, not calls: what was under way when it opened says nothing new. Not for several threads.

    clock  : real time.
    gaps_s : how long it stays open the first, second ... time in a row, s; the last one repeats.
    rng    : takes up to 20 % off each, so that several senders do not come back together.
    """

    def __init__(self, clock: Clock, gaps_s: Sequence[float], rng: random.Random) -> None:
        self._clock, self._gaps_s, self._rng = clock, tuple(gaps_s), rng
        self.round = 0  # a call is begun in a round; each outage ends one
        self.failures = 0  # outages in a row
        self.error = ""  # of the last one
        self.since_ns = clock.now_ns()
        self._pause_ns = self._until_ns = 0

    @property
    def state(self) -> BreakerState:
        """What it lets through now."""
        if not self.failures:
            return "closed"
        return "open" if self.left_s() else "half_open"

    def left_s(self) -> float:
        """Seconds until a call may find out; 0 where one may."""
        wait_ns = self._until_ns - self._clock.now_ns()
        # More is left than was meant: the clock was set back, and a pause of seconds must not become one of an hour.
        return wait_ns / NS_PER_S if self.failures and 0 < wait_ns <= self._pause_ns else 0.0

    def room(self, under_way: int, most: int) -> int:
        """How many calls may be begun while some are under way, of `most`."""
        if self.state == "closed":
            return most
        return min(most, 1) if self.state == "half_open" and not under_way else 0

    def gap_s(self, failures: int) -> float:
        """How long to wait after so many failures in a row, s, with jitter."""
        return self._gaps_s[min(max(failures, 1), len(self._gaps_s)) - 1] * self._rng.uniform(0.8, 1.0)

    def failed(self, begun_in: int, error: str, retry_after_s: float | None) -> float:
        """A call met an outage. Returns how long the receiver is left alone from now on, s."""
        if begun_in == self.round:
            self.failures += 1
            self.round += 1
            self.error = error
            if self.failures == 1:
                self.since_ns = self._clock.now_ns()
            self._pause(self.gap_s(self.failures) if retry_after_s is None else retry_after_s)
        elif retry_after_s is not None and retry_after_s > self.left_s():
            self._pause(retry_after_s)
        return self.left_s()

    def answered(self, begun_in: int) -> None:
        """The receiver works. An answer to what was begun before the last outage does not say so."""
        if begun_in == self.round and self.failures:
            self.failures, self.error = 0, ""
            self.since_ns = self._clock.now_ns()

    def _pause(self, wait_s: float) -> None:
        self._pause_ns = round(wait_s * NS_PER_S)
        self._until_ns = self._clock.now_ns() + self._pause_ns
