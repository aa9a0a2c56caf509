"""What every section of plant.toml is made of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Language = Literal["en", "zh-CN"]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
AssetPath = Annotated[str, Field(pattern=r"^[a-z0-9._-]+(/[a-z0-9._-]+)*$", max_length=200)]
Tag = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
# Half-open ranges need inf; everywhere else an infinite or NaN setting is a mistake that would never alarm.
Bound = Annotated[float, Field(allow_inf_nan=True)]


class Section(BaseModel):
    """Base of every section: unknown keys are refused, inf and nan too. The loader adds strict types."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
