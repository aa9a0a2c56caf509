"""Calibrations over HTTP, below /api/v1: how instruments stand, what a failed one puts in doubt. Reading only."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from andon.records import require
from operators.calibration import Measured
from operators.lots import OPEN_END
from service.calibrations import Calibrations, Impact, Standing, alarms_of, since, until
from service.web.api import room_of, session_of
from service.web.errors import json_response
from service.web.room import Room, ms

router = APIRouter(prefix="/api/v1")


def calibrations_of(room: Room) -> Calibrations:
    """Those of a room, with its alarms."""
    return Calibrations(room.plant, room.history, alarms_of(room.records))


@router.get("/calibrations")
def standings(request: Request) -> Response:
    """Every calibrated series: the calibration in force and how the instrument stands now."""
    require(session_of(request), "view")
    room = room_of(request)
    found = calibrations_of(room).standings(room.now_ns())
    return json_response({"calibrations": [_standing(one) for one in found]})


@router.get("/calibrations/impact")
def impact(request: Request) -> Response:
    """For every failed as-found: the final figures, lots and alarms since the last good calibration."""
    require(session_of(request), "view")
    return json_response({"impacts": [_impact(one) for one in calibrations_of(room_of(request)).impacts()]})


def measured_json(found: list[Measured]) -> list[dict[str, Any]]:
    """What a figure was measured with: one for each input and certificate; uncertainty is U with k."""
    return [
        {
            "tag": one.tag, "certificate": one.certificate or None, "state": str(one.state),
            "uncertainty": one.expanded, "k": one.k, "in_doubt": one.in_doubt,
        }
        for one in found
    ]  # fmt: skip


def _standing(one: Standing) -> dict[str, Any]:
    held = one.calibration
    return {
        "asset": one.asset, "tag": one.tag, "state": str(one.state), "certificate": held.certificate if held else None,
        "at_ms": ms(held.at_ns) if held else None, "due_ms": ms(held.due_ns) if held else None,
        "uncertainty": held.expanded if held else None, "k": held.k if held else None,
        "error": held.error if held else None, "permitted": held.mpe if held else None,
    }  # fmt: skip


def _impact(one: Impact) -> dict[str, Any]:
    figures = [
        {
            "kind": figure.kind, "asset": figure.asset, "tag": figure.tag, "start_ms": ms(figure.start_ns),
            "end_ms": ms(figure.end_ns), "revision": figure.revision,
        }
        for figure in one.figures
    ]  # fmt: skip
    lots = [
        {
            "lot": lot.lot, "product": lot.product, "start_ms": ms(lot.from_ns),
            "end_ms": None if lot.to_ns == OPEN_END else ms(lot.to_ns),
        }
        for lot in one.lots
    ]  # fmt: skip
    alarms = [
        {"key": alarm.key, "rule": alarm.rule_id, "start_ms": ms(alarm.start_ns)} for alarm in one.alarms or ()
    ]  # fmt: skip
    return {
        "asset": one.asset, "tag": one.tag, "certificate": one.doubt.certificate,
        "last_good": one.doubt.last_good or None, "since_ms": ms(since(one.doubt)), "until_ms": ms(until(one.doubt)),
        "figures": figures, "lots": lots, "alarms": alarms,
    }  # fmt: skip
