"""Vectors of statistical process control, bound to the code that charts run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from andon.readings import NS_PER_S
from operators.box_cox import box_cox, box_cox_exponent
from operators.capability import Specification, cp_interval, cpk_interval, indices
from operators.machines import Inputs, Made
from operators.run_length import (
    arl_cusum,
    arl_ewma,
    arl_nelson,
    arl_run_same_side,
    arl_shewhart,
    arl_western_electric,
)
from operators.run_rules import BITS
from operators.spc import deviation_lines, ewma_lines, mean_lines, range_lines
from operators.spc_chart import ChartPlan
from operators.spc_constants import factors
from operators.spc_feed import Wiring
from operators.spc_machines import ChartMachine
from operators.spc_phase_one import Known
from operators.spc_subgroups import COUNT, Cutting
from service.qualify.binding import Binding, Given, defined

MACHINE = "operators.spc_machines.ChartMachine"
GAP_NS = 3 * NS_PER_S // 2  # a value that is missing parts its neighbours


def _charted(plan: ChartPlan, x: list[float | None], rows: int) -> list[Made]:
    """What the chart says of single values, a second apart, rows a step; of a missing one (None, NaN) nothing."""
    machine = ChartMachine(Wiring("x", plan, Cutting(COUNT, 1.0, by_inspected=False, length_ns=1, gap_ns=GAP_NS)), 0)
    made: list[Made] = []
    every = np.array(x, np.float64)
    for begin in range(0, len(x), rows):
        (there,) = np.nonzero(np.isfinite(every[begin : begin + rows]))
        n, place = len(there), begin + there
        step = Inputs(place * NS_PER_S, np.zeros(n, np.int32), every[place], np.zeros(n, np.uint8))
        made += machine.step(step, (begin + min(rows, len(x) - begin)) * NS_PER_S)
    return made


def _places(x: list[float | None]) -> list[int]:
    """1-based places of the values that are there: those the chart speaks of."""
    return [place for place, one in enumerate(x, 1) if one is not None and math.isfinite(one)]


def _known(given: Given, centre: str = "mu") -> tuple[Known, ...]:
    return (Known("given", float(given.get(centre, 0.0)), float(given.get("sigma", 1.0))),)


def _imr(given: Given, rows: int) -> Any:
    """Limits of phase I over all values; what a further value is judged by."""
    x = given["x"]
    known = _places(x)
    if not known:
        return dict.fromkeys(("mean", "mrbar", "UCL", "LCL", "MR_UCL", "MR_LCL", "sigma"))
    last = x[known[-1] - 1]
    made = _charted(ChartPlan("imr", phase_one=len(known)), [*x, last, last], rows)
    lines = made[-1].parts
    spread = lines["spread_centre"]
    return {
        "mean": lines["centre"], "mrbar": spread, "UCL": lines["upper"], "LCL": lines["lower"],
        "MR_UCL": lines["spread_upper"], "MR_LCL": lines["spread_lower"],
        "sigma": None if spread is None else spread / factors(2).d2,
    }  # fmt: skip


def _ewma(given: Given, rows: int) -> Any:
    plan = ChartPlan("ewma", lam=given["lam"], limits=_known(given, "z0"))
    return [one.parts["value"] for one in _charted(plan, given["x"], rows)]


def _ewma_first(given: Given, rows: int) -> Any:
    """1-based place of the first signal with exact limits; None: there is none."""
    plan = ChartPlan("ewma", lam=given["lam"], width=given["L"], exact=True, limits=_known(given))
    return _first(_charted(plan, given["x"], rows))


def _first(made: list[Made]) -> int | None:
    return next((place for place, one in enumerate(made, 1) if one.parts["signal"]), None)


def _ewma_limits(given: Given) -> Any:
    points = given.get("t")
    lines = ewma_lines(given["mu"], given["sigma"], given["lam"], given["L"], points)
    return [lines.lower, lines.upper]


def _cusum(given: Given, rows: int) -> Any:
    plan = ChartPlan("cusum", k=given["k"], h=given["h"], head_start=given.get("hs", 0.0), limits=_known(given))
    made = _charted(plan, given["x"], rows)
    first = _first(made)
    parts: Mapping[str, float | None] = made[first - 1].parts if first else {}
    return {
        "first_alarm": first, "c_plus_at_alarm": parts.get("c_plus"), "c_minus_at_alarm": parts.get("c_minus"),
        "n_plus": parts.get("n_plus"), "n_minus": parts.get("n_minus"),
        "c_plus": [one.parts["c_plus"] for one in made], "c_minus": [one.parts["c_minus"] for one in made],
    }  # fmt: skip


def _xbar_r(given: Given) -> Any:
    n = given["n"]
    sigma = given["rbar"] / factors(n).d2
    mean, spread = mean_lines(given["xbb"], sigma, n), range_lines(sigma, n)
    return {
        "UCL": mean.upper, "LCL": mean.lower, "R_UCL": spread.upper, "R_LCL": spread.lower, "sigma": sigma,
        "centre": mean.centre, "R_centre": spread.centre,
    }  # fmt: skip


def _xbar_s(given: Given) -> Any:
    n = given["n"]
    sigma = given["sbar"] / factors(n).c4
    mean, spread = mean_lines(given["xbb"], sigma, n), deviation_lines(sigma, n)
    return {
        "UCL": mean.upper, "LCL": mean.lower, "S_UCL": spread.upper, "S_LCL": spread.lower, "sigma": sigma,
        "centre": mean.centre, "S_centre": spread.centre,
    }  # fmt: skip


def _constants(given: Given) -> Any:
    return factors(given["n"]).by_name()


def _mr_const(given: Given) -> Any:
    known = factors(int(given.get("n", 2)))
    return {"E2": 3.0 / known.d2, "D3": known.D3, "D4": known.D4, "d2": known.d2, "d3": known.d3}


def _rules(prefix: str) -> Binding:
    chosen = tuple(name for name in BITS if name.startswith(prefix))

    def run(given: Given, rows: int) -> Any:
        made = _charted(ChartPlan("imr", chosen, limits=(Known("given", 0.0, 1.0),)), given["z"], rows)
        return {
            name.removeprefix(prefix): [
                place for place, one in zip(_places(given["z"]), made, strict=True) if one.parts[name]
            ]
            for name in chosen
        }  # fmt: skip

    return Binding(MACHINE, batches=run)


def _capability(given: Given) -> Any:
    spec = Specification(given.get("lsl"), given.get("usl"), given.get("target"))
    mean, within, overall = given.get("mean"), given.get("s"), given.get("s_overall")
    if "x" in given:
        value = np.array(given["x"], np.float64)
        mean = float(value.mean()) if mean is None else mean
        overall = float(value.std(ddof=1)) if overall is None and len(value) > 1 else overall
    overall = within if overall is None else overall
    within = overall if within is None else within
    middle = math.nan if mean is None else float(mean)
    could, did = indices(spec, middle, within), indices(spec, middle, overall)
    return {
        "Cp": could.both, "Cpk": could.nearer, "Cpl": could.to_lower, "Cpu": could.to_upper,
        "Pp": did.both, "Ppk": did.nearer, "Ppl": did.to_lower, "Ppu": did.to_upper, "Cpm": did.to_target,
    }  # fmt: skip


def _box_cox(given: Given) -> Any:
    x, exponent = given["x"], given["lam"]
    return [box_cox(one, exponent) for one in x] if isinstance(x, list) else box_cox(x, exponent)


def _formula(name: str, call: Any) -> Binding:
    return Binding(f"operators.{name}", call=call)


#: Function of the vectors -> what runs it.
BINDINGS: Mapping[str, Binding] = {
    "imr": Binding(MACHINE, batches=_imr),
    "ewma": Binding(MACHINE, batches=_ewma),
    "ewma_first": Binding(MACHINE, batches=_ewma_first),
    "cusum": Binding(MACHINE, batches=_cusum),
    "nelson": _rules("nelson_"),
    "weco": _rules("we_"),
    "ewma_limits": _formula("spc.ewma_lines", _ewma_limits),
    "xbar_r": _formula("spc.mean_lines", partial(defined, _xbar_r)),
    "xbar_s": _formula("spc.mean_lines", partial(defined, _xbar_s)),
    "spc_const": _formula("spc_constants.factors", partial(defined, _constants)),
    "mr_const": _formula("spc_constants.factors", _mr_const),
    "arl_shewhart": _formula(
        "run_length.arl_shewhart", lambda given: arl_shewhart(given["L"], given.get("delta", 0.0), given.get("n", 1))
    ),
    "arl_ewma": _formula(
        "run_length.arl_ewma",
        lambda given: arl_ewma(given["lam"], given["L"], given.get("delta", 0.0), given.get("hs", 0.0)),
    ),
    "arl_cusum": _formula(
        "run_length.arl_cusum",
        lambda given: arl_cusum(
            given["k"], given["h"], given.get("delta", 0.0), sided=given.get("sided", 2), start=given.get("hs", 0.0)
        ),
    ),
    "arl_weco": _formula(
        "run_length.arl_western_electric",
        lambda given: arl_western_electric(given.get("rules", (1, 2, 3, 4)), given.get("delta", 0.0)),
    ),
    "arl_nelson": _formula(
        "run_length.arl_nelson", lambda given: arl_nelson(given["rules"], given.get("delta", 0.0))
    ),
    "arl_run_same_side": _formula(
        "run_length.arl_run_same_side", lambda given: arl_run_same_side(given["n"], given.get("delta", 0.0))
    ),
    "capability": _formula("capability.indices", _capability),
    "cp_ci": _formula(
        "capability.cp_interval", lambda given: cp_interval(given["cp"], given["n"], given.get("conf", 0.95))
    ),
    "cpk_ci": _formula(
        "capability.cpk_interval", lambda given: cpk_interval(given["cpk"], given["n"], given.get("conf", 0.95))
    ),
    "boxcox": _formula("box_cox.box_cox", _box_cox),
    "boxcox_mle": _formula("box_cox.box_cox_exponent", lambda given: box_cox_exponent(np.array(given["x"], float))),
}  # fmt: skip
