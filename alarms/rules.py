"""Alarm rules as the kernels want them, and the sentence that says why an alarm was raised."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from andon.conditions import ConditionChange
from andon.config.models import Rule
from andon.readings import NS_PER_S
from andon.why import why_params, why_sentence


class Kind(IntEnum):
    """What a rule looks at. The names, in lower case, are `ConditionChange.condition`.

    The kernels know the first six. What a rule of the others compares is computed first (`derived`, `figure_rules`).
    """

    ABOVE = 0
    BELOW = 1
    OUTSIDE = 2
    ANOMALY = 3
    STALE = 4
    STUCK = 5
    RATE_ABOVE = 6
    RATE_BELOW = 7
    DEVIATION = 8
    FORECAST = 9
    GAP = 10
    FIGURE = 11


#: Kinds that are judged on a series computed from the readings.
DERIVED = frozenset({Kind.RATE_ABOVE, Kind.RATE_BELOW, Kind.DEVIATION, Kind.FORECAST, Kind.GAP})
#: How the kernels judge what was computed.
_JUDGED_AS = {
    Kind.RATE_ABOVE: Kind.ABOVE, Kind.RATE_BELOW: Kind.BELOW, Kind.DEVIATION: Kind.OUTSIDE, Kind.FORECAST: Kind.BELOW,
}  # fmt: skip

#: One row per distinct rule. low, high: the limits, -inf/inf where there is none; low_clear, high_clear: how far
#: inside the value must be to clear; deadband in the unit of the value; on_ns, off_ns: delays, for stale and stuck
#: with the time of the rule itself in on_ns; told: 1 for a rule that follows the alarms of a detector.
RULE = np.dtype(
    [
        ("kind", "<i8"), ("low", "<f8"), ("high", "<f8"), ("low_clear", "<f8"), ("high_clear", "<f8"),
        ("deadband", "<f8"), ("on_ns", "<i8"), ("off_ns", "<i8"), ("told", "<i8"),
    ]
)  # fmt: skip

TOLD_LEAST = 4.0  # score below which a detector's alarm never begins: `AlarmSettings.threshold`
_LONGEST_NS = 2**61  # 73 years; two of them added to any time of this century stay within int64


_FIELDS = (
    (Kind.ABOVE, "above"), (Kind.BELOW, "below"), (Kind.OUTSIDE, "outside"), (Kind.ANOMALY, "anomaly"),
    (Kind.STALE, "stale_s"), (Kind.STUCK, "stuck_s"), (Kind.RATE_ABOVE, "rate_above"),
    (Kind.RATE_BELOW, "rate_below"), (Kind.DEVIATION, "deviates_from"), (Kind.GAP, "gap_s"),
)  # fmt: skip


def kind_of(rule: Rule) -> Kind:
    """What the rule looks at; ValueError where not exactly one limit is given.

    >>> kind_of(Rule(id="hot", on="cold/*", above=8.0)).name
    'ABOVE'
    """
    given = [kind for kind, name in _FIELDS if getattr(rule, name) is not None]
    if len(given) != 1:
        raise ValueError(f"rule {rule.id}: exactly one limit is allowed, got {[kind.name.lower() for kind in given]}")
    if rule.figure is not None:
        return Kind.FIGURE
    return Kind.FORECAST if rule.forecast_s is not None else given[0]


def is_direct(rule: Rule) -> bool:
    """The rule judges the readings themselves, or their scores."""
    return kind_of(rule) <= Kind.STUCK


def _nanoseconds(seconds: float) -> int:
    return min(round(min(seconds, 1e10) * NS_PER_S), _LONGEST_NS)


def compile_rules(rules: Sequence[Rule]) -> NDArray[np.void]:
    """`RULE`[len(rules)], in the order given. Errors as `kind_of`."""
    table = np.zeros(len(rules), RULE)
    for row, rule in zip(table, rules, strict=True):
        kind = _JUDGED_AS.get(kind_of(rule), kind_of(rule))
        low, high = _bounds(rule)
        own_s = rule.stale_s or rule.stuck_s or 0.0
        row["kind"], row["low"], row["high"], row["deadband"] = kind, low, high, rule.deadband
        row["low_clear"], row["high_clear"] = low + rule.deadband, high - rule.deadband
        row["told"] = rule.anomaly is True
        row["on_ns"], row["off_ns"] = _nanoseconds(own_s + rule.delay_s), _nanoseconds(rule.off_delay_s)
    return table


def value_bounds(rule: Rule) -> tuple[float, float]:
    """Acceptance limits of an above, below or outside rule, in the unit of the series; -inf, inf for an open side.

    With a guard band w, low + w and high - w as decimals: a value on 7.8 is not above 8.0 less 0.2.

    >>> value_bounds(Rule(id="cold", on="*", outside=(2.0, 8.0), guard_band=0.2))
    (2.2, 7.8)
    """
    low, high = specified_bounds(rule)
    if not rule.guard_band:
        return low, high
    return _moved(low, rule.guard_band), _moved(high, -rule.guard_band)


def anomaly_limit(rule: Rule) -> float | None:
    """The score at which an anomaly rule speaks; of one that follows the detector's alarms, that of the least alarm."""
    return TOLD_LEAST if rule.anomaly is True else rule.anomaly


def specified_bounds(rule: Rule) -> tuple[float, float]:
    """The limits as they are written, without guard band; -inf, inf for an open side."""
    if rule.outside is not None:
        return rule.outside
    low = -np.inf if rule.below is None else rule.below
    return low, np.inf if rule.above is None else rule.above


def _moved(limit: float, by: float) -> float:
    return float(Decimal(repr(float(limit))) + Decimal(repr(float(by))))


def guard_evidence(rule: Rule, *, upper: bool) -> dict[str, object]:
    """What an alarm of a guarded rule cites: the guard band, and the limit that it was taken off; else nothing."""
    if not rule.guard_band:
        return {}
    low, high = specified_bounds(rule)
    on_top = upper if rule.outside is not None else rule.above is not None
    return {"guard_band": rule.guard_band, "specified": high if on_top else low}


def _bounds(rule: Rule) -> tuple[float, float]:
    """What the kernels compare with, -inf and inf where there is no limit."""
    kind = kind_of(rule)
    if kind == Kind.DEVIATION and rule.by is not None:
        return -rule.by, rule.by
    low = {Kind.FORECAST: rule.forecast_s, Kind.RATE_BELOW: rule.rate_below}.get(kind)
    high = {Kind.ANOMALY: anomaly_limit(rule), Kind.RATE_ABOVE: rule.rate_above}.get(kind)
    if low is None and high is None:
        return value_bounds(rule)
    return -np.inf if low is None else low, np.inf if high is None else high


def limit_of(rule: Rule, *, upper: bool) -> float:
    """The limit that was crossed, in the unit of `unit_of`, less the guard band; `upper`: the side of outside."""
    if rule.forecast_s is not None:
        return rule.forecast_s
    low, high = value_bounds(rule)
    if rule.above is not None or (rule.outside is not None and upper):
        return high
    if rule.below is not None or rule.outside is not None:
        return low
    values = (
        anomaly_limit(rule), rule.stale_s, rule.stuck_s, rule.rate_above, rule.rate_below, rule.by, rule.gap_s,
    )  # fmt: skip
    return next(value for value in values if value is not None)


def unit_of(kind: Kind, series_unit: str) -> str:
    """Unit of limit and peak: the series' own, "1" for a score, "s" for a time, the series' own per s for a rate."""
    if kind in {Kind.ANOMALY, Kind.FIGURE}:
        return "1"
    if kind in {Kind.STALE, Kind.STUCK, Kind.FORECAST, Kind.GAP}:
        return "s"
    if kind in {Kind.RATE_ABOVE, Kind.RATE_BELOW}:
        return f"{series_unit}/s"
    return series_unit


def why(change: ConditionChange, language: str | None = None) -> str:
    """One plain sentence: which limit, how far, how long."""
    params = why_params(
        change.asset, change.tag, change.limit, change.unit, change.peak, change.out_s, change.evidence
    )  # fmt: skip
    return why_sentence(change.condition, language, params)


def plain(value: float) -> float | None:
    """A float that JSON can carry; None for NaN."""
    return None if np.isnan(value) else float(value)


def rule_text(rule: Rule) -> str:
    """The rule as JSON, for snapshots; `Rule.model_validate_json` reads it back."""
    content: dict[str, Any] = rule.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(content, sort_keys=True, ensure_ascii=False)
