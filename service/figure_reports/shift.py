"""The report of a shift: what its time and its items went into, of one machine or of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from andon.outputs import Figure
from andon.readings import NS_PER_S
from operators.iso22400 import all_kpis
from operators.losses import loss_tree, pareto
from operators.oee_setup import setup_of
from operators.reliability import of_parts
from operators.time_model import CATEGORIES
from operators.topology import added, levels
from service.calibrations import Calibrations
from service.figure_reports.charts import charts_of
from service.figure_reports.document import Document, ReportError, document
from service.figure_reports.shared import Sources, alarms_json, figure_json, measured_json, rows_json, site_json
from service.figure_reports.spans import Shift, shift_of
from service.report_figures import Parts, shift_parts, shift_windows
from service.web.plant_view import state_name
from service.web.room import ms

MOST_ASSETS = 40
Json = dict[str, Any]


def shift_report(sources: Sources, day: str, name: str = "", below: str = "") -> Document:
    """A shift of the machines with an OEE, a chart or a maintenance plan at or below a path; all without one.

    Raises ReportError: no such day, shift or machine; too many machines for one report.
    """
    shift = shift_of(sources.room.plant, day, name)
    assets = _assets(sources, below)
    certificates = sources.calibrations()
    rows = rows_json(sources, assets, shift.start_ns, shift.end_ns)
    windows = {asset: shift_windows(sources.figures, asset, shift.start_ns, shift.end_ns) for asset in assets}
    upto_ns = min(shift.end_ns, sources.as_of_ns or sources.room.now_ns())
    sums = {asset: shift_parts(mine, shift.start_ns, upto_ns) for asset, mine in windows.items() if mine}
    content = {
        "site": site_json(sources),
        "shift": {
            "day": shift.day, "name": shift.name, "start_ms": ms(shift.start_ns), "end_ms": ms(shift.end_ns),
            "planned_s": shift.planned_s,
        },
        "below": below,
        "assets": [
            {**_asset(sources, asset, shift, upto_ns, windows[asset], certificates), "rows": rows[asset],
             "oee": _oee(windows[asset], sums[asset]) if asset in sums else None}
            for asset in assets
        ],
        "levels": _levels(sources, sums),
    }  # fmt: skip
    return document("shift", "-".join(filter(None, (shift.subject, below))), content)


def _assets(sources: Sources, below: str) -> list[str]:
    plant = sources.room.plant
    mine = [asset for asset in plant.assets if not below or asset == below or asset.startswith(f"{below}/")]
    found = [asset for asset in mine if asset in plant.with_oee or plant.template_of(asset).chart]
    if not found:
        raise ReportError("report.no_asset", found=below[:200] or "-")
    if len(found) > MOST_ASSETS:
        raise ReportError("report.too_many", found=len(found), most=MOST_ASSETS)
    return found


def _asset(
    sources: Sources, asset: str, shift: Shift, upto_ns: int, windows: Sequence[Figure], certificates: Calibrations
) -> Json:
    stretch = (shift.start_ns, shift.end_ns)
    charts = charts_of(sources, asset, *stretch, certificates)
    return {
        "asset": asset, "name": sources.room.asset_name(asset),
        "products": _products(windows),
        "states": _states(sources, asset, shift.start_ns, upto_ns),
        "stops": _stops(sources, asset, shift),
        "charts": charts.told,
        "alarms": alarms_json(sources, asset, [stretch]),
        "measured": measured_json(certificates, [*windows, *charts.measured]),
    }  # fmt: skip


def _oee(windows: Sequence[Figure], parts: Parts) -> Json:
    """Sums of the shift and what follows from them. settled: no window runs and the whole shift has come."""
    reliability = of_parts(parts)
    return {
        "windows": len(windows), "settled": all(one.final for one in windows),
        "corrected": sum(one.revision > 1 for one in windows),
        "known_ms": ms(max((one.known_ns for one in windows), default=0) or None),
        "parts": dict(parts), "ratios": all_kpis(parts),
        "steps": [{"step": name, "seconds": value} for name, value in loss_tree(parts).items()],
        "mtbf_s": reliability.mtbf, "mttr_s": reliability.mttr,
        "causes": sorted({one.about["cause"] for one in windows if "cause" in one.about}),
    }  # fmt: skip


def _products(windows: Sequence[Figure]) -> list[Json]:
    """The same for each product and order, in order of their coming."""
    by_job: dict[tuple[str, str], list[Figure]] = {}
    for one in windows:
        by_job.setdefault((one.about.get("product", ""), one.about.get("order", "")), []).append(one)
    found = []
    for (product, order), mine in by_job.items():
        parts = added(one.parts for one in mine)
        found.append({
            "product": product, "order": order, "pq": parts.get("pq"), "gq": parts.get("gq"),
            "pbt_s": parts.get("pbt_s"), "OEE": all_kpis(parts)["OEE"],
        })  # fmt: skip
    return found


def _levels(sources: Sources, sums: Mapping[str, Parts]) -> list[Json]:
    """OEE of lines, areas and the site, by the bottleneck; of one machine alone nothing."""
    if len(sums) < 2:
        return []
    plant = sources.room.plant
    rolled = levels({asset: [parts] for asset, parts in sums.items()}, plant.bottlenecks, plant.line_cells)
    return [{"path": path, "ratios": all_kpis(one), "pq": one.get("pq"), "gq": one.get("gq")}
            for path, one in sorted(rolled.items())]  # fmt: skip


def _states(sources: Sources, asset: str, start_ns: int, upto_ns: int) -> list[Json]:
    """Stretches of the state series in [start_ns, upto_ns) with the category of time that each is of."""
    oee = sources.room.plant.oee_of(asset)
    if oee is None or upto_ns <= start_ns:
        return []
    spec, setup = sources.room.plant.series[asset, oee.state], setup_of(sources.room.plant, asset)
    changes = sources.history.states(asset, oee.state, start_ns, upto_ns)
    ends = [*changes, (upto_ns, None)]
    found: list[Json] = []
    for (since_ns, value), (end_ns, _) in pairwise(ends):
        begin_ns = max(since_ns, start_ns)
        place = -1 if value is None else int(np.searchsorted(setup.starts, value, "right")) - 1
        category = "unknown" if place < 0 else CATEGORIES[int(setup.categories[place])]
        if end_ns > begin_ns:
            found.append({
                "start_ms": ms(begin_ns), "end_ms": ms(end_ns), "state": state_name(spec, value), "category": category,
            })  # fmt: skip
    return found


def _stops(sources: Sources, asset: str, shift: Shift) -> Json:
    """Stops longer than a micro-stop, clipped to the shift, with their Pareto."""
    found = list(sources.newest_first("oee_stop", shift.start_ns, shift.end_ns, asset))[::-1]
    lengths = [
        (one.about.get("reason", ""), (min(one.end_ns, shift.end_ns) - max(one.start_ns, shift.start_ns)) / NS_PER_S)
        for one in found
    ]
    rows = [
        {"reason": reason, "seconds": time_s, "stops": number, "share": share}
        for reason, time_s, number, share in pareto(lengths)
    ]
    return {"pareto": rows, "rows": [figure_json(one) for one in found]}
