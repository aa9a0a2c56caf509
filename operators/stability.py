"""What a temperature history costs a product: time out of refrigeration, shelf life by Arrhenius or Q10.

The budget belongs to the lot: legs add up over every hand-over. A product's activation energy or Q10 is data of its
stability report, not a constant.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from operators.cold_chain import ACTIVATION_J_MOL, GAS_CONSTANT, ZERO_CELSIUS

Legs = Iterable[tuple[float, float]]  # temperature Cel, hours


@dataclass(frozen=True, slots=True)
class Budget:
    """Hours of a budget; left_h is negative where it is overdrawn. pct: used share, %."""

    used_h: float
    left_h: float
    pct: float


def out_of_refrigeration(legs: Legs, high_c: float, budget_h: float) -> Budget:
    """Hours above the upper label limit (the limit itself is inside) over all legs against the budget, > 0 h.

    >>> out_of_refrigeration([(5, 100), (22, 6.5), (15, 20)], high_c=8.0, budget_h=72)
    Budget(used_h=26.5, left_h=45.5, pct=36.80555555555556)
    """
    used_h = math.fsum(hours for value_c, hours in legs if value_c > high_c)
    return Budget(used_h, budget_h - used_h, 100.0 * used_h / budget_h)


def rate(
    value_c: float, label_c: float, activation_j_mol: float = ACTIVATION_J_MOL, gas_constant: float = GAS_CONSTANT
) -> float:
    """How much faster a product ages at value_c than at its label's temperature, both Cel (Arrhenius).

    >>> round(24 * rate(25.0, 5.0), 1)  # a day at 25 costs eleven days of a life at 5
    267.7
    """
    return math.exp(
        -activation_j_mol / gas_constant * (1.0 / (value_c + ZERO_CELSIUS) - 1.0 / (label_c + ZERO_CELSIUS))
    )


def accelerated(q10: float, hot_c: float, label_c: float) -> float:
    """How much faster a product ages at hot_c than at label_c by its factor per 10 K (ASTM F1980).

    >>> accelerated(2.0, 55.0, 25.0)
    8.0
    """
    return float(q10 ** ((hot_c - label_c) / 10.0))


def q10_of(activation_j_mol: float, value_c: float, gas_constant: float = GAS_CONSTANT) -> float:
    """The factor from value_c to 10 K above it that an activation energy stands for.

    >>> round(q10_of(83_144.0, 20.0), 2)
    3.08
    """
    return rate(value_c + 10.0, value_c, activation_j_mol, gas_constant)


def consumed_h(
    legs: Legs,
    label_c: float,
    activation_j_mol: float = ACTIVATION_J_MOL,
    gas_constant: float = GAS_CONSTANT,
    q10: float | None = None,
) -> float:
    """Hours at the label's temperature that the legs are worth; by Q10 where one is given."""
    if q10 is not None:
        return math.fsum(hours * accelerated(q10, value_c, label_c) for value_c, hours in legs)
    return math.fsum(hours * rate(value_c, label_c, activation_j_mol, gas_constant) for value_c, hours in legs)


LEG = ("above_s", "blind_out_s", "below_s", "gap_s", "uncertain_s", "stay_s", "life_used_h")


def over_legs(stays: Iterable[Mapping[str, float | None]]) -> dict[str, float]:
    """The parts of a lot's stays (figures lot_stay of any assets), summed: what the lot has been through in all.

    Gives LEG and tor_used_s, the time out of refrigeration of all legs. A part that a stay does not know counts as 0.
    """
    legs = list(stays)
    summed = {name: math.fsum(leg.get(name) or 0.0 for leg in legs) for name in LEG}
    return {**summed, "tor_used_s": summed["above_s"] + summed["blind_out_s"]}
