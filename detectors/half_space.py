"""Half-space trees for single series: how rarely the value, its step and its residual have been where they are now."""

from __future__ import annotations

import numpy as np
from numba import njit

from andon.readings import F64, I32, I64, NS_PER_S, U8
from detectors.contract import NO_PART, Scored, check_rows
from detectors.half_space_kernel import CENTRE, HEAD, MOVES, ROWS, SCALES, SPREAD, U16, USABLE, score_row, splits
from detectors.slots import Slots

LAYOUT = 1
TREES, HEIGHT = 16, 6
TEACHES = 500  # rows before anything is scored; windows of 250, as in the paper
RATE = 0.1  # of the mean that the residual is taken from
SETTLE = 20  # rows before a gap can be told
GAP = 10.0  # so many usual intervals without a row are a gap
PARTS = ("value", "step", "residual")
FEATURES = len(PARTS)
NODES = 2 ** (HEIGHT + 1) - 1
LAST, MEAN, TIME, INTERVAL = range(HEAD, HEAD + 4)  # more places of a head
WIDTH = HEAD + 4 + SCALES * FEATURES
MASSES = 2 * TREES * NODES
Snapshot = tuple[int, bytes, bytes, bytes]  # layout, slot of each series as int32, states, masses
FEATURE, THRESHOLD = splits(FEATURES, TREES, HEIGHT)
_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def _pass_time(s: F64, time_s: float, x: float) -> None:
    """Learn the usual interval; after a gap the value has stood there: it is no step and no residual."""
    if s[ROWS] == 0.0:
        s[LAST], s[MEAN], s[TIME] = x, x, time_s
        return
    interval, usual = time_s - s[TIME], s[INTERVAL]
    if s[ROWS] > SETTLE and interval > GAP * usual > 0.0:
        s[LAST] = s[MEAN] = x
    counts = min(interval, 3.0 * usual) if s[ROWS] > SETTLE else interval
    s[INTERVAL] += max(0.01, 1.0 / s[ROWS]) * (counts - usual)
    s[TIME] = time_s


@_jit
def score_rows(
    series: I32, time_ns: I64, value: F64, slot_of: I32, states: F64, masses: U16, feature: U8, threshold: F64,
    score: F64, part: U8, expected: F64, spread: F64,
) -> None:  # fmt: skip
    """All rows in order. Lengths, ids and slots are checked by the caller: there is no bounds check here."""
    x, u, blame = np.empty(FEATURES), np.empty(FEATURES), np.empty(FEATURES)
    before = np.empty((SPREAD + 1, FEATURES))
    for i in range(len(value)):
        if not abs(value[i]) <= USABLE:  # NaN and infinities too
            continue
        slot = slot_of[series[i]]
        s = states[slot]
        _pass_time(s, time_ns[i] / NS_PER_S, value[i])
        x[0], x[1], x[2] = value[i], value[i] - s[LAST], value[i] - s[MEAN]
        if x[1] != 0.0:
            s[MOVES] += 1.0
        scales = s[HEAD + 4 :].reshape(SCALES, FEATURES)
        before[:] = scales[: SPREAD + 1]
        score[i], said = score_row(x, s[:HEAD], scales, masses[slot], feature, threshold, TEACHES, u, blame)
        part[i] = said
        if said != NO_PART:  # a step is taken from the last value, a residual from the mean
            expected[i] = value[i] - x[said] + before[CENTRE, said]
            spread[i] = before[SPREAD, said]
        s[LAST] = value[i]
        s[MEAN] += RATE * (value[i] - s[MEAN])


class HalfSpaceDetector:
    """Causal score of many series by half-space trees over the value, its step and its distance from a short mean.

    16 trees of height 6, whose splits all series share, count how many rows of the last window of 250 fell into each of
    their cells; a row in a thin cell is unusual, and more so beyond all cells. The scale of the cells is learned from
    the series, robustly, and stays for a window.

    Score: 0..12, -log10 of how often the cells of a row of this series are so thin, by the tail of calibration.py; NaN
    for a value that is not finite, which changes nothing; 0 for the first 500 rows and for a series that hardly moves.
    Scored before learned. A window of which a fifth scores 3 and more does not become the reference, four times at
    most.

    Good at: values, steps and their combinations far from where rows have been of late, whatever the shape of what is
    usual. Bad at: telling rare from rarer, since of cells without rows one is as empty as the next; drifts, which a
    window of 250 rows follows; seasons. On recorded series the ensemble is far better (docs/detection.md).

    Cost: O(1), about 0.75 us a row; 8.4 kB for each series that has had a value. The same rows in any split
    give the same bits.

    Source: Tan, Ting and Liu, "Fast Anomaly Detection for Streaming Data", IJCAI 2011; scales, calibration and the
    refusal of windows are our own.

    capacity: ids of series are 0..capacity - 1; see `grow`.

    >>> detector = HalfSpaceDetector(capacity=1)
    >>> rng = np.random.default_rng(7)
    >>> value = rng.normal(20.0, 0.1, 3000)
    >>> value[2500] += 2.0  # twenty sigma
    >>> said = detector.score_many(np.zeros(3000, np.int32), np.arange(3000) * 1_000_000_000, value)
    >>> int(said.score.argmax()), bool(said.score[2500] > 3.0)
    (2500, True)
    """

    PARTS: tuple[str, ...] = PARTS

    def __init__(self, capacity: int) -> None:
        self._slots = Slots(capacity)
        self._states = np.zeros((0, WIDTH))
        self._masses = np.zeros((0, 2, TREES, NODES), np.uint16)

    @property
    def nbytes(self) -> int:
        """Memory of the state, bytes; bounded by the number of series."""
        return self._states.nbytes + self._masses.nbytes + self._slots.of.nbytes

    def grow(self, capacity: int) -> None:
        """Make room for ids up to capacity - 1; never shrinks."""
        self._slots.grow(capacity)

    def score_many(self, series: I32, time_ns: I64, value: F64) -> Scored:
        """As `contract.Detector.score_many`."""
        check_rows(series, time_ns, value, len(self._slots.of))
        scored = Scored.empty(len(value))
        self._slots.assign(series[np.abs(value) <= USABLE])
        self._states, self._masses = self._slots.room(self._states), self._slots.room(self._masses)
        score_rows(
            series, time_ns, value, self._slots.of, self._states, self._masses, FEATURE, THRESHOLD,
            scored.score, scored.part, scored.expected, scored.spread,
        )  # fmt: skip
        return scored

    def snapshot(self) -> Snapshot:
        """Everything the detector knows, as plain data."""
        used = self._slots.used
        return LAYOUT, self._slots.of.tobytes(), self._states[:used].tobytes(), self._masses[:used].tobytes()

    def restore(self, snapshot: Snapshot) -> None:
        """Know what `snapshot` knew, and nothing else; capacity becomes at least its own.

        Raises: ValueError on another layout or torn data.
        """
        layout, slots, states, masses = snapshot
        used, torn = divmod(len(states), 8 * WIDTH)
        if layout != LAYOUT or torn or len(masses) != used * 2 * MASSES or len(slots) % 4:
            found = f"layout {layout}, {len(states)} and {len(masses)} bytes of states and masses"
            here = f"layout {LAYOUT} of {8 * WIDTH} and {2 * MASSES} bytes a series"
            raise ValueError(f"restore: found {found}, this is {here}")
        self._slots.restore(np.frombuffer(slots, np.int32), used)
        self._states = np.frombuffer(states, np.float64).reshape(used, WIDTH).copy()
        self._masses = np.frombuffer(masses, np.uint16).reshape(used, 2, TREES, NODES).copy()
