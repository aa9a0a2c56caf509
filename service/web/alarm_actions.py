"""What people do about an alarm over HTTP: reset, assign, be on the way, shelve, take out of service, judge.

Each route calls one method of the records, which asks for the right, refuses what is not possible and writes the
audit record; the answer is the alarm as it is then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from andon.readings import NS_PER_S
from andon.records import Actor, AlarmRecord, Records, require
from andon.records.acts import LONGEST_WAY_S
from andon.records.points import LONGEST_SHELF_S
from service.web.actions import Body, Comment, Reason
from service.web.alarm_view import alarm_json
from service.web.api import room_of, session_of
from service.web.auth import terminal
from service.web.errors import json_response

Name = Annotated[str, Field(max_length=200)]
router = APIRouter(prefix="/api/v1/alarms/{key}")


class Assignment(Comment):
    """Whose the alarm is: a user's id; empty gives it back to everybody."""

    to: Name


class Way(Comment):
    """In how many seconds the person will be there."""

    arrives_in_s: float = Field(ge=0, le=LONGEST_WAY_S)


class Confirmation(Body):
    """The second person, who confirms with their own password."""

    user: Name
    password: Annotated[str, Field(max_length=1000)]


class Shelf(Reason):
    """For how long an alarm is quiet, and who else says so; a critical alarm needs the second person."""

    for_s: float = Field(gt=0, le=LONGEST_SHELF_S)
    second: Confirmation | None = None


class Judgement(Comment):
    """Whether the alarm was right."""

    verdict: Literal["true", "false", "known"]


def _answer(request: Request, right: str, change: Callable[[Records, Actor], AlarmRecord]) -> Response:
    actor = require(session_of(request), right)
    room = room_of(request)
    return json_response(alarm_json(room, change(room.records, actor), request.state.language, room.now_ns()))


@router.post("/reset")
def reset(request: Request, key: str, body: Comment) -> Response:
    """Let a latched alarm go."""
    return _answer(request, "alarm.reset", lambda records, actor: records.reset(key, actor, body.comment))


@router.post("/assign")
def assign(request: Request, key: str, body: Assignment) -> Response:
    """Make the alarm somebody's."""
    return _answer(request, "alarm.assign", lambda records, actor: records.assign(key, actor, body.to, body.comment))


@router.post("/going")
def going(request: Request, key: str, body: Way) -> Response:
    """The person is on the way; the alarm goes on."""

    def on_it(records: Records, actor: Actor) -> AlarmRecord:
        arrives_ns = records.clock.now_ns() + round(body.arrives_in_s * NS_PER_S)
        return records.going(key, actor, arrives_ns, body.comment)

    return _answer(request, "alarm.assign", on_it)


@router.post("/arrived")
def arrived(request: Request, key: str, body: Comment) -> Response:
    """The person is there."""
    return _answer(request, "alarm.assign", lambda records, actor: records.arrived(key, actor, body.comment))


@router.post("/shelve")
def shelve(request: Request, key: str, body: Shelf) -> Response:
    """Quiet the alarm and whatever its rule raises on the same series, for a time."""

    def quiet(records: Records, actor: Actor) -> AlarmRecord:
        second = None if body.second is None else _second(request, body.second)
        until_ns = records.clock.now_ns() + round(body.for_s * NS_PER_S)
        return records.shelve(key, actor, body.reason, until_ns, second=second)

    return _answer(request, "alarm.shelve", quiet)


@router.post("/unshelve")
def unshelve(request: Request, key: str, body: Reason) -> Response:
    """End the shelving before its time."""
    return _answer(request, "alarm.shelve", lambda records, actor: records.unshelve(key, actor, body.reason))


@router.post("/out-of-service")
def out_of_service(request: Request, key: str, body: Reason) -> Response:
    """Set the alarm's point aside until it is restored."""
    return _answer(
        request, "alarm.out_of_service", lambda records, actor: records.take_out_of_service(key, actor, body.reason)
    )


@router.post("/restore")
def restore(request: Request, key: str, body: Reason) -> Response:
    """Put the alarm's point back into service."""
    return _answer(
        request, "alarm.out_of_service", lambda records, actor: records.restore_service(key, actor, body.reason)
    )


@router.post("/label")
def label(request: Request, key: str, body: Judgement) -> Response:
    """Say whether the alarm was right."""
    return _answer(request, "alarm.label", lambda records, actor: records.label(key, actor, body.verdict, body.comment))


def _second(request: Request, given: Confirmation) -> Actor:
    """The second person, logged in for this moment: a wrong password counts like one of the log-in page."""
    records, doors = room_of(request).records, request.app.state.doors
    doors.limit.check(terminal(request))
    try:
        token, session = records.login(given.user, given.password, terminal(request))
    except Exception:
        doors.limit.failed(terminal(request))
        raise
    records.logout(token)
    return session.actor
