"""Saturated steam: pressure by temperature and temperature by pressure, after IAPWS-IF97, region 4.

Pressures are absolute. A gauge reading taken for an absolute one is the usual mistake: 1.04 bar gauge is 121 Cel, 1.04
bar absolute 101 Cel.
"""

from __future__ import annotations

import math

from numba import njit

LOWEST_K, CRITICAL_K = 273.15, 647.096
LOWEST_MPA, CRITICAL_MPA = 611.213e-6, 22.064
ZERO_CELSIUS = 273.15  # K
# Coefficients of the saturation equation, IAPWS-IF97 table 34.
N1, N2, N3 = 0.11670521452767e4, -0.72421316703206e6, -0.17073846940092e2
N4, N5, N6 = 0.12020824702470e5, -0.32325550322333e7, 0.14915108613530e2
N7, N8, N9, N10 = -0.48232657361591e4, 0.40511340542057e6, -0.23855557567849, 0.65017534844798e3


@njit(nogil=True, cache=True)
def tsat_c(kpa: float) -> float:
    """Saturation temperature, Cel, of an absolute pressure, kPa; NaN outside the curve (0.611 kPa to 22.064 MPa)."""
    mpa = kpa * 1e-3
    if not LOWEST_MPA <= mpa <= CRITICAL_MPA:
        return math.nan
    beta = mpa**0.25
    e = beta * beta + N3 * beta + N6
    f = N1 * beta * beta + N4 * beta + N7
    g = N2 * beta * beta + N5 * beta + N8
    d = 2.0 * g / (-f - math.sqrt(f * f - 4.0 * e * g))
    found: float = (N10 + d - math.sqrt((N10 + d) ** 2 - 4.0 * (N9 + N10 * d))) / 2.0 - ZERO_CELSIUS
    return found


def saturation_pressure(temperature_k: float) -> float:
    """Absolute pressure of saturated steam, MPa, at a temperature, K. Source: IAPWS-IF97, equation 30.

    Raises: ValueError outside 273.15 to 647.096 K.

    >>> round(saturation_pressure(600.0), 7)
    12.3443146
    """
    if not LOWEST_K <= temperature_k <= CRITICAL_K:
        raise ValueError(f"saturation_pressure: {LOWEST_K} to {CRITICAL_K} K, got {temperature_k}; Cel given?")
    theta = temperature_k + N9 / (temperature_k - N10)
    a = theta * theta + N1 * theta + N2
    b = N3 * theta * theta + N4 * theta + N5
    c = N6 * theta * theta + N7 * theta + N8
    return float((2.0 * c / (-b + math.sqrt(b * b - 4.0 * a * c))) ** 4)


def saturation_temperature(pressure_mpa: float) -> float:
    """Temperature of saturated steam, K, at an absolute pressure, MPa. Source: IAPWS-IF97, equation 31.

    Raises: ValueError outside 611.213 Pa to 22.064 MPa.

    >>> round(saturation_temperature(0.1), 6)
    372.755919
    """
    found = float(tsat_c(pressure_mpa * 1e3)) + ZERO_CELSIUS
    if math.isnan(found):
        raise ValueError(f"saturation_temperature: {LOWEST_MPA} to {CRITICAL_MPA} MPa, got {pressure_mpa}")
    return found


def superheat_k(temperature_c: float, pressure_kpa: float) -> float | None:
    """How far a temperature, Cel, is above saturation at an absolute pressure, kPa; None outside the steam curve.

    Below zero: air or other gas that does not condense takes part of the pressure. Above: superheated steam.

    >>> round(superheat_k(131.0, 310.0), 1)
    -3.6
    """
    saturated = float(tsat_c(pressure_kpa))
    return None if math.isnan(saturated) else temperature_c - saturated


def saturated(temperature_c: float, pressure_kpa: float, tolerance_k: float = 2.0) -> bool | None:
    """Whether temperature and absolute pressure are those of saturated steam within a tolerance, K, itself included.

    The usual tolerance, 2 K, is to be confirmed with the edition of EN 285 that applies.
    """
    off = superheat_k(temperature_c, pressure_kpa)
    return None if off is None else abs(off) <= tolerance_k
