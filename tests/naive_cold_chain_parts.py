"""A window of a temperature from all its points at once: what operators/cold_chain_windows.py must give too."""

from __future__ import annotations

import math

import numpy as np

from andon.readings import F64, I64, NS_PER_S
from operators.cold_chain import ACTIVATION_J_MOL, GAS_CONSTANT, HOTTEST_C, ZERO_CELSIUS, Parts, merge_parts


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
    value_c : float64[n], Cel. NaN, values at or below absolute zero or of 2000 and more are left out.
    gap_ns  : the longest time one value may stand for, ns, > 0.
    low/high: label range, Cel; the limits themselves are inside.

    Gives covered_s + gap_s = the window's length, samples (those in the window), minimum, maximum, mean, mkt (Cel),
    above_s, below_s (s), above_c_min, below_c_min (degree-minutes out of range), and what `merge_parts` needs:
    integral_c_s (Cel s), arrhenius_log (ln of the time integral of exp(-dH/RT), s) and activation_j_mol. minimum,
    maximum, mean, mkt and arrhenius_log are None where nothing is known of the window. Cost: some 15 passes of numpy.
    """
    usable = (value_c > -ZERO_CELSIUS) & (value_c < HOTTEST_C)
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
        "arrhenius_log": _log_rates(value_c, hold_s, activation_j_mol) if covered_ns else None,
        "activation_j_mol": activation_j_mol,
    }
    return merge_parts([parts])


def hold_ns(time_ns: I64, start_ns: int, end_ns: int, gap_ns: int) -> I64:
    """How long each point stands inside [start_ns, end_ns), ns, int64[n].

    time_ns may begin before the window and end after it. The holds of two adjacent windows add up, to the
    nanosecond, to those of both together.
    """
    if len(time_ns) == 0:
        return np.empty(0, np.int64)
    until = np.append(time_ns[1:], end_ns)
    np.minimum(until, time_ns + gap_ns, out=until)
    np.minimum(until, end_ns, out=until)
    held: I64 = np.maximum(until - np.maximum(time_ns, start_ns), 0)
    return held


def _log_rates(value_c: F64, hold_s: F64, activation_j_mol: float) -> float:
    """ln of the sum of hold times exp(-dH / R T)."""
    some = hold_s > 0.0
    exponent = -activation_j_mol / GAS_CONSTANT / (value_c[some] + ZERO_CELSIUS)
    top = float(exponent.max())
    return top + math.log(float(hold_s[some] @ np.exp(exponent - top)))
