"""The default detector of single series: fourteen simple components, one frozen configuration for every series."""

from __future__ import annotations

import numpy as np

from andon.readings import F64, I32, I64, U8
from detectors.contract import ALL, Scored, check_rows
from detectors.ensemble_kernel import score_rows
from detectors.ensemble_state import LAYOUT, PARTS, SHAPES, SHAPES_WIDTH, STATE, WIDTH

Snapshot = tuple[int, bytes, bytes, bytes]  # layout, slot of each series as int32, states, shapes


class EnsembleDetector:
    """Causal anomaly score of many series, from one pass, with one setting for all of them.

    Fourteen nonconformities of each value (see PARTS) are each turned into -log10 of a tail probability learned from
    the series itself, combined with equal weights, and the combination calibrated once more.

    Score: 0..30, high is unusual; about -log10 of how often a row of this series is so unusual: on noise one row in
    1,500 reaches 4 (docs/detection.md). Beyond 6 it is an extrapolation that puts the unusual in order. NaN for a value
    that is not finite or beyond 1e30, which changes nothing; 0 for the first 200 moves of a series and for one that
    never moves. Scored before learned. `AlarmManager` turns scores into alarms.

    Good at: spikes, jumps, shifts and drifts against the history of the series; values and shapes never seen; noise
    that rises or falls; a standstill longer than any before; the wrong value for the time of day, once some days have
    shown that there is a daily cycle. A block of rows with many high scores is not learned from, four blocks of
    256 in a row at most, then it is the new normal. Bad at: machines switched on and off daily (what is smaller than
    the edges hides behind them), weekly cycles (no part for them), sparse counts (mostly one value), random walks, and
    a load cycle longer than some hundred rows, which raises scores the first few times.

    Cost: O(1), below 1 us a row; about 3.8 kB for each series that has had a value. The same rows in any split give the
    same bits.

    Source: peaks over threshold after Siffer et al., "Anomaly Detection in Streams with Extreme Value Theory" (KDD
    2017), with the tail of calibration.py; shapes.py and season.py name theirs; the combination is our own.

    capacity: ids of series are 0..capacity - 1; see `grow`.

    >>> detector = EnsembleDetector(capacity=1)
    >>> value = np.random.default_rng(7).normal(20.0, 0.1, 2000)
    >>> value[1500] += 1.0  # ten sigma
    >>> said = detector.score_many(np.zeros(2000, np.int32), np.arange(2000) * 1_000_000_000, value)
    >>> int(said.score.argmax()), bool(said.score[1500] > 6.0), detector.PARTS[said.part[1500]]
    (1500, True, 'range')
    """

    PARTS: tuple[str, ...] = PARTS

    def __init__(self, capacity: int) -> None:
        self._slot_of = np.full(capacity, -1, np.int32)
        self._state = np.zeros((0, WIDTH))
        self._shapes = np.zeros((0, SHAPES_WIDTH), np.float32)
        self._used = 0

    @property
    def nbytes(self) -> int:
        """Memory of the state, bytes; bounded by the number of series."""
        return self._state.nbytes + self._shapes.nbytes + self._slot_of.nbytes

    def grow(self, capacity: int) -> None:
        """Make room for ids up to capacity - 1; never shrinks."""
        more = capacity - len(self._slot_of)
        if more > 0:
            self._slot_of = np.append(self._slot_of, np.full(more, -1, np.int32))

    def score_many(self, series: I32, time_ns: I64, value: F64, learn: U8 | None = None) -> Scored:
        """What is said of each row; the row is learned after it.

        series: int32[n], ids; time_ns: int64[n], not falling within a series; value: float64[n]; learn: uint8[n] of
        the contract's FORGET, LEARN, HOLD, None: every row is learned. None is changed.

        Raises: ValueError where lengths differ or an id is outside 0..capacity - 1.
        """
        check_rows(series, time_ns, value, len(self._slot_of), learn)
        said = Scored.empty(len(value))
        if len(value):
            self._assign(series)
            score_rows(
                self._slot_of[series], self._used, time_ns, value, ALL if learn is None else learn, self._state,
                self._shapes, said.score, said.part, said.expected, said.spread,
            )  # fmt: skip
        return said

    def snapshot(self) -> Snapshot:
        """Everything the detector knows, as plain data."""
        used = self._used
        return LAYOUT, self._slot_of.tobytes(), self._state[:used].tobytes(), self._shapes[:used].tobytes()

    def restore(self, snapshot: Snapshot) -> None:
        """Know what `snapshot` knew, and nothing else; capacity becomes at least its own.

        Raises: ValueError on another layout or torn data.
        """
        layout, slots, states, shapes = snapshot
        used, torn = divmod(len(states), STATE.itemsize)
        if layout != LAYOUT or torn or len(shapes) != used * SHAPES.itemsize or len(slots) % 4:
            found = f"layout {layout}, {len(states)} and {len(shapes)} bytes of states and shapes"
            here = f"layout {LAYOUT} of {STATE.itemsize} and {SHAPES.itemsize} bytes a series"
            raise ValueError(f"restore: found {found}, this is {here}")
        capacity = len(self._slot_of)
        self._slot_of = np.frombuffer(slots, np.int32).copy()
        self._state = np.frombuffer(states, np.float64).reshape(-1, WIDTH).copy()
        self._shapes = np.frombuffer(shapes, np.float32).reshape(-1, SHAPES_WIDTH).copy()
        self._used = used
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
            room = max(self._used, 2 * len(self._state))
            state, shapes = np.zeros((room, WIDTH)), np.zeros((room, SHAPES_WIDTH), np.float32)
            state[: len(self._state)], shapes[: len(self._shapes)] = self._state, self._shapes
            self._state, self._shapes = state, shapes
