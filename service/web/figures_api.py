"""Figures of any kind over a range, below /api/v1: what machines made of the readings, and what they are called."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from andon.figures import KINDS
from andon.figures.units import series_unit
from andon.i18n import catalogue
from andon.outputs import Figure
from andon.readings import NS_PER_MS
from andon.records import require
from service.oee_levels import oee_levels
from service.web.api import LATEST_MS, Hours, Limit, Millis, asset_of, room_of, session_of, time_range
from service.web.calibration_api import calibrations_of, measured_json
from service.web.cycle_view import cycle_json
from service.web.errors import WebError, json_response
from service.web.oee_view import By, oee_groups_json
from service.web.pictures import CYCLES
from service.web.room import ms

router = APIRouter(prefix="/api/v1")
From = Annotated[int | None, Query(alias="from", ge=0, le=LATEST_MS)]
To = Annotated[int | None, Query(alias="to", ge=0, le=LATEST_MS)]
MOST = 20_000  # figures looked through for those of one tag


def in_ns(moment_ms: int | None) -> int | None:
    """ns of a moment in ms; None stays None."""
    return None if moment_ms is None else moment_ms * NS_PER_MS


@router.get("/figure-kinds")
def kinds(request: Request) -> Response:
    """Every kind of figure with its parts: names, units, definitions in the reader's language."""
    require(session_of(request), "view")
    texts = catalogue(request.state.language)

    def said(code: str) -> str:
        return texts.get(code, code.rpartition(".")[2])

    return json_response({
        "kinds": [
            {
                "kind": name, "name": said(f"figure.{name}"), "about": list(kind.about),
                "parts": [
                    {
                        "part": part.name, "unit": part.unit, "additive": part.additive, "at_read": part.at_read,
                        "name": said(f"figure.{name}.{part.name}"), "how": texts.get(f"figure.{name}.{part.name}.how"),
                    }
                    for part in kind.parts
                ],
            }
            for name, kind in KINDS.items()
        ]
    })  # fmt: skip


@router.get("/figures")
def figures(
    request: Request,
    kind: str,
    asset: str | None = None,
    tag: str | None = None,
    start: From = None,
    end: To = None,
    hours: Hours = 24.0,
    limit: Limit = 500,
    points: Annotated[int | None, Query(ge=2, le=2000)] = None,
    as_of: Millis = None,
    *,
    measured: bool = False,
) -> Response:
    """The newest `limit` figures of a kind that overlap the range, in order of start, running ones among them.

    unit of each: what `{series}` stands for in the units of its parts.
    points: instead of the newest at most so many of all, evenly apart, the last one among them.
    as_of: ms; final ones only, as they were known at that time of the plant. measured: with the instruments of each,
    as they are known now.
    """
    require(session_of(request), "view")
    room = room_of(request)
    if kind not in KINDS:
        raise WebError("page.invalid", what=f"kind: {', '.join(KINDS)}")
    path = None if asset is None else asset_of(room, asset)
    start_ns, end_ns = time_range(room, start, end, hours)
    most = limit if tag is None and points is None else MOST
    found = room.history.figures(kind, start_ns, end_ns, path, most, as_of_ns=in_ns(as_of))
    mine = [one for one in found if tag in (None, one.tag)]
    shown = (
        mine[-limit:] if points is None else mine[:: -max(1, -(-len(mine) // points))][::-1]
    )  # each shard gave as many
    rows = [figure_json(one) | {"unit": series_unit(room.plant, one.kind, one.asset, one.tag)} for one in shown]
    if measured:
        known = calibrations_of(room)
        rows = [{**row, "measured": measured_json(known.measured(one))} for row, one in zip(rows, shown, strict=True)]
    return json_response({
        "kind": kind, "from_ms": start_ns // NS_PER_MS, "to_ms": end_ns // NS_PER_MS, "figures": rows,
    })  # fmt: skip


@router.get("/figures/oee")
def oee_groups(
    request: Request,
    asset: str,
    by: By = "all",
    start: From = None,
    end: To = None,
    hours: Hours = 24.0,
    as_of: Millis = None,
) -> Response:
    """OEE of an asset rolled up, as a whole and by shift, product or order: losses as steps, stops, their Pareto."""
    require(session_of(request), "view")
    room = room_of(request)
    start_ns, end_ns = time_range(room, start, end, hours)
    told = oee_groups_json(room, asset_of(room, asset), start_ns, end_ns, by, in_ns(as_of))
    return json_response({"from_ms": start_ns // NS_PER_MS, "to_ms": end_ns // NS_PER_MS, **told})


@router.get("/figures/oee/levels")
def levels(request: Request, start: From = None, end: To = None, hours: Hours = 24.0, as_of: Millis = None) -> Response:
    """OEE of every line, every area and the site from windows in the range, as the document that sites export."""
    require(session_of(request), "view")
    room = room_of(request)
    start_ns, end_ns = time_range(room, start, end, hours)
    return json_response(oee_levels(room.plant, room.history, start_ns, end_ns, in_ns(as_of)))


@router.get("/figures/cycle")
def cycle(
    request: Request, kind: str, asset: str, start: Annotated[int, Query(alias="from", ge=0, le=LATEST_MS)],
    as_of: Millis = None,
) -> Response:  # fmt: skip
    """A sterilisation cycle that began at `from`, ms: curves, lethality, phases, criteria, probes.

    as_of: ms; the final verdict as it was known at that time of the plant, with the curves as they are now.
    """
    require(session_of(request), "view")
    room = room_of(request)
    path, start_ns = asset_of(room, asset), start * NS_PER_MS
    if kind not in CYCLES.values():
        raise WebError("page.invalid", what=f"kind: {', '.join(CYCLES.values())}")
    found = room.history.figures(kind, start_ns, start_ns + NS_PER_MS, path, as_of_ns=in_ns(as_of))
    mine = [one for one in found if start_ns <= one.start_ns < start_ns + NS_PER_MS]
    if not mine:
        raise WebError("page.invalid", what="from: no cycle began then")
    return json_response({"asset": path, "kind": kind, "start_ms": start, **cycle_json(room, kind, mine)})


def figure_json(one: Figure) -> dict[str, Any]:
    """A figure; parts that are not known are null."""
    return {
        "asset": one.asset, "tag": one.tag, "start_ms": ms(one.start_ns), "end_ms": ms(one.end_ns),
        "revision": one.revision, "final": one.final, "known_ms": ms(one.known_ns) if one.known_ns else None,
        "parts": dict(one.parts), "about": dict(one.about),
    }  # fmt: skip
