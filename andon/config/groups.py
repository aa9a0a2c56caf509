"""Groups of series of an asset that are judged together, in plant.toml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from andon.config.base import Section, Slug, Tag

MOST_TAGS = 32


class Group(Section):
    """[[template.group]]: series of one asset that belong together (figure `group`, kept under `name`)."""

    name: Slug = Field(description='What its figures stand under, as the tag; rules name it: on = "*/name".')
    tags: tuple[Tag, ...] = Field(
        min_length=2,
        max_length=MOST_TAGS,
        description="2 to 32 series of kind number. Of twin exactly two, of one unit.",
    )
    method: Literal["mewma", "half_space", "twin"] = Field(
        "mewma", description="mewma: levels, scatter and relations against a reference that stays. half_space: corners "
        "that a machine of several modes has not been in. twin: two sensors that should agree.",
    )  # fmt: skip
    window_s: float = Field(
        600.0, gt=0, le=86_400.0, description="Each series is averaged over windows of so long, s; one row of means is "
        "judged a window. At least the longest every_s of its tags.",
    )  # fmt: skip
    learn: int = Field(
        400, ge=20, le=2000, description="Windows that are the reference; until then there is no score. What the "
        "journal holds of the last 7 days counts.",
    )  # fmt: skip
    by_product: bool = Field(
        False, description="A reference of its own for each product, as order.started and product.changed tell it; of "
        "the 16 that ran last.",
    )  # fmt: skip
    while_running: bool = Field(
        False, description="Only readings at which [template.running] says that it runs are averaged."
    )
    settle_s: float = Field(
        0.0, ge=0, le=86_400.0, description="After a start (with while_running) or another product (with by_product) "
        "so long no reading is averaged, s.",
    )  # fmt: skip
    false_alarm_days: float = Field(
        30.0, gt=0, le=3660, description="About one false alarm of the group in so many days; lower is more sensitive."
    )
