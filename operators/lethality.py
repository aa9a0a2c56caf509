"""Lethality of moist heat: F0 of a steam cycle, A0 of a washer-disinfector, and what follows from D and z values.

A sample's rate is 10^((T - Tref) / z), nothing below a least temperature; between samples the rates are joined by
straight lines (trapezoids). The reference is told with every figure: 121, 121.1 and 121.11 Cel differ by 2.5 %.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from andon.readings import F64

T_REF_F0, Z_F0 = 121.11, 10.0  # Cel (250 degF), K
T_REF_A0, Z_A0, T_MIN_A0 = 80.0, 10.0, 65.0  # EN ISO 15883-1
HOTTEST_C = 200.0  # no moist heat steriliser gets there: a thermometer that reads more is broken
LN10 = math.log(10.0)
_jit = njit(nogil=True, cache=True)


@_jit
def rate(temperature_c: float, t_ref: float, z: float, t_min: float) -> float:
    """Lethal rate, 1: what a moment here counts of one at t_ref, Cel; 0 below t_min and above HOTTEST_C."""
    if not t_min <= temperature_c <= HOTTEST_C:
        return 0.0
    found: float = 10.0 ** ((temperature_c - t_ref) / z)
    return found


@_jit
def ramp_share(rate_0: float, rate_1: float) -> float:
    """Mean rate of a straight line in temperature between two samples' rates; the trapezoid where one of them is 0."""
    if rate_0 <= 0.0 or rate_1 <= 0.0:
        return 0.5 * (rate_0 + rate_1)
    span = math.log(rate_1 / rate_0)
    if abs(span) < 1e-6:  # the quotient below loses its digits
        return 0.5 * (rate_0 + rate_1)
    return (rate_1 - rate_0) / span


def lethal_rate(temperature_c: float, t_ref: float = T_REF_F0, z: float = Z_F0) -> float:
    """10^((T - Tref) / z).

    >>> round(lethal_rate(134.0), 2)
    19.45
    """
    return float(10.0 ** ((temperature_c - t_ref) / z))


def rectangles(seconds: float, temperatures_c: F64, t_ref: float = T_REF_F0, z: float = Z_F0) -> float:
    """F value, min, of samples `seconds` apart when each counts for a whole interval, the last one too."""
    return float(np.sum(10.0 ** ((np.asarray(temperatures_c) - t_ref) / z))) * seconds / 60.0


def ramp(from_c: float, to_c: float, minutes: float, t_ref: float = T_REF_F0, z: float = Z_F0) -> float:
    """F value, min, of a straight ramp in closed form: what trapezoids over samples must come near.

    >>> round(ramp(100.0, 121.11, 10.0), 4)
    2.0414
    """
    span = LN10 * (to_c - from_c) / z
    middle = lethal_rate((from_c + to_c) / 2.0, t_ref, z)
    return minutes * middle * (math.sinh(span / 2.0) / (span / 2.0) if span else 1.0)


def sampling_error(step_k: float, z: float = Z_F0) -> float:
    """By how much, relative, trapezoids overstate the lethality of a ramp that rises by step_k from sample to sample.

    Under 1 % up to 1.5 K a sample; 11 % at 5 K: F0 of a fast ramp wants a fast probe.

    >>> round(sampling_error(1.0), 4), round(sampling_error(5.0), 3)
    (0.0044, 0.108)
    """
    half = LN10 * step_k / z / 2.0
    return half / math.tanh(half) - 1.0 if half else 0.0


def log_reduction(lethality: float, d_value: float) -> float:
    """Spore log reduction F / D; both in one unit, D > 0. ValueError else."""
    if not d_value > 0.0:
        raise ValueError(f"log_reduction: a D value is above 0, got {d_value}")
    return lethality / d_value


def log_time(d_value: float, logs: float) -> float:
    """Time for a log reduction, in the unit of D: D * n. 12 D of 0.21 min are 2.52 min."""
    return d_value * logs


def survivors(population: float, lethality: float, d_value: float) -> float:
    """Sterility assurance level: expected survivors N0 * 10^(-F/D) of a population.

    >>> survivors(1e6, 12.0, 1.0)
    1e-06
    """
    return float(population * 10.0 ** (-log_reduction(lethality, d_value)))
