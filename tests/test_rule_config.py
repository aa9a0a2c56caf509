"""What plant.toml may say about rules that compute first, that are silenced, and that latch."""

from __future__ import annotations

from pathlib import Path

import pytest

from andon.config.load import load_plant
from andon.config.rule_references import FIGURES
from andon.errors import ConfigError
from flows.figure_specs import machine_specs

TOML = """
schema = 1
[enterprise]
id = "acme"
[site]
id = "szh1"
[transport]
shards = 4
[[template]]
name = "room"
series = [
  { tag = "air", unit = "Cel" }, { tag = "set", unit = "Cel" }, { tag = "door", kind = "boolean" },
  { tag = "state", kind = "state", states = "packml" },
]
cold_chain = { temperature = "air" }
[[asset]]
path = "cold/room1"
template = "room"
shard = 1
[[asset]]
path = "cold/room2"
template = "room"
shard = 2
[[asset]]
path = "cold/room3"
template = "room"
shard = 1
[[rule]]
id = "r"
"""
ON_AIR = 'on = "cold/*/air"\n'


def problems(tmp_path: Path, rule: str) -> list[tuple[str, str]]:
    """(path, code) of what is wrong with a plant that has this rule."""
    file = tmp_path / "plant.toml"
    file.write_text(TOML + rule, encoding="utf-8")
    try:
        load_plant(file)
    except ConfigError as error:
        for one in error.problems:
            assert "{" not in one.text("en") + one.text("zh-CN")
        return [(one.place.path.removeprefix("rule[0]").removeprefix("."), one.code) for one in error.problems]
    return []


GOOD = {
    "rate": "rate_above = 0.1\nover_s = 60",
    "deviation": 'deviates_from = "set"\nby = 2\ndeadband = 0.5',
    "forecast": "outside = [2, 8]\nforecast_s = 600\nover_s = 300\ndeadband = 60",
    "gap": "gap_s = 60",
    "figure": 'figure = "cold_chain.mkt"\nabove = 8',
    "guard band": "outside = [2, 8]\nguard_band = 0.2\ndeadband = 2.7",
    "undecided": 'figure = "cold_chain.mkt"\nabove = 8\nundecided = true\neach = true',
    "schedule": 'above = 8\nschedule = { days = ["mon", "fri"], begins = "22:00", ends = "06:00" }',
    "when": 'above = 8\nwhen = { tag = "state", states = ["Execute"], grace_s = 60 }',
    "when value": 'above = 8\nwhen = { tag = "door", values = [0] }',
    "the rest": 'above = 8\nchange_grace_s = 60\nin_maintenance = true\nlatching = true\nrealarm_s = 600\nowner = "QA"',
}


@pytest.mark.parametrize("rule", GOOD.values(), ids=GOOD.keys())
def test_good_rules(tmp_path, rule):
    assert problems(tmp_path, ON_AIR + rule) == []


BAD = {
    "rate without its time": ("rate_above = 1", [("rate_above", "config.rule_needs")]),
    "time without a rate": ("above = 1\nover_s = 60", [("over_s", "config.rule_alone")]),
    "deviation without by": ('deviates_from = "set"', [("deviates_from", "config.rule_needs")]),
    "forecast of nothing": ("gap_s = 9\nforecast_s = 9\nover_s = 9", [("forecast_s", "config.rule_needs")]),
    "two kinds": ("above = 1\nrate_above = 1\nover_s = 9", [("rate_above", "config.one_condition")]),
    "gap with a delay": ("gap_s = 9\ndelay_s = 9", [("delay_s", "config.rule_both")]),
    "deadband as wide": ('deviates_from = "set"\nby = 1\ndeadband = 1', [("deadband", "config.deadband")]),
    "guard band alone": ("stale_s = 60\nguard_band = 1", [("guard_band", "config.rule_needs")]),
    "guard band of a forecast": (
        "above = 8\nforecast_s = 9\nover_s = 9\nguard_band = 1", [("guard_band", "config.rule_both")],
    ),
    "guard band as wide": ("outside = [2, 8]\nguard_band = 3", [("guard_band", "config.guard_band")]),
    "deadband as wide as what is left": (
        "outside = [2, 8]\nguard_band = 0.2\ndeadband = 2.8", [("deadband", "config.deadband")],
    ),
    "each of a reading": ("above = 8\neach = true", [("each", "config.rule_needs")]),
    "each with a delay": (
        'figure = "cold_chain.mkt"\nabove = 8\neach = true\ndelay_s = 9', [("delay_s", "config.rule_both")],
    ),
    "undecided of a reading": ("above = 8\nundecided = true", [("undecided", "config.rule_needs")]),
    "no such reference": ('deviates_from = "sett"\nby = 1', [("deviates_from", "config.rule_reference")]),
    "itself": ('deviates_from = "air"\nby = 1', [("deviates_from", "config.rule_reference")]),
    "another shard": ('deviates_from = "cold/room1/set"\nby = 1', [("deviates_from", "config.rule_shard")]),
    "no such figure": ('figure = "cold_chain.mtk"\nabove = 8', [("figure", "config.rule_figure")]),
    "not that figure": ('figure = "oee.oee"\nbelow = 0.5', [("figure", "config.rule_no_figure")]),
    "no such gate": ('above = 1\nwhen = { tag = "mode", values = [1] }', [("when.tag", "config.rule_when_tag")]),
    "no such state": (
        'above = 1\nwhen = { tag = "state", states = ["Run"] }', [("when.states", "config.rule_when_states")]
    ),
    "neither": ('above = 1\nwhen = { tag = "state" }', [("when", "config.rule_needs")]),
    "no such day": ('above = 1\nschedule = { days = ["monday"] }', [("schedule.days[0]", "config.not_allowed")]),
    "no day": ("above = 1\nschedule = { days = [] }", [("schedule.days", "config.rule_needs")]),
    "no such time": ('above = 1\nschedule = { begins = "25:00" }', [("schedule.begins", "config.not_allowed")]),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "expected"), BAD.values(), ids=BAD.keys())
def test_bad_rules(tmp_path, rule, expected):
    assert problems(tmp_path, ON_AIR + rule) == expected


def test_every_figure_that_the_demo_makes_can_be_judged_by_a_rule(tmp_path):
    demo = Path("simulators/plant.toml")
    plant = load_plant(demo)
    made = {one.kind: one for shard in range(plant.config.transport.shards) for one in machine_specs(plant, shard)}
    assert {"oee_stop", "calibration"} < made.keys()
    rules = [
        f'[[rule]]\nid = "r{kind}"\non = "{one.asset}/{one.tag}"\nfigure = "{kind}.{FIGURES[kind][0]}"\nabove = 1\n'
        for kind, one in made.items()
    ]  # fmt: skip
    path = tmp_path / "plant.toml"
    path.write_text("\n".join((demo.read_text("utf-8"), *rules)), "utf-8")
    assert len(load_plant(path).config.rule) == len(plant.config.rule) + len(made)


def test_a_figure_that_is_none_is_told_with_those_of_its_kind(tmp_path):
    path = tmp_path / "plant.toml"
    for wrong, right, other in (("usp.excursion", "usp.", "oee."), ("cold_chian.mkt", "cold_chain.mkt", "oee.")):
        path.write_text(f'{TOML}on = "cold/*/air"\nfigure = "{wrong}"\nabove = 8\n', "utf-8")
        with pytest.raises(ConfigError) as caught:
            load_plant(path)
        (one,) = caught.value.problems
        assert right in one.text("en")
        assert other not in one.text("en")


def test_only_numbers_are_computed_with(tmp_path):
    found = problems(tmp_path, 'on = "cold/*/door"\nrate_above = 1\nover_s = 60')
    assert found == [("on", "config.rule_kind")]
