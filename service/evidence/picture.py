"""The trend around an alarm as an SVG: limit and deadband, start, confirmed, cleared, late and bad readings marked.

Made from the bundle alone, so the same bundle gives the same picture. Only elements and attributes that browsers and
Typst draw alike; no style sheet, no script.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from andon.i18n import translate
from andon.readings import NS_PER_S, Status
from service.evidence.anomaly import band, marks, unusual_of
from service.evidence.svg import AMBER, GREEN, GREY, LINE, RED, box, cross, line, ring, text

WIDTH, HEIGHT = 960, 440
LEFT, RIGHT, TOP, BOTTOM = 76, 130, 100, 70
FONT = "DejaVu Sans, WenQuanYi Micro Hei, Noto Sans CJK SC, Noto Sans SC, sans-serif"
STEPS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 604800)
SYMBOLS = {"Cel": "°C", "[degF]": "°F", "1": "", "deg": "°"}
Sections = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trend:
    """What is drawn: times in ns, values in the series' unit, flags by reading; limits by their side."""

    time_ns: list[int]
    value: list[float]
    late: list[bool]
    bad: list[bool]
    upper: float | None
    lower: float | None
    deadband: float


@dataclass(frozen=True, slots=True)
class Scale:
    """From time and value to places in the picture."""

    start_ns: int
    end_ns: int
    low: float
    high: float

    def x(self, time_ns: float) -> float:
        """Pixels from the left."""
        return LEFT + (time_ns - self.start_ns) / max(1, self.end_ns - self.start_ns) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Pixels from the top, kept inside the frame."""
        place = TOP + (self.high - value) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)
        return min(max(place, TOP), HEIGHT - BOTTOM)


def picture(sections: Sections, language: str) -> str:
    """An SVG document, `WIDTH` x `HEIGHT`. Without readings it says so."""
    alarm, site = sections["alarm"], sections["site"]
    unit = symbol((sections["configuration"]["series"] or {}).get("unit") or alarm["unit"])
    name = (sections["configuration"]["series"] or {}).get("name") or alarm["asset"]
    title = f"{name} · {alarm['tag']}" + (f" [{unit}]" if unit else "")
    trend = trend_of(sections)
    body = [
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        text(LEFT, 24, title, size=17, weight="bold"),
        text(LEFT, 44, f"{alarm['asset']}/{alarm['tag']} · {alarm['rule_id']} · {alarm['key']}", size=12, fill=GREY),
    ]
    if not [one for one, bad in zip(trend.value, trend.bad, strict=True) if math.isfinite(one) and not bad]:
        body.append(text(WIDTH / 2, HEIGHT / 2, translate("evidence.picture.nothing", language), anchor="middle"))
    else:
        scale = scale_of(trend, alarm)
        zone = ZoneInfo(site["timezone"])
        parts: tuple[Iterable[str], ...] = (
            _grid(scale, zone, language), _alarm_span(scale, alarm), _limits(scale, trend, language),
            _curve(scale, trend, states=bool((sections["configuration"]["series"] or {}).get("states"))),
            _marks(scale, trend), _moments(scale, alarm, language), _legend(trend, language),
        )  # fmt: skip
        if (unusual := unusual_of(alarm)) is not None:
            frame = LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM
            ahead, after = band(scale, unusual, frame, language), marks(scale, unusual, frame, zone, language)
            parts = (parts[0], ahead, *parts[1:], after)
        body += [one for part in parts for one in part]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="{FONT}" role="img">'
    return "\n".join([head, f"<title>{escape(title)}</title>", *body, "</svg>"]) + "\n"


def trend_of(sections: Sections) -> Trend:
    """Readings and limits of a bundle. Rules about time or scores have no limit in the series' unit."""
    columns = sections["readings"]["columns"]
    rule = sections["rule"]["content"] or {}
    outside = rule.get("outside") or (None, None)
    upper, lower = rule.get("above"), rule.get("below")
    upper, lower = outside[1] if upper is None else upper, outside[0] if lower is None else lower
    width = float(rule.get("guard_band") or 0.0)  # drawn is where it was judged
    upper, lower = None if upper is None else upper - width, None if lower is None else lower + width
    if sections["alarm"]["condition"] == "above" and upper is None:
        upper = sections["alarm"]["limit"]  # of a rule that no version is kept of
    return Trend(
        [int(one) for one in columns.get("time_ns", [])],
        [float(one) for one in columns.get("value", [])],
        [bool(one) for one in columns.get("late", [])],
        [one == Status.BAD for one in columns.get("status", [])],
        upper,
        lower,
        float(rule.get("deadband") or 0.0),
    )


def scale_of(trend: Trend, alarm: Mapping[str, Any]) -> Scale:
    """Room for every usable reading, the limits, what is normal, and the alarm's moments."""
    times = [*trend.time_ns, *(at for _, at, _ in moments(alarm))]
    values = [one for one, bad in zip(trend.value, trend.bad, strict=True) if math.isfinite(one) and not bad]
    values += [one for one in (trend.upper, trend.lower) if one is not None]
    unusual = unusual_of(alarm)
    values += [] if unusual is None else unusual.values
    low, high = min(values), max(values)
    room = (high - low) * 0.08 or max(abs(high) * 0.02, 1.0)
    return Scale(min(times), max(*times, min(times) + NS_PER_S), low - room, high + room)


def moments(alarm: Mapping[str, Any]) -> list[tuple[str, int, str]]:
    """(code, time_ns, colour) of what happened to the condition."""
    begun = alarm["start_ns"] if alarm["begun_ns"] is None else alarm["begun_ns"]
    told = (("start", begun, RED), ("confirmed", alarm["confirmed_ns"], AMBER), ("cleared", alarm["cleared_ns"], GREEN))
    return [(code, int(at), colour) for code, at, colour in told if at is not None]


def _grid(scale: Scale, zone: ZoneInfo, language: str) -> Iterable[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    step = nice((scale.high - scale.low) / 6)
    digits = max(0, -math.floor(math.log10(step)))
    at = math.ceil(scale.low / step) * step
    while at <= scale.high:
        y = scale.y(at)
        yield line(LEFT, y, right, y, "#e3e7eb", 1)
        yield text(LEFT - 8, y + 4, f"{at:.{digits}f}", size=12, anchor="end", fill=GREY)
        at += step
    span_s = (scale.end_ns - scale.start_ns) / NS_PER_S
    every = next((one for one in STEPS_S if span_s / one <= 8), STEPS_S[-1])
    shown = "%m-%d" if every >= 86_400 else "%H:%M:%S" if every < 60 else "%H:%M"
    offset = _offset_s(scale.start_ns, zone)
    tick_s = math.ceil((scale.start_ns / NS_PER_S + offset) / every) * every - offset
    while tick_s <= scale.end_ns / NS_PER_S:
        x = scale.x(tick_s * NS_PER_S)
        yield line(x, TOP, x, bottom, "#eef1f4", 1)
        yield text(x, bottom + 18, datetime.fromtimestamp(tick_s, zone).strftime(shown), size=12, anchor="middle")
        tick_s += every
    yield f'<rect x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{bottom - TOP}" fill="none" stroke="#9aa4ae"/>'
    day = datetime.fromtimestamp(scale.start_ns // NS_PER_S, zone).strftime("%Y-%m-%d")
    told = translate("evidence.picture.time", language, day=day, zone=zone.key)
    yield text((LEFT + right) / 2, bottom + 38, told, size=12, anchor="middle", fill=GREY)


def _offset_s(time_ns: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(time_ns // NS_PER_S, zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds())


def nice(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten.

    >>> [nice(one) for one in (0.013, 0.9, 1.0, 3.0, 60.0)]
    [0.02, 1.0, 1.0, 5.0, 100.0]
    """
    power = 10.0 ** math.floor(math.log10(step))
    return float(next(one for one in (1, 2, 5, 10) if one * power >= step * 0.999) * power)


def _alarm_span(scale: Scale, alarm: Mapping[str, Any]) -> Iterable[str]:
    """The time the condition lasted, shaded."""
    at = {code: time_ns for code, time_ns, _ in moments(alarm)}
    x, end = scale.x(at["start"]), scale.x(at.get("cleared", scale.end_ns))
    yield box(x, TOP, max(0.0, end - x), HEIGHT - TOP - BOTTOM, RED, 0.07)


def _limits(scale: Scale, trend: Trend, language: str) -> Iterable[str]:
    right = WIDTH - RIGHT
    for limit, inward in ((trend.upper, -1.0), (trend.lower, 1.0)):
        if limit is None:
            continue
        y = scale.y(limit)
        if trend.deadband:
            inner = scale.y(limit + inward * trend.deadband)
            yield box(LEFT, min(y, inner), right - LEFT, abs(inner - y), AMBER, 0.15)
            told = translate("evidence.picture.deadband", language, value=f"{trend.deadband:g}")
            yield text(right + 6, inner + (13 if inward < 0 else -6), told, size=11, fill=AMBER)
        yield line(LEFT, y, right, y, RED, 1.6, dash="7 4")
        told = translate("evidence.picture.limit", language, value=f"{limit:g}")
        yield text(right + 6, y + (-4 if inward < 0 and trend.deadband else 4), told, size=12, fill=RED)


def _curve(scale: Scale, trend: Trend, *, states: bool) -> Iterable[str]:
    """A line through the usable readings, broken at values that are no numbers; steps for states."""
    part: list[str] = []
    y_before = 0.0
    for time_ns, value, bad in zip(trend.time_ns, trend.value, trend.bad, strict=True):
        if bad:
            continue
        if not math.isfinite(value):
            yield from _polyline(part)
            part = []
            continue
        x, y = scale.x(time_ns), scale.y(value)
        if states and part:
            part.append(f"{x:.1f},{y_before:.1f}")
        part.append(f"{x:.1f},{y:.1f}")
        y_before = y
    yield from _polyline(part)


def _polyline(points: Sequence[str]) -> Iterable[str]:
    if points:
        style = f'fill="none" stroke="{LINE}" stroke-width="1.8" stroke-linejoin="round"'
        yield f'<polyline points="{" ".join(points)}" {style}/>'


def _marks(scale: Scale, trend: Trend) -> Iterable[str]:
    """A ring around late readings, a cross where one was bad."""
    for time_ns, value, late, bad in zip(trend.time_ns, trend.value, trend.late, trend.bad, strict=True):
        x = scale.x(time_ns)
        if bad:
            yield from cross(x, scale.y(value) if math.isfinite(value) else HEIGHT - BOTTOM)
        elif late and math.isfinite(value):
            yield ring(x, scale.y(value))


def _moments(scale: Scale, alarm: Mapping[str, Any], language: str) -> Iterable[str]:
    """A line at each moment, its name above: one row higher where the one before is near."""
    last_x, row = -math.inf, 0
    for code, time_ns, colour in moments(alarm):
        x = scale.x(time_ns)
        row = (row + 1) % 3 if x - last_x < 80 else 0
        last_x = x
        y = TOP - 6 - row * 14
        yield line(x, y, x, HEIGHT - BOTTOM, colour, 1.6)
        yield text(x + 4, y, translate(f"evidence.picture.{code}", language), size=12, fill=colour)


def _legend(trend: Trend, language: str) -> Iterable[str]:
    x, y = LEFT, HEIGHT - 10
    if any(trend.late):
        yield ring(x + 5, y - 4)
        yield text(x + 16, y, translate("evidence.picture.late", language), size=12)
        x += 250
    if any(trend.bad):
        yield from cross(x + 5, y - 4)
        yield text(x + 16, y, translate("evidence.picture.bad", language), size=12)


def symbol(unit: str) -> str:
    """How people write a UCUM unit."""
    return SYMBOLS.get(unit, unit)
