"""Which limits hold at an asset: those of its product's profile, else those of its cold chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from andon.config.models import ColdChain
from andon.config.products import Product
from andon.plant import PlantModel
from operators.held import Limits


@dataclass(frozen=True, slots=True)
class Profile:
    """Limits with what they are from. product: None where no profile is declared; then `limits` is the cold chain's."""

    limits: Limits
    product: Product | None = None

    @property
    def about(self) -> dict[str, str]:
        """What a figure tells of it: product, and the profile's version."""
        return {} if self.product is None else {"product": self.product.name, "profile": self.product.version}

    @property
    def frozen(self) -> bool:
        """Whether mean kinetic temperature is not applicable: USP <1079.2> knows none of frozen goods."""
        return self.limits.high < 0.0


def profile_of(plant: PlantModel, declared: ColdChain, name: str | None = None) -> Profile:
    """The profile of a product by name, without a name that of the cold chain's own product.

    A product without a profile is under the cold chain's label range: another product's profile says nothing of it.
    """
    products: Mapping[str, Product] = {one.name: one for one in plant.config.product}
    product = products.get(name or declared.product or "")
    if product is None:
        low, high = declared.low, declared.high
        return Profile(Limits(low, high, low, high, declared.activation_kj_mol * 1000.0))
    condition = product.condition
    limits = Limits(
        condition.low, condition.high, condition.allowed_low, condition.spike_high,
        product.activation_kj_mol * 1000.0, product.life_at_c, product.q10 or float("nan"),
    )  # fmt: skip
    return Profile(limits, product)
