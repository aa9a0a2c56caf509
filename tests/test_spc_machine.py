"""Control charts as machines: any split and snapshot gives the same bits; phases, limits, resets, attributes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.capability import Specification
from operators.machines import Every
from operators.run_rules import BITS
from operators.spc_chart import ChartPlan
from operators.spc_constants import factors
from operators.spc_feed import Wiring
from operators.spc_machines import CapabilityMachine
from operators.spc_phase_one import Known
from operators.spc_subgroups import EVENT, TIME
from tests.spc_world import Happening, S, chart, cutting, inputs, run, values

KNOWN = (Known("v1", 10.0, 2.0),)
EVENTS = st.builds(
    Happening, st.integers(0, 100).map(lambda s: s * S),
    st.sampled_from(
        ["order.started", "order.ended", "lot.started", "limits.set", "subgroup.excluded", "piece.made", "x"]
    ),
    st.sampled_from([
        {}, {"order": "o1", "lot": "l1", "product": "p"}, {"lot": "l2"}, {"cause": "tool"}, {"chart": "other"},
        {"chart": "x", "version": "v2", "centre": 9.0, "sigma": 1.0}, {"chart": "x", "centre": "bad", "version": 3},
    ]),
)  # fmt: skip
ROWS = st.lists(
    st.tuples(
        st.integers(0, 100).map(lambda s: s * S), st.integers(0, 1), st.sampled_from([7.0, 10.0, 11.5, 13.0, 17.0]),
        st.integers(0, 1),
    ),
    max_size=60,
)  # fmt: skip
PLANS = st.builds(
    ChartPlan, st.sampled_from(["xbar_r", "xbar_s", "imr", "p", "np", "c", "u", "ewma", "cusum"]),
    rules=st.just(tuple(BITS)), limits=st.sampled_from([(), KNOWN]), phase_one=st.just(3), residuals=st.booleans(),
    exclude_beyond=st.booleans(), exact=st.booleans(),
)  # fmt: skip
HOW = st.sampled_from([
    cutting(gap_s=9), cutting(3.0, gap_s=9), cutting(mode=TIME, length_s=7, gap_s=9), cutting(mode=EVENT, gap_s=9),
])  # fmt: skip
STOPS = st.lists(st.integers(0, 120).map(lambda s: s * S), max_size=8)


@settings(max_examples=200)
@given(ROWS, st.lists(EVENTS, max_size=6), PLANS, HOW, STOPS, st.booleans())
def test_any_split_and_snapshot_gives_the_same_bits(rows, events, plan, how, stops, counters):
    counted = (100.0, 0.0) if counters else (None, None)

    def machine():
        return chart(plan, how, counters=counted, event="piece.made")

    given_all = inputs(rows, events)
    whole = run(machine(), given_all, 130 * S)
    assert run(machine(), given_all, 130 * S, stops) == whole
    assert run(machine(), given_all, 130 * S, stops, fresh=machine) == whole
    assert run(machine(), given_all, 130 * S, [row[0] + 1 for row in rows], fresh=machine) == whole
    assert len({one.start_ns for one in whole}) == len(whole)
    assert [one.end_ns for one in whole] == sorted(one.end_ns for one in whole)
    for one in whole:
        assert one.start_ns < one.end_ns
        assert all(part is None or math.isfinite(part) for part in one.parts.values())
        assert all(0 < len(text) <= 64 for text in one.about.values())


@settings(max_examples=100)
@given(ROWS, st.lists(EVENTS, max_size=4), HOW, STOPS)
def test_capability_is_the_same_however_split(rows, events, how, stops):
    def machine():
        wired = Wiring("x", ChartPlan("xbar_s", limits=KNOWN), how, event="piece.made")
        return CapabilityMachine(wired, Specification(8.0, 14.0, 11.0), 0, Every(25 * S))

    given_all = inputs([(time, 0, value, status) for time, _, value, status in rows], events)
    whole = run(machine(), given_all, 130 * S)
    assert run(machine(), given_all, 130 * S, stops, fresh=machine) == whole
    assert len({one.start_ns for one in whole}) == len(whole)
    used = run(chart(ChartPlan("xbar_s", limits=KNOWN), how, event="piece.made"), given_all, 125 * S)
    told = [one for one in whole if one.end_ns <= 125 * S]
    assert sum(one.parts["n"] for one in told) == sum(one.parts["n"] for one in used if not one.parts["excluded"])


def test_phase_one_estimates_and_then_judges():
    x = [10.0, 12.0, 11.0, 9.0, 10.0, 20.0]
    made = run(chart(ChartPlan("imr", phase_one=5)), inputs(values(x)), 10 * S)
    assert [one.parts["signal"] for one in made] == [None] * 5 + [1.0]
    assert {one.about["phase"] for one in made[:5]} == {"1"}
    last = made[-1]
    sigma = (2 + 1 + 2 + 1) / 4 / factors(2).d2
    assert last.parts["centre"] == pytest.approx(10.4)
    assert last.parts["upper"] == pytest.approx(10.4 + 3 * sigma)
    assert last.about["version"] == "phase I 1970-01-01T00:00:00Z n=5"
    assert last.about["rules"] == "nelson_1"
    assert last.parts["spread"] is None  # new limits begin the moving range anew


def test_an_assignable_cause_is_left_out_of_phase_one():
    x, marked = [10.0, 12.0, 99.0, 11.0, 9.0, 10.0, 10.0], Happening(2 * S, "subgroup.excluded", {"cause": "new tool"})
    made = run(chart(ChartPlan("imr", phase_one=5)), inputs(values(x), [marked]), 10 * S)
    assert made[2].about["cause"] == "new tool"
    assert made[-1].parts["centre"] == pytest.approx(10.4)
    beyond = ChartPlan("imr", phase_one=20, exclude_beyond=True)
    wild = run(chart(beyond), inputs(values([*[10.0, 11.0] * 8, 99.0, 10.0, 11.0, 10.0, 10.0])), 30 * S)
    assert wild[-1].parts["centre"] == pytest.approx((10 * 10 + 9 * 11) / 19)


def test_runs_begin_anew_at_gap_change_and_limits():
    plan = ChartPlan("imr", ("we_4",), limits=KNOWN)
    high = values([10.5] * 7)
    later = [(time + 300 * S, *rest) for time, *rest in values([10.5])]
    assert [one.parts["signal"] for one in run(chart(plan), inputs(values([10.5] * 8)), 9 * S)][-1] == 1.0
    assert run(chart(plan), inputs(high + later), 400 * S)[-1].parts["signal"] == 0.0
    eight = values([10.5] * 8)
    for change in (
        Happening(4 * S, "lot.started", {"lot": "b"}),
        Happening(4 * S, "limits.set", {"chart": "x", "version": "v2", "centre": 10, "sigma": 2}),
    ):
        assert sum(one.parts["signal"] for one in run(chart(plan), inputs(eight, [change]), 9 * S)) == 0.0
    other = Happening(4 * S, "limits.set", {"chart": "y", "version": "v2", "centre": 10, "sigma": 2})
    assert sum(one.parts["signal"] for one in run(chart(plan), inputs(eight, [other]), 9 * S)) == 1.0


def test_limits_hold_from_their_time_and_for_their_product():
    limits = (*KNOWN, Known("v2", 20.0, 2.0, from_ns=5 * S), Known("vp", 0.0, 1.0, product="p"))
    started = Happening(8 * S, "order.started", {"order": "o", "product": "p"})
    made = run(chart(ChartPlan("imr", limits=limits)), inputs(values([10.0] * 10), [started]), 11 * S)
    assert [one.about["version"] for one in made] == ["v1"] * 5 + ["v2"] * 3 + ["vp"] * 2
    assert made[-1].about["product"] == "p"


def test_a_subgroup_cut_short_has_limits_of_its_own_n():
    plan, how = ChartPlan("xbar_r", limits=KNOWN), cutting(4.0)
    made = run(chart(plan, how), inputs(values([9, 10, 11, 12, 8, 10]), [Happening(6 * S, "order.ended")]), 7 * S)
    assert [one.parts["n"] for one in made] == [4.0]  # nothing was being made: the event changes nothing
    started = [Happening(0, "order.started", {"order": "o"}), Happening(6 * S, "order.ended")]
    made = run(chart(plan, how), inputs(values([9, 10, 11, 12, 8, 10]), started), 7 * S)
    assert [(one.parts["n"], one.about["ended"]) for one in made] == [(4.0, "full"), (2.0, "cut")]
    assert made[1].parts["upper"] == pytest.approx(10 + 3 * 2 / math.sqrt(2))
    assert made[0].parts["spread_upper"] == pytest.approx((factors(4).d2 + 3 * factors(4).d3) * 2)
    assert made[0].parts["spread"] == 3.0


def test_attribute_charts_from_counters_and_from_samples():
    known = (Known("v1", 0.1),)
    rows = [(0, 0, 0.0, 0), (0, 1, 0.0, 0), (50 * S, 0, 100.0, 0), (50 * S, 1, 40.0, 0)]
    how = cutting(mode=TIME, length_s=100, gap_s=1000)
    (one,) = run(chart(ChartPlan("p", limits=known), how, counters=(0.0, 0.0)), inputs(rows), 100 * S)
    assert (one.parts["value"], one.parts["inspected"], one.parts["signal"]) == (0.4, 100.0, 1.0)
    assert one.parts["upper"] == pytest.approx(0.1 + 3 * math.sqrt(0.1 * 0.9 / 100))
    (sample,) = run(chart(ChartPlan("np", limits=known), items=50.0), inputs(values([4])), 2 * S)
    assert (sample.parts["centre"], sample.parts["lower"], sample.parts["signal"]) == (5.0, 0.0, 0.0)
    (unit,) = run(
        chart(ChartPlan("u", limits=known), counters=(None, None)), inputs([(0, 0, 0.0, 0), (0, 1, 3.0, 0)]), S
    )
    assert (unit.parts["value"], unit.parts["signal"]) == (None, None)  # nothing was inspected


def test_residuals_take_the_dependence_off():
    noise = np.random.default_rng(7).normal(size=4000)
    x = [0.0]
    for one in noise:
        x.append(0.8 * x[-1] + one)
    share = {}
    for residuals in (False, True):
        plan = ChartPlan("imr", phase_one=1000, residuals=residuals)
        made = run(chart(plan), inputs(values(x)), 5000 * S)
        judged = [one for one in made if one.parts["signal"] is not None]
        share[residuals] = sum(one.parts["beyond"] for one in judged) / len(judged)
        assert (made[-1].about.get("warning") == "autocorrelated") is not residuals
    assert share[False] > 0.1
    assert share[True] < 0.01


def test_capability_of_a_known_process():
    x = np.random.default_rng(3).normal(10.0, 2.0, 2000)
    wired = Wiring("x", ChartPlan("xbar_s", ("nelson_1",), limits=KNOWN), cutting(5.0, lower=4.0, upper=16.0))
    machine = CapabilityMachine(wired, Specification(4.0, 16.0, 10.0), 0, Every(10_000 * S))
    assert machine.step(inputs(values(x)), 2000 * S) == []
    (one,) = machine.running()
    parts = one.parts
    assert parts["n"] == 2000
    assert parts["sigma_overall"] == pytest.approx(float(np.std(x, ddof=1)), rel=1e-12)
    assert parts["ppk"] == pytest.approx(min(x.mean() - 4, 16 - x.mean()) / 3 / np.std(x, ddof=1), rel=1e-12)
    assert parts["cp_low"] < parts["cp"] < parts["cp_high"]
    assert parts["cp"] == pytest.approx(1.0, abs=0.05)
    assert parts["outside"] == float(((x < 4) | (x > 16)).sum())
    assert (parts["enough"], parts["autocorrelated"]) == (1.0, 0.0)
    assert one.about["version"] == "v1"


def test_a_constant_process_has_no_capability():
    wired = Wiring("x", ChartPlan("imr"), cutting())
    machine = CapabilityMachine(wired, Specification(4.0, 16.0), 0, Every(10 * S))
    (one,) = machine.step(inputs(values([5.0] * 6)), 10 * S)
    assert [one.parts[name] for name in ("cp", "cpk", "pp", "ppk", "lag_1", "stable")] == [None] * 6
    assert machine.step(inputs([]), 500 * S) == []


def test_values_that_cannot_be_transformed_are_told():
    plan = ChartPlan("imr", limits=(Known("v1", 0.0, 1.0),))
    made = run(chart(plan, exponent=0.0), inputs(values([1.0, -1.0, 0.0, math.e])), 5 * S)
    assert [(one.parts["value"], one.parts["left_out"]) for one in made] == [(0.0, 0.0), (1.0, 2.0)]


def test_what_ended_before_the_begin_counts_on_but_is_not_told():
    plan = ChartPlan("imr", ("we_4",), limits=KNOWN)
    made = run(chart(plan, begin_ns=7 * S), inputs(values([10.5] * 8)), 9 * S)
    assert [one.start_ns for one in made] == [7 * S]
    assert made[0].parts["signal"] == 1.0


WIRED = Wiring("x", ChartPlan("imr"), cutting())


@pytest.mark.parametrize("machine", [chart(), CapabilityMachine(WIRED, Specification(), 0, Every(S))])
def test_another_layout_is_refused(machine):
    with pytest.raises(ValueError, match="layout 0"):
        machine.restore((0, *machine.snapshot()[1:]))


def test_counters_go_on_over_resets_and_wraps():
    how = cutting(mode=TIME, length_s=100, gap_s=1000)
    for modulus, expected in ((0.0, 4.0), (1000.0, 14.0)):
        rows = [(0, 0, 990.0, 0), (10 * S, 0, 990.0, 0), (20 * S, 0, 4.0, 0)]
        plan = ChartPlan("c", limits=(Known("v1", 9.0),))
        (one,) = run(chart(plan, how, counters=(modulus,)), inputs(rows), 100 * S, [5 * S, 15 * S])
        assert one.parts["value"] == expected


@pytest.mark.parametrize(
    ("modulus", "values", "counted", "left_out"),
    [
        (1000.0, (5000.0, 3.0, 8.0), 8.0, 0),  # beyond the modulus: no wrap, a reset
        (0.0, (100.0, -1.0, 101.0), 1.0, 1),  # below zero no counter counts
        (1000.0, (-3.0, 5.0, 6.0), 1.0, 1),
    ],
)  # fmt: skip
def test_a_counter_never_counts_backwards(modulus, values, counted, left_out):
    how = cutting(mode=TIME, length_s=100, gap_s=1000)
    rows = [(second * 10 * S, 0, value, 0) for second, value in enumerate(values)]
    plan = ChartPlan("c", limits=(Known("v1", 9.0),))
    for stops in ([], [5 * S, 15 * S]):
        (one,) = run(chart(plan, how, counters=(modulus,)), inputs(rows), 100 * S, stops)
        assert (one.parts["value"], one.parts["left_out"]) == (counted, left_out)


def test_a_head_start_and_a_width_of_ones_own():
    (one,) = run(chart(ChartPlan("cusum", head_start=2.5, limits=KNOWN)), inputs(values([12.0])), 2 * S)
    assert (one.parts["c_plus"], one.parts["c_minus"], one.parts["n_plus"]) == (3.0, 1.0, 1)
    (one,) = run(chart(ChartPlan("imr", width=2.0, limits=KNOWN)), inputs(values([14.5])), 2 * S)
    assert (one.parts["upper"], one.parts["nelson_1"], one.parts["z"]) == (14.0, 1.0, 2.25)  # zones are thirds


def test_a_marked_point_is_no_neighbour_in_capability():
    wired = Wiring("x", ChartPlan("imr", limits=KNOWN), cutting())
    machine = CapabilityMachine(wired, Specification(4.0, 16.0), 0, Every(10 * S))
    (one,) = run(machine, inputs(values([10.0, 99.0, 12.0]), [Happening(S, "subgroup.excluded")]), 10 * S)
    assert (one.parts["n"], one.parts["mean"], one.parts["sigma_within"]) == (2.0, 11.0, None)


def test_capability_counts_from_its_begin_on():
    wired = Wiring("x", ChartPlan("imr", limits=KNOWN), cutting())
    machine = CapabilityMachine(wired, Specification(4.0, 16.0), 2 * S, Every(10 * S))
    (one,) = run(machine, inputs(values([1.0, 1.0, 10.0, 12.0])), 10 * S)
    assert (one.start_ns, one.end_ns, one.parts["n"], one.parts["mean"]) == (2 * S, 10 * S, 2.0, 11.0)
