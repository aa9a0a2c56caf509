"""[[rule]]: when a condition becomes an alarm."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from andon.config.base import Language, Section, Slug, Tag
from andon.config.calendar import LocalTime

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Schedule(Section):
    """[rule.schedule]: the hours in which the rule counts; outside them it is suppressed by design."""

    days: tuple[Day, ...] = Field(DAYS, description="Days on which it begins to count.")
    begins: LocalTime = Field("00:00", description="Local time of the site, HH:MM, from which on it counts.")
    ends: LocalTime = Field(
        "00:00", description="Until when, HH:MM; not after `begins`: on the next day. Equal: a whole day."
    )


class When(Section):
    """[rule.when]: the rule counts only while a series of the same asset says so: machine off, cleaning, empty."""

    tag: Tag = Field(description="Series of the asset that says what the machine does.")
    states: tuple[str, ...] = Field((), description="States in which it counts. One of states, values.")
    values: tuple[float, ...] = Field((), description="Values of any other series in which it counts; a boolean: 0, 1.")
    grace_s: float = Field(0.0, ge=0, description="After such a state begins, it counts only after so long, s.")


class Rule(Section):
    """[[rule]]: when a condition becomes an alarm.

    Exactly one of above, below, outside, stale_s, stuck_s, anomaly, rate_above, rate_below, deviates_from, gap_s.
    """

    id: Slug = Field(description="Part of the alarm's identity: renaming a rule starts new alarms.")
    on: str = Field(description="Glob over asset-path/tag; must match at least one series.")
    name: dict[Language, str] = Field(default_factory=dict, description="Shown to people.")
    above: float | None = Field(None, description="Value above this, in the series' unit.")
    below: float | None = Field(None, description="Value below this.")
    outside: tuple[float, float] | None = Field(None, description="Value below the first or above the second.")
    stale_s: float | None = Field(None, gt=0, description="No row for so long, s.")
    stuck_s: float | None = Field(None, gt=0, description="Rows come, the value does not move for so long, s.")
    anomaly: Annotated[float, Field(gt=0, strict=True)] | Literal[True] | None = Field(
        None,
        union_mode="left_to_right",  # a score of 1 is not true
        description="Score of the detector at or above this; series with detect. true: while an alarm of the detector "
        "goes on, about one false alarm in `false_alarm_days`.",
    )
    rate_above: float | None = Field(None, description="Change over `over_s` above this, in the series' unit per s.")
    rate_below: float | None = Field(None, description="Change over `over_s` below this (negative: a fall).")
    deviates_from: str | None = Field(
        None, description="Setpoint or twin: a tag of the same asset, or asset/tag of the same shard; with `by`."
    )
    by: float | None = Field(None, gt=0, description="deviates_from: further apart than this, in the series' unit.")
    gap_s: float | None = Field(
        None, gt=0, description="A hole between two rows longer than this, s; found when rows come again. No delays."
    )
    over_s: float | None = Field(
        None, ge=0.001, description="rate_above, rate_below, forecast_s: how far back they look, s."
    )
    forecast_s: float | None = Field(
        None,
        gt=0,
        description="With above, below or outside: raised when the straight line through the last `over_s` crosses the "
        "limit within so long, s.",
    )
    figure: str | None = Field(
        None,
        description="With above, below or outside: judges this figure of the asset, not the readings; as "
        "oee.availability or cold_chain.mkt. `on` matches the series that the figure stands under.",
    )
    guard_band: float = Field(
        0.0,
        ge=0,
        description="With above, below or outside: judged at the limit made narrower by this, in the unit of what is "
        "compared; for guarded acceptance the expanded uncertainty U.",
    )
    undecided: bool = Field(
        False, description="With figure: one that cannot be decided (a verdict that is not known) counts as beyond."
    )
    each: bool = Field(
        False, description="With figure: every window beyond (a cycle, a load) is a condition of its own, over at its "
        "end; without delays and deadband.",
    )  # fmt: skip
    deadband: float = Field(
        0.0,
        ge=0,
        description="Clears only so far inside the limit, in the unit of what is compared: the series', per s for a "
        "rate, s for a forecast.",
    )
    delay_s: float = Field(0.0, ge=0, description="Must be true for so long to be confirmed, s.")
    off_delay_s: float = Field(0.0, ge=0, description="Must be clear for so long to end, s.")
    schedule: Schedule | None = Field(None, description="Counts only in these hours.")
    when: When | None = Field(None, description="Counts only while another series of the asset says so.")
    change_grace_s: float = Field(
        0.0, ge=0, description="Silent for so long after the asset changes its product, order or lot, s."
    )
    in_maintenance: bool = Field(False, description="Counts also while the asset is in maintenance.")
    latching: bool = Field(False, description="Its alarms stay until a person resets them, though the condition ended.")
    realarm_s: float | None = Field(
        None, gt=0, description="Acknowledged and still true after so long: unacknowledged again, s."
    )
    raises: Literal["none", "quality_event", "maintenance_order"] = Field(
        "none", description="Record in the ERP for each confirmed alarm; none: only an alarm."
    )
    priority: Literal["critical", "high", "medium", "low"] = Field("medium", description="After ISA-18.2.")
    owner: str = Field("", description="Who answers for the rule: a person or a role. Shown to people.")
    consequence: dict[Language, str] = Field(default_factory=dict, description="What happens if nobody acts.")
    response: dict[Language, str] = Field(default_factory=dict, description="What the operator does.")
