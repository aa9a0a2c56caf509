"""Raw points of one series as step functions of time: how long a value stands, what is known at an instant.

Points are sorted by time, then value. A value stands until the next point, at most `gap_ns` (last observation
carried forward, capped): beyond that nothing is known, and nothing is interpolated. Of points with the same stamp
the last one stands. Windows are half open, [start_ns, end_ns).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from andon.readings import I64


def known_at(time_ns: I64, instants: I64, gap_ns: int) -> NDArray[np.intp]:
    """Index of the point that stands at each instant; -1 where nothing is known.

    A point at t stands on [t, t + gap_ns).
    """
    index = np.searchsorted(time_ns, instants, side="right") - 1
    if len(time_ns) == 0:
        return index
    fresh = (index >= 0) & (instants - time_ns[index] < gap_ns)
    return np.where(fresh, index, -1)
