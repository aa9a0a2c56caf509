"""State and kernels of the robust detector: one series is one row of float64, one reading one call of `_score`.

The constants are the frozen configuration of every series. They were chosen on 32 recorded series and simulated
machines taken together, none for one series; docs/figures/anomaly-score.md gives what they reach.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from andon.readings import F64, I32, I64, NS_PER_S, U8
from detectors.calibration import EXCESS_AT_ONE, EXCESS_LIMIT, learn_tail, tail_score
from detectors.contract import NO_PART

LAYOUT = 1  # of the state; a snapshot of another layout is refused
# The nonconformities. The last stream, TOTAL, is their combination.
STREAMS = (
    "from_fast", "from_middle", "from_slow", "from_reference",  # distance of the value from four memories
    "step", "middle_shift", "slow_shift", "noise",
)  # fmt: skip
PARTS = len(STREAMS)
TOTAL = PARTS
STEP, MIDDLE_SHIFT, SLOW_SHIFT, NOISE = 4, 5, 6, 7

MODEL = np.dtype([
    ("reference", "f8"),  # slow robust location
    ("spread", "f8", 4),  # mean absolute distance from the three short memories and from the reference
    ("step", "f8"),  # mean absolute difference of consecutive values
    ("noise", "f8"),  # mean absolute log ratio of the recent noise to the usual
    ("q", "f8", PARTS + 1),  # upper decile of each nonconformity: ln, TOTAL linear
    ("excess", "f8", PARTS + 1),  # mean excess over it: of ln, TOTAL linear
])  # fmt: skip
STATE = np.dtype([
    ("rows", "f8"), ("moves", "f8"), ("repeats", "f8"), ("time_s", "f8"), ("interval_s", "f8"), ("last", "f8"),
    ("memory", "f8", 3), ("noise", "f8"),
    ("block", "f8"), ("hot", "f8"), ("patience", "f8"),  # rows and high scores of this block; refusals left
    ("seen", "f8", PARTS + 1), ("run", "f8", PARTS + 1),
    ("model", MODEL),  # what scores are judged by
    ("draft", MODEL),  # what is being learned; becomes the model at the end of a block
])  # fmt: skip
WIDTH = STATE.itemsize // 8


def _at(name: str, within: np.dtype[np.void] = STATE) -> int:
    """Where a field begins, in float64s."""
    fields = within.fields
    if fields is None:
        raise TypeError(f"{within} has no fields")
    return fields[name][1] // 8


ROWS, MOVES, REPEATS = (_at(name) for name in ("rows", "moves", "repeats"))
TIME, INTERVAL, LAST = (_at(name) for name in ("time_s", "interval_s", "last"))
MEMORY, RECENT_NOISE = (_at(name) for name in ("memory", "noise"))
BLOCK, HOT, PATIENCE, SEEN, RUN = (_at(name) for name in ("block", "hot", "patience", "seen", "run"))
M, D, MODEL_WIDTH = _at("model"), _at("draft"), MODEL.itemsize // 8
REFERENCE, SPREAD, M_STEP, M_NOISE, Q, EXCESS = (
    _at(name, MODEL) for name in ("reference", "spread", "step", "noise", "q", "excess")
)

MEMORY_RATES = (0.2, 0.03, 0.005)  # about 10, 70 and 400 rows
SLOW_RATE = 0.0005  # reference and spreads, about 4,000 rows; 1/n until then
NOISE_RATE, NOISE_ROWS = 0.005, 400.0  # recent noise, about 400 rows; it speaks from then on
NOISE_PRIOR, NOISE_LEAST = 0.04, 0.01  # mean absolute log ratio of recent to usual noise: prior (white noise), floor
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
SCORE_MOST = 12.0


@njit(nogil=True, cache=True, error_model="numpy")
def _nonconformities(s: F64, value: float, z: F64) -> None:
    """z[PARTS] of a value against model and memories, before anything is learned from it."""
    reference = s[M + REFERENCE]
    floor = abs(reference) * 1e-9 + 1e-300
    spread = s[M + SPREAD + 3] + floor
    for j in range(3):
        z[j] = abs(value - s[MEMORY + j]) / (s[M + SPREAD + j] + floor)
    z[3] = abs(value - reference) / spread
    z[STEP] = abs(value - s[LAST]) / (s[M + M_STEP] + floor)
    z[MIDDLE_SHIFT] = abs(s[MEMORY + 1] - reference) / spread
    z[SLOW_SHIFT] = abs(s[MEMORY + 2] - reference) / spread
    ratio = math.log((s[RECENT_NOISE] + floor) / (s[M + SPREAD + 1] + floor))
    z[NOISE] = max(ratio, 0.0) / s[M + M_NOISE] if s[ROWS] >= NOISE_ROWS else 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def _total(s: F64, z: F64) -> tuple[float, int]:
    """Combine the nonconformities, and which says most; z becomes its logarithm, -inf where it says nothing.

    Cubic mean of what exceeds 1 (one row in ten) of each tail score: near the maximum, so that a fault which shows in
    one stream is not diluted by the seven others, yet higher where several agree.
    """
    cubes, most, part = 0.0, 0.0, NO_PART
    for k in range(PARTS):
        if z[k] <= 1e-9:
            z[k] = -math.inf
            continue
        z[k] = math.log(z[k])
        if s[SEEN + k] == 0.0:
            s[D + Q + k] = s[M + Q + k] = max(z[k], Q_LEAST)
        s[SEEN + k] += 1.0
        one = tail_score(z[k], s[M + Q + k], s[M + EXCESS + k])
        cubes += max(one - 1.0, 0.0) ** 3
        if one > most:
            most, part = one, k
    return float(cubes ** (1.0 / 3.0)), part


@njit(nogil=True, cache=True, error_model="numpy")
def _normal(s: F64, part: int) -> tuple[float, float]:
    """What a nonconformity compares the value with, and how far values usually lie from it; NaN for noise."""
    if part < 3:
        return s[MEMORY + part], s[M + SPREAD + part]
    if part == STEP:
        return s[LAST], s[M + M_STEP]
    if part < NOISE:
        return s[M + REFERENCE], s[M + SPREAD + 3]
    return math.nan, math.nan


@njit(nogil=True, cache=True, error_model="numpy")
def _learn_tails(s: F64, z: F64, total: float) -> None:
    """Tails of all streams, into the draft."""
    for k in range(PARTS):
        if z[k] == -math.inf:
            continue
        slowest = Q_RATE_SLOW if k >= MIDDLE_SHIFT else Q_RATE_FAST
        rate = max(slowest, Q_FIRST / (s[SEEN + k] + 10.0))
        s[D + Q + k], s[D + EXCESS + k], s[RUN + k] = learn_tail(
            z[k], s[D + Q + k], s[D + EXCESS + k], s[RUN + k], s[SEEN + k], rate, EXCESS_LIMIT
        )
    # Recent noise hardly changes in hundreds of rows: what little is seen of it must not make it look steady.
    s[D + Q + NOISE] = max(s[D + Q + NOISE], Q_LEAST)
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
def _learn_levels(s: F64, value: float) -> None:
    """Memories at once; reference and spreads into the draft, with clipped residuals."""
    settled = s[MOVES] >= SETTLE
    s[ROWS] += 1.0
    first = 1.0 / s[ROWS]
    slow = max(SLOW_RATE, first)
    floor = abs(s[M + REFERENCE]) * 1e-9 + 1e-300
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
    ratio = abs(math.log((s[RECENT_NOISE] + floor) / (s[D + SPREAD + 1] + floor)))
    if s[ROWS] >= NOISE_ROWS:
        s[D + M_NOISE] = max(_toward(s[D + M_NOISE], ratio, slow, True, 0.0), NOISE_LEAST)
    s[RECENT_NOISE] += max(NOISE_RATE, first) * (abs(value - s[MEMORY + 1]) - s[RECENT_NOISE])


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
    s[:] = 0.0
    s[ROWS], s[TIME], s[LAST] = 1.0, time_s, value
    s[MEMORY : MEMORY + 3] = value
    s[PATIENCE] = PATIENCE_MOST
    for model in (M, D):
        s[model + REFERENCE], s[model + M_NOISE] = value, NOISE_PRIOR
        s[model + EXCESS : model + EXCESS + PARTS] = EXCESS_AT_ONE
        s[model + EXCESS + TOTAL], s[model + Q + TOTAL] = TOTAL_EXCESS, TOTAL_Q


@njit(nogil=True, cache=True, error_model="numpy")
def _pass_time(s: F64, time_s: float, value: float) -> None:
    """Learn the usual interval. After a gap a memory has forgotten as if the value had stood there; it is no step."""
    interval = time_s - s[TIME]
    usual = s[INTERVAL]
    if s[ROWS] > SETTLE and interval > GAP * usual and usual > 0.0:
        s[LAST] = value
        for j in range(3):
            s[MEMORY + j] += (1.0 - (1.0 - MEMORY_RATES[j]) ** (interval / usual)) * (value - s[MEMORY + j])
    s[INTERVAL] += max(0.01, 1.0 / s[ROWS]) * (min(interval, 3.0 * usual if s[ROWS] > SETTLE else interval) - usual)
    s[TIME] = time_s


@njit(nogil=True, cache=True, error_model="numpy")
def _score(s: F64, time_s: float, value: float, z: F64) -> tuple[float, int, float, float]:
    """Score one row of one series, then learn from it: score, part, expected, spread of `contract.Scored`."""
    if s[ROWS] == 0.0:
        _first(s, time_s, value)
        return 0.0, NO_PART, math.nan, math.nan
    _pass_time(s, time_s, value)
    s[REPEATS] = s[REPEATS] + 1.0 if value == s[LAST] else 0.0
    if s[REPEATS] == 0.0:
        s[MOVES] += 1.0
    learns = s[REPEATS] <= STUCK_ROWS
    score, part, expected, spread = 0.0, NO_PART, math.nan, math.nan
    if s[MOVES] >= SETTLE:
        _nonconformities(s, value, z)
        total, part = _total(s, z)
        expected, spread = _normal(s, part)
        s[SEEN + TOTAL] += 1.0
        if s[MOVES] >= WARM_UP:
            score = 1.0 + (total - s[M + Q + TOTAL]) / (math.log(10.0) * s[M + EXCESS + TOTAL])
            score = min(max(score, 0.0), SCORE_MOST)
        if learns:
            _learn_tails(s, z, total)
    if learns:
        _learn_levels(s, value)
        _end_block(s, score)
    s[LAST] = value
    return score, part, expected, spread


@njit(nogil=True, cache=True, error_model="numpy")
def score_rows(
    series: I32, time_ns: I64, value: F64, slot_of: I32, state: F64, z: F64, score: F64, part: U8, expected: F64,
    spread: F64,
) -> None:  # fmt: skip
    """All rows in order. Lengths, ids and slots are checked by the caller: there is no bounds check here."""
    for i in range(len(value)):
        if abs(value[i]) <= 1e150:  # false for NaN and infinities too
            score[i], part[i], expected[i], spread[i] = _score(
                state[slot_of[series[i]]], time_ns[i] / NS_PER_S, value[i], z
            )
