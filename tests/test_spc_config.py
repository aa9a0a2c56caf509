"""[[template.chart]] and [[control_limits]] in plant.toml: what loads, the machines of it, and how a refusal reads."""

from __future__ import annotations

import pytest

from andon.config.load import load_plant
from andon.figures import KINDS
from andon.figures.units import series_unit
from flows.figure_specs import machine_specs
from operators.machines import Every
from operators.spc_machine import specs
from tests.spc_world import S, inputs, run, values
from tests.test_config import problems, write

PLANT = """\
schema = 1
[enterprise]
id = "acme"
[site]
id = "szh1"
[[template]]
name = "filler"
series = [
  { tag = "weight", unit = "g", every_s = 1 }, { tag = "made", kind = "counter" }, { tag = "scrap", kind = "counter" },
  { tag = "on", kind = "boolean" },
]
[[asset]]
path = "line1/filler"
template = "filler"
"""
CHART = '[[template.chart]]\ntag = "weight"\nkind = "{kind}"\n{more}\n'
LIMITS = '[[control_limits]]\nasset = "line1/filler"\nchart = "weight"\nversion = "v1"\ncentre = 10\nsigma = 2\n'


def plant(text, more=""):
    """The chart belongs to the template, so it stands before the asset."""
    head, asset = PLANT.split("[[asset]]")
    return head + text + "\n[[asset]]" + asset + more


CASES = {
    # id: (chart, what stands behind the asset, path of the fault, code, words of the sentence)
    "unknown series": (
        CHART.format(kind="imr", more="").replace("weight", "wieght"), "", "tag", "unknown_name", "'weight'"
    ),
    "a boolean": (CHART.format(kind="imr", more="").replace("weight", "on"), "", "tag", "wrong_kind", "number"),
    "means of one": (CHART.format(kind="xbar_r", more=""), "", "size", "chart_needs", "size >= 2"),
    "ranges of many": (CHART.format(kind="xbar_r", more="size = 11"), "", "size", "chart_needs", "<= 10"),
    "time without length": (CHART.format(kind="c", more='subgroup = "time"'), "", "every_s", "chart_needs", "time"),
    "event without name": (CHART.format(kind="c", more='subgroup = "event"'), "", "event", "chart_needs", "event"),
    "shares of nothing": (CHART.format(kind="p", more=""), "", "items", "chart_needs", "inspected"),
    "no such rule": (CHART.format(kind="imr", more='rules = ["nelson_9"]'), "", "rules[0]", "not_allowed", "nelson_8"),
    "limits the wrong way": (
        CHART.format(kind="imr", more="lower_spec = 5\nupper_spec = 5"), "", "lower_spec", "order", "5"
    ),
    "a logarithm of nothing": (
        CHART.format(kind="imr", more="box_cox = 0\nlower_spec = 0"), "", "box_cox", "chart_positive", "0"
    ),
    "shares of two worlds": (
        CHART.format(kind="p", more='inspected = "made"'), "", "inspected", "wrong_kind", "number"
    ),
    "an asset's own kind": (
        CHART.format(kind="imr", more=""), 'series = [{ tag = "weight", kind = "counter" }]\n',
        "series[0].kind", "wrong_kind", "number",
    ),
    "residuals of means": (
        CHART.format(kind="xbar_s", more="size = 5\nresiduals = true"), "", "residuals", "chart_needs", "cusum"
    ),
    "limits of no chart": (
        CHART.format(kind="imr", more=""), LIMITS.replace('"weight"', '"wait"'), "chart", "unknown_name", "chart"
    ),
    "limits without sigma": (
        CHART.format(kind="imr", more=""), LIMITS.replace("sigma = 2", ""), "sigma", "chart_needs", "sigma > 0"
    ),
    "no such day": (
        CHART.format(kind="imr", more=""), LIMITS + 'valid_from = "2026-02-30T00:00:00Z"', "valid_from",
        "no_such_instant", "02-30",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("chart", "more", "path", "code", "words"), CASES.values(), ids=CASES.keys())
def test_a_fault_is_told_where_it_is(tmp_path, chart, more, path, code, words):
    (found,) = problems(write(tmp_path, plant(chart, more)))
    assert found.code == f"config.{code}"
    assert found.place.path.endswith(f"].{path}")
    assert words in found.text("en")
    assert found.text("zh-CN") != found.text("en")


def test_two_charts_of_one_name_are_refused(tmp_path):
    twice = CHART.format(kind="imr", more="") + CHART.format(kind="ewma", more="")
    (found,) = problems(write(tmp_path, plant(twice)))
    assert found.code == "config.twice"


def test_the_machines_of_a_plant(tmp_path):
    charts = CHART.format(
        kind="imr", more='lower_spec = 4\nupper_spec = 16\nrules = ["nelson_1", "we_4"]'
    ) + CHART.format(
        kind="p", more='name = "scrap-share"\ninspected = "made"\nsubgroup = "time"\nevery_s = 3600'
    ).replace('"weight"', '"scrap"')
    model = load_plant(write(tmp_path, plant(charts, LIMITS)))
    made = {(one.kind, one.tag): one for one in specs(model, "line1/filler")}
    assert list(made) == [("spc", "weight"), ("capability", "weight"), ("spc", "scrap-share")]
    assert made["spc", "scrap-share"].paths == (("line1/filler", "made"), ("line1/filler", "scrap"))
    assert {one.kind for one in machine_specs(model, 0)} >= {"spc", "capability"}
    machine = made["spc", "weight"].make(0, Every(3600 * S))
    (first, second) = run(machine, inputs(values([10.0, 17.0])), 5 * S)
    assert (first.parts["signal"], second.parts["signal"], second.about["version"]) == (0.0, 1.0, "v1")
    for (kind, tag), spec in made.items():
        declared = {part.name for part in KINDS[kind].parts}
        built = spec.make(0, Every(10 * S))
        rows = [(0, 0, 1.0, 0), (0, 1, 1.0, 0)] if tag == "scrap-share" else values([10.0, 17.0, 12.0])
        for figure in run(built, inputs(rows), 3600 * S):
            assert set(figure.parts) <= declared
            assert set(figure.about) <= set(KINDS[kind].about)


def test_the_version_follows_what_decides(tmp_path):
    charts = CHART.format(kind="imr", more="")
    model = load_plant(write(tmp_path, plant(charts, LIMITS)))
    other = load_plant(write(tmp_path, plant(charts, LIMITS.replace("10", "11"))))
    (one,), (changed,) = specs(model, "line1/filler"), specs(other, "line1/filler")
    assert one.version != changed.version


def test_a_rule_may_judge_a_signal(tmp_path):
    chart = CHART.format(kind="imr", more='name = "weight-chart"')
    rule = (
        '[[rule]]\nid = "weight-signal"\non = "*/filler/weight-chart"\nfigure = "spc.signal"\nabove = 0.5\n'
        'raises = "quality_event"\n'
    )
    assert load_plant(write(tmp_path, plant(chart, rule))).config.rule[0].figure == "spc.signal"


def test_the_unit_of_a_figure_is_that_of_its_series(tmp_path):
    charts = "".join(
        CHART.format(kind=kind, more=more).replace('"weight"', f'"{tag}"', 1)
        for kind, tag, more in (
            ("imr", "weight", ""), ("c", "scrap", 'name = "defects"'), ("cusum", "weight", 'name = "sums"'),
            ("imr", "weight", 'name = "logs"\nbox_cox = 0'), ("ewma", "weight", 'name = "slow"'),
        )
    )  # fmt: skip
    model = load_plant(write(tmp_path, plant(charts)))
    units = {
        tag: series_unit(model, "spc", "line1/filler", tag) for tag in ("weight", "defects", "sums", "logs", "slow")
    }
    assert units == {"weight": "g", "defects": "{items}", "sums": "1", "logs": "1", "slow": "g"}
    assert series_unit(model, "health", "line1/filler", "weight") == "g"
    assert series_unit(model, "spc", "nowhere", "weight") == "1"
