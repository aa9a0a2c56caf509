"""Time as a shard's log tells it, made to run forward at the pace of the ticks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from andon.readings import I64, NS_PER_S, Tick

#: A tick that is off by more than this from what it says has passed shows a clock that was set.
STEP_NS = 2 * NS_PER_S


@dataclass
class LogClock:
    """What silence, delays and idle series are measured by. Differences of it count, its origin does not.

    A tick says how long after the one before it was written (`Tick.since_ns`), whatever the clock was set to in
    between. So a clock set forward by an hour is not an hour of silence of every series, and one set back does not
    make time stand still. Where a tick does not say (the first of a ticker, an older one), a step forward is taken for
    time that has passed, since it may have been an outage; at a step back, time stands still for that tick.

    >>> clock = LogClock()
    >>> [clock.tick(Tick(s * NS_PER_S, 0, 0)) // NS_PER_S for s in (100, 101, 61, 62, 102)]
    [100, 101, 101, 102, 102]
    >>> [clock.tick(Tick(s * NS_PER_S, 0, 0, NS_PER_S)) // NS_PER_S for s in (103, 3703, 3704, 105, 106)]
    [103, 104, 105, 106, 107]
    """

    passed_ns: int | None = None  # None before the first tick
    correction_ns: int = 0  # of receive times until the next tick

    def tick(self, tick: Tick) -> int:
        """Take the next tick; the time that it stands for."""
        passed_ns, time_ns = self.passed_ns, tick.time_ns
        if passed_ns is None:
            passed_ns = time_ns
        elif tick.since_ns is not None and abs(time_ns + self.correction_ns - passed_ns - tick.since_ns) > STEP_NS:
            passed_ns += tick.since_ns
        elif tick.since_ns is None and self.correction_ns > 0 and time_ns >= passed_ns:
            passed_ns = time_ns  # the clock has caught up by itself
        else:
            passed_ns = max(passed_ns, time_ns + self.correction_ns)
        self.passed_ns, self.correction_ns = passed_ns, passed_ns - time_ns
        return passed_ns

    def received(self, received_ns: I64) -> I64:
        """Receive times int64[n] of rows after the last tick, by this clock."""
        if self.correction_ns == 0:
            return received_ns
        corrected: I64 = received_ns + np.int64(self.correction_ns)
        return corrected

    def snapshot(self) -> tuple[int | None, int]:
        """Plain tuple."""
        return self.passed_ns, self.correction_ns

    def restore(self, snapshot: tuple[int | None, int]) -> None:
        """Take over a snapshot."""
        self.passed_ns, self.correction_ns = snapshot
