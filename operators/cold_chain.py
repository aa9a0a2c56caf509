"""Mean kinetic temperature, and the parts of several windows of a cold chain merged.

Everything is weighted by time, not by sample: a value stands until the next one, at most a gap (held.py). The weighting
rule is part of the figure, since the same log gives 9.09 (held), 7.81 (trapezoid) or 7.45 Cel (unweighted).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from andon.readings import F64

Parts = dict[str, float | None]

GAS_CONSTANT = 8.3144  # J/(mol K), the rounding of USP <1079.2>: 83144 / 8.3144 = 10000 K; CODATA's moves < 1 mK
ZERO_CELSIUS = 273.15  # K
HOTTEST_C = 2_000.0  # no thermometer of a store reads more: a broken one sends 3.4e38
ACTIVATION_J_MOL = 83144.0  # Haynes 1971
_SUMS = ("covered_s", "gap_s", "samples", "integral_c_s", "above_s", "below_s", "above_c_min", "below_c_min")


def merge_parts(many: Iterable[Mapping[str, float | None]]) -> Parts:
    """The parts of windows that do not overlap, merged: a day from its hours. At least one window.

    Rounding apart equal to the parts of the whole. mkt is None where windows were made with different activation
    energies.

    Raises: ValueError without a window.
    """
    windows = list(many)
    if not windows:
        raise ValueError("merge_parts: no windows to merge; at least one is needed")
    merged: Parts = {name: math.fsum(window[name] or 0.0 for window in windows) for name in _SUMS}
    merged["minimum"] = min(_known(windows, "minimum"), default=None)
    merged["maximum"] = max(_known(windows, "maximum"), default=None)
    energies = {window["activation_j_mol"] for window in windows}
    merged["activation_j_mol"] = energies.pop() if len(energies) == 1 else None
    logs = np.array(_known(windows, "arrhenius_log") if merged["activation_j_mol"] is not None else [])
    merged["arrhenius_log"] = float(np.logaddexp.reduce(logs)) if len(logs) else None
    return _with_means(merged)


def mkt(
    values_c: ArrayLike, weights: ArrayLike | None = None, activation_j_mol: float = ACTIVATION_J_MOL
) -> float | None:
    """Mean kinetic temperature, Cel: the steady temperature with the same mean Arrhenius rate.

    values_c: float64[n], Cel, above absolute zero; weights: float64[n], >= 0, relative, equal where not given.
    None where there is no value or no weight. Never below the arithmetic mean.
    Weights are relative to the warmest value (log-sum-exp), so `exp` does not underflow at cryogenic temperatures.
    Source: USP <1079.2>.

    Raises: ValueError on a negative weight or a value at or below absolute zero.

    >>> round(mkt([4, 4, 4, 4, 16]), 9)
    8.108857215
    """
    value = np.asarray(values_c, np.float64)
    weight = np.ones_like(value) if weights is None else np.asarray(weights, np.float64)
    if np.any(weight < 0.0):
        raise ValueError(f"mkt: weights must be >= 0, got {weight.min()}")
    if np.any(value <= -ZERO_CELSIUS):
        raise ValueError(f"mkt: values must be above -273.15 Cel, got {value.min()}; other unit?")
    total = float(weight.sum())
    if total == 0.0:
        return None
    return _mkt_of(_arrhenius_log(value, weight, activation_j_mol), total, activation_j_mol)


def mkt_timed(
    time: ArrayLike,
    values_c: ArrayLike,
    method: Literal["locf", "trapz"] = "locf",
    activation_j_mol: float = ACTIVATION_J_MOL,
) -> float | None:
    """Mean kinetic temperature of an irregular log, Cel, weighted by time in any unit, sorted.

    locf: each value stands until the next sample, the last one only closes the log. trapz: each stands for half the
    time to either neighbour. None with fewer than two instants.

    >>> round(mkt_timed([0, 10, 15, 60, 120], [5, 6, 12, 7, 5]), 2)
    9.09
    """
    step = np.diff(np.asarray(time, np.float64))
    after, before = np.append(step, 0.0), np.insert(step, 0, 0.0)
    weight = after if method == "locf" else 0.5 * (before + after)
    return mkt(values_c, weight, activation_j_mol)


def _arrhenius_log(value_c: F64, weight: F64, activation_j_mol: float) -> float:
    """ln(sum of weight * exp(-dH / R T)); some weight must be > 0."""
    some = weight > 0.0
    exponent = -activation_j_mol / GAS_CONSTANT / (value_c[some] + ZERO_CELSIUS)
    top = float(exponent.max())
    return top + math.log(float(weight[some] @ np.exp(exponent - top)))


def _mkt_of(arrhenius_log: float, weight: float, activation_j_mol: float) -> float:
    return activation_j_mol / GAS_CONSTANT / (math.log(weight) - arrhenius_log) - ZERO_CELSIUS


def _with_means(parts: Parts) -> Parts:
    covered, integral = parts["covered_s"], parts["integral_c_s"]
    log, energy = parts["arrhenius_log"], parts["activation_j_mol"]
    parts["mean"] = integral / covered if covered and integral is not None else None
    parts["mkt"] = _mkt_of(log, covered, energy) if covered and log is not None and energy is not None else None
    return parts


def _known(windows: Iterable[Mapping[str, float | None]], name: str) -> list[float]:
    return [value for window in windows if (value := window[name]) is not None]
