"""Declared windows between the configuration, the operator that computes them and the rows that writers take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from andon.calendars import Calendar
from andon.config.declared import ALLOWED, HELD, STATISTICS, DeclaredWindow, quantile
from andon.outputs import SpanRows
from andon.plant import PlantModel, SeriesSpec
from andon.readings import F64, I32, NS_PER_S
from operators.spans import Member, SpanSpec

GAP_INTERVALS = 3  # a value stands for so many expected intervals, as in the figures
PLAIN = ("min", "max", "mean", "std", "first", "last", *HELD, "increase", "rate")
Found = NDArray[Any]  # of operators.spans_kernel.OUT


def statistics_of(plant: PlantModel) -> tuple[str, ...]:
    """Columns of every window of a plant: the plain ones, then the declared percentiles by rank. Count stands apart."""
    asked = {name for window in plant.config.window for name in window.statistics}
    ranks = sorted((rank, name) for name in asked - set(STATISTICS) if (rank := quantile(name)) is not None)
    return (*PLAIN, *(name for _, name in ranks))


def statistics_for(window: DeclaredWindow, kind: str) -> tuple[str, ...]:
    """What a window holds of a series of this kind."""
    return tuple(name for name in window.statistics if (name if name in STATISTICS else "percentiles") in ALLOWED[kind])


class SpanShapes:
    """The declared windows of a plant as the operator takes them; calendars are shared."""

    def __init__(self, plant: PlantModel) -> None:
        self._plant = plant
        self._calendars: dict[str, Calendar] = {}

    def member(self, spec: SeriesSpec) -> tuple[Member, list[DeclaredWindow]] | None:
        """A series as a member of the operator, with its windows; None where none is declared."""
        windows = self._plant.windows_for(spec)
        if not windows:
            return None
        shapes = tuple(self._shape(window, spec.kind) for window in windows)
        hold_ns = round(GAP_INTERVALS * spec.every_s * NS_PER_S)
        return Member(hold_ns, spec.kind == "counter", spec.modulus, shapes), windows

    def _shape(self, window: DeclaredWindow, kind: str) -> SpanSpec:
        names = statistics_for(window, kind)
        return SpanSpec(
            kind=window.kind,
            size_ns=_ns(window.size_s),
            hop_ns=_ns(window.hop_s),
            gap_ns=_ns(window.gap_s),
            max_ns=_ns(window.most_s),
            calendar=self._calendar(window.calendar) if window.calendar else None,
            holds=any(name in HELD for name in names),
            ranks=tuple(rank for name in names if (rank := quantile(name)) is not None),
        )

    def _calendar(self, name: Any) -> Calendar:
        if name not in self._calendars:
            begins = [one.begins.split(":") for one in self._plant.config.shift]
            shifts = [60 * int(hour) + int(minute) for hour, minute in begins]
            self._calendars[name] = Calendar(name, self._plant.config.site.timezone, shifts)
        return self._calendars[name]


def _ns(seconds: float | None) -> int:
    return round((seconds or 0.0) * NS_PER_S)


def plain_columns(found: Found, counter: NDArray[np.bool_]) -> dict[str, F64]:
    """Every statistic but the percentiles of `OUT` records, float64[n]; counter: whether the series is one, bool[n]."""
    with np.errstate(divide="ignore", invalid="ignore"):
        held_s = found["held_ns"] / NS_PER_S
        between_s = (found["last_ns"] - found["first_ns"]) / NS_PER_S
        slope = np.where(between_s > 0, (found["last"] - found["first"]) / between_s, np.nan)
        increase = np.where(found["deltas"] > 0, found["increase"], np.nan)
        counted = increase / ((found["end_ns"] - found["start_ns"]) / NS_PER_S)
        return {
            "min": found["minimum"], "max": found["maximum"], "mean": found["mean"],
            "std": np.where(found["count"] > 0, np.sqrt(np.maximum(found["m2"], 0.0) / found["count"]), np.nan),
            "first": found["first"], "last": found["last"],
            "time_weighted_mean": np.where(held_s > 0, found["held_mean"], np.nan),
            "integral": np.where(held_s > 0, found["held_mean"] * held_s, np.nan), "covered_s": held_s,
            "increase": increase, "rate": np.where(counter, counted, slope),
        }  # fmt: skip


def span_rows(
    found: Found,
    percentiles: Sequence[Sequence[float]],
    revision: I32,
    *,
    series: I32,
    windows: Sequence[Sequence[str]],
    counter: NDArray[np.bool_],
    statistics: tuple[str, ...],
) -> SpanRows:
    """`OUT` records as the rows that writers take.

    percentiles: of each row, those of its window in their order. windows: of each row, id of its window, then the
    statistics it declares. A window that a late row took away has a count of 0 and no statistic.
    """
    plain = plain_columns(found, counter)
    values = np.full((len(found), len(statistics)), np.nan)
    alike: dict[tuple[str, ...], list[int]] = {}
    for row, window in enumerate(windows):
        alike.setdefault(tuple(window[1:]), []).append(row)
    for declared, rows in alike.items():
        place = 0
        for name in declared:
            if name in plain:
                values[rows, statistics.index(name)] = plain[name][rows]
            elif name != "count":
                told = [percentiles[row][place] if percentiles[row] else np.nan for row in rows]
                values[rows, statistics.index(name)] = told
                place += 1
    values[(found["count"] == 0) & (found["held_ns"] == 0)] = np.nan
    return SpanRows(
        series=series,
        window=tuple(window[0] for window in windows),
        start_ns=np.ascontiguousarray(found["start_ns"]),
        end_ns=np.ascontiguousarray(found["end_ns"]),
        revision=revision,
        count=np.ascontiguousarray(found["count"]),
        statistics=statistics,
        values=values,
    )
