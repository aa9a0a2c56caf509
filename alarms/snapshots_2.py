"""The arrays of condition snapshots of layout 2, which did not keep where a series was quiet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alarms.kernels import LANE, OPEN_END, SERIES

SERIES_2 = np.dtype(
    [
        ("id", "<i4"), ("first", "<i4"), ("count", "<i4"), ("seen", "<i4"),
        ("newest", "<i8"), ("received", "<i8"), ("value", "<f8"),
    ]
)  # fmt: skip
LANE_2 = np.dtype(
    [
        ("rule", "<i4"), ("next", "<i4"), ("phase", "<u2"), ("held", "<u2"), ("upper", "<u4"), ("start", "<i8"),
        ("inside", "<i8"), ("out", "<i8"), ("peak", "<f8"), ("told_start", "<i8"), ("decided", "<i8"),
    ]
)  # fmt: skip


def read_layout_2(series: bytes, lanes: bytes) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """SERIES and LANE records of the same state. Of no lane it is known where it was quiet."""
    old_series, old_lanes = np.frombuffer(series, SERIES_2), np.frombuffer(lanes, LANE_2)
    new_series, new_lanes = np.zeros(len(old_series), SERIES), np.zeros(len(old_lanes), LANE)
    for name in SERIES_2.names or ():
        new_series[name] = old_series[name]
    for name in LANE_2.names or ():
        new_lanes[name] = old_lanes[name]
    new_series["run"], new_lanes["quiet"] = old_series["newest"], OPEN_END
    return new_series, new_lanes
