"""Lives of parts: Weibull by maximum likelihood with censored units, and the mean time between failures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special


@dataclass(frozen=True, slots=True)
class Weibull:
    """Share failed by age t: 1 - exp(-(t/eta)^beta). beta: < 1 early, 1 random, > 1 wear. eta: in the unit of ages."""

    beta: float
    eta: float

    def quantile(self, share: float) -> float:
        """Age by which a share, 0 <= share < 1, has failed; B10 is that of 0.1, eta that of 0.632."""
        return self.eta * math.exp(math.log(-math.log1p(-share)) / self.beta) if share > 0.0 else 0.0

    @property
    def mean(self) -> float:
        """Mean life: eta * gamma(1 + 1/beta)."""
        return self.eta * math.gamma(1.0 + 1.0 / self.beta)

    def failed(self, age: float) -> float:
        """Share that failed by an age."""
        return -math.expm1(-((max(age, 0.0) / self.eta) ** self.beta))


def weibull_fit(failed: Sequence[float], running: Sequence[float] = ()) -> Weibull | None:
    """Maximum likelihood of the two parameters; None for fewer than two different lives, for which it has none.

    failed : ages at failure, > 0. running: ages of units that did not fail (still run, or were replaced before):
             leaving them out would make every part look worse than it is.
    Solves sum(t^b ln t)/sum(t^b) - 1/b - mean(ln failed) = 0, growing in b, then eta^b = sum(t^b)/failures. Ages are
    taken relative to the largest, so t^b does not overflow. Source: Lawless, Statistical Models and Methods for
    Lifetime Data (2003), 5.2.
    """
    lives = np.array([age for age in failed if age > 0.0], np.float64)
    if len(lives) < 2 or float(np.ptp(lives)) <= 1e-9 * float(lives.max()):
        return None
    every = np.concatenate([lives, [age for age in running if age > 0.0]])
    longest = float(every.max())
    logs = np.log(every / longest)
    mean_log = float(np.mean(np.log(lives / longest)))

    def off(beta: float) -> float:
        power = np.exp(beta * logs)
        return float(power @ logs / power.sum()) - 1.0 / beta - mean_log

    high = 1.0
    while off(high) < 0.0 and high < 1e9:
        high *= 2.0
    beta = float(optimize.brentq(off, 1e-6, high, xtol=1e-13, rtol=1e-13))
    return Weibull(beta, longest * (float(np.exp(beta * logs).sum()) / len(lives)) ** (1.0 / beta))


def mtbf_lower(total: float, failures: int, confidence: float) -> float:
    """One-sided lower limit of the mean time between failures: 2 T / chi2(confidence; 2 r + 2), time censored.

    total: time of operation of all units, failures r >= 0 (0 included). Constant failure rate. Source: NIST/SEMATECH
    e-Handbook 8.4.5.1.

    >>> round(mtbf_lower(1000.0, 0, 0.9), 1)
    434.3
    """
    return 2.0 * total / _chi2(confidence, 2 * failures + 2)


def mtbf_interval(total: float, failures: int, confidence: float) -> tuple[float, float | None]:
    """Two-sided interval of the mean time between failures, time censored; the upper end None without a failure.

    >>> low, high = mtbf_interval(1600.0, 2, 0.9)
    >>> round(low), round(high / 100)
    (254, 45)
    """
    tail = (1.0 - confidence) / 2.0
    upper = 2.0 * total / _chi2(tail, 2 * failures) if failures else None
    return 2.0 * total / _chi2(1.0 - tail, 2 * failures + 2), upper


def _chi2(share: float, freedom: int) -> float:
    """Quantile of the chi-squared distribution."""
    return 2.0 * float(special.gammaincinv(freedom / 2.0, share))
