"""Why an anomaly was raised and what it is like, as JSON for its view: what its picture marks, and earlier alarms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from andon.i18n import catalogue
from andon.records import AlarmRecord
from andon.similar import deviation_of, episode_of, stamp
from andon.why import with_names
from service.web.room import Room, ms

Json = dict[str, Any]
NUMBERS = ("value", "expected", "spread")


def component_text(component: str, language: str) -> str:
    """What people call a detector's component; the code itself where there is no word for it."""
    return catalogue(language).get(f"alarms.component.{component}", component)


def reason_json(alarm: AlarmRecord, language: str) -> Json | None:
    """What moved, by how much and since when; null for what is no anomaly, or says no reason.

    value, expected, spread in `unit`; deviation: how many spreads the value is from what is normal; null: not known.
    """
    told = alarm.evidence
    episode = episode_of(told, alarm.confirmed_ns) if alarm.condition == "anomaly" else None
    if episode is None:
        return None
    numbers = {name: one if isinstance(one := told.get(name), int | float) else None for name in NUMBERS}
    return {
        "component": episode.component, "component_text": component_text(episode.component, language),
        "unit": str(told.get("value_unit", "1")), **numbers,
        "deviation": deviation_of(told), "run_s": episode.run_s, "since_ms": ms(stamp(told.get("since_ns"))),
        "at_ms": ms(stamp(told.get("at_ns"))),
    }  # fmt: skip


def similar_json(room: Room, alarm: AlarmRecord, language: str, rule_name: Callable[[str], str]) -> list[Json]:
    """Up to three earlier alarms that are like it, the nearest first. rule_name: rule id -> what people call it."""
    if alarm.condition != "anomaly":
        return []
    return [
        {
            "key": one.key, "asset": one.asset, "asset_name": room.asset_name(one.asset), "tag": one.tag,
            "rule_id": one.rule_id, "rule_name": rule_name(one.rule_id), "start_ms": ms(one.start_ns),
            "relation": one.relation, "distance": one.distance, "near": one.near, "component": one.component,
            "component_text": component_text(one.component, language), "deviation": one.deviation,
            "run_s": one.run_s, "label": one.label, "source": one.source, "by": one.by, "comment": one.comment,
            "erp": {"number": one.erp_number, "status": one.erp_status},
        }
        for one in room.records.similar(alarm.key)
    ]  # fmt: skip


def named(room: Room, alarm: AlarmRecord, language: str) -> dict[str, object]:
    """The alarm's evidence with similar alarms under the names that people know."""
    words = catalogue(language)

    def name(asset: str, tag: str) -> tuple[str, str]:
        return room.asset_name(asset), words.get(f"page.tag.{tag}", tag)

    return with_names(alarm.evidence, name)
