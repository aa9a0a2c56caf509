"""OEE of an asset by shift, product or order on the page: what each group counts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from andon.outputs import Figure
from service.figure_reports.spans import shift_of
from service.report_figures import ADDITIVE, shift_parts
from service.web.oee_view import oee_groups_json
from tests.report_world import FILLER, HOUR, SHIFT_NS, report_plant

S = 10**9
PLANT = report_plant()
EARLY = {"day": "2026-03-30", "shift": "early"}


def window(begin_h, about=EARLY, *, final=True, **more):
    parts = dict.fromkeys(ADDITIVE["oee"], 0.0) | {"calendar_s": 3600.0, "pbt_s": 3600.0, "apt_s": 1800.0, **more}
    start_ns = SHIFT_NS + begin_h * HOUR * S
    return Figure(FILLER, "state", "oee", start_ns, start_ns + HOUR * S, 1, final, parts, about, start_ns)


def told(figures, by="shift", begin_h=0, end_h=24, now_h=24):
    def of(kind, start_ns, end_ns, asset, limit=0, *, as_of_ns=None):
        mine = [one for one in figures if one.start_ns < end_ns and one.end_ns > start_ns]
        return mine if kind == "oee" else []

    room = SimpleNamespace(plant=PLANT, history=SimpleNamespace(figures=of), now_ns=lambda: SHIFT_NS + now_h * HOUR * S)
    return oee_groups_json(room, FILLER, SHIFT_NS + begin_h * HOUR * S, SHIFT_NS + end_h * HOUR * S, by)


def test_time_of_a_shift_without_windows_is_unknown_as_for_the_erp_and_in_reports():
    figures = [window(2), window(3), window(5)]
    (group,) = told(figures)["groups"]
    shift = shift_of(PLANT, *EARLY.values())
    assert group["parts"] == shift_parts(figures, shift.start_ns, shift.end_ns)
    assert (group["parts"]["calendar_s"], group["parts"]["unknown_s"]) == (8 * 3600.0, 5 * 3600.0)
    assert group["about"] == EARLY


@pytest.mark.parametrize(
    ("begin_h", "end_h", "now_h", "unknown_h"), [(1, 24, 24, 4), (0, 7, 24, 4), (0, 24, 7, 4), (2.5, 6, 24, 1)]
)
def test_only_time_of_the_range_that_has_come_counts(begin_h, end_h, now_h, unknown_h):
    (group,) = told([window(2), window(3), window(5)], "shift", begin_h, end_h, now_h)["groups"]
    assert group["parts"]["unknown_s"] == unknown_h * 3600.0


@pytest.mark.parametrize("by", ["all", "product", "order"])
def test_elsewhere_only_windows_count(by):
    found = told([window(2), window(5)], by)
    assert {one["parts"]["calendar_s"] for one in [found["total"], *found["groups"]]} == {7200.0}


def test_a_shift_that_is_unknown_or_runs_has_its_windows():
    for about in ({}, {"day": "2026-03-30", "shift": "night"}, {"day": "never", "shift": "early"}):
        (group,) = told([window(2, about), window(5, about)])["groups"]
        assert group["parts"]["calendar_s"] == 7200.0
    (group,) = told([window(2), window(5, final=False)])["groups"]
    assert (group["parts"]["unknown_s"], group["final"]) == (0.0, False)
    (group,) = told([window(2, apt_s=None), window(5)])["groups"]
    assert (group["parts"]["apt_s"], group["parts"]["unknown_s"]) == (None, 6 * 3600.0)
