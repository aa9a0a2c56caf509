"""The detector that every series marked `detect` gets: one frozen configuration, no tuning for a series."""

from __future__ import annotations

import numpy as np

from andon.readings import F64, I32, I64
from detectors.contract import Scored, check_rows
from detectors.robust_kernel import LAYOUT, STATE, STREAMS, WIDTH, score_rows

DEFAULT_THRESHOLD = 5.0  # for a rule; with an off delay of an hour or twelve intervals, whichever is longer

Snapshot = tuple[int, bytes, bytes]  # layout, slot of each series as int32, states


class RobustDetector:
    """Causal anomaly score of many series, from one pass, with one setting for all of them.

    Eight nonconformities of each value (distance from four memories of about 10, 70, 400 and 4,000 rows, step, shift of
    the short memories against the long one, noise) are each turned into -log10 of a tail probability learned
    from the series itself, combined, and the combination calibrated once more.

    Score: 0..12, high is unusual; about -log10 of how often a row of this series is so unusual, so that a threshold is
    a false-alarm rate: at 5 one row in 100,000 of stationary data. NaN for a value that is not finite, which changes
    nothing; 0 for the first 200 moves of a series and for one that never moves. Scored before learned.

    Good at: spikes, jumps, level shifts and drifts against the history of the series, rising noise; it keeps seeing a
    fault of some hundred rows, since a block of rows with many high scores is not learned from (four blocks of 256,
    then it is taken as the new normal). Bad at: shapes and missing cycles within the usual range; falling noise (a
    stuck sensor has its own rule); seasons not seen yet, and a load cycle longer than some hundred rows, which raise
    scores the first few times; sparse counts (mostly one value) and random walks. Times enter only to find gaps.

    Cost: O(1), about 0.25 us a row; 648 bytes for each series that has had a value. The same rows in any split give the
    same bits.

    Source: peaks over threshold after Siffer et al., "Anomaly Detection in Streams with Extreme Value Theory" (KDD
    2017), with the tail of calibration.py; combination and blocks (robust_kernel.py) are our own.
    Figures: docs/figures/anomaly-score.md.

    capacity: ids of series are 0..capacity - 1; see `grow`.

    >>> detector = RobustDetector(capacity=1)
    >>> rng = np.random.default_rng(7)
    >>> value = rng.normal(20.0, 0.1, 2000)
    >>> value[1500] += 1.0  # ten sigma
    >>> score = detector.score_many(np.zeros(2000, np.int32), np.arange(2000) * 1_000_000_000, value).score
    >>> int(score.argmax()), bool(score[1500] > DEFAULT_THRESHOLD), bool(score[:1500].max() < DEFAULT_THRESHOLD)
    (1500, True, True)
    """

    PARTS: tuple[str, ...] = STREAMS

    def __init__(self, capacity: int) -> None:
        self._slot_of = np.full(capacity, -1, np.int32)
        self._state = np.zeros((0, WIDTH))
        self._used = 0

    @property
    def nbytes(self) -> int:
        """Memory of the state, bytes; bounded by the number of series."""
        return self._state.nbytes + self._slot_of.nbytes

    def grow(self, capacity: int) -> None:
        """Make room for ids up to capacity - 1; never shrinks."""
        more = capacity - len(self._slot_of)
        if more > 0:
            self._slot_of = np.append(self._slot_of, np.full(more, -1, np.int32))

    def score_many(self, series: I32, time_ns: I64, value: F64) -> Scored:
        """As `contract.Detector.score_many`."""
        check_rows(series, time_ns, value, len(self._slot_of))
        scored = Scored.empty(len(value))
        if len(value):
            self._assign(series)
            score_rows(
                series, time_ns, value, self._slot_of, self._state, np.empty(len(self.PARTS)), scored.score,
                scored.part, scored.expected, scored.spread,
            )  # fmt: skip
        return scored

    def snapshot(self) -> Snapshot:
        """Everything the detector knows, as plain data."""
        return LAYOUT, self._slot_of.tobytes(), self._state[: self._used].tobytes()

    def restore(self, snapshot: Snapshot) -> None:
        """Know what `snapshot` knew, and nothing else; capacity becomes at least its own.

        Raises: ValueError on another layout or torn data.
        """
        layout, slots, states = snapshot
        if layout != LAYOUT or len(states) % STATE.itemsize:
            here = f"layout {LAYOUT} of {STATE.itemsize} bytes a series"
            raise ValueError(f"restore: found layout {layout} and {len(states)} bytes, this is {here}")
        capacity = len(self._slot_of)
        self._slot_of = np.frombuffer(slots, np.int32).copy()
        self._state = np.frombuffer(states, np.float64).reshape(-1, WIDTH).copy()
        self._used = len(self._state)
        self.grow(capacity)

    def _assign(self, series: I32) -> None:
        """Give series seen for the first time a row of state, in the order of the log, so that a split is no matter."""
        new = series[self._slot_of[series] < 0]
        if len(new) == 0:
            return
        ids, first = np.unique(new, return_index=True)
        self._slot_of[ids[np.argsort(first)]] = np.arange(self._used, self._used + len(ids), dtype=np.int32)
        self._used += len(ids)
        if self._used > len(self._state):
            state = np.zeros((max(self._used, 2 * len(self._state)), WIDTH))
            state[: len(self._state)] = self._state
            self._state = state
