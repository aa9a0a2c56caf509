"""Triggers, one due figure for each failure mode, the inspection plan, and lives from events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.figure_rules import FigureRules
from andon.config.health import FailureMode
from andon.config.models import Rule
from andon.outputs import Figure
from operators.machines import Every
from operators.maintenance import (
    Condition,
    DueInspection,
    Since,
    due_inspections,
    holding,
    inspection_in_d,
    is_known,
)
from operators.weibull import weibull_fit
from tests.test_health_machine import LENGTH, SPECS, S, Told, inputs_of, only, run

MODE = FailureMode(
    id="wear", tag="v", zone="C", slope_per_d=0.2, within_d=14.0, hours=1_000.0, cycles=500.0, mtbf_share=0.8
)  # fmt: skip

CASES = {
    # id: (what is seen, what held before, what holds)
    "nothing known": (Condition(), (), ()),
    "nothing known changes nothing": (Condition(), ("zone", "hours"), ("zone", "hours")),
    "zone C is enough": (Condition(zone=3), (), ("zone",)),
    "zone B is not": (Condition(zone=2), ("zone",), ()),
    "on the threshold": (Condition(hours=1_000.0), (), ("hours",)),
    "inside the hysteresis, held": (Condition(hours=900.0), ("hours",), ("hours",)),
    "inside the hysteresis, not held": (Condition(hours=900.0), (), ()),
    "below the hysteresis": (Condition(hours=899.9), ("hours",), ()),
    "limit near": (Condition(has_trend=True, slope_per_d=0.1, days_to_limit=14.0), (), ("within_d",)),
    "limit near, held": (Condition(has_trend=True, slope_per_d=0.1, days_to_limit=15.4), ("within_d",), ("within_d",)),
    "limit far": (Condition(has_trend=True, slope_per_d=0.1, days_to_limit=15.5), ("within_d",), ()),
    "growth ended": (Condition(has_trend=True, slope_per_d=-0.1), ("within_d",), ()),
    "trend not known": (Condition(), ("within_d",), ("within_d",)),
    "several": (Condition(zone=4, slope_per_d=0.3, cycles=600.0, share=0.8), (),
                ("zone", "slope_per_d", "cycles", "mtbf_share")),
}  # fmt: skip


@pytest.mark.parametrize(("seen", "before", "want"), CASES.values(), ids=CASES.keys())
def test_triggers(seen, before, want):
    assert holding(MODE, seen, before) == want


@given(st.floats(0.0, 2_000.0), st.floats(0.0, 2_000.0))
def test_a_trigger_that_holds_more_easily_holds_longer(one, other):
    less, more = sorted((one, other))
    assert set(holding(MODE, Condition(hours=less), ())) <= set(holding(MODE, Condition(hours=more), ()))
    assert set(holding(MODE, Condition(hours=less), ())) <= set(holding(MODE, Condition(hours=less), ("hours",)))


def test_what_is_known():
    assert not is_known(MODE, Condition())
    assert is_known(MODE, Condition(hours=0.0))
    assert not is_known(FailureMode(id="a", zone="C", tag="v"), Condition(hours=0.0))
    assert is_known(FailureMode(id="a", within_d=3.0, tag="v"), Condition(has_trend=True))


PLAN = FailureMode(id="wear", inspect_d=90.0, inspect_h=500.0, inspect_cycles=1_000.0, pf_d=60.0)
PLANS = {
    "half the P-F interval": (PLAN, Since(0.0), 30.0),
    "running hours come first": (PLAN, Since(10.0, 400.0, 100.0), 2.5),
    "cycles come first": (PLAN, Since(10.0, 10.0, 900.0), 10.0 / 9.0),
    "overdue is 0": (PLAN, Since(31.0), 0.0),
    "hours used up": (PLAN, Since(1.0, 500.0), 0.0),
    "it never ran": (FailureMode(id="a", inspect_h=500.0), Since(5.0, 0.0), None),
    "calendar alone": (FailureMode(id="a", inspect_d=90.0), Since(10.0, 400.0), 80.0),
    "no plan": (FailureMode(id="a", hours=5.0), Since(10.0, 400.0), None),
}


@pytest.mark.parametrize(("mode", "since", "want"), PLANS.values(), ids=PLANS.keys())
def test_the_plan(mode, since, want):
    found = inspection_in_d(mode, since)
    assert found == (want if want is None else pytest.approx(want))


def test_due_inspections_are_one_each_and_the_soonest_first():
    told = [
        ("m", "seal", {"inspection_in_d": 9.0}), ("m", "bearing", {"inspection_in_d": 3.0}),
        ("m", "seal", {"inspection_in_d": 1.0}), ("k", "bearing", {"inspection_in_d": 3.0}),
        ("k", "seal", {"inspection_in_d": None}), ("l", "seal", {"inspection_in_d": 11.0}),
    ]  # fmt: skip
    assert due_inspections(told, 10.0) == [
        DueInspection("m", "seal", 1.0), DueInspection("k", "bearing", 3.0), DueInspection("m", "bearing", 3.0),
    ]  # fmt: skip


def executing(begin, end):
    return [(second, 1, 1, 0) for second in range(begin, end)]


def seal(events, until=220):
    return run(SPECS["maintenance", "seal"], only(inputs_of(executing(0, until), events), [1, 2]), [until * S])


def test_running_hours_ask_for_an_order_until_maintenance():
    # The threshold is 18 s of running: each whole window reaches it.
    made = seal([Told(95 * S, "maintenance.ended", {"mode": "seal"})])
    assert [one.parts["due"] for one in made[3:6]] == [1.0, 0.0, 1.0]
    assert made[4].parts["age_h"] == pytest.approx(5 / 3_600)
    assert (made[3].about, made[4].about) == ({"mode": "seal", "triggers": "hours"}, {"mode": "seal", "triggers": ""})
    other = seal([Told(95 * S, "maintenance.ended", {"mode": "bearing"})])
    assert {one.parts["due"] for one in other} == {1.0}


def test_nothing_known_is_not_fine():
    made = run(SPECS["maintenance", "seal"], only(inputs_of([]), [1, 2]), [40 * S])
    assert [one.parts["due"] for one in made] == [None, None]
    assert made[0].parts["inspection_in_d"] is None


def test_a_meter_that_is_set():
    made = seal([Told(30 * S, "meter.set", {"hours": 100.0, "mode": "seal"})])
    assert made[1].parts["age_h"] == pytest.approx(100.0 + 10 / 3_600)


def test_lives_of_failures_and_of_parts_replaced_before():
    events = [
        Told(40 * S, "failure.reported", {"mode": "seal"}), Told(41 * S, "failure.reported", {"mode": "seal"}),
        Told(50 * S, "maintenance.ended", {"mode": "seal"}), Told(100 * S, "maintenance.ended"),
        Told(160 * S, "failure.reported", {"mode": "seal"}), Told(170 * S, "maintenance.ended", {"mode": "seal"}),
        Told(180 * S, "failure.reported"), Told(181 * S, "failure.reported", {"mode": "bearing"}),
    ]  # fmt: skip
    parts = seal(events)[-1].parts
    assert parts["failures"] == 2.0  # a failure is told once for each life; those of other modes are not its own
    want = weibull_fit([40 / 3_600, 60 / 3_600], [50 / 3_600, 50 / 3_600])
    assert (parts["beta"], parts["eta_h"]) == pytest.approx((want.beta, want.eta))
    assert parts["mtbf_h"] == pytest.approx((40 + 50 + 60 + 50) / 2 / 3_600)
    assert parts["mtbf_low_h"] < parts["mtbf_h"] < parts["mtbf_high_h"]
    assert parts["age_share"] == pytest.approx(parts["age_h"] / parts["mtbf_h"])


def test_several_triggers_of_a_mode_are_one_order():
    rows = [(second, 0, second // 20, 0) for second in range(200)] + executing(0, 200)
    machine = SPECS["maintenance", "bearing"].make(0, Every(LENGTH))
    made = machine.step(inputs_of(rows), 220 * S)
    held = [set(one.about["triggers"].split("+")) for one in made if one.parts["due"]]
    assert len(held[-1]) > 2
    rules = FigureRules(
        [Rule(id="due", on="*/bearing", figure="maintenance.due", above=0.5, raises="maintenance_order")],
        lambda figure: figure.parts,
    )  # fmt: skip
    figures = [
        Figure("m", "bearing", "maintenance", one.start_ns, one.end_ns, 1, final=True, parts=one.parts) for one in made
    ]
    changes = [change for at, figure in enumerate(figures) for change in rules.take([figure], at)]
    assert [(one.kind, one.asset, one.tag) for one in changes] == [("raised", "m", "bearing")]
