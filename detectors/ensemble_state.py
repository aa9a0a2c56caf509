"""State of the ensemble detector: one series is one row of float64 and one row of float32, at most 4 kB together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F32Row = NDArray[np.float32]

LAYOUT = 1  # of the state; a snapshot of another layout is refused
# The components, in the order of the state and of `Scored.part`.
PARTS = (
    "from_fast", "from_middle", "from_slow", "from_reference",  # distance of the value from four memories
    "step", "middle_shift", "slow_shift", "noise_up", "noise_down",
    "range", "time_of_day", "short_shape", "long_shape", "standstill",
)  # fmt: skip
COUNT = len(PARTS)
TOTAL = COUNT  # the stream of their combination
STEP, MIDDLE_SHIFT, SLOW_SHIFT, NOISE_UP, NOISE_DOWN, RANGE, TIME_OF_DAY, SHORT_SHAPE, LONG_SHAPE, STANDSTILL = range(
    4, COUNT
)

BINS = 48  # of a day
WINDOW = 12  # rows of a short shape, blocks of a long one
PROTOTYPES = 16  # of each length

MODEL = np.dtype([
    ("reference", "f8"),  # slow robust location
    ("spread", "f8", 4),  # mean absolute distance from the three short memories and from the reference
    ("step", "f8"),  # mean absolute difference of consecutive values
    ("noise", "f8"),  # mean absolute log ratio of the recent noise to the usual
    ("q", "f8", COUNT + 1),  # upper decile of each nonconformity: ln, TOTAL linear
    ("excess", "f8", COUNT + 1),  # mean excess over it: of ln, TOTAL linear
])  # fmt: skip
STATE = np.dtype([
    ("rows", "f8"), ("moves", "f8"), ("repeats", "f8"), ("time_s", "f8"), ("interval_s", "f8"), ("last", "f8"),
    ("memory", "f8", 3), ("noise", "f8"), ("brief_noise", "f8"), ("low", "f8"), ("high", "f8"), ("habit", "f8"),
    ("block", "f8"), ("hot", "f8"), ("patience", "f8"),  # rows and high scores of this block; refusals left
    ("seen", "f8", COUNT + 1), ("run", "f8", COUNT + 1),
    ("bin", "f8"), ("bin_rows", "f8"), ("bin_sum", "f8"), ("bin_miss", "f8"),  # the visit of a bin so far
    ("day_rows", "f8"), ("day_error", "f8"), ("plain_error", "f8"),  # mean distance from the profile and without it
    ("profile", "f8", BINS),  # usual value at each time of day
    ("window", "f8", (2, WINDOW)), ("window_rows", "f8", 2), ("ticks", "f8", 2), ("used", "f8", 2),
    ("block_sum", "f8"), ("block_rows", "f8"), ("long_distance", "f8"), ("long_expected", "f8"),
    ("model", MODEL),  # what scores are judged by
    ("draft", MODEL),  # what is being learned; becomes the model at the end of a block
])  # fmt: skip
SHAPES = np.dtype([
    ("prototype", "f4", (2, WINDOW, PROTOTYPES)),  # less the window's mean
    ("weight", "f4", (2, PROTOTYPES)),  # how often each was the nearest
    ("bin_spread", "f4", BINS),  # mean absolute distance from the profile, each bin
    ("bin_visits", "f4", BINS),
])  # fmt: skip
WIDTH = STATE.itemsize // 8
SHAPES_WIDTH = SHAPES.itemsize // 4


def at(name: str, within: np.dtype[np.void] = STATE) -> int:
    """Where a field begins, in the numbers of the row."""
    fields = within.fields
    if fields is None:
        raise TypeError(f"{within} has no fields")
    return fields[name][1] // (4 if within is SHAPES else 8)


ROWS, MOVES, REPEATS, HABIT = (at(name) for name in ("rows", "moves", "repeats", "habit"))
TIME, INTERVAL, LAST = (at(name) for name in ("time_s", "interval_s", "last"))
MEMORY, NOISE, BRIEF_NOISE, LOW, HIGH = (at(name) for name in ("memory", "noise", "brief_noise", "low", "high"))
BLOCK, HOT, PATIENCE, SEEN, RUN = (at(name) for name in ("block", "hot", "patience", "seen", "run"))
BIN, BIN_ROWS, BIN_SUM, BIN_MISS = (at(name) for name in ("bin", "bin_rows", "bin_sum", "bin_miss"))
DAY_ROWS, DAY_ERROR, PLAIN_ERROR, PROFILE = (at(name) for name in ("day_rows", "day_error", "plain_error", "profile"))
WINDOWS, WINDOW_ROWS, TICKS, USED = (at(name) for name in ("window", "window_rows", "ticks", "used"))
BLOCK_SUM, BLOCK_LENGTH = at("block_sum"), at("block_rows")
LONG_DISTANCE, LONG_EXPECTED = at("long_distance"), at("long_expected")
M, D, MODEL_WIDTH = at("model"), at("draft"), MODEL.itemsize // 8
REFERENCE, SPREAD, M_STEP, M_NOISE, Q, EXCESS = (
    at(name, MODEL) for name in ("reference", "spread", "step", "noise", "q", "excess")
)
PROTOTYPE, WEIGHT, BIN_SPREAD, BIN_VISITS = (
    at(name, SHAPES) for name in ("prototype", "weight", "bin_spread", "bin_visits")
)
