"""From an order's event to the fields of an ERP's record: templates over what the event tells.

A field's value in a map is a literal (number, truth value, text without braces) or a template: "{asset}: {why_en}".
A template that is one name alone keeps its type, and leaves the field out where the event has no value for it.

    {start:%Y-%m-%d %H:%M}   a time, in the ERP's zone; without a format ISO 8601 with its offset
    {start:odata_date}       a day as OData V2 writes it in JSON: /Date(1767225600000)/
    {start:odata_time}       a time of day as OData V2 writes it: PT08H30M00S
    {peak:.1f}               a number; without a format at most 6 digits
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, tzinfo
from html import escape
from typing import Any

from andon.config.erp_names import ALARM_KINDS, ALARM_NAMES, names_in
from andon.config.problems import closest
from sinks.erp.port import RefusedError
from sinks.erp.sentences import sentence, title

CUT = "…"  # stands at the end of a text that was too long for its field
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class Terms:
    """How the ERP calls our things. zone: of its times without a zone.

    equipment: asset path -> its name or id there. priority_codes: our priority -> its code.
    """

    zone: tzinfo = UTC
    equipment: Mapping[str, str | int] = field(default_factory=dict)
    priority_codes: Mapping[str, str] = field(default_factory=dict)


def read_event(kind: str, key: str, body: bytes) -> dict[str, Any]:
    """The CloudEvents event of an order. Raises RefusedError when the body is not the event of this order."""
    try:
        event = json.loads(body)
        fits = event["subject"] == key and event["type"].startswith(f"andon.{kind}.")
        if fits and isinstance(event["data"], dict) and int(event["data"].get("revision", 1)) >= 1:
            return dict(event)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise RefusedError(None, "the body is not the event of this order")


def values_of(event: Mapping[str, Any], terms: Terms) -> dict[str, object]:
    """What templates may name: the event's data with its stamps as times, and what is made of it."""
    data: Mapping[str, Any] = event["data"]
    told = {name: _time(value, terms.zone) for name, value in data.items()}
    _, kind, verb = (*str(event["type"]).split("."), "")[:3]
    asset, priority = str(data.get("asset", "")), str(data.get("priority", ""))
    made: dict[str, object] = {"key": event["subject"], "kind": kind, "verb": verb, "title": title(data)}
    terms_of_erp = {"equipment": terms.equipment.get(asset), "priority_code": terms.priority_codes.get(priority)}
    sentences = {"why_en": sentence(data, "en"), "why_zh": sentence(data, "zh-CN")}
    return made | told | terms_of_erp | sentences


def render(
    fields: Mapping[str, object], event: Mapping[str, Any], terms: Terms | None = None, *,
    limits: Mapping[str, int] | None = None, html: Collection[str] = (),
) -> dict[str, object]:  # fmt: skip
    """The record's fields for an event (see `read_event`).

    limits: most characters of a field; a longer text ends with `CUT`. html: fields whose template is HTML; what is
    filled in is escaped.
    Raises RefusedError for a template that names what there is not: it names the field and what was meant.
    """
    values = values_of(event, terms or Terms())
    known = values.keys() | (ALARM_NAMES if values["kind"] in ALARM_KINDS else set())
    rendered: dict[str, object] = {}
    for name, template in fields.items():
        value = _value(name, template, values, known, escaped=name in html)
        if value is None:
            continue
        if isinstance(value, str) and limits is not None and name in limits:
            value = cut(value, limits[name])
        rendered[name] = value
    return rendered


def cut(text: str, most: int) -> str:
    """The text, or its beginning and the mark.

    >>> cut("cold room 1", 6), cut("cold", 6)
    ('cold …', 'cold')
    """
    return text if len(text) <= most else text[: most - len(CUT)] + CUT


def _value(name: str, template: object, values: Mapping[str, object], known: set[str], *, escaped: bool) -> object:
    if not isinstance(template, str):
        return template
    try:
        named = list(names_in(template))
    except ValueError as error:
        raise RefusedError(None, f"erp.map: {name}: {template!r} is not a template ({error})") from None
    for one in named:
        if one not in known:
            meant = closest(one, known)
            there = f"did you mean {meant!r}?" if meant else f"there are {', '.join(sorted(known))}"
            raise RefusedError(None, f"erp.map: {name}: there is no {one!r}; {there}")
    if len(named) == 1 and template == f"{{{named[0]}}}" and not escaped:
        value = values.get(named[0])
        return _shown(value) if isinstance(value, (datetime, dict, list)) else value
    if len(named) == 1 and template.startswith("{") and template.endswith("}") and values.get(named[0]) is None:
        return None  # {cleared:%H:%M} of what has not ended
    try:
        return _Filler(escaped=escaped).vformat(template, (), dict.fromkeys(known) | dict(values))
    except (ValueError, TypeError) as error:
        raise RefusedError(None, f"erp.map: {name}: {template!r} cannot be filled in ({error})") from None


class _Filler(string.Formatter):
    def __init__(self, *, escaped: bool) -> None:
        self._escaped = escaped

    def format_field(self, value: Any, format_spec: str) -> str:
        text = self._text(value, format_spec)
        return escape(text) if self._escaped else text

    def _text(self, value: Any, format_spec: str) -> str:
        if value is None:
            return ""
        if isinstance(value, datetime) and format_spec == "odata_date":
            midnight = datetime.combine(value.date(), time(), UTC)  # a day has no zone: SAP reads it as UTC
            return f"/Date({round(midnight.timestamp() * 1000)})/"
        if isinstance(value, datetime) and format_spec == "odata_time":
            return f"PT{value.hour:02}H{value.minute:02}M{value.second:02}S"
        return format(value, format_spec) if format_spec else _shown(value)


def _shown(value: object) -> str:
    """A value as text, where no format is given."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return str(value)


def _time(value: object, zone: tzinfo) -> object:
    if isinstance(value, str) and STAMP.fullmatch(value):
        return datetime.fromisoformat(value).astimezone(zone)
    return value
