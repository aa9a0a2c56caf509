"""What the multivariate detector learns from its reference rows: scales, correlation, roles, how far chance goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from andon.readings import F64, I64, U8
from detectors.mewma_kernel import (
    ABSOLUTE,
    CENTRE,
    FAST,
    FOLLOW,
    HELD,
    LOCAL,
    PARTS,
    SCATTER,
    SLOW,
    STEADY,
    WANDERING,
    WEIGHTS,
    WINSOR,
)

BLOCKS = 20  # of the reference, for telling channels that wander
WANDER = 0.5  # share of the variance that lies between blocks, above which a channel wanders
ALLOWED = 0.25  # standard deviations that a level or a scatter may be off without being an anomaly, one sigma
FOLDS = 5  # parts of the reference whose distances are taken from what the others taught
GAP = 10.0  # so many usual intervals without a row are a gap
NO_GAP = 1 << 62  # ns: where most rows share their time, no interval is usual
LEAST_PRESENT = 0.5  # share of finite values a channel needs in the reference
TOO_STILL = 1e-9  # standard deviation, relative to the largest value, of a channel that does not move


@dataclass(frozen=True)
class Reference:
    """What normal is. Shapes: p channels.

    gap_ns   : a longer interval between two rows is a gap.
    role     : uint8[p], HELD (not judged), STEADY (its level is judged) or WANDERING (its changes are).
    weights  : float64[WEIGHTS, p], inverse: float64[p, p], per_size: float64[2, p] and constants: float64[2], as the
               kernel wants them.
    """

    gap_ns: int
    role: U8
    weights: F64
    inverse: F64
    per_size: F64
    constants: F64

    @property
    def used(self) -> int:
        """Number of channels that are judged."""
        return int((self.role != HELD).sum())


def gaps(time_ns: I64, last_ns: int, gap_ns: int) -> U8:
    """1 for rows more than gap_ns after the row before them; last_ns is the time of the row before the first."""
    return (np.diff(time_ns, prepend=np.int64(last_ns)) > gap_ns).astype(np.uint8)


def learn(time_ns: I64, values: F64) -> tuple[Reference, F64]:
    """(the reference, the kernel's state after its last row: float64[PARTS, p]).

    time_ns: int64[n], n >= 2; values: float64[n, p], not finite where missing.
    """
    rows, channels = values.shape
    values = _without_outliers(np.where(np.abs(values) <= 1e150, values, np.nan))
    gap_ns = int(GAP * np.median(np.diff(time_ns))) or NO_GAP
    gap = gaps(time_ns, int(time_ns[0]), gap_ns)
    role, mean = _roles(values)
    deviation, centre = _deviations(values, gap, role, mean)
    scale = np.sqrt(np.nanmean(np.where(role == HELD, 1.0, deviation) ** 2, axis=0))
    role[~(scale > 0.0)] = HELD
    used = role != HELD
    state = np.zeros((PARTS, channels))
    state[CENTRE] = centre
    weights, constants = np.zeros((WEIGHTS, channels)), np.array([0.0, 1.0])
    inverse, per_size = np.zeros((channels, channels)), np.zeros((2, channels))
    if used.any():
        standard = np.nan_to_num(deviation[:, used] / scale[used])
        own = np.linalg.inv(shrunk_correlation(standard))
        inverse[np.ix_(used, used)] = own
        per_size[:, used] = 1.0 / _sizes(standard)
        creep = scale[used] / rows * (role[used] == STEADY)
        roots, absolute = _distances(standard, steady=role[used] == STEADY)
        usual, wide = _usual(absolute)
        weights[:, used] = 1.0 / scale[used], 1.0 / np.sqrt(np.diag(own)), creep, usual, 1.0 / usual, 1.0 / wide
        state[ABSOLUTE, used] = usual
        mean, wide = _usual(roots)
        constants[:] = mean[0], 1.0 / wide[0]
    return Reference(gap_ns, role, weights, inverse, per_size, constants), state


def _without_outliers(values: F64) -> F64:
    """Values at most one range beyond the range that 98 % of their channel lie in: a glitch must not set the scale.

    Ranges, not the median deviation: a pump that runs a tenth of the time is no outlier.
    """
    limited = values.copy()
    for j in range(values.shape[1]):
        there = np.isfinite(values[:, j])
        if there.any():
            low, high = np.quantile(values[there, j], (0.01, 0.99))
            limited[:, j] = np.clip(values[:, j], low - (high - low), high + (high - low))
    return limited


def _roles(values: F64) -> tuple[U8, F64]:
    """(role, mean) of each channel. One wanders if most of its variance lies between blocks: its level is not kept."""
    rows, channels = values.shape
    role, mean = np.zeros(channels, np.uint8), np.zeros(channels)
    for j in range(channels):
        there = np.isfinite(values[:, j])
        if there.sum() < max(2, LEAST_PRESENT * rows):
            continue
        one = values[there, j]
        mean[j] = one.mean()
        if one.std() <= TOO_STILL * np.abs(one).max():
            continue
        blocks = [block.mean() for block in np.array_split(one, min(BLOCKS, len(one) // 2)) if len(block)]
        role[j] = WANDERING if np.var(blocks) > WANDER * one.var() else STEADY
    return role, mean


def _deviations(values: F64, gap: U8, role: U8, mean: F64) -> tuple[F64, F64]:
    """(deviation of each value from its centre, the centres after the last row)."""
    centre = np.where(role == WANDERING, np.nan, mean)
    deviation = np.full(values.shape, np.nan)
    wanders = role == WANDERING
    for i, row in enumerate(values):
        if gap[i]:
            centre[wanders] = np.nan
        centre = np.where(np.isnan(centre), row, centre)
        deviation[i] = row - centre
        follows = wanders & np.isfinite(row)
        centre[follows] += FOLLOW * deviation[i, follows]
    return deviation, centre


def shrunk_correlation(standard: F64) -> F64:
    """Correlation matrix, float64[p, p], shrunk towards none as far as chance alone could have made it.

    standard: float64[n, p], mean about 0 and standard deviation about 1.
    Source : Ledoit and Wolf, J. Multivariate Analysis 88 (2004), with the number of rows divided by what their
             autocorrelation costs, (1 + phi^2) / (1 - phi^2).
    """
    rows, channels = standard.shape
    size = np.sqrt((standard**2).mean(axis=0))
    unit = standard / np.where(size > TOO_STILL, size, 1.0)
    correlation = unit.T @ unit / rows
    np.fill_diagonal(correlation, 1.0)
    phi = np.clip((unit[1:] * unit[:-1]).mean(axis=0), 0.0, 0.99)
    cost = float(((1.0 + phi**2) / (1.0 - phi**2)).mean())
    chance = (((unit**2).sum(axis=1) ** 2).mean() - (correlation**2).sum()) / rows * cost
    found = (correlation**2).sum() - channels
    shrink = min(1.0, chance / found) if found > 0.0 else 1.0
    return np.asarray((1.0 - shrink) * correlation + shrink * np.eye(channels), np.float64)


def _smoothed(rows: F64, weight: float) -> F64:
    """Exponentially weighted mean of rows so far, from 0."""
    smooth, level = np.empty_like(rows), np.zeros(rows.shape[1:])
    for i, row in enumerate(rows):
        level = level + weight * (row - level)
        smooth[i] = level
    return smooth


def _sizes(standard: F64) -> F64:
    """Standard deviations of the slow and of the fast EWMA of each channel: float64[2, p].

    The variance is what the reference shows, at least what independent rows would have, and the shift that is allowed
    on top: 400 rows do not show how far a level goes in a week.
    """
    clipped = np.clip(standard, -WINSOR, WINSOR)
    found = []
    for weight in (SLOW, FAST):
        settled = _smoothed(clipped, weight)[int(2.0 / weight) :]
        seen = (settled**2).mean(axis=0) if len(settled) else np.zeros(standard.shape[1])
        found.append(np.sqrt(np.maximum(seen, weight / (2.0 - weight)) + ALLOWED**2))
    return np.stack(found)


def _distances(standard: F64, steady: NDArray[np.bool_]) -> tuple[F64, F64]:
    """Fourth roots of the rows' squared distances, float64[n, 1], and absolute deviations of channels, float64[n, p].

    A channel's deviation is that from what the others foretell, in its own standard deviations with the others given.
    Each fold is judged by what the others teach: a covariance always fits its own rows too well, and with 52 channels
    and 500 autocorrelated rows by far.
    """
    roots, absolute = np.empty((len(standard), 1)), np.empty_like(standard)
    for fold in np.array_split(np.arange(len(standard)), min(FOLDS, len(standard))):
        others = np.delete(standard, fold, axis=0)
        mean = np.where(steady, others.mean(axis=0), 0.0)
        size = np.sqrt(((others - mean) ** 2).mean(axis=0))
        size = np.where(size > TOO_STILL, size, 1.0)
        inverse = np.linalg.inv(shrunk_correlation((others - mean) / size))
        row = np.clip((standard[fold] - mean) / size, -WINSOR, WINSOR)
        row -= np.vstack([np.zeros(row.shape[1]), _smoothed(row, LOCAL)[:-1]])
        product = row @ inverse
        roots[fold, 0] = np.maximum((product * row).sum(axis=1), 0.0) ** 0.25
        absolute[fold] = np.abs(product) / np.sqrt(np.diag(inverse))
    return roots, absolute


def _usual(measure: F64) -> tuple[F64, F64]:
    """(mean of a measure of scatter, deviation of its EWMA), float64[k] each, of measure float64[n, k]."""
    mean, deviation = measure.mean(axis=0), np.maximum(measure.std(axis=0), 1e-3)
    settled = _smoothed((measure - mean) / deviation, SCATTER)[int(2.0 / SCATTER) :]
    seen = settled.var(axis=0) if len(settled) else np.zeros(len(mean))
    return np.maximum(mean, 1e-3), deviation * np.sqrt(np.maximum(seen, SCATTER / (2.0 - SCATTER)) + ALLOWED**2)
