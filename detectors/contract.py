"""What every detector of single series has in common: what it is given, what it says, what it keeps.

A detector scores each row before it learns from it, in the order given and from nothing but earlier rows of the same
series; the same rows in any split give the same bits; its memory is bounded by the number of series. tests/
detector_checks.py holds every detector to it. detectors/river_faces.py turns one into a detector of river, and back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from andon.readings import F64, I32, I64, U8

NO_PART: Final = 255  # no component says anything about a row
# What becomes of a row once it is scored: learned; forgotten, as if it had not come; forgotten, but its time has
# passed, so that no gap follows.
FORGET, LEARN, HOLD = 0, 1, 2
ALL: Final = np.empty(0, np.uint8)  # for kernels: every row is learned


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What a detector says of n rows.

    score    : float64[n], -log10 of how often a row of this series is so unusual, >= 0; NaN for a value that is not
               finite, which changes nothing.
    part     : uint8[n], the component that says most, as a place in `Detector.PARTS`; NO_PART where none says anything.
    expected : float64[n], the value that component calls normal there, in the value's unit; NaN where it calls none so.
    spread   : float64[n], how far values usually lie from it, in the value's unit; else NaN.
    """

    score: F64
    part: U8
    expected: F64
    spread: F64

    @classmethod
    def empty(cls, n: int) -> Scored:
        """Columns for n rows about which nothing is said yet."""
        return cls(np.full(n, np.nan), np.full(n, NO_PART, np.uint8), np.full(n, np.nan), np.full(n, np.nan))

    def __len__(self) -> int:
        return len(self.score)

    def rows(self, which: slice) -> Scored:
        """A stretch; views."""
        return Scored(self.score[which], self.part[which], self.expected[which], self.spread[which])

    def put(self, at: NDArray[np.intp], other: Scored) -> None:
        """Say what another says, at these rows."""
        self.score[at], self.part[at] = other.score, other.part
        self.expected[at], self.spread[at] = other.expected, other.spread


class Detector(Protocol):
    """Scores rows of many series. Ids of series are 0..capacity - 1; see `grow`."""

    PARTS: tuple[str, ...]  # names of the components, at most 255: codes, not sentences

    @property
    def nbytes(self) -> int:
        """Memory of the state, bytes."""

    def grow(self, capacity: int) -> None:
        """Make room for ids up to capacity - 1; never shrinks."""

    def score_many(self, series: I32, time_ns: I64, value: F64) -> Scored:
        """Score, then learn, each row.

        series: int32[n], ids; time_ns: int64[n], not falling within a series; value: float64[n]. None is changed.

        Raises: ValueError where lengths differ or an id is outside 0..capacity - 1.
        """

    def snapshot(self) -> tuple[Any, ...]:
        """Everything the detector knows, as plain integers and bytes; the layout's version comes first."""

    def restore(self, snapshot: Any) -> None:
        """Know what `snapshot` knew, and nothing else; capacity becomes at least its own.

        Raises: ValueError on another layout or torn data.
        """


class PausingDetector(Detector, Protocol):
    """A detector that can be told of each row whether to learn it."""

    def score_many(self, series: I32, time_ns: I64, value: F64, learn: U8 | None = None) -> Scored:
        """As `Detector.score_many`. learn: uint8[n] of FORGET, LEARN and HOLD; None: every row is learned."""


def check_rows(series: I32, time_ns: I64, value: F64, count: int, learn: U8 | None = None) -> None:
    """ValueError unless the columns are of one length and every id is in 0..count - 1."""
    if learn is not None and len(learn) != len(value):
        raise ValueError(f"lengths differ: value {len(value)}, learn {len(learn)}")
    if not len(series) == len(time_ns) == len(value):
        raise ValueError(f"lengths differ: series {len(series)}, time_ns {len(time_ns)}, value {len(value)}")
    if len(series) and int(series.view(np.uint32).max()) >= count:  # a negative id is a huge one there
        raise ValueError(f"series {series.min()}..{series.max()}, allowed 0..{count - 1}; call grow first")
