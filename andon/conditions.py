"""What an alarm rule decided, as plain data that crosses from flows to records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

#: What an anomaly is told to be, as evidence of its raising; later changes do not tell it again.
REASON: Final = ("detector", "model", "component", "value", "value_unit", "expected", "spread", "since_ns", "at_ns")


@dataclass(frozen=True, slots=True)
class ConditionChange:
    """What became of a condition.

    raised: it was confirmed. cleared: it ended. revised: late data set right what was told. suppressed, unsuppressed:
    the design of its rule silences it, or no longer does.

    The identity of the alarm is site, asset, tag, rule id and start_ns: the crossing, not the confirmation.
    The same log gives the same changes in the same order, however it was cut into batches.
    """

    kind: Literal["raised", "cleared", "revised", "suppressed", "unsuppressed"]
    asset: str
    tag: str
    rule_id: str
    rule_version: str  # hash of the rule as it stood when the condition opened
    raises: str  # none, quality_event, maintenance_order
    priority: str  # critical, high, medium, low
    condition: str  # above, below, outside, stale, stuck, anomaly ...; undecided: of a figure that is not known
    limit: float | None  # the limit that was crossed, less its guard band; s for stale and stuck, score for anomaly
    unit: str
    start_ns: int  # crossing, event time
    confirmed_ns: int  # start + delay
    cleared_ns: int | None  # event time of the return, None while open
    peak: float | None  # furthest value (or score) reached so far; None: undecided
    out_s: float  # time beyond the limit so far, last value held, s
    offset: int  # offset of the message (or tick) that decided
    found_late: bool = False  # came in a backlog: true event time, live state untouched
    evidence: dict[str, object] = field(default_factory=dict)
    begun_ns: int | None = None  # where late data moved the crossing to; start_ns stays the identity
    merged_into_ns: int | None = None  # start_ns of the alarm of this rule and series that late data made it a part of
    voided: bool = False  # late data shows that it never lasted long enough
    suppressed_by: str = ""  # what silences it: schedule, state, mode, change; empty: nothing
    latching: bool = False  # stays until a person resets it
