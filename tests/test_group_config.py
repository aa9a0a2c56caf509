"""[[template.group]]: what loads, the machines of it, and how a refusal reads."""

from __future__ import annotations

import pytest

from andon.config.load import load_plant
from flows.figure_specs import machine_specs
from tests.test_config import problems, write

WHOLE = """schema = 1
enterprise = { id = "acme" }
site = { id = "szh1" }
asset = [{ path = "u/pump", template = "pump" }, { path = "u/spare", template = "pump" }]
[[template]]
name = "pump"
series = [
  { tag = "current", unit = "A", every_s = 5.0 }, { tag = "oil", unit = "bar" }, { tag = "oil.b", unit = "bar" },
  { tag = "state", kind = "state", states = ["Off", "Execute"] },
]
[template.running]
state = "state"
[[template.group]]
name = "drive"
tags = ["current", "oil"]
window_s = 60.0
while_running = true
settle_s = 30.0
[[template.group]]
name = "twins"
tags = ["oil", "oil.b"]
method = "twin"
[[rule]]
id = "odd"
on = "*/drive"
figure = "group.alarm"
above = 0.5
"""
AT = "template[0].group"
CASES = {
    # id: (what is changed, into what, path of the fault, code, words of the sentence)
    "no such tag": ('["current", "oil"]', '["curent", "oil"]', f"{AT}[0].tags[0]", "unknown_name", "curent"),
    "not a number": ('["current", "oil"]', '["current", "state"]', f"{AT}[0].tags[1]", "wrong_kind", "state"),
    "one tag twice": ('["current", "oil"]', '["oil", "oil"]', f"{AT}[0].tags", "repeated", "oil"),
    "three twins": ('["oil", "oil.b"]', '["oil", "oil.b", "current"]', f"{AT}[1].tags", "group_twin", "3"),
    "twins of two units": ('["oil", "oil.b"]', '["oil", "current"]', f"{AT}[1].tags", "group_twin_unit", "A, bar"),
    "a window too short": ("window_s = 60.0", "window_s = 2.0", f"{AT}[0].window_s", "group_window", "5.0"),
    "nothing says that it runs": ('[template.running]\nstate = "state"\n', "", f"{AT}[0].while_running",
                                  "health_needs", "running"),
    "settles after nothing": ("while_running = true\n", "", f"{AT}[0].settle_s", "health_needs", "by_product"),
    "one name twice": ('"twins"', '"drive"', f"{AT}[1].name", "twice", "drive"),
    "a rule on no group": ('on = "*/drive"', 'on = "*/drove"', "rule[0].figure", "rule_no_figure", "drive"),
    "a part that is none": ("group.alarm", "group.alarms", "rule[0].figure", "rule_figure", "group.alarm"),
}  # fmt: skip


def test_each_asset_of_the_template_has_its_machines(tmp_path):
    plant = load_plant(write(tmp_path, WHOLE))
    found = [one for one in machine_specs(plant, 0) if one.kind == "group"]
    assert [(one.asset, one.tag) for one in found] == [
        ("u/pump", "drive"), ("u/pump", "twins"), ("u/spare", "drive"), ("u/spare", "twins"),
    ]  # fmt: skip
    assert found[0].paths == (("u/pump", "current"), ("u/pump", "oil"), ("u/pump", "state"))
    other = load_plant(write(tmp_path, WHOLE.replace("window_s = 60.0", "window_s = 61.0")))
    assert next(one.version for one in machine_specs(other, 0) if one.kind == "group") != found[0].version


@pytest.mark.parametrize(("old", "new", "path", "code", "words"), CASES.values(), ids=CASES.keys())
def test_a_fault_names_its_place(tmp_path, old, new, path, code, words):
    assert old in WHOLE
    found = problems(write(tmp_path, WHOLE.replace(old, new)))
    mine = [one for one in found if one.place.path == path and one.code == f"config.{code}"]
    assert mine, [(one.place.path, one.code) for one in found]
    for language in ("en", "zh-CN"):
        assert words in mine[0].text(language)


@pytest.mark.parametrize("tags", ['["oil"]', str([f"t{n}" for n in range(33)]).replace("'", '"')])
def test_too_few_and_too_many_series_are_refused(tmp_path, tags):
    found = problems(write(tmp_path, WHOLE.replace('["current", "oil"]', tags)))
    assert any(one.place.path.startswith(f"{AT}[0].tags") for one in found)
