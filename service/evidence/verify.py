"""Is an evidence file what Andon wrote, and do journal and records still say the same?

Faults are what nothing but a change of the file, the journal or the records explains. What happened since the file was
written (a later revision, more audit records, late rows) is a note.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from andon.config.models import Rule
from andon.errors import RecordsError
from andon.i18n import translate
from andon.plant import rule_version
from andon.records import AlarmRecord, alarm_key
from andon.records.audit import record_hash
from service.evidence.bundle import Bundle, read_bundle
from service.evidence.collect import alarm_json, audit_json, collect, context_json, rule_json, same, why_json
from service.evidence.readings import columns_of, place_of
from service.web.room import Room
from sinks.journal_reader import Found

MOST_NAMED = 5
DERIVED = ("why", "rule", "context")  # follow from the alarm's row alone
#: columns of an alarm that may change without a transition or a revision
LIVELY = {
    "incident", "quiet", "assigned_to", "assigned_name", "going_name", "arrives_ns", "arrived_ns", "realarm_ns",
    "label",
}  # fmt: skip
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: a code of the catalogue with its parameters."""

    code: str
    params: Mapping[str, object] = field(default_factory=dict)

    def text(self, language: str | None = None) -> str:
        """The sentence."""
        return translate(f"evidence.verify.{self.code}", language, **self.params)


@dataclass
class Verdict:
    """What verification found. ok: no fault."""

    key: str
    sha256: str
    faults: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the file proves what it says."""
        return not self.faults

    def fault(self, code: str, **params: object) -> None:
        """Add a fault."""
        self.faults.append(Finding(code, params))

    def note(self, code: str, **params: object) -> None:
        """Add a note."""
        self.notes.append(Finding(code, params))


def verify(room: Room, data: bytes) -> Verdict:
    """Check an evidence file against itself, the journal and the records. Raises EvidenceError: it is none."""
    bundle, wrong = read_bundle(data)
    verdict = Verdict(bundle.key, bundle.sha256)
    for name in wrong:
        verdict.fault("hash", section=name)
    try:
        _check_records(room, bundle, verdict)
        _check_readings(room, bundle, verdict)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        verdict.fault("shape", detail=f"{type(error).__name__}: {error}"[:100])  # a section that is none of ours
    return verdict


def _check_records(room: Room, bundle: Bundle, verdict: Verdict) -> None:
    told = bundle.sections["alarm"]
    key = alarm_key(told["site"], told["asset"], told["tag"], told["rule_id"], int(told["start_ns"]))
    if told["site"] != room.plant.config.site.id or key != bundle.key or told["key"] != key:
        verdict.fault("identity", key=bundle.key, found=key)
        return
    try:
        alarm = room.records.alarm(key)
    except RecordsError:
        verdict.fault("no_alarm", key=key)
        return
    _check_audit(room, bundle, verdict)
    _check_rule(bundle.sections["rule"], verdict)
    current = alarm_json(alarm)
    if same(told, current):
        for name, section in zip(DERIVED, _derived(room, alarm), strict=True):
            if not same(bundle.sections[name], section):
                verdict.fault("differs", section=name)
    elif len(room.records.transitions(key)) == len(bundle.sections["transitions"]) and not _lively(told, current):
        verdict.fault("differs", section="alarm")
    else:
        verdict.note("later_alarm", told=told["revision"], now=alarm.revision)
    _check_history(bundle, collect(room, key), verdict)


def _derived(room: Room, alarm: AlarmRecord) -> tuple[object, ...]:
    return why_json(room, alarm), rule_json(room, alarm), context_json(alarm)


def _lively(told: Json, current: Json) -> bool:
    """Whether only columns differ that change by themselves."""
    return all(name in LIVELY or same(told.get(name), current.get(name)) for name in told.keys() | current.keys())


def _check_audit(room: Room, bundle: Bundle, verdict: Verdict) -> None:
    """Each record's own hash, and that the trail begins with exactly these."""
    told, now = bundle.sections["audit"], audit_json(room, bundle.key)
    for row in told:
        if record_hash({**row, "seq": int(row["seq"]), "at_ns": int(row["at_ns"])}) != row["hash"]:
            verdict.fault("audit_hash", seq=row["seq"])
    if not same(told, now[: len(told)]):
        verdict.fault("audit_differs")
    elif len(now) > len(told):
        verdict.note("later_audit", count=len(now) - len(told))


def _check_rule(rule: Json, verdict: Verdict) -> None:
    """The version is the hash of the content."""
    if rule["content"] is None:
        return
    if rule_version(Rule.model_validate(rule["content"])) != rule["version"]:
        verdict.fault("rule_version", rule=rule["id"], version=rule["version"])


def _check_history(bundle: Bundle, now: Bundle, verdict: Verdict) -> None:
    told, current = bundle.sections["transitions"], now.sections["transitions"]
    if not same(told, current[: len(told)]):
        verdict.fault("differs", section="transitions")
    for name in ("site", "detector", "windows", "figures", "lineage", "configuration", "erp"):
        if not same(bundle.sections[name], now.sections[name]):
            verdict.note("since", section=name)


def _check_readings(room: Room, bundle: Bundle, verdict: Verdict) -> None:
    told, alarm = bundle.sections["readings"], bundle.sections["alarm"]
    if told["journal"] is None:
        verdict.note("no_readings")
        return
    place = place_of(room.data, room.plant.config.transport.shards, alarm["asset"], alarm["tag"])
    if place is None or (place.shard, place.series) != (told["journal"], told["series"]):
        verdict.fault("no_journal", series=f"{alarm['asset']}/{alarm['tag']}")
        return
    ranges = [(int(first), int(last)) for first, last in told["ranges"]]
    span = int(told["start_ns"]), int(told["end_ns"])
    found = place.journal.within(ranges, [place.series], *span)
    _compare_rows(told, found, verdict)
    segments = {one["segment"]: one["sha256"] for one in told["segments"] if one["sha256"]}
    for number in place.journal.broken(segments):
        verdict.fault("segment", segment=number)
    sealed = place.journal.sealed()
    for number, sha256 in segments.items():
        if number not in sealed or sealed[number].sha256 != sha256:
            verdict.note("sealed_anew", segment=number)
    later = len(place.journal.find([place.series], *span)) - len(found)
    if later > 0:
        verdict.note("later_rows", count=later)


def _compare_rows(told: Json, found: Found, verdict: Verdict) -> None:
    """Every reading shown, value by value; and the hash and number of all of them."""
    here = {row[0]: row for row in zip(*columns_of(found).values(), strict=True)}
    names = list(columns_of(found))
    shown = [[_number(one) for one in told["columns"][name]] for name in names]
    if len({len(column) for column in shown} | {told["shown"]}) != 1:
        verdict.fault("count", told=told["shown"], found=len(shown[0]))
        return
    wrong = [row for row in zip(*shown, strict=True) if not _equal(row, here.get(row[0]))]
    for row in wrong[:MOST_NAMED]:
        now = here.get(row[0])
        verdict.fault("reading", row=row[0], told=row[4], found="-" if now is None else now[4])
    if wrong[MOST_NAMED:]:
        verdict.fault("more_readings", count=len(wrong) - MOST_NAMED)
    if (told["rows"], told["sha256"]) != (len(found), found.sha256()):
        verdict.fault("rows", told=told["rows"], found=len(found))


def _number(value: object) -> float | int:
    """A number as the bundle has it: texts stand for what JSON has no number for."""
    if isinstance(value, str):
        return int(value) if value.lstrip("-").isdigit() else float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return value


def _equal(told: tuple[float | int, ...], now: tuple[Any, ...] | None) -> bool:
    """Whether a reading is the same in every column; NaN is NaN."""
    if now is None:
        return False
    pairs = zip(told, now, strict=True)
    return all(one == other or (math.isnan(one) and math.isnan(other)) for one, other in pairs)
