"""The textbook detector: how many standard deviations a value lies from an exponentially weighted mean."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from andon.prefetch import prefetch
from andon.readings import F64, I32, I64, NS_PER_S, U8
from detectors.contract import ALL, FORGET, LEARN, Scored, check_rows

LAYOUT = 1
HALF_LIFE_ROWS = 100.0  # a row weighs half as much after so many more
ALPHA = 1.0 - 0.5 ** (1.0 / HALF_LIFE_ROWS)  # weight of a new row; 1/n until n rows make that less
WARM_UP = 100  # rows before anything is scored
SETTLE = 20  # rows before a gap can be told
GAP = 10.0  # so many usual intervals without a row are a gap
SCORE_MOST = 12.0
AHEAD = 24  # rows: with 100,000 series their states are not in the caches
STATE = np.dtype([("mean", "f8"), ("variance", "f8"), ("time_ns", "i8"), ("rows", "u4"), ("interval_s", "f4")])
Snapshot = tuple[int, bytes]

# -log10 of the two-sided tail of the normal distribution at z = 0, 1/128, ...: read between two entries it is exact
# to 4e-6, and three times as fast as erfc and log10.
CELLS = 128.0
TAIL = np.array([max(0.0, -math.log10(math.erfc(at / CELLS / math.sqrt(2.0)))) for at in range(930)])
Z_MOST = 7.25  # beyond SCORE_MOST, and within TAIL
_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def _tail_score(z: float) -> float:
    """-log10 P(|Z| > z) of a standard normal Z, 0..12, z >= 0."""
    if not z < Z_MOST:
        return SCORE_MOST
    cell = int(z * CELLS)
    score: float = TAIL[cell] + (TAIL[cell + 1] - TAIL[cell]) * (z * CELLS - cell)
    return min(score, SCORE_MOST)


@_jit
def score_rows(
    series: I32, time_ns: I64, value: F64, by: U8, mine: int, learn: U8, states: NDArray[np.void], score: F64, part: U8,
    expected: F64, spread: F64,
) -> None:  # fmt: skip
    """Score, then learn, the rows where by == mine; all others stay. The caller checks ids and lengths.

    learn: uint8[n] of the contract's FORGET, LEARN, HOLD; uint8[0]: every row is learned.
    """
    for i in range(len(value)):
        if i + AHEAD < len(value):
            prefetch(states, np.int64(series[i + AHEAD]))
        if by[i] != mine:
            continue
        x = value[i]
        if not abs(x) <= 1e150:  # NaN and infinities too
            score[i] = np.nan
            continue
        s = states[series[i]]
        learns = len(learn) == 0 or learn[i] == LEARN
        rows, mean, variance, before_ns, usual = s.rows, s.mean, s.variance, s.time_ns, s.interval_s
        s.rows = min(s.rows, np.uint32(1 << 30)) + np.uint32(1)
        if s.rows == 1:
            s.mean, s.variance, s.time_ns, s.interval_s = x, 0.0, time_ns[i], 0.0
            score[i] = 0.0
            if not learns:
                s.rows = 0
            continue
        interval = (time_ns[i] - before_ns) / NS_PER_S
        longest = interval
        if s.rows > SETTLE:
            longest = 3.0 * usual
            if interval > GAP * usual > 0.0:  # forget as if the value had stood there: it is no step
                s.mean += (1.0 - (1.0 - ALPHA) ** (interval / usual)) * (x - s.mean)
        s.interval_s = usual + max(0.01, 1.0 / s.rows) * (min(interval, longest) - usual)
        s.time_ns = time_ns[i]
        off = x - s.mean
        deviation = math.sqrt(s.variance) + abs(s.mean) * 1e-9 + 1e-300
        score[i] = 0.0
        if s.rows > WARM_UP:
            score[i], part[i] = _tail_score(abs(off) / deviation), 0
            expected[i], spread[i] = s.mean, deviation
        weight = max(ALPHA, 1.0 / s.rows)
        s.mean += weight * off
        s.variance = (1.0 - weight) * (s.variance + weight * off * off)
        if not learns:
            s.rows, s.mean, s.variance, s.interval_s = rows, mean, variance, usual
            if learn[i] == FORGET:
                s.time_ns = before_ns


class EwmaDetector:
    """Causal score of many series by an exponentially weighted mean and variance, half-life 100 rows.

    Score: 0..12, -log10 of the probability that normal noise lies as far from the mean, on either side: the same
    meaning as that of `EnsembleDetector`, so thresholds mean the same, as long as noise is normal (5 is 4.4 standard
    deviations, 12 is 7.1 and more). NaN for a value that is not finite, which changes nothing; 0 for the first 100 rows
    of a series. Scored before learned. After a gap of ten usual intervals the mean has forgotten as if the new value
    had stood there.

    Good at: spikes and jumps of steady series with light tails. Bad at: all that `EnsembleDetector` is there for: heavy
    tails and bursts (false alarms), faults longer than a half-life (they become the new normal and widen it), slow
    drifts, a value that moves again after it stood still.

    Cost: O(1), about 0.01 us a row; 32 bytes for each id. The same rows in any split give the same bits.

    Source: Finch, "Incremental calculation of weighted mean and variance" (2009); plain mean and variance of all rows
    until they are as many as 1/alpha.

    capacity: ids of series are 0..capacity - 1; see `grow`.

    >>> detector = EwmaDetector(capacity=1)
    >>> value = np.random.default_rng(7).normal(20.0, 0.1, 2000)
    >>> value[1500] += 1.0  # ten sigma
    >>> score = detector.score_many(np.zeros(2000, np.int32), np.arange(2000) * 1_000_000_000, value).score
    >>> int(score.argmax()), float(score[1500]), bool(score[:1500].max() < 5.0)
    (1500, 12.0, True)
    """

    PARTS: tuple[str, ...] = ("mean",)

    def __init__(self, capacity: int) -> None:
        self._states = np.zeros(capacity, STATE)
        self._count = capacity

    @property
    def nbytes(self) -> int:
        """Memory of the state, bytes; bounded by the number of series."""
        return self._states.nbytes

    def grow(self, capacity: int) -> None:
        """Make room for ids up to capacity - 1; never shrinks. Doubles, so that n calls cost n copies in all."""
        if capacity > len(self._states):
            states = np.zeros(max(capacity, 2 * len(self._states)), STATE)
            states[: self._count] = self._states[: self._count]
            self._states = states
        self._count = max(self._count, capacity)

    def score_many(self, series: I32, time_ns: I64, value: F64, learn: U8 | None = None) -> Scored:
        """As `contract.PausingDetector.score_many`."""
        scored = Scored.empty(len(value))
        self.score_some(series, time_ns, value, np.ones(len(value), np.uint8), 1, scored, learn)
        return scored

    def score_some(
        self, series: I32, time_ns: I64, value: F64, by: U8, mine: int, scored: Scored, learn: U8 | None = None
    ) -> None:
        """Write what is said of the rows where by == mine (uint8[n]) into scored; else as `score_many`."""
        check_rows(series, time_ns, value, self._count, learn)
        if not len(by) == len(scored) == len(value):
            raise ValueError(f"lengths differ: value {len(value)}, by {len(by)}, scored {len(scored)}")
        score_rows(
            series, time_ns, value, by, mine, ALL if learn is None else learn, self._states, scored.score, scored.part,
            scored.expected, scored.spread,
        )  # fmt: skip

    def snapshot(self) -> Snapshot:
        """Everything the detector knows, as plain data."""
        return LAYOUT, self._states[: self._count].tobytes()

    def restore(self, snapshot: Snapshot) -> None:
        """Know what `snapshot` knew, and nothing else; capacity becomes at least its own.

        Raises: ValueError on another layout or torn data.
        """
        layout, states = snapshot
        if layout != LAYOUT or len(states) % STATE.itemsize:
            here = f"layout {LAYOUT} of {STATE.itemsize} bytes a series"
            raise ValueError(f"restore: found layout {layout} and {len(states)} bytes, this is {here}")
        capacity = self._count
        self._states = np.frombuffer(states, STATE).copy()
        self._count = len(self._states)
        self.grow(capacity)
