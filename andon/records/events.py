"""What the ERP is told: a CloudEvents 1.0 body in structured JSON, made when the decision is made.

The body depends on the decision alone (no wall time, no random id), so that every replay and every resend is the same
bytes under the same id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from andon.records.canonical import canonical, canonical_text, digest, rfc3339
from andon.records.rows import AlarmRecord

ERP_KINDS = ("quality_event", "maintenance_order")
MAX_BODY = 20_000  # bytes; Standard Webhooks asks for less than 20 kB
MAX_EVIDENCE = 12_000


def event_id(key: str, revision: int) -> str:
    """Id of the event that tells revision `revision` of an order: unique with its source, equal on each resend."""
    return f"{key}.{revision}"


def event_body(alarm: Mapping[str, Any]) -> str:
    """The event of an alarm's row: `andon.<raises>.opened`, or `.revised` from revision 2 on. At most MAX_BODY bytes.

    The receiver keys its record by `subject`, so an `.opened` that was never received may be followed by
    `.revised` as the first one.
    """
    verb = "opened" if alarm["revision"] == 1 else "revised"
    evidence = alarm["evidence"]
    if len(evidence.encode()) > MAX_EVIDENCE:
        evidence = canonical_text({"omitted_bytes": len(evidence.encode()), "sha256_leaf": digest(evidence)})
    times = {name: alarm[f"{name}_ns"] for name in ("start", "confirmed", "cleared")}
    return canonical(
        {
            "specversion": "1.0",
            "id": event_id(alarm["key"], alarm["revision"]),
            "source": f"/site/{alarm['site']}/{alarm['asset']}",
            "type": f"andon.{alarm['raises']}.{verb}",
            "subject": alarm["key"],
            "time": rfc3339(alarm["confirmed_ns"]),
            "datacontenttype": "application/json",
            "data": {
                "key": alarm["key"], "revision": alarm["revision"], "site": alarm["site"], "asset": alarm["asset"],
                "tag": alarm["tag"], "rule": alarm["rule_id"], "rule_version": alarm["rule_version"],
                "condition": alarm["condition"], "limit": alarm["limit"], "unit": alarm["unit"],
                "priority": alarm["priority"], "peak": alarm["peak"], "out_s": alarm["out_s"],
                "found_late": bool(alarm["found_late"]), "evidence": json.loads(evidence),
                **{name: None if at_ns is None else rfc3339(at_ns) for name, at_ns in times.items()},
                "start_ns": str(alarm["start_ns"]), **_late(alarm),
            },
        }
    ).decode()  # fmt: skip


def alarm_event(alarm: AlarmRecord, kind: str) -> str:
    """The event of an alarm as it stands, as if it raised `kind`."""
    row = {name: getattr(alarm, name) for name in AlarmRecord.__slots__}
    return event_body({**row, "raises": kind, "evidence": canonical_text(alarm.evidence)})


def report_body(
    site: str, kind: str, key: str, asset: str, revision: int, data: Mapping[str, object], at_ns: int
) -> str:
    """The event of a report: `andon.<kind>.opened`, or `.revised` from revision 2 on."""
    return canonical(
        {
            "specversion": "1.0",
            "id": event_id(key, revision),
            "source": f"/site/{site}/{asset}",
            "type": f"andon.{kind}.{'opened' if revision == 1 else 'revised'}",
            "subject": key,
            "time": rfc3339(at_ns),
            "datacontenttype": "application/json",
            "data": {**data, "key": key, "revision": revision, "site": site, "asset": asset},
        }
    ).decode()


def _late(alarm: Mapping[str, Any]) -> dict[str, Any]:
    """What late data found out, where it did: the true start, the alarm this one is a part of, that it never was."""
    found: dict[str, Any] = {}
    if alarm.get("begun_ns") is not None:
        found["begun"] = rfc3339(alarm["begun_ns"])
    if alarm.get("merged_into"):
        found["merged_into"] = alarm["merged_into"]
    if json.loads(alarm["evidence"]).get("voided"):
        found["voided"] = True
    return found
