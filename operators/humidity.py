"""Humidity of air: saturation, dew point, absolute humidity. Formulas and constants: Vaisala B210973EN, -20..50 Cel."""

from __future__ import annotations

import math

import numpy as np

from andon.readings import F64
from operators.cold_chain import ZERO_CELSIUS

A_HPA, M, TN = 6.116441, 7.591386, 240.7263  # over water
C_GK_J = 2.16679  # g K / J


def saturation_hpa(value_c: float) -> float:
    """Saturation vapour pressure over water, hPa.

    >>> round(saturation_hpa(20.0), 2)
    23.38
    """
    return float(A_HPA * 10.0 ** (M * value_c / (value_c + TN)))


def dew_point(value_c: float, humidity_pct: float) -> float | None:
    """Temperature to which air must be cooled for water to condense, Cel; None where humidity is not in (0, 100] %.

    >>> round(dew_point(40.0, 50.0), 1)
    27.6
    """
    if not 0.0 < humidity_pct <= 100.0:
        return None
    if humidity_pct == 100.0:
        return value_c  # without the rounding of there and back
    share = math.log10(saturation_hpa(value_c) * humidity_pct / 100.0 / A_HPA)
    return TN * share / (M - share)


def absolute_humidity(value_c: float, humidity_pct: float) -> float | None:
    """Water in air, g/m3; None where humidity is not in (0, 100] %.

    >>> round(absolute_humidity(20.0, 80.0), 2)
    13.82
    """
    if not 0.0 < humidity_pct <= 100.0:
        return None
    return C_GK_J * saturation_hpa(value_c) * humidity_pct / (value_c + ZERO_CELSIUS)


def dew_points(value_c: F64, humidity_pct: F64) -> F64:
    """`dew_point` of columns, float64[n]; NaN where it has none."""
    valid = (humidity_pct > 0.0) & (humidity_pct <= 100.0)
    share = M * value_c / (value_c + TN) + np.log10(np.where(valid, humidity_pct, np.nan) / 100.0)
    dew: F64 = np.where(humidity_pct == 100.0, value_c, TN * share / (M - share))
    return dew


def absolute_humidities(value_c: F64, humidity_pct: F64) -> F64:
    """`absolute_humidity` of columns, float64[n]; NaN where it has none."""
    valid = (humidity_pct > 0.0) & (humidity_pct <= 100.0)
    pressure_hpa = A_HPA * 10.0 ** (M * value_c / (value_c + TN))
    return np.where(valid, C_GK_J * pressure_hpa * humidity_pct / (value_c + ZERO_CELSIUS), np.nan)
