"""The multivariate detector, slowly: one row after the other, matrices by their textbook formulas, scipy's tails."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

ON, OFF = 3.0, 1.0


def learned_roles(reference):
    """'left out', 'steady' or 'wandering' for each channel."""
    roles = []
    for column in reference.T:
        there = column[np.isfinite(column)]
        if len(there) < len(column) / 2 or np.ptp(there) <= 1e-9 * abs(there).max():
            roles.append("left out")
            continue
        means = [part.mean() for part in np.array_split(there, 20)]
        roles.append("wandering" if np.var(means) > there.var() / 2 else "steady")
    return roles


def correlation_of(rows):
    """Shrunk correlation of standardised rows; every sum written out."""
    n, p = rows.shape
    unit = rows / np.sqrt((rows**2).mean(axis=0))
    sample = sum(np.outer(row, row) for row in unit) / n
    costs = []
    for j in range(p):
        phi = min(max(float(np.mean(unit[1:, j] * unit[:-1, j])), 0.0), 0.99)
        costs.append((1 + phi * phi) / (1 - phi * phi))
    chance = sum(((np.outer(row, row) - sample) ** 2).sum() for row in unit) / n**2 * np.mean(costs)
    found = ((sample - np.eye(p)) ** 2).sum()
    weight = min(1.0, chance / found) if found > 0 else 1.0
    return (1 - weight) * sample + weight * np.eye(p)


def ewma(rows, weight):
    out, level = [], np.zeros(rows.shape[1])
    for row in rows:
        level = (1 - weight) * level + weight * row
        out.append(level)
    return np.array(out)


class Mewma:
    """`rows(time_s, values)` gives score, alarm and the most contributing channel of each row, from the first on."""

    def __init__(self, reference_rows):
        self.n = reference_rows

    def rows(self, time_s, values):
        self._learn(time_s[: self.n], values[: self.n])
        found = [(0.0, 0, None)] * self.n
        for i in range(self.n, len(values)):
            found.append(self._row(values[i], time_s[i] - time_s[i - 1] > self.gap))
        return found

    def _learn(self, time_s, values):
        low, high = np.nanquantile(values, 0.01, axis=0), np.nanquantile(values, 0.99, axis=0)
        values = np.minimum(np.maximum(values, 2 * low - high), 2 * high - low)
        self.roles = learned_roles(values)
        self.gap = 10 * np.median(np.diff(time_s))
        self.use = [j for j, role in enumerate(self.roles) if role != "left out"]
        self.wanders = np.array([self.roles[j] == "wandering" for j in self.use])
        rows = values[:, self.use]
        self.centre = np.where(self.wanders, np.nan, np.nanmean(rows, axis=0))
        off = []
        for i, row in enumerate(rows):
            off.append(self._deviation(row, i > 0 and time_s[i] - time_s[i - 1] > self.gap))
        off = np.array(off)
        self.scale = np.sqrt(np.nanmean(off**2, axis=0))
        unit = np.nan_to_num(off / self.scale)
        p = len(self.use)
        correlation = correlation_of(unit)
        clipped = np.clip(unit, -4, 4)
        self.covariances, self.z = [], [np.zeros(p), np.zeros(p)]
        for weight in (0.05, 0.2):
            seen = (ewma(clipped, weight)[int(2 / weight) :] ** 2).mean(axis=0)
            size = np.diag(np.sqrt(np.maximum(seen, weight / (2 - weight)) + 0.25**2))
            self.covariances.append(size @ correlation @ size)
        self.correlation = correlation
        self.level, self.wide, self.alarm = np.zeros(p), 0.0, 0
        self._learn_distances(unit)

    def _learn_distances(self, unit):
        roots, absolute = [], []
        for part in np.array_split(np.arange(self.n), 5):
            others = np.array([row for i, row in enumerate(unit) if i not in set(part)])
            mean = np.where(self.wanders, 0.0, others.mean(axis=0))
            size = np.sqrt(((others - mean) ** 2).mean(axis=0))
            matrix, level = correlation_of((others - mean) / size), np.zeros(len(mean))
            for row in np.clip((unit[part] - mean) / size, -4, 4):
                e = row - level
                roots.append((e @ np.linalg.solve(matrix, e)) ** 0.25)
                absolute.append(np.sqrt(self._less_without(e, matrix)))
                level = level + 0.05 * e
        self.usual_root, self.wide_root = self._usual(np.array(roots)[:, None])
        self.usual, self.wide_each = self._usual(np.array(absolute))
        self.moved = self.usual.copy()

    @staticmethod
    def _usual(measure):
        mean, deviation = measure.mean(axis=0), measure.std(axis=0)
        smooth = ewma((measure - mean) / deviation, 0.05)[40:]
        return mean, deviation * np.sqrt(np.maximum(smooth.var(axis=0), 0.05 / 1.95) + 0.25**2)

    def _deviation(self, row, after_gap):
        if after_gap:
            self.centre[self.wanders] = np.nan
        self.centre = np.where(np.isnan(self.centre), row, self.centre)
        off = row - self.centre
        follow = self.wanders & np.isfinite(off)
        self.centre[follow] = (self.centre[follow] + row[follow]) / 2
        return off

    def _row(self, row, after_gap):
        row = row[self.use]
        there = np.isfinite(row)
        off = self._deviation(row, after_gap)
        if not there.any():
            return math.nan, self.alarm, None
        r = np.clip(np.where(there, off / self.scale, 0.0), -4, 4)
        e = np.where(there, r - self.level, 0.0)
        self.level = self.level + 0.05 * e
        self.z = [(1 - w) * z + w * r for w, z in zip((0.05, 0.2), self.z, strict=True)]
        squares = [z @ np.linalg.solve(c, z) for z, c in zip(self.z, self.covariances, strict=True)]
        fast = int(squares[1] > squares[0])
        tails = [min(-stats.chi2.logsf(squares[fast], len(row)) / math.log(10), 13.0)]
        distance = e @ np.linalg.solve(self.correlation, e) * len(row) / there.sum()
        self.wide = 0.95 * self.wide + 0.05 * (distance**0.25 - self.usual_root[0])
        tails.append(min(-stats.norm.logsf(max(self.wide, 0.0) / self.wide_root[0]) / math.log(10), 13.0))
        self.moved = 0.95 * self.moved + 0.05 * np.sqrt(np.maximum(self._less_without(e, self.correlation), 0.0))
        widest = max(((self.moved - self.usual) / self.wide_each).max(), 0.0)
        tails.append(min(-stats.norm.logsf(widest) / math.log(10), 13.0) - math.log10(len(row)))
        score = max(min(max(tails), 12.0) - math.log10(4), 0.0)
        self.alarm = int(score > (OFF if self.alarm else ON))
        if np.argmax(tails) > 0:
            shares = self.moved / self.usual
        else:
            shares = self._less_without(self.z[fast], self.covariances[fast])
        if score < 2.0:
            self.centre = self.centre + np.where(self.wanders, 0.0, r * self.scale / self.n)
        return score, self.alarm, self.use[int(np.argmax(shares))] if score >= 1.0 else None

    @staticmethod
    def _less_without(z, covariance):
        """By how much the squared distance is less without each channel, by leaving it out."""
        whole, less = z @ np.linalg.solve(covariance, z), []
        for j in range(len(z)):
            rest = [k for k in range(len(z)) if k != j]
            part = z[rest] @ np.linalg.solve(covariance[np.ix_(rest, rest)], z[rest]) if rest else 0.0
            less.append(whole - part)
        return np.array(less)
