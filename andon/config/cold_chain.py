"""[template.cold_chain]: which series are a storage temperature, and how excursions are told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from andon.config.base import Section, Tag
from andon.config.products import ProductName


class ColdChain(Section):
    """[template.cold_chain]: which series is a storage temperature, and its label range."""

    temperature: Tag = Field(description="Series of kind number, Cel.")
    low: float = Field(2.0, description="Lower label limit, Cel.")
    high: float = Field(8.0, description="Upper label limit, Cel.")
    activation_kj_mol: float = Field(83.144, gt=0, description="Activation energy of mean kinetic temperature, kJ/mol.")
    probes: tuple[Tag, ...] = Field(
        (), description="Further temperatures, Cel: each has its own figures and excursions, under its tag."
    )
    product_probe: Tag | None = Field(
        None, description="Buffered probe in the product, Cel: excursions are decided by it, not by `temperature`."
    )
    door: Tag | None = Field(None, description="Series of kind boolean, true while the door is open.")
    defrost: Tag | None = Field(None, description="Series of kind boolean, true while the unit defrosts.")
    humidity: Tag | None = Field(None, description="Series of relative humidity, %; gives the kind humidity.")
    humidity_low: float = Field(35.0, ge=0, le=100, description="Lower limit of relative humidity, %.")
    humidity_high: float = Field(75.0, ge=0, le=100, description="Upper limit of relative humidity, %.")
    product: ProductName | None = Field(
        None, description="Name of a [[product]]: its profile holds where no lot names another; gives the kind usp."
    )
    hysteresis_c: float = Field(
        0.5, ge=0, description="An excursion ends so far inside the limit, Cel. Usual value, to be confirmed."
    )
    hold_off_s: float = Field(
        900.0, ge=0, description="Shorter excursions are not told, s. Usual value, to be confirmed."
    )
    door_within_s: float = Field(
        600.0,
        ge=0,
        description="An excursion that begins so soon after the door was open, or a defrost ran, is put down to it, s. "
        "Usual value, to be confirmed.",
    )
    door_slope_c_min: float = Field(
        0.5,
        gt=0,
        description="Without a door contact: the door is taken for open where the air warms so fast in two minutes one "
        "after the other, Cel/min. Usual value, to be confirmed.",
    )
    who: tuple[Literal["heat8", "freeze", "single45_1h", "cum30_10h", "cum10_20h"], ...] = Field(
        (),
        description="Alarms of WHO PQS E006 to compute, kind who. 30DTR: heat8, freeze; shipping indicators type 1: "
        "single45_1h, cum30_10h, freeze; type 2 also cum10_20h.",
    )
    gsp: Literal["storage", "transport"] | None = Field(
        None, description="Given: the configuration is checked against China's GSP, appendix 3: intervals, sensors."
    )
    volume_m3: float | None = Field(None, gt=0, description="Of a vehicle, m3: how many sensors GSP asks for.")
    least_coverage: float = Field(
        0.95, gt=0, le=1, description="A USP window of which less is known cannot pass. Usual value, to be confirmed."
    )

    def carrying(self, kind: str) -> list[str]:
        """The tags that figures of a kind stand under; none of a kind that is not the cold chain's."""
        decides = self.product_probe or self.temperature
        tags: dict[str, list[str]] = {
            "cold_chain": [self.temperature, *self.probes],
            "excursion": [decides, *self.probes],
            "usp": [decides] if self.product else [],
            "lot_stay": [decides],
            "humidity": [self.humidity] if self.humidity else [],
            "who": [*self.who],
        }
        return tags.get(kind, [])
