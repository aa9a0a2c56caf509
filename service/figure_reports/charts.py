"""The control charts of a shift: however many points they have, counted over all of them and shown by the newest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from andon.outputs import Figure
from service.calibrations import Calibrations
from service.figure_reports.shared import Sources, figure_json, instrument

MOST_POINTS = 400  # of a chart that are shown
Json = dict[str, Any]


@dataclass(slots=True)
class Charts:
    """told: each chart in order of name, "all" and "signals" over every point. measured: figures to tell instruments.

    measured holds, in order of time, the newest point of each way in which an instrument stood: `measured_json` tells
    the same of them as of all points.
    """

    told: list[Json]
    measured: list[Figure]


@dataclass(slots=True)
class _Chart:
    newest: list[Figure] = field(default_factory=list)  # newest first
    points: int = 0
    signals: int = 0


def charts_of(sources: Sources, asset: str, start_ns: int, end_ns: int, certificates: Calibrations) -> Charts:
    """Charts of an asset with a point that overlaps [start_ns, end_ns); a page of points is in memory at a time."""
    charts: dict[str, _Chart] = {}
    instruments: dict[object, Figure] = {}
    for one in sources.newest_first("spc", start_ns, end_ns, asset):
        chart = charts.setdefault(one.tag, _Chart())
        chart.points += 1
        chart.signals += bool(one.parts.get("signal"))
        if len(chart.newest) < MOST_POINTS:
            chart.newest.append(one)
        for instrument_then in certificates.measured(one):
            instruments.setdefault(instrument(instrument_then), one)
    capability = _capability(sources, asset, start_ns, end_ns) if charts else {}
    told = [
        {
            "chart": name, "points": [figure_json(one) for one in reversed(chart.newest)], "all": chart.points,
            "signals": chart.signals,
            "capability": figure_json(capability[name]) if name in capability else None,
        }
        for name, chart in sorted(charts.items())
    ]  # fmt: skip
    measured = {(one.start_ns, one.tag): one for one in instruments.values()}
    return Charts(told, [one for _, one in sorted(measured.items())])


def _capability(sources: Sources, asset: str, start_ns: int, end_ns: int) -> dict[str, Figure]:
    """The capability of each chart that ended last."""
    newest: dict[str, Figure] = {}
    for one in sources.newest_first("capability", start_ns, end_ns, asset):
        if one.tag not in newest or one.end_ns > newest[one.tag].end_ns:
            newest[one.tag] = one
    return newest
