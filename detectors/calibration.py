"""Turn a nonconformity into -log10 of its tail probability, online, from two numbers a stream.

Model of the upper tail of a nonconformity z > 0: -log10 P(Z > z) = (z / q) ** k. q is the value that one row in ten
exceeds, found by stochastic approximation in the log domain; k follows from the mean log excess over q, as in Hill's
estimator: k = 1 is an exponential tail, 1.5 a Gaussian one, less than 1 a heavier one. Below q the same formula gives
0..1. In a run of consecutive exceedances the n-th counts for n ** -0.7: correlated rows are not new evidence.

Rejected: a log histogram per stream (48 counts and a sum over them for each look-up; twice the time, ten times the
memory, no better on recorded series); a plain Hill (Pareto) tail: Gaussian noise then needs 16 sigma for 1e-6.

numba notices edits of the file that holds a kernel, not of those it calls: after an edit, touch ensemble_kernel.py.
"""

from __future__ import annotations

import math

from numba import njit

TAIL = 0.1  # share of rows above q
EXCESS_AT_ONE = 0.31  # mean log excess of an exponential tail over its 0.9 quantile, winsorised as below
EXCESS_LEAST = 0.19  # k at most 1.63, hardly more than Gaussian noise has: no tail is believed to be lighter
EXCESS_LIMIT = 3.5  # an excess counts for at most so many mean excesses
RUN_POWER = 0.7  # the n-th exceedance in a row weighs n ** -RUN_POWER
PRIOR_ROWS = 30.0  # the prior mean excess weighs as much as so many exceedances
EXCESS_RATE = 0.0005  # slowest learning rate of the mean excess, per exceedance


@njit(nogil=True, cache=True, error_model="numpy")
def tail_score(log_z: float, log_q: float, excess: float) -> float:
    """-log10 of the tail probability of z, 0..20.

    log_z : ln of the nonconformity; log_q: ln of q; excess: mean log excess over q, > 0.
    """
    return math.exp(min(EXCESS_AT_ONE / max(excess, EXCESS_LEAST) * (log_z - log_q), 3.0))


@njit(nogil=True, cache=True, error_model="numpy")
def learn_tail(
    z: float, q: float, excess: float, run: float, seen: float, rate: float, limit: float
) -> tuple[float, float, float]:
    """One row more: the new (q, mean excess, run length). z, q and excess in one domain, log or linear.

    run  : how long z has been above q; seen: rows of this stream so far; rate: step of q, in the domain's unit.
    limit: an excess counts for at most so many mean excesses.
    """
    above = z - q
    if above <= 0.0:
        return q - rate * TAIL, excess, (run - 0.5 if run > 1.0 else 0.0)
    run += 1.0
    weight = max(EXCESS_RATE, 1.0 / (PRIOR_ROWS + TAIL * seen)) / run**RUN_POWER
    return q + rate * (1.0 - TAIL), excess + weight * (min(above, limit * excess) - excess), run
