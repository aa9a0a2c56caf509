"""From the numbers of the kernels to what is told."""

from __future__ import annotations

from typing import Literal

from alarms.anew import Told
from alarms.rules import Kind, guard_evidence, kind_of, limit_of, plain, unit_of
from andon.conditions import ConditionChange
from andon.config.models import Rule
from andon.plant import SeriesSpec
from andon.readings import NS_PER_S


def change_of(
    kind: Literal["raised", "cleared", "revised"], told: Told, spec: SeriesSpec, rule: Rule, version: str, *,
    confirmed_ns: int, offset: int,
) -> ConditionChange:  # fmt: skip
    """The change that tells of a condition as it stands. version: of its rule; offset: of the message that decided."""
    what = kind_of(rule)
    by_time, out_s = what in {Kind.STALE, Kind.STUCK}, told.out / NS_PER_S
    return ConditionChange(
        kind=kind,
        asset=spec.asset,
        tag=spec.tag,
        rule_id=rule.id,
        rule_version=version,
        raises=rule.raises,
        priority=rule.priority,
        condition=what.name.lower(),
        limit=limit_of(rule, upper=told.upper),
        unit=unit_of(what, spec.unit),
        start_ns=told.start,
        confirmed_ns=confirmed_ns,
        cleared_ns=None if kind == "raised" else told.cleared,
        peak=out_s if by_time else told.peak,
        out_s=out_s,
        offset=offset,
        found_late=told.late,
        evidence={"value": plain(told.peak), "value_unit": spec.unit}
        if by_time
        else guard_evidence(rule, upper=told.upper),
        begun_ns=None if told.begun == told.start else told.begun,
        merged_into_ns=told.merged_into,
        voided=told.voided,
        latching=rule.latching,
    )
