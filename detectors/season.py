"""What is usual at this time of day: 48 bins of half an hour UTC, and how much better they know than no bins do.

A bin is judged by its earlier visits only: a visit is averaged and learned when the series leaves the bin. The part
speaks as far as the profile has been right: on a series without a daily cycle the profile's mean distance is that of
the plain reference, its trust is 0 and it says nothing.
"""

from __future__ import annotations

import math

from numba import njit

from andon.readings import F64, NS_PER_S
from detectors.ensemble_state import (
    BIN,
    BIN_MISS,
    BIN_ROWS,
    BIN_SPREAD,
    BIN_SUM,
    BIN_VISITS,
    BINS,
    DAY_ERROR,
    DAY_ROWS,
    PLAIN_ERROR,
    PROFILE,
    REFERENCE,
    F32Row,
    M,
)

Judged = tuple[float, float, float, float]

DAY_NS = 86_400 * NS_PER_S
VISIT_RATE = 0.15  # weight of a new visit, 1/n until then: about a week of days
VISITS = 2.0  # of a bin before it is asked
SKILL_ROWS = 100.0  # rows with a usual value before the profile is trusted
SKILL_LEAST, SKILL_GAIN = 0.1, 3.0  # trust is the share of the distance explained, less the least, times the gain
ERROR_RATE = 0.001  # of the two mean distances
CLIP = 3.0  # a distance counts for at most so many means


@njit(nogil=True, cache=True, error_model="numpy")
def end_visit(s: F64, f: F32Row) -> None:
    """Learn the visit that is over: its mean, clipped once the bin knows anything, and its mean distance."""
    b = int(s[BIN])
    mean, miss = s[BIN_SUM] / s[BIN_ROWS], s[BIN_MISS] / s[BIN_ROWS]
    f[BIN_VISITS + b] = min(f[BIN_VISITS + b] + 1.0, 1e6)
    visits = float(f[BIN_VISITS + b])
    if visits == 1.0:
        s[PROFILE + b] = mean
        return
    if visits > VISITS:
        most = CLIP * (f[BIN_SPREAD + b] + 0.3 * s[DAY_ERROR])
        mean = s[PROFILE + b] + min(max(mean - s[PROFILE + b], -most), most)
    s[PROFILE + b] += max(VISIT_RATE, 1.0 / visits) * (mean - s[PROFILE + b])
    if s[DAY_ROWS] > 50.0:
        miss = min(miss, CLIP * s[DAY_ERROR])
    f[BIN_SPREAD + b] += max(VISIT_RATE, 1.0 / (visits - 1.0)) * (miss - f[BIN_SPREAD + b])


@njit(nogil=True, cache=True, error_model="numpy")
def by_time_of_day(s: F64, f: F32Row, time_ns: int, value: float, floor: float, learns: bool) -> Judged:
    """Judge a value by its time, then learn it unless told not to.

    returns: distance from the usual value, in usual distances; the trust in that, 0..1; the usual value; the usual
    distance. 0, 0, NaN, NaN where the bin is not known.
    """
    b = int((time_ns % DAY_NS) * BINS // DAY_NS)
    if float(b) != s[BIN]:
        if s[BIN_ROWS] > 0.0:
            end_visit(s, f)
        s[BIN], s[BIN_ROWS], s[BIN_SUM], s[BIN_MISS] = float(b), 0.0, 0.0, 0.0
    known = f[BIN_VISITS + b] >= VISITS
    off = abs(value - s[PROFILE + b]) if known else 0.0
    z = trust = 0.0
    usual = spread = math.nan
    if known and s[DAY_ROWS] >= SKILL_ROWS:
        usual, spread = s[PROFILE + b], 0.5 * f[BIN_SPREAD + b] + 0.5 * s[DAY_ERROR]
        skill = 1.0 - s[DAY_ERROR] / (s[PLAIN_ERROR] + floor)
        trust = min(1.0, max(0.0, (skill - SKILL_LEAST) * SKILL_GAIN))
        z = off / (spread + floor)
    if learns:
        s[BIN_SUM] += value
        s[BIN_ROWS] += 1.0
        s[BIN_MISS] += off
        if known:
            _learn_skill(s, off, abs(value - s[M + REFERENCE]))
    return z, trust, usual, spread


@njit(nogil=True, cache=True, error_model="numpy")
def _learn_skill(s: F64, off: float, plain: float) -> None:
    """The mean distances of the profile and of the reference, with a value counting for at most CLIP of them."""
    s[DAY_ROWS] += 1.0
    if s[DAY_ROWS] > 50.0:
        off, plain = min(off, CLIP * s[DAY_ERROR]), min(plain, CLIP * s[PLAIN_ERROR])
    rate = max(ERROR_RATE, 1.0 / s[DAY_ROWS])
    s[DAY_ERROR] += rate * (off - s[DAY_ERROR])
    s[PLAIN_ERROR] += rate * (plain - s[PLAIN_ERROR])
