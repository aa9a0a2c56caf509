"""What the report of a lot says and shows, in order, for the template."""

from __future__ import annotations

from typing import Any

from service.figure_reports.line_pictures import cycle, journey, temperature
from service.figure_reports.oee_pictures import budget_bar
from service.figure_reports.parts import total
from service.figure_reports.rows_view import alarms, measured, rows
from service.figure_reports.words import Words

Json = dict[str, Any]
STAY = ("stay_s", "covered_s", "gap_s", "uncertain_s", "minimum", "maximum", "mean", "mkt", "above_s", "below_s",
        "above_c_min", "below_c_min", "beyond_s", "tor_used_s", "tor_left_s", "life_used_h", "life_total_h",
        "life_left_h")  # fmt: skip
EXCURSION = ("duration_s", "peak", "out_c_min", "mkt", "blind_s", "uncertain_s")
CYCLE = ("f0", "f0_max", "own_f0", "a0", "set_temperature", "t_ref", "z", "equilibration_s", "hold_s", "plateau_s",
         "spread", "minimum", "maximum", "superheat_min", "superheat_max", "pulses", "missing_s", "uncertain",
         "cycle_s")  # fmt: skip


def lot_view(content: Json, words: Words) -> Json:
    """Title, verdict and parts."""
    lot, site, verdict = content["lot"], content["site"], content["verdict"]
    parts = [words.picture(words.say("journey"), journey(content["legs"], words.zone, words)), _legs(content, words)]
    if content["budget"] is not None:
        parts.append(_budget(content["budget"], words))
    for leg in content["legs"]:
        if leg["cold"] is not None:
            parts += _leg(leg, words)
    for one in content["cycles"]:
        parts += _cycle(one, words)
    parts.append({**alarms(content["alarms"], words), "title": words.say("all_legs"), "level": 2})
    ended = words.say("underway") if lot["underway"] else words.time(lot["end_ms"])
    return {
        "title": words.say("lot_title", lot=lot["lot"]),
        "subtitle": " · ".join(filter(None, (
            site["name"], lot["product"], f"{words.time(lot['start_ms'])} - {ended}",
        ))),
        "summary": _summary(verdict, words), "parts": parts,
    }  # fmt: skip


def _summary(verdict: Json, words: Words) -> str:
    told = [words.say("lot_verdict", verdict=words.verdict(verdict["value"]), judged=verdict["judged"])]
    told += [
        words.say(f"because_{one['what']}", where=one["where"], verdict=words.verdict(one["value"]))
        for one in verdict["reasons"]
    ]
    return " ".join([*told, words.say("quality_decides")])


def _legs(content: Json, words: Words) -> Json:
    table = []
    for leg in content["legs"]:
        cold = leg["cold"] or {}
        stay = (cold.get("stay") or {}).get("parts", {})
        table.append((
            leg["name"], leg["asset"], words.clock(leg["start_ms"]),
            words.say("underway") if leg["there"] else words.clock(leg["end_ms"]),
            *(words.number(stay.get(name), 4) for name in ("minimum", "maximum", "mkt")),
            len(cold.get("excursions", ())), words.length(total(stay, "above_s", "blind_out_s")) if stay else "-",
            words.verdict(stay.get("within")) if cold else "-",
        ))  # fmt: skip
    head = (("place", 1.4), ("path", 1.7), ("came", 1.3), ("went", 1.3), ("minimum", 0.8), ("maximum", 0.8),
            ("mkt", 0.8), ("excursions", 1.1), ("out", 1.0), ("verdict", 1.2))  # fmt: skip
    return words.table(words.say("legs"), [(words.say(f"head.{name}"), width) for name, width in head], table)


def _budget(budget: Json, words: Words) -> Json:
    """Budgets over all stays."""
    part = words.picture(words.say("budget"), budget_bar(budget, words))
    note = words.say("budget_none") if budget["tor_used_s"] is None else words.say(
        "budget_note", used=words.length(budget["tor_used_s"]), life=words.number(budget["life_total_h"]),
        left=words.number(budget["life_left_h"]),
    )  # fmt: skip
    return {**part, "note": note}


def _leg(leg: Json, words: Words) -> list[Json]:
    cold = leg["cold"]
    profile, stay = cold["profile"], cold["stay"]
    source = words.say("no_profile") if profile is None else words.say("profile", **{
        name: profile[name] for name in ("product", "source", "version")
    })  # fmt: skip
    parts = [words.heading(leg["name"], f"{leg['asset']}/{cold['tag']} · {source}")]
    drawn = temperature(cold, leg["start_ms"], leg["end_ms"], words.zone, words)
    parts.append(words.picture(words.say("temperature"), drawn))
    if stay is not None:
        shown = [(words.part("lot_stay", name), words.value("lot_stay", name, stay["parts"].get(name))) for name in STAY
                 if stay["parts"].get(name) is not None]  # fmt: skip
        shown.append((words.part("lot_stay", "within"), words.verdict(stay["parts"].get("within"))))
        parts.append(words.facts(words.say("stay"), shown, _known(stay, words)))
    else:
        parts.append(words.facts(words.say("stay"), [], words.say("no_stay")))
    parts.append(_excursions(cold["excursions"], words))
    if cold["usp"]:
        parts.append(_usp(cold["usp"], words))
    return [*parts, measured(cold["measured"], words), rows(cold["rows"], words)]


def _known(figure: Json, words: Words) -> str:
    """Which revision it is, and since when it was known."""
    code = "revision" if figure["final"] else "running"
    return words.say(code, revision=figure["revision"], known=words.time(figure["known_ms"]))


def _excursions(found: list[Json], words: Words) -> Json:
    table = [
        (words.clock(one["start_ms"]), words.clock(one["end_ms"]) if one["final"] else words.say("underway"),
         words.known("report.text.side", one["about"].get("side")),
         *(words.value("excursion", name, one["parts"].get(name)) for name in EXCURSION),
         words.known("report.text.cause", one["about"].get("cause")))
        for one in found
    ]  # fmt: skip
    head = [(words.say("head.begin"), 1.2), (words.say("head.end"), 1.2), (words.say("head.side"), 0.8),
            *((words.part("excursion", name), 1.1) for name in EXCURSION), (words.say("head.cause"), 1.0)]  # fmt: skip
    return words.table(words.say("excursions"), head, table)


def _usp(found: list[Json], words: Words) -> Json:
    names = ("mkt", "maximum", "minimum", "out_s", "spike_s", "gap_s", "margin")
    table = [
        (words.clock(one["start_ms"]), words.clock(one["end_ms"]),
         *(words.value("usp", name, one["parts"].get(name)) for name in names),
         words.verdict(one["parts"].get("allowed")))
        for one in found
    ]  # fmt: skip
    head = [(words.say("head.begin"), 1.2), (words.say("head.end"), 1.2),
            *((words.part("usp", name), 1.1) for name in names), (words.part("usp", "allowed"), 1.2)]  # fmt: skip
    return words.table(words.say("usp"), head, table)


def _cycle(told: Json, words: Words) -> list[Json]:
    kind, about, parts = told["kind"], told["about"], told["parts"]
    name = " ".join(filter(None, (about.get("cycle"), about.get("load"), about.get("program"),
                                  about.get("program_version"))))  # fmt: skip
    found = [words.heading(f"{words.known('figure', kind)} · {told['name']}",
                           f"{name} · {words.time(told['start_ms'])} - {words.time(told['end_ms'])}")]  # fmt: skip
    criteria = [
        (words.part(kind, code), words.verdict(parts[code])) for code in parts
        if code.endswith("_ok") and code != "probe_ok" and (parts[code] is not None or _asked(code, about))
    ]  # fmt: skip
    found.append(words.facts(words.say("criteria"), [
        (words.part(kind, "verdict"), words.verdict(parts.get("verdict"))), *criteria,
    ], _known(told, words)))  # fmt: skip
    found.append(words.picture(words.say("cycle_curve"), cycle(told, words.zone, words)))
    shown = [(words.part(kind, code), words.value(kind, code, parts.get(code))) for code in CYCLE
             if parts.get(code) is not None]  # fmt: skip
    found.append(words.facts(words.say("cycle_figures"), shown))
    return [*found, _probes(told, words), measured(told["measured"], words)]


def _asked(code: str, about: Json) -> bool:
    """Whether a criterion without a value is one that was asked for and could not be decided."""
    return code.removesuffix("_ok") in about.get("undecided", "").split()


def _probes(told: Json, words: Words) -> Json:
    kind = told["kind"]
    names = [name for name in ("f0", "a0", "minimum", "maximum", "equilibration_s", "missing_s", "uncertain")
             if any(one["parts"].get(name) is not None for one in told["probes"])]  # fmt: skip
    table = [
        (one["tag"], words.verdict(one["parts"].get("probe_ok")),
         *(words.value(kind, name, one["parts"].get(name)) for name in names))
        for one in told["probes"]
    ]  # fmt: skip
    head = [(words.say("head.probe"), 1.4), (words.say("head.verdict"), 1.2),
            *((words.part(kind, name), 1.1) for name in names)]  # fmt: skip
    return words.table(words.say("probes"), head, table)
