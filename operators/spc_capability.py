"""What a capability window gathers from the points of a chart, and its figures. Sums only: no value is kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from andon.readings import F64, I64
from operators.capability import Interval, Specification, cp_interval, cpk_interval, indices
from operators.machines import Parts
from operators.spc_chart import Judged
from operators.spc_constants import of_spread
from operators.spc_events import Making
from operators.spc_judge import EXCLUDED, LINKED, SIGNAL

ENOUGH = 50  # values that a figure of capability needs, at the least
#: Variance that one more moving range adds to the mean of them, in means squared. Neighbouring ones share a value:
#: E|a||b| = 2/pi (sqrt(1 - r^2) + r asin r) of normal a, b with correlation r = -1/2, the differences'.
OF_MOVING_RANGE = math.pi / 2.0 - 1.0 + 2.0 * (math.sqrt(0.75) + math.pi / 12.0 - 1.0)

(
    N, MEAN, SQUARES, POINTS, ORIGIN, SUM, SUM_SQUARES, PAIRS, BOTH, PRODUCT, LAST, SIGMAS, SIGMA_SUM, DECIDED, SIGNALS,
    RELATIVE, OUTSIDE, UNCERTAIN, BROKEN, LEFT_OUT_POINTS, LEFT_OUT_ROWS, SINGLE,
) = range(22)  # of the sums  # fmt: skip


@njit(nogil=True, cache=True)
def gather(whole: I64, parts: F64, linked: I64, out: F64, column: int, unit: F64, single: float, sums: F64) -> None:
    """Take m judged points into a window; one with an assignable cause is left out, and parts its neighbours.

    whole int64[m, 9], parts float64[m, 5], linked int64[m], out float64[m, :]: as of `Judged`. column: of parts, that
    tells the spread. unit float64[m, 2]: its mean and deviation in sigmas, for more than one value; single: mean of a
    moving range. sums float64[22], changed: values with Welford's sums (merged as Chan has it); points and their
    linked pairs from the first point as origin; estimates of sigma; counts. Cost: one pass, no allocation.
    """
    for i in range(len(whole)):
        n, mean = whole[i, 6], parts[i, 0]
        sums[LEFT_OUT_ROWS] += whole[i, 7]
        if out[i, EXCLUDED] == 1.0 or n == 0:
            sums[BROKEN] = 1.0
            sums[LEFT_OUT_POINTS] += 1.0
            continue
        here = mean - (sums[ORIGIN] if sums[POINTS] > 0.0 else mean)
        near = linked[i] == 1 and sums[BROKEN] == 0.0 and sums[POINTS] > 0.0
        sums[BROKEN] = 0.0
        if n > 1:
            sums[SIGMAS] += 1.0
            sums[SIGMA_SUM] += parts[i, column] / unit[i, 0]
            sums[RELATIVE] += (unit[i, 1] / unit[i, 0]) ** 2
        elif near and sums[SINGLE] == 1.0:
            sums[SIGMAS] += 1.0
            sums[SIGMA_SUM] += abs(mean - sums[ORIGIN] - sums[LAST]) / single
            sums[RELATIVE] += OF_MOVING_RANGE
        sums[SINGLE] = n
        squares = parts[i, 2] * parts[i, 2] * (n - 1)
        total, off = sums[N] + n, mean - sums[MEAN]
        sums[SQUARES] = sums[SQUARES] + squares + off * off * sums[N] * n / total
        sums[MEAN] += off * n / total
        sums[N] = total
        if sums[POINTS] == 0.0:
            sums[ORIGIN] = mean
        sums[POINTS] += 1.0
        sums[SUM] += here
        sums[SUM_SQUARES] += here * here
        if near:
            sums[PAIRS] += 1.0
            sums[BOTH] += here + sums[LAST]
            sums[PRODUCT] += here * sums[LAST]
        sums[LAST] = here
        if not math.isnan(out[i, SIGNAL]):
            sums[DECIDED] += 1.0
            sums[SIGNALS] += out[i, SIGNAL]
        sums[OUTSIDE] += whole[i, 5]
        sums[UNCERTAIN] += whole[i, 4]


class Gathered:
    """One window of capability."""

    def __init__(self, start_ns: int) -> None:
        self.start_ns = start_ns
        self._sums = np.zeros(22)
        self._key: tuple[str, Making] | None = None

    @property
    def n(self) -> int:
        """Values that count."""
        return int(self._sums[N])

    def belongs(self, some: Judged) -> bool:
        """Whether points are of the same order, lot, product and limits."""
        return self._key is None or self._key == (some.version, some.making)

    def take(self, some: Judged, begin: int, kind: str) -> None:
        """Count the points from `begin` on."""
        self._key = (some.version, some.making)
        whole = some.whole[begin:]
        ranges = kind == "xbar_r"
        unit = np.array([of_spread(max(n, 2), deviation=not ranges) for n in whole[:, 6].tolist()])
        linked, out = np.ascontiguousarray(some.marks[begin:, LINKED]), some.out[begin:]
        single = of_spread(2, deviation=False)[0]
        gather(whole, some.parts[begin:], linked, out, 1 if ranges else 2, unit, single, self._sums)

    def _correlation(self) -> float | None:
        """Lag 1, as spc.first_autocorrelation; None for fewer than 3 points or where all are equal."""
        sums: list[float] = self._sums.tolist()
        points, total, pairs, product = sums[POINTS], sums[SUM], sums[PAIRS], sums[PRODUCT]
        if points < 3:
            return None
        mean = total / points
        square = sums[SUM_SQUARES] - points * mean * mean
        if square <= 0.0:
            return None
        return max(-1.0, min(1.0, (product - mean * sums[BOTH] + pairs * mean * mean) / square))

    def parts(self, spec: Specification) -> Parts:
        """The figures of the window so far."""
        sums = self._sums.tolist()
        n, mean = self.n, sums[MEAN]
        overall = math.sqrt(sums[SQUARES] / (n - 1)) if n > 1 else None
        within = sums[SIGMA_SUM] / sums[SIGMAS] if sums[SIGMAS] else None
        # As of a chi distribution with the same relative variance: what the estimate of sigma within is worth.
        degrees = sums[SIGMAS] ** 2 / (2.0 * sums[RELATIVE]) if sums[SIGMAS] else 0.0
        could, did = indices(spec, mean, within), indices(spec, mean, overall)
        correlation = self._correlation()
        strange = None if correlation is None else float(abs(correlation) > 2.0 / math.sqrt(sums[POINTS]))
        return {
            "n": float(n), "subgroups": sums[POINTS], "mean": mean, "sigma_within": within,
            "sigma_overall": overall, "cp": could.both, "cpk": could.nearer, "cpl": could.to_lower,
            "cpu": could.to_upper, "pp": did.both, "ppk": did.nearer, "cpm": did.to_target,
            **_ends("cp", cp_interval, could.both, n, degrees), **_ends("cpk", cpk_interval, could.nearer, n, degrees),
            **_ends("pp", cp_interval, did.both, n, n - 1), **_ends("ppk", cpk_interval, did.nearer, n, n - 1),
            "lag_1": correlation, "autocorrelated": strange,
            "stable": float(sums[SIGNALS] == 0.0) if sums[DECIDED] else None,
            "enough": float(n >= ENOUGH), "outside": sums[OUTSIDE], "uncertain": sums[UNCERTAIN],
            "excluded": sums[LEFT_OUT_POINTS], "left_out": sums[LEFT_OUT_ROWS],
        }  # fmt: skip

    def about(self) -> dict[str, str]:
        """What was made, and under which limits."""
        if self._key is None:
            return {}
        version, making = self._key
        return making.about() | ({"version": version} if version else {})

    def snapshot(self) -> tuple[Any, ...]:
        """Plain tuples."""
        key = None if self._key is None else (self._key[0], tuple(self._key[1]))
        return self.start_ns, self._sums.tobytes(), key

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot."""
        self.start_ns, sums, key = snapshot
        self._sums = np.frombuffer(sums).copy()
        self._key = None if key is None else (key[0], Making(*key[1]))


def _ends(
    name: str, interval: Callable[..., Interval | None], index: float | None, n: int, degrees: float
) -> dict[str, float | None]:
    low, high = (None if index is None else interval(index, n, degrees=degrees)) or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}


def compile_kernels() -> None:
    """For the cache: a window of one point."""
    out, marks = np.zeros((1, EXCLUDED + 2)), np.zeros((1, 2), np.int64)
    Gathered(0).take(Judged(np.ones((1, 9), np.int64), np.zeros((1, 5)), out, marks, Making(), None, ""), 0, "imr")
