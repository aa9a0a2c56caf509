"""Which row of a state array belongs to which series: only series that have had a value take memory."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from andon.readings import I32

Kind = TypeVar("Kind", bound=np.generic)


class Slots:
    """Rows of state, given out in the order in which series first come in the log, so that a split is no matter.

    of: int32[capacity], the row of each series, -1 for none yet. used: rows given out.
    """

    def __init__(self, capacity: int) -> None:
        self.of: I32 = np.full(capacity, -1, np.int32)
        self.used = 0

    def grow(self, capacity: int) -> None:
        """Make room for ids up to capacity - 1; never shrinks."""
        more = capacity - len(self.of)
        if more > 0:
            self.of = np.append(self.of, np.full(more, -1, np.int32))

    def assign(self, series: I32) -> None:
        """Give those of series int32[n] a row that have none. The caller checks ids."""
        new = series[self.of[series] < 0]
        if len(new) == 0:
            return
        ids, first = np.unique(new, return_index=True)
        self.of[ids[np.argsort(first)]] = np.arange(self.used, self.used + len(ids), dtype=np.int32)
        self.used += len(ids)

    def room(self, states: NDArray[Kind]) -> NDArray[Kind]:
        """states with at least `used` rows, new ones 0; at least twice as many where they are too few."""
        if self.used <= len(states):
            return states
        more = np.zeros((max(self.used, 2 * len(states)), *states.shape[1:]), states.dtype)
        more[: len(states)] = states
        return more

    def restore(self, of: I32, used: int) -> None:
        """Know these rows, and nothing else; capacity becomes at least their own."""
        capacity = len(self.of)
        self.of, self.used = of.copy(), used
        self.grow(capacity)
