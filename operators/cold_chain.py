"""Cold-chain figures of a storage temperature: mean kinetic temperature, time and degree-minutes out of range.

Everything is weighted by time, not by sample: a value stands until the next one, at most `gap_ns` (points.py). The
weighting rule is part of the figure, since the same log gives 9.09 (held), 7.81 (trapezoid) or 7.45 Cel (unweighted).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from andon.readings import F64, I64, NS_PER_S
from operators.points import hold_ns

Parts = dict[str, float | None]

GAS_CONSTANT = 8.3144  # J/(mol K), the rounding of USP <1079.2>: 83144 / 8.3144 = 10000 K; CODATA's moves < 1 mK
ZERO_CELSIUS = 273.15  # K
ACTIVATION_J_MOL = 83144.0  # Haynes 1971
_SUMS = ("covered_s", "gap_s", "samples", "integral_c_s", "above_s", "below_s", "above_c_min", "below_c_min")


def cold_chain_parts(
    time_ns: I64,
    value_c: F64,
    start_ns: int,
    end_ns: int,
    *,
    gap_ns: int,
    low: float,
    high: float,
    activation_j_mol: float = ACTIVATION_J_MOL,
) -> Parts:
    """Figures of [start_ns, end_ns) from the points of one temperature series.

    time_ns : int64[n], sorted; may begin before the window (the last point before it is carried in) and end after it.
    value_c : float64[n], Cel. NaN, and values at or below absolute zero, are left out.
    gap_ns  : the longest time one value may stand for, ns, > 0.
    low/high: label range, Cel; the limits themselves are inside.

    Gives covered_s + gap_s = the window's length, samples (those in the window), minimum, maximum, mean, mkt (Cel),
    above_s, below_s (s), above_c_min, below_c_min (degree-minutes out of range), and what `merge_parts` needs:
    integral_c_s (Cel s), arrhenius_log (ln of the time integral of exp(-dH/RT), s) and activation_j_mol. minimum,
    maximum, mean, mkt and arrhenius_log are None where nothing is known of the window. Cost: some 15 passes of numpy.
    """
    usable = np.isfinite(value_c) & (value_c > -ZERO_CELSIUS)
    time_ns, value_c = time_ns[usable], value_c[usable]
    held = hold_ns(time_ns, start_ns, end_ns, gap_ns)
    # Only rows of the window enter the sums: their bits must not depend on how much older history the caller kept.
    inside = (time_ns >= start_ns) & (time_ns < end_ns)
    used = inside | (held > 0)
    hold_s, value_c = held[used] / NS_PER_S, value_c[used]
    over, under = np.maximum(value_c - high, 0.0), np.maximum(low - value_c, 0.0)
    covered_ns = int(held.sum())
    parts: Parts = {
        "covered_s": covered_ns / NS_PER_S,
        "gap_s": (end_ns - start_ns - covered_ns) / NS_PER_S,
        "samples": float(np.count_nonzero(inside)),
        "integral_c_s": float(hold_s @ value_c),
        "above_s": float(hold_s[over > 0.0].sum()),
        "below_s": float(hold_s[under > 0.0].sum()),
        "above_c_min": float(hold_s @ over) / 60.0,
        "below_c_min": float(hold_s @ under) / 60.0,
        "minimum": float(value_c.min()) if covered_ns else None,
        "maximum": float(value_c.max()) if covered_ns else None,
        "arrhenius_log": _arrhenius_log(value_c, hold_s, activation_j_mol) if covered_ns else None,
        "activation_j_mol": activation_j_mol,
    }
    return _with_means(parts)


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
