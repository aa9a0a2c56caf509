"""The slow, obvious twins of machine health: time domain, every pair, one row at a time."""

from __future__ import annotations

import math
from itertools import combinations, pairwise
from statistics import median

import numpy as np
from scipy import signal


def velocity_rms(x, rate_hz, low_hz, high_hz):
    """Band-passed by a filter, integrated by the trapezoid rule, its ends thrown away."""
    sos = signal.butter(6, (low_hz, high_hz), "bandpass", fs=rate_hz, output="sos")
    band = signal.sosfiltfilt(sos, signal.detrend(x))
    velocity = np.concatenate([[0.0], np.cumsum((band[1:] + band[:-1]) / 2.0)]) / rate_hz
    inner = signal.detrend(velocity[len(x) // 3 : -len(x) // 3])
    return math.sqrt(float(np.mean(inner * inner)))


def envelope(x, rate_hz, low_hz, high_hz):
    """scipy's Hilbert transform of a Fourier band."""
    spectrum = np.fft.rfft(x - np.mean(x))
    hz = np.fft.rfftfreq(len(x), 1.0 / rate_hz)
    spectrum[(hz < low_hz) | (hz > high_hz)] = 0.0
    around = np.abs(signal.hilbert(np.fft.irfft(spectrum, len(x))))
    return around - around.mean()


def slope(t, y):
    """Median of the slopes of all pairs of different instants."""
    return median((y[j] - y[i]) / (t[j] - t[i]) for i, j in combinations(range(len(t)), 2) if t[j] > t[i])


def health(rows, renewals, windows, bounds, limit, bin_ns, hysteresis, bins=60):
    """(value, maximum, zone, slope, days) of each window [start, end): every window looks at all rows again.

    rows: (time_ns, value), sorted. renewals: times at which the part became as new, before the rows of that time.
    """
    day_ns, zone, found, told = 86_400 * 10**9, 0, [], set()
    for start, end in windows:
        for at in renewals:
            if at < end and at not in told:
                told.add(at)
                zone = 0
        mine = [value for time, value in rows if start <= time < end]
        value = sum(mine) / len(mine) if mine else None
        if value is not None:
            plain = 1 + sum(value > one for one in bounds)
            eased = 1 + sum(value > one * (1 - hysteresis) for one in bounds)
            zone = plain if plain >= zone else max(plain, min(zone, eased))
        since = max((at for at in renewals if at < end), default=-1)
        by_bin = {}
        for time, one in rows:
            if since <= time < end:
                by_bin.setdefault((time // bin_ns + 1) * bin_ns, []).append(one)
        closed = sorted((bin_end, sum(ones) / len(ones)) for bin_end, ones in by_bin.items() if bin_end <= end)
        closed = [one for one in closed if one[0] > closed[-1][0] - bins * bin_ns]
        slope_, days = None, None
        if len(closed) >= 4:
            t = [(bin_end - bin_ns / 2) / day_ns for bin_end, _ in closed]
            y = [one for _, one in closed]
            slope_ = slope(t, y)
            if slope_ > 0:
                height = median(y) + slope_ * (end / day_ns - median(t))
                days = max(limit - height, 0.0) / slope_
        found.append((value, max(mine, default=None), zone if mine else None, slope_, days))
    return found


def running(states, counts, windows, gap_s):
    """(running s, known s, starts, cycles) of each window, second by second.

    states: (second, runs), counts: (second, count), sorted; the last of a second stands.
    """
    found, ran, total = [], False, {}
    for start, end in windows:
        run = known = starts = 0
        for second in range(start, end):
            standing = [(at, runs) for at, runs in states if at <= second]
            if standing and second < standing[-1][0] + gap_s:
                known += 1
                run += standing[-1][1]
                starts += standing[-1][1] and not ran
                ran = standing[-1][1]
        total[end] = run
        cycles = 0.0
        for (_, before), (at, after) in pairwise(counts):
            if start <= at < end:
                cycles += after - before if after >= before else after
        found.append((run, known, starts, cycles))
    return found
