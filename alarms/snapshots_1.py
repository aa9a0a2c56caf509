"""The arrays of condition snapshots of layout 1, as the version before wrote them: live lanes and backlog lanes.

What a backlog lane had open or running is judged anew at the first ticks, as late rows are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alarms.kernels import LONG_AGO, NONE, OPEN, OPEN_END
from alarms.snapshots_2 import LANE_2, SERIES_2
from alarms.told import TOLD

SERIES_1 = np.dtype(
    [
        ("id", "<i4"), ("first", "<i4"), ("count", "<i4"), ("seen", "u1"), ("late_runs", "u1"), ("hold", "<i8"),
        ("newest", "<i8"), ("received", "<i8"), ("value", "<f8"), ("gap_start", "<i8"), ("gap_end", "<i8"),
        ("late_first", "<i8"), ("late_newest", "<i8"), ("late_received", "<i8"), ("late_until", "<i8"),
    ],
    align=True,
)  # fmt: skip
LANE_1 = np.dtype(
    [
        ("rule", "<i4"), ("next", "<i4"), ("phase", "u1"), ("held", "u1"), ("upper", "u1"), ("start", "<i8"),
        ("inside", "<i8"), ("out", "<i8"), ("peak", "<f8"), ("told_start", "<i8"), ("told_end", "<i8"),
    ],
    align=True,
)  # fmt: skip


class Arrays(NamedTuple):
    """SERIES_2, LANE_2 and TOLD records, and spans to be judged."""

    series: NDArray[np.void]
    lanes: NDArray[np.void]
    told: NDArray[np.void]
    spans: tuple[tuple[int, ...], ...]


def read_layout_1(series: bytes, lanes: bytes) -> Arrays:
    """The same state in the arrays of layout 2. Of a condition that has ended only its times are known."""
    old_series, old_lanes = np.frombuffer(series, SERIES_1), np.frombuffer(lanes, LANE_1)
    new_series, new_lanes = np.zeros(len(old_series), SERIES_2), np.zeros(len(old_lanes) // 2, LANE_2)
    told: list[NDArray[np.void]] = []
    spans: list[tuple[int, ...]] = []
    for name in SERIES_2.names or ():
        new_series[name] = old_series[name]
    for at, one in enumerate(old_series):
        first, count = int(one["first"]), int(one["count"])
        mine = old_lanes[first : first + 2 * count]
        new_series[at]["first"] = first // 2
        fresh = new_lanes[first // 2 : first // 2 + count]
        for name in LANE_2.names or ():
            if name != "decided":
                fresh[name] = mine[:count][name]
        fresh["decided"] = LONG_AGO
        told += [_told(one["id"], lane, late=k >= count) for k, lane in enumerate(mine) if _has_told(lane)]
        if one["late_runs"]:
            spans.append((int(one["id"]), int(one["late_first"]), int(one["late_newest"]), 0, 0))
    return Arrays(new_series, new_lanes, np.concatenate(told) if told else np.zeros(0, TOLD), tuple(spans))


def _has_told(lane: Any) -> bool:
    return bool(lane["told_start"] != LONG_AGO and lane["rule"] != NONE)


def _told(series: int, lane: Any, *, late: bool) -> NDArray[np.void]:
    told = np.zeros(1, TOLD)
    told["series"], told["rule"], told["late"], told["merged_into"] = series, lane["rule"], late, LONG_AGO
    told["start"] = told["begun"] = lane["told_start"]
    told["cleared"] = OPEN_END if lane["phase"] == OPEN else lane["told_end"]
    told["peak"] = np.nan
    return told
