"""Kernels of the ensemble detector: one reading is one call of `_score`.

The constants are the frozen configuration of every series; docs/detection.md says how they were chosen and what they
reach.

numba notices edits of the file that holds a kernel, not of those it calls: after an edit of calibration.py, season.py,
shapes.py or ensemble_state.py, touch this file.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from andon.readings import F64, I32, I64, NS_PER_S, U8
from detectors import contract
from detectors.calibration import EXCESS_AT_ONE, EXCESS_LIMIT, learn_tail, tail_score
from detectors.contract import NO_PART
from detectors.ensemble_state import (
    BLOCK,
    BRIEF_NOISE,
    COUNT,
    EXCESS,
    HABIT,
    HIGH,
    HOT,
    INTERVAL,
    LAST,
    LONG_DISTANCE,
    LONG_EXPECTED,
    LONG_SHAPE,
    LOW,
    M_NOISE,
    M_STEP,
    MEMORY,
    MIDDLE_SHIFT,
    MODEL_WIDTH,
    MOVES,
    NOISE,
    NOISE_DOWN,
    NOISE_UP,
    PATIENCE,
    PROTOTYPES,
    RANGE,
    REFERENCE,
    REPEATS,
    ROWS,
    RUN,
    SEEN,
    SHORT_SHAPE,
    SLOW_SHIFT,
    SPREAD,
    STANDSTILL,
    STEP,
    TIME,
    TIME_OF_DAY,
    TOTAL,
    D,
    F32Row,
    M,
    Q,
)
from detectors.season import by_time_of_day
from detectors.shapes import compare, push, push_block, restart

MEMORY_RATES = (0.2, 0.03, 0.005)  # about 10, 70 and 400 rows
SLOW_RATE = 0.0005  # reference and spreads, about 4,000 rows; 1/n until then
NOISE_RATE, NOISE_ROWS = 0.005, 400.0  # recent noise, about 400 rows; it speaks from then on
NOISE_PRIOR, NOISE_LEAST = 0.04, 0.01  # mean absolute log ratio of recent to usual noise: prior (white noise), floor
BRIEF_RATE, BRIEF_ROWS = 0.03, 100.0  # noise of the last 70 rows; it speaks from row 100 on
RANGE_RATE, RANGE_GAIN = 0.0001, 4.0  # the range shrinks by so much a row; ln z for an excess of one range
RANGE_ROWS = 50.0  # it speaks from then on
HABIT_RATE = 0.001  # forgetting of the longest standstill, a move
CLIP = 3.0  # spreads: a residual counts for at most so many
SETTLE = 20  # moves before tails are learned
WARM_UP = 200  # moves before anything is scored
STUCK_ROWS = 400.0  # a value repeated more often teaches nothing: after a stuck sensor, normal noise is no surprise
GAP = 10.0  # so many usual intervals without a row are a gap
Q_RATE_FAST, Q_RATE_SLOW = 0.001, 0.0003  # floors of the step of ln q, slow for the streams that move slowly
Q_FIRST, Q_LEAST = 3.0, 0.5  # step of q is Q_FIRST / rows until its floor; ln q starts no lower than Q_LEAST
TOTAL_Q, TOTAL_EXCESS, TOTAL_LIMIT = 1.0, 0.6, 5.0  # prior of the combination, and its winsorising
BLOCK_ROWS, BLOCK_GROWTH = 256.0, 0.2  # a block is 0.2 n rows, at most 256
HOT_SCORE, HOT_SHARE = 3.0, 0.2  # a block with so many rows so high is refused
PATIENCE_MOST, PATIENCE_GAIN = 4.0, 0.05  # refusals in store; each block taken adds a twentieth of one
SCORE_MOST = 30.0
VALUE_MOST = 1e30  # beyond it a value is none: shapes are kept as float32


@njit(nogil=True, cache=True, error_model="numpy")
def _from_memories(s: F64, value: float, floor: float, z: F64) -> None:
    """z of the distances and the noise, before anything is learned from the value."""
    reference = s[M + REFERENCE]
    spread = s[M + SPREAD + 3] + floor
    for j in range(3):
        z[j] = abs(value - s[MEMORY + j]) / (s[M + SPREAD + j] + floor)
    z[3] = abs(value - reference) / spread
    z[STEP] = abs(value - s[LAST]) / (s[M + M_STEP] + floor)
    z[MIDDLE_SHIFT] = abs(s[MEMORY + 1] - reference) / spread
    z[SLOW_SHIFT] = abs(s[MEMORY + 2] - reference) / spread
    z[NOISE_UP] = z[NOISE_DOWN] = 0.0
    if s[ROWS] >= NOISE_ROWS:
        z[NOISE_UP] = max(math.log((s[NOISE] + floor) / (s[M + SPREAD + 1] + floor)), 0.0) / s[M + M_NOISE]
    if s[ROWS] >= BRIEF_ROWS:
        z[NOISE_DOWN] = max(math.log((s[M + SPREAD] + floor) / (s[BRIEF_NOISE] + floor)), 0.0) / NOISE_PRIOR
    # A share of the range beyond it, and a standstill in times of the longest usual one: in the log domain at once.
    z[RANGE] = 0.0
    if s[ROWS] > RANGE_ROWS:
        beyond = max(value - s[HIGH], s[LOW] - value) / (s[HIGH] - s[LOW] + floor)
        z[RANGE] = math.exp(min(RANGE_GAIN * beyond, 50.0))
    z[STANDSTILL] = (s[REPEATS] + 1.0) / (s[HABIT] + 2.0)


@njit(nogil=True, cache=True, error_model="numpy")
def _total(s: F64, z: F64, trust: float) -> tuple[float, int]:
    """Combination of the nonconformities and the component that says most; z becomes its logarithm, -inf for none.

    Quadratic mean of what exceeds 1 (one row in ten) of each tail score, all with the same weight: between the
    maximum, blind to agreement, and the sum, in which many parts that say a little outvote one that says much.
    """
    squares, most, part = 0.0, 1.0, NO_PART
    for k in range(COUNT):
        if z[k] <= 1e-30:
            z[k] = -math.inf
            continue
        z[k] = math.log(z[k])
        if s[SEEN + k] == 0.0:
            s[D + Q + k] = s[M + Q + k] = max(z[k], Q_LEAST)
        s[SEEN + k] += 1.0
        if z[k] <= s[M + Q + k]:  # a tail score of at most 1, which says nothing: the exponential is spared
            continue
        score = tail_score(z[k], s[M + Q + k], s[M + EXCESS + k])
        if k == TIME_OF_DAY:
            score *= trust
        if score > 1.0:
            squares += (score - 1.0) ** 2
        if score > most:
            most, part = score, k
    return math.sqrt(squares), part


@njit(nogil=True, cache=True, error_model="numpy")
def _learn_tails(s: F64, z: F64, total: float) -> None:
    """Tails of all streams, into the draft."""
    for k in range(COUNT):
        if z[k] == -math.inf:
            continue
        slowest = Q_RATE_SLOW if MIDDLE_SHIFT <= k <= NOISE_UP else Q_RATE_FAST
        rate = max(slowest, Q_FIRST / (s[SEEN + k] + 10.0))
        s[D + Q + k], s[D + EXCESS + k], s[RUN + k] = learn_tail(
            z[k], s[D + Q + k], s[D + EXCESS + k], s[RUN + k], s[SEEN + k], rate, EXCESS_LIMIT
        )
    # Recent noise hardly changes in many rows: what little is seen of it must not make it look steady. And a
    # standstill shorter than the longest usual one is none.
    for k in (NOISE_UP, NOISE_DOWN, STANDSTILL):
        s[D + Q + k] = max(s[D + Q + k], Q_LEAST)
    k = TOTAL
    rate = max(Q_RATE_SLOW, Q_FIRST / (s[SEEN + k] + 10.0)) * 2.0 * max(s[D + EXCESS + k], 0.2)
    s[D + Q + k], s[D + EXCESS + k], s[RUN + k] = learn_tail(
        total, s[D + Q + k], s[D + EXCESS + k], s[RUN + k], s[SEEN + k], rate, TOTAL_LIMIT
    )
    s[D + Q + k] = max(s[D + Q + k], 0.0)


@njit(nogil=True, cache=True, error_model="numpy")
def _toward(average: float, value: float, rate: float, clipped: bool, floor: float) -> float:
    """An average absolute value, moved; a value counts for at most CLIP averages once `clipped`."""
    if clipped:
        value = min(value, CLIP * (average + floor))
    return average + rate * (value - average)


@njit(nogil=True, cache=True, error_model="numpy")
def _learn_levels(s: F64, value: float, floor: float) -> None:
    """The memories, noise and range, and in the draft the reference and the spreads."""
    settled = s[ROWS] >= SETTLE
    s[ROWS] += 1.0
    first = 1.0 / s[ROWS]
    slow = max(SLOW_RATE, first)
    ratio = abs(math.log((s[NOISE] + floor) / (s[D + SPREAD + 1] + floor)))
    if s[ROWS] >= NOISE_ROWS:
        s[D + M_NOISE] = max(_toward(s[D + M_NOISE], ratio, slow, True, 0.0), NOISE_LEAST)
    for j in range(3):
        residual = value - s[MEMORY + j]
        s[D + SPREAD + j] = _toward(s[D + SPREAD + j], abs(residual), slow, settled, floor)
        s[MEMORY + j] += max(MEMORY_RATES[j], first) * residual
    residual = value - s[D + REFERENCE]
    if settled:
        most = CLIP * (s[D + SPREAD + 3] + floor)
        residual = min(max(residual, -most), most)
    s[D + SPREAD + 3] = _toward(s[D + SPREAD + 3], abs(residual), slow, settled, floor)
    s[D + REFERENCE] += slow * residual
    s[D + M_STEP] = _toward(s[D + M_STEP], abs(value - s[LAST]), slow, settled, floor)
    s[NOISE] += max(NOISE_RATE, first) * (abs(value - s[MEMORY + 1]) - s[NOISE])
    s[BRIEF_NOISE] += max(BRIEF_RATE, first) * (abs(value - s[MEMORY]) - s[BRIEF_NOISE])
    width = s[HIGH] - s[LOW]
    s[HIGH] = max(value, s[HIGH] - RANGE_RATE * width)
    s[LOW] = min(value, s[LOW] + RANGE_RATE * width)


@njit(nogil=True, cache=True, error_model="numpy")
def _end_block(s: F64, score: float) -> None:
    """At the end of a block the draft becomes the model, unless the block was a fault: then it is thrown away.

    So a fault is judged by what was normal before it, and lasting ones stay visible. Refusals are limited: a new
    operating point, or a load cycle longer than anything seen, is taken after some blocks, and repeats are learned.
    """
    s[BLOCK] += 1.0
    if score >= HOT_SCORE:
        s[HOT] += 1.0
    warm = s[MOVES] >= WARM_UP
    if warm and s[BLOCK] < min(BLOCK_ROWS, BLOCK_GROWTH * s[ROWS]):
        return
    source, target = D, M
    if warm and s[HOT] > HOT_SHARE * s[BLOCK] and s[PATIENCE] >= 1.0:
        s[PATIENCE] -= 1.0
        source, target = M, D
    elif warm:
        s[PATIENCE] = min(PATIENCE_MOST, s[PATIENCE] + PATIENCE_GAIN)
    for j in range(MODEL_WIDTH):
        s[target + j] = s[source + j]
    s[BLOCK] = s[HOT] = 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def _first(s: F64, time_s: float, value: float) -> None:
    """The state after the very first value."""
    s[ROWS], s[TIME], s[LAST], s[LOW], s[HIGH] = 1.0, time_s, value, value, value
    s[MEMORY : MEMORY + 3] = value
    s[PATIENCE] = PATIENCE_MOST
    for model in (M, D):
        s[model + REFERENCE], s[model + M_NOISE] = value, NOISE_PRIOR
        s[model + EXCESS : model + EXCESS + COUNT] = EXCESS_AT_ONE
        s[model + EXCESS + TOTAL], s[model + Q + TOTAL] = TOTAL_EXCESS, TOTAL_Q


@njit(nogil=True, cache=True, error_model="numpy")
def _pass_time(s: F64, time_s: float, value: float) -> None:
    """Learn the usual interval. After a gap a memory has forgotten as if the value had stood there; it is no step."""
    interval = time_s - s[TIME]
    usual = s[INTERVAL]
    if s[ROWS] > SETTLE and interval > GAP * usual and usual > 0.0:
        s[LAST] = value
        restart(s)
        for j in range(3):
            s[MEMORY + j] += (1.0 - (1.0 - MEMORY_RATES[j]) ** (interval / usual)) * (value - s[MEMORY + j])
    s[INTERVAL] += max(0.01, 1.0 / s[ROWS]) * (min(interval, 3.0 * usual if s[ROWS] > SETTLE else interval) - usual)
    s[TIME] = time_s


@njit(nogil=True, cache=True, error_model="numpy")
def _pass_standstill(s: F64, value: float) -> None:
    """Count repeats of a value; a move ends a standstill and teaches how long they are."""
    if value == s[LAST]:
        s[REPEATS] += 1.0
        return
    s[HABIT] = max(s[REPEATS], s[HABIT] - HABIT_RATE * (s[HABIT] - s[REPEATS]))
    s[REPEATS] = 0.0
    s[MOVES] += 1.0


@njit(nogil=True, cache=True, error_model="numpy")
def _from_shapes(s: F64, f: F32Row, value: float, floor: float, learns: bool, z: F64, near: F32Row) -> float:
    """z of both shapes; what the short one expects now. The long one is compared when a block of it is full."""
    spread = s[M + SPREAD + 3] + floor
    z[SHORT_SHAPE], expected = 0.0, math.nan
    push(s, 0, value)
    full = push_block(s, value)
    if s[MOVES] < SETTLE:
        return expected
    far = math.exp(s[M + Q + SHORT_SHAPE]) if s[SEEN + SHORT_SHAPE] > 0.0 else 0.0
    z[SHORT_SHAPE], expected = compare(s, f, 0, spread, far, learns, near)
    if full:
        far = math.exp(s[M + Q + LONG_SHAPE]) if s[SEEN + LONG_SHAPE] > 0.0 else 0.0
        s[LONG_DISTANCE], s[LONG_EXPECTED] = compare(s, f, 1, spread, far, learns, near)
    z[LONG_SHAPE] = s[LONG_DISTANCE]
    return expected


@njit(nogil=True, cache=True, error_model="numpy")
def _normal(s: F64, part: int, value: float) -> tuple[float, float]:
    """What a component, not a shape nor the time of day, calls normal, and how far values usually lie from it."""
    if part < 3:
        return s[MEMORY + part], s[M + SPREAD + part]
    if part == STEP:
        return s[LAST], s[M + M_STEP]
    if part == NOISE_UP:
        return s[MEMORY + 1], s[M + SPREAD + 1]
    if part == NOISE_DOWN:
        return s[MEMORY], s[M + SPREAD]
    if part in (STANDSTILL, NO_PART):
        return math.nan, math.nan
    spread = s[M + SPREAD + 3]
    if part == RANGE:
        return (s[HIGH] if value > s[HIGH] else s[LOW]), spread
    return s[M + REFERENCE], spread  # distance from it, and the two shifts


@njit(nogil=True, cache=True, error_model="numpy")
def _score(s: F64, f: F32Row, time_ns: int, value: float, z: F64, near: F32Row) -> tuple[float, int, float, float]:
    """Score one row of one series, then learn from it: (score, part, expected, spread)."""
    score, part, expected, spread = 0.0, NO_PART, math.nan, math.nan
    if s[ROWS] == 0.0:
        _first(s, time_ns / NS_PER_S, value)
        return score, part, expected, spread
    _pass_time(s, time_ns / NS_PER_S, value)
    _pass_standstill(s, value)
    learns = s[REPEATS] <= STUCK_ROWS
    floor = abs(s[M + REFERENCE]) * 1e-9 + 1e-300
    z[TIME_OF_DAY], trust, usual, usual_off = by_time_of_day(s, f, time_ns, value, floor, learns)
    shape = _from_shapes(s, f, value, floor, learns, z, near)
    if s[MOVES] >= SETTLE:
        _from_memories(s, value, floor, z)
        total, part = _total(s, z, trust)
        s[SEEN + TOTAL] += 1.0
        if s[MOVES] >= WARM_UP:
            score = 1.0 + (total - s[M + Q + TOTAL]) / (math.log(10.0) * s[M + EXCESS + TOTAL])
            score = min(max(score, 0.0), SCORE_MOST)
        if score == 0.0:
            part = NO_PART
        if part == TIME_OF_DAY:
            expected, spread = usual, usual_off
        elif part in (SHORT_SHAPE, LONG_SHAPE):
            expected, spread = (shape if part == SHORT_SHAPE else s[LONG_EXPECTED]), s[M + SPREAD + 3]
        else:
            expected, spread = _normal(s, part, value)
        if learns:
            _learn_tails(s, z, total)
    if learns:
        _learn_levels(s, value, floor)
        _end_block(s, score)
    s[LAST] = value
    return score, part, expected, spread


@njit(nogil=True, cache=True, error_model="numpy")
def _by_slot(slot: I32, slots: int) -> NDArray[np.int32]:
    """Places of the rows, slot by slot, in each as they came: one series' state is fetched once for all its rows."""
    n = len(slot)
    order = np.arange(n).astype(np.int32)
    if 4 * n < slots:  # counting would cost more than it saves
        return order
    begin = np.zeros(slots + 1, np.int32)
    for i in range(n):
        begin[slot[i] + 1] += 1
    for j in range(slots):
        begin[j + 1] += begin[j]
    for i in range(n):
        order[begin[slot[i]]] = i
        begin[slot[i]] += 1
    return order


@njit(nogil=True, cache=True, error_model="numpy")
def score_rows(
    slot: I32, slots: int, time_ns: I64, value: F64, learn: U8, state: F64, shapes: F32Row,
    score: F64, part: U8, expected: F64, spread: F64,
) -> None:  # fmt: skip
    """All rows, those of a slot in order. slot: int32[n], 0..slots - 1; the caller checks, here nothing does.

    learn: uint8[n] of the contract's FORGET, LEARN, HOLD; uint8[0]: every row is learned.
    """
    z, near = np.zeros(COUNT), np.empty(PROTOTYPES, np.float32)
    kept, kept_shapes = np.empty(state.shape[1]), np.empty(shapes.shape[1], np.float32)
    for i in _by_slot(slot, slots):
        if abs(value[i]) <= VALUE_MOST:  # false for NaN and infinities too
            s, f = state[slot[i]], shapes[slot[i]]
            learns = len(learn) == 0 or learn[i] == contract.LEARN
            if not learns:
                kept[:], kept_shapes[:] = s, f
            score[i], part[i], expected[i], spread[i] = _score(s, f, time_ns[i], value[i], z, near)
            if not learns:
                if learn[i] == contract.HOLD and kept[ROWS] > 0.0:
                    kept[TIME] = s[TIME]
                s[:], f[:] = kept, kept_shapes
