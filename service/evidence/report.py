"""The evidence of an alarm as a PDF for print: the same bundle and language, the same bytes.

Typst lays it out (report.typ); the text comes from here. It shows the bundle's hash on every page and the hash of each
section at the end, so that print and file can be held against each other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from threading import Lock
from typing import Any
from zoneinfo import ZoneInfo

import typst

from andon.readings import NS_PER_S
from andon.why import quantity
from service.evidence.bundle import Bundle, EvidenceError
from service.evidence.picture import picture, symbol
from service.evidence.words import Hash, Words

HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
CHINESE = ("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei")
LATIN = ("DejaVu Sans", "Noto Sans", "Libertinus Serif")  # the last one is part of Typst
MONO = "DejaVu Sans Mono"  # so is this
Json = dict[str, Any]
_one_at_a_time = Lock()  # a report takes a core and some 100 MB for a moment


def report(bundle: Bundle, language: str) -> bytes:
    """A PDF of A4 pages. Raises EvidenceError: no Chinese font where one is needed, or Typst refuses."""
    view = _view(bundle, language)
    drawn = picture(bundle.sections, language)
    text = json.dumps(view, ensure_ascii=False)
    view |= fonts_for(text + drawn, families(), language)
    newest_ns = max(int(one["recorded_ns"]) for one in bundle.sections["transitions"])
    template = resources.files("service.evidence").joinpath("report.typ").read_bytes()
    try:
        with _one_at_a_time:
            return typst.compile(
                template, font_paths=_fonts(), timestamp=newest_ns // NS_PER_S,
                sys_inputs={"view": json.dumps(view, ensure_ascii=False), "picture": drawn},
            )  # fmt: skip
    except typst.TypstError as error:
        raise EvidenceError("evidence.no_report", detail=error.message[:200]) from None


@cache
def _fonts() -> typst.Fonts:
    """Looking for them takes a while and is done once a process."""
    return typst.Fonts()


def families() -> frozenset[str]:
    """Names of the fonts that can be used here."""
    return frozenset(_fonts().families())


def fonts_for(text: str, here: Iterable[str], language: str) -> Json:
    """Which fonts show a text. EvidenceError where it holds Chinese and there is none for it: it would be boxes."""
    known = set(here)
    chinese = [one for one in CHINESE if one in known][:1]
    if not chinese and (language == "zh-CN" or HAN.search(text)):
        raise EvidenceError("evidence.no_font")
    return {"fonts": [*[one for one in LATIN if one in known][:1], *chinese], "mono": [MONO, *chinese]}


def _view(bundle: Bundle, language: str) -> Json:
    """Everything the report says, in order, as texts."""
    sections = bundle.sections
    site, alarm = sections["site"], sections["alarm"]
    words = Words(language, ZoneInfo(site["timezone"]))
    series = sections["configuration"]["series"] or {}
    name = series.get("name") or alarm["asset"]
    return {
        "title": words.say("title", name=name), "author": site["name"] or site["id"], "lang": language[:2],
        "subtitle": f"{site['name'] or site['id']} · {alarm['asset']}/{alarm['tag']} · {words.time(alarm['start_ns'])}",
        "why": sections["why"][language], "sha256": bundle.sha256,
        "footer": words.say("footer", key=bundle.key, site=bundle.manifest["site"]),
        "parts": [
            _alarm(words, sections), _rule(words, sections, language), _context(words, sections),
            _readings(words, sections), _windows(words, sections), _figures(words, sections),
            _history(words, sections), _audit(words, sections), _erp(words, sections), _manifest(words, bundle),
        ],
    }  # fmt: skip


def _alarm(words: Words, sections: Any) -> Json:
    alarm = sections["alarm"]
    limit, peak = (
        None if alarm[name] is None else f"{alarm[name]:.6g} {symbol(alarm['unit'])}" for name in ("limit", "peak")
    )
    return words.facts("alarm", [
        ("key", Hash(alarm["key"])), ("series", f"{alarm['asset']}/{alarm['tag']}"),
        ("condition", words.known("condition", alarm["condition"])), ("limit", limit),
        ("peak", peak), ("out", f"{alarm['out_s'] / 60:.1f} min"),
        ("start", words.time(alarm["start_ns"])), ("begun", words.time(alarm["begun_ns"])),
        ("confirmed", words.time(alarm["confirmed_ns"])), ("cleared", words.time(alarm["cleared_ns"])),
        ("priority", words.known("priority", alarm["priority"])), ("state", words.known("state", alarm["state"])),
        ("revision", alarm["revision"]), ("late", words.say("yes" if alarm["found_late"] else "no")),
    ])  # fmt: skip


def _rule(words: Words, sections: Any, language: str) -> Json:
    rule, configuration = sections["rule"], sections["configuration"]
    content = rule["content"] or {}
    detector = sections["detector"]
    said = {name: (content.get(name) or {}).get(language) or (content.get(name) or {}).get("en") for name in TEXTS}
    settings = {one: value for one, value in content.items() if value not in (None, "", {}) and one not in TEXTS}
    return words.facts("rule", [
        ("rule_id", f"{rule['id']} ({said['name']})" if said["name"] else rule["id"]),
        ("version", Hash(rule["version"])),
        ("content", Hash(json.dumps(settings, ensure_ascii=False)) if settings else None),
        ("consequence", said["consequence"]), ("response", said["response"]),
        ("detector", None if detector is None else f"{detector['name']}, {detector['release']}"),
        ("configuration", Hash(configuration["sha256"])),
    ])  # fmt: skip


TEXTS = ("name", "consequence", "response")


def _context(words: Words, sections: Any) -> Json:
    production = sections["context"]["production"]
    calibration = sections["context"]["calibration"] or {}
    rows = [(name, production.get(name)) for name in ("order", "product", "lot", "shift", "mode")]
    rows += [("calibration", calibration.get("calibration")), ("calibration_due", calibration.get("calibration_due"))]
    return words.facts("context", [*rows, *_instrument(words, sections), *_decision(words, sections)])


def _decision(words: Words, sections: Any) -> list[tuple[str, str | None]]:
    """How a rule with a guard band decided; empty for others, and in bundles of versions that had none."""
    told = sections["configuration"].get("decision")
    if told is None:
        return []
    unit = sections["alarm"]["unit"]
    numbers = {
        "limit": quantity(told["judged_at"], unit), "specified": quantity(told["specified"], unit),
        "guard_band": quantity(told["guard_band"], unit),
    }  # fmt: skip
    outcome = words.say("unknown" if told["outcome"] is None else "outcome_" + told["outcome"])
    return [("decision", words.say("judged_at", **numbers, outcome=outcome))]


def _instrument(words: Words, sections: Any) -> list[tuple[str, str | None]]:
    """The calibration in force and what it leaves open; empty where the series is not calibrated."""
    told = sections["configuration"].get("calibration")
    if told is None:
        return []
    certificate = told["certificate"] or words.say("no_certificate")
    state = words.say("instrument_" + told["state"])
    instrument = f"{certificate} ({state})"
    spread = None if told["uncertainty"] is None else f"{told['uncertainty']:.6g} (k = {told['k']:g})"
    chance = None if told["beyond"] is None else words.say(
        "guard_within" if told["in_guard_band"] else "guard_outside", percent=f"{100 * told['beyond']:.4g}",
    )  # fmt: skip
    return [("instrument", instrument), ("uncertainty", spread), ("guard_band", chance)]


def _readings(words: Words, sections: Any) -> Json:
    told, lineage = sections["readings"], sections["lineage"]["alarm"] or {}
    if told["journal"] is None:
        return words.facts("readings", [], note=words.say("no_readings"))
    agrees = {True: "yes", False: "no", None: "unknown"}[(told["told"] or {}).get("agrees")]
    segments = ", ".join(
        f"{one['segment']}: {one['sha256'] or words.say('open_segment')}" for one in told["segments"]
    )  # fmt: skip
    return words.facts("readings", [
        ("journal", f"{told['journal']} / {told['series']}"),
        ("rows", words.say("rows_shown", rows=told["rows"], shown=told["shown"])),
        ("late_bad", f"{told['late']} / {told['bad']}"), ("row_numbers", _ranges(told["ranges"])),
        ("offsets", f"{lineage['first_offset']} .. {lineage['last_offset']}" if lineage.get("rows") else None),
        ("sha256", Hash(told["sha256"])), ("cited", words.say(agrees)), ("segments", Hash(segments)),
    ])  # fmt: skip


def _ranges(ranges: Sequence[Sequence[int]]) -> str:
    return ", ".join(f"{first} .. {last}" for first, last in ranges)


def _windows(words: Words, sections: Any) -> Json:
    rows = [
        (words.time(one["start_ns"]), one["revision"], one["count"], one["minimum"], one["maximum"], one["mean"],
         _rows(one["readings"]), Hash((one["readings"] or {}).get("sha256", "")[:16]))
        for one in sections["windows"]["rows"]
    ]  # fmt: skip
    head = (
        ("window_start", 2.6), ("revision", 0.9), ("count", 0.7), ("minimum", 1.0), ("maximum", 1.0), ("mean", 1.0),
        ("row_numbers", 1.5), ("sha256", 1.7),
    )  # fmt: skip
    part = words.table("windows", head, rows)
    size = words.say("size", seconds=sections["windows"]["size_s"]) if rows else ""
    return {**part, "note": " ".join(one for one in (size, part["note"]) if one)}


def _figures(words: Words, sections: Any) -> Json:
    rows = [
        (words.time(one["start_ns"]), one["kind"], one["revision"],
         ", ".join(f"{name} {value:.4g}" for name, value in one["parts"].items() if isinstance(value, int | float)),
         "; ".join(f"{tag}: {_rows(told)}" for tag, told in one["readings"].items()))
        for one in sections["figures"]
    ]  # fmt: skip
    head = (("window_start", 1.8), ("kind", 0.9), ("revision", 0.7), ("values", 4.0), ("row_numbers", 1.8))
    return words.table("figures", head, rows)


def _rows(told: Json | None) -> str:
    return "-" if not told or not told["rows"] else f"{told['first_row']} .. {told['last_row']}"


def _history(words: Words, sections: Any) -> Json:
    rows = [
        (words.time(one["recorded_ns"]), words.known("transition", one["kind"]), words.time(one["at_ns"]),
         words.known("state", one["state"]), one["actor_name"], one["comment"])
        for one in sections["transitions"]
    ]  # fmt: skip
    head = (("recorded", 1.6), ("what", 1.1), ("at", 1.6), ("state", 1.3), ("who", 1.2), ("comment", 2.0))
    return words.table("history", head, rows)


def _audit(words: Words, sections: Any) -> Json:
    rows = [
        (one["seq"], words.time(one["at_ns"]), Hash(one["action"]), f"{one['actor_name']} ({one['actor_id']})",
         one["reason"], Hash(one["hash"][:16]))
        for one in sections["audit"]
    ]  # fmt: skip
    head = (("seq", 0.5), ("recorded", 1.6), ("what", 1.6), ("who", 1.8), ("reason", 1.6), ("sha256", 1.5))
    return words.table("audit", head, rows)


def _erp(words: Words, sections: Any) -> Json:
    order = sections["erp"]["order"]
    if order is None:
        return words.facts("erp", [], note=words.say("no_erp"))
    tries = [
        " ".join(str(part) for part in (words.time(one["at_ns"]), one["outcome"], one["status"], one["error"]) if part)
        for one in sections["erp"]["deliveries"]
    ]  # fmt: skip
    return words.facts("erp", [
        ("erp_state", words.known("order", order["state"])), ("erp_number", order["number"]), ("erp_id", order["id"]),
        ("erp_error", order["error"]), ("deliveries", "\n".join(tries) or None),
    ])  # fmt: skip


def _manifest(words: Words, bundle: Bundle) -> Json:
    rows = [(name, Hash(told)) for name, told in sorted(bundle.manifest["sections"].items())]
    part = words.table("manifest", (("section", 1.0), ("sha256", 4.0)), rows)
    return {**part, "note": words.say("manifest_note", sha256=bundle.sha256)}
