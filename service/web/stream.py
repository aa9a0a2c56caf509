"""Server-sent events: changed alarms within `LOOK_S` of their commit, and once a second the pulse of the plant.

Alarm events carry `id:` = the change number of the records, so a browser that comes back (Last-Event-ID) gets what it
missed, each alarm once in its newest form. Delivery: at least once while connected; nothing is skipped. The pulse has
no id; it is the whole overview, so the last one is enough.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio
import orjson
from anyio import to_thread
from fastapi import APIRouter, Query, Request
from prometheus_client import Gauge
from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse

from andon.errors import AccessError, AndonError
from andon.records import require
from service.web.alarm_view import alarm_json
from service.web.api import counts, room_of, session_of
from service.web.errors import WebError
from service.web.plant_view import Now, overview_json
from service.web.room import Room

EVERY_S = 1.0
LOOK_S = 0.2  # between two looks for changed alarms: one shall be on the page within a second of its reading
SLOW_EVERY_S = 5.0  # ledger, dead letters and orders are counted less often than values are read
SESSION_CHECK_S = 10.0
MOST_STREAMS = 100

_streams = Gauge("andon_web_streams", "Pages that follow the event stream.", multiprocess_mode="livesum")

router = APIRouter(prefix="/api/v1")


class Pulse:
    """The overview and the number of the last change, read once for all who watch."""

    def __init__(self, room: Room) -> None:
        self.room, self.streams = room, 0
        self._lock, self._looking = anyio.Lock(), anyio.Lock()
        self._made = self._counted = self._looked = float("-inf")
        self._head = 0
        self._text = ""
        self._counts: dict[str, Any] = {}

    async def text(self) -> str:
        """JSON not older than `EVERY_S`."""
        async with self._lock:
            if time.monotonic() - self._made >= EVERY_S * 0.9:
                self._text = await to_thread.run_sync(self._read)
                self._made = time.monotonic()
            return self._text

    async def head(self) -> int:
        """Number of the records' last change, not older than `LOOK_S`."""
        async with self._looking:
            if time.monotonic() - self._looked >= LOOK_S * 0.9:
                self._head = await to_thread.run_sync(self.room.records.change_head)
                self._looked = time.monotonic()
            return self._head

    def _read(self) -> str:
        if time.monotonic() - self._counted >= SLOW_EVERY_S:
            self._counts = counts(self.room)
            self._counted = time.monotonic()
        overview = overview_json(self.room, Now.read(self.room))
        return orjson.dumps({**overview, **self._counts}, option=orjson.OPT_SERIALIZE_NUMPY).decode()


@router.get("/stream")
async def stream(request: Request, after: Annotated[int | None, Query(ge=0, le=2**53)] = None) -> EventSourceResponse:
    """Events "alarms" (with id), "pulse", and "bye" when the session has ended.

    Goes on after the header Last-Event-ID, else after `after`, else from now.
    """
    require(session_of(request), "view")
    pulse: Pulse = request.app.state.pulse
    if pulse.streams >= MOST_STREAMS:
        raise WebError("page.too_many_streams", most=MOST_STREAMS)
    last = request.headers.get("last-event-id", "")
    start = int(last) if last.isdigit() and len(last) < 17 else after
    leaving = anyio.Event()
    events = _events(request, pulse, start, leaving)
    return EventSourceResponse(events, ping=15, send_timeout=30, shutdown_event=leaving, shutdown_grace_period=1.0)


async def _events(
    request: Request, pulse: Pulse, start: int | None, leaving: anyio.Event
) -> AsyncIterator[ServerSentEvent]:
    room, language = room_of(request), request.state.language
    seq = await to_thread.run_sync(room.records.change_head) if start is None else start
    checked, pulsed = time.monotonic(), float("-inf")
    pulse.streams += 1
    _streams.inc()
    try:
        while not leaving.is_set():
            if time.monotonic() - checked >= SESSION_CHECK_S:
                checked = time.monotonic()
                if not await _still_in(request, room):
                    yield ServerSentEvent("{}", event="bye")
                    return
            head = await pulse.head()
            if head > seq:
                changes, told = await to_thread.run_sync(_changes, room, seq, language)
                seq = head if changes is None else told  # changes of incidents and holds have numbers too
                if changes is not None:
                    yield ServerSentEvent(changes, event="alarms", id=str(seq))
            if time.monotonic() - pulsed >= EVERY_S:
                pulsed = time.monotonic()
                yield ServerSentEvent(await pulse.text(), event="pulse")
            with anyio.move_on_after(LOOK_S):
                await leaving.wait()
    finally:
        pulse.streams -= 1
        _streams.dec()


def _changes(room: Room, seq: int, language: str) -> tuple[str | None, int]:
    rows = room.records.changes_since(seq, limit=200)
    if not rows:
        return None, seq
    now_ns = room.now_ns()
    alarms = [alarm_json(room, alarm, language, now_ns) for alarm in rows]
    return orjson.dumps({"alarms": alarms}).decode(), rows[-1].change_seq


async def _still_in(request: Request, room: Room) -> bool:
    """Whether the session lives. Watching is no activity, except where the service was told that it is."""
    token, touch = request.state.session_token, not request.app.state.access.idle_lock
    try:
        await to_thread.run_sync(lambda: room.records.session(token, touch=touch))
    except AccessError:
        return False
    except AndonError:  # the database is busy or away: no reason to throw people out
        return True
    return True
