"""What can be read over HTTP, below /api/v1. Every route needs a session; every list is capped at `PAGE`."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from andon import __version__
from andon.i18n import LANGUAGES, catalogue
from andon.metrics import CONTENT_TYPE, exposition
from andon.plant import SeriesSpec
from andon.readings import NS_PER_MS, NS_PER_S
from andon.records import RIGHTS, AlarmRecord, Session, require
from operators.topology import line_of
from service.erp_link import read_link
from service.web.alarm_view import alarm_detail_json, alarm_json, order_json
from service.web.errors import WebError, json_response
from service.web.history_view import (
    LONGEST_NS,
    MOST_POINTS,
    cold_windows_json,
    oee_windows_json,
    states_json,
    trend_json,
)
from service.web.plant_view import (
    Now,
    asset_now_json,
    freshness_json,
    lines_json,
    overview_json,
    plant_json,
)  # fmt: skip
from service.web.room import DAY_NS, Room, ms
from service.web.site_metrics import site_exposition
from service.web.window_view import windows_json
from sinks.history_reader import LedgerTotals

PAGE = 1000
LATEST_MS = 9_000_000_000_000  # in 2255: what is later does not fit into ns of 64 bits
Limit = Annotated[int, Query(ge=1, le=PAGE)]
Path = Annotated[str, Query(max_length=200)]
Tag = Annotated[str, Query(max_length=64)]
Millis = Annotated[int | None, Query(ge=0, le=LATEST_MS)]
Hours = Annotated[float, Query(gt=0, le=24 * 400)]
TEXTS = ("page.", "alarms.", "records.")

router = APIRouter(prefix="/api/v1")


def room_of(request: Request) -> Room:
    """What the app was made with."""
    room: Room = request.app.state.room
    return room


def session_of(request: Request) -> Session | None:
    """The session that the gate found; None for nobody."""
    session: Session | None = request.state.session
    return session


def asset_of(room: Room, path: str) -> str:
    """The path, if it is an asset of the plant. Raises WebError."""
    if path not in room.plant.assets:
        raise WebError("page.unknown_asset", asset=path)
    return path


def series_of(room: Room, asset: str, tag: str) -> SeriesSpec:
    """The series' declaration. Raises WebError."""
    spec = room.plant.series.get((asset, tag))
    if spec is None:
        raise WebError("page.unknown_series", series=f"{asset}/{tag}")
    return spec


def time_range(room: Room, start: int | None, end: int | None, hours: float) -> tuple[int, int]:
    """[start, end) in ns from milliseconds; the last `hours` before now where they are not given."""
    end_ns = room.now_ns() + 1 if end is None else end * NS_PER_MS
    start_ns = end_ns - round(hours * 3600 * NS_PER_S) if start is None else start * NS_PER_MS
    if not start_ns < end_ns <= start_ns + LONGEST_NS:
        raise WebError("page.invalid", what="from < to <= from + 400 d")
    return start_ns, end_ns


@router.get("/me")
def me(request: Request) -> Response:
    """Who is logged in, with what rights, and the token that changes need in the header X-CSRF-Token."""
    actor = require(session_of(request), "view")
    session = session_of(request)
    return json_response({
        "id": actor.id, "name": actor.name, "role": actor.role, "rights": sorted(RIGHTS[actor.role]),
        "csrf": session.csrf if session else "", "language": request.state.language, "languages": LANGUAGES,
        "version": __version__,
    })  # fmt: skip


@router.get("/texts/{language}")
def texts(request: Request, language: Literal["en", "zh-CN"]) -> Response:
    """The page's sentences in a language, code -> text with {parameters}."""
    require(session_of(request), "view")
    return json_response({code: text for code, text in catalogue(language).items() if code.startswith(TEXTS)})


@router.get("/plant")
def plant(request: Request) -> Response:
    """Site, assets with their series, rules."""
    require(session_of(request), "view")
    return json_response(plant_json(room_of(request), request.state.language))


@router.get("/overview")
def overview(request: Request) -> Response:
    """OEE of the lines, state and values of the assets, alarms, ERP and dead letters in numbers, lag."""
    require(session_of(request), "view")
    room = room_of(request)
    return json_response({**overview_json(room, Now.read(room)), **counts(room)})


def counts(room: Room) -> dict[str, Any]:
    """Orders by state and the way to the ERP, dead letters by reason, whether the ledger of the last 24 h balances."""
    ledger = room.history.ledger(room.now_ns() - DAY_NS)
    dead: dict[str, int] = {}
    for store in room.dead:
        for reason, count in store.counts().items():
            dead[reason] = dead.get(reason, 0) + count
    return {
        "erp": room.records.order_counts(),
        "erp_link": link_json(room),
        "dead_letters": {"total": sum(dead.values()), "by_reason": dead},
        "ledger": {
            "received": sum(row.received for row in ledger), "difference": sum(row.difference for row in ledger),
        },
    }  # fmt: skip


def link_json(room: Room) -> dict[str, Any] | None:
    """What the sender last said of the way to the ERP; None where it has said nothing."""
    link = None if room.data is None else read_link(room.data)
    if link is None:
        return None
    since_ms = ms(room.plant_ns(link.since_ns))
    return {"state": link.state, "since_ms": since_ms, "failures": link.failures, "error": link.error}


@router.get("/lines")
def lines(request: Request) -> Response:
    """OEE of every line: the running window, and the last 24 h."""
    require(session_of(request), "view")
    room = room_of(request)
    now = Now.read(room)
    return json_response({**freshness_json(room, now), "lines": lines_json(room, now)})


@router.get("/line")
def line(request: Request, path: Path, hours: Hours = 8.0) -> Response:
    """A line: its assets now, their state timelines and their OEE by window."""
    require(session_of(request), "view")
    room = room_of(request)
    assets = [asset for asset in room.plant.assets if line_of(asset, room.plant.line_cells) == path]
    if not assets:
        raise WebError("page.unknown_asset", asset=path)
    now = Now.read(room)
    start_ns, end_ns = time_range(room, None, None, hours)
    return json_response({
        **freshness_json(room, now),
        "line": next((one for one in lines_json(room, now) if one["path"] == path), None),
        "assets": [_asset_json(room, now, asset, start_ns, end_ns) for asset in assets],
    })  # fmt: skip


@router.get("/asset")
def asset(request: Request, path: Path, hours: Hours = 8.0) -> Response:
    """An asset: values, state timelines, OEE or cold-chain figures by window, its open alarms."""
    require(session_of(request), "view")
    room = room_of(request)
    now = Now.read(room)
    start_ns, end_ns = time_range(room, None, None, hours)
    return json_response({
        **freshness_json(room, now), **_asset_json(room, now, asset_of(room, path), start_ns, end_ns),
        "alarm_list": [
            alarm_json(room, alarm, request.state.language, now.now_ns)
            for alarm in room.records.alarms(asset=path, limit=50)
        ],
    })  # fmt: skip


def _asset_json(room: Room, now: Now, path: str, start_ns: int, end_ns: int) -> dict[str, Any]:
    specs = [spec for (one, _), spec in room.plant.series.items() if one == path]
    changing = [spec for spec in specs if spec.kind in {"state", "boolean"}]
    return {
        **asset_now_json(room, now, path),
        "from_ms": ms(start_ns),
        "to_ms": ms(end_ns),
        "timelines": [states_json(room, spec, start_ns, end_ns) for spec in changing],
        "oee": oee_windows_json(room, path, start_ns, end_ns) if path in room.plant.with_oee else None,
        "cold_chain": cold_windows_json(room, path, start_ns, end_ns) if room.plant.cold_chain_of(path) else None,
    }


@router.get("/cold-rooms")
def cold_rooms(request: Request) -> Response:
    """Every asset with a cold chain: newest values, figures of the running window, open alarms."""
    require(session_of(request), "view")
    room = room_of(request)
    now = Now.read(room)
    paths = [path for path in room.plant.assets if room.plant.cold_chain_of(path)]
    return json_response({
        **freshness_json(room, now), "cold_rooms": [asset_now_json(room, now, path) for path in paths],
    })  # fmt: skip


@router.get("/history")
def history(
    request: Request, asset: Path, tag: Tag,
    start: Annotated[int | None, Query(alias="from", ge=0, le=LATEST_MS)] = None,
    end: Annotated[int | None, Query(alias="to", ge=0, le=LATEST_MS)] = None,
    hours: Hours = 8.0,
    points: Annotated[int, Query(ge=10, le=MOST_POINTS)] = 600,
    size_s: Annotated[float | None, Query(gt=0)] = None,
) -> Response:  # fmt: skip
    """Trend of a numeric series as windows (minimum, maximum, mean, count, score), or changes of a state series."""
    require(session_of(request), "view")
    room = room_of(request)
    spec = series_of(room, asset, tag)
    start_ns, end_ns = time_range(room, start, end, hours)
    if spec.kind in {"state", "boolean"}:
        return json_response(states_json(room, spec, start_ns, end_ns))
    size_ns = None if size_s is None else round(size_s * NS_PER_S)
    return json_response({
        "from_ms": ms(start_ns), "to_ms": ms(end_ns), **trend_json(room, spec, start_ns, end_ns, points, size_ns),
    })  # fmt: skip


@router.get("/windows")
def windows(
    request: Request, asset: Path, tag: Tag,
    window: Annotated[str | None, Query(max_length=64)] = None,
    start: Annotated[int | None, Query(alias="from", ge=0, le=LATEST_MS)] = None,
    end: Annotated[int | None, Query(alias="to", ge=0, le=LATEST_MS)] = None,
    hours: Hours = 48.0,
    limit: Limit = 100,
) -> Response:  # fmt: skip
    """The declared windows ([[window]]) of a series that overlap a range, the newest first; of one or of all."""
    require(session_of(request), "view")
    room = room_of(request)
    spec = series_of(room, asset, tag)
    return json_response(windows_json(room, spec, time_range(room, start, end, hours), window, limit))


@router.get("/alarms")
def alarms(
    request: Request, show: Literal["open", "all"] = "open", asset: Path | None = None, limit: Limit = 500,
    before: Millis = None,
) -> Response:  # fmt: skip
    """Alarms, the newest start first. `before` (ms) pages back; change_seq is where the stream goes on."""
    require(session_of(request), "view")
    room = room_of(request)
    head = room.records.change_head()
    before_ns = None if before is None else before * NS_PER_MS
    rows = room.records.alarms(open_only=show == "open", asset=asset, limit=limit, before_ns=before_ns)
    return json_response({"change_seq": head, "as_of_ms": ms(room.now_ns()), "alarms": alarm_list(request, rows)})


def alarm_list(request: Request, rows: list[AlarmRecord]) -> list[dict[str, Any]]:
    """The rows in the reader's language."""
    room = room_of(request)
    now_ns = room.now_ns()
    return [alarm_json(room, alarm, request.state.language, now_ns) for alarm in rows]


@router.get("/alarms/{key}")
def alarm(request: Request, key: str) -> Response:
    """One alarm with why it was raised, its evidence and its history."""
    require(session_of(request), "view")
    room = room_of(request)
    row = room.records.alarm(key)
    detail = alarm_detail_json(room, row, room.records.transitions(key), request.state.language, room.now_ns())
    return json_response(detail)


@router.get("/erp-records")
def erp_records(
    request: Request, state: Literal["pending", "leased", "delivered", "parked"] | None = None, limit: Limit = 500
) -> Response:
    """What went to the ERP or waits to go: number, state, attempts, last error."""
    require(session_of(request), "view")
    room = room_of(request)
    orders = [order_json(room, one) for one in room.records.orders(state=state, limit=limit)]
    return json_response({"counts": room.records.order_counts(), "orders": orders})


@router.get("/erp-records/{key}/deliveries")
def deliveries(request: Request, key: str) -> Response:
    """Every finished attempt of one order."""
    require(session_of(request), "view")
    rows = room_of(request).records.deliveries(key)
    return json_response({"deliveries": [
        {"attempt": one.attempt, "ms": ms(one.at_ns), "outcome": one.outcome, "status": one.status, "error": one.error}
        for one in rows
    ]})  # fmt: skip


@router.get("/dead-letters")
def dead_letters(
    request: Request, reason: Annotated[str | None, Query(max_length=40)] = None, limit: Limit = 200
) -> Response:
    """Counts per reason, and the newest rows with their raw bytes (text, or base64 where they are not UTF-8)."""
    require(session_of(request), "view")
    room = room_of(request)
    rows = [(store.shard, one) for store in room.dead for one in store.list(limit, reason)]
    rows.sort(key=lambda row: row[1].received_ns, reverse=True)
    return json_response({
        **counts(room)["dead_letters"],
        "rows": [
            {"shard": shard, "offset": one.offset, "line": one.line, "received_ms": ms(one.received_ns),
             "reason": one.reason, "series": one.path, "bytes": len(one.raw), "redriven": one.redriven,
             **_raw_json(one.raw)}
            for shard, one in rows[:limit]
        ],
    })  # fmt: skip


def _raw_json(raw: bytes) -> dict[str, str]:
    shown = raw[:2000]
    try:
        return {"raw": shown.decode("utf-8")}
    except UnicodeDecodeError:
        return {"raw_base64": base64.b64encode(shown).decode(), "raw": shown.decode("utf-8", "backslashreplace")}


@router.get("/ledger")
def ledger(
    request: Request, hours: Annotated[float | None, Query(gt=0, le=24 * 400)] = None, asset: Path | None = None,
    tag: Tag | None = None,
) -> Response:  # fmt: skip
    """Rows received and what became of them, per series; per hour with `asset` and `tag`."""
    require(session_of(request), "view")
    room = room_of(request)
    start_ns = 0 if hours is None else room.now_ns() - round(hours * 3600 * NS_PER_S)
    if asset is not None and tag is not None:
        rows = room.history.ledger_hours(asset, tag, start_ns)
        return json_response({"hours": [{"hour_ms": ms(hour_ns), **_ledger_json(one)} for hour_ns, one in rows]})
    return json_response({"series": [_ledger_json(one) for one in room.history.ledger(start_ns)]})


def _ledger_json(row: LedgerTotals) -> dict[str, Any]:
    return {
        "asset": row.asset, "tag": row.tag, "received": row.received, "counted": row.counted, "late": row.late,
        "duplicate": row.duplicate, "bad": row.bad, "dead": row.dead, "conflict": row.conflict,
        "difference": row.difference,
    }  # fmt: skip


@router.get("/audit")
def audit(
    request: Request, limit: Limit = 200, object_id: Annotated[str | None, Query(max_length=300)] = None
) -> Response:
    """The newest audit records; needs the right audit.read."""
    require(session_of(request), "audit.read")
    rows = room_of(request).records.audit_trail(limit=limit, object_id=object_id, newest=True)
    return json_response({"audit": [
        {"seq": one.seq, "ms": ms(one.at_ns), "zone": one.zone, "actor": one.actor_name, "role": one.role,
         "terminal": one.terminal, "action": one.action, "object_type": one.object_type, "object_id": one.object_id,
         "old": one.old, "new": one.new, "reason": one.reason, "hash": one.hash}
        for one in rows
    ]})  # fmt: skip


def metrics(request: Request) -> Response:
    """Prometheus text of all processes of the site; for a session, or a monitor with the bearer token."""
    if session_of(request) is not None:
        require(session_of(request), "view")
    return Response(exposition() + site_exposition(room_of(request)), media_type=CONTENT_TYPE)
