"""Roll-up of parts to lines, areas and the site."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.oee import oee_ratios
from operators.topology import added, levels, line_of, standing


def parts(pbt, run, made):
    return {"calendar_s": pbt, "unknown_s": 0.0, "pbt_s": pbt, "apt_s": run, "pq": made, "gq": made, "pri_pq_s": made,
            "pri_gq_s": made}  # fmt: skip


def test_a_line_has_the_parts_of_its_bottleneck_and_an_area_the_sum_of_its_lines():
    figures = {
        "fill/line1/washer": [parts(100.0, 90.0, 500.0)], "fill/line1/filler": [parts(100.0, 90.0, 80.0)],
        "fill/line2/filler": [parts(300.0, 150.0, 135.0)], "press": [parts(10.0, 10.0, 5.0)],
    }  # fmt: skip
    found = levels(figures, {"fill/line1/filler"})
    assert found["fill/line1"]["pq"] == 80.0
    assert oee_ratios(found["fill"])["OEE"] == pytest.approx(0.5375)
    assert (found["press"]["pq"], found[""]["pq"]) == (5.0, 220.0)
    assert added([found[""], found[""]])["pbt_s"] == 820.0


def test_a_declared_line_has_its_own_figure_and_not_those_of_its_cells():
    lines = {"fill/line1": ["fill/line1/washer", "fill/capper"]}
    figures = {
        "fill/line1": [parts(100.0, 70.0, 60.0)], "fill/line1/washer": [parts(100.0, 90.0, 500.0)],
        "fill/capper": [parts(100.0, 90.0, 80.0)], "fill/line2/filler": [parts(300.0, 150.0, 135.0)],
    }  # fmt: skip
    found = levels(figures, {"fill/line1/washer", "fill/capper"}, lines)
    assert {path: one["pq"] for path, one in found.items()} == {
        "fill/line1": 60.0, "fill/line2": 135.0, "fill": 195.0, "": 195.0
    }  # fmt: skip
    figures["fill/line1"] = []
    assert levels(figures, {"fill/capper"}, lines).keys() == {"fill/line2", "fill", ""}, "its cells do not stand in"


def test_machines_directly_in_an_area_are_a_line_of_it_and_the_area_is_told():
    """The area's path is that of a line too; what is no bottleneck of that stays out of the area."""
    figures = {
        "fill/washer": [parts(10.0, 9.0, 90.0)], "fill/filler": [parts(10.0, 8.0, 80.0)],
        "fill/line1/capper": [parts(10.0, 7.0, 70.0)],
    }  # fmt: skip
    assert standing(figures, {"fill/filler"}) == {"fill": ["fill/filler"], "fill/line1": ["fill/line1/capper"]}
    found = levels(figures, {"fill/filler"})
    assert (found["fill"]["pq"], found[""]["pq"]) == (150.0, 150.0)


figures_st = st.dictionaries(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join),
    st.lists(st.fixed_dictionaries({"pq": st.none() | st.integers(0, 9).map(float)}), max_size=3),
    max_size=8,
)  # fmt: skip


@given(figures_st, st.data())
def test_levels_equal_the_twin_asset_by_asset(figures, data):
    """Each asset is in one line, one area, one site, and counts once or not at all."""
    names = sorted(figures)
    bottlenecks = data.draw(st.sets(st.sampled_from(names))) if names else set()
    line = data.draw(st.sampled_from(names)) if names else ""
    lines = {line: set(data.draw(st.lists(st.sampled_from(names)))) - {line}} if names else {}

    def counts(asset):
        mine = [one for one in names if line_of(one, lines) == line_of(asset, lines)]
        if line_of(asset, lines) == line and line in mine:
            return asset == line
        return asset in bottlenecks or not bottlenecks & {*mine}

    def under(path, asset):
        whole = line_of(asset, lines)
        return not path or whole.split("/")[0] == path or (whole == path and "/" in path)

    found = levels({name: figures[name] for name in names}, bottlenecks, lines)
    for path, told in found.items():
        rows = [row["pq"] for asset in names if counts(asset) and under(path, asset) for row in figures[asset]]
        assert told.get("pq") == (None if None in rows or not rows else sum(rows))


def test_unknown_stays_unknown():
    assert added([{"pq": 1.0}, {"pq": None}]) == {"pq": None}
    assert added([{"pq": 1.0}, {"gq": 1.0}]) == {"pq": None, "gq": None}
    assert added([]) == {}
