"""The spectral detector in plain Python over numpy's transform and scipy's distributions; a window at a time."""

from __future__ import annotations

import math

import numpy as np
from scipy.signal import detrend
from scipy.stats import betaprime

from detectors.calibration import EXCESS_AT_ONE, EXCESS_LIMIT, learn_tail, tail_score


class SpectralSeries:
    """One series. `step` gives (score, component or None, expected, spread)."""

    def __init__(self):
        self.rows, self.interval, self.time, self.count = [], 0.0, 0, 0
        self.usual, self.windows, self.odd, self.past = np.zeros(31), 0, 0, []
        self.tail = (0.0, EXCESS_AT_ONE, 0.0)

    def step(self, time_ns, value):
        if not math.isfinite(value):
            return math.nan, None, math.nan, math.nan
        gone = (time_ns - self.time) / 1e9
        if self.count:
            if self.count > 20 and gone > 10.0 * self.interval > 0.0:
                self.rows, self.past = [], []
            known = gone if self.count <= 20 else min(gone, 3.0 * self.interval)
            self.interval += max(0.01, 1.0 / self.count) * (known - self.interval)
        self.time = time_ns
        self.count += 1
        self.rows.append(value)
        if len(self.rows) < 64 or len(self.rows) % 32:
            return 0.0, None, math.nan, math.nan
        self.rows = self.rows[-64:]
        return self.window(np.array(self.rows))

    def window(self, value):
        left = detrend(value)
        hann = np.hanning(65)[:64]
        power = np.abs(np.fft.rfft(left * hann)[1:32]) ** 2
        least = (abs(value.mean()) * 1e-9) ** 2 + 1e-300
        found, raw = (0.0, None, math.nan, math.nan), 0.0
        if self.windows >= 32 and left.var() > least:
            learned = 0.8 * min(self.windows, 256)
            sums = {1: power}
            if len(self.past) >= 2:
                sums[2] = power + self.past[-2]
            if len(self.past) >= 4:
                sums[3] = sums[2] + self.past[-4]
            if len(self.past) >= 6:
                sums[4] = power + self.past[-2] + self.past[-4] + self.past[-6]
            tails = np.array([-betaprime.logsf(one / self.usual / learned, k, learned) for k, one in sums.items()])
            tails /= math.log(10.0)
            raw = float(tails.max()) - math.log10(tails.size)
            periods = int(tails.max(axis=0).argmax()) + 1
            said = self.calibrated(raw)
            if said >= 1.0:
                part = sum(periods >= least for least in (2, 5, 11))
                spread = math.sqrt(2.0 * self.usual.sum() / (64 * (hann**2).sum()))
                found = min(20.0, said + math.log10(32.0)), part, value.mean(), spread
        self.past = [*self.past, power][-6:]
        self.odd = self.odd + 1 if raw >= 3.0 else 0
        if self.odd % 4 == 0:
            power = np.maximum(power, least * 64)
            capped = power if self.windows < 4 else np.minimum(power, 12.0 * self.usual)
            self.usual = self.usual + max(1 / 128, 1 / (self.windows + 1)) * (capped - self.usual)
            self.windows += 1
        return found

    def calibrated(self, raw):
        q, excess, run = self.tail
        if self.windows == 32:
            q, excess = 0.0, EXCESS_AT_ONE
        log_z, seen = math.log(max(raw, 1e-3)), self.windows - 32.0
        score = min(raw, tail_score(log_z, q, excess))
        self.tail = learn_tail(log_z, q, excess, run, seen, max(0.02, 2.0 / (seen + 10.0)), EXCESS_LIMIT)
        return score
