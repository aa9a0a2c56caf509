"""Average run lengths: how many points a chart takes to its signal, under a shift of delta sigmas.

Normal, independent points with known limits. The shift is there from the first point on. Integral equations are
solved at Gauss-Legendre nodes (Nystrom's method), run rules by their Markov chain: no simulation, 1e-8 and better.
Source: S. V. Crowder, Technometrics 29 (1987); J. M. Lucas & R. B. Crosier, Technometrics 24 (1982); C. W. Champ &
W. H. Woodall, Technometrics 29 (1987).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from scipy.sparse import coo_matrix, identity
from scipy.sparse.linalg import spsolve
from scipy.special import ndtr

NODES = 160
ZONES = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
ZONE_RULES = (1, 2, 5, 6, 7, 8)  # of Nelson's; 3 and 4 look at the order inside a zone
Remembered = tuple[int, int, int, int, int, int]


def arl_shewhart(width: float, delta: float = 0.0, n: int = 1) -> float:
    """Chart of means of n values with limits at width sigmas of the mean; delta in sigmas of a value."""
    shift = delta * math.sqrt(n)
    return 1.0 / float(ndtr(-width + shift) + ndtr(-width - shift))


def arl_ewma(lam: float, width: float, delta: float = 0.0, start: float = 0.0) -> float:
    """Two-sided EWMA with fixed limits at width * sqrt(lam / (2 - lam)) sigmas; 0 < lam <= 1; start in sigmas."""
    limit = width * math.sqrt(lam / (2.0 - lam))
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    y, weight = nodes * limit, weights * limit
    kernel = weight * _density((y[None, :] - (1.0 - lam) * y[:, None]) / lam - delta) / lam
    inside = np.linalg.solve(np.eye(NODES) - kernel, np.ones(NODES))
    return float(1.0 + (weight * _density((y - (1.0 - lam) * start) / lam - delta) / lam) @ inside)


def arl_cusum(k: float, h: float, delta: float = 0.0, *, sided: int = 2, start: float = 0.0) -> float:
    """CUSUM of reference value k and decision interval h, in sigmas; a signal is a sum above h.

    sided: 1 the upper sum alone, 2 both. start: head start of each sum, sigmas, 0 <= start < h.
    """
    upper, upper_from = _one_sided(k, h, delta, start)
    if sided == 1:
        return upper_from
    lower, lower_from = _one_sided(k, h, -delta, start)
    return (upper_from * lower + upper * lower_from - upper * lower) / (upper + lower)


def _one_sided(k: float, h: float, delta: float, start: float) -> tuple[float, float]:
    """From 0 and from start."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    y, weight = (nodes + 1.0) * h / 2.0, weights * h / 2.0
    places = np.concatenate([[0.0], y])  # the sum stands at 0 with a probability of its own
    into = np.empty((NODES + 1, NODES + 1))
    into[:, 0] = ndtr(k - places - delta)
    into[:, 1:] = weight * _density(y[None, :] - places[:, None] + k - delta)
    mean = np.linalg.solve(np.eye(NODES + 1) - into, np.ones(NODES + 1))
    if start == 0.0:
        return float(mean[0]), float(mean[0])
    row = weight * _density(y - start + k - delta)
    return float(mean[0]), float(1.0 + ndtr(k - start - delta) * mean[0] + row @ mean[1:])


def _density(x: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi))


def arl_run_same_side(n: int, delta: float = 0.0) -> float:
    """n points in a row on one side of the centre line; 2^n - 1 without a shift."""
    above = float(ndtr(delta))
    below = 1.0 - above
    # 1 / ARL is the sum over both sides of 1 / E[first run of n of that side], as their renewals exclude each other
    rates = [p**n * (1.0 - p) / (1.0 - p**n) for p in (above, below) if 0.0 < p < 1.0]
    return 1.0 / sum(rates) if rates else float(n)


def arl_western_electric(rules: Iterable[int] = (1, 2, 3, 4), delta: float = 0.0) -> float:
    """Western Electric rules together: beyond 3; 2 of 3 beyond 2; 4 of 5 beyond 1; 8 on one side."""
    chosen = frozenset(rules)
    named = {1: 1, 2: 5, 3: 6}
    return _chain(frozenset(named[rule] for rule in chosen if rule in named), 8 if 4 in chosen else 0, delta)


def arl_nelson(rules: Iterable[int], delta: float = 0.0) -> float:
    """Nelson's rules 1, 2, 5, 6, 7, 8, any of them together; ValueError for 3 and 4, whose chain is not finite."""
    chosen = frozenset(rules)
    other = sorted(chosen - set(ZONE_RULES))
    if other:
        raise ValueError(f"no finite Markov chain for Nelson's rules {other}; possible are {ZONE_RULES}")
    return _chain(chosen - {2}, 9 if 2 in chosen else 0, delta)


def _chain(chosen: frozenset[int], run: int, delta: float) -> float:
    """Mean steps to absorption of the chain over what the rules remember of the last points."""
    edges = np.concatenate([[-np.inf], ZONES, [np.inf]])
    chances = np.diff(ndtr(edges - delta))
    start: Remembered = (0, 0, 0, 0, 0, 0)
    number = {start: 0}
    todo, rows, columns, data = [start], [], [], []
    while todo:
        state = todo.pop()
        for zone, chance in zip((-4, -3, -2, -1, 1, 2, 3, 4), chances, strict=True):
            reached = _after(state, zone, chosen, run)
            if reached is None:
                continue
            if reached not in number:
                number[reached] = len(number)
                todo.append(reached)
            rows.append(number[state])
            columns.append(number[reached])
            data.append(chance)
    size = len(number)
    moves = coo_matrix((data, (rows, columns)), shape=(size, size)).tocsc()
    return float(spsolve(identity(size, format="csc") - moves, np.ones(size))[0])


def _after(state: Remembered, zone: int, chosen: frozenset[int], run: int) -> Remembered | None:
    """What is remembered after a point in a zone (1: within 1 sigma, ... 4: beyond 3); None: a signal."""
    side, two_up, two_down, one_up, one_down, within = state
    keep_1 = 127 if 8 in chosen else 15
    side = (side + 1 if side > 0 else 1) if zone > 0 else (side - 1 if side < 0 else -1)
    two_up, two_down = two_up << 1 | (zone > 2), two_down << 1 | (zone < -2)
    one_up, one_down = one_up << 1 | (zone > 1), one_down << 1 | (zone < -1)
    within = within + 1 if abs(zone) == 1 else 0
    beyond = one_up | one_down
    if (
        (1 in chosen and abs(zone) == 4)
        or (run and abs(side) >= run)
        or (5 in chosen and ((two_up & 1 and two_up.bit_count() >= 2) or (two_down & 1 and two_down.bit_count() >= 2)))
        or (6 in chosen and (_four_of_five(one_up) or _four_of_five(one_down)))
        or (7 in chosen and within >= 15)
        or (8 in chosen and beyond & 255 == 255 and one_up & 255 and one_down & 255)
    ):
        return None
    return (
        side if run else 0,
        two_up & 3 if 5 in chosen else 0, two_down & 3 if 5 in chosen else 0,
        one_up & keep_1 if chosen & {6, 8} else 0, one_down & keep_1 if chosen & {6, 8} else 0,
        within if 7 in chosen else 0,
    )  # fmt: skip


def _four_of_five(bits: int) -> bool:
    return bool(bits & 1) and (bits & 31).bit_count() >= 4
