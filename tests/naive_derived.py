"""Slow, obvious twins of what is computed before it is judged, and of the suppression by design."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from alarms.conditions import ConditionEngine
from andon.conditions import ConditionChange
from andon.config.models import Rule
from andon.plant import SeriesSpec, rule_version
from tests.condition_logs import Row, batch

S = 1_000_000_000
SPACING, NEVER_S = 60, 1e9


@dataclass
class NaiveSlot:
    """One rule on one series: every row it has seen, in plain lists."""

    rule: Rule
    spec: SeriesSpec
    rows: list[tuple[int, float]] = field(default_factory=list)  # all rows in order
    kept: list[tuple[int, float]] = field(default_factory=list)  # those that stand far enough apart
    other: tuple[int, float] | None = None
    told: int | None = None

    def __post_init__(self) -> None:
        """The judge: the engine over one series, one row at a time."""
        self.judge = ConditionEngine(lambda _: [self.rule])
        self.judge.bind(0, self.spec)

    def subject(self, time: int, value: float) -> tuple[int, float] | None:
        """What a row of the series gives."""
        if self.rows and time < self.rows[-1][0]:
            return None
        before, kept = list(self.rows), list(self.kept)
        self.rows.append((time, value))
        over = round((self.rule.over_s or 0.0) * S)
        if not kept or time - kept[-1][0] >= max(over // SPACING, 1):
            self.kept.append((time, value))
        if self.rule.deviates_from is not None:
            return None if self.other is None else (time, value - self.other[1])
        if self.rule.gap_s is not None:
            last = before[-1][0] if before else time
            return (last, (time - last) / S) if time - last > round(self.rule.gap_s * S) else None
        if self.rule.forecast_s is not None:
            return self._forecast(time, value, [one for one in kept if one[0] >= time - over], over)
        old = [one for one in kept if one[0] <= time - over]
        return (time, (value - old[-1][1]) / ((time - old[-1][0]) / S)) if old else None

    def reference(self, time: int, value: float) -> tuple[int, float] | None:
        """What a row of the setpoint or twin gives."""
        if self.rule.deviates_from is None or (self.other is not None and time < self.other[0]):
            return None
        self.other = (time, value)
        return (time, self.rows[-1][1] - value) if self.rows else None

    def _forecast(self, time, value, points, over):
        low, high = self.rule.outside or (
            -math.inf if self.rule.below is None else self.rule.below,
            math.inf if self.rule.above is None else self.rule.above,
        )
        if not low <= value <= high:
            return time, 0.0
        if len(points) < 2 or time - points[0][0] < over // 2:
            return None
        points = [*points, (time, value)]
        us = [(at - time) / S for at, _ in points]
        vs = [what - value for _, what in points]
        mean_u, mean_v = math.fsum(us) / len(us), math.fsum(vs) / len(vs)
        slope = math.fsum((u - mean_u) * (v - mean_v) for u, v in zip(us, vs, strict=True)) / math.fsum(
            (u - mean_u) ** 2 for u in us
        )
        level = value + mean_v - slope * mean_u
        limit = high if slope > 0 else low
        if slope == 0 or math.isinf(limit):
            return time, NEVER_S
        return time, min(NEVER_S, max(0.0, (limit - level) / slope))

    def take(self, given: tuple[int, float] | None, row: Row, offset: int) -> list[ConditionChange]:
        """Judge a value."""
        if given is None:
            return []
        if self.rule.gap_s is not None:
            rule, spec = self.rule, self.spec
            raised = {
                "asset": spec.asset, "tag": spec.tag, "rule_id": rule.id, "rule_version": rule_version(rule),
                "raises": rule.raises, "priority": rule.priority, "condition": "gap", "limit": rule.gap_s, "unit": "s",
                "start_ns": given[0], "confirmed_ns": row.time, "peak": given[1], "out_s": given[1], "offset": offset,
            }  # fmt: skip
            return [
                ConditionChange(kind="raised", cleared_ns=None, **raised),
                ConditionChange(kind="cleared", cleared_ns=row.time, **raised),
            ]
        self.told = given[0] if self.told is None else max(given[0], self.told)
        readings, score = batch([Row(0, self.told, given[1], math.nan, 0, row.received)], offset)
        return self.judge.step(readings, score)
