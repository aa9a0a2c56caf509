"""What a record in an ERP says of an alarm, from the event's data alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from andon.i18n import translate
from andon.why import has_sentence, why_params, why_sentence


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
    condition = str(data.get("condition"))
    if not has_sentence(condition, language):
        return title(data)
    params = why_params(
        str(data.get("asset", "?")), str(data.get("tag", "?")), data.get("limit"), str(data.get("unit", "")),
        data.get("peak"), data.get("out_s"), data.get("evidence") or {},
    )  # fmt: skip
    return why_sentence(condition, language, params)


def _number(value: float) -> str:
    return f"{value:.6g}"
