"""What a record in an ERP says of an alarm, from the event's data alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from andon.i18n import catalogue, translate


def title(data: Mapping[str, Any]) -> str:
    """A short line without grammar; what late data took back says so first.

    >>> title({"asset": "cold/room1", "tag": "air", "condition": "above", "limit": 8.0, "unit": "Cel"})
    'cold/room1 air above 8 Cel'
    """
    parts = [data.get("asset"), data.get("tag"), data.get("condition")]
    if isinstance(data.get("limit"), (int, float)):
        parts += [_number(data["limit"]), data.get("unit")]
    line = " ".join(str(part) for part in parts if part not in (None, "", "1"))
    return f"MERGED: {line}" if data.get("merged_into") else f"VOID: {line}" if data.get("voided") else line


def sentence(data: Mapping[str, Any], language: str) -> str:
    """Why, in one plain sentence of a language, and a second one when late data took the alarm back."""
    return f"{_why(data, language)} {_remark(data, language)}".strip()


def _remark(data: Mapping[str, Any], language: str) -> str:
    if data.get("merged_into"):
        return translate("erp.remark.merged", language, into=data["merged_into"])
    return translate("erp.remark.voided", language) if data.get("voided") else ""


def _why(data: Mapping[str, Any], language: str) -> str:
    """As the event tells it, else made of its figures, else the title."""
    told = data.get("why_zh" if language == "zh-CN" else "why_en")
    if isinstance(told, str) and told:
        return told
    template = catalogue(language).get(f"alarms.why.{data.get('condition')}")
    return title(data) if template is None else template.format_map(_Params(data))


class _Params(dict[str, str]):
    """What the sentences name; a question mark for what the event does not tell."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        limit, unit, evidence = data.get("limit"), str(data.get("unit", "")), data.get("evidence") or {}
        value = _quantity(evidence.get("value"), str(evidence.get("value_unit", "")))
        super().__init__(
            asset=str(data.get("asset", "?")), tag=str(data.get("tag", "?")), limit=_quantity(limit, unit),
            peak=_quantity(data.get("peak"), unit), minutes=_minutes(data.get("out_s")),
            allowed_minutes=_minutes(limit), value=value,
        )  # fmt: skip

    def __missing__(self, _name: str) -> str:
        return "?"


def _minutes(seconds: object) -> str:
    return _number(round(seconds / 60, 1)) if isinstance(seconds, (int, float)) else "?"


def _quantity(value: object, unit: str) -> str:
    if not isinstance(value, (int, float)):
        return "?"
    return f"{_number(value)} {unit}" if unit not in {"", "1"} else _number(value)


def _number(value: float) -> str:
    return f"{value:.6g}"
