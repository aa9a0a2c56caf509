"""What changed between the rules of a plant.toml and the versions that the records keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from andon.config.models import Rule
from andon.plant import rule_version
from andon.records.rule_versions import RuleVersion

State = Literal["same", "new", "changed", "earlier", "gone"]


@dataclass(frozen=True, slots=True)
class RuleDifference:
    """One rule of plant.toml, or of the records only.

    state  : new (never ran), changed (against the newest version), earlier (says again what an earlier version said),
             gone (in the records only), same.
    fields : what differs, name -> (newest version's, plant.toml's).
    """

    rule_id: str
    state: State
    version: str  # of plant.toml; of the newest in the records where the rule is gone
    ordinal: int  # of the newest version in the records; 0: none
    fields: Mapping[str, tuple[Any, Any]]


def rule_differences(rules: Sequence[Rule], known: Mapping[str, Sequence[RuleVersion]]) -> list[RuleDifference]:
    """Every rule of either side: those of plant.toml in its order, then those that are gone."""
    found = [_of_rule(rule, known.get(rule.id, ())) for rule in rules]
    ids = {rule.id for rule in rules}
    return found + [
        RuleDifference(rule_id, "gone", versions[-1].version, versions[-1].ordinal, {})
        for rule_id, versions in sorted(known.items())
        if rule_id not in ids
    ]


def _of_rule(rule: Rule, versions: Sequence[RuleVersion]) -> RuleDifference:
    version = rule_version(rule)
    if not versions:
        return RuleDifference(rule.id, "new", version, 0, {})
    newest = versions[-1]
    if newest.version == version:
        return RuleDifference(rule.id, "same", version, newest.ordinal, {})
    before, now = newest_rule(versions).model_dump(mode="json"), rule.model_dump(mode="json")
    fields = {name: (before[name], now[name]) for name in now if before[name] != now[name]}
    earlier = any(one.version == version for one in versions)
    return RuleDifference(rule.id, "earlier" if earlier else "changed", version, newest.ordinal, fields)


def newest_rule(versions: Sequence[RuleVersion]) -> Rule:
    """The rule as its newest version says it; fields that came later are at their defaults."""
    return Rule.model_validate(dict(versions[-1].content))
