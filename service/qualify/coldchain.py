"""Bindings of the cold chain: mean kinetic temperature, excursions, WHO PQS, GSP, budgets, humidity, places, shock."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from andon.config.products import Product
from andon.readings import NS_PER_S
from operators import calibration, geo, gsp, humidity, shock, stability
from operators.cold_chain import ACTIVATION_J_MOL, GAS_CONSTANT, mkt, mkt_timed
from operators.cold_chain_windows import WindowMachine
from operators.excursions import ExcursionMachine, Terms
from operators.held import Held, Limits
from operators.lot_stays import LotMachine
from operators.machines import At, Happened, Inputs, Machine, Made
from operators.oee import ratio
from operators.profiles import Profile
from operators.who_pqs import RULES, WhoMachine, WhoRule
from service.qualify.binding import Binding, Given, defined

MINUTE_NS, HOUR_NS = 60 * NS_PER_S, 3600 * NS_PER_S
FOR_EVER_NS = 2**60
NAMED_RULE = re.compile(r"([a-z]+?)_?(-?\d+(?:\.\d+)?)_(\d+(?:\.\d+)?)(h|min)")
HOT_RULE = re.compile(r"[a-z]+_?45")  # the one limit at 45 Cel: a single hour
NO_EXCURSION = {"n": 0, "start": None, "confirmed": None, "cleared": None, "peak": None, "minutes_above": 0.0}


@dataclass(frozen=True, slots=True)
class _Event:
    time_ns: int
    event: str
    data: Mapping[str, Any]


def _activation(given: Given) -> float:
    """Activation energy that has the vector's dH/R under the installed gas constant, J/mol."""
    return float(given.get("dH", ACTIVATION_J_MOL)) * GAS_CONSTANT / float(given.get("R", GAS_CONSTANT))


def _inputs(time_ns: Sequence[int], values: Sequence[float], events: Sequence[Happened] = ()) -> Inputs:
    n = len(values)
    columns = (np.array(time_ns, np.int64), np.zeros(n, np.int32), np.array(values, np.float64), np.zeros(n, np.uint8))
    return Inputs(*columns, events)


def _run(machine: Machine, inputs: Inputs, rows: int, upto_ns: int) -> list[Made]:
    """All figures up to upto_ns, in steps of so many rows."""
    made: list[Made] = []
    for cut_ns in inputs.time_ns[rows::rows].tolist():
        part, inputs = inputs.before(cut_ns)
        made += machine.step(part, cut_ns)
    return made + machine.step(inputs.before(upto_ns)[0], upto_ns)


def _mkt(given: Given) -> float | None:
    """Of the samples that are there: a missing one has no weight."""
    value = np.array(given["T"], np.float64)
    weight = np.array(given.get("w") or np.ones_like(value), np.float64)
    there = np.isfinite(value)
    return mkt(value[there], weight[there], _activation(given))


def _mkt_timed(given: Given, rows: int) -> float | None:
    known = [(at, value) for at, value in zip(given["t"], given["T"], strict=True) if value is not None]
    if not known:
        return None
    times, values = zip(*known, strict=True)
    if given.get("method", "locf") != "locf":
        return mkt_timed(times, values, given["method"], _activation(given))
    time_ns = [round(one * NS_PER_S) for one in times]
    held = Held(time_ns[0], FOR_EVER_NS, Limits(activation_j_mol=_activation(given)))
    machine = WindowMachine(time_ns[0], At((time_ns[-1],)), [held], [])
    made = _run(machine, _inputs(time_ns, values), rows, time_ns[-1] + 1)
    return made[0].parts["mkt"] if made else None


def _excursion(given: Given, rows: int) -> dict[str, Any]:
    """Those longer than the hold-off; times and peak are of the first one. One that is open at the end counts."""
    if not given["t_min"]:
        return dict(NO_EXCURSION)
    time_ns = [round(one * MINUTE_NS) for one in given["t_min"]]
    limits = Limits(float(given.get("lo", -np.inf)), float(given.get("hi", np.inf)))
    hold_off_ns = round(given.get("hold_off", 0) * MINUTE_NS)
    held, terms = Held(time_ns[0], FOR_EVER_NS, limits), Terms(float(given.get("hyst", 0.0)), hold_off_ns, 0)
    machine = ExcursionMachine(time_ns[0], held, terms, Profile(limits), [(0, None), (0, None)])
    ended = _run(machine, _inputs(time_ns, given["T"]), rows, time_ns[-1] + 1)
    found = [*ended, *machine.running()]
    if not found:
        return dict(NO_EXCURSION)
    first = found[0]
    return {
        "n": len(found), "start": first.start_ns / MINUTE_NS, "confirmed": (first.start_ns + hold_off_ns) / MINUTE_NS,
        "cleared": first.end_ns / MINUTE_NS if ended else None, "peak": first.parts["peak"],
        "minutes_above": round((first.parts["out_s"] or 0.0) / 60.0, 6), "degree_minutes": first.parts["out_c_min"],
    }  # fmt: skip


def _who_rule(name: str) -> WhoRule:
    """A rule by its name, or as its name says: cum30_10h, single45_1h, freeze-0.5_60min."""
    if name in RULES:
        return RULES[name]
    if HOT_RULE.fullmatch(name):
        return WhoRule(name, 45.0, 60.0)
    told = NAMED_RULE.fullmatch(name)
    if told is None:
        raise ValueError(f"rule {name!r}; allowed: {', '.join(RULES)} or a name such as cum30_10h")
    kind, threshold, length, unit = told.groups()
    minutes = float(length) * (60.0 if unit == "h" else 1.0)
    return WhoRule(name, float(threshold), minutes, above=kind != "freeze", in_all=kind.startswith("cum"))


def _who(given: Given, rows: int) -> bool:
    minutes = [0.0, *np.cumsum([length for length, _ in given["seg"]]).tolist()]
    time_ns = [round(one * MINUTE_NS) for one in minutes]
    machine = WhoMachine(-1, [_who_rule(given["rule"])])
    return bool(_run(machine, _inputs(time_ns[:-1], [value for _, value in given["seg"]]), rows, time_ns[-1]))


def _legs(given: Given, rows: int, product: Product, limits: Limits) -> Made:
    """A lot that is handed over after each leg: what its last stay tells."""
    hours = [0.0, *np.cumsum([length for _, length in given["legs"]]).tolist()]
    time_ns = [round(one * HOUR_NS) for one in hours]
    events = []
    for begin_ns, end_ns in pairwise(time_ns):
        events += [_Event(begin_ns, "lot.started", {"lot": "lot"}), _Event(end_ns, "lot.ended", {"lot": "lot"})]
    machine = LotMachine(-1, Held(-1, FOR_EVER_NS, limits), lambda _: Profile(limits, product))
    inputs = _inputs(time_ns[:-1], [value for value, _ in given["legs"]], events)
    return _run(machine, inputs, rows, time_ns[-1] + 1)[-1]


def _tor(given: Given, rows: int) -> dict[str, float | None]:
    high, budget_h = float(given.get("hi", 8.0)), given["budget_h"]
    if not given["legs"]:
        return {"used_h": 0.0, "left_h": budget_h, "pct": ratio(0.0, budget_h)}
    product = Product(name="lot", source="vector", version="1", low=-273.0, high=high, tor_h=budget_h)
    parts = _legs(given, rows, product, Limits(high=high)).parts
    used_h, left_h = (parts["tor_used_s"] or 0.0) / 3600.0, (parts["tor_left_s"] or 0.0) / 3600.0
    return {"used_h": used_h, "left_h": left_h, "pct": ratio(100.0 * used_h, budget_h)}


def _shelf(given: Given, rows: int) -> dict[str, float | None]:
    if not given["legs"]:
        return {"consumed_h": 0.0, "left_h": given["life_h"]}
    q10 = float(given.get("q10", np.nan))
    limits = Limits(activation_j_mol=_activation(given), label_c=float(given["t_label"]), q10=q10)
    product = Product(name="lot", source="vector", version="1", low=-273.0, high=1e3, life_h=given["life_h"])
    parts = _legs(given, rows, product, limits).parts
    return {"consumed_h": parts["life_total_h"], "left_h": parts["life_left_h"]}


def _aaf(given: Given) -> dict[str, float]:
    factor = stability.accelerated(given["q10"], given["t_aa"], given["t_rt"])
    return {"aaf": factor, **({"days": given["days"] / factor} if "days" in given else {})}


def _geofence(given: Given, rows: int) -> dict[str, int | None]:
    """Place of the fix with which it is inside for the first time, and then outside again."""
    fence = geo.Fence(given["r_in"], given["r_out"], given.get("n", 1))
    found: dict[str, int | None] = {"enter": None, "exit": None}
    for at, distance in enumerate(given["dist"]):
        if distance is None:
            continue  # no fix
        if at % rows == 0:  # as after a restart between two batches
            fence, kept = geo.Fence(given["r_in"], given["r_out"], given.get("n", 1)), fence.snapshot()
            fence.restore(kept)
        changed = fence.step(distance)
        name = {True: "enter", False: "exit", None: ""}[changed]
        if name and found[name] is None:
            found[name] = at
    return found


def _guard(given: Given) -> list[float | None]:
    return list(calibration.guard_band(given.get("lo"), given.get("hi"), given["U"], given.get("w_factor", 1.0)))


BINDINGS: Mapping[str, Binding] = {
    "mkt": Binding("operators.cold_chain.mkt", call=_mkt),
    "mkt_timed": Binding("operators.cold_chain_windows.WindowMachine", batches=_mkt_timed),
    "excursion": Binding("operators.excursions.ExcursionMachine", batches=_excursion),
    "who": Binding("operators.who_pqs.WhoMachine", batches=_who),
    "tor": Binding("operators.lot_stays.LotMachine", batches=_tor),
    "shelf": Binding("operators.lot_stays.LotMachine", batches=_shelf),
    "aaf": Binding("operators.stability.accelerated", call=_aaf),
    "q10": Binding(
        "operators.stability.q10_of",
        call=lambda one: stability.q10_of(_activation(one), one["T"]),
    ),
    "dewpoint": Binding(
        "operators.humidity.dew_point", call=lambda one: defined(humidity.dew_point, one["T"], one["RH"])
    ),
    "abshum": Binding(
        "operators.humidity.absolute_humidity",
        call=lambda one: defined(humidity.absolute_humidity, one["T"], one["RH"]),
    ),
    "haversine": Binding(
        "operators.geo.distance_km",
        call=lambda one: geo.distance_km(tuple(one["a"]), tuple(one["b"]), one.get("R", geo.EARTH_KM)),
    ),
    "geofence": Binding("operators.geo.Fence", batches=_geofence),
    "half_sine": Binding(
        "operators.shock.half_sine_change", call=lambda one: shock.half_sine_change(one["g"], one["ms"])
    ),
    "guard": Binding("operators.calibration.guard_band", call=_guard),
    "pfa": Binding(
        "operators.calibration.false_accept",
        call=lambda one: calibration.false_accept(one["measured"], one.get("hi"), one["u"], one.get("lo")),
    ),
    "gsp_vehicle": Binding("operators.gsp.vehicle_sensors", call=lambda one: gsp.vehicle_sensors(one["m3"])),
    "gsp_interval": Binding(
        "operators.gsp.record_interval_s",
        call=lambda one: gsp.record_interval_s(one["place"], out_of_range=one["out_of_range"]),
    ),
    "gsp_mpe": Binding(
        "operators.gsp.permissible_error",
        call=lambda one: defined(gsp.permissible_error, one["T"]) if "T" in one else gsp.HUMIDITY_ERROR,
    ),
}
