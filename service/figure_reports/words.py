"""Texts, times, lengths and numbers of a report, in the reader's language and the plant's time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from andon.figures import KINDS
from andon.i18n import catalogue, translate
from service.evidence.picture import symbol
from service.evidence.words import Hash, cell

MOST_ROWS = 60  # of a table; the file holds all
ROUNDING = 1e-9
Json = dict[str, Any]
UNITS = {"{items}": "", "1": "", "{series}": "", "Cel.min": "°C·min", "g/m3": "g/m³"}


class Words:
    """What the pictures and parts of a report are written with."""

    def __init__(self, language: str, zone: ZoneInfo) -> None:
        self.language, self.zone = language, zone
        self._texts = catalogue(language)

    def say(self, code: str, **params: object) -> str:
        """A sentence of the report."""
        return translate(f"report.text.{code}", self.language, **params)

    def known(self, kind: str, value: object) -> str:
        """The word for a value of the product's own (a state, a priority); the value where there is none."""
        return self._texts.get(f"{kind}.{value}", "-" if value is None else str(value))

    def part(self, kind: str, name: str) -> str:
        """What people call a figure's part."""
        return self._texts.get(f"figure.{kind}.{name}", name)

    def time(self, at_ms: int | None) -> str:
        """Plant time with its offset, to the second; a dash for none."""
        return "-" if at_ms is None else datetime.fromtimestamp(at_ms // 1000, self.zone).isoformat(sep=" ")

    def clock(self, at_ms: int | None) -> str:
        """Day and time, shorter."""
        return "-" if at_ms is None else datetime.fromtimestamp(at_ms // 1000, self.zone).strftime("%m-%d %H:%M:%S")

    def length(self, seconds: float | None) -> str:
        """A time as hours, minutes, seconds.

        >>> Words("en", ZoneInfo("UTC")).length(-3725.0)
        '-1:02:05'
        """
        if seconds is None:
            return "-"
        whole = round(abs(seconds))
        return f"{'-' if seconds < 0 else ''}{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"

    def number(self, value: float | None, digits: int = 5) -> str:
        """A number, a dash for none; what is left of rounding is 0."""
        if value is not None and abs(value) < ROUNDING:
            return "0"
        return "-" if value is None else f"{value:.{digits}g}"

    def percent(self, value: float | None) -> str:
        """A share, a dash for none."""
        return "-" if value is None else f"{value:.1%}"

    def verdict(self, value: float | None) -> str:
        """A sign and a word for 1, 0 and None."""
        return self.say({1.0: "passed", 0.0: "failed", None: "undecided"}[value])

    def value(self, kind: str, name: str, value: float | None) -> str:
        """A part of a figure with its unit: times in s as h:mm:ss."""
        unit = next((one.unit for one in KINDS[kind].parts if one.name == name), "1")
        if unit == "s":
            return self.length(value)
        shown = UNITS.get(unit, symbol(unit))
        return self.number(value) + (f" {shown}" if shown and value is not None else "")

    def facts(self, title: str, rows: Iterable[tuple[str, object]], note: str = "") -> Json:
        """A part of names and values; names are texts already."""
        cells = [[cell(name), cell(value)] for name, value in rows]
        return {"title": title, "note": note, "head": [], "widths": [], "rows": cells, "picture": None, "level": 3}

    def table(self, title: str, head: Sequence[tuple[str, float]], rows: Sequence[Sequence[object]]) -> Json:
        """A part with columns (text, width); of too many rows the first ones."""
        note = self.say("nothing") if not rows else ""
        if len(rows) > MOST_ROWS:
            note, rows = self.say("cut", shown=MOST_ROWS, count=len(rows)), rows[:MOST_ROWS]
        return {
            "title": title, "note": note, "head": [name for name, _ in head], "widths": [width for _, width in head],
            "rows": [[cell(one) for one in row] for row in rows], "picture": None, "level": 3,
        }  # fmt: skip

    def picture(self, title: str, drawn: str | None, note: str = "") -> Json:
        """A part with a picture; without one a note that there is nothing to show."""
        told = note or ("" if drawn else self.say("nothing"))
        return {"title": title, "note": told, "head": [], "widths": [], "rows": [], "picture": drawn, "level": 3}

    def heading(self, title: str, note: str = "") -> Json:
        """The begin of a chapter."""
        return {"title": title, "note": note, "head": [], "widths": [], "rows": [], "picture": None, "level": 2}


__all__ = ["Hash", "Words"]
