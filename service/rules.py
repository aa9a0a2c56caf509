"""Rules as controlled records: every version that ever ran is kept, so that each alarm can be explained later."""

from __future__ import annotations

from andon.plant import PlantModel, rule_version
from andon.records import SYSTEM_SUPERVISOR, Records

REASON = "plant.toml at start"


def register_rules(plant: PlantModel, records: Records) -> int:
    """Keep the rules of the configuration; returns how many versions are new. Those are audited with the old text."""
    return sum(
        records.register_rule(rule.id, rule_version(rule), rule.model_dump(mode="json"), SYSTEM_SUPERVISOR, REASON)
        for rule in plant.config.rule
    )
