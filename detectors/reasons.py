"""Why a series is unusual: of the run of high scores that lasts, the row that says most, and since when it lasts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from andon.readings import F64, I32, I64, U8
from detectors.contract import NO_PART, Scored

LAYOUT = 1
FLOOR = 2.0  # a run lasts while no row of the series scores less: one row in a hundred is so unusual
RUN = np.dtype([
    ("score", "f8"), ("value", "f8"), ("expected", "f8"), ("spread", "f8"), ("since_ns", "i8"), ("at_ns", "i8"),
    ("part", "u1"),
])  # fmt: skip
Snapshot = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class Deviation:
    """The row of a run that says most.

    part     : the component that says so, as a place in the detector's PARTS.
    value    : what was read, at at_ns; expected, spread: what that component calls normal (`contract.Scored`), None
               where it names no value.
    since_ns : event time of the run's first row.
    """

    part: int
    value: float
    expected: float | None
    spread: float | None
    at_ns: int
    since_ns: int


@njit(nogil=True, cache=True, error_model="numpy")
def note_rows(
    series: I32, time_ns: I64, value: F64, score: F64, part: U8, expected: F64, spread: F64, runs: NDArray[np.void]
) -> None:
    """Runs after these rows; a run whose score is 0 has ended. Rows without a score say nothing."""
    for i in range(len(value)):
        if not score[i] >= 0.0:
            continue
        r = runs[series[i]]
        if score[i] < FLOOR:
            r.score = min(r.score, 0.0)
            continue
        if r.score == 0.0:
            r.since_ns = time_ns[i]
        if score[i] > r.score:
            r.score, r.value, r.expected, r.spread = score[i], value[i], expected[i], spread[i]
            r.at_ns, r.part = time_ns[i], part[i]


class Reasons:
    """The running runs of many series: 49 bytes and about 3 ns a row. capacity: ids are 0..capacity - 1; see `grow`.

    >>> reasons = Reasons(1)
    >>> scored = Scored(*(np.array(column) for column in ([0.5, 3.0, 6.0, 4.0], [0, 0, 1, 0], [20.0] * 4, [0.1] * 4)))
    >>> rows = np.zeros(4, np.int32), np.arange(4), np.array([20.0, 20.4, 21.0, 20.5])
    >>> reasons.as_of(0, *rows[1:], scored, [0, 1, 2])
    Deviation(part=1, value=21.0, expected=20.0, spread=0.1, at_ns=2, since_ns=1)
    >>> reasons.as_of(0, *rows[1:], scored, [0]) is None
    True
    """

    def __init__(self, capacity: int) -> None:
        self._runs = np.zeros(capacity, RUN)

    @property
    def nbytes(self) -> int:
        """Memory of the state, bytes; bounded by the number of series."""
        return self._runs.nbytes

    def grow(self, capacity: int) -> None:
        """Make room for ids up to capacity - 1; never shrinks."""
        if capacity > len(self._runs):
            self._runs = np.append(self._runs, np.zeros(capacity - len(self._runs), RUN))

    def note(self, series: I32, time_ns: I64, value: F64, scored: Scored) -> None:
        """Take rows in order; ids are the caller's to check. series int32[n], time_ns int64[n], value float64[n]."""
        note_rows(series, time_ns, value, scored.score, scored.part, scored.expected, scored.spread, self._runs)

    def as_of(
        self, series: int, time_ns: I64, value: F64, scored: Scored, rows: Sequence[int] | I64
    ) -> Deviation | None:
        """What `note` would know of a series after some more rows of it, of which it has not been told yet.

        rows: their places in the columns, ascending; none: as things stand. None: no run lasts, or none says why.
        """
        run = self._runs[series : series + 1].copy()
        at = np.asarray(rows, np.int64)
        note_rows(
            np.zeros(len(at), np.int32), time_ns[at], value[at], scored.score[at], scored.part[at].astype(np.uint8),
            scored.expected[at], scored.spread[at], run,
        )  # fmt: skip
        (found,) = run.tolist()
        score, read, expected, spread, since_ns, at_ns, part = found
        if score == 0.0 or part == NO_PART:
            return None
        return Deviation(part, read, _known(expected), _known(spread), at_ns, since_ns)

    def snapshot(self) -> Snapshot:
        """All running runs, as plain data."""
        return LAYOUT, self._runs.tobytes()

    def restore(self, snapshot: Snapshot) -> None:
        """Know what `snapshot` knew; capacity becomes at least its own. ValueError on another layout or torn data."""
        layout, runs = snapshot
        if layout != LAYOUT or len(runs) % RUN.itemsize:
            raise ValueError(f"restore: found layout {layout} and {len(runs)} bytes, this is layout {LAYOUT}")
        capacity = len(self._runs)
        self._runs = np.frombuffer(runs, RUN).copy()
        self.grow(capacity)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
