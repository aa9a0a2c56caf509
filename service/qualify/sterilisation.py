"""Vectors of sterilisation: the cycle's machine as the flow runs it, and the formulas behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from andon.readings import F64, I32, I64, NS_PER_S
from operators import eo, lethality, steam
from operators import sterilisation_layout as k
from operators.machines import Inputs, Made
from operators.sterilisation import Cycle, Limits, Parts
from operators.sterilisation_cycle import CycleMachine, Layout, Program
from operators.sterilisation_reports import extremes, lethal, probe
from service.qualify.binding import Binding, Given, defined

LONGEST_NS = 10**18  # a vector's log is one cycle, however long
ANYTHING = (-np.inf, np.inf)


def _cycle(
    times_s: Sequence[float],
    points: Sequence[Sequence[float | None]],
    limits: Limits,
    band: tuple[float, float],
    rows: int,
) -> Parts:
    """Parts of the one cycle of a log: points[0] is the reference, the others probes; in steps of so many stamps."""
    n = len(points)
    layout = Layout(
        kind="steam", plan=np.array([(k.POINT, point) for point in range(n)], np.int64), roles=np.zeros(0, np.int64),
        gap_ns=np.full(n + 2, 2**62), tags=tuple(f"point{point}" for point in range(n)), temperatures=n,
        programs={"vector": _program(limits, band, n)}, others=frozenset(), report=_report, probe=probe,
        lethality=True, pressure=False,
    )  # fmt: skip
    time_ns = np.array([round(at * NS_PER_S) for at in times_s], np.int64)
    machine, made = CycleMachine(layout, -(2**62)), list[Made]()
    for begin in range(0, len(time_ns), rows):
        last_ns = int(time_ns[min(begin + rows, len(time_ns)) - 1])
        made += machine.step(_inputs(time_ns, points, slice(begin, begin + rows)), last_ns + 1)
    made += machine.step(_inputs(time_ns, points, slice(0)), int(time_ns[0]) + LONGEST_NS)
    return dict(made[0].parts)


def _report(cycle: Cycle, limits: Limits, tags: tuple[str, ...]) -> tuple[Parts, dict[str, str]]:
    parts, about = lethal(cycle, limits, tags, 1.0)
    return parts | extremes(cycle), about


def _program(limits: Limits, band: tuple[float, float], points: int) -> Program:
    ints = np.zeros(8, np.int64)
    ints[[k.LONGEST_NS, k.EQUIL_NS, k.JUDGED, k.PROBES]] = (LONGEST_NS, limits.equilibration_ns, points, points)
    ints[k.END_AFTER_NS] = 2**62
    floats = np.zeros(10, np.float64)
    floats[[k.T_REF, k.Z, k.T_MIN, k.START_C]] = (limits.t_ref, limits.z, limits.t_min, -np.inf)
    low, high = (np.full(points, limit, np.float64) for limit in band)
    return Program(limits, ints, floats, low, high)


def _inputs(time_ns: I64, points: Sequence[Sequence[float | None]], part: slice) -> Inputs:
    """The rows of some stamps, those of one stamp in the order of the points; None is no row."""
    times: I64 = time_ns[part].repeat(len(points))
    which: I32 = np.tile(np.arange(len(points), dtype=np.int32), len(time_ns[part]))
    values: F64 = np.array([list(point[part]) for point in points], np.float64).T.ravel()
    there = np.isfinite(values)
    return Inputs(times[there], which[there], values[there], np.zeros(int(there.sum()), np.uint8))


def _lethality(given: Given, rows: int, *, t_ref: float, z: float, t_min: float) -> float | None:
    """Equivalent time at t_ref, s; None of a time of which nothing is known."""
    if not given["t"]:
        return 0.0  # no time, nothing that counts
    if not any(one is not None and np.isfinite(one) for one in given["T"]):
        return None
    limits = Limits("vector", "", 0.0, 0, 0, t_ref=t_ref, z=z, t_min=t_min)
    return _cycle(given["t"], [given["T"]], limits, ANYTHING, rows)["lethality"] or 0.0


def _f0(given: Given, rows: int) -> Any:
    t_ref, z = given.get("Tref", lethality.T_REF_F0), given.get("z", lethality.Z_F0)
    found = _lethality(given, rows, t_ref=t_ref, z=z, t_min=given.get("Tmin", -np.inf))
    return None if found is None else found / 60.0


def _a0(given: Given, rows: int) -> Any:
    z, t_min = given.get("z", lethality.Z_A0), given.get("Tmin", lethality.T_MIN_A0)
    return _lethality(given, rows, t_ref=given.get("Tref", lethality.T_REF_A0), z=z, t_min=t_min)


def _plateau(given: Given, rows: int) -> Any:
    if not given["chamber"]:
        return {"equil_s": None, "hold_s": None, "ok": False, "min": None, "max": None}
    load = given["load"]
    probes = load if load and isinstance(load[0], list | tuple) else [load]
    low, high = float(given["T"]), float(given["T"] + given["band"])
    allowed_ns, hold_ns = (round(given[name] * NS_PER_S) for name in ("equil_s", "hold_s"))
    limits = Limits("vector", "", low, hold_ns, allowed_ns)
    times_s = [place * given["dt"] for place in range(len(given["chamber"]))]
    parts = _cycle(times_s, [given["chamber"], *probes], limits, (low, high), rows)
    kept = parts["equilibration_ok"] == 1.0 and parts["hold_ok"] == 1.0
    return {
        "equil_s": parts["equilibration_s"], "hold_s": parts["hold_s"], "ok": kept,
        "min": parts["minimum"], "max": parts["maximum"],
    }  # fmt: skip


def _reference(given: Given) -> tuple[float, float]:
    return given.get("Tref", lethality.T_REF_F0), given.get("z", lethality.Z_F0)


def _lethal(given: Given) -> Any:
    return defined(lethality.lethal_rate, given["T"], *_reference(given))


def _f0_rect(given: Given) -> Any:
    return lethality.rectangles(given["dt"], given["T"], *_reference(given))


def _ramp(given: Given) -> Any:
    return lethality.ramp(given["T0"], given["T1"], given["minutes"], *_reference(given))


def _tp_match(given: Given) -> Any:
    if given["p_bar"] is None:
        return None
    return defined(steam.saturated, given["T_C"], given["p_bar"] * 100.0, given.get("tol", 2.0))


def _eo(given: Given) -> Any:
    return defined(eo.concentration, given["dp_kPa"], given["T_C"], given.get("share", 1.0))


def _named(function: Any, *names: str) -> Any:
    """A formula called with the vector's inputs of these names, in this order."""
    return partial(_called, function, names)


def _called(function: Any, names: tuple[str, ...], given: Given) -> Any:
    return defined(function, *(given[name] for name in names))


MACHINE = "operators.sterilisation_cycle.CycleMachine.step"
BINDINGS: Mapping[str, Binding] = {
    "lethal": Binding("operators.lethality.lethal_rate", call=_lethal),
    "f0": Binding(MACHINE, batches=_f0),
    "a0": Binding(MACHINE, batches=_a0),
    "plateau": Binding(MACHINE, batches=_plateau),
    "f0_rect": Binding("operators.lethality.rectangles", call=_f0_rect),
    "f0_exact_ramp": Binding("operators.lethality.ramp", call=_ramp),
    "log_red": Binding("operators.lethality.log_reduction", call=_named(lethality.log_reduction, "F", "D")),
    "log_time": Binding("operators.lethality.log_time", call=_named(lethality.log_time, "D", "n")),
    "sal": Binding("operators.lethality.survivors", call=_named(lethality.survivors, "N0", "F", "D")),
    "psat": Binding("operators.steam.saturation_pressure", call=_named(steam.saturation_pressure, "T_K")),
    "tsat": Binding("operators.steam.saturation_temperature", call=_named(steam.saturation_temperature, "p_MPa")),
    "tp_match": Binding("operators.steam.saturated", call=_tp_match),
    "eo": Binding("operators.eo.concentration", call=_eo),
}
