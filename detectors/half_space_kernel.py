"""Half-space trees: the splits that all series share, and the kernels that count and score by them.

A tree halves the space of the features again and again, each node at the middle of what is left of one feature drawn by
chance. How many rows of a window fell into each node is the mass; a row where there was little mass is unusual. Masses
are counted in one array while rows are scored by the other, that of the window before.

A feature is put into the trees' space by its centre and spread as they were when the window began, so that a count
and the look at it use one scale: there are two scales, one for each array.

numba notices edits of the file that holds a kernel, not of those it calls: after an edit here or in calibration.py,
touch half_space.py and half_space_group.py.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from andon.readings import F64, U8
from detectors.calibration import learn_tail
from detectors.contract import NO_PART

U16 = NDArray[np.uint16]
SEED = 20110716  # of the splits: all machines have the same
REACH = 6.0  # spreads from 0 to 1 in the trees' space, the centre at 0.5
SIZE_LIMIT = 0.1  # a node with at most so much of the window's mass is the end of a path
WINDOW_MOST = 32_768  # rows, so that a mass fits into 16 bits
RATE_WINDOWS = 4.0  # centres and spreads forget within so many windows; 1/n until then
CLIP = 3.0  # a distance counts for at most so many spreads once the first window has begun
MOVES_LEAST = 20  # a series that has moved less often is not scored
HOT_SCORE, HOT_SHARE = 3.0, 0.2  # a window with so many rows so high is not taken as the reference
PATIENCE_MOST, PATIENCE_GAIN = 4.0, 0.25  # refusals in store; each window taken adds a quarter of one
Q_FIRST, Q_RATE = 3.0, 0.0003  # step of q: Q_FIRST / rows, Q_RATE at least
Q, EXCESS_PRIOR, EXCESS_LEAST, EXCESS_LIMIT = 1.0, 0.6, 0.05, 5.0  # of the tail: prior, floor, winsorising
SCORE_MOST = 12.0
USABLE = 1e150  # a value beyond it is none; neither is NaN
# Places in a head, float64: rows and moves so far; rows in the window, its hot rows, refusals left; rows that the
# reference counts; which array is the reference; upper decile, mean excess, run and rows of the tail.
ROWS, MOVES, COUNTED, HOT, PATIENCE, REFERENCE, WHICH, TAIL_Q, TAIL_EXCESS, TAIL_RUN, TAIL_ROWS = range(11)
HEAD = 11
CENTRE, SPREAD = 0, 1  # of what is being learned; 2 + 2 w and 3 + 2 w: those of array w
SCALES = 6
_jit = njit(nogil=True, cache=True, error_model="numpy")


def splits(features: int, trees: int, height: int) -> tuple[U8, F64]:
    """(feature uint8[trees, 2**height - 1], threshold float64 alike) of the inner nodes; children of k: 2k+1, 2k+2.

    For each tree and feature a point s in 0..1 is drawn and the feature's range made s +- 2 max(s, 1 - s); a node
    splits the range that is left of one feature in the middle. Source: Tan, Ting and Liu (2011), algorithm 1.
    """
    rng = np.random.default_rng(SEED)
    inner = 2**height - 1
    feature, threshold = np.zeros((trees, inner), np.uint8), np.zeros((trees, inner))
    for tree in range(trees):
        point = rng.random(features)
        half = 2.0 * np.maximum(point, 1.0 - point)
        feature[tree] = rng.integers(0, features, inner)
        low, high = np.zeros((inner, features)), np.zeros((inner, features))
        low[0], high[0] = point - half, point + half
        for node in range(inner):
            at = feature[tree, node]
            middle = threshold[tree, node] = (low[node, at] + high[node, at]) / 2.0
            for child in (2 * node + 1, 2 * node + 2):
                if child < inner:
                    low[child], high[child] = low[node], high[node]
                    (high if child == 2 * node + 1 else low)[child, at] = middle
    return feature, threshold


@_jit
def _child(node: int, x: float, threshold: float, mass: U16) -> int:
    """The half that x lies in; the heavier one, the left of two alike, where x is missing."""
    left = 2 * node + 1
    if math.isnan(x):
        return left if mass[left] >= mass[left + 1] else left + 1
    return left if x < threshold else left + 1


@_jit
def _place(x: F64, scales: F64, which: int, u: F64) -> None:
    """u float64[features]: the row in the trees' space, by the scale of array `which`; NaN where x is not usable."""
    for j in range(len(x)):
        centre, spread = scales[2 + 2 * which, j], scales[3 + 2 * which, j]
        u[j] = math.nan
        if abs(x[j]) <= USABLE:
            u[j] = 0.5 + (x[j] - centre) / (REACH * (spread + abs(centre) * 1e-9 + 1e-300))


@_jit
def _sparseness(u: F64, mass: U16, rows: float, feature: U8, threshold: F64) -> float:
    """ln of how much thinner than evenly spread the reference is at u: mean over the trees, and how far u is outside.

    The outermost half-spaces have no end, so what lies beyond the trees' space is the thinner the further it is.
    """
    trees, inner = feature.shape
    dense, outside = 0.0, 0.0
    for tree in range(trees):
        node, size = 0, 1.0
        while node < inner and mass[tree, node] > SIZE_LIMIT * rows:
            node = _child(node, u[feature[tree, node]], threshold[tree, node], mass[tree])
            size *= 2.0
        dense += math.log((mass[tree, node] + 0.5) * size / rows)
    for j in range(len(u)):
        outside += math.log(1.0 + max(0.0, abs(u[j] - 0.5) - 0.5))  # NaN is not more than 0
    return float(outside - dense / trees)


@_jit
def _blamed(u: F64, mass: U16, rows: float, feature: U8, threshold: F64, blame: F64) -> int:
    """The feature whose splits cost the row most mass on its paths, beyond a half each; NO_PART: none did."""
    blame[:] = 0.0
    trees, inner = feature.shape
    for tree in range(trees):
        node = 0
        while node < inner and mass[tree, node] > SIZE_LIMIT * rows:
            child = _child(node, u[feature[tree, node]], threshold[tree, node], mass[tree])
            blame[feature[tree, node]] += math.log((mass[tree, node] + 1.0) / (2.0 * mass[tree, child] + 1.0))
            node = child
    most = int(np.argmax(blame))
    return most if blame[most] > 0.0 else NO_PART


@_jit
def _count(u: F64, mass: U16, feature: U8, threshold: F64) -> None:
    """Add the row's mass to every node of its paths."""
    trees, inner = feature.shape
    for tree in range(trees):
        node = 0
        mass[tree, 0] += np.uint16(1)
        while node < inner:
            node = _child(node, u[feature[tree, node]], threshold[tree, node], mass[tree])
            mass[tree, node] += np.uint16(1)


@_jit
def _learn_scales(x: F64, scales: F64, rows: float, window: float, clipped: bool) -> None:
    """Centre and mean absolute distance of each feature, clipped, so that no single row moves them far."""
    rate = max(1.0 / rows, 1.0 / (RATE_WINDOWS * window))
    for j in range(len(x)):
        if not abs(x[j]) <= USABLE:
            continue
        if rows == 1.0 or math.isnan(scales[CENTRE, j]):
            scales[CENTRE, j], scales[SPREAD, j] = x[j], 0.0
            continue
        off = x[j] - scales[CENTRE, j]
        if clipped:
            most = CLIP * (scales[SPREAD, j] + abs(scales[CENTRE, j]) * 1e-9 + 1e-300)
            off = min(max(off, -most), most)
        scales[CENTRE, j] += rate * off
        scales[SPREAD, j] += rate * (abs(off) - scales[SPREAD, j])


@_jit
def _begin(head: F64, scales: F64, masses: U16, which: int) -> None:
    """A new window is counted in array `which`, by the scale learned so far."""
    masses[which] = 0
    scales[2 + 2 * which : 4 + 2 * which] = scales[CENTRE : SPREAD + 1]
    head[COUNTED] = head[HOT] = 0.0


@_jit
def _end(head: F64, scales: F64, masses: U16) -> None:
    """The window that is full becomes the reference, unless it was a fault: then the older one goes on, for a while."""
    which = int(head[WHICH])
    if head[REFERENCE] > 0.0 and head[HOT] > HOT_SHARE * head[COUNTED] and head[PATIENCE] >= 1.0:
        head[PATIENCE] -= 1.0
    else:
        head[PATIENCE] = min(PATIENCE_MOST, head[PATIENCE] + PATIENCE_GAIN)
        head[REFERENCE] = head[COUNTED]
        which = 1 - which
        head[WHICH] = which
    _begin(head, scales, masses, 1 - which)


@_jit
def _tail(head: F64, z: float) -> float:
    """-log10 of the tail probability of z, 0..12; then the tail learns it."""
    score = 1.0 + (z - head[TAIL_Q]) / (math.log(10.0) * max(head[TAIL_EXCESS], EXCESS_LEAST))
    head[TAIL_ROWS] += 1.0
    rate = max(Q_RATE, Q_FIRST / (head[TAIL_ROWS] + 10.0)) * 2.0 * max(head[TAIL_EXCESS], 0.2)
    head[TAIL_Q], head[TAIL_EXCESS], head[TAIL_RUN] = learn_tail(
        z, head[TAIL_Q], head[TAIL_EXCESS], head[TAIL_RUN], head[TAIL_ROWS], rate, EXCESS_LIMIT
    )
    return float(min(max(score, 0.0), SCORE_MOST))


@_jit
def score_row(
    x: F64, head: F64, scales: F64, masses: U16, feature: U8, threshold: F64, teaches: int, u: F64, blame: F64
) -> tuple[float, int]:
    """Score a row, then learn from it: (score, feature that says most or NO_PART).

    x      : float64[features], not finite where missing. head float64[HEAD], scales float64[SCALES, features], masses
             uint16[2, trees, 2 nodes + 1]: the state. feature, threshold: as `splits` gives them.
    teaches: rows before anything is scored: a quarter for the scales, half for the first window, the rest for the
             tail; a window has half as many, at most WINDOW_MOST. u, blame: float64[features], for the kernel's use.
    """
    window = min(teaches // 2, WINDOW_MOST)
    head[ROWS] += 1.0
    score, part = 0.0, NO_PART
    if head[ROWS] == 1.0:
        head[PATIENCE], head[TAIL_Q], head[TAIL_EXCESS], scales[:] = PATIENCE_MOST, Q, EXCESS_PRIOR, math.nan
    which, settled = int(head[WHICH]), head[ROWS] > teaches // 4
    if settled and head[ROWS] == teaches // 4 + 1:
        _begin(head, scales, masses, 1 - which)
    if head[REFERENCE] > 0.0:
        _place(x, scales, which, u)
        z = _sparseness(u, masses[which], head[REFERENCE], feature, threshold)
        said = _tail(head, z)
        if head[ROWS] > teaches and head[MOVES] >= MOVES_LEAST:
            score = said
            if score > 1.0:
                part = _blamed(u, masses[which], head[REFERENCE], feature, threshold, blame)
    if settled:
        _place(x, scales, 1 - which, u)
        _count(u, masses[1 - which], feature, threshold)
        head[COUNTED] += 1.0
        if score >= HOT_SCORE:
            head[HOT] += 1.0
    _learn_scales(x, scales, head[ROWS], float(window), settled)
    if settled and head[COUNTED] >= window:
        _end(head, scales, masses)
    return score, part
