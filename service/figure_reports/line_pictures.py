"""Pictures over time: a temperature with its limits, a steriliser's cycle, a control chart, the journey of a lot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from typing import Any
from zoneinfo import ZoneInfo

from service.evidence.picture import symbol
from service.evidence.svg import AMBER, GREEN, GREY, INK, LINE, RED, box, line, ring, text
from service.figure_reports.axes import LEFT, WIDTH, Axes, area, bounds, document, polyline
from service.figure_reports.words import Words

Json = dict[str, Any]
#: Lines are told apart by their dashes too.
DRAWN = ((LINE, ""), (INK, "7 3"), (AMBER, "2 2"), (GREEN, "9 3 2 3"), (GREY, "5 5"), ("#8f3bb8", "1 3"))


def temperature(cold: Json, start_ms: int, end_ms: int, zone: ZoneInfo, words: Words) -> str | None:
    """Mean with lowest and highest of each window, label limits, excursions shaded with their peak."""
    curve = cold["curve"]
    limits = [cold["low"], cold["high"]]
    scale = None if curve is None else bounds([*curve["minimum"], *curve["maximum"], *limits])
    if curve is None or scale is None or not curve["start_ms"]:
        return None
    axes = Axes(start_ms, end_ms, *scale, 14.0, 230.0, 110.0)
    body = [*axes.values(), *axes.times(zone)]
    for one in cold["excursions"]:
        x, to = axes.x(one["start_ms"]), axes.x(one["end_ms"])
        body.append(box(x, axes.top, max(2.0, to - x), axes.bottom - axes.top, RED, 0.13))
        peak = one["parts"].get("peak")
        if peak is not None:
            y = max(axes.y(peak) - 6, axes.top + 12)
            body.append(text((x + to) / 2, y, words.number(peak, 4), size=12, anchor="middle", fill=RED))
    for limit in limits:
        if limit is not None:
            body.append(line(LEFT, axes.y(limit), WIDTH - 110, axes.y(limit), RED, 1.4, "7 4"))
            told = words.say("limit", value=f"{words.number(limit)} {symbol(curve['unit'])}")
            body.append(text(WIDTH - 104, axes.y(limit) + 4, told, size=12, fill=RED))
    for part in _parts(curve):
        low = [(axes.x(at), axes.y(curve["minimum"][place])) for place, at in part]
        high = [(axes.x(at), axes.y(curve["maximum"][place])) for place, at in part]
        body.append(area([*low, *reversed(high)], LINE, 0.25))
        body.append(polyline([(axes.x(at), axes.y(curve["mean"][place])) for place, at in part]))
    return document(256, [*body, axes.frame()])


def _parts(curve: Json) -> Iterable[list[tuple[int, int]]]:
    """(place, ms of its middle) of windows or readings that follow each other: what is not there is a gap in the line.

    Thinned readings stand further apart: a gap is one that is long beside the usual distance.
    """
    half, before = round(curve["size_s"] * 500), None
    part: list[tuple[int, int]] = []
    apart = sorted(after - one for one, after in pairwise(curve["start_ms"])) or [0]
    most = max(3000 * curve["every_s"], 4 * apart[len(apart) // 2])
    for place, start in enumerate(curve["start_ms"]):
        if curve["mean"][place] is None or (before is not None and start - before > most):
            if part:
                yield part
            part = []
        if curve["mean"][place] is not None:
            part.append((place, start + half))
            before = start
    if part:
        yield part


def cycle(told: Json, zone: ZoneInfo, words: Words) -> str | None:
    """Temperatures of a cycle's points with its set temperature, phases as a strip, pressure below."""
    curves = [one for one in told["curves"] if one["start_ms"]]
    set_c = told["parts"].get("set_temperature")
    scale = bounds([*(value for one in curves for value in one["mean"]), set_c])
    if scale is None:
        return None
    axes = Axes(told["start_ms"], told["end_ms"], *scale, 30.0, 230.0, 140.0)
    body = [*axes.values(), *axes.times(zone)]
    for one in told["phases"]:
        x, to = axes.x(one["start_ms"]), axes.x(one["end_ms"])
        body.append(line(x, 8, x, axes.bottom, "#c9d0d6", 1))
        if to - x > 46:
            body.append(
                text(x + 4, 22, words.known("page.state", one["phase"])[: int((to - x) / 7)], size=11, fill=GREY)
            )
    if set_c is not None:
        body.append(line(LEFT, axes.y(set_c), WIDTH - 140, axes.y(set_c), RED, 1.2, "7 4"))
        body.append(
            text(WIDTH - 134, axes.y(set_c) + 4, words.say("set", value=words.number(set_c)), size=12, fill=RED)
        )
    for number, one in enumerate(curves):
        colour, dash = DRAWN[number % len(DRAWN)]
        body += [polyline(_line(axes, one, part), colour, 1.5, dash) for part in _parts(one)]
        y = 90 + 18 * number
        body.append(polyline([(WIDTH - 134, y - 4), (WIDTH - 112, y - 4)], colour, 1.5, dash))
        body.append(text(WIDTH - 106, y, one["tag"][:15], size=12, fill=colour))
    height = 256.0
    pressure = told["pressure"]
    if pressure is not None and (scale := bounds(pressure["mean"])) is not None:
        below = Axes(told["start_ms"], told["end_ms"], *scale, 268.0, 348.0, 140.0)
        body += [*below.values(), below.frame()]
        body += [polyline(_line(below, pressure, part), GREY, 1.4) for part in _parts(pressure)]
        body.append(text(WIDTH - 134, 290, f"{pressure['tag'][:15]}", size=12, fill=GREY))
        body.append(text(WIDTH - 134, 306, f"[{symbol(pressure['unit'])}]", size=12, fill=GREY))
        height = 362.0
    return document(height, [*body, axes.frame()])


def _line(axes: Axes, curve: Json, part: Sequence[tuple[int, int]]) -> list[tuple[float, float]]:
    return [(axes.x(at), axes.y(curve["mean"][place])) for place, at in part]


def control(points: Sequence[Json], zone: ZoneInfo, words: Words) -> str | None:
    """Plotted values with centre line and limits as steps; a signal is a filled square with its rules above it."""
    known = [one for one in points if one["parts"].get("value") is not None]
    names = ("value", "centre", "lower", "upper")
    scale = bounds(one["parts"].get(name) for one in known for name in names)
    if scale is None:
        return None
    axes = Axes(known[0]["start_ms"], known[-1]["end_ms"], *scale, 24.0, 220.0, 110.0)
    body = [*axes.values(), *axes.times(zone)]
    for name, colour, dash in (("centre", GREY, ""), ("lower", RED, "7 4"), ("upper", RED, "7 4")):
        for level, same in groupby(known, lambda one: one["parts"].get(name)):  # noqa: B023 - used at once
            mine = list(same)
            if level is None:
                continue
            x, to, y = axes.x(mine[0]["start_ms"]), axes.x(mine[-1]["end_ms"]), axes.y(level)
            body.append(line(x, y, max(to, x + 1), y, colour, 1.3, dash))
            if mine[-1] is known[-1]:
                told = f"{words.say(f'chart.{name}')} {words.number(level)}"
                body.append(text(WIDTH - 104, y + 4, told, size=11, fill=colour))
    at = [((axes.x(one["start_ms"]) + axes.x(one["end_ms"])) / 2, axes.y(one["parts"]["value"])) for one in known]
    for (one, other), (place, after) in zip(pairwise(known), pairwise(at), strict=True):
        if _follows(one, other):
            body.append(polyline([place, after], LINE, 1.1))
    written = -100.0
    for one, (x, y) in zip(known, at, strict=True):
        if one["parts"].get("signal"):
            body.append(box(x - 4, y - 4, 8, 8, RED, 1))
            if x - written > 24:  # texts over each other tell nothing
                body.append(text(x, max(y - 8, axes.top - 4), _marks(one), size=11, anchor="middle", fill=RED))
                written = x
        elif one["parts"].get("uncertain"):
            body.append(ring(x, y))
        else:
            body.append(box(x - 1.8, y - 1.8, 3.6, 3.6, LINE, 1))
    return document(246, [*body, axes.frame()])


def _follows(one: Json, other: Json) -> bool:
    """Whether a line joins two points: the same limits, lot, order and product."""
    keys = ("version", "lot", "order", "product")
    return all(one["about"].get(key) == other["about"].get(key) for key in keys) and one["about"].get("ended") != "gap"


def _marks(point: Json) -> str:
    """Rules of a signal; R where its spread is beyond a limit."""
    return " ".join(
        filter(None, (_short(point["about"].get("rules", "")), point["parts"].get("spread_beyond") and "R"))
    )


def _short(rules: str) -> str:
    """Rule codes as charts mark them.

    >>> _short("nelson_2 we_4")
    'N2 W4'
    """
    return " ".join(one.replace("nelson_", "N").replace("we_", "W") for one in rules.split())


def journey(legs: Sequence[Json], zone: ZoneInfo, words: Words) -> str:
    """Where the lot was: a row for each stay, excursions marked in it."""
    row, names = 22, 190
    start, end = min(one["start_ms"] for one in legs), max(one["end_ms"] for one in legs)
    axes = Axes(start, end, 0.0, 1.0, 8.0, 8.0 + row * len(legs), 120.0 + names - LEFT)
    shift = names - LEFT
    body = [f'<g transform="translate({shift} 0)">' + "".join(axes.times(zone)) + "</g>"]
    for place, leg in enumerate(legs):
        y, x, to = 8 + place * row, axes.x(leg["start_ms"]) + shift, axes.x(leg["end_ms"]) + shift
        body.append(text(names - 8, y + 15, leg["name"][:26], anchor="end"))
        body.append(box(x, y + 4, max(2.0, to - x), row - 8, LINE if leg["cold"] else "#8a949e", 0.75))
        for one in leg["cold"]["excursions"] if leg["cold"] else []:
            at = max(axes.x(one["start_ms"]), axes.x(leg["start_ms"])) + shift
            until = min(axes.x(one["end_ms"]), axes.x(leg["end_ms"])) + shift
            body.append(box(at, y + 1, max(2.5, until - at), row - 2, RED, 0.95))
        told = words.length((leg["end_ms"] - leg["start_ms"]) / 1000)
        body.append(text(WIDTH - 112, y + 15, told, size=12, fill=GREY))
    return document(axes.bottom + 26, body)
