"""What can be changed over HTTP. Every change has a person, a reason where it matters, and its audit row."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from andon.records import require
from service.web.alarm_view import alarm_json
from service.web.api import room_of, session_of
from service.web.errors import WebError, json_response

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]

#: Every route that changes something, and the audit action it writes. A test compares it with the real routes.
MUTATING_ROUTES: dict[tuple[str, str], str] = {
    ("GET", "/"): "login.token",  # only with ?token=
    ("POST", "/login"): "login.ok",
    ("POST", "/logout"): "logout",
    ("POST", "/ack/{token}"): "ack_link.used",  # test_ack_link.py
    ("POST", "/api/v1/alarms/{key}/acknowledge"): "alarm.acknowledged",
    ("POST", "/api/v1/alarms/{key}/comment"): "alarm.comment",
    ("POST", "/api/v1/alarms/{key}/reset"): "alarm.reset",
    ("POST", "/api/v1/alarms/{key}/assign"): "alarm.assigned",
    ("POST", "/api/v1/alarms/{key}/going"): "alarm.going",
    ("POST", "/api/v1/alarms/{key}/arrived"): "alarm.arrived",
    ("POST", "/api/v1/alarms/{key}/shelve"): "alarm.shelved",
    ("POST", "/api/v1/alarms/{key}/unshelve"): "alarm.unshelved",
    ("POST", "/api/v1/alarms/{key}/out-of-service"): "alarm.out_of_service",
    ("POST", "/api/v1/alarms/{key}/restore"): "alarm.restored",
    ("POST", "/api/v1/alarms/{key}/label"): "alarm.labelled",
    ("POST", "/api/v1/erp-records/{key}/release"): "outbox.released",
    ("POST", "/api/v1/holds/{key}/release"): "lot.hold_released",
    ("POST", "/api/v1/capas/{key}/decide"): "capa.accepted",
    ("POST", "/api/v1/models/promote"): "model.promoted",  # test_models_web.py
    ("POST", "/api/v1/models/rollback"): "model.rolled_back",  # test_models_web.py
    ("POST", "/api/v1/erp/states"): "erp.answered",  # test_erp_inbound.py
    ("POST", "/api/v1/dead-letters/redrive"): "dead_letters.redriven",
}

router = APIRouter(prefix="/api/v1")


class Body(BaseModel):
    """Base of all bodies: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Comment(Body):
    """A remark. Critical alarms want one with the acknowledgement."""

    comment: Text = ""


class Reason(Body):
    """Why somebody does something."""

    reason: Text


class Letter(Body):
    """One dead letter: its shard, the offset of its message, its line in it."""

    shard: int = Field(ge=0, le=63)
    offset: int = Field(ge=0)
    line: int = Field(ge=0)


class Redrive(Reason):
    """Dead letters to put into the log again, after what made them unreadable was mended."""

    letters: Annotated[list[Letter], Field(min_length=1, max_length=1000)]


@router.post("/alarms/{key}/acknowledge")
def acknowledge(request: Request, key: str, body: Comment) -> Response:
    """Somebody has seen the alarm and answers for it."""
    actor = require(session_of(request), "alarm.acknowledge")
    room = room_of(request)
    row = room.records.acknowledge(key, actor, body.comment)
    return json_response(alarm_json(room, row, request.state.language, room.now_ns()))


@router.post("/alarms/{key}/comment")
def comment(request: Request, key: str, body: Comment) -> Response:
    """Add a remark to an alarm's history."""
    actor = require(session_of(request), "alarm.comment")
    room = room_of(request)
    room.records.comment(key, actor, body.comment)
    return json_response(alarm_json(room, room.records.alarm(key), request.state.language, room.now_ns()))


@router.post("/erp-records/{key}/release")
def release(request: Request, key: str, body: Reason) -> Response:
    """Send a parked order again."""
    actor = require(session_of(request), "outbox.release")
    room_of(request).records.release_order(key, actor, body.reason)
    return json_response({"key": key, "state": "pending"})


@router.post("/dead-letters/redrive")
def redrive(request: Request, body: Redrive) -> Response:
    """Put the raw bytes into the log of their shard again.

    The audit row is written first: a fault after it leaves a row about nothing, never a change without a row. The
    letter is marked last: a fault before that redrives it twice, and the flow knows the second as a duplicate.
    """
    actor = require(session_of(request), "dead_letters.redrive")
    room = room_of(request)
    stores = {store.shard: store for store in room.dead}
    logs = room.logs()
    by_shard: dict[int, list[Letter]] = {}
    for letter in body.letters:
        if letter.shard not in stores or letter.shard not in logs:
            raise WebError("page.unknown_dead_letter", **letter.model_dump())
        by_shard.setdefault(letter.shard, []).append(letter)
    raws = {
        (one.shard, one.offset, one.line): _raw(stores[one.shard].get(one.offset, one.line), one)
        for one in body.letters
    }
    for shard, letters in sorted(by_shard.items()):
        told = ", ".join(f"{one.offset}:{one.line}" for one in letters[:20])
        room.records.note(
            actor, "dead_letters.redriven", "dead_letters", f"shard {shard}",
            new={"count": len(letters), "letters": told}, reason=body.reason, right="dead_letters.redrive",
        )  # fmt: skip
        logs[shard].append([raws[shard, one.offset, one.line] for one in letters])
        for one in letters:
            stores[shard].mark_redriven(one.offset, one.line)
    return json_response({"redriven": len(body.letters)})


def _raw(letter: object, wanted: Letter) -> bytes:
    raw = getattr(letter, "raw", None)
    if not isinstance(raw, bytes):
        raise WebError("page.unknown_dead_letter", **wanted.model_dump())
    return raw
