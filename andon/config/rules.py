"""[[rule]]: when a condition becomes an alarm."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from andon.config.base import Language, Section, Slug


class Rule(Section):
    """[[rule]]: when a condition becomes an alarm. Exactly one of above, below, outside, stale_s, stuck_s, anomaly."""

    id: Slug = Field(description="Part of the alarm's identity: renaming a rule starts new alarms.")
    on: str = Field(description="Glob over asset-path/tag; must match at least one series.")
    name: dict[Language, str] = Field(default_factory=dict, description="Shown to people.")
    above: float | None = Field(None, description="Value above this, in the series' unit.")
    below: float | None = Field(None, description="Value below this.")
    outside: tuple[float, float] | None = Field(None, description="Value below the first or above the second.")
    stale_s: float | None = Field(None, gt=0, description="No row for so long, s.")
    stuck_s: float | None = Field(None, gt=0, description="Rows come, the value does not move for so long, s.")
    anomaly: float | None = Field(None, gt=0, description="Score of the detector at or above this; series with detect.")
    deadband: float = Field(0.0, ge=0, description="Clears only so far inside the limit, in the series' unit.")
    delay_s: float = Field(0.0, ge=0, description="Must be true for so long to be confirmed, s.")
    off_delay_s: float = Field(0.0, ge=0, description="Must be clear for so long to end, s.")
    raises: Literal["none", "quality_event", "maintenance_order"] = Field(
        "none", description="Record in the ERP for each confirmed alarm; none: only an alarm."
    )
    priority: Literal["critical", "high", "medium", "low"] = Field("medium", description="After ISA-18.2.")
    consequence: dict[Language, str] = Field(default_factory=dict, description="What happens if nobody acts.")
    response: dict[Language, str] = Field(default_factory=dict, description="What the operator does.")
