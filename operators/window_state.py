"""State of the windows as versions before wrote it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from andon.readings import F64
from operators.window_kernel import PANE, SERIES
from operators.window_points import POINTS

Array = NDArray[Any]
CLOCKS = ("newest_ns", "newest_received_ns", "arrived_ns", "closed", "filled", "seen")
SERIES_1 = np.dtype([(name, "i8") for name in CLOCKS])


def layout_1(
    states: bytes, rings: bytes, emits: bytes, ring_before: int, ring: int, longest: int, pane_ns: int
) -> tuple[Array, Array, F64]:
    """SERIES[count], PANE[count, ring] and float64[count, ring], or [0, ring] without any score.

    Layout 1 kept count, Welford mean and M2 of each pane, in a ring whose length is a power of two.
    """
    old = np.frombuffer(states, SERIES_1)
    still_open = (old["filled"] - old["closed"]).max(initial=0, where=old["seen"] > 0)
    ring = max(ring, longest + int(still_open))  # that version may have waited longer for late rows than this one
    panes = np.frombuffer(rings, POINTS).reshape(len(old), ring_before)
    new = np.zeros(len(old), SERIES)
    for name in CLOCKS:
        new[name] = old[name]
    new["emits"] = np.frombuffer(emits, np.bool_)
    new["place"] = old["filled"] % ring
    out, scores = np.zeros((len(old), ring), PANE), np.full((len(old), ring), np.nan)
    key = np.arange(len(old))
    for back in range(ring):
        number = old["filled"] - back
        before = panes[key, number & (ring_before - 1)]
        kept = (before["count"] > 0) & (number > old["closed"] - longest) & (old["seen"] > 0)
        one, place = key[kept], (number % ring)[kept]
        out[one, place] = _pane(before[kept], number[kept] * pane_ns)
        scores[one, place] = before["score"][kept]
    return new, out, scores if not np.isnan(scores).all() else scores[:0]


def longer(states: Array, rings: Array, scores: F64, ring: int) -> tuple[Array, Array, F64]:
    """The same state in rings of at least `ring` panes: the configuration may wait longer for late rows than before."""
    before = rings.shape[1]
    if before >= ring:
        return states, rings, scores
    states = states.copy()
    out, out_scores = np.zeros((len(states), ring), PANE), np.full((len(scores), ring), np.nan)
    key = np.arange(len(states))
    for back in range(before):
        number = states["filled"] - back
        out[key, number % ring] = rings[key, number % before]
        if len(scores):
            out_scores[key, number % ring] = scores[key, number % before]
    states["place"] = states["filled"] % ring
    return states, out, out_scores


def _pane(before: Array, begin_ns: NDArray[np.int64]) -> Array:
    """Sums around the first value for those around the mean."""
    pane = np.zeros(len(before), PANE)
    for name in ("count", "minimum", "maximum", "first", "last"):
        pane[name] = before[name]
    distance = before["mean"] - before["first"]
    pane["sum"] = before["count"] * distance
    pane["squares"] = before["m2"] + before["count"] * distance * distance
    for name in ("first", "last"):
        at = before[f"{name}_ns"] - begin_ns
        pane[f"{name}_at"], pane[f"{name}_high"] = at & 0xFFFFFFFF, at >> 32
    return pane
