"""Oscillations of single series: the power of each frequency in a window of rows against what it usually is there.

numba notices edits of this file, not of calibration.py: after an edit there, touch this one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from andon.readings import F64, I32, I64, NS_PER_S, U8
from detectors.calibration import EXCESS_AT_ONE, EXCESS_LIMIT, learn_tail, tail_score
from detectors.contract import NO_PART, Scored, check_rows
from detectors.slots import Slots

LAYOUT = 1
WINDOW, HOP = 64, 32  # rows of a window, and from one window to the next
BINS = WINDOW // 2 - 1  # frequencies: 1..BINS periods a window
MEANS = (1, 2, 3, 4)  # windows, every second one, whose powers are added: the more, the weaker an oscillation may be
KEPT = 2 * (MEANS[-1] - 1)  # windows before the newest that the sums need
LEARN = 32  # windows before anything is scored
MEMORY = 128.0  # a new window counts for 1/MEMORY of what is usual, for 1/n until n windows make that less
INDEPENDENT = 0.8  # windows overlap: n of them say as much as 0.8 n that do not
CAP = 12.0  # of a window that teaches, a power counts for at most so many usual ones
SAYS = 1.0  # a window says something from this -log10 of its own probability on
TEACHES = 3.0  # a window teaches below it; every fourth teaches in any case, so that what stays becomes usual
GAP, SETTLE = 10.0, 20  # so many usual intervals without a row begin a new window; known after so many rows
SCORE_MOST = 20.0
USABLE = 1e150  # a value further from 0 has no square
Q_RATE = 0.02  # slowest step of the logarithm of the score that one window in ten exceeds
PARTS = ("period_64", "period_32", "period_13", "period_6")  # the longest period of each, rows
PERIODS = (1, 2, 5, 11)  # least periods a window of each
STATE = np.dtype([
    ("ring", "f8", WINDOW), ("usual", "f8", BINS), ("past", "f8", (KEPT, BINS)), ("time_ns", "i8"),
    ("interval_s", "f8"), ("rows", "i8"), ("windows", "i8"), ("held", "i8"), ("since", "i8"), ("odd", "i8"),
    ("tail_q", "f8"), ("tail_excess", "f8"), ("tail_run", "f8"),
])  # fmt: skip
Snapshot = tuple[int, bytes, bytes]
_jit = njit(nogil=True, cache=True, error_model="numpy")
_ROW = np.arange(WINDOW)
HANN = 0.5 - 0.5 * np.cos(2.0 * np.pi * _ROW / WINDOW)
TURN = 2.0 * np.pi * _ROW[None, :] * np.arange(1, BINS + 1)[:, None] / WINDOW
COSINE, SINE = np.cos(TURN), np.sin(TURN)
RISE = _ROW - (WINDOW - 1) / 2.0


@_jit
def _powers(value: F64, power: F64) -> tuple[float, float]:
    """(mean, variance about the straight line) of float64[WINDOW]; writes the power of each frequency."""
    mean = 0.0
    for one in value:
        mean += one / WINDOW
    slope, square = 0.0, 0.0
    for at in range(WINDOW):
        slope += RISE[at] * (value[at] - mean)
        square += RISE[at] * RISE[at]
    slope /= square
    left, variance = np.empty(WINDOW), 0.0
    for at in range(WINDOW):
        off = value[at] - mean - slope * RISE[at]
        variance += off * off / WINDOW
        left[at] = HANN[at] * off
    for k in range(BINS):
        real, imaginary = 0.0, 0.0
        for at in range(WINDOW):
            real += COSINE[k, at] * left[at]
            imaginary += SINE[k, at] * left[at]
        power[k] = real * real + imaginary * imaginary
    return mean, variance


@_jit
def _tail(ratio: float, windows: int, learned: float) -> float:
    """-log10 of how often the sum of so many powers exceeds `ratio` usual ones.

    A power of Gaussian noise is exponential: the sum of k over the mean of m follows an F distribution, whose tail is
    that of a negative binomial count: the sum over j < k of C(m + j - 1, j) x**j (1 + x)**-(m + j), x = ratio / m.
    """
    x = ratio / learned
    term, whole = 1.0, 1.0
    for j in range(1, windows):
        term *= (learned + j - 1.0) / j * x / (1.0 + x)
        whole += term
    return (learned * math.log1p(x) - math.log(whole)) / math.log(10.0)


@_jit
def _judge(past: F64, held: int, power: F64, usual: F64, learned: float) -> tuple[float, int]:
    """(-log10 of how often any sum at any frequency is so great, the frequency's place)."""
    best, place, tried = 0.0, 0, 0
    for windows in MEANS:
        if 2 * (windows - 1) > held:
            break
        tried += 1
        for k in range(BINS):
            whole = power[k]
            for back in range(1, windows):
                whole += past[2 * back - 1, k]
            score = _tail(whole / usual[k], windows, learned)
            if score > best:
                best, place = score, k
    return best - math.log10(float(BINS * tried)), place


@_jit
def _learn(usual: F64, power: F64, windows: int) -> None:
    """One window more. After the first few a power counts for at most CAP usual ones."""
    weight = max(1.0 / MEMORY, 1.0 / (windows + 1.0))
    for k in range(BINS):
        one = power[k] if windows < 4 else min(power[k], CAP * usual[k])
        usual[k] += weight * (one - usual[k])


@_jit
def _calibrated(s: Any, raw: float) -> float:
    """The score by what this series' windows usually have, at most what Gaussian noise would say; then learns it."""
    if s.windows == LEARN:
        s.tail_q, s.tail_excess = 0.0, EXCESS_AT_ONE  # of Gaussian noise: one window in ten exceeds 1
    log_z, seen = math.log(max(raw, 1e-3)), float(s.windows - LEARN)
    score = min(raw, tail_score(log_z, s.tail_q, s.tail_excess))
    rate = max(Q_RATE, 2.0 / (seen + 10.0))
    s.tail_q, s.tail_excess, s.tail_run = learn_tail(
        log_z, s.tail_q, s.tail_excess, s.tail_run, seen, rate, EXCESS_LIMIT
    )
    return score


@_jit
def _component(periods: int) -> int:
    """The component of so many periods a window."""
    part = 0
    for number in range(1, len(PERIODS)):
        if periods >= PERIODS[number]:
            part = number
    return part


@_jit
def _spread(usual: F64) -> float:
    """Standard deviation that the usual powers make; by Parseval, 0.375 being the mean square of HANN."""
    whole = 0.0
    for one in usual:
        whole += one
    return math.sqrt(2.0 * whole / 0.375) / WINDOW


@_jit
def _window(s: Any, power: F64) -> tuple[float, int, float, float]:
    """Judge the window in the ring, then learn from it: (score, component, mean, usual spread), score 0 for nothing."""
    mean, variance = _powers(s.ring, power)
    least = (abs(mean) * 1e-9) ** 2 + 1e-300  # what rounding gives
    score, raw, part, spread = 0.0, 0.0, NO_PART, np.nan
    if s.windows >= LEARN and variance > least:
        raw, place = _judge(s.past, s.held, power, s.usual, INDEPENDENT * min(float(s.windows), 2.0 * MEMORY))
        said = _calibrated(s, raw)
        if said >= SAYS:
            score = min(SCORE_MOST, said + math.log10(float(HOP)))  # of rows one in HOP ends a window
            part, spread = _component(place + 1), _spread(s.usual)
    for back in range(KEPT - 1, 0, -1):
        s.past[back] = s.past[back - 1]
    s.past[0] = power
    s.held = min(s.held + 1, KEPT)
    s.odd = s.odd + 1 if raw >= TEACHES else 0
    if s.odd % 4 == 0:
        for k in range(BINS):
            power[k] = max(power[k], least * WINDOW)
        _learn(s.usual, power, s.windows)
        s.windows += 1
    return score, part, mean, spread


@_jit
def score_rows(
    slot: I32, time_ns: I64, value: F64, states: NDArray[np.void], score: F64, part: U8, expected: F64, spread: F64
) -> None:
    """Score, then learn, each row; slot: int32[n], places in states. The caller checks them and lengths."""
    power = np.empty(BINS)
    ordered = np.empty(WINDOW)
    for i in range(len(value)):
        if not abs(value[i]) <= USABLE:  # NaN and infinities too
            continue
        s = states[slot[i]]
        interval = (time_ns[i] - s.time_ns) / NS_PER_S
        if s.rows > 0:
            if s.rows > SETTLE and interval > GAP * s.interval_s > 0.0:
                s.since, s.held = 0, 0  # what is before the gap and what is behind it are no one oscillation
            usual = interval if s.rows <= SETTLE else min(interval, 3.0 * s.interval_s)
            s.interval_s += max(0.01, 1.0 / s.rows) * (usual - s.interval_s)
        s.time_ns = time_ns[i]
        s.rows += 1
        s.ring[s.since % WINDOW] = value[i]
        s.since += 1
        score[i] = 0.0
        if s.since < WINDOW or s.since % HOP:
            continue
        begin = s.since % WINDOW
        for at in range(WINDOW):
            ordered[at] = s.ring[(begin + at) % WINDOW]
        for at in range(WINDOW):
            s.ring[at] = ordered[at]
        s.since = WINDOW
        score[i], part[i], mean, scatter = _window(s, power)
        if part[i] != NO_PART:
            expected[i], spread[i] = mean, scatter


class SpectralDetector:
    """Causal score of many series by the power of each frequency: oscillations far below what a row shows.

    Every 32 rows the last 64, less their straight line and under a Hann window, are taken apart into 31 frequencies.
    The power at each, and its sum over two, three and four windows that do not overlap, is judged against what it
    usually is there, by the F distribution that Gaussian noise of any autocorrelation has; the least of these
    probabilities counts, corrected for how many were asked. What a series does more often is its calibration's.

    Score: 0..20, -log10 of how often a row of this series ends a window so unusual; 0 for rows within a window, for
    windows that one in ten exceeds, for the first 32 windows (1,055 rows) and for a series that does not move. NaN for
    a value that is not finite, which changes nothing. Scored before learned. Rows count as equally far apart; a gap of
    ten usual intervals begins a new window. A window beyond a score of 3 teaches only if it is the fourth in a row.

    Good at: oscillations and hunting control loops whose amplitude is that of the noise; noise that grows or changes
    its colour. Bad at: anything that has to be told at once, and drifts slower than a window.

    Cost: about 0.2 us a row; 2.4 kB for each series that has had a value. The same rows in any split give the same
    bits.

    Source: Welch, "The use of fast Fourier transform for the estimation of power spectra", IEEE Trans. Audio
    Electroacoust. 15 (1967), for windowed, overlapping powers; sums, tails and calibration are our own.

    capacity: ids of series are 0..capacity - 1; see `grow`.

    >>> detector = SpectralDetector(capacity=1)
    >>> value = np.random.default_rng(7).normal(20.0, 0.1, 4000)
    >>> value[3000:] += 0.1 * np.sin(np.arange(1000) / 2.0)  # of one sigma; a period of 12.6 rows
    >>> said = detector.score_many(np.zeros(4000, np.int32), np.arange(4000) * 1_000_000_000, value)
    >>> bool(said.score[:3000].max() < 5.0), bool(said.score[3000:3300].max() > 8.0)
    (True, True)
    >>> SpectralDetector.PARTS[said.part[said.score.argmax()]]
    'period_13'
    """

    PARTS: tuple[str, ...] = PARTS
    TELLS_WITHIN = HOP  # rows

    def __init__(self, capacity: int) -> None:
        self._slots = Slots(capacity)
        self._states = np.zeros(0, STATE)

    @property
    def nbytes(self) -> int:
        """Memory of the state, bytes; bounded by the number of series."""
        return self._states.nbytes + self._slots.of.nbytes

    def grow(self, capacity: int) -> None:
        """Make room for ids up to capacity - 1; never shrinks."""
        self._slots.grow(capacity)

    def score_many(self, series: I32, time_ns: I64, value: F64) -> Scored:
        """As `contract.Detector.score_many`."""
        check_rows(series, time_ns, value, len(self._slots.of))
        scored = Scored.empty(len(value))
        self._slots.assign(series[np.abs(value) <= USABLE])
        self._states = self._slots.room(self._states)
        score_rows(
            self._slots.of[series], time_ns, value, self._states, scored.score, scored.part, scored.expected,
            scored.spread,
        )  # fmt: skip
        return scored

    def snapshot(self) -> Snapshot:
        """Everything the detector knows, as plain data."""
        return LAYOUT, self._slots.of.tobytes(), self._states[: self._slots.used].tobytes()

    def restore(self, snapshot: Snapshot) -> None:
        """Know what `snapshot` knew, and nothing else; capacity becomes at least its own.

        Raises: ValueError on another layout or torn data.
        """
        layout, slots, states = snapshot
        used, torn = divmod(len(states), STATE.itemsize)
        if layout != LAYOUT or torn or len(slots) % 4:
            here = f"layout {LAYOUT} of {STATE.itemsize} bytes a series"
            raise ValueError(f"restore: found layout {layout} and {len(states)} bytes, this is {here}")
        self._slots.restore(np.frombuffer(slots, np.int32), used)
        self._states = np.frombuffer(states, STATE).copy()
