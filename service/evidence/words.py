"""What the report says, in the reader's language and the plant's time, as the template takes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from andon.i18n import catalogue, translate
from andon.readings import NS_PER_S

MOST_ROWS = 40  # of a table; the file holds all
Json = dict[str, Any]


class Words:
    """Texts and times in the reader's language and the plant's time."""

    def __init__(self, language: str, zone: ZoneInfo) -> None:
        self._language, self._zone = language, zone

    def say(self, code: str, **params: object) -> str:
        """A sentence of the report."""
        return translate(f"evidence.report.{code}", self._language, **params)

    def known(self, kind: str, value: object) -> str:
        """The word for a value of the product's own (a state, a priority); the value where there is none."""
        return catalogue(self._language).get(f"evidence.{kind}.{value}", str(value))

    def time(self, time_ns: object) -> str:
        """Plant time with its offset, to the second; a dash for none."""
        if time_ns is None:
            return "-"
        return datetime.fromtimestamp(int(str(time_ns)) // NS_PER_S, self._zone).isoformat(sep=" ")

    def facts(self, title: str, rows: Iterable[tuple[str, object]], note: str = "") -> Json:
        """A part of names and values."""
        cells = [[cell(self.say(name)), cell(value)] for name, value in rows]
        return {"title": self.say(title), "note": note, "head": [], "widths": [], "rows": cells}

    def table(self, title: str, head: Sequence[tuple[str, float]], rows: Sequence[Sequence[object]]) -> Json:
        """A part with columns of given widths; of too many rows the first and the last."""
        note = self.say("nothing") if not rows else ""
        if len(rows) > MOST_ROWS:
            note = self.say("cut", shown=MOST_ROWS, count=len(rows))
            rows = [*rows[: MOST_ROWS // 2], *rows[-MOST_ROWS // 2 :]]
        return {
            "title": self.say(title), "note": note, "head": [self.say(name) for name, _ in head],
            "widths": [width for _, width in head], "rows": [[cell(one) for one in row] for row in rows],
        }  # fmt: skip


class Hash(str):
    """A text in type of one width, that may be broken anywhere."""

    __slots__ = ()


def cell(value: object) -> Json:
    """A value as the template takes it."""
    shown = "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return {"text": shown, "mono": isinstance(value, Hash)}
