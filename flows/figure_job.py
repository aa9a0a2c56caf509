"""What a runner of a figure is given: what all of a shard share, and what is late for one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flows.figure_pages import Pages
from flows.figure_told import Now
from operators.machines import Bounds, MachineSpec


@dataclass(slots=True)
class Job:
    """Late rows or events from least_ns to most_ns, noted at ticks first..last; position_ns: None before it began.

    reached_ns: up to where snapshots were made anew.
    """

    least_ns: int
    most_ns: int
    first: int
    last: int
    position_ns: int | None = None
    reached_ns: int = 0

    def widen(self, least_ns: int, most_ns: int, tick: int) -> None:
        """More of them, noted at a tick; what comes before where it stands begins it anew."""
        self.least_ns, self.most_ns, self.last = min(self.least_ns, least_ns), max(self.most_ns, most_ns), tick
        if self.position_ns is not None and least_ns < self.position_ns:
            self.position_ns = None


@dataclass(frozen=True, slots=True)
class Frame:
    """What all runners of a shard share."""

    bounds: Bounds
    length_ns: int
    keep_ns: int  # how far back late rows are taken
    pages: Pages
    now: Now
    revision: Callable[[MachineSpec, int, int], int]  # of a window that an earlier version told
