"""All that is known about one alarm, from the stores that know it: the sections of its evidence bundle.

Nothing here is the time of asking: the same alarm gives the same bundle for as long as nothing about it changes.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, replace
from typing import Any

from andon.i18n import LANGUAGES
from andon.records import AlarmRecord, AuditRecord, Records, TransitionRecord
from andon.records.canonical import canonical, digest
from service.evidence.bundle import EXPORTS, Bundle, make_bundle
from service.evidence.calibration import calibration_json, decision_json
from service.evidence.figures import cited, figures_json, windows_json
from service.evidence.readings import FOR_EVER, NO_READINGS, Place, place_of, readings_json, span_of
from service.web.alarm_view import why_text
from service.web.room import Room
from sinks.history_reader import HistoryReader
from sinks.journal_reader import Found

MOST_AUDIT = 500
TRIES = 5  # to read an alarm that changes meanwhile
#: not of the alarm itself: what counts up with every delivery stands in the section of the ERP
NOT_OF_THE_ALARM = {
    "change_seq", "erp_state", "erp_id", "erp_number", "erp_error", "erp_attempts", "erp_status", "erp_closed",
}  # fmt: skip
CONTEXT_OF_CALIBRATION = ("calibration", "calibration_due")
Json = dict[str, Any]


def collect(room: Room, key: str) -> Bundle:
    """The evidence of an alarm. Raises RecordsError where there is no such alarm.

    Without a data folder (`room.data`) there are no readings; everything else is there.
    """
    records = room.records
    alarm, transitions, trail = steady(records, key)
    shards = room.plant.config.transport.shards
    place = place_of(room.data, shards, alarm.asset, alarm.tag)
    span = span_of(alarm)
    found = None if place is None else place.journal.find([place.series], *span)
    readings = NO_READINGS if place is None or found is None else readings_json(place, found, span, alarm.evidence)
    paths = [] if room.data is None else room.data.history_dbs(shards)
    with closing(HistoryReader(paths)) as history:
        windows = windows_json(history, alarm.asset, alarm.tag, found, span)
        figures = figures_json(history, room.plant, alarm.asset, _lasted(alarm), place)
        calibration = calibration_json(history, room.plant, alarm)
    sections = {
        "site": _site(room),
        "alarm": alarm_json(alarm),
        "why": why_json(room, alarm),
        "rule": rule_json(room, alarm),
        "detector": _detector(room, alarm, transitions),
        "readings": readings,
        "windows": windows,
        "figures": figures,
        "context": context_json(alarm),
        "lineage": _lineage(alarm, place, found),
        "configuration": {**_configuration(room, alarm), "calibration": calibration, "decision": decision_json(alarm)},
        "transitions": [asdict(one) for one in transitions],
        "audit": [asdict(row) for row in trail[:MOST_AUDIT] if row.object_type != EXPORTS],
        "erp": _erp(room, key),
    }
    return make_bundle(room.plant.config.site.id, key, sections)


def steady(records: Records, key: str) -> tuple[AlarmRecord, list[TransitionRecord], list[AuditRecord]]:
    """An alarm, its history and its whole audit trail, all three of one moment. Raises RecordsError: there is none."""
    for _ in range(TRIES - 1):
        alarm = records.alarm(key)
        transitions, trail = records.transitions(key), _trail(records, key)
        if records.alarm(key).change_seq == alarm.change_seq:
            return alarm, transitions, trail
    return records.alarm(key), records.transitions(key), _trail(records, key)


def _trail(records: Records, key: str) -> list[AuditRecord]:
    rows: list[AuditRecord] = []
    while part := records.audit_trail(object_id=key, after=rows[-1].seq if rows else 0, limit=MOST_AUDIT):
        rows += part
    return rows


def _site(room: Room) -> Json:
    site, enterprise = room.plant.config.site, room.plant.config.enterprise
    return {"id": site.id, "name": site.name, "timezone": site.timezone, "enterprise": enterprise.id}


def alarm_json(alarm: AlarmRecord) -> Json:
    """The alarm's own columns."""
    return {name: value for name, value in asdict(alarm).items() if name not in NOT_OF_THE_ALARM}


def why_json(room: Room, alarm: AlarmRecord) -> dict[str, str]:
    """The plain sentence in every language, as far as it has been told: of an open alarm until its confirmation."""
    still = replace(alarm, cleared_ns=alarm.confirmed_ns) if alarm.cleared_ns is None else alarm
    return {language: why_text(room, still, language, alarm.confirmed_ns) for language in LANGUAGES}


def rule_json(room: Room, alarm: AlarmRecord) -> Json:
    """The version of the rule that opened the alarm, as it was recorded; content null where none was (built in)."""
    content = room.records.rule_content(alarm.rule_id, alarm.rule_version)
    recorded = [
        {"seq": row.seq, "at_ns": row.at_ns, "hash": row.hash}
        for row in room.records.audit_trail(object_id=alarm.rule_id, limit=MOST_AUDIT)
        if row.object_type == "rule" and row.object_version == alarm.rule_version
    ]
    return {"id": alarm.rule_id, "version": alarm.rule_version, "content": content, "audit": recorded}


def _detector(room: Room, alarm: AlarmRecord, transitions: list[TransitionRecord]) -> Json | None:
    """What scored the series of an anomaly alarm, and as which model; one of a release before tells neither."""
    spec = room.plant.series.get((alarm.asset, alarm.tag))
    if alarm.condition != "anomaly" or spec is None:
        return None
    release = next((one.actor_name for one in transitions if one.kind == "raised"), None)
    told = {
        name: alarm.evidence[key] for name, key in (("name", "detector"), ("model", "model")) if key in alarm.evidence
    }
    return {"name": spec.detect, "release": release, "threshold": alarm.limit, **told}


def context_json(alarm: AlarmRecord) -> Json:
    """What the asset was making when the alarm was decided, and the calibration that was in force, as events said."""
    told = alarm.evidence.get("context")
    known = dict(told) if isinstance(told, dict) else {}
    calibration = {name: known.pop(name) for name in CONTEXT_OF_CALIBRATION if name in known}
    return {"production": known, "calibration": calibration or None}


def _lasted(alarm: AlarmRecord) -> tuple[int, int]:
    """[start, end) of the alarm itself."""
    begun_ns = alarm.start_ns if alarm.begun_ns is None else alarm.begun_ns
    return begun_ns, FOR_EVER if alarm.cleared_ns is None else alarm.cleared_ns + 1


def _lineage(alarm: AlarmRecord, place: Place | None, found: Found | None) -> Json:
    """From the alarm's figures to rows of the journal, to offsets of the log."""
    if place is None or found is None:
        return {"alarm": None, "peak": None}
    beyond = found.of(place.series, *_lasted(alarm))
    peak = beyond.where(beyond.rows["value"] == alarm.peak)
    first = None if not len(peak) else {
        "row": int(peak.number[0]), "offset": int(peak.rows["offset"][0]), "time_ns": int(peak.rows["time_ns"][0]),
    }  # fmt: skip
    return {"alarm": {"journal": place.shard, "series": place.series, **cited(beyond)}, "peak": first}


def _configuration(room: Room, alarm: AlarmRecord) -> Json:
    """SHA-256 (a leaf, canonical JSON) of the whole configuration as it is now, and what it says of the series."""
    spec = room.plant.series.get((alarm.asset, alarm.tag))
    whole = room.plant.config.model_dump(mode="json", exclude_defaults=True)
    return {"sha256": digest(whole), "series": None if spec is None else {
        "kind": spec.kind, "unit": spec.unit, "range": [spec.low, spec.high], "every_s": spec.every_s,
        "states": list(spec.states), "detect": spec.detect, "gxp": spec.gxp,
        "name": room.asset_name(alarm.asset),
    }}  # fmt: skip


def audit_json(room: Room, key: str) -> list[Json]:
    """The audit records of the alarm and of its order, oldest first, with their hashes."""
    rows = room.records.audit_trail(object_id=key, limit=MOST_AUDIT)
    return [asdict(row) for row in rows if row.object_type != EXPORTS]


def _erp(room: Room, key: str) -> Json:
    """The order of the alarm and every finished attempt to deliver it; order null where nothing goes to the ERP."""
    alarm = room.records.alarm(key)
    if alarm.erp_state is None:
        return {"order": None, "deliveries": []}
    order = {
        "state": alarm.erp_state, "id": alarm.erp_id, "number": alarm.erp_number, "error": alarm.erp_error,
        "attempts": alarm.erp_attempts,
    }  # fmt: skip
    return {"order": order, "deliveries": [asdict(one) for one in room.records.deliveries(key)]}


def same(one: object, other: object) -> bool:
    """Whether two pieces of record content are the same to the byte."""
    return canonical(one) == canonical(other)
