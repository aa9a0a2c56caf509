"""What an anomaly adds to its alarm's picture: the normal band, since when it is unusual, the row that says most."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from andon.i18n import translate
from andon.readings import NS_PER_S
from andon.similar import stamp
from service.evidence.svg import AMBER, GREEN, GREY, box, line, ring, text

Frame = tuple[float, float, float, float]  # left, top, right and bottom of the plot, px


class Axes(Protocol):
    """From time and value to places."""

    @property
    def start_ns(self) -> int:
        """Where the picture begins."""

    @property
    def end_ns(self) -> int:
        """Where it ends."""

    def x(self, time_ns: float) -> float:
        """Pixels from the left."""

    def y(self, value: float) -> float:
        """Pixels from the top."""


@dataclass(frozen=True, slots=True)
class Unusual:
    """value was read at at_ns, where the component calls expected, give or take spread, normal; None: not known."""

    value: float | None
    expected: float | None
    spread: float | None
    since_ns: int | None
    at_ns: int | None

    @property
    def band(self) -> tuple[float, float] | None:
        """Lowest and highest normal value; None where the component names none."""
        if self.expected is None or self.spread is None or self.spread < 0.0:
            return None
        return self.expected - self.spread, self.expected + self.spread

    @property
    def values(self) -> list[float]:
        """What the picture has to have room for."""
        return [*(self.band or ()), *([] if self.value is None else [self.value])]


def unusual_of(alarm: Mapping[str, Any]) -> Unusual | None:
    """What an anomaly alarm's evidence tells; None for other alarms, and where it names no component."""
    told = alarm["evidence"]
    if alarm["condition"] != "anomaly" or not told.get("component"):
        return None
    value, expected, spread = (_number(told.get(name)) for name in ("value", "expected", "spread"))
    return Unusual(value, expected, spread, stamp(told.get("since_ns")), stamp(told.get("at_ns")))


def band(axes: Axes, unusual: Unusual, frame: Frame, language: str) -> Iterable[str]:
    """The normal band over the whole width, its middle, and its numbers at the right."""
    if unusual.band is None:
        return
    left, _, right, _ = frame
    low, high = (axes.y(one) for one in unusual.band)
    yield box(left, high, right - left, max(2.0, low - high), GREEN, 0.16)
    middle = axes.y(unusual.expected or 0.0)
    yield line(left, middle, right, middle, GREEN, 1.2, dash="2 3")
    told = f"{unusual.expected:.6g} ± {unusual.spread:.3g}"
    yield text(right + 6, middle + 4, translate("evidence.picture.band", language, value=told), size=11, fill=GREEN)


def marks(axes: Axes, unusual: Unusual, frame: Frame, zone: ZoneInfo, language: str) -> Iterable[str]:
    """A line where it began to be unusual, at the left edge with its time where that is before; a ring at the row."""
    left, top, _, bottom = frame
    if unusual.since_ns is not None:
        before = unusual.since_ns < axes.start_ns
        at = datetime.fromtimestamp(unusual.since_ns // NS_PER_S, zone).strftime("%m-%d %H:%M:%S")
        told = translate("evidence.picture.since_before" if before else "evidence.picture.since", language, time=at)
        x = left if before else axes.x(unusual.since_ns)
        yield line(x, top, x, bottom, GREY, 1.4, dash="3 3")
        yield text(x + 4, bottom - 6, told, size=12, fill=GREY)
    if unusual.at_ns is not None and unusual.value is not None and axes.start_ns <= unusual.at_ns <= axes.end_ns:
        x, y = axes.x(unusual.at_ns), axes.y(unusual.value)
        yield ring(x, y)
        below = y + 18 if y < bottom - 60 else y - 10
        yield text(x + 8, below, translate("evidence.picture.most", language), size=12, fill=AMBER)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
