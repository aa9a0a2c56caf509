"""Percentiles of declared windows: rows into sketches, sketches into the windows that closed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from andon.readings import F64, I64
from operators.sketches import Sketch, quantiles_of

STAGED = 256  # rows of a window that wait for its sketch


class Shape(NamedTuple):
    """Lengths of a hopping window, ns; cell_ns divides both others."""

    size_ns: int
    hop_ns: int
    cell_ns: int


@njit(nogil=True, cache=True, error_model="numpy")
def _stage(
    value: F64, bounds: I64, members: I64, closes: NDArray[np.bool_], staged: F64, used: I64, busy: NDArray[np.bool_]
) -> None:
    """Rows of each window that fit and close nothing into staged[k, used[k]:]; busy[k] for the others."""
    for k in range(busy.shape[0]):
        begin, end = bounds[members[k]], bounds[members[k] + 1]
        busy[k] = closes[k] or used[k] + end - begin > staged.shape[1]
        if not busy[k]:
            for i in range(begin, end):
                staged[k, used[k] + i - begin] = value[i]
            used[k] += end - begin


class Staging:
    """Rows on their way to the sketches of windows that follow one another, so that Python sees one fold in many.

    Only saves time: a sketch's state does not depend on how its rows were split. Hopping windows go without.
    """

    def __init__(self) -> None:
        self.spans: list[int] = []
        self._members: I64 = np.zeros(0, np.int64)
        self._staged: F64 = np.zeros((0, STAGED), np.float64)
        self._used: I64 = np.zeros(0, np.int64)

    def bind(self, member: int, span: int) -> None:
        """The next window with percentiles, and its member."""
        if len(self.spans) == len(self._members):
            more = max(16, len(self.spans))
            self._members = np.concatenate([self._members, np.zeros(more, np.int64)])
            self._staged = np.concatenate([self._staged, np.zeros((more, STAGED))])
            self._used = np.concatenate([self._used, np.zeros(more, np.int64)])
        self._members[len(self.spans)] = member
        self.spans.append(span)

    def take(self, value: F64, bounds: I64, closed: I64) -> list[tuple[int, F64]]:
        """Take the rows of a fold. closed: spans of which some window closed.

        Returns the spans that must be looked at now, each with what was staged; their rows of this fold are not.
        """
        busy = np.zeros(len(self.spans), np.bool_)
        _stage(value, bounds, self._members, np.isin(self.spans, closed), self._staged, self._used, busy)
        return [(self.spans[k], self._taken(k)) for k in np.flatnonzero(busy).tolist()]

    def drop(self, span: int) -> None:
        """Forget what is staged of a window that is computed otherwise."""
        if span in self.spans:
            self._used[self.spans.index(span)] = 0

    def all(self) -> list[tuple[int, F64]]:
        """Everything staged, by span."""
        return [(self.spans[k], self._taken(k)) for k in np.flatnonzero(self._used).tolist()]

    def _taken(self, k: int) -> F64:
        values: F64 = self._staged[k, : self._used[k]].copy()
        self._used[k] = 0
        return values


def plain_percentiles(
    ranks: Sequence[float], sketches: dict[int, Sketch], ends: list[int], time_ns: I64, value: F64
) -> list[list[float]]:
    """Windows that follow one another: rows before the end of one belong to it, the rest to the open one."""
    told, begin = [], 0
    sketch = sketches.get(0) or Sketch()
    for end_ns in ends:
        stop = int(np.searchsorted(time_ns, end_ns))
        sketch.add(value[begin:stop])
        told.append(sketch.quantiles(ranks))
        sketch, begin = Sketch(), max(stop, begin)
    sketch.add(value[begin:])
    sketches[0] = sketch
    return told


def hopping_percentiles(
    ranks: Sequence[float],
    sketches: dict[int, Sketch],
    ends: list[int],
    time_ns: I64,
    value: F64,
    shape: Shape,
) -> list[list[float]]:
    """Cells, merged for each window that closed; a cell goes when no later window has it."""
    number = time_ns // shape.cell_ns
    edges = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(number)] if len(number) else []
    for begin, stop in pairwise(edges):
        sketches.setdefault(int(number[begin]), Sketch()).add(value[begin:stop])
    told = []
    for end_ns in ends:
        cells = range((end_ns - shape.size_ns) // shape.cell_ns, end_ns // shape.cell_ns)
        told.append(quantiles_of([sketches[cell] for cell in cells if cell in sketches], ranks))
    if ends:
        oldest = (ends[-1] + shape.hop_ns - shape.size_ns) // shape.cell_ns
        for cell in [cell for cell in sketches if cell < oldest]:
            del sketches[cell]
    return told
