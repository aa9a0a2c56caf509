"""[[place]], [[journey_plan]] and [template.journey] in plant.toml: what loads, the machines, how a refusal reads."""

from __future__ import annotations

import pytest

from andon.config.load import load_plant
from flows.figure_specs import machine_specs
from operators.machines import Every
from tests.test_config import problems, write

PLANT = """\
schema = 1
[enterprise]
id = "acme"
[site]
id = "szh1"
[[place]]
id = "yard"
source = "survey"
corners = [[31.0, 120.0], [31.0, 120.1], [31.1, 120.1]]
[[place]]
id = "shop"
centre = [31.2, 121.3]
[[journey_plan]]
id = "daily"
begins = "yard"
corridor_m = 500
[[journey_plan.stop]]
place = "shop"
via = [[31.1, 120.5]]
earliest_min = 50
latest_min = 80
[[template]]
name = "truck"
series = [
  { tag = "lat", unit = "deg" }, { tag = "lon", unit = "deg" }, { tag = "v", unit = "m/s" },
  { tag = "ax", unit = "m/s2" }, { tag = "ay", unit = "[g]" }, { tag = "cargo", unit = "Cel" },
]
[template.journey]
latitude = "lat"
longitude = "lon"
speed = "v"
shock = ["ax", "ay"]
plans = ["daily"]
[[asset]]
path = "road/t1"
template = "truck"
[[rule]]
id = "late"
on = "road/*/lat"
figure = "journey.expected_late_s"
above = 900
name = { en = "Late", zh-CN = "晚点" }
"""

CASES = {
    # id: (what, put in its place, path of the fault, code, words of the sentence)
    "a place without a shape": ("centre = [31.2, 121.3]\n", "", "place[1]", "place_shape", "'shop'"),
    "a place of two shapes": ('id = "shop"', 'id = "shop"\ncorners = [[0, 0]]', "place[1]", "place_shape", "`centre`"),
    "two corners": (", [31.1, 120.1]]", "]", "place[0]", "place_corners", "'yard'"),
    "corners that cross": (
        "corners = [[31.0, 120.0], [31.0, 120.1], [31.1, 120.1]]",
        "corners = [[31.0, 120.0], [31.1, 120.1], [31.0, 120.1], [31.1, 120.0]]", "place[0]", "place_corners", "cross",
    ),
    "corners over the date line": ("[31.1, 120.1]]", "[31.1, -179.0]]", "place[0]", "place_corners", "date line"),
    "corners in a line": ("[31.1, 120.1]]", "[31.0, 120.2]]", "place[0]", "place_corners", "enclose nothing"),
    "a place of one name": ('id = "shop"', 'id = "yard"', "place[1].id", "twice", "'yard'"),
    "no such begin": ('begins = "yard"', 'begins = "yrad"', "begins", "unknown_name", "'yard'"),
    "no such stop": ('place = "shop"', 'place = "shops"', "stop[0].place", "unknown_name", "'shop'"),
    "a window the wrong way": ("latest_min = 80", "latest_min = 50", "earliest_min", "order", "50"),
    "no such plan": ('plans = ["daily"]', 'plans = ["dayly"]', "plans[0]", "unknown_name", "'daily'"),
    "no such series": ('latitude = "lat"', 'latitude = "latt"', "latitude", "unknown_name", "'lat'"),
    "a temperature for a speed": ('speed = "v"', 'speed = "cargo"', "speed", "journey_unit", "km/h, m/s"),
    "an axis twice": ('shock = ["ax", "ay"]', 'shock = ["ax", "ax"]', "shock[1]", "twice", "'ax'"),
    "a rule on a part that is none": (
        "journey.expected_late_s", "journey.late", "figure", "rule_figure", "journey.late_s"
    ),
    "a rule on another series": ('on = "road/*/lat"', 'on = "road/*/v"', "figure", "rule_no_figure", "road/t1/lat"),
    "a point of three": ("centre = [31.2, 121.3]", "centre = [31.2, 121.3, 4]", "centre", "", "latitude, longitude"),
    "too many axes": ('shock = ["ax", "ay"]', 'shock = ["ax", "ay", "v", "lat"]', "shock", "", "at most 3"),
    "no stops": ("[[journey_plan.stop]]", "stop = []\n[[place.x]]", "stop", "", "1 or more"),
    "no latitude on earth": ("centre = [31.2, 121.3]", "centre = [121.3, 31.2]", "centre[0]", "", "90"),
}  # fmt: skip


@pytest.mark.parametrize(("what", "instead", "path", "code", "words"), CASES.values(), ids=CASES.keys())
def test_a_fault_is_told_where_it_is(tmp_path, what, instead, path, code, words):
    assert what in PLANT
    found = problems(write(tmp_path, PLANT.replace(what, instead)))[0]
    assert str(found.place).endswith(path)
    assert found.code.endswith(code)
    assert words in found.text("en")


def test_a_wrong_entry_of_a_list_is_told_once(tmp_path):
    found = problems(write(tmp_path, PLANT.replace("via = [[31.1, 120.5]]", "via = [[131.1, 120.5]]")))
    assert [str(one.place).rpartition(": ")[2] for one in found] == ["journey_plan[0].stop[0].via[0][0]"]


def test_the_machines_of_a_plant(tmp_path):
    model = load_plant(write(tmp_path, PLANT))
    specs = {one.kind: one for one in machine_specs(model, model.shard_of("road/t1"))}
    assert set(specs) == {"journey", "journey_stop", "shock"}
    assert specs["journey"].tag == "lat"
    assert [tag for _, tag in specs["journey"].paths] == ["v", "lat", "lon", "ax", "ay"]
    assert [tag for _, tag in specs["shock"].paths] == ["ax", "ay"]
    for spec in specs.values():
        machine = spec.make(0, Every(1))
        machine.restore(machine.snapshot())
        assert machine.running() == []


@pytest.mark.parametrize(
    ("what", "instead", "kinds"),
    [
        ("latest_min = 80", "latest_min = 81", {"journey", "journey_stop"}),
        ("centre = [31.2, 121.3]", "centre = [31.2, 121.4]", {"journey", "journey_stop"}),
        ('shock = ["ax", "ay"]', 'shock = ["ax", "ay"]\nshock_g = 3', {"journey", "journey_stop", "shock"}),
        ('source = "survey"', 'source = "survey"\nname = "Yard"', set()),
    ],
)
def test_the_version_follows_what_decides(tmp_path, what, instead, kinds):
    def versions(text):
        model = load_plant(write(tmp_path, text))
        return {one.kind: one.version for one in machine_specs(model, model.shard_of("road/t1"))}

    one, other = versions(PLANT), versions(PLANT.replace(what, instead))
    assert {kind for kind in one if one[kind] != other[kind]} == kinds


def test_the_longest_journey_is_known_where_a_machine_begins_anew(tmp_path):
    for declared, hours in (("", 72), ("longest_h = 480\n", 480), ("longest_h = 1\n", 72)):
        text = PLANT.replace('speed = "v"\n', f'speed = "v"\n{declared}')
        model = load_plant(write(tmp_path, text))
        reach = {one.kind: one.reach_ns for one in machine_specs(model, model.shard_of("road/t1"))}
        assert reach["journey"] == reach["journey_stop"] == hours * 3_600 * 10**9
