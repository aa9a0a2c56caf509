"""Vectors of overall equipment effectiveness, bound to the code that a site runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from andon.calendars import wall_hours
from andon.plant import PACKML_STATES
from andon.readings import NS_PER_S
from operators import oee_kernel as at
from operators.iso22400 import KPIS, Elements, kpi, umh_ratios
from operators.losses import six_losses
from operators.machines import NO_INPUTS, At, Inputs
from operators.oee import PARTS, oee_ratios, ratio, roll_up
from operators.oee_machine import OeeMachine
from operators.oee_setup import MODES, Cycle, OeeSetup
from operators.oee_window import Counters
from operators.reliability import reliability
from operators.time_model import OTHER_MODE, PRODUCTION, SETUP_MODE, state_table
from service.qualify.binding import Binding, Given

MACHINE = "operators.oee_machine.OeeMachine"
STANDS_NS = 2**60  # longer than any vector lasts
PLAIN = ("run", "stop", "idle", "starved", "blocked", "setup", "planned_down", "unknown", "running", "stopped")
ALSO = {"down": "stop", "fault": "stop", "producing": "run", "planned": "planned_down"}  # words for the same
UNIT_MODES = {"Production": 1, "Maintenance": 2, "Manual": 3, "Setup": 4}
INPUTS = (at.STATE_ROLE, at.TOTAL, at.GOOD, at.SCRAP, at.MODE_ROLE)
Row = tuple[float, int, float]  # seconds, place in INPUTS, value
Parts = Mapping[str, float | None]


def _setup(
    names: Sequence[str], mapping: str, micro_s: float, cycle_s: float | None, modulus: float | None
) -> OeeSetup:
    starts, categories = state_table(names, mapping)
    modes = np.full(MODES, OTHER_MODE, np.int64)
    modes[UNIT_MODES["Production"]], modes[UNIT_MODES["Setup"]] = PRODUCTION, SETUP_MODE
    cycles = () if cycle_s is None else (Cycle("", cycle_s),)
    return OeeSetup(
        np.array(INPUTS, np.int64), np.full(4, np.nan if modulus is None else modulus), starts, categories, modes,
        round(micro_s * NS_PER_S), STANDS_NS, STANDS_NS, cycles=cycles, has=Counters(scrap=True),
    )  # fmt: skip


def _streamed(
    told: Sequence[Row], span_s: tuple[float, float], batch: int, names: Sequence[str] = PLAIN, mapping: str = "plain",
    *, micro_s: float = 0.0, cycle_s: float | None = None, modulus: float | None = None,
) -> Parts:  # fmt: skip
    """The figure of one window from rows given `batch` at a time."""
    begin_ns, end_ns = (round(one * NS_PER_S) for one in span_s)
    machine = OeeMachine(begin_ns, At((end_ns,)), _setup(names, mapping, micro_s, cycle_s, modulus))
    rows = [(round(at_s * NS_PER_S), place, value) for at_s, place, value in told if math.isfinite(value)]
    rows.sort(key=lambda row: row[:2])  # of one series and instant the later row holds
    rows = [row for row in rows if row[0] < end_ns]
    made = []
    first = 0
    while first < len(rows):
        last = min(first + batch, len(rows))
        while last < len(rows) and rows[last][0] == rows[last - 1][0]:
            last += 1  # time passes between steps: rows of one instant are in one
        part, first = rows[first:last], last
        inputs = Inputs(
            np.array([row[0] for row in part], np.int64), np.array([row[1] for row in part], np.int32),
            np.array([row[2] for row in part], np.float64), np.zeros(len(part), np.uint8),
        )  # fmt: skip
        made += machine.step(inputs, part[-1][0] + 1)
    made += machine.step(NO_INPUTS, end_ns)
    return made[0].parts if made else _nothing(end_ns - begin_ns)


def _nothing(length_ns: int) -> Parts:
    """Parts of a window of which nothing is known; the machine gives none."""
    length_s = length_ns / NS_PER_S
    return {**dict.fromkeys(PARTS, 0.0), "calendar_s": length_s, "unknown_s": length_s}


def _known(pbt: Any, run: Any, ict: Any, total: Any, good: Any, calendar: Any = None) -> Parts:
    ideal = [None if ict is None or items is None else ict * items for items in (total, good)]
    told = {"calendar_s": calendar, "pbt_s": pbt, "apt_s": run, "pq": total, "gq": good}
    return {**dict.fromkeys(PARTS, 0.0), **told, "pri_pq_s": ideal[0], "pri_gq_s": ideal[1]}


def _oee(given: Given) -> Any:
    return oee_ratios(_known(*(given.get(name) for name in ("planned", "run", "ict", "total", "good", "all_time"))))


def _rollup(given: Given) -> Any:
    many = [_known(*(one.get(name) for name in ("pbt", "run", "ict", "total", "good"))) for one in given["assets"]]
    each = [oee_ratios({**one, "calendar_s": None})["OEE"] for one in many]
    known = [float(one) for one in each if one is not None]
    mean = sum(known) / len(known) if known else None
    return {**oee_ratios(roll_up(many)), "mean_of_ratios": mean}


def _mixed(given: Given) -> Any:
    runs = given["runs"]
    many = [_known(one["run"], one["run"], one["ict"], one["total"], one["total"]) for one in runs]
    run, made = (sum(one[name] for one in runs) for name in ("run", "total"))
    mean_cycle = ratio(sum(one["ict"] for one in runs), len(runs))
    mean = None if mean_cycle is None else ratio(mean_cycle * made, run)
    return {**(oee_ratios(roll_up(many)) if many else {"P": None}), "P_mean_ict": mean}


def _identity(given: Given) -> Any:
    return oee_ratios(_known(given["pbt"], given["apt"], given["pri"], given["pq"], given["gq"]))["OEE"]


def _iso(given: Given) -> Any:
    name, names = given["kpi"], Elements.__dataclass_fields__
    told = {**given, "calendar": given.get("calendar", given.get("all_time"))}
    if name.lower() in names and name not in KPIS:
        return given.get(name.lower())  # a time element itself
    if name.lower() in ("fpy", "first_pass_yield") and "ip" in given:
        return ratio(given["gp"], given["ip"])  # good at the first pass of the parts inspected
    if name == "corrective_maintenance_ratio":
        return ratio(given["cmt"], given["cmt"] + given["pmt"])
    return kpi(name, Elements(**{name: value for name, value in told.items() if name in names}))


def _flux(given: Given, batch: int) -> Any:
    times = [datetime.fromisoformat(one).timestamp() for one in (*given["t"], given["stop"])]
    states = [name if name in PLAIN else "stopped" for name in given["state"]]  # what is not running is a stop there
    rows: list[Row] = [(at_s, 0, float(PLAIN.index(name))) for at_s, name in zip(times, states, strict=False)]
    for place, name in ((1, "part"), (3, "bad")):
        rows += [(at_s, place, float(value)) for at_s, value in zip(times, given[name], strict=False)]
    parts = _streamed(rows, (min(times), times[-1]), batch, cycle_s=given["ict_s"])
    made, bad = parts["pq"] or 0.0, parts.get("sq") or 0.0
    known = _known(given["planned_s"], parts["apt_s"], given["ict_s"], made, made - bad)
    return {**oee_ratios(known), "run_s": parts["apt_s"]}


def _window(given: Given, batch: int) -> Any:
    told = [(float(at_s), ALSO.get(name, name)) for at_s, name in given["states"]]
    rows = [(at_s, 0, float(PLAIN.index(name)) if name in PLAIN else -1.0) for at_s, name in told]
    parts = _streamed(rows, tuple(given["win"]), batch)
    names = {"run": "apt_s", "stop": "down_s", "unknown": "unknown_s", "pbt": "pbt_s", "idle": "idle_s"}
    return {**{name: parts[part] for name, part in names.items()}, **oee_ratios(parts)}


def _microstop(given: Given, batch: int) -> Any:
    """Each stop, then a second of producing."""
    rows, now_s = [(0.0, 0, 0.0)], 1.0
    for length in given["stops"]:
        rows += [(now_s, 0, 1.0), (now_s + length, 0, 0.0)]
        now_s += length + 1.0
    parts = _streamed(rows, (0.0, now_s), batch, micro_s=given["threshold"])
    names = {"micro_n": "micro_stops", "micro_s": "micro_stop_s", "down_n": "failures", "down_s": "breakdown_s"}
    return {name: parts[part] for name, part in names.items()}


def _counter(given: Given, batch: int) -> Any:
    rows = [(float(place), 1, float(value)) for place, value in enumerate(given["x"]) if value is not None]
    told = [(0.0, 0, 0.0), *rows]  # a state too: of a unit that never spoke there is no figure
    return _streamed(told, (0.0, len(given["x"]) + 1.0), batch, modulus=given.get("mod"))["pq"]


def _packml(given: Given, batch: int) -> Any:
    rows: list[Row] = []
    now_s = 0.0
    for mode, state, seconds in given["seq"]:
        number = UNIT_MODES.get(mode, MODES - 1)
        rows += [(now_s, 0, float(state)), (now_s, 4, float(number))]
        now_s += seconds
    parts = _streamed(rows, (0.0, now_s), batch, PACKML_STATES, "packml")
    short = {name.removesuffix("_s"): value for name, value in parts.items()}
    return {**short, "APT": parts["apt_s"]}


def _product(given: Given) -> Any:
    return None if None in given["x"] else math.prod(given["x"])


def _mtbf(given: Given) -> Any:
    found = reliability(given["operating"], given["failures"], given["repair"])
    return {"MTBF": found.mtbf, "MTTR": found.mttr, "A": found.availability}


def _umh(given: Given) -> Any:
    return umh_ratios(*(given[name] for name in ("running", "avail_loss", "perf_loss", "total", "scrap")))


BINDINGS: Mapping[str, Binding] = {
    "oee": Binding("operators.oee.oee_ratios", _oee),
    "ratio": Binding("operators.oee.ratio", lambda given: ratio(given["num"], given["den"])),
    "product": Binding("math.prod", _product),
    "flux_apq": Binding(MACHINE, batches=_flux),
    "oee_rollup": Binding("operators.oee.roll_up", _rollup),
    "oee_mixed": Binding("operators.oee.roll_up", _mixed),
    "oee_identity": Binding("operators.oee.oee_ratios", _identity),
    "six_losses": Binding("operators.losses.six_losses", lambda given: six_losses(**{"startup_reject": 0, **given})),
    "iso22400": Binding("operators.iso22400.kpi", _iso),
    "umh": Binding("operators.iso22400.umh_ratios", _umh),
    "window_avail": Binding(MACHINE, batches=_window),
    "microstop": Binding(MACHINE, batches=_microstop),
    "counter": Binding(MACHINE, batches=_counter),
    "shift_hours": Binding(
        "andon.calendars.wall_hours", lambda given: wall_hours(given["tz"], given["start"], given["end"])
    ),
    "mtbf": Binding("operators.reliability.reliability", _mtbf),
    "packml": Binding(MACHINE, batches=_packml),
}
