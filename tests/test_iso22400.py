"""Indicators of ISO 22400-2 from elements and from figures; reliability; losses and their Pareto."""

from __future__ import annotations

import pytest

from operators.iso22400 import ALSO, KPIS, Elements, all_kpis, elements, kpi
from operators.losses import loss_tree, micro_stops, pareto, six_losses
from operators.oee import oee_ratios
from operators.reliability import maintenance_ratio, of_parts, reliability

SET = Elements(
    pot=480, planned_down=30, apt=360, aust=40, adet=30, adot=20, aoet=500, pri=0.5, pq=700, gq=665, sq=28, rq=7,
    calendar=600,
)  # fmt: skip
EXPECTED = {
    "PBT": 450, "AUPT": 400, "AUBT": 430, "availability": 0.8, "effectiveness": 350 / 360, "quality_ratio": 0.95,
    "OEE": 332.5 / 450, "NEE": 400 / 450 * 350 / 360 * 0.95, "TEEP": 332.5 / 600, "OOE": 332.5 / 480,
    "allocation_efficiency": 430 / 450, "utilization_efficiency": 360 / 430, "technical_efficiency": 360 / 390,
    "setup_rate": 0.1, "allocation_ratio": 0.86, "production_process_ratio": 0.72, "throughput_rate": 1.4,
    "scrap_ratio": 0.04, "rework_ratio": 0.01, "fall_off_ratio": 0.04, "first_pass_yield": 0.95,
}  # fmt: skip
PARTS = {
    "calendar_s": 600.0, "unknown_s": 20.0, "no_shift_s": 100.0, "planned_down_s": 130.0, "apt_s": 360.0,
    "setup_s": 40.0, "internal_stop_s": 10.0, "external_stop_s": 10.0, "down_s": 10.0, "transition_s": 0.0,
    "idle_s": 20.0, "pbt_s": 450.0, "adet_s": 30.0, "adot_s": 20.0, "aoet_s": 500.0, "pq": 700.0, "gq": 665.0,
    "sq": 28.0, "rq": 7.0, "pri_pq_s": 350.0, "pri_gq_s": 332.5, "failures": 2.0, "breakdown_s": 16.0,
    "micro_stop_s": 4.0, "starved_s": 6.0, "blocked_s": 3.0, "speed_loss_s": 10.0, "defect_loss_s": 17.5,
    "startup_loss_s": 0.0, "lost_s": 117.5,
}  # fmt: skip


@pytest.mark.parametrize("name", KPIS)
def test_each_indicator_of_one_set(name):
    assert kpi(name, SET) == pytest.approx(EXPECTED[name], rel=1e-12)


@pytest.mark.parametrize("name", KPIS)
def test_what_is_not_known_is_null(name):
    assert kpi(name, Elements()) is None


def test_the_ratios_without_an_item_are_null_never_zero():
    nothing = Elements(
        pot=10, planned_down=0, apt=0, aust=0, adet=0, aoet=0, pri=1, pq=0, gq=0, sq=0, rq=0, calendar=10
    )
    names = ("OEE", "TEEP", "OOE", "NEE", "quality_ratio", "effectiveness", "scrap_ratio", "throughput_rate")
    assert [kpi(name, nothing) for name in names] == [None] * len(names)


def test_other_names_lead_to_indicators():
    assert set(ALSO.values()) <= set(KPIS)
    assert not set(ALSO) & set(KPIS)


def test_a_figure_has_the_same_indicators_as_its_elements():
    found = all_kpis(PARTS)
    same = {name: value for name, value in EXPECTED.items() if name in found}
    assert found == pytest.approx(same, rel=1e-12)
    ratios = oee_ratios(PARTS)
    assert (found["OEE"], found["TEEP"], found["effectiveness"]) == pytest.approx(
        (ratios["OEE"], ratios["TEEP"], ratios["P"])
    )


def test_without_events_delays_are_the_stops():
    of = elements({**PARTS, "adet_s": None, "aoet_s": None})
    assert (of.adet, of.aoet) == (30.0, None)


def test_reliability():
    assert (of_parts(PARTS).mtbf, of_parts(PARTS).mttr) == (200.0, 8.0)
    assert of_parts(PARTS).mttf == 200.0
    assert reliability(100.0, 0.0, 0.0).mtbf is None
    assert reliability(100.0, 0.0, 0.0).availability is None
    assert maintenance_ratio(3.0, 1.0) == 0.75
    assert maintenance_ratio(0.0, 0.0) is None


def test_the_loss_tree_goes_from_the_calendar_to_good_time():
    tree = loss_tree(PARTS)
    steps = [value for name, value in tree.items() if name != "good"]
    assert sum(steps) == pytest.approx(tree["good"])
    assert next(iter(tree)) == "calendar"
    assert loss_tree({**PARTS, "speed_loss_s": None})["speed_loss"] is None


def test_a_pareto_of_reasons():
    stops = [("jam", 10.0), ("", 5.0), ("jam", 20.0), ("cap", 5.0)]
    assert pareto(stops) == [("jam", 30.0, 2, 0.75), ("", 5.0, 1, 0.875), ("cap", 5.0, 1, 1.0)]
    assert pareto([]) == []
    assert pareto([("a", 0.0)]) == [("a", 0.0, 1, 1.0)]


def test_losses_of_totals_sum_to_the_lost_time():
    found = six_losses(480, 80, 30, 0.5, 700, 100, 40)
    assert sum(found.values()) == 480 - 0.5 * 600
    assert micro_stops([], 300) == {"micro_n": 0, "micro_s": 0, "down_n": 0, "down_s": 0}
