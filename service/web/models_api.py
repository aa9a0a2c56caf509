"""Models under control over HTTP, below /api/v1/models: who judges which series, how they compare, what is decided."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from andon.clock import ScaledClock
from andon.models import ModelDrift
from andon.records import require
from andon.records.model_rows import ModelAssignment, ModelVersion
from andon.records.model_store import champions, in_force
from andon.records.models import LEAD_NS
from service.model_compare import compare
from service.models import champion_key, judged_paths, judged_series, published
from service.web.actions import Reason
from service.web.api import Hours, Path, Tag, room_of, session_of, time_range
from service.web.errors import json_response
from service.web.room import Room, ms

router = APIRouter(prefix="/api/v1/models")
Words = Annotated[str, Field(max_length=200)]


class OnSeries(Reason):
    """An act on a series, and why."""

    asset: Words
    tag: Words


class Promotion(OnSeries):
    """What becomes champion; empty: the challenger."""

    model: Words = ""


@router.get("")
def models(request: Request) -> Response:
    """Judged series with champion, challenger, history and how many alarms were judged; versions; the last drifts."""
    require(session_of(request), "view")
    room = room_of(request)
    rows, versions = room.records.model_assignments()
    evaluated = {(f"{one.name}:{one.version}", one.asset, one.tag) for one in room.records.model_evaluations()}
    return json_response({
        "series": [_series_json(room, path, rows, evaluated) for path in judged_paths(room.plant)],
        "versions": [_version_json(one) for one in versions],
        "drifts": [_drift_json(room, one) for one in reversed(room.history.last_model_drifts())],
    })  # fmt: skip


@router.get("/comparison")
def comparison(request: Request, asset: Path, tag: Tag, hours: Annotated[Hours, Query()] = 720.0) -> Response:
    """Champion and challenger on a series, the last `hours`: what both tell, what one tells, against the verdicts."""
    require(session_of(request), "view")
    room = room_of(request)
    judged_series(room.plant, asset, tag)
    now = in_force(room.records.model_assignments()[0]).get((asset, tag))
    champion = champion_key(room.plant, asset, tag, now.champion if now else None)
    told = asdict(compare(
        room.records, room.history, (asset, tag), time_range(room, None, None, hours), champion,
        now.challenger if now else None,
    ))  # fmt: skip
    return json_response({**told, "from_ms": ms(told.pop("from_ns")), "until_ms": ms(told.pop("until_ns"))})


@router.post("/promote")
def promote(request: Request, body: Promotion) -> Response:
    """Make the challenger, or the version that is named, the champion of a series."""
    actor = require(session_of(request), "model.approve")
    room = room_of(request)
    judged_series(room.plant, body.asset, body.tag)
    row = room.records.promote_model(body.asset, body.tag, actor, body.reason, model=body.model, from_ns=_from_ns(room))
    return _done(room, row)


@router.post("/rollback")
def rollback(request: Request, body: OnSeries) -> Response:
    """Go back to the champion before this one, in the end to what plant.toml says."""
    actor = require(session_of(request), "model.manage")
    room = room_of(request)
    judged_series(room.plant, body.asset, body.tag)
    return _done(room, room.records.roll_back_model(body.asset, body.tag, actor, body.reason, from_ns=_from_ns(room)))


def _from_ns(room: Room) -> int | None:
    """From when on, where messages are stamped by a simulated plant's clock; None: by the machine's."""
    if not isinstance(room.clock, ScaledClock):
        return None
    return room.clock.now_ns() + round(LEAD_NS * room.speed)


def _done(room: Room, row: ModelAssignment) -> Response:
    done = room.data is not None and published(room.records, room.data)
    return json_response({**_assignment_json(room, row), "published": done})


def _series_json(
    room: Room, path: tuple[str, str], rows: list[ModelAssignment], evaluated: set[tuple[str, str, str]]
) -> dict[str, Any]:
    mine = [one for one in rows if (one.asset, one.tag) == path]
    now = mine[-1] if mine else None
    before = champions(mine)[:-1]
    verdicts = room.records.judged_alarms(*path, 0, 2**62)
    return {
        "asset": path[0], "tag": path[1], "champion": champion_key(room.plant, *path, now.champion if now else None),
        "challenger": now.challenger if now else None,
        "challenger_evaluated": now is not None and (now.challenger, *path) in evaluated,
        "before": champion_key(room.plant, *path, before[-1]) if before else None,
        "labels": {name: sum(one.verdict == name for one in verdicts) for name in ("true", "false", "known")},
        "history": [_assignment_json(room, one) for one in reversed(mine[-20:])],
    }  # fmt: skip


def _assignment_json(room: Room, one: ModelAssignment) -> dict[str, Any]:
    return {
        "asset": one.asset, "tag": one.tag, "seq": one.seq, "kind": one.kind, "since_ms": ms(one.since_ns),
        "champion": champion_key(room.plant, one.asset, one.tag, one.champion), "challenger": one.challenger,
        "by": one.actor_name, "at_ms": ms(one.at_ns), "reason": one.reason,
    }  # fmt: skip


def _drift_json(room: Room, one: ModelDrift) -> dict[str, Any]:
    spec = room.plant.series.get((one.asset, one.tag))
    return {
        "asset": one.asset, "tag": one.tag, "model": one.model, "signal": one.signal, "time_ms": ms(one.time_ns),
        "before": one.before, "after": one.after, "unit": spec.unit if spec and one.signal == "input" else "",
    }  # fmt: skip


def _version_json(one: ModelVersion) -> dict[str, Any]:
    return {
        "model": one.key, "detector": one.detector, "parameters": dict(one.parameters), "fingerprint": one.fingerprint,
        "release": one.release, "status": one.status, "evaluations": one.evaluations, "by": one.actor_name,
        "at_ms": ms(one.at_ns), "reason": one.reason, "trained_on": one.trained_on, "trained_hash": one.trained_hash,
    }  # fmt: skip
