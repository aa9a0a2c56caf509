"""An evidence file against the records: the alarm as the audit trail says it was, and what follows from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from andon.config.models import Rule
from andon.errors import RecordsError
from andon.plant import rule_version
from andon.records import AlarmRecord, AuditRecord, alarm_key
from andon.records.audit import record_hash
from service.evidence.bundle import EXPORTED, EXPORTS, Bundle
from service.evidence.collect import (
    NOT_OF_THE_ALARM,
    alarm_json,
    audit_json,
    collect,
    context_json,
    rule_json,
    same,
    steady,
    why_json,
)
from service.evidence.verdict import Verdict
from service.web.room import Room

SINCE = ("site", "detector", "windows", "figures", "lineage", "configuration", "erp")  # a difference is a note
SECTIONS = {*SINCE, "alarm", "why", "rule", "readings", "context", "transitions", "audit"}
ANNOUNCED = {"incident", "quiet"}  # columns that others' alarms change too, without a record of this one
REFUSED = "alarm.move_refused"  # tells of what did not happen
NUMBERS = ("limit", "peak", "out_s")
DEFAULTS = {one.name: None if one.default is MISSING else one.default for one in fields(AlarmRecord)}
COLUMNS = DEFAULTS.keys() - NOT_OF_THE_ALARM
Json = dict[str, Any]


@dataclass(frozen=True)
class Renamed(Room):
    """The site with another name for its assets."""

    called: str = ""

    def asset_name(self, path: str) -> str:  # noqa: ARG002 - it is the alarm's, the only one asked for
        """The name, whatever the path."""
        return self.called


def check_records(room: Room, bundle: Bundle, verdict: Verdict, *, whole: bool) -> AlarmRecord | None:
    """The alarm as the file has it, compared with what the records say of that moment; None where it is none of ours.

    whole: the file's own hashes fit, so that its hash stands for what is in it.
    """
    told = bundle.sections["alarm"]
    key = alarm_key(told["site"], told["asset"], told["tag"], told["rule_id"], int(told["start_ns"]))
    sites = {told["site"], bundle.sections["site"]["id"], bundle.manifest["site"]}
    if sites != {room.plant.config.site.id} or key != bundle.key or told["key"] != key:
        verdict.fault("identity", key=bundle.key, found=key)
        return None
    if bundle.sections.keys() != SECTIONS:
        raise KeyError(*sorted(bundle.sections.keys() ^ SECTIONS))
    try:
        now, transitions, trail = steady(room.records, key)
    except RecordsError:
        verdict.fault("no_alarm", key=key)
        return None
    verdict.exported = whole and any(_is_export(row, bundle.sha256) for row in trail)
    if not verdict.exported:
        verdict.note("not_exported")
    trail = [row for row in trail if row.object_type != EXPORTS]
    if not same(_replayed(trail), _lasting(alarm_json(now))):
        verdict.fault("differs", section="alarm")  # in the records: changed without an audit record
    alarm = _alarm_of(told)
    seen = _check_audit(room, bundle, trail, verdict)
    _check_alarm(bundle, now, trail[:seen], verdict)
    if not same(bundle.sections["transitions"], [asdict(one) for one in transitions][: _moves(trail[:seen])]):
        verdict.fault("differs", section="transitions")
    _check_rule(room, bundle, alarm, verdict)
    _check_why(room, bundle, alarm, verdict)
    if not same(bundle.sections["context"], context_json(alarm)):
        verdict.fault("differs", section="context")
    current = collect(room, key)
    for name in SINCE:
        if not same(bundle.sections[name], current.sections[name]):
            verdict.note("since", section=name)
    return alarm


def _is_export(row: AuditRecord, sha256: str) -> bool:
    """Whether a record tells of a copy with this hash."""
    if (row.object_type, row.action) != (EXPORTS, EXPORTED) or row.new is None:
        return False
    return bool(json.loads(row.new).get("sha256") == sha256)


def _alarm_of(told: Json) -> AlarmRecord:
    """The alarm's record as the file has it. Raises TypeError, ValueError for what is no alarm."""
    whole = {name: int(value) for name, value in told.items() if name.endswith("_ns") and value is not None}
    numbers = {name: float(told[name]) for name in NUMBERS if told[name] is not None}
    unsaid = dict.fromkeys(NOT_OF_THE_ALARM & DEFAULTS.keys())
    return AlarmRecord(**{**unsaid, **told, **whole, **numbers})


def _replayed(trail: Sequence[AuditRecord]) -> Json:
    """The alarm's columns after these audit records, each of which says what it changed."""
    columns: Json = {}
    for row in trail:
        if row.object_type == "alarm" and row.action != REFUSED and row.new is not None:
            columns |= {name: value for name, value in json.loads(row.new).items() if name in COLUMNS}
    if isinstance(columns.get("evidence"), str):
        columns["evidence"] = json.loads(columns["evidence"])
    return _lasting(columns)


def _lasting(columns: Json) -> Json:
    """Every column that the trail accounts for; those that a release before did not have yet, at their default."""
    return {name: columns.get(name, DEFAULTS[name]) for name in COLUMNS - ANNOUNCED}


def _moves(trail: Sequence[AuditRecord]) -> int:
    """How many steps of the alarm's history these records tell of."""
    return sum(row.object_type == "alarm" and row.action != REFUSED for row in trail)


def _check_audit(room: Room, bundle: Bundle, trail: list[AuditRecord], verdict: Verdict) -> int:
    """Each record's own hash, and that the trail begins with exactly these. Returns how far the file's state reaches.

    A file holds the first records (`collect.MOST_AUDIT`); of a longer trail its state may be of any moment after them.
    """
    told = bundle.sections["audit"]
    for row in told:
        if record_hash({**row, "seq": int(row["seq"]), "at_ns": int(row["at_ns"])}) != row["hash"]:
            verdict.fault("audit_hash", seq=row["seq"])
    if not same(told, [asdict(row) for row in trail[: len(told)]]):
        verdict.fault("audit_differs")
    elif not any(row["action"] == "alarm.raised" for row in told):
        verdict.fault("no_raised")
    seen = len(told)
    if len(trail) > seen >= len(audit_json(room, bundle.key)):
        alarm, steps = _lasting(bundle.sections["alarm"]), len(bundle.sections["transitions"])
        fitting = (end for end in range(seen, len(trail) + 1) if _moves(trail[:end]) == steps)
        seen = next((end for end in fitting if same(alarm, _replayed(trail[:end]))), seen)
    if len(trail) > seen:
        verdict.note("later_audit", count=len(trail) - seen)
    return seen


def _check_alarm(bundle: Bundle, now: AlarmRecord, trail: list[AuditRecord], verdict: Verdict) -> None:
    """The alarm's columns as the audit trail had left them at the file's last record."""
    told = bundle.sections["alarm"]
    if not same(_lasting(told), _replayed(trail)):
        verdict.fault("differs", section="alarm")
    elif not same({name: told.get(name, DEFAULTS[name]) for name in COLUMNS}, alarm_json(now)):
        verdict.note("later_alarm", told=told["revision"], now=now.revision)


def _check_rule(room: Room, bundle: Bundle, alarm: AlarmRecord, verdict: Verdict) -> None:
    """It is the version that the alarm names, its content has that hash, and the records know it so."""
    told, now = bundle.sections["rule"], rule_json(room, alarm)
    content = told["content"]
    if content is not None and rule_version(Rule.model_validate(content)) != told["version"]:
        verdict.fault("rule_version", rule=told["id"], version=told["version"])
    last = max((int(row["seq"]) for row in bundle.sections["audit"]), default=0)
    before = [row for row in now["audit"] if row["seq"] <= last]  # recorded later: the file could not know of it
    known = content if content is None and not before else now["content"]
    expected = {**now, "content": known, "audit": now["audit"][: max(len(before), len(told["audit"]))]}
    if not same(told, expected):
        verdict.fault("differs", section="rule")


def _check_why(room: Room, bundle: Bundle, alarm: AlarmRecord, verdict: Verdict) -> None:
    """The sentence follows from the alarm and the name its asset had; an exported file may have older wording."""
    told = bundle.sections["why"]
    if same(told, why_json(room, alarm)):
        return
    series = bundle.sections["configuration"]["series"]
    name, now = None if series is None else str(series["name"]), room.asset_name(alarm.asset)
    if name is not None and name != now and same(told, why_json(_renamed(room, name), alarm)):
        verdict.note("renamed", told=name[:100], now=now)
    elif verdict.exported:
        verdict.note("since", section="why")
    else:
        verdict.fault("differs", section="why")


def _renamed(room: Room, name: str) -> Renamed:
    return Renamed(
        room.plant, room.records, room.history, room.dead, room.spools, room.clock, room.data, called=name
    )  # fmt: skip
