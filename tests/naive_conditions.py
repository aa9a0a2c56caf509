"""The conditions again, one row and one rule at a time, in plain Python: slow, obvious, written from the document.

Rows behind their series change nothing here; `tests/late_logs.py` says what they are to lead to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from andon.conditions import ConditionChange
from andon.config.models import Rule
from andon.plant import SeriesSpec, rule_version

S = 1_000_000_000


def condition_of(rule: Rule) -> str:
    for name, value in (
        ("above", rule.above), ("below", rule.below), ("outside", rule.outside),
        ("anomaly", rule.anomaly), ("stale", rule.stale_s), ("stuck", rule.stuck_s),
    ):  # fmt: skip
        if value is not None:
            return name
    raise AssertionError(rule)


@dataclass
class Open:
    """A condition from its crossing on."""

    start: int
    peak: float
    upper: bool = False
    confirmed: bool = False
    out: int = 0
    beyond: bool = True  # the held value is beyond the limit
    inside_since: int | None = None


@dataclass
class Told:
    start: int
    end: float


class Lane:
    """One rule on one series."""

    def __init__(self, rule: Rule, series: Series) -> None:
        self.rule, self.series = rule, series
        self.condition: Open | None = None
        self.told: Told | None = None
        self.newest: int | None = None
        self.next: Rule | None = rule
        self.gone = False

    @property
    def what(self) -> str:
        return condition_of(self.rule)

    @property
    def on(self) -> int:
        return round(((self.rule.stale_s or self.rule.stuck_s or 0.0) + self.rule.delay_s) * S)

    @property
    def off(self) -> int:
        return round(self.rule.off_delay_s * S)

    def is_beyond(self, x: float) -> bool:
        rule = self.rule
        if rule.outside is not None:
            return x < rule.outside[0] or x > rule.outside[1]
        if rule.anomaly is not None:
            return x >= rule.anomaly
        return x > rule.above if rule.above is not None else x < rule.below

    def is_inside(self, x: float) -> bool:
        rule = self.rule
        if rule.deadband == 0:
            return not self.is_beyond(x)
        if rule.outside is not None:
            return rule.outside[0] + rule.deadband < x < rule.outside[1] - rule.deadband
        if rule.below is not None:
            return x > rule.below + rule.deadband
        return x < (rule.above if rule.above is not None else rule.anomaly) - rule.deadband

    def excess(self, x: float) -> float:
        rule = self.rule
        if rule.outside is not None:
            return max(rule.outside[0] - x, x - rule.outside[1])
        return -x if rule.below is not None else x

    def fresh_start(self, t: int) -> int:
        return t if self.told is None else max(t, self.told.start + 1)

    def confirm(self, t: int, offset: int) -> list[ConditionChange]:
        held = self.condition
        held.confirmed = True
        self.told = Told(held.start, math.inf)
        return [self.change("raised", None, self.on, offset)]

    def clear(self, at: int, offset: int) -> list[ConditionChange]:
        self.told.end = at
        changes = [self.change("cleared", at, self.condition.out, offset)]
        self.condition = None
        if self.next is None:
            self.gone = True
        else:
            self.rule = self.next
        return changes

    def change(self, kind: str, cleared: int | None, out: int, offset: int) -> ConditionChange:
        rule, spec, held, what = self.rule, self.series.spec, self.condition, self.what
        limit = {
            "above": rule.above, "below": rule.below, "anomaly": rule.anomaly, "stale": rule.stale_s,
            "stuck": rule.stuck_s, "outside": rule.outside and rule.outside[held.upper],
        }[what]  # fmt: skip
        timed = what in {"stale", "stuck"}
        return ConditionChange(
            kind, spec.asset, spec.tag, rule.id, rule_version(rule), rule.raises, rule.priority, what, limit,
            "s" if timed else "1" if what == "anomaly" else spec.unit, held.start, held.start + self.on, cleared,
            out / S if timed else held.peak, out / S, offset, False,
            {"value": held.peak, "value_unit": spec.unit} if timed else {},
        )  # fmt: skip

    def hold_until(self, t: int, offset: int) -> list[ConditionChange]:
        """The delays that end by t under the last value."""
        held = self.condition
        if held is None or self.what in {"stale", "stuck"}:
            return []
        if not held.confirmed:
            return self.confirm(t, offset) if t >= held.start + self.on else []
        if held.inside_since is not None and t >= held.inside_since + self.off:
            return self.clear(held.inside_since + self.off, offset)
        return []

    def row(self, t: int, value: float, score: float, offset: int) -> list[ConditionChange]:
        last, self.newest = (t if self.newest is None else self.newest), t
        if self.gone:
            return []
        if self.condition is not None and self.condition.beyond:
            self.condition.out += t - last
        changes = self.hold_until(t, offset)
        if self.gone:
            return changes
        rule = self.rule
        changes += self.value(last, t, value, score, offset)
        if not self.gone and self.rule is not rule:
            changes += self.value(last, t, value, score, offset)
        return changes

    def value(self, last: int, t: int, value: float, score: float, offset: int) -> list[ConditionChange]:
        if self.what == "stale":
            if self.condition is None:
                return []
            self.condition.out = t - self.condition.start
            return self.clear(t, offset)
        if self.what == "stuck":
            return self.stuck(last, t, value, offset)
        x = score if self.what == "anomaly" else value
        return [] if math.isnan(x) else self.threshold(t, x, offset)

    def threshold(self, t: int, x: float, offset: int) -> list[ConditionChange]:
        beyond = self.is_beyond(x)
        if self.condition is None and beyond:
            upper = self.rule.outside is not None and x > self.rule.outside[1]
            self.condition = Open(self.fresh_start(t), x, upper)
        elif self.condition is not None and not self.condition.confirmed and not beyond:
            self.condition = None
        if self.condition is None:
            return []
        held = self.condition
        held.beyond = beyond
        if beyond and self.excess(x) > self.excess(held.peak):
            held.peak = x
        if beyond or not self.is_inside(x):
            held.inside_since = None
        elif held.inside_since is None:
            held.inside_since = t
        return self.hold_until(t, offset)

    def stuck(self, last: int, t: int, x: float, offset: int) -> list[ConditionChange]:
        """The reference is the condition's peak."""
        held, changes = self.condition, []
        if held is not None:
            moved = abs(x - held.peak) > self.rule.deadband
            if held.confirmed:
                held.out = t - held.start
                if not moved:
                    return []
                rule = self.rule
                changes = self.clear(t, offset)
                if self.gone or self.rule is not rule:
                    return changes
            elif not moved and t - last <= self.on:
                return self.confirm(t, offset) if t >= held.start + self.on else []
        self.condition = Open(self.fresh_start(t), x, beyond=False)
        return changes

    def silent(self, newest: int, value: float, silence: int, offset: int) -> list[ConditionChange]:
        if self.condition is not None or silence < self.on:
            return []
        self.condition = Open(self.fresh_start(newest), value, beyond=False)
        return self.confirm(newest, offset)


class Series:
    def __init__(self, spec: SeriesSpec, rules: Sequence[Rule]) -> None:
        self.spec = spec
        self.live = [Lane(rule, self) for rule in rules]
        self.newest: int | None = None
        self.value = math.nan
        self.received = 0

    def row(self, t: int, received: int, value: float, score: float, offset: int) -> list[ConditionChange]:
        if not self.live:
            return []  # a series without rules is not followed
        if self.newest is not None and t < self.newest:
            return []
        changes = []
        for lane in self.live:
            changes += lane.row(t, value, score, offset)
        self.newest, self.received, self.value = t, received, value
        return changes

    def tick(self, passed: int, offset: int) -> list[ConditionChange]:
        if self.newest is None:
            return []
        changes = []
        self.received = min(self.received, passed)
        silence = passed - self.received
        for lane in self.live:
            if lane.gone:
                continue
            if lane.what == "stale":
                changes += lane.silent(self.newest, self.value, silence, offset)
            else:
                changes += lane.hold_until(self.newest + silence, offset)
        return changes


class NaiveEngine:
    """Same calls as the engine, but for a row at a time and without snapshots."""

    def __init__(self, rules_of: Callable[[SeriesSpec], Sequence[Rule]]) -> None:
        self.rules_of = rules_of
        self.series: list[Series] = []
        self.passed: int | None = None
        self.correction = 0

    def bind(self, spec: SeriesSpec) -> None:
        self.series.append(Series(spec, self.rules_of(spec)))

    def row(
        self, series: int, time: int, value: float, score: float, offset: int, received: int, *, bad: bool
    ) -> list[ConditionChange]:
        if bad or not math.isfinite(value):
            return []
        received += self.correction
        if self.passed is not None:
            received = max(received, self.passed)
        return self.series[series].row(time, received, value, score, offset)

    def tick(self, time: int, offset: int) -> list[ConditionChange]:
        if self.passed is None or time >= self.passed:
            self.correction = 0
        elif time + self.correction < self.passed:
            self.correction = self.passed - time
        self.passed = time + self.correction
        return [change for one in self.series for change in one.tick(self.passed, offset)]

    def reconfigure(self, rules_of: Callable[[SeriesSpec], Sequence[Rule]]) -> None:
        """A restart with other rules."""
        self.rules_of = rules_of
        for one in self.series:
            before = {lane.rule.id if lane.rule else "": lane for lane in one.live if not lane.gone}
            rules = list(rules_of(one.spec))
            removed = [lane for rule_id, lane in before.items() if rule_id not in {rule.id for rule in rules}]
            one.live = [self._carried(one, before.get(rule.id), rule) for rule in rules]
            one.live += [lane for lane in (self._carried(one, lane, None) for lane in removed) if not lane.gone]
            if not one.live:
                fresh = Series(one.spec, [])
                one.__dict__ = fresh.__dict__

    @staticmethod
    def _carried(one: Series, old: Lane | None, rule: Rule | None) -> Lane:
        new = Lane(rule, one)
        new.newest, new.gone = one.newest, rule is None
        if old is not None:
            told_open = old.condition is not None and old.condition.confirmed
            new.told = old.told
            if told_open or (rule and rule_version(old.rule) == rule_version(rule)):
                new.condition, new.rule, new.gone = old.condition, old.rule, False
        return new
