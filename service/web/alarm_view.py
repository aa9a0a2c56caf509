"""Alarms and their ERP records as JSON, with the sentence that says why."""

from __future__ import annotations

import math
from typing import Any

from alarms.rules import why
from andon.conditions import ConditionChange
from andon.i18n import catalogue, translate
from andon.readings import NS_PER_S
from andon.records import AlarmRecord, OutboxRecord, PointRecord, TransitionRecord
from service.log_watch import RULES as LOG_RULES
from service.web.room import PRIORITIES, Room, ms, said, seconds
from service.web.similar_view import named, reason_json, similar_json
from sinks.influx.watch import RULES as INFLUX_RULES
from sinks.kafka.watch import RULES as KAFKA_RULES
from sinks.notify.way import NOBODY_RULE
from sinks.notify.way import RULE as NOT_REACHED_RULE

Json = dict[str, Any]
# Alarms about Andon itself; they are timed by the machine's clock.
FROM_LOG = {"raised", "cleared", "revised", "reopened", "merged", "voided"}  # steps timed by the plant
OWN_RULES = {
    "erp-parked", "andon-silent", "andon-disk", "andon-dead-letters", *LOG_RULES, *INFLUX_RULES, *KAFKA_RULES,
    NOT_REACHED_RULE, NOBODY_RULE,
}  # fmt: skip
# Those that no plant.toml names; their texts are in the catalogue.
BUILT_IN_RULES = OWN_RULES | {"andon-conflict", "andon-drift", "andon-figure"}


def alarm_json(room: Room, alarm: AlarmRecord, language: str, now_ns: int) -> Json:
    """An alarm as the list shows it."""
    own = alarm.rule_id in OWN_RULES
    start_ns, confirmed_ns, cleared_ns = (
        room.plant_ns(time_ns) if own and time_ns is not None else time_ns
        for time_ns in (alarm.start_ns, alarm.confirmed_ns, alarm.cleared_ns)
    )
    return {
        "key": alarm.key, "asset": alarm.asset, "asset_name": room.asset_name(alarm.asset), "tag": alarm.tag,
        "rule_id": alarm.rule_id, "rule_name": _rule_name(room, alarm.rule_id, language),
        "priority": alarm.priority, "priority_number": PRIORITIES[alarm.priority], "condition": alarm.condition,
        "limit": alarm.limit, "unit": alarm.unit, "peak": alarm.peak, "start_ms": ms(start_ns),
        "confirmed_ms": ms(confirmed_ns), "cleared_ms": ms(cleared_ns), "active": cleared_ns is None,
        "duration_s": seconds(max(0, _until_ns(room, alarm, now_ns) - (alarm.begun_ns or alarm.start_ns))), "own": own,
        "out_s": alarm.out_s, "state": alarm.state,
        "unacknowledged": alarm.state.endswith("unacknowledged"), "revision": alarm.revision,
        "found_late": alarm.found_late, "raises": alarm.raises, "change_seq": alarm.change_seq,
        "ack": None if alarm.ack_ns is None else {
            "by": alarm.ack_by, "comment": alarm.ack_comment, "ms": ms(room.plant_ns(alarm.ack_ns)),
        },
        "erp": None if alarm.erp_state is None else {
            "state": alarm.erp_state, "number": alarm.erp_number, "id": alarm.erp_id,
            "attempts": alarm.erp_attempts, "error": alarm.erp_error, "status": alarm.erp_status,
            "closed": bool(alarm.erp_closed),
        },
        **_acts_json(room, alarm, own=own),
    }  # fmt: skip


def _acts_json(room: Room, alarm: AlarmRecord, *, own: bool) -> Json:
    """What late data, the design of the rule, and people have made of the alarm."""
    begun_ns = room.plant_ns(alarm.begun_ns) if own and alarm.begun_ns is not None else alarm.begun_ns

    def at(machine_ns: int | None) -> int | None:
        return None if machine_ns is None else ms(room.plant_ns(machine_ns))

    return {
        "begun_ms": ms(begun_ns), "merged_into": alarm.merged_into, "voided": bool(alarm.evidence.get("voided")),
        "latching": alarm.latching, "suppressed_by": alarm.suppressed_by, "incident": alarm.incident,
        "quiet": alarm.quiet, "label": alarm.label, "realarm_ms": at(alarm.realarm_ns),
        "assigned": None if alarm.assigned_to is None else {"to": alarm.assigned_to, "name": alarm.assigned_name},
        "going": None if alarm.going_name is None else {
            "name": alarm.going_name, "arrives_ms": at(alarm.arrives_ns), "arrived_ms": at(alarm.arrived_ns),
        },
    }  # fmt: skip


def aside_json(room: Room, point: PointRecord) -> Json:
    """How people set an alarm's point aside."""
    until_ns = None if point.until_ns is None else room.plant_ns(point.until_ns)
    return {
        "mode": point.mode, "since_ms": ms(room.plant_ns(point.since_ns)), "until_ms": ms(until_ns),
        "by": point.actor_name, "reason": point.reason,
    }  # fmt: skip


def _until_ns(room: Room, alarm: AlarmRecord, now_ns: int) -> int:
    """Until when the alarm has lasted, by the clock that timed its start."""
    if alarm.cleared_ns is not None:
        return alarm.cleared_ns
    return room.records.clock.now_ns() if alarm.rule_id in OWN_RULES else now_ns


def alarm_detail_json(
    room: Room, alarm: AlarmRecord, transitions: list[TransitionRecord], language: str, now_ns: int
) -> Json:
    """An alarm with why it was raised, what it means, what to do, its evidence and its history."""
    rule = room.rules.get(alarm.rule_id)
    point = room.records.point_of(alarm)
    return {
        **alarm_json(room, alarm, language, now_ns),
        "why": why_text(room, alarm, language, now_ns),
        "consequence": said(rule.consequence, language) if rule else _own_text("consequence", alarm, language),
        "response": said(rule.response, language) if rule else _own_text("response", alarm, language),
        "rule_version": alarm.rule_version,
        "rule": room.records.rule_content(alarm.rule_id, alarm.rule_version),
        "delay_s": rule.delay_s if rule else None,
        "evidence": dict(alarm.evidence),
        "reason": reason_json(alarm, language),
        "similar": similar_json(room, alarm, language, lambda rule_id: _rule_name(room, rule_id, language)),
        "aside": None if point is None else aside_json(room, point),
        "transitions": [_transition_json(room, one, own=alarm.rule_id in OWN_RULES) for one in transitions],
    }


def why_text(room: Room, alarm: AlarmRecord, language: str, now_ns: int) -> str:
    """The plain sentence: which limit, how far, how long; of an open alarm as far as it has come by now.

    People read names and degree signs, so these stand in for paths and UCUM codes.
    """
    name = room.asset_name(alarm.asset)
    begun_ns = alarm.begun_ns or alarm.start_ns
    out_s = max(alarm.out_s, 0.0 if alarm.cleared_ns else (_until_ns(room, alarm, now_ns) - begun_ns) / NS_PER_S)
    if alarm.rule_id in OWN_RULES:
        error = str(alarm.evidence.get("error") or "-")
        return translate(f"page.own_why.{alarm.rule_id}", language, asset=name, error=error, seconds=round(out_s))
    evidence = {**named(room, alarm, language), "value_unit": _unit(str(alarm.evidence.get("value_unit", alarm.unit)))}
    return why(
        ConditionChange(
            "raised" if alarm.cleared_ns is None else "cleared", name, _tag_name(alarm.tag, language), alarm.rule_id,
            alarm.rule_version, alarm.raises, alarm.priority, alarm.condition, alarm.limit, _unit(alarm.unit),
            alarm.start_ns, alarm.confirmed_ns, alarm.cleared_ns, math.nan if alarm.peak is None else alarm.peak,
            out_s, -1, alarm.found_late, evidence,
        ),
        language,
    )  # fmt: skip


def _unit(code: str) -> str:
    return {"Cel": "°C", "[degF]": "°F", "1": "", "deg": "°"}.get(code, code)


def _tag_name(tag: str, language: str) -> str:
    return catalogue(language).get(f"page.tag.{tag}", tag)


def _own_text(kind: str, alarm: AlarmRecord, language: str) -> str:
    return translate(f"page.own_{kind}.{alarm.rule_id}", language) if alarm.rule_id in BUILT_IN_RULES else ""


def _rule_name(room: Room, rule_id: str, language: str) -> str:
    if rule_id in BUILT_IN_RULES:
        return translate(f"page.own_rule.{rule_id}", language)
    return room.rule_name(rule_id, language)


def _transition_json(room: Room, one: TransitionRecord, *, own: bool) -> Json:
    by_machine = own or one.kind not in FROM_LOG
    return {
        "seq": one.seq, "kind": one.kind, "ms": ms(room.plant_ns(one.at_ns) if by_machine else one.at_ns),
        "recorded_ms": ms(one.recorded_ns), "revision": one.revision, "state": one.state, "actor": one.actor_name,
        "comment": one.comment,
    }  # fmt: skip


def order_json(room: Room, order: OutboxRecord) -> Json:
    """An outbox row: what the ERP got, under which number, or why not yet."""
    return {
        "key": order.order_key, "kind": order.kind, "asset": order.asset, "asset_name": room.asset_name(order.asset),
        "state": order.state, "number": order.external_number, "id": order.external_id, "attempts": order.attempts,
        "failures": order.failures, "error": order.last_error, "revision": order.revision,
        "delivered_revision": order.delivered_revision, "created_ms": ms(order.created_ns),
        "delivered_ms": ms(order.delivered_ns), "next_ms": ms(order.next_at_ns), "change_seq": order.change_seq,
        "alarm": order.alarm_key, "status": order.erp_status, "closed": order.erp_closed,
    }  # fmt: skip
