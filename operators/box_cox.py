"""Box-Cox transformation: brings skewed positive values near to normal, so that sigma limits mean what they say.

Limits and specification are transformed with the values. Source: G. E. P. Box & D. R. Cox, Journal of the Royal
Statistical Society B 26 (1964) 211.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize_scalar

from andon.readings import F64

SEARCHED = (-5.0, 5.0)  # exponents beyond these make no chart that people could read


def box_cox(x: float, exponent: float) -> float | None:
    """(x^l - 1) / l, the logarithm at l = 0; None for x <= 0, where it is not defined.

    >>> box_cox(4.0, 0.5), box_cox(1.0, 0.0), box_cox(0.0, 1.0)
    (2.0, 0.0, None)
    """
    if not x > 0.0:
        return None
    logarithm = math.log(x)
    if exponent == 0.0:
        return logarithm
    try:
        return math.expm1(exponent * logarithm) / exponent  # keeps its digits where the exponent is near 0
    except OverflowError:
        return None


def box_cox_exponent(x: F64) -> float | None:
    """The exponent of the greatest likelihood, between -5 and 5. x: float64[n].

    None for fewer than 3 values, for any x <= 0 and where all logarithms are equal. Worth using from n = 50 on.
    """
    if len(x) < 3 or not bool((x > 0.0).all()):
        return None
    logarithm = np.log(x)
    if bool((logarithm == logarithm[0]).all()):  # also of values that differ in their last digit
        return None
    middle = float(logarithm.mean())
    off = logarithm - middle  # a scale leaves the exponent where it is and takes the size off the numbers

    def lost(exponent: float) -> float:
        """Profile likelihood, negative; the power's derivative enters through the mean logarithm, which is now 0."""
        y = off if abs(exponent) < 1e-12 else np.expm1(exponent * off) / exponent
        return 0.5 * len(x) * math.log(float(np.var(y)))

    found = minimize_scalar(lost, bounds=SEARCHED, method="bounded", options={"xatol": 1e-9})
    return float(found.x)
