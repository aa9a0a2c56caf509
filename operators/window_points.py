"""One window from its points, as the corrections of late rows make it: count, Welford mean and M2, first, last."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from andon.outputs import WindowRows
from andon.readings import F64, I32, I64

Array = NDArray[Any]
POINTS = np.dtype(
    [
        ("count", "i8"),
        ("minimum", "f8"),
        ("maximum", "f8"),
        ("mean", "f8"),
        ("m2", "f8"),
        ("first_ns", "i8"),
        ("first", "f8"),
        ("last_ns", "i8"),
        ("last", "f8"),
        ("score", "f8"),
    ]
)  # fmt: skip - also a pane of layout 1
OUT = np.dtype(
    [
        ("series", "i4"), ("size_ns", "i8"), ("start_ns", "i8"), ("count", "i8"), ("minimum", "f8"),
        ("maximum", "f8"), ("mean", "f8"), ("m2", "f8"), ("first", "f8"), ("last", "f8"), ("score", "f8"),
    ]
)  # fmt: skip


@njit(nogil=True, cache=True, error_model="numpy")
def _fold(time_ns: I64, value: F64, pane: Any) -> None:
    """Rows into a pane. Equal stamps: the later row of the log is `last`."""
    for i in range(time_ns.shape[0]):
        count = pane.count + 1
        pane.count = count
        if count == 1:
            pane.minimum = pane.maximum = pane.mean = pane.first = pane.last = value[i]
            pane.first_ns = pane.last_ns = time_ns[i]
            continue
        delta = value[i] - pane.mean
        pane.mean += delta / count
        pane.m2 += delta * (value[i] - pane.mean)
        pane.minimum = min(pane.minimum, value[i])
        pane.maximum = max(pane.maximum, value[i])
        if time_ns[i] < pane.first_ns:
            pane.first_ns = time_ns[i]
            pane.first = value[i]
        if time_ns[i] >= pane.last_ns:
            pane.last_ns = time_ns[i]
            pane.last = value[i]


def window_of_points(time_ns: I64, value: F64) -> Array:
    """All points of one window folded into one `POINTS` record.

    time_ns int64[n] sorted (ties in log order), value float64[n] without NaN. Same result as the live path to a
    rounding error; the same points always give the same bits.
    """
    window = np.zeros(1, POINTS)
    _fold(time_ns, value, window[0])
    return window


def window_rows(parts: list[Array], revision: I32 | None = None) -> WindowRows:
    """`OUT` records as the columns that writers take."""
    if not parts:
        return WindowRows.empty()
    rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return WindowRows(
        series=np.ascontiguousarray(rows["series"]),
        size_ns=np.ascontiguousarray(rows["size_ns"]),
        start_ns=np.ascontiguousarray(rows["start_ns"]),
        revision=np.ones(len(rows), np.int32) if revision is None else revision,
        count=np.ascontiguousarray(rows["count"]),
        minimum=np.ascontiguousarray(rows["minimum"]),
        maximum=np.ascontiguousarray(rows["maximum"]),
        mean=np.ascontiguousarray(rows["mean"]),
        std=np.sqrt(np.maximum(rows["m2"], 0.0) / rows["count"]),
        first=np.ascontiguousarray(rows["first"]),
        last=np.ascontiguousarray(rows["last"]),
        score=np.ascontiguousarray(rows["score"]),
    )
