"""What the report of a shift says and shows, in order, for the template."""

from __future__ import annotations

from typing import Any

from service.figure_reports.line_pictures import control
from service.figure_reports.oee_pictures import pareto_bars, timeline, waterfall
from service.figure_reports.rows_view import alarms, measured, rows
from service.figure_reports.words import Words

Json = dict[str, Any]
RATIOS = ("OEE", "availability", "effectiveness", "quality_ratio", "NEE", "TEEP", "technical_efficiency", "setup_rate",
          "scrap_ratio", "rework_ratio")  # fmt: skip


def shift_view(content: Json, words: Words) -> Json:
    """Title, summary and parts."""
    shift, site = content["shift"], content["site"]
    name = " ".join(filter(None, (shift["day"], shift["name"])))
    where = content["below"] or site["name"]
    parts: list[Json] = []
    if len(content["assets"]) > 1:
        parts.append(_machines(content, words))
    if content["levels"]:
        parts.append(_levels(content, words))
    for asset in content["assets"]:
        parts += _asset(asset, shift, words)
    return {
        "title": words.say("shift_title", name=name, where=where),
        "subtitle": f"{site['name']} · {words.time(shift['start_ms'])} - {words.time(shift['end_ms'])}",
        "summary": _summary(content, words), "parts": parts,
    }  # fmt: skip


def _summary(content: Json, words: Words) -> str:
    told = [one for one in content["assets"] if one["oee"]]
    alarms_n = sum(len(one["alarms"]) for one in content["assets"])
    settled = bool(told) and all(one["oee"]["settled"] for one in told) and _over(content)
    return " ".join((
        words.say("shift_summary", machines=len(content["assets"]), alarms=alarms_n,
                  signals=sum(chart["signals"] for one in content["assets"] for chart in one["charts"])),
        words.say("settled" if settled else "not_settled"),
    ))  # fmt: skip


def _over(content: Json) -> bool:
    reached = content["site"]["reached_ms"]
    return reached is not None and reached >= content["shift"]["end_ms"]


def _machines(content: Json, words: Words) -> Json:
    table = [
        (one["name"], one["asset"], *_ratios(one["oee"], words), _count(one["oee"], "pq", words),
         _count(one["oee"], "gq", words), len(one["alarms"]))
        for one in content["assets"]
    ]  # fmt: skip
    head = [("machine", 1.6), ("path", 2.0), ("oee", 0.8), ("a", 0.8), ("e", 0.8), ("q", 0.8), ("pq", 0.8), ("gq", 0.8),
            ("alarms", 0.7)]  # fmt: skip
    return words.table(words.say("machines"), [(words.say(f"head.{name}"), width) for name, width in head], table)


def _ratios(oee: Json | None, words: Words) -> list[str]:
    ratios = {} if oee is None else oee["ratios"]
    return [words.percent(ratios.get(name)) for name in ("OEE", "availability", "effectiveness", "quality_ratio")]


def _count(oee: Json | None, name: str, words: Words) -> str:
    return words.number(None if oee is None else oee["parts"].get(name), 8)


def _levels(content: Json, words: Words) -> Json:
    table = [
        (one["path"] or content["site"]["name"], *_ratios(one, words), words.number(one["pq"], 8),
         words.number(one["gq"], 8))
        for one in content["levels"]
    ]  # fmt: skip
    head = [("path", 2.4), ("oee", 0.8), ("a", 0.8), ("e", 0.8), ("q", 0.8), ("pq", 0.9), ("gq", 0.9)]
    part = words.table(words.say("levels"), [(words.say(f"head.{name}"), width) for name, width in head], table)
    return {**part, "note": words.say("levels_note")}


def _asset(asset: Json, shift: Json, words: Words) -> list[Json]:
    oee, parts = asset["oee"], [words.heading(asset["name"], asset["asset"])]
    if oee is not None:
        parts += [_figures(oee, words), words.picture(words.say("waterfall"), waterfall(oee["steps"], words),
                                                      _cause(oee, words))]  # fmt: skip
    if asset["states"]:
        drawn = timeline(asset["states"], shift["start_ms"], shift["end_ms"], words.zone, words)
        parts.append(words.picture(words.say("timeline"), drawn))
    pareto = asset["stops"]["pareto"]
    parts.append(words.picture(words.say("pareto"), pareto_bars(pareto, words) if pareto else None))
    if len(asset["products"]) > 1:
        parts.append(_products(asset["products"], words))
    for chart in asset["charts"]:
        parts += _chart(chart, words)
    return [*parts, alarms(asset["alarms"], words), measured(asset["measured"], words), rows(asset["rows"], words)]


def _cause(oee: Json, words: Words) -> str:
    """Why the effectiveness is above 1, where it is."""
    return "; ".join(words.known("figure.oee.about", one) for one in oee["causes"])


def _figures(oee: Json, words: Words) -> Json:
    parts, ratios = oee["parts"], oee["ratios"]
    rows_of = [(words.say(f"ratio.{name}"), words.percent(ratios.get(name))) for name in RATIOS
               if ratios.get(name) is not None or name == "OEE"]  # fmt: skip
    rows_of += [(words.part("oee", name), words.value("oee", name, parts.get(name)))
                for name in ("pq", "gq", "sq", "rq", "pbt_s", "apt_s", "lost_s", "uncertain_s")
                if parts.get(name) is not None]  # fmt: skip
    rows_of += [(words.say("mtbf"), words.length(oee["mtbf_s"])), (words.say("mttr"), words.length(oee["mttr_s"]))]
    told = words.say(
        "windows_told", windows=oee["windows"], corrected=oee["corrected"], known=words.time(oee["known_ms"])
    )
    return words.facts(words.say("figures"), rows_of, told)


def _products(products: list[Json], words: Words) -> Json:
    table = [
        (one["product"] or "-", one["order"] or "-", words.percent(one["OEE"]), words.number(one["pq"], 8),
         words.number(one["gq"], 8), words.length(one["pbt_s"]))
        for one in products
    ]  # fmt: skip
    head = [("product", 1.5), ("order", 1.5), ("oee", 0.8), ("pq", 0.8), ("gq", 0.8), ("pbt", 1.0)]
    return words.table(words.say("products"), [(words.say(f"head.{name}"), width) for name, width in head], table)


def _chart(chart: Json, words: Words) -> list[Json]:
    note = words.say("chart_told", points=chart["all"], shown=len(chart["points"]), signals=chart["signals"])
    parts = [
        words.picture(words.say("chart_title", chart=chart["chart"]), control(chart["points"], words.zone, words), note)
    ]
    capability = chart["capability"]
    if capability is not None:
        told = capability["parts"]
        shown = []
        for name in ("cp", "cpk", "pp", "ppk"):
            low, high = told.get(f"{name}_low"), told.get(f"{name}_high")
            interval = "" if low is None or high is None else f" ({words.number(low, 3)} … {words.number(high, 3)})"
            shown.append((words.part("capability", name), words.number(told.get(name), 4) + interval))
        shown += [(words.part("capability", name), words.number(told.get(name))) for name in ("cpm", "n")]
        shown += [(words.part("capability", name), words.say({1.0: "yes", 0.0: "no"}.get(told.get(name), "unknown")))
                  for name in ("stable", "enough", "autocorrelated")]  # fmt: skip
        parts.append(words.facts(words.say("capability_title", chart=chart["chart"]), shown))
    return parts
