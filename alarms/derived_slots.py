"""The slots of rules that compute first: what each computes, its fresh state, what its alarms cite."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from alarms.derived_kernel import NONE, POINTS, SLOT
from alarms.rules import Kind, kind_of, limit_of, unit_of, value_bounds
from andon.conditions import ConditionChange
from andon.config.models import Rule
from andon.config.rule_references import reference_path
from andon.plant import SeriesSpec, rule_version
from andon.readings import F64, I64, NS_PER_S, Readings


@dataclass(frozen=True, slots=True)
class SlotSpec(SeriesSpec):
    """The series of a slot, as the engine sees it."""

    place: int = NONE


class Slot(NamedTuple):
    """series: id in the shard; rule: the one it computes by; today: the one it is judged by, None where removed."""

    series: int
    rule: Rule
    today: Rule | None


def shape_of(rule: Rule) -> tuple[object, ...]:
    """What a slot computes: rules of the same shape share its points.

    >>> slow, fast = (Rule(id="r", on="*", rate_above=limit, over_s=60.0) for limit in (1.0, 5.0))
    >>> shape_of(slow) == shape_of(fast)
    True
    """
    kind = kind_of(rule)
    bounds = value_bounds(rule) if kind == Kind.FORECAST else ()
    return (kind, rule.over_s, rule.deviates_from, bounds, rule.gap_s if kind == Kind.GAP else None)


def fresh_slot(rule: Rule) -> Any:
    """`SLOT` of a rule that has seen no row."""
    record = np.zeros((), SLOT)
    kind = kind_of(rule)
    over_s = rule.gap_s if kind == Kind.GAP else rule.over_s
    record["kind"], record["over"] = kind, round(min(over_s or 0.0, 1e9) * NS_PER_S)
    record["low"], record["high"] = value_bounds(rule)
    record["waits"] = NONE
    return record


def slot_arrays(state: tuple[bytes, bytes, bytes], count: int) -> tuple[Any, I64, F64]:
    """Records, point times and values of `count` slots, as a snapshot holds them."""
    slots, times, values = state
    return (
        np.frombuffer(slots, SLOT).copy(),
        np.frombuffer(times, np.int64).reshape(count, POINTS).copy(),
        np.frombuffer(values, np.float64).reshape(count, POINTS).copy(),
    )


def hole_changes(spec: SeriesSpec, rule: Rule, rows: Readings, row: int, length_s: float) -> list[ConditionChange]:
    """A hole is over when it is found: raised and cleared by the row after it."""
    end_ns = int(rows.time_ns[row])
    raised = ConditionChange(
        kind="raised", asset=spec.asset, tag=spec.tag, rule_id=rule.id, rule_version=rule_version(rule),
        raises=rule.raises, priority=rule.priority, condition="gap", limit=limit_of(rule, upper=True),
        unit=unit_of(Kind.GAP, spec.unit), start_ns=end_ns - round(length_s * NS_PER_S), confirmed_ns=end_ns,
        cleared_ns=None, peak=length_s, out_s=length_s, offset=int(rows.offset[row]), latching=rule.latching,
    )  # fmt: skip
    return [raised, replace(raised, kind="cleared", cleared_ns=end_ns)]


def evidence_of(rule: Rule, change: ConditionChange) -> dict[str, object]:
    """What the sentence of the alarm names beside limit and peak."""
    kind = kind_of(rule)
    if kind == Kind.DEVIATION:
        return {"reference": reference_path(rule, change.asset)}
    if kind == Kind.FORECAST:
        low, high = value_bounds(rule)
        target = [str(one) for one in (low, high) if np.isfinite(one)]
        return {"over_s": rule.over_s, "target": " / ".join(target)}
    return {"over_s": rule.over_s}
