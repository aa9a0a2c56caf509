"""The kernel of control charts against its twin, and what an inspector recomputes by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.capability import Specification
from operators.machines import Every
from operators.run_rules import BITS
from operators.spc_capability import OF_MOVING_RANGE
from operators.spc_chart import ChartPlan, ControlChart
from operators.spc_events import Making
from operators.spc_feed import Wiring
from operators.spc_judge import KINDS
from operators.spc_machines import CapabilityMachine
from operators.spc_phase_one import Known, Observed, estimate
from operators.spc_subgroups import EVENT, TIME
from tests.naive_chart import NaiveChart
from tests.spc_world import Happening, S, chart, cutting, inputs, run, values

NUMBERS = st.sampled_from([7.0, 8.0, 10.0, 10.0, 12.0, 16.0, 0.1]) | st.floats(0, 20)
CLOSED = st.lists(
    st.fixed_dictionaries({
        "n": st.integers(0, 4), "mean": NUMBERS, "spread": st.floats(0, 9), "deviation": st.floats(0, 9),
        "amount": NUMBERS, "inspected": st.sampled_from([0.0, 5.0, 40.0]), "gap": st.sampled_from([0, 0, 0, 1]),
        "short": st.sampled_from([0, 0, 1]), "uncertain": st.integers(0, 2), "left_out": st.integers(0, 2),
    }),
    max_size=30,
)  # fmt: skip
PLANS = st.builds(
    ChartPlan, st.sampled_from(KINDS), rules=st.sampled_from([tuple(BITS), ("we_4", "nelson_1"), ()]),
    width=st.sampled_from([3.0, 2.0, 2.962]), lam=st.sampled_from([0.2, 1.0]), exact=st.booleans(),
    head_start=st.sampled_from([0.0, 2.5]), residuals=st.booleans(),
)  # fmt: skip
LIMITS = st.sampled_from([Known("a", 10.0, 2.0, 0.3), Known("b", 0.1, 0.0), Known("c", 9.5, 0.7)])


@settings(max_examples=300)
@given(CLOSED, PLANS, LIMITS, st.integers(-1, 30), st.lists(st.integers(0, 30), max_size=4))
def test_judging_equals_the_twin_however_split(closed, plan, known, marked, cuts):
    for place, one in enumerate(closed):
        one |= {"start": place, "end": place + 1}
    wide = [[one["start"], one["end"], 0, *(one[key] for key in ("gap", "uncertain")), 0,
             *(one[key] for key in ("n", "left_out", "short"))] for one in closed]  # fmt: skip
    keys = ("mean", "spread", "deviation", "amount", "inspected")
    whole = np.array(wide, np.int64).reshape(-1, 9)
    parts = np.array([[one[key] for key in keys] for one in closed], float).reshape(-1, 5)
    kernel = ControlChart(ChartPlan(**{name: getattr(plan, name) for name in (
        "kind", "rules", "width", "lam", "exact", "head_start", "residuals")}, limits=(known,)))  # fmt: skip
    got = []
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(closed)], strict=True):
        for some in kernel.judge(whole[begin:end], parts[begin:end], Making(), marked, "cause"):
            got += [dict(zip(plan.told, row, strict=True)) for row in some.out.tolist()]
    naive, linked = NaiveChart(plan), False
    attribute = plan.kind in ("p", "np", "c", "u")
    expected = []
    for one in closed:
        if one["n"] or attribute:
            expected.append(naive.judge(one, known, linked=linked, excluded=one["start"] == marked))
            linked = True
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        assert {name: None if math.isnan(part) else part for name, part in one.items()} == {
            name: None if part is None else pytest.approx(part, rel=1e-12, abs=1e-12) for name, part in other.items()
        }


def judged(x, known, kind="imr", **more):
    plan = ChartPlan(kind, limits=(known,), **{"rules": ("nelson_1", "nelson_5"), **more})
    return [one.parts for one in run(chart(plan), inputs(values(x)), (len(x) + 1) * S)]


@pytest.mark.parametrize(("x", "centre", "sigma"), [(10.3, 10.0, 0.1), (9.7, 10.0, 0.1), (1.3, 1.0, 0.1)])
def test_a_value_at_the_limit_is_inside_however_it_is_written(x, centre, sigma):
    """(10.3 - 10) / 0.1 is 3.0000000000000071 to a computer."""
    (one,) = judged([x], Known("v", centre, sigma))
    assert (abs(one["z"]), one["beyond"], one["nelson_1"], one["signal"]) == (3.0, 0.0, 0.0, 0.0)


def test_zones_and_ties_are_decimal_too():
    at_two_sigma = judged([10.2, 10.2, 10.2], Known("v", 10.0, 0.1))
    assert [one["nelson_5"] for one in at_two_sigma] == [0.0] * 3
    one = judged([0.8] * 4, Known("v", 0.3, 0.1), kind="cusum", k=3.0, h=8.0)[-1]
    assert (one["c_plus"], one["signal"]) == (pytest.approx(8.0), 0.0)


def test_weighted_charts_tell_no_rules():
    for kind in ("ewma", "cusum"):
        (one,) = judged([30.0], Known("v", 10.0, 2.0), kind=kind)
        assert one["signal"] == 1.0
        assert "nelson_1" not in one


def test_the_limits_of_an_ewma_know_all_sizes():
    """Var z = lam^2 s^2 / n + (1 - lam)^2 Var z before: one small subgroup does not make the whole average vague."""
    plan = ChartPlan("ewma", lam=0.2, exact=True, width=3.0, limits=(Known("v", 10.0, 2.0),))
    how = cutting(mode=TIME, length_s=10, gap_s=100)
    rows = values([10.0] * 30)
    made = run(chart(plan, how), inputs([*rows, (30 * S, 0, 10.0, 0), (39 * S, 0, 10.0, 0)]), 40 * S)
    assert [one.parts["n"] for one in made] == [10.0, 10.0, 10.0, 2.0]
    weights = [0.2 * 0.8**age for age in (3, 2, 1, 0)]
    variance = sum(w * w / n for w, n in zip(weights, (10, 10, 10, 2), strict=True))
    assert made[-1].parts["upper"] == pytest.approx(10.0 + 3.0 * 2.0 * math.sqrt(variance))
    fixed = ChartPlan("ewma", lam=0.2, width=3.0, limits=(Known("v", 10.0, 2.0),))
    made = run(chart(fixed, how), inputs([*rows, (30 * S, 0, 10.0, 0), (39 * S, 0, 10.0, 0)]), 40 * S)
    variance = 0.04 / 2 + 0.64 * (0.2 / 1.8) / 10
    assert made[-1].parts["upper"] == pytest.approx(10.0 + 3.0 * 2.0 * math.sqrt(variance))


def test_a_c_chart_judges_whole_subgroups_only():
    plan = ChartPlan("c", limits=(Known("v", 50.0),))
    how = cutting(mode=TIME, length_s=10, gap_s=100)
    rows = values([5.0] * 30)
    started = Happening(14 * S, "order.started", {"order": "o"})
    made = run(chart(plan, how), inputs(rows, [started]), 30 * S)
    assert [one.parts["value"] for one in made] == [50.0, 20.0, 30.0, 50.0]
    assert [one.parts["signal"] for one in made] == [0.0, None, None, 0.0]
    estimated = run(chart(ChartPlan("c", phase_one=2), how), inputs(values([5.0] * 50), [started]), 50 * S)
    assert estimated[-1].parts["centre"] == 50.0


def test_a_subgroup_that_its_event_ended_says_so():
    made_of = [Happening(at * S, "piece.made") for at in (3, 6)]
    how = cutting(mode=EVENT)
    made = run(chart(ChartPlan("xbar_s"), how, event="piece.made"), inputs(values([1.0] * 8), made_of), 9 * S)
    assert [one.about["ended"] for one in made] == ["event", "event"]


def capability(x, how=None, plan=None, spec=None, events=(), **more):
    wired = Wiring("x", plan or ChartPlan("imr", limits=(Known("v", 10.0, 2.0),)), how or cutting(), **more)
    machine = CapabilityMachine(wired, spec or Specification(4.0, 16.0), 0, Every(10**6 * S))
    machine.step(inputs(values(x), events), (len(x) + 1) * S)
    (one,) = machine.running()
    return one.parts


def test_the_interval_of_cp_is_as_wide_as_moving_ranges_are_poor():
    """Of 95 % intervals 95 % hold what is true; with n - 1 degrees, as for s of all values, some 88 % would."""
    draw, held = np.random.default_rng(11), 0
    for _ in range(1000):
        parts = capability(draw.normal(10.0, 2.0, 40))
        held += parts["cp_low"] <= 1.0 <= parts["cp_high"]
    assert 0.93 < held / 1000 < 0.975
    x = np.abs(np.diff(draw.normal(size=(20_000, 101))))
    assert 100 * np.var(x.mean(axis=1)) / x.mean() ** 2 == pytest.approx(OF_MOVING_RANGE, rel=0.05)


def test_what_capability_leaves_out_is_told():
    marked = Happening(1 * S, "subgroup.excluded", {"cause": "tool"})
    parts = capability([10.0, 99.0, 11.0, 12.0], events=[marked])
    assert (parts["excluded"], parts["n"], parts["left_out"]) == (1.0, 3.0, 0.0)
    parts = capability([1.0, -1.0, 2.0, 0.0, 3.0], spec=Specification(-1.0, 3.0), exponent=0.0)
    assert (parts["left_out"], parts["n"]) == (2.0, 3.0)


def test_a_rest_of_one_is_no_neighbour_of_a_mean():
    """The range between a mean of five and a single value is none of two values."""
    started = [Happening(0, "order.started", {"order": "o"}), Happening(11 * S, "order.ended")]
    plan = ChartPlan("xbar_s", limits=(Known("v", 10.0, 2.0),))
    wired = Wiring("x", plan, cutting(5.0))
    machine = CapabilityMachine(wired, Specification(4.0, 16.0), 0, Every(100 * S))
    x = [9.0, 10.0, 11.0, 10.0, 10.0] * 2 + [19.0]
    (one,) = run(machine, inputs(values(x), started), 100 * S)
    (alone,) = run(
        CapabilityMachine(wired, Specification(4.0, 16.0), 0, Every(100 * S)), inputs(values(x[:10]), started), 100 * S
    )
    assert one.parts["n"] == 11.0
    assert one.parts["sigma_within"] == alone.parts["sigma_within"]


def observed(x, broken=()):
    return [Observed(at, 1, one, None, one, 0.0, at not in broken, cause=False) for at, one in enumerate(x)]


def test_phase_one_does_not_reach_over_a_gap():
    """Two quiet halves, far from each other: the step between them is no residual's range and no dependence."""
    draw = np.random.default_rng(2)
    x = [*draw.normal(0.0, 1.0, 60), *draw.normal(0.0, 1.0, 60)]
    x[59], x[60] = 8.0, -8.0
    near, apart = (estimate("imr", observed(x, broken), residuals=True) for broken in ((), (60,)))
    assert apart.sigma < near.sigma
    assert apart.phi > near.phi
