"""What can be drawn of an asset: which figures its template asks for, with the limits that belong into the picture."""

from __future__ import annotations

import math
from typing import Any

from andon.config.health_tables import zone_tables
from andon.config.journey import GeoPlace
from andon.config.models import Template
from andon.config.sterilisation import SterilisationProgram
from operators.journey_plan import centre_of
from service.web.room import Room

Json = dict[str, Any]
CYCLES = {"steam": "steam_cycle", "disinfection": "disinfection", "eo": "eo_cycle", "leak_test": "leak_test"}
EARTH_M = 6_371_008.8  # mean radius
CIRCLE = 24
BEARING = ("ftf", "bpfo", "bpfi", "bsf")


def pictures_json(room: Room, path: str) -> Json:
    """Sections of an asset's page beside its values; null or empty where its template declares none."""
    template = room.plant.template_of(path)
    return {
        "oee": path in room.plant.with_oee,
        "cold": _cold(room, path),
        "cycles": _cycles(template),
        "journey": _journey(room, template),
        "charts": [_chart(room, path, one) for one in template.chart],
        "health": [_health(room, path, one) for one in template.health],
        "modes": [
            {"id": one.id, "tag": one.tag, "hours": one.hours, "cycles": one.cycles, "within_d": one.within_d}
            for one in template.failure_mode
        ],
        "running": template.running is not None,
        "calibrated": [one.tag for one in room.plant.config.calibration if one.asset == path],
    }  # fmt: skip


def _cold(room: Room, path: str) -> Json | None:
    cold = room.plant.cold_chain_of(path)
    if cold is None:
        return None
    product = next((one for one in room.plant.config.product if one.name == cold.product), None)
    told: Json = {"tag": cold.temperature, "low": cold.low, "high": cold.high, "product": None}
    told["humidity"] = cold.humidity
    if product is not None:
        limits = product.condition
        told |= {
            "product": product.name, "version": product.version, "source": product.source, "mkt_h": limits.mkt_h,
            "mkt_high": limits.mkt_high, "tor_h": product.tor_h,
        }  # fmt: skip
    return told


def _cycles(template: Template) -> Json | None:
    declared = template.sterilisation
    if declared is None:
        return None
    return {
        "reference": declared.reference, "probes": list(declared.probes), "pressure": declared.pressure,
        "kinds": list(dict.fromkeys(CYCLES[one.kind] for one in declared.program)),
    }  # fmt: skip


def _journey(room: Room, template: Template) -> Json | None:
    """Places as polygons and plans as ways, [latitude, longitude] in degrees; null without journeys."""
    declared = template.journey
    if declared is None:
        return None
    places = {one.id: one for one in room.plant.config.place}
    plans = [one for one in room.plant.config.journey_plan if one.id in declared.plans] or list(
        room.plant.config.journey_plan
    )
    return {
        "latitude": declared.latitude, "longitude": declared.longitude,
        "places": [{"id": one.id, "name": one.name, "corners": corners_of(one)} for one in places.values()],
        "plans": [
            {
                "id": plan.id, "places": [plan.begins, *(stop.place for stop in plan.stop)],
                "way": [
                    centre_of(places[plan.begins]),
                    *(point for stop in plan.stop for point in (*stop.via, centre_of(places[stop.place]))),
                ],
            }
            for plan in plans
        ],
    }  # fmt: skip


def corners_of(place: GeoPlace) -> list[tuple[float, float]]:
    """The fence as latitude and longitude of its corners; a circle as a polygon of 24."""
    if place.centre is None:
        return list(place.corners)
    latitude, longitude = place.centre
    north = math.degrees(place.radius_m / EARTH_M)
    east = north / max(math.cos(math.radians(latitude)), 0.01)
    turns = [2.0 * math.pi * step / CIRCLE for step in range(CIRCLE)]
    return [(latitude + north * math.cos(turn), longitude + east * math.sin(turn)) for turn in turns]


def program_of(template: Template, name: str, version: str) -> SterilisationProgram | None:
    """The program a cycle ran with; None where the configuration has another version of it now."""
    programs = template.sterilisation.program if template.sterilisation else ()
    return next((one for one in programs if one.name == name and one.version == version), None)


def _chart(room: Room, path: str, one: Any) -> Json:
    spec = room.plant.series.get((path, one.tag))
    return {
        "tag": one.name or one.tag, "series": one.tag, "kind": one.kind, "unit": spec.unit if spec else "",
        "rules": list(one.rules), "lower_spec": one.lower_spec, "upper_spec": one.upper_spec, "target": one.target,
    }  # fmt: skip


def _health(room: Room, path: str, one: Any) -> Json:
    spec, table = room.plant.series.get((path, one.tag)), zone_tables(room.plant.config.zones).get(one.zones or "")
    return {
        "tag": one.tag, "unit": spec.unit if spec else "", "zones": table.name if table else None,
        "bounds": list(table.bounds) if table else [], "source": table.source if table else "",
        "limit": one.limit if one.limit is not None else table.bounds[2] if table else None,
        "confidence": one.confidence,
        "bearing": [] if one.tag.endswith(BEARING) else [
            tag for line in BEARING if (path, tag := f"{one.tag.partition('.')[0]}.{line}") in room.plant.series
        ],
    }  # fmt: skip
