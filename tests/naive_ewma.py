"""The EWMA detector in plain Python, one row of one series at a time, its tail by the error function."""

from __future__ import annotations

import math


class Ewma:
    def __init__(self):
        self.rows, self.mean, self.variance = 0, 0.0, 0.0
        self.interval = self.time = None

    def step(self, time_s, value):
        if not abs(value) <= 1e150:
            return math.nan
        alpha = 1 - 0.5 ** (1 / 100)
        self.rows += 1
        if self.rows == 1:
            self.mean, self.time, self.interval = value, time_s, 0.0
            return 0.0
        interval, self.time = time_s - self.time, time_s
        if self.rows > 20 and self.interval > 0 and interval > 10 * self.interval:
            kept = (1 - alpha) ** (interval / self.interval)
            self.mean = kept * self.mean + (1 - kept) * value
        counts = min(interval, 3 * self.interval) if self.rows > 20 else interval
        self.interval += max(0.01, 1 / self.rows) * (counts - self.interval)
        deviation = math.sqrt(self.variance) + abs(self.mean) * 1e-9 + 1e-300
        tail = math.erfc(abs(value - self.mean) / deviation / math.sqrt(2))
        score = 12.0 if tail < 1e-12 else -math.log10(tail)
        weight = max(alpha, 1 / self.rows)
        off = value - self.mean
        self.mean += weight * off
        self.variance = (1 - weight) * (self.variance + weight * off * off)
        return score if self.rows > 100 else 0.0
