"""Axes of a picture over time: where a value stands, grid lines with local times and round numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from service.evidence.picture import FONT, STEPS_S, nice
from service.evidence.svg import GREY, LINE, box, line, text

WIDTH, LEFT, RIGHT = 960, 70, 24
MS = 1000


@dataclass(frozen=True, slots=True)
class Axes:
    """From ms and values to places in a frame; right: room for texts beside it."""

    start_ms: int
    end_ms: int
    low: float
    high: float
    top: float
    bottom: float
    right: float = RIGHT

    def x(self, at_ms: float) -> float:
        """Pixels from the left, kept inside the frame."""
        share = (at_ms - self.start_ms) / max(1, self.end_ms - self.start_ms)
        return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - self.right)

    def y(self, value: float) -> float:
        """Pixels from the top, kept inside the frame."""
        place = self.top + (self.high - value) / ((self.high - self.low) or 1.0) * (self.bottom - self.top)
        return min(max(place, self.top), self.bottom)

    def values(self) -> Iterable[str]:
        """Lines at round values, with their numbers."""
        step = nice(((self.high - self.low) or 1.0) / max(2.0, (self.bottom - self.top) / 45))
        digits = max(0, -math.floor(math.log10(step)))
        at = math.ceil(self.low / step) * step
        while at <= self.high:
            y = self.y(at)
            yield line(LEFT, y, WIDTH - self.right, y, "#e3e7eb", 1)
            yield text(LEFT - 8, y + 4, f"{at:.{digits}f}", size=12, anchor="end", fill=GREY)
            at += step

    def times(self, zone: ZoneInfo) -> Iterable[str]:
        """Lines at round local times, with the time below; the day where it changes."""
        span_s = max(1.0, (self.end_ms - self.start_ms) / MS)
        every = next((one for one in STEPS_S if span_s / one <= 9), STEPS_S[-1])
        shown = "%m-%d" if every >= 86_400 else "%H:%M:%S" if every < 60 else "%H:%M"
        local = datetime.fromtimestamp(self.start_ms // MS, zone)
        offset = local.utcoffset()
        shift = 0.0 if offset is None else offset.total_seconds()
        at = math.ceil((self.start_ms / MS + shift) / every) * every - shift
        while at <= self.end_ms / MS:
            x = self.x(at * MS)
            yield line(x, self.top, x, self.bottom, "#eef1f4", 1)
            stamp = datetime.fromtimestamp(at, zone).strftime(shown)
            yield text(x, self.bottom + 17, stamp, size=12, anchor="middle", fill=GREY)
            at += every

    def frame(self) -> str:
        """A thin line around it."""
        width, height = WIDTH - LEFT - self.right, self.bottom - self.top
        place = f'x="{LEFT}" y="{self.top:.1f}" width="{width:.1f}" height="{height:.1f}"'
        return f'<rect {place} fill="none" stroke="#9aa4ae"/>'


def bounds(values: Iterable[float | None]) -> tuple[float, float] | None:
    """Lowest and highest with a little room; None of nothing."""
    known = [one for one in values if one is not None and math.isfinite(one)]
    if not known:
        return None
    low, high = min(known), max(known)
    room = (high - low) * 0.08 or max(abs(high) * 0.02, 0.5)
    return low - room, high + room


def document(height: float, body: Iterable[str]) -> str:
    """An SVG document of `WIDTH` and a height."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" font-family="{FONT}">'
    return "\n".join([head, box(0, 0, WIDTH, height, "#ffffff", 1), *body, "</svg>"])


def polyline(points: Sequence[tuple[float, float]], colour: str = LINE, width: float = 1.6, dash: str = "") -> str:
    """A line through points."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    style = f'fill="none" stroke="{colour}" stroke-width="{width:g}" stroke-linejoin="round"{dashed}'
    return f'<polyline points="{places}" {style}/>'


def area(points: Sequence[tuple[float, float]], colour: str, opacity: float) -> str:
    """A filled outline."""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polygon points="{places}" fill="{colour}" opacity="{opacity:g}"/>'
