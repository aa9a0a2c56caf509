"""The kernel of the multivariate detector: one pass over rows of a group of channels.

numba notices edits of this file only: everything the kernel calls stands here.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from scipy.special import gammaincc, log_ndtr

from andon.readings import F64, U8

SLOW, FAST = 0.05, 0.2  # weights of a new row in the two MEWMAs: memories of about 40 and 10 rows
SCATTER = 0.05  # of a row in the means that tell scatter
LOCAL = 0.05  # of the level that distances are taken from
WINSOR = 4.0  # standard deviations that a row counts for at most
FOLLOW = 0.5  # of the centre of a channel that wanders

SCORE_MOST = 12.0
TABLE_MOST = 13.0  # so that the way to SCORE_MOST is exact
ALARM_ON, ALARM_OFF = 3.0, 1.0  # an alarm begins above the first and ends at the second or less
EXPLAIN_FROM = 1.0  # score from which a row names a channel
LEARN_BELOW = 2.0  # score below which the centres of steady channels follow slowly
SEVERAL = math.log10(4.0)  # the least of four tail probabilities is to be taken four times (Bonferroni)
NONE = 255  # of a row that names none

HELD, STEADY, WANDERING = 0, 1, 2  # roles of channels
PER_SCALE, PER_ROOT, CREEP, USUAL, PER_USUAL, PER_WIDE, WEIGHTS = range(7)  # rows of the weights
CENTRE, Z_SLOW, Z_FAST, LEVEL, ABSOLUTE, PARTS = range(6)  # rows of the state
WIDE, LAST = 0, 1  # numbers of the whole group: mean of the distances, alarm

CELLS = 64.0
CHI_WIDTH = 4096  # covers distances up to 64
NORMAL_WIDTH = 640  # covers z up to 10
_LN10 = math.log(10.0)


def chi_table(degrees: int) -> F64:
    """-log10 P(chi > d) of a chi variable at d = 0, 1/64, ..., 64; 0..TABLE_MOST. degrees: >= 1."""
    with np.errstate(divide="ignore"):
        tail = np.log10(gammaincc(degrees / 2.0, (np.arange(CHI_WIDTH + 1) / CELLS) ** 2 / 2.0))
    return np.asarray(np.minimum(np.abs(tail), TABLE_MOST), np.float64)


NORMAL: F64 = np.minimum(-log_ndtr(-np.arange(NORMAL_WIDTH + 1) / CELLS) / _LN10, TABLE_MOST)

_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def look_up(table: F64, at: float) -> float:
    """Value of a table with a cell of 1/64 at `at`, between two entries linear; beyond its end the last entry."""
    place = at * CELLS
    if not place < len(table) - 1:
        return float(table[len(table) - 1])
    cell = int(place)
    low = table[cell]
    return float(low + (table[cell + 1] - low) * (place - cell))


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract"})
def squared_distances(inverse: F64, x: F64, y: F64, z: F64, by: F64) -> tuple[float, float, float]:
    """(x' inverse x, y' inverse y, z' inverse z); by float64[3, p] becomes the products with the inverse.

    inverse: float64[p, p], symmetric. One walk over the matrix serves all three. The order of a sum is the compiler's,
    but the same for every row, so that splits do not matter.
    """
    total_x = total_y = total_z = 0.0
    for a in range(len(x)):
        of_x = of_y = of_z = 0.0
        for b in range(len(x)):
            one = inverse[a, b]
            of_x += one * x[b]
            of_y += one * y[b]
            of_z += one * z[b]
        by[0, a], by[1, a], by[2, a] = of_x, of_y, of_z
        total_x += of_x * x[a]
        total_y += of_y * y[a]
        total_z += of_z * z[a]
    return max(total_x, 0.0), max(total_y, 0.0), max(total_z, 0.0)


@_jit
def _smooth(r: F64, per_size: F64, z: F64, standard: F64) -> None:
    """Take a row of deviations into both EWMAs z float64[2, p]; standard float64[2, p] becomes them by their size."""
    for j in range(len(r)):
        z[0, j] += SLOW * (r[j] - z[0, j])
        z[1, j] += FAST * (r[j] - z[1, j])
        standard[0, j] = z[0, j] * per_size[0, j]
        standard[1, j] = z[1, j] * per_size[1, j]


@_jit
def _standardise(
    values: F64, i: int, after_gap: int, role: U8, per_scale: F64, centre: F64, level: F64, r: F64, e: F64
) -> int:
    """Write the deviations of row i from the centres (r) and from the local level (e), standard deviations.

    A missing value deviates by nothing. Centres of wandering channels follow; after a gap they begin anew at the next
    value, for it is no wonder that they moved meanwhile. Returns the number of values there were.
    """
    present = 0
    for j in range(len(r)):
        x, kind = values[i, j], role[j]
        r[j], e[j] = 0.0, 0.0
        if after_gap and kind == WANDERING:
            centre[j] = np.nan
        if kind == HELD or not abs(x) <= 1e150:
            continue
        present += 1
        if math.isnan(centre[j]):
            centre[j] = x
        off = x - centre[j]
        r[j] = min(max(off * per_scale[j], -WINSOR), WINSOR)
        e[j] = r[j] - level[j]
        level[j] += LOCAL * e[j]
        if kind == WANDERING:
            centre[j] += FOLLOW * off
    return present


@_jit
def _creep(creep: F64, centre: F64, r: F64) -> None:
    """Let the centres of steady channels follow a row by so much for each standard deviation, winsorised."""
    for j in range(len(r)):
        centre[j] += creep[j] * r[j]


@_jit
def _scatter(product: F64, weights: F64, absolute: F64) -> float:
    """Take a row into each channel's mean absolute deviation, the others given; how far the widest is off, sigmas."""
    widest = 0.0
    for j in range(len(absolute)):
        absolute[j] += SCATTER * (abs(product[j]) * weights[PER_ROOT, j] - absolute[j])
        widest = max(widest, (absolute[j] - weights[USUAL, j]) * weights[PER_WIDE, j])
    return widest


@_jit
def _largest(share: F64) -> int:
    """Index of the largest."""
    most = 0
    for j in range(1, len(share)):
        if share[j] > share[most]:
            most = j
    return most


@_jit
def score_rows(
    values: F64, gap: U8, role: U8, weights: F64, inverse: F64, per_size: F64, constants: F64, chi: F64, state: F64,
    group: F64, score: F64, alarm: U8, channel: U8, statistic: U8, contribution: F64,
) -> None:  # fmt: skip
    """Score each row against the reference, then learn what may be learned from it.

    values      : float64[n, p]; not finite is missing. gap: uint8[n], 1 where rows are missing before the row.
    role        : uint8[p], HELD, STEADY or WANDERING.
    weights     : float64[WEIGHTS, p], 0 for held ones: 1 / standard deviation; 1 / root of the own element of the
                  inverse; by how much the centre follows a standard deviation, 0 unless steady; the usual mean
                  absolute deviation with the others given, 1 / it, 1 / deviation of its EWMA.
    inverse     : float64[p, p], inverse correlation; 0 for held ones. per_size: float64[2, p], 1 / deviation of the
                  slow and the fast EWMA of each channel.
    constants   : float64[2], mean of the fourth root of a row's squared distance, 1 / deviation of its EWMA.
    chi         : `chi_table` of the number of channels that are not held.
    state       : float64[PARTS, p], group: float64[2], both changed.
    score       : float64[n], alarm, channel, statistic: uint8[n], outputs; contribution: float64[n or 0, p], too.
    """
    channels = values.shape[1]
    centre, level, absolute, z = state[CENTRE], state[LEVEL], state[ABSOLUTE], state[Z_SLOW : Z_FAST + 1]
    r, e, share = np.empty(channels), np.empty(channels), np.zeros(channels)
    standard, by = np.empty((2, channels)), np.empty((3, channels))
    slow, fast, by_row = standard[0], standard[1], by[2]
    mean, per_wide = constants[0], constants[1]
    per_scale, creep, per_usual = weights[PER_SCALE], weights[CREEP], weights[PER_USUAL]
    explain = len(contribution) > 0
    used = 0
    for j in range(channels):
        used += role[j] != HELD
    channelwise = math.log10(max(used, 1))
    for i in range(len(values)):
        present = _standardise(values, i, gap[i], role, per_scale, centre, level, r, e)
        channel[i], statistic[i] = NONE, NONE
        if present == 0:
            score[i], alarm[i] = (0.0 if used == 0 else np.nan), np.uint8(group[LAST])
            continue
        _smooth(r, per_size, z, standard)
        of_slow, of_fast, of_row = squared_distances(inverse, slow, fast, e, by)
        group[WIDE] += SCATTER * (math.sqrt(math.sqrt(of_row * used / present)) - mean - group[WIDE])
        widest = _scatter(by_row, weights, absolute)
        which = 1 if of_fast > of_slow else 0
        best = look_up(chi, math.sqrt(max(of_slow, of_fast)))
        s = look_up(NORMAL, max(group[WIDE], 0.0) * per_wide)
        if s > best:
            best, which = s, 2
        s = look_up(NORMAL, widest) - channelwise
        if s > best:
            best, which = s, 3
        s = max(min(best, SCORE_MOST) - SEVERAL, 0.0)
        group[LAST] = 1.0 if s > (ALARM_OFF if group[LAST] > 0.0 else ALARM_ON) else 0.0
        score[i], alarm[i] = s, np.uint8(group[LAST])
        if s >= EXPLAIN_FROM or explain:
            for j in range(channels):
                own = absolute[j] * per_usual[j] if which >= 2 else by[which, j] * weights[PER_ROOT, j]
                share[j] = own * own
        if s >= EXPLAIN_FROM:
            channel[i], statistic[i] = _largest(share), which
        if explain:
            contribution[i] = share
        if s < LEARN_BELOW:
            _creep(creep, centre, r)
