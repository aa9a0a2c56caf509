"""Alarm rules as the kernels want them, and the sentence that says why an alarm was raised."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from andon.conditions import ConditionChange
from andon.config.models import Rule
from andon.i18n import translate
from andon.readings import NS_PER_S


class Kind(IntEnum):
    """What a rule looks at. The names, in lower case, are `ConditionChange.condition`."""

    ABOVE = 0
    BELOW = 1
    OUTSIDE = 2
    ANOMALY = 3
    STALE = 4
    STUCK = 5


#: One row per distinct rule. low, high: the limits, -inf/inf where there is none; low_clear, high_clear: how far
#: inside the value must be to clear; deadband in the unit of the value; on_ns, off_ns: delays, for stale and stuck
#: with the time of the rule itself in on_ns.
RULE = np.dtype(
    [
        ("kind", "<i8"), ("low", "<f8"), ("high", "<f8"), ("low_clear", "<f8"), ("high_clear", "<f8"),
        ("deadband", "<f8"), ("on_ns", "<i8"), ("off_ns", "<i8"),
    ]
)  # fmt: skip

_LONGEST_NS = 2**61  # 73 years; two of them added to any time of this century stay within int64


def kind_of(rule: Rule) -> Kind:
    """What the rule looks at; ValueError where not exactly one limit is given.

    >>> kind_of(Rule(id="hot", on="cold/*", above=8.0)).name
    'ABOVE'
    """
    given = [
        kind
        for kind, value in (
            (Kind.ABOVE, rule.above), (Kind.BELOW, rule.below), (Kind.OUTSIDE, rule.outside),
            (Kind.ANOMALY, rule.anomaly), (Kind.STALE, rule.stale_s), (Kind.STUCK, rule.stuck_s),
        )
        if value is not None
    ]  # fmt: skip
    if len(given) != 1:
        raise ValueError(f"rule {rule.id}: exactly one limit is allowed, got {[kind.name.lower() for kind in given]}")
    return given[0]


def _nanoseconds(seconds: float) -> int:
    return min(round(min(seconds, 1e10) * NS_PER_S), _LONGEST_NS)


def compile_rules(rules: Sequence[Rule]) -> NDArray[np.void]:
    """`RULE`[len(rules)], in the order given. Errors as `kind_of`."""
    table = np.zeros(len(rules), RULE)
    for row, rule in zip(table, rules, strict=True):
        kind = kind_of(rule)
        low, high = -np.inf, np.inf
        if rule.outside is not None:
            low, high = rule.outside
        elif rule.below is not None:
            low = rule.below
        elif kind in {Kind.ABOVE, Kind.ANOMALY}:
            high = float(rule.above if rule.above is not None else rule.anomaly or 0.0)
        own_s = rule.stale_s or rule.stuck_s or 0.0
        row["kind"], row["low"], row["high"], row["deadband"] = kind, low, high, rule.deadband
        row["low_clear"], row["high_clear"] = low + rule.deadband, high - rule.deadband
        row["on_ns"], row["off_ns"] = _nanoseconds(own_s + rule.delay_s), _nanoseconds(rule.off_delay_s)
    return table


def limit_of(rule: Rule, *, upper: bool) -> float:
    """The limit that was crossed, in the unit of `unit_of`; `upper` picks the side of an outside rule."""
    if rule.outside is not None:
        return rule.outside[1] if upper else rule.outside[0]
    values = (rule.above, rule.below, rule.anomaly, rule.stale_s, rule.stuck_s)
    return next(value for value in values if value is not None)


def unit_of(kind: Kind, series_unit: str) -> str:
    """Unit of limit and peak: the series' own, "1" for a score, "s" for stale and stuck."""
    if kind == Kind.ANOMALY:
        return "1"
    return "s" if kind in {Kind.STALE, Kind.STUCK} else series_unit


#: How people write the UCUM codes that they would not recognise; the others stand as they are.
_SYMBOLS = {"1": "", "Cel": "°C", "[degF]": "°F", "deg": "°", "Ohm": "Ω"}


def why_params(change: ConditionChange) -> dict[str, str]:
    """What the sentences of `why` name, as text: quantities with 6 digits and their unit, minutes.

    asset, tag, limit, peak, minutes; value: the last (stale) or the unmoving (stuck) value from the evidence;
    allowed_minutes: the time of a stale or stuck rule.
    """
    value, limit = change.evidence.get("value"), change.limit
    return {
        "asset": change.asset,
        "tag": change.tag,
        "limit": _quantity(limit, change.unit),
        "peak": _quantity(change.peak, change.unit),
        "minutes": _quantity(round(change.out_s / 60, 1), "1"),
        "allowed_minutes": _quantity(None if limit is None else round(limit / 60, 1), "1"),
        "value": _quantity(value if isinstance(value, float) else None, str(change.evidence.get("value_unit", "1"))),
    }


def why(change: ConditionChange, language: str | None = None) -> str:
    """One plain sentence: which limit, how far, how long."""
    return translate(f"alarms.why.{change.condition}", language, **why_params(change))


def _quantity(value: float | None, unit: str) -> str:
    if value is None:
        return "?"
    number = f"{value:.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:.6g}"
    return f"{number} {_SYMBOLS.get(unit, unit)}".rstrip()


def plain(value: float) -> float | None:
    """A float that JSON can carry; None for NaN."""
    return None if np.isnan(value) else float(value)


def rule_text(rule: Rule) -> str:
    """The rule as JSON, for snapshots; `Rule.model_validate_json` reads it back."""
    content: dict[str, Any] = rule.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(content, sort_keys=True, ensure_ascii=False)
