"""The control charts that the configuration asks for, as machines."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import datetime

from andon.config.spc import Chart, ControlLimits
from andon.plant import PlantModel, SeriesSpec
from andon.readings import NS_PER_S
from operators.box_cox import box_cox
from operators.capability import Specification
from operators.machines import Bounds, Machine, MachineSpec
from operators.spc_chart import ChartPlan
from operators.spc_feed import Wiring
from operators.spc_machines import CapabilityMachine, ChartMachine
from operators.spc_phase_one import Known
from operators.spc_subgroups import COUNT, EVENT, TIME, Cutting

ALGORITHM = "1"  # a new number starts every chart anew
GAP_INTERVALS = 3  # as for every other figure
REACH_NS = 86_400 * NS_PER_S  # of journal before a begin, from which runs, sums and counters go on
EWMA_WIDTH = 2.962  # with weight 0.2: one false signal in 500 (Lucas & Saccucci, Technometrics 32 (1990) 1)
MODES = {"count": COUNT, "time": TIME, "event": EVENT}


def specs(plant: PlantModel, asset: str) -> list[MachineSpec]:
    """A chart of each [[template.chart]], and its capability where a specification is given."""
    found = []
    for chart in plant.template_of(asset).chart:
        limits = [one for one in plant.config.control_limits if (one.asset, one.chart) == (asset, chart.place)]
        tags = [tag for tag in (chart.inspected, chart.tag) if tag is not None]
        series = [plant.series[asset, tag] for tag in tags]
        wired = wiring(chart, limits, series)
        told = {
            "algorithm": ALGORITHM, "chart": chart.model_dump(mode="json"),
            "limits": [one.model_dump(mode="json") for one in limits], "gap_ns": wired.cutting.gap_ns,
            "counters": list(wired.counters),
        }  # fmt: skip
        version = json.dumps(told, sort_keys=True)
        paths = tuple((asset, tag) for tag in tags)
        found.append(MachineSpec("spc", asset, chart.place, paths, version, _charts(wired), REACH_NS, events=True))
        if chart.has_specification:
            make = _capabilities(wired, specification(chart))
            found.append(MachineSpec("capability", asset, chart.place, paths, version, make, REACH_NS, events=True))
    return found


def _charts(wired: Wiring) -> Callable[[int, Bounds], Machine]:
    def make(begin_ns: int, bounds: Bounds) -> Machine:
        del bounds  # a subgroup ends by itself
        return ChartMachine(wired, begin_ns)

    return make


def _capabilities(wired: Wiring, spec: Specification) -> Callable[[int, Bounds], Machine]:
    def make(begin_ns: int, bounds: Bounds) -> Machine:
        return CapabilityMachine(wired, spec, begin_ns, bounds)

    return make


def specification(chart: Chart) -> Specification:
    """On the scale of what is charted."""
    return Specification(
        _scaled(chart, chart.lower_spec), _scaled(chart, chart.upper_spec), _scaled(chart, chart.target)
    )


def _scaled(chart: Chart, value: float | None) -> float | None:
    return value if value is None or chart.box_cox is None else box_cox(value, chart.box_cox)


def wiring(chart: Chart, limits: list[ControlLimits], series: list[SeriesSpec]) -> Wiring:
    """series: those of the inputs, the value's last."""
    spec = specification(chart)
    gap_s = max(GAP_INTERVALS * one.every_s for one in series) if chart.gap_s is None else chart.gap_s
    cutting = Cutting(
        MODES[chart.subgroup], float(chart.size), by_inspected=len(series) > 1 and series[-1].kind == "counter",
        length_ns=round((chart.every_s or 0.0) * NS_PER_S), gap_ns=round(gap_s * NS_PER_S),
        lower=-math.inf if spec.lower is None else spec.lower, upper=math.inf if spec.upper is None else spec.upper,
    )  # fmt: skip
    width = chart.width or (EWMA_WIDTH if chart.kind == "ewma" else 3.0)
    plan = ChartPlan(
        chart.kind, chart.rules, width, chart.weight, chart.exact_limits, chart.reference, chart.decision,
        chart.head_start, chart.phase_one, chart.exclude_beyond, chart.residuals, tuple(map(_known, limits)),
    )  # fmt: skip
    counters = tuple((one.modulus or 0.0) if one.kind == "counter" else None for one in series)
    return Wiring(chart.place, plan, cutting, counters, chart.items or 0.0, chart.event or "", chart.box_cox)


def _known(limits: ControlLimits) -> Known:
    from_ns = round(datetime.fromisoformat(limits.valid_from).timestamp()) * NS_PER_S
    return Known(limits.version, limits.centre, limits.sigma, limits.phi, limits.product, from_ns)
