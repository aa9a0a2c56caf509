"""[[product]]: how a product is to be kept, as data with source and version; what USP says of storage conditions."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from andon.config.base import Section

Storage = Literal["controlled_room_temperature", "controlled_cold", "cool", "freezer", "ultra_low"]
ProductName = Annotated[str, Field(min_length=1, max_length=64)]


class Condition(Section):
    """A storage condition: Cel, h; None where it says nothing.

    low, high: label range. allowed_high: up to there for any time, if the mean kinetic temperature (MKT) holds.
    spike_high: up to there for spike_h in total. mkt_high over mkt_h: limit of the MKT; None: it is not applicable.
    """

    low: float
    high: float
    allowed_low: float
    allowed_high: float
    spike_high: float
    spike_h: float = 0.0
    mkt_high: float | None = None
    mkt_h: float | None = None


#: USP <659> and <1079.2> (official 1 August 2025). Of frozen goods no excursion and no mean kinetic temperature is
#: allowed; "cool" has none either. Ultra-low: usual value, to be confirmed against the label.
STORAGE: dict[str, Condition] = {
    "controlled_room_temperature": Condition(
        low=20, high=25, allowed_low=15, allowed_high=30, spike_high=40, spike_h=24, mkt_high=25, mkt_h=720
    ),
    "controlled_cold": Condition(
        low=2, high=8, allowed_low=2, allowed_high=8, spike_high=15, spike_h=24, mkt_high=8, mkt_h=24
    ),
    "cool": Condition(low=8, high=15, allowed_low=8, allowed_high=15, spike_high=15),
    "freezer": Condition(low=-25, high=-10, allowed_low=-25, allowed_high=-10, spike_high=-10),
    "ultra_low": Condition(low=-90, high=-60, allowed_low=-90, allowed_high=-60, spike_high=-60),
}


class Product(Section):
    """[[product]]: a product's temperature profile. What is not given is that of its storage condition."""

    name: ProductName = Field(description="As events name it in `product`.")
    source: str = Field(min_length=1, description="Document the numbers are from: stability report, label, licence.")
    version: str = Field(min_length=1, max_length=64, description="Version of that document; told with each figure.")
    storage: Storage | None = Field(
        None, description="Storage condition after USP <659>; gives every limit that is not given here."
    )
    low: float | None = Field(None, description="Lower label limit, Cel; the limit itself is inside.")
    high: float | None = Field(None, description="Upper label limit, Cel; the limit itself is inside.")
    allowed_low: float | None = Field(None, description="Lowest temperature of an allowed excursion, Cel; none: `low`.")
    allowed_high: float | None = Field(
        None, description="Excursions up to here are allowed for any time while the MKT holds, Cel; none: `high`."
    )
    spike_high: float | None = Field(
        None, description="Highest temperature of an allowed excursion, Cel; none: `allowed_high`."
    )
    spike_h: float | None = Field(None, ge=0, description="How long in total above `allowed_high` in a MKT window, h.")
    mkt_high: float | None = Field(None, description="Limit of the mean kinetic temperature, Cel; none: not judged.")
    mkt_h: float | None = Field(
        None,
        gt=0,
        le=8784,
        description="Window of the mean kinetic temperature, h; 24 for cold, 720 for room temperature.",
    )
    activation_kj_mol: float = Field(
        83.144, gt=0, description="Activation energy of degradation, kJ/mol; 83.144 where none is known."
    )
    q10: float | None = Field(
        None, gt=1, description="Acceleration per 10 K for the shelf life, instead of the activation energy."
    )
    label_c: float | None = Field(
        None, description="Temperature for which the shelf life is labelled, Cel; none: the middle of the label range."
    )
    life_h: float | None = Field(
        None, gt=0, description="Shelf life at that temperature, h; none: no remaining life is computed."
    )
    tor_h: float | None = Field(
        None, gt=0, description="Time out of refrigeration that the stability data allow over all legs, h."
    )

    @property
    def condition(self) -> Condition:
        """What is given, completed from the storage condition."""
        base = STORAGE[self.storage].model_dump() if self.storage else {}
        given = {name: getattr(self, name) for name in Condition.model_fields if getattr(self, name) is not None}
        merged = {"low": -math.inf, "high": math.inf, **base, **given}
        for name, other, widest in (
            ("allowed_low", "low", min), ("allowed_high", "high", max), ("spike_high", "allowed_high", max),
        ):  # fmt: skip
            if name not in given:  # a label that is wider than its storage condition widens what is allowed with it
                merged[name] = widest(merged.get(name, merged[other]), merged[other])
        return Condition.model_construct(**{"spike_h": 0.0, "mkt_high": None, "mkt_h": None, **merged})

    @property
    def life_at_c(self) -> float:
        """Temperature of the labelled life, Cel."""
        condition = self.condition
        return (condition.low + condition.high) / 2.0 if self.label_c is None else self.label_c
