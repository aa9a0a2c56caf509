"""Judges closed subgroups one after the other: the kernel of every control chart.

Runs, moving ranges, EWMA and CUSUM begin anew where neighbours do not belong together. Twin: tests/naive_chart.py.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit

from andon.readings import F64, I64
from operators.run_rules import STATE, point_bits

KINDS: Final = ("xbar_r", "xbar_s", "imr", "p", "np", "c", "u", "ewma", "cusum")
XBAR_R, XBAR_S, IMR, P, NP, C, U, EWMA, CUSUM = range(9)
KIND, WIDTH, LAM, EXACT, K, H, HEAD_START, RESIDUALS, CHOSEN = range(9)  # of the plan
# Of the state, NaN: none. SIZE: values of each subgroup that the EWMA took, -1 where they differ. From RULES on: rules.
X, AVERAGE, POINTS, SIZE, VARIANCE, C_PLUS, C_MINUS, N_PLUS, N_MINUS, RULES = range(10)
FINEST: Final = 1e9  # parts of a sigma that are told apart; what is less is the rounding of decimal values
#: Parts of a judged point, columns of `out`; then one for each chosen rule.
PARTS: Final = (
    "value", "z", "n", "inspected", "centre", "lower", "upper", "spread", "spread_centre", "spread_lower",
    "spread_upper", "c_plus", "c_minus", "n_plus", "n_minus", "signal", "beyond", "spread_beyond", "uncertain",
    "excluded", "left_out",
)  # fmt: skip
(
    VALUE, Z, N, INSPECTED, CENTRE, LOWER, UPPER, SPREAD, SPREAD_CENTRE, SPREAD_LOWER, SPREAD_UPPER,
    PLUS, MINUS, HOW_LONG_PLUS, HOW_LONG_MINUS, SIGNAL, BEYOND, SPREAD_BEYOND, UNCERTAIN, EXCLUDED, LEFT_OUT,
) = range(21)  # fmt: skip
FIRED, LINKED = 0, 1  # columns of `marks`


def new_run() -> F64:
    """Nothing seen yet: what is carried from point to point, float64[RULES + STATE]."""
    state = np.zeros(RULES + STATE)
    begin_anew(state)
    return state


@njit(nogil=True, cache=True)
def begin_anew(state: F64) -> None:
    """Forget all neighbours; state float64[RULES + STATE], changed in place."""
    state[:] = 0.0
    state[X] = math.nan
    state[AVERAGE] = math.nan
    state[C_PLUS] = math.nan
    state[C_MINUS] = math.nan


@njit(nogil=True, cache=True)
def rounded(z: float) -> float:
    """z to a billionth of a sigma: 10.3 is at the limit of centre 10 and sigma 0.1, though 0.3 / 0.1 is not 3."""
    return round(z * FINEST) / FINEST if abs(z) < 1e6 else z


@njit(nogil=True, cache=True)
def _attribute_value(kind: int, amount: float, inspected: float) -> float:
    if kind in (NP, C):
        return amount
    return amount / inspected if inspected > 0.0 else math.nan


@njit(nogil=True, cache=True)
def _location(kind: int, width: float, centre: float, sigma: float, n: int, inspected: float, at: F64) -> float:
    """Centre, lower, upper, of row `at`, as spc.*_lines; returns the sigma of what is plotted, NaN without lines."""
    if kind not in (P, NP, C, U):
        of_mean = sigma / math.sqrt(n)
        at[CENTRE], at[LOWER], at[UPPER] = centre, centre - width * of_mean, centre + width * of_mean
        return of_mean
    if kind != C and not inspected > 0.0:
        return math.nan
    middle, most = centre, math.inf
    if kind == P:
        of_value, most = math.sqrt(max(centre * (1.0 - centre), 0.0) / inspected), 1.0
    elif kind == NP:
        of_value, most = math.sqrt(max(inspected * centre * (1.0 - centre), 0.0)), inspected
        middle = inspected * centre
    else:
        of_value = math.sqrt(max(centre, 0.0) / (1.0 if kind == C else inspected))
    at[CENTRE] = middle
    at[LOWER] = max(0.0, middle - width * of_value)
    at[UPPER] = min(most, middle + width * of_value)
    return of_value


@njit(nogil=True, cache=True)
def _plotted(plan: F64, value: float, centre: float, sigma: float, n: int, at: F64, state: F64) -> int:
    """A point of a Shewhart chart; returns the bits of the rules that it completes."""
    of_value = _location(int(plan[KIND]), plan[WIDTH], centre, sigma, n, at[INSPECTED], at)
    if math.isnan(of_value):
        state[RULES:] = 0.0
        return 0
    beyond = not at[LOWER] <= value <= at[UPPER]
    if of_value <= 0.0:
        at[BEYOND] = 1.0 if beyond else 0.0
        return 1 if beyond else 0
    z = (value - at[CENTRE]) / of_value
    zone = rounded(z * (3.0 / plan[WIDTH]))
    at[Z] = rounded(z)
    at[BEYOND] = 1.0 if beyond and abs(zone) != 3.0 else 0.0
    return point_bits(zone, state[RULES:])


@njit(nogil=True, cache=True)
def _variance(plan: F64, points: float) -> float:
    """Of an EWMA of values of variance 1, after so many; of fixed limits: after many."""
    lam = plan[LAM]
    part: float = lam / (2.0 - lam)
    if plan[EXACT] and lam < 1.0:
        part *= -math.expm1(2.0 * points * math.log1p(-lam))
    return part


@njit(nogil=True, cache=True)
def _averaged(plan: F64, value: float, centre: float, sigma: float, n: int, at: F64, state: F64) -> None:
    """A point of an EWMA chart. Where sizes differ its variance is carried from point to point."""
    lam = plan[LAM]
    before = centre if math.isnan(state[AVERAGE]) else state[AVERAGE]
    state[POINTS] += 1.0
    average = state[AVERAGE] = lam * value + (1.0 - lam) * before
    if state[SIZE] == 0.0:
        state[SIZE] = n
    elif state[SIZE] > 0.0 and state[SIZE] != n:
        state[VARIANCE] = _variance(plan, state[POINTS] - 1.0) / state[SIZE]
        state[SIZE] = -1.0
    if state[SIZE] < 0.0:
        state[VARIANCE] = lam * lam / n + (1.0 - lam) * (1.0 - lam) * state[VARIANCE]
        of_ewma = sigma * math.sqrt(state[VARIANCE])
    else:
        of_ewma = sigma / math.sqrt(n) * math.sqrt(_variance(plan, state[POINTS]))
    at[VALUE], at[CENTRE] = average, centre
    at[LOWER], at[UPPER] = centre - plan[WIDTH] * of_ewma, centre + plan[WIDTH] * of_ewma
    beyond = not at[LOWER] <= average <= at[UPPER]
    if of_ewma > 0.0:
        at[Z] = rounded((average - centre) / of_ewma)
        beyond = beyond and abs(at[Z]) > plan[WIDTH]
    at[BEYOND] = 1.0 if beyond else 0.0


@njit(nogil=True, cache=True)
def _summed(plan: F64, value: float, centre: float, sigma: float, n: int, at: F64, state: F64) -> None:
    """A point of a CUSUM chart."""
    of_mean = sigma / math.sqrt(n)
    if of_mean <= 0.0:
        at[VALUE] = math.nan
        return
    z = (value - centre) / of_mean
    if math.isnan(state[C_PLUS]):
        state[C_PLUS] = state[C_MINUS] = plan[HEAD_START]
    upper = state[C_PLUS] = max(0.0, state[C_PLUS] + z - plan[K])
    lower = state[C_MINUS] = max(0.0, state[C_MINUS] - z - plan[K])
    state[N_PLUS] = state[N_PLUS] + 1.0 if upper > 0.0 else 0.0
    state[N_MINUS] = state[N_MINUS] + 1.0 if lower > 0.0 else 0.0
    at[PLUS], at[MINUS], at[HOW_LONG_PLUS], at[HOW_LONG_MINUS] = upper, lower, state[N_PLUS], state[N_MINUS]
    at[VALUE], at[Z] = max(upper, lower), z
    at[CENTRE], at[LOWER], at[UPPER] = 0.0, 0.0, plan[H]
    at[BEYOND] = 1.0 if at[VALUE] > plan[H] + 1.0 / FINEST else 0.0


@njit(nogil=True, cache=True)
def _against(plan: F64, limits: F64, x: float, n: int, factor: F64, at: F64, state: F64) -> int:
    """A point where limits are known; returns the bits of the rules that it completes."""
    kind, centre, sigma, value = int(plan[KIND]), limits[0], limits[1], x
    if plan[RESIDUALS]:
        value = (x - centre) - limits[2] * (state[X] - centre)  # NaN without a neighbour
        centre = 0.0
    at[VALUE] = value
    if math.isnan(value):
        state[RULES:] = 0.0
        return 0
    if kind == EWMA:
        _averaged(plan, value, centre, sigma, n, at, state)
        return 0
    if kind == CUSUM:
        _summed(plan, value, centre, sigma, n, at, state)
        return 0
    bits = _plotted(plan, value, centre, sigma, n, at, state)
    if not math.isnan(at[SPREAD]):
        middle, of_spread = factor[0] * sigma, factor[1] * sigma
        at[SPREAD_CENTRE] = middle
        at[SPREAD_LOWER] = max(0.0, middle - plan[WIDTH] * of_spread)
        at[SPREAD_UPPER] = middle + plan[WIDTH] * of_spread
        at[SPREAD_BEYOND] = 1.0 if not at[SPREAD_LOWER] <= at[SPREAD] <= at[SPREAD_UPPER] else 0.0
    return bits


@njit(nogil=True, cache=True)
def judge_points(
    whole: I64, parts: F64, linked: bool, cause_ns: int, plan: F64, limits: F64, factor: F64, rule_bits: I64,
    state: F64, out: F64, marks: I64,
) -> None:  # fmt: skip
    """Judge m subgroups of one setting.

    whole int64[m, 9], parts float64[m, 5]: as spc_subgroups.fold gives them. linked: whether the first is a neighbour
    of the point before. cause_ns: instant of an assignable cause. plan float64[9]; limits float64[3]: centre, sigma,
    phi, or float64[0]: phase I. factor float64[m or 1, 2]: mean and deviation of the spread in sigmas.
    rule_bits int64[r]: of the chosen rules. state float64[RULES + STATE], changed. out float64[m, 21 + r], marks
    int64[m, 2]: get the points, NaN where undefined. A c chart does not judge what is no whole subgroup: fewer defects
    may be found in less. Cost: one pass, no allocation.
    """
    kind = int(plan[KIND])
    attribute = kind in (P, NP, C, U)
    chosen = int(plan[CHOSEN])
    for i in range(len(whole)):
        at, n = out[i], whole[i, 6]
        at[:] = math.nan
        near = whole[i, 3] == 0 and (linked or i > 0)
        if not near:
            begin_anew(state)
        x = _attribute_value(kind, parts[i, 3], parts[i, 4]) if attribute else parts[i, 0]
        at[N], at[UNCERTAIN], at[LEFT_OUT] = n, whole[i, 4], whole[i, 7]
        at[EXCLUDED] = 1.0 if whole[i, 0] <= cause_ns < whole[i, 1] else 0.0
        if parts[i, 4] != 0.0:
            at[INSPECTED] = parts[i, 4]
        if not attribute and n > 1:
            at[SPREAD] = parts[i, 1] if kind == XBAR_R else parts[i, 2]
        elif kind == IMR and not plan[RESIDUALS]:
            at[SPREAD] = abs(x - state[X])  # NaN without a neighbour
        bits = 0
        if kind == C and whole[i, 8]:
            at[VALUE] = x
            state[RULES:] = 0.0
        elif len(limits):
            bits = _against(plan, limits, x, n, factor[i % len(factor)], at, state) & chosen
        else:
            at[VALUE] = x
        state[X] = x
        marks[i, FIRED], marks[i, LINKED] = bits, near
        if math.isnan(at[BEYOND]):
            if not math.isnan(at[SPREAD_BEYOND]):
                at[SIGNAL] = at[SPREAD_BEYOND]
            continue
        out_of = at[BEYOND] == 1.0 if kind in (EWMA, CUSUM) else bits != 0
        at[SIGNAL] = 1.0 if out_of or at[SPREAD_BEYOND] == 1.0 else 0.0
        for place in range(len(rule_bits)):
            at[LEFT_OUT + 1 + place] = 1.0 if (bits & rule_bits[place]) != 0 else 0.0
