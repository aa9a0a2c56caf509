"""What a lot has been through at an asset, added up from one event to the next."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from operators.held import (
    ABOVE,
    ABOVE_MIN,
    BELOW,
    BELOW_MIN,
    BEYOND,
    BLIND_OUT,
    COVERED,
    LIFE_S,
    MAXIMUM,
    MINIMUM,
    UNCERTAIN,
    Held,
)

SUMMED = (COVERED, ABOVE, BELOW, BEYOND, UNCERTAIN, BLIND_OUT)


@dataclass(frozen=True, slots=True)
class Total:
    """What a lot has been through: s in the order of SUMMED, s at the label's temperature, Cel s, ln s, Cel.

    minutes: degree-minutes above and below the label range.
    """

    sums: tuple[float, ...] = (0.0,) * len(SUMMED)
    life_s: float = 0.0
    integral: float = 0.0
    log: float = -math.inf
    minimum: float = math.inf
    maximum: float = -math.inf
    minutes: tuple[float, float] = (0.0, 0.0)

    def plain(self) -> tuple[Any, ...]:
        """What `of` takes."""
        return (self.sums, self.life_s, self.integral, self.log, self.minimum, self.maximum, self.minutes)

    @staticmethod
    def of(plain: tuple[Any, ...]) -> Total:
        """From a snapshot; one that was kept before degree-minutes were counted does not know them."""
        whole = plain if len(plain) == len(fields(Total)) else (*plain, (math.nan, math.nan))
        return Total(*whole)

    def plus(self, held: Held) -> Total:
        """With a settled stretch."""
        if not held.seconds(COVERED):
            sums = tuple(one + held.seconds(place) for one, place in zip(self.sums, SUMMED, strict=True))
            return replace(self, sums=sums)
        low, high, log = held.number(MINIMUM), held.number(MAXIMUM), held.arrhenius_log
        logs = (self.log, -math.inf if log is None else log)
        top = max(logs)
        joined = top + math.log(sum(math.exp(one - top) for one in logs)) if top > -math.inf else top
        return Total(
            tuple(one + held.seconds(place) for one, place in zip(self.sums, SUMMED, strict=True)),
            self.life_s + held.amount(LIFE_S), self.integral + held.integral, joined,
            min(self.minimum, low or 0.0), max(self.maximum, high or 0.0),
            (self.minutes[0] + held.amount(ABOVE_MIN), self.minutes[1] + held.amount(BELOW_MIN)),
        )  # fmt: skip

    @property
    def degree_minutes(self) -> dict[str, float | None]:
        """Parts of a stay; None where not known."""
        names = zip(("above_c_min", "below_c_min"), self.minutes, strict=True)
        return {name: None if math.isnan(value) else value for name, value in names}


NOTHING = Total()
