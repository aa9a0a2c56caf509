"""The versions of rules that ran here, as the records keep them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from andon.records import schema
from andon.records.base import RecordsBase


@dataclass(frozen=True, slots=True)
class RuleVersion:
    """One version of a rule. ordinal: from 1, in the order in which versions were first seen."""

    rule_id: str
    version: str
    ordinal: int
    first_seen_ns: int
    content: Mapping[str, Any]


def rule_versions(records: RecordsBase) -> dict[str, list[RuleVersion]]:
    """All versions by rule, oldest first; rules that are no longer configured among them."""
    table = schema.rule_version.c
    query = (
        select(table.rule_id, table.version, table.ordinal, table.first_seen_ns, table.content)
        .where(table.site == records.site)
        .order_by(table.rule_id, table.ordinal)
    )
    found: dict[str, list[RuleVersion]] = {}
    with records.reading() as connection:
        for row in connection.execute(query).mappings():
            one = RuleVersion(
                row["rule_id"], row["version"], row["ordinal"], row["first_seen_ns"], json.loads(row["content"])
            )
            found.setdefault(one.rule_id, []).append(one)
    return found
