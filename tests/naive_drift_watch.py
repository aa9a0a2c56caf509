"""The slow twin of detectors/drift_watch.py: windows as lists, each mean from all of its rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

HOURS_6_NS = 6 * 3600 * 10**9
FLOORS = {"input": 0.0, "score": 0.05, "alarm_rate": 0.01}
Row = tuple[int, float, float]  # time_ns, value, score


def drifts(rows: Sequence[Row]) -> list[tuple[str, int, float, float]]:
    """(signal, end of the window, before, after) of one series, in the order in which they are told."""
    windows: dict[int, list[Row]] = {}
    for row in rows:
        if not math.isnan(row[2]):
            windows.setdefault(row[0] // HOURS_6_NS, []).append(row)
    closed = sorted(windows)[:-1]  # the last one is open
    found = []
    for place, (signal, floor) in enumerate(FLOORS.items()):
        samples = [[(row[1], row[2], float(row[2] >= 4.0))[place] for row in windows[key]] for key in closed]
        found += [(signal, (closed[at] + 1) * HOURS_6_NS, *told) for at, *told in _of(samples, floor)]
    order = {signal: place for place, signal in enumerate(FLOORS)}
    return sorted(found, key=lambda one: (one[1], order[one[0]]))


def _of(samples: Sequence[Sequence[float]], floor: float) -> list[tuple[int, float, float]]:
    means = [math.fsum(sample) / len(sample) for sample in samples]
    squares = [math.fsum((x - mean) ** 2 for x in sample) / len(sample)
               for sample, mean in zip(samples, means, strict=True)]  # fmt: skip
    found, begin = [], 0
    while begin + 28 < len(means):
        usual = math.fsum(means[begin : begin + 28]) / 28
        week = means[begin : begin + 28]
        squared = math.fsum((x - usual) ** 2 for x in week)
        steps = math.fsum((b - a) ** 2 for a, b in pairwise(week))
        alike = min(0.9, max(0.0, 1.0 - steps / (2.0 * squared))) if squared else 0.0
        spread = math.sqrt(squared / 27 * (1.0 + alike) / (1.0 - alike))
        of_rows = 0.2 * math.sqrt(math.fsum(squares[begin : begin + 28]) / 28)
        # The share of alarms has no spread of rows of its own: its floor is the spread of windows.
        spread = max(spread, floor, of_rows if floor != FLOORS["alarm_rate"] else 0.0, 1e-9 * abs(usual) + 1e-300)
        at = _page([max(-4.0, min(4.0, (x - usual) / spread)) for x in means[begin + 28 :]])
        if at is None:
            return found
        end = begin + 28 + at
        found.append((end, usual, math.fsum(means[end - 3 : end + 1]) / 4))
        begin = end + 1
    return found


def _page(scaled: Sequence[float]) -> int | None:
    """The first place at which what is more than 1 off the mean (28 zeros before) adds up to more than 12."""
    up, down, least, most = 0.0, 0.0, 0.0, 0.0
    for at, x in enumerate(scaled):
        mean = math.fsum(scaled[: at + 1]) / (28 + at + 1)
        up, down = up + x - mean - 1.0, down + x - mean + 1.0
        least, most = min(least, up), max(most, down)
        if up - least > 12.0 or most - down > 12.0:
            return at
    return None
