"""What is set aside, what was said of alarms, and how well the alarms serve their operators."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from alarms.kpis import Announcement, figures, stale
from andon.readings import NS_PER_S
from andon.records import AnnouncementRecord, require
from service.web.alarm_view import aside_json
from service.web.api import Hours, Limit, Path, room_of, session_of
from service.web.errors import json_response
from service.web.room import Room, ms

router = APIRouter(prefix="/api/v1")
MOST = 100_000  # announcements looked at; a site that has more of them has read enough


@router.get("/alarm-points")
def points(request: Request, limit: Limit = 500) -> Response:
    """The series and rules that people have set aside: how, since when, until when, by whom, why."""
    require(session_of(request), "view")
    room = room_of(request)
    return json_response({"points": [
        {"asset": one.asset, "asset_name": room.asset_name(one.asset), "tag": one.tag, "rule_id": one.rule_id,
         "rule_name": room.rule_name(one.rule_id, request.state.language), "alarm": one.alarm_key,
         **aside_json(room, one)}
        for one in room.records.points(limit)
    ]})  # fmt: skip


@router.get("/alarm-labels")
def labels(request: Request, alarm: Annotated[str | None, Query(max_length=40)] = None, limit: Limit = 500) -> Response:
    """What people and the ERP said of an alarm, or of all: true, false, known."""
    require(session_of(request), "view")
    room = room_of(request)
    return json_response({"labels": [
        {"alarm": one.alarm_key, "verdict": one.verdict, "source": one.source, "ms": ms(room.plant_ns(one.at_ns)),
         "by": one.actor_name, "comment": one.comment}
        for one in room.records.labels(alarm, limit=limit)
    ]})  # fmt: skip


@router.get("/alarm-kpis")
def kpis(
    request: Request, hours: Hours = 24.0, operators: Annotated[int, Query(ge=1, le=1000)] = 1,
    area: Path | None = None,
) -> Response:  # fmt: skip
    """Rates per operator, floods, chatter, stale alarms, the ten worst sources, priorities; of the site or an area."""
    require(session_of(request), "view")
    room = room_of(request)
    now_ns, span_s = room.records.clock.now_ns(), hours * 3600
    since_ns = now_ns - round(span_s * NS_PER_S / room.speed)  # the records keep the machine's time
    rows = [one for one in room.records.announcements(since_ns, limit=MOST) if _inside(one.asset, area)]
    until_s = room.plant_ns(now_ns) / NS_PER_S
    found = figures([_announcement(room, one) for one in rows], until_s - span_s, until_s + 1e-3, operators)
    body = asdict(found)
    body["floods"] = [{"from_ms": round(start * 1000), "to_ms": round(end * 1000)} for start, end in found.floods]
    body["top"] = [{**asdict(one), **_names(rows, one.source)} for one in found.top]
    return json_response({
        "hours": hours, "operators": operators, "area": area, "as_of_ms": ms(room.plant_ns(now_ns)), **body,
        "stale": _stale(room, area), "cut": len(rows) >= MOST,
    })  # fmt: skip


def _inside(asset: str, area: str | None) -> bool:
    return area is None or asset == area or asset.startswith(f"{area}/")


def _announcement(room: Room, one: AnnouncementRecord) -> Announcement:
    return Announcement(room.plant_ns(one.at_ns) / NS_PER_S, _source(one), one.priority, bool(one.quiet))


def _source(one: AnnouncementRecord) -> str:
    return f"{one.asset}/{one.tag}:{one.rule_id}"


def _names(rows: list[AnnouncementRecord], source: str) -> dict[str, Any]:
    one = next(row for row in rows if _source(row) == source)
    return {"asset": one.asset, "tag": one.tag, "rule_id": one.rule_id}


def _stale(room: Room, area: str | None) -> int:
    """Alarms that have stood for more than 24 h and are not set aside."""
    standing = [
        one for one in room.records.alarms(open_only=True, limit=MOST)
        if one.cleared_ns is None and one.state in {"unacknowledged", "acknowledged"} and _inside(one.asset, area)
    ]  # fmt: skip
    return stale((room.plant_ns(one.recorded_ns) / NS_PER_S for one in standing), room.plant_ns(
        room.records.clock.now_ns()) / NS_PER_S)  # fmt: skip
