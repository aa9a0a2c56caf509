"""Factors of control charts: what ranges and standard deviations of n normal values are, in units of sigma.

They are integrated here, not read from a table, so they are not rounded: a textbook's limits differ from the fourth
digit on. Source: ASTM E2587 (definitions); D. C. Montgomery, Introduction to Statistical Quality Control, appendix VI.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
from scipy.special import ndtr

REACH = 12.0  # sigmas on each side; what lies beyond is below the last digit of a float64
NODES = 400


@dataclass(frozen=True, slots=True)
class Factors:
    """Factors of subgroups of n >= 2 values. Names as in the standard tables.

    d2, d3: mean and standard deviation of the range; c4: mean of the standard deviation, all in sigmas.
    A2, A3: half width of the limits of means, in mean ranges and in mean standard deviations.
    D3, D4, B3, B4: limits of the range and of the standard deviation, as multiples of their mean; never below 0.
    """

    d2: float
    d3: float
    c4: float
    A2: float
    A3: float
    D3: float
    D4: float
    B3: float
    B4: float

    def by_name(self) -> dict[str, float]:
        """All of them, name -> factor."""
        return asdict(self)


@cache
def factors(n: int) -> Factors:
    """The factors of subgroups of n values, n >= 2; ValueError below. Cost: some 10 ms, once an n."""
    if n < 2:
        raise ValueError(f"a subgroup of {n} has no range; at least 2")
    d2, d3 = _range_moments(n)
    c4 = mean_deviation(n)
    spread = 3.0 * d3 / d2
    other = 3.0 * math.sqrt(max(1.0 - c4 * c4, 0.0)) / c4
    root = math.sqrt(n)
    return Factors(
        d2, d3, c4, 3.0 / (d2 * root), 3.0 / (c4 * root),
        max(0.0, 1.0 - spread), 1.0 + spread, max(0.0, 1.0 - other), 1.0 + other,
    )  # fmt: skip


@cache
def mean_deviation(n: int) -> float:
    """c4 of n >= 2 values alone: cheap, where the factors of ranges are not."""
    return math.sqrt(2.0 / (n - 1)) * math.exp(math.lgamma(n / 2) - math.lgamma((n - 1) / 2))


@cache
def of_spread(n: int, *, deviation: bool) -> tuple[float, float]:
    """Mean and standard deviation, in sigmas, of what tells the spread of n >= 2 values: deviation or range."""
    if not deviation:
        return factors(n).d2, factors(n).d3
    c4 = mean_deviation(n)
    return c4, math.sqrt(max(1.0 - c4 * c4, 0.0))


def _range_moments(n: int) -> tuple[float, float]:
    """Mean and standard deviation of the range of n standard normal values.

    With F the normal distribution, for x < y: P(minimum <= x, maximum > y) follows from powers of F, and
    E[R] = int 1 - F^n - (1-F)^n, E[R^2] = 2 int int_{x<y} 1 - F(y)^n - (1-F(x))^n + (F(y)-F(x))^n.
    """
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    y, weight = nodes * REACH, weights * REACH
    below, above = ndtr(y), ndtr(-y)
    d2 = float(weight @ (1.0 - below**n - above**n))
    # x runs from -REACH to y: the inner rule is the outer one, shrunk to that length
    x = -REACH + (nodes[None, :] + 1.0) * (y[:, None] + REACH) / 2.0
    inner = weights[None, :] * (y[:, None] + REACH) / 2.0
    rest = 1.0 - below[:, None] ** n - ndtr(-x) ** n + (below[:, None] - ndtr(x)) ** n
    square = 2.0 * float(weight @ (inner * rest).sum(axis=1))
    return d2, math.sqrt(square - d2 * d2)
