"""Incidents, lots on hold and CAPA proposals, below /api/v1: what there is, and what a person of quality decides."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from andon.records import require
from andon.records.notice_rows import IncidentRecord
from service.web.actions import Reason
from service.web.api import Limit, room_of, session_of
from service.web.errors import json_response
from service.web.room import ms

router = APIRouter(prefix="/api/v1")


class Decision(Reason):
    """What becomes of a proposal."""

    accept: bool


@router.get("/incidents")
def incidents(
    request: Request, open_only: Annotated[bool, Query(alias="open")] = False, limit: Limit = 500
) -> Response:
    """Incidents, the newest change first, each with its first alarm; `open`: only those that are not closed."""
    require(session_of(request), "view")
    rows = room_of(request).records.incidents(open_only=open_only, limit=limit)
    return json_response({"incidents": [_incident_json(one) for one in rows]})


def _incident_json(one: IncidentRecord) -> dict[str, object]:
    return {
        "key": one.key, "scope": one.scope, "first_alarm": one.first_alarm, "priority": one.priority,
        "alarms": one.alarms, "episode": one.episode, "change_seq": one.change_seq,
        **{f"{name}_ms": ms(getattr(one, f"{name}_ns")) for name in ("begun", "last", "opened", "waiting")},
        "closed_ms": None if one.closed_ns is None else ms(one.closed_ns),
    }  # fmt: skip


@router.get("/holds")
def holds(request: Request, alarm: str | None = None, limit: Limit = 500) -> Response:
    """Lots that the ERP was asked to block, the newest first; of one alarm with `alarm`."""
    require(session_of(request), "view")
    rows = room_of(request).records.holds(alarm, limit)
    return json_response({"holds": [{**asdict(one), "asked_ms": ms(one.asked_ns)} for one in rows]})


@router.post("/holds/{key}/release")
def release_hold(request: Request, key: str, body: Reason) -> Response:
    """Let a lot go; the ERP is told."""
    actor = require(session_of(request), "holds.decide")
    room_of(request).records.release_lot(key, actor, body.reason)
    return json_response({"key": key, "state": "released"})


@router.get("/capas")
def capas(
    request: Request, state: Literal["proposed", "accepted", "rejected"] | None = None, limit: Limit = 500
) -> Response:
    """CAPA proposals, the newest first."""
    require(session_of(request), "view")
    rows = room_of(request).records.capas(state, limit)
    return json_response({
        "capas": [
            {**asdict(one), "proposed_ms": ms(one.proposed_ns), "decided_ms": ms(one.decided_ns)} for one in rows
        ]
    })  # fmt: skip


@router.post("/capas/{key}/decide")
def decide_capa(request: Request, key: str, body: Decision) -> Response:
    """Take a proposal up, and the ERP gets it; or turn it down."""
    actor = require(session_of(request), "capa.decide")
    room_of(request).records.decide_capa(key, actor, body.reason, accept=body.accept)
    return json_response({"key": key, "state": "accepted" if body.accept else "rejected"})
