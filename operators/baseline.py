"""What is usual for a machine: learned from its first windows, and how far from it a value is. Pure.

ISO 20816-1:2016 sets the alarm a quarter of the bound between zones B and C above the machine's own baseline, and at
most 1.25 of that bound (usual values, to be confirmed with your copy).
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

ABOVE, MOST = 0.25, 1.25  # of the bound B/C
NORMAL = 1.4826  # standard deviations of a normal distribution in its median absolute deviation
LEAST_SHARE = 0.01  # of the baseline: a spread below it is one of few digits, not of the machine


def alarm_level(baseline: float, b_c: float) -> float:
    """Where the alarm stands above a baseline.

    >>> alarm_level(1.0, 2.8), alarm_level(3.5, 2.8)
    (1.7, 3.5)
    """
    return min(baseline + ABOVE * b_c, MOST * b_c)


def novelty_score(value: float, learned: Sequence[float]) -> float | None:
    """Distance of a value from the median of what was learned, in robust standard deviations, 0 or more.

    learned: one and more. The spread is 1.4826 times the median absolute deviation, at least 1 % of the median; None
    where both are 0.

    >>> round(novelty_score(4.0, [1.0, 1.2, 1.1]), 2)
    19.56
    """
    middle = median(learned)
    spread = max(NORMAL * median(abs(one - middle) for one in learned), LEAST_SHARE * abs(middle))
    return abs(value - middle) / spread if spread > 0.0 else None
