"""[[window]] and [[shift]]: windows beside the base windows, for the series that ask for them."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import Field

from andon.config.base import Section, Slug
from andon.config.calendar import WEEKDAYS, Break, LocalTime, Weekday

PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?)")
MOMENTS = ("count", "min", "max", "mean", "std", "first", "last")
HELD = ("time_weighted_mean", "integral", "covered_s")
COUNTED = ("increase", "rate")
STATISTICS = (*MOMENTS, *HELD, *COUNTED)
#: What a window may hold of each kind of series; percentiles too where "percentiles" stands.
ALLOWED = {
    "number": (*MOMENTS, *HELD, "rate", "percentiles"),
    "counter": (*MOMENTS, *HELD, *COUNTED),
    "boolean": (*MOMENTS, *HELD),
    "state": ("count", "first", "last", "covered_s"),
}
NEEDED = {
    "tumbling": ("size_s",), "hopping": ("size_s", "hop_s"), "session": ("gap_s",), "calendar": ("calendar",),
}  # fmt: skip
SHAPES = ("size_s", "hop_s", "gap_s", "calendar")
CALENDAR_LONGEST_S = {"hour": 3_600, "shift": 90_000, "day": 90_000, "week": 608_400, "month": 2_682_000}
DEFAULT_KINDS = ("number", "counter")  # what a template alone selects
MOST_AT_ONCE = 120  # hopping windows that are open at the same time


def quantile(statistic: str) -> float | None:
    """The rank, 0..1, that a percentile's name asks for; None for any other name.

    >>> quantile("p99.5"), quantile("mean")
    (0.995, None)
    """
    found = PERCENTILE.fullmatch(statistic)
    return float(found[1]) / 100.0 if found else None


LONGEST_S = 31_622_400.0  # a leap year


class Shift(Section):
    """[[shift]]: one shift of the day; it lasts until the next one begins."""

    name: Slug = Field(description="Shown to people.")
    begins: LocalTime = Field(description="Local time of the site, HH:MM; on the night of a clock change the shift "
                              "is an hour longer or shorter.")  # fmt: skip
    ends: LocalTime | None = Field(
        None, description="Local time, HH:MM; not later than begins: of the next day. None: when the next one begins. "
        "OEE counts time outside all shifts as planned down; calendar windows last until the next one begins.",
    )  # fmt: skip
    weekdays: tuple[Weekday, ...] = Field(WEEKDAYS, description="Days on which it begins: mon, tue, wed, thu, fri, "
                                          "sat, sun. Others are planned down time of OEE.")  # fmt: skip
    breaks: tuple[Break, ...] = Field((), description="Planned pauses.")


class DeclaredWindow(Section):
    """[[window]]: a window beside those of [windows], on the series that match `on` and `template`."""

    id: Slug = Field(description="Names the window in history, InfluxDB and messages; renaming it starts a new one.")
    on: str | None = Field(None, description="Glob over asset-path/tag; must match a series. One of on, template.")
    template: Slug | None = Field(
        None, description="Name of a [[template]]: its numbers and counters; with `on`, those that match both."
    )
    kind: Literal["tumbling", "hopping", "session", "calendar"] = Field(
        description="tumbling: one after the other. hopping: overlapping. session: from the first row to a silence. "
        "calendar: of the site's local time."
    )
    size_s: float | None = Field(
        None, gt=0, le=LONGEST_S, description="tumbling, hopping: length, s; a multiple of windows.pane_s."
    )
    hop_s: float | None = Field(
        None, gt=0, le=LONGEST_S, description="hopping: one begins every so many s; a multiple of windows.pane_s, at "
        "most size_s; at most 120 are open at once.",
    )  # fmt: skip
    gap_s: float | None = Field(
        None, ge=0.001, le=LONGEST_S, description="session: it ends after a silence of so many s."
    )
    max_s: float | None = Field(
        None, ge=0.001, le=LONGEST_S, description="session: it ends after so many s at the latest; 86,400 if not given."
    )
    calendar: Literal["hour", "day", "week", "month", "shift"] | None = Field(
        None, description="calendar: which. A day after a clock change has 23 or 25 hours; weeks begin on Monday; "
        "shift: the [[shift]] list. windows.pane_s divides a minute.",
    )  # fmt: skip
    statistics: tuple[str, ...] = Field(
        ("count", "min", "max", "mean"),
        description=f"What it holds: {', '.join(STATISTICS)}, and percentiles as p50 or p99.5. The count always.",
    )

    def selects(self, path: str, template: str, kind: str) -> bool:
        """Whether it is on the series asset/tag of a template and kind."""
        if kind == "waveform" or self.template not in (None, template):  # its figures are series of their own
            return False
        return kind in DEFAULT_KINDS if self.on is None else fnmatchcase(path, self.on)

    @property
    def most_s(self) -> float:
        """How long a session may last, s."""
        return 86_400.0 if self.max_s is None else self.max_s

    @property
    def longest_s(self) -> float:
        """The most that it can last, s."""
        if self.kind == "session":
            return self.most_s + (self.gap_s or 0.0)
        return self.size_s or (float(CALENDAR_LONGEST_S[self.calendar]) if self.calendar else 0.0)
