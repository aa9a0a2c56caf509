"""Detectors of drift in plain Python, from their papers: lists of rows and buckets, every sum made anew."""

from __future__ import annotations

import math
import warnings
from statistics import fmean

from scipy.stats import ks_2samp


class NaivePageHinkley:
    def __init__(self):
        self._begin()

    def _begin(self):
        self.rows, self.mean, self.up, self.down = 0, 0.0, [], []

    def step(self, x):
        self.rows += 1
        self.mean += (x - self.mean) * (1 / self.rows)
        self.up.append(0.9999 * (self.up[-1] if self.up else 0.0) + (x - self.mean) - 0.005)
        self.down.append(0.9999 * (self.down[-1] if self.down else 0.0) + (x - self.mean) + 0.005)
        rise, fall = self.up[-1] - min(self.up), max(-1.0, *self.down) - self.down[-1]
        if self.rows < 30 or max(rise, fall) <= 50.0:
            return False
        self._begin()
        return True


class NaiveAdwin:
    """Buckets are lists of their values, oldest first; the window is all of them."""

    def __init__(self):
        self.buckets, self.ticks = [], 0

    def step(self, x):
        self.ticks += 1
        self.buckets.append([x])
        size = 1
        while len(alike := [at for at, one in enumerate(self.buckets) if len(one) == size]) > 5:
            first, second = alike[:2]
            self.buckets[first : second + 1] = [self.buckets[first] + self.buckets[second]]
            size *= 2
        changed = False
        if self.ticks % 32 == 0 and sum(map(len, self.buckets)) > 10:
            while self._cut():
                changed = True
                del self.buckets[0]
        return changed

    def _cut(self):
        values = [x for one in self.buckets for x in one]
        n, mean = len(values), fmean(values)
        variance = sum((x - mean) ** 2 for x in values) / n
        confidence = math.log(2 * math.log(n) / 0.002)
        older = 0
        for one in self.buckets:
            older += len(one)
            newer = n - older
            if older < 5 or newer < 5:
                continue
            inverse = 1 / (older - 4) + 1 / (newer - 4)
            allowed = math.sqrt(2 * inverse * variance * confidence) + 2 / 3 * confidence * inverse
            if abs(fmean(values[:older]) - fmean(values[older:])) > allowed:
                return True
        return False


class NaiveKswin:
    def __init__(self):
        self.values, self.random = [], 1

    def step(self, x):
        self.values = [*self.values, x][-100:]
        if len(self.values) < 100:
            return False
        pool = self.values[:70]
        for j in range(30):
            self.random = (1_664_525 * self.random + 1_013_904_223) % 2**32
            other = j + self.random * (70 - j) // 2**32
            pool[j], pool[other] = pool[other], pool[j]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of samples that hardly differ
            test = ks_2samp(pool[:30], self.values[70:])
        if test.pvalue > 0.005 or test.statistic <= 0.1:
            return False
        self.values = self.values[70:]
        return True
