"""Published and derived vectors of the field, bound to the project's functions; every vector carries its tolerance.

The file is no part of the project: it is looked for at ANDON_VECTORS, else at ../shared/vectors/domain.json.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from alarms.conditions import ConditionEngine
from andon.config.models import Rule
from andon.plant import PACKML_STATES, SeriesSpec
from andon.readings import Readings
from operators.cold_chain import ACTIVATION_J_MOL, GAS_CONSTANT, mkt, mkt_timed
from operators.oee import PARTS, PRODUCTION_MODE, oee_parts, oee_ratios, ratio, roll_up
from operators.points import counter_deltas
from tests.naive import NS

FILE = Path(os.environ.get("ANDON_VECTORS", Path(__file__).parents[2] / "shared" / "vectors" / "domain.json"))
NONE = (np.empty(0, np.int64), np.empty(0, np.float64))


def _parts(planned, run, ict, total, good, all_time=None):
    known = {
        "calendar_s": all_time or planned, "pbt_s": planned, "apt_s": run,
        "pq": total, "gq": good, "pri_pq_s": ict * total, "pri_gq_s": ict * good,
    }  # fmt: skip
    return {**dict.fromkeys(PARTS, 0.0), **known}


def _oee(planned, run, ict, total, good, all_time=None):
    return oee_ratios(_parts(planned, run, ict, total, good, all_time))


def _oee_rollup(assets):
    many = [_parts(one["pbt"], one["run"], one["ict"], one["total"], one["good"]) for one in assets]
    mean = sum(oee_ratios(one)["OEE"] for one in many) / len(many)
    return {**oee_ratios(roll_up(many)), "mean_of_ratios": mean}


def _oee_mixed(runs):
    many = [_parts(one["run"], one["run"], one["ict"], one["total"], one["total"]) for one in runs]
    run, made = (sum(one[name] for one in runs) for name in ("run", "total"))
    mean_ict = sum(one["ict"] for one in runs) / len(runs)
    return {**oee_ratios(roll_up(many)), "P_mean_ict": mean_ict * made / run}


def _oee_identity(pbt, apt, pri, pq, gq):
    ratios = oee_ratios(_parts(pbt, apt, pri, pq, gq))
    assert ratios["A"] * ratios["P"] * ratios["Q"] == pytest.approx(ratios["OEE"], rel=1e-12)
    return ratios["OEE"]


def _window_avail(win, states):
    code = {"run": float(PACKML_STATES.index("Execute")), "stop": float(PACKML_STATES.index("Stopped"))}
    times = np.array([time for time, _ in states], np.int64) * NS
    steps = (times, np.array([code[name] for _, name in states]))
    parts = oee_parts(steps, NONE, NONE, win[0] * NS, win[1] * NS, ideal_cycle_s=None, gap_ns=10**15)
    return {"run": parts["apt_s"], **oee_ratios(parts)}


def _counter(x, mod=None):
    return counter_deltas(np.array(x, np.float64), mod).sum()


def _packml(seq):
    until = np.cumsum([0, *(seconds for _, _, seconds in seq)]) * NS
    states = (until[:-1], np.array([float(state) for _, state, _ in seq]))
    mode = [float(PRODUCTION_MODE if name == "Production" else PRODUCTION_MODE + 1) for name, _, _ in seq]
    parts = oee_parts(
        states, NONE, NONE, 0, int(until[-1]), ideal_cycle_s=None, gap_ns=10**15, mode=(until[:-1], np.array(mode))
    )
    return {"APT": parts["apt_s"], **{name.removesuffix("_s"): value for name, value in parts.items()}}


def _mkt(**given):
    # The project's gas constant is fixed; a vector with its own R has the same ratio dH/R.
    activation = given.get("dH", ACTIVATION_J_MOL) * GAS_CONSTANT / given.get("R", GAS_CONSTANT)
    return mkt(given["T"], given.get("w"), activation)


def _mkt_timed(**given):
    return mkt_timed(given["t"], given["T"], given["method"])


def _ratio(num, den):
    return ratio(num, den)


def _changes(times_s, values, **rule):
    """What a rule decides on one series sampled at whole seconds."""
    n = len(values)
    engine = ConditionEngine(lambda _: [Rule(id="vector", on="*", **rule)])
    engine.bind(0, SeriesSpec("asset", "tag", "number", "Cel", -1e3, 1e3, 1e6, (), None, False, True))
    time_ns = np.array(times_s, np.int64) * NS
    rows = Readings(
        time_ns, np.zeros(n, np.int32), np.array(values, np.float64), np.zeros(n, np.uint8), np.arange(n), time_ns
    )
    return engine.step(rows, np.full(n, np.nan))


def _excursion(**given):
    changes = _changes(
        [60 * minute for minute in given["t_min"]], given["T"],
        above=given["hi"], deadband=given["hyst"], delay_s=60.0 * given["hold_off"],
    )  # fmt: skip
    raised, last = [one for one in changes if one.kind == "raised"], changes[-1]
    return {
        "n": len(raised), "start": raised[0].start_ns / NS / 60, "confirmed": raised[0].confirmed_ns / NS / 60,
        "cleared": last.cleared_ns and last.cleared_ns / NS / 60, "peak": last.peak, "minutes_above": last.out_s / 60,
    }  # fmt: skip


def _alarm_delay(**given):
    times_s = [place * given["dt"] for place in range(len(given["x"]))]
    limits = {"above": given["hi"], "deadband": given["deadband"], "delay_s": given["on"], "off_delay_s": given["off"]}
    raised, cleared = _changes(times_s, given["x"], **limits)
    return {"on_at": raised.confirmed_ns / NS, "off_at": cleared.cleared_ns / NS}


BOUND = {
    "oee": _oee,
    "oee_rollup": _oee_rollup,
    "oee_mixed": _oee_mixed,
    "oee_identity": _oee_identity,
    "window_avail": _window_avail,
    "counter": _counter,
    "packml": _packml,
    "ratio": _ratio,
    "mkt": _mkt,
    "mkt_timed": _mkt_timed,
    "excursion": _excursion,
    "alarm_delay": _alarm_delay,
}


def _vectors():
    if not FILE.exists():
        how = f"no vectors at {FILE}; set ANDON_VECTORS to the path of domain.json"
        return [pytest.param(None, marks=pytest.mark.skip(reason=how), id="no-vectors")]
    vectors = json.loads(FILE.read_text(encoding="utf-8"))["vectors"]
    return [pytest.param(vector, id=vector["id"]) for vector in vectors if vector["fn"] in BOUND]


def agrees(found, expected, tol):
    if expected is None or isinstance(expected, bool):
        return found is expected
    if "exact" in tol:
        return found == expected
    return found == pytest.approx(expected, abs=tol.get("abs", 0.0), rel=tol.get("rel", 0.0))


@pytest.mark.parametrize("vector", _vectors())
def test_vector(vector):
    found = BOUND[vector["fn"]](**vector["inputs"])
    expected = vector["expected"]
    if not isinstance(expected, dict):
        found, expected = {"": found}, {"": expected}
    for name, value in expected.items():
        assert agrees(found[name], value, vector["tol"]), (name, found[name], value, vector["source"])


def test_the_comparison_can_fail():
    assert not agrees(1.0, 1.1, {"abs": 0.01})
    assert not agrees(1.0, None, {"abs": 1.0})
    assert not agrees(2, 3, {"exact": True})
