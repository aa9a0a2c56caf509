"""Zones A to D of a machine's condition, by bounds that the plant cites."""

from __future__ import annotations

from collections.abc import Sequence

LETTERS = "ABCD"


def zone_of(value: float, bounds: Sequence[float]) -> str:
    """The zone of a value: A up to the first bound, D above the third; a value on a bound is in the better zone.

    bounds: A/B, B/C, C/D, growing, in the value's unit. ValueError for NaN. Source: ISO 20816-1:2016, 6.3; which zone
    a bound belongs to is Andon's decision, the standard leaves it open.

    >>> zone_of(4.5, (1.4, 2.8, 4.5)), zone_of(4.51, (1.4, 2.8, 4.5))
    ('C', 'D')
    """
    if value != value:
        raise ValueError("NaN is in no zone")
    return LETTERS[sum(value > bound for bound in bounds)]


def held_zone(value: float, bounds: Sequence[float], before: int, hysteresis: float) -> int:
    """Number of the zone, 1 (A) to 4 (D), that changes for the better only below a bound by a share of it.

    before: the zone until now, 0: none yet.
    """
    now = 1 + sum(value > bound for bound in bounds)
    if now >= before:
        return now
    return max(now, min(before, 1 + sum(value > bound * (1.0 - hysteresis) for bound in bounds)))
