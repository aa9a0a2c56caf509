"""What is to be told of an incident, to whom and when, from what stands in the records. Pure: no clock, no database.

A message that is due now gets a row (`Planned`); a row never sent that nobody needs any more is dropped. Everything
follows from stored times, so it does not matter how long nobody looked.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from andon.config.people import Notify
from andon.lifecycle import State
from andon.records.incidents import TOLD, WAITING
from andon.records.passing import SKEW_NS
from andon.records.policy import RANK, ns
from andon.roster import Call, Roster

CALLS = ("opened", "escalated")
RETRY_ALL_S = 300.0  # who could not be reached is tried again after so long
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Planned:
    """A message to be written into the outbox of notices. due_ns: real time. count: alarms of the incident by now."""

    key: str
    kind: str  # opened, escalated, update, ended
    step: int
    route: str
    receiver: str
    channel: str
    language: str
    due_ns: int
    priority: str
    count: int
    episode: int


@dataclass
class Plan:
    """New messages, keys of rows to drop, keys and addresses of rows to try again, whether the incident is over.

    rebase : the incident waits since a time that has not come yet, for the clock was set back: it waits since now.
    """

    new: list[Planned] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)
    again: list[tuple[str, str]] = field(default_factory=list)
    over: bool = False
    rebase: bool = False

    def __bool__(self) -> bool:
        return bool(self.new or self.drop or self.again or self.over or self.rebase)


@dataclass(frozen=True, slots=True)
class Upset:
    """An open incident as it stands: its row, its alarms that are not normal, all its notices (body as a mapping)."""

    incident: Row
    alarms: Sequence[Row]
    notices: Sequence[Row]

    @property
    def waiting(self) -> list[Row]:
        """Alarms of it that people are told of and that nobody has acknowledged."""
        return [one for one in self.alarms if one["quiet"] in TOLD and one["state"] in WAITING]


def plan(upset: Upset, roster: Roster, told: Notify, now_ns: int) -> Plan:
    """What is due for one incident. Equal records and time give an equal plan; once written, the next one is empty."""
    made = Plan(over=not upset.alarms)
    waiting = upset.waiting
    if waiting:
        made.rebase = upset.incident["waiting_ns"] > now_ns + SKEW_NS
        _calls(made, upset, waiting, roster, now_ns)
        _again(made, upset, roster, now_ns)
        _updates(made, upset, roster, told, now_ns)
    else:
        made.drop = [one["key"] for one in upset.notices if one["state"] == "pending" and one["kind"] != "ended"]
    if made.over:
        _ended(made, upset, roster, now_ns)
    return made


def unmanned(upsets: Sequence[Upset], roster: Roster, now_ns: int) -> dict[str, str]:
    """Routes that fit an alarm that waits, and have nobody to call in any step now; by route, the asset of one."""
    found: dict[str, str] = {}
    for upset in upsets:
        for alarm in upset.waiting:
            calls = roster.calls(alarm["asset"], alarm["priority"], alarm["raises"], now_ns)
            manned = {call.route for call in calls if call.people}
            found |= {call.route: str(alarm["asset"]) for call in calls if call.route not in manned}
    return found


def notice_key(site: str, *told: object) -> str:
    """Identity of a message, 20 characters: the same message planned twice is one row."""
    text = "|".join(["notice", site, *map(str, told)])
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()[:20]


def _calls(made: Plan, upset: Upset, waiting: Sequence[Row], roster: Roster, now_ns: int) -> None:
    """Steps that are due: by their time, or because nobody of the step before could be reached."""
    called = _called(upset)
    wanted: dict[tuple[int, str], tuple[str, Call]] = {}
    for alarm in waiting:
        calls = roster.calls(alarm["asset"], alarm["priority"], alarm["raises"], now_ns)
        for call in _due(calls, upset, alarm, now_ns):
            for person in call.people:
                before = wanted.get((call.step, person))
                if before is None or RANK[before[0]] < RANK[alarm["priority"]]:
                    wanted[call.step, person] = (alarm["priority"], call)
    for (step, person), (priority, call) in wanted.items():
        if RANK[priority] > called.get((step, person), -1):
            kind = "escalated" if step else "opened"
            made.new += _message(upset, roster, kind, step, call.route, person, priority, now_ns)


def _due(calls: Sequence[Call], upset: Upset, alarm: Row, now_ns: int) -> Iterator[Call]:
    since_ns, reachable = upset.incident["waiting_ns"], True
    lasting = alarm["state"] != State.RETURNED_UNACKNOWLEDGED.value or alarm["priority"] == "critical"
    for route in dict.fromkeys(call.route for call in calls):
        reachable = True
        for call in (one for one in calls if one.route == route):
            if call.step and not lasting:  # it is over: nobody more is called for it
                break
            if call.step and reachable and since_ns + ns(call.after_s) > now_ns:
                break
            yield call
            reachable = any(_may_still_answer(upset, call.step, person) for person in call.people)


def _may_still_answer(upset: Upset, step: int, person: str) -> bool:
    """Whether a person was told, is being told or is about to be told of a step of this episode."""
    rows = [one for one in _of_episode(upset) if (one["step"], one["receiver"]) == (step, person)]
    return not rows or any(one["state"] != "failed" for one in rows)


def _of_episode(upset: Upset) -> Iterator[Row]:
    for one in upset.notices:
        if one["kind"] in CALLS and one["body"]["episode"] == upset.incident["episode"]:
            yield one


def _called(upset: Upset) -> dict[tuple[int, str], int]:
    """The worst priority with which each step has called each person in this episode."""
    found: dict[tuple[int, str], int] = {}
    for one in _of_episode(upset):
        place = (one["step"], one["receiver"])
        found[place] = max(found.get(place, -1), RANK[one["body"]["priority"]])
    return found


def _again(made: Plan, upset: Upset, roster: Roster, now_ns: int) -> None:
    """Who could not be told is tried again after a while, from the first address on, as long as nobody answers."""
    for one in _of_episode(upset):
        person = roster.people.get(one["receiver"])
        due = one["state"] == "failed" and _passed(one["sent_ns"], RETRY_ALL_S, now_ns)
        if due and person is not None and person.address:
            made.again.append((one["key"], person.address[0].name))


def _updates(made: Plan, upset: Upset, roster: Roster, told: Notify, now_ns: int) -> None:
    """News for whoever was told: one message in `update_s` seconds, of whatever came meanwhile.

    News that could not be told wait as long, and are then the same row again.
    """
    busy = {one.receiver for one in made.new}
    again = {key for key, _ in made.again}
    for name, rows in _told_people(upset).items():
        if name in busy or any(one["state"] in ("pending", "leased") or one["key"] in again for one in rows):
            continue
        person = roster.people.get(name)
        tried = [one for one in rows if one["state"] in ("sent", "failed")]  # in the order in which they ended
        sent = [one for one in tried if one["state"] == "sent"]
        news = bool(sent) and upset.incident["alarms"] > sent[-1]["body"]["count"]
        if person is None or not person.address or not news or not _passed(tried[-1]["sent_ns"], told.update_s, now_ns):
            continue
        if (tried[-1]["kind"], tried[-1]["state"]) == ("update", "failed"):
            made.again.append((tried[-1]["key"], person.address[0].name))
            continue
        route, priority = sent[-1]["route"], upset.incident["priority"]
        made.new += _message(upset, roster, "update", len(rows), route, name, priority, now_ns)


def _passed(then_ns: int | None, seconds: float, now_ns: int) -> bool:
    """Whether so long has passed since a stored time. One still to come, for the clock was set back, is past."""
    return (then_ns or 0) + ns(seconds) <= now_ns or (then_ns or 0) > now_ns + SKEW_NS


def _ended(made: Plan, upset: Upset, roster: Roster, now_ns: int) -> None:
    for person, rows in _told_people(upset).items():
        sent = [one for one in rows if one["state"] == "sent"]
        if sent:
            made.new += _message(upset, roster, "ended", 0, sent[-1]["route"], person, "low", now_ns)


def _told_people(upset: Upset) -> dict[str, list[Row]]:
    people: dict[str, list[Row]] = {}
    for one in upset.notices:
        people.setdefault(one["receiver"], []).append(one)
    return people


def _message(
    upset: Upset, roster: Roster, kind: str, step: int, route: str, person: str, priority: str, now_ns: int
) -> Iterator[Planned]:
    """The message to one person. It is due now; in their quiet hours it waits in the outbox unless it is critical."""
    one = roster.people.get(person)
    if one is None:
        return
    incident = upset.incident
    key = notice_key(incident["site"], incident["key"], incident["episode"], kind, step, person, priority)
    channel = one.address[0].name if one.address else ""
    yield Planned(
        key, kind, step, route, person, channel, one.language or roster.language, now_ns, priority,
        incident["alarms"], incident["episode"],
    )  # fmt: skip
