"""Declared windows of a series, as JSON of bounded size."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from andon.config.declared import DeclaredWindow
from andon.plant import PlantModel, SeriesSpec
from andon.readings import NS_PER_S
from service.web.room import Room, ms

Json = dict[str, Any]


def declared_json(plant: PlantModel, spec: SeriesSpec) -> list[Json]:
    """What is declared on a series."""
    return [
        {"id": one.id, "kind": one.kind, "calendar": one.calendar, "statistics": list(one.statistics)}
        for one in plant.windows_for(spec)
    ]


def windows_json(room: Room, spec: SeriesSpec, range_ns: tuple[int, int], window: str | None, limit: int) -> Json:
    """The newest `limit` windows of each declaration (or of one), the newest first; a statistic not known is left out.

    Windows of shifts say which shift it is.
    """
    start_ns, end_ns = range_ns
    found = []
    for one, told in zip(room.plant.windows_for(spec), declared_json(room.plant, spec), strict=True):
        if window not in (None, one.id):
            continue
        rows = room.history.spans(spec.asset, spec.tag, one.id, start_ns, end_ns, limit)
        found.append({
            **told,
            "rows": [
                {
                    "start_ms": ms(row.start_ns), "end_ms": ms(row.end_ns), "revision": row.revision,
                    "count": row.count, **row.statistics, **_shift(room.plant, one, row.start_ns),
                }
                for row in reversed(rows)
            ],
        })  # fmt: skip
    return {
        "asset": spec.asset, "tag": spec.tag, "unit": spec.unit, "from_ms": ms(start_ns), "to_ms": ms(end_ns),
        "windows": found,
    }  # fmt: skip


def _shift(plant: PlantModel, window: DeclaredWindow, start_ns: int) -> dict[str, str]:
    """The name of the shift that begins at an instant."""
    if window.calendar != "shift":
        return {}
    local = datetime.fromtimestamp(start_ns // NS_PER_S, ZoneInfo(plant.config.site.timezone)).strftime("%H:%M")
    name = next((one.name for one in plant.config.shift if one.begins == local), None)
    return {} if name is None else {"shift": name}
