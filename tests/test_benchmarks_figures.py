"""benchmarks/figures.py: its plant has every kind of figure that can stream, and its machines tell figures."""

from __future__ import annotations

import json
import sys

import pytest

from andon.figures import KINDS
from benchmarks import figures, figures_plant, parts, report
from flows.figure_specs import machine_specs

ELSEWHERE = {
    "disinfection",
    "eo_cycle",
    "leak_test",
    "load_release",
    "group",
}  # the machine of these is that of steam cycles, is not at 10 Hz, or has windows of its own
ONLY_AT_TIMES = {"excursion", "who", "lot_stay", "steam_cycle"}  # nothing of them ends in every ten seconds


@pytest.fixture(scope="module")
def told():
    return figures.measure(assets=5, panes=61, warm=2)


def test_the_plant_is_as_described():
    model = figures_plant.plant()
    sent = figures_plant.Readings10Hz(model).paths
    assert len(model.assets) == 200
    assert len(sent) == 5_000
    kinds = {spec.kind for spec in machine_specs(model, 0)}
    assert kinds | ELSEWHERE >= set(KINDS) - {"journey", "journey_stop", "shock"}


def test_every_operator_is_driven_and_costs_something(told):
    operators = told["operators"]
    assert {figures.WINDOWS, figures.BOARD, figures.BLOCKS} <= set(operators)
    assert all(one["core"] > 0.0 for one in operators.values())
    assert told["core"] == pytest.approx(sum(one["core"] for one in operators.values()))
    for name, one in operators.items():
        if one["machines"] and name not in ONLY_AT_TIMES:
            assert one["figures"] > 0 or name == "oee_stop", name
    assert operators["spc"]["ns_a_row"] > 0.0


def test_memory_is_told_of_every_kind(told):
    machines = {name for name, one in told["operators"].items() if one["machines"]}
    assert machines <= set(told["bytes_an_asset"])
    assert all(size > 0.0 for size in told["bytes_an_asset"].values())


@pytest.mark.parametrize(("core", "says", "status"), [(0.02, "met", 0), (0.2, "MISSED", 1)])
def test_the_table_says_whether_the_target_is_met(told, core, says, status, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(figures, "measure", lambda **_: {**told, "core": core})
    path = tmp_path / "told.json"
    monkeypatch.setattr(sys, "argv", ["figures.py", "--json", str(path)])
    assert figures.main() == status
    text = capsys.readouterr().out
    assert f"{core * 100:.2f} % of one core; target <= 8 %: {says}" in text
    assert "bytes an asset" in text
    assert json.loads(path.read_text())["figures"]["figures_core_share"] == core


def test_make_bench_knows_it():
    part = next(one for one in parts.PARTS if one.name == "figures")
    assert part.quick == ("--quick",)
    assert report.TARGETS["figures_core_share"] == ("<=", figures.TARGET)
