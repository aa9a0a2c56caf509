"""Vacuum leak test of a steriliser: how fast the pressure rises in a chamber that is shut off under vacuum."""

from __future__ import annotations

from operators.steam import ZERO_CELSIUS


def leak_rate(from_kpa: float, to_kpa: float, minutes: float) -> float | None:
    """Rise of pressure, kPa/min; None without time. EN 285 type test: at most 0.13 kPa/min, to be confirmed.

    >>> round(leak_rate(5.0, 6.0, 10.0), 3)
    0.1
    """
    return (to_kpa - from_kpa) / minutes if minutes > 0.0 else None


def thermal_rise(kpa: float, from_c: float, to_c: float) -> float:
    """By how much the pressure of dry gas rises by its warming alone, kPa: p * dT / T. Drops evaporating come on top.

    >>> round(thermal_rise(5.0, 50.0, 60.0), 3)
    0.155
    """
    return kpa * (to_c - from_c) / (from_c + ZERO_CELSIUS)
