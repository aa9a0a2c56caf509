"""Pictures of a shift: loss waterfall, what the unit did when, Pareto of stops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from service.evidence.svg import AMBER, GREEN, GREY, INK, RED, box, line, text
from service.figure_reports.axes import LEFT, WIDTH, Axes, document
from service.figure_reports.words import Words

ROW, NAMES, BARS = 22, 210, 560  # pixels: height of a row, room for names, for bars
CALM, PALE = "#8a949e", "#c3c9cf"
#: Colours of categories of time; the row's name says the same.
CATEGORY = {
    "producing": GREEN, "internal_stop": AMBER, "down": RED, "external_stop": "#b08900", "starved": "#b08900",
    "blocked": "#b08900", "setup": "#3274d9", "transition": CALM, "idle": PALE, "planned_down": "#8fa8c8",
    "unknown": "#8f3bb8",
}  # fmt: skip
WHOLE = ("calendar", "pbt", "good")
Json = dict[str, Any]


def waterfall(steps: Sequence[Json], words: Words) -> str:
    """Calendar time, what was lost of it one loss after the other, and what was left: s, as bars in a row each.

    A loss of nothing has no row. Behind a loss that is not known nothing can be placed: it and what follows is told
    as unknown.
    """
    rows = list(_rows({one["step"]: one["seconds"] for one in steps}))
    longest = max(rows[0][3] or 0.0, 1.0)
    body: list[str] = []
    for place, (name, begin, end, value) in enumerate(rows):
        y = 8 + place * ROW
        strong = name in WHOLE
        body.append(text(NAMES - 8, y + 14, words.say(f"step.{name}"), anchor="end",
                         weight="bold" if strong else "normal"))  # fmt: skip
        if begin is None or end is None or value is None:
            body.append(text(NAMES + 6, y + 14, words.say("unknown"), fill=GREY))
            continue
        low, high = min(begin, end) / longest, max(begin, end) / longest
        colour = GREEN if name == "good" else CALM if strong else RED if value < 0 else AMBER
        body.append(box(NAMES + low * BARS, y + 3, max(1.0, (high - low) * BARS), ROW - 7, colour, 0.85))
        at = NAMES + max(high, 0.0) * BARS
        told = f"{words.length(value)}  {value / longest:.1%}"
        body.append(text(max(at, NAMES) + 6, y + 14, told, size=12, fill=INK if strong else GREY))
        if place + 1 < len(rows):
            x = NAMES + end / longest * BARS
            body.append(line(x, y + ROW - 4, x, y + ROW + 3, CALM, 1))
    return document(16 + ROW * len(rows), body)


def _rows(steps: Mapping[str, float | None]) -> Iterable[tuple[str, float | None, float | None, float | None]]:
    """(name, begin, end, signed value) of each bar, s from the left."""
    now = steps.get("calendar")
    yield "calendar", 0.0, now, now
    for name, value in steps.items():
        if name in ("calendar", "good"):
            continue
        if value == 0.0:
            pass
        elif value is None or now is None:
            yield name, None, None, None
            now = None
        else:
            yield name, now, now + value, value
            now += value
        if name == "planned_down":
            yield "pbt", 0.0, now, now
    good = steps.get("good")
    yield "good", 0.0, good, good


def timeline(states: Sequence[Json], start_ms: int, end_ms: int, zone: ZoneInfo, words: Words) -> str:
    """One row for each category of time that there was, with its length; the time it took is filled."""
    present = [one for one in CATEGORY if any(state["category"] == one for state in states)]
    top, shift = 8.0, NAMES - LEFT
    axes = Axes(start_ms, end_ms, 0.0, 1.0, top, top + ROW * len(present), WIDTH - LEFT - BARS)
    body = [f'<g transform="translate({shift} 0)">' + "".join(axes.times(zone)) + "</g>"]
    for place, category in enumerate(present):
        y, mine = top + place * ROW, [one for one in states if one["category"] == category]
        seconds = sum(one["end_ms"] - one["start_ms"] for one in mine) / 1000
        body.append(text(NAMES - 8, y + 15, words.say(f"category.{category}"), anchor="end"))
        for one in mine:
            x = axes.x(one["start_ms"])
            body.append(box(x + shift, y + 3, max(0.6, axes.x(one["end_ms"]) - x), ROW - 6, CATEGORY[category], 0.9))
        body.append(text(axes.x(end_ms) + shift + 8, y + 15, words.length(seconds), size=12, fill=GREY))
    return document(axes.bottom + 26, body)


def pareto_bars(rows: Sequence[Json], words: Words) -> str:
    """Stops by reason, the longest time first: time, number and cumulative share."""
    longest = max([row["seconds"] for row in rows] or [1.0]) or 1.0
    body = []
    for place, row in enumerate(rows):
        y = 8 + place * ROW
        body.append(text(NAMES - 8, y + 14, (row["reason"] or words.say("no_reason"))[:30], anchor="end"))
        width = row["seconds"] / longest * BARS * 0.8
        body.append(box(NAMES, y + 3, max(1.0, width), ROW - 7, AMBER, 0.85))
        share = f"{row['share']:.0%}"
        told = words.say("stops_told", time=words.length(row["seconds"]), stops=row["stops"], share=share)
        body.append(text(NAMES + width + 6, y + 14, told, size=12, fill=GREY))
    return document(16 + ROW * len(rows), body)


def budget_bar(budget: Json, words: Words) -> str | None:
    """Time out of refrigeration of each stay, one behind the other, against what the profile allows over all."""
    allowed, used = budget["tor_s"], budget["tor_used_s"]
    if allowed is None or used is None:
        return None
    longest = max(allowed, used)
    body, now = [text(NAMES - 8, 25, words.say("budget_used"), anchor="end")], 0.0
    body.append(box(NAMES, 12, allowed / longest * BARS, 18, "#eef1f4", 1))
    for place, one in enumerate([{"name": words.say("brought"), "out_s": budget["brought_s"]}, *budget["legs"]]):
        width = one["out_s"] / longest * BARS
        if width:
            body.append(box(NAMES + now, 12, width, 18, AMBER if place % 2 else "#b08900", 0.9))
            body.append(
                text(
                    NAMES + now + 2, 46 + 14 * (place % 2), f"{one['name'][:18]} {words.length(one['out_s'])}", size=11
                )
            )
        now += width
    limit = NAMES + allowed / longest * BARS
    body.append(line(limit, 6, limit, 36, RED, 2))
    told = words.say("budget_told", left=words.length(budget["tor_left_s"]), allowed=words.length(allowed))
    body.append(text(limit + 6, 25, told, size=12, fill=RED if used > allowed else INK))
    return document(70, body)
