"""Which machines a configuration asks for, that they run on it, and what the checks of products refuse."""

from __future__ import annotations

import numpy as np
import pytest

from andon.config.load import load_plant
from andon.errors import ConfigError
from andon.figures import KINDS
from operators.cold_chain_machine import specs
from operators.machines import Every, Inputs
from tests.naive import NS

HOUR_NS = 3600 * NS
BEGIN = """
schema = 1
[enterprise]
id = "e"
[site]
id = "s"
[[asset]]
path = "cold/room1"
template = "room"
[[template]]
name = "room"
series = [
  { tag = "air", unit = "Cel" }, { tag = "back", unit = "Cel" }, { tag = "vial", unit = "Cel" },
  { tag = "humidity", unit = "%" }, { tag = "door", kind = "boolean" }, { tag = "thaw", kind = "boolean" },
]
"""
PRODUCT = """
[[product]]
name = "Vaccine A"
source = "stability report 12"
version = "3"
storage = "controlled_cold"
tor_h = 72
life_h = 17520
"""
WHOLE = """
[template.cold_chain]
temperature = "air"
probes = ["back"]
product_probe = "vial"
door = "door"
defrost = "thaw"
humidity = "humidity"
product = "Vaccine A"
who = ["heat8", "freeze"]
gsp = "storage"
"""


def plant_of(folder, *parts):
    path = folder / "plant.toml"
    path.write_text("".join((BEGIN, *parts)), encoding="utf-8")
    return load_plant(path)


def kinds(plant):
    return [(one.kind, one.tag) for one in specs(plant, "cold/room1")]


def test_a_room_with_a_temperature_alone(tmp_path):
    plant = plant_of(tmp_path, '[template.cold_chain]\ntemperature = "air"\n')
    assert kinds(plant) == [("cold_chain", "air"), ("excursion", "air"), ("lot_stay", "air")]
    assert specs(plant_of(tmp_path), "cold/room1") == []


def test_a_room_with_everything(tmp_path):
    found = kinds(plant_of(tmp_path, WHOLE, PRODUCT))
    assert found == [
        ("cold_chain", "air"), ("cold_chain", "back"), ("excursion", "vial"), ("excursion", "back"), ("usp", "vial"),
        ("lot_stay", "vial"), ("humidity", "humidity"), ("who", "vial"),
    ]  # fmt: skip


def hour_of(spec, offset_ns=0):
    """A warm hour of every input of a machine, at 1 Hz."""
    time_ns = np.repeat(np.arange(3600) * NS + offset_ns, len(spec.paths))
    number = np.tile(np.arange(len(spec.paths), dtype=np.int32), 3600)
    values = np.array([9.0 if tag not in ("door", "thaw") else 0.0 for _, tag in spec.paths])[number]
    return Inputs(time_ns, number, values, np.zeros(len(number), np.uint8))


def test_every_machine_runs_and_tells_what_its_kind_declares(tmp_path):
    for spec in specs(plant_of(tmp_path, WHOLE, PRODUCT), "cold/room1"):
        machine = spec.make(0, Every(HOUR_NS))
        made = [*machine.step(hour_of(spec), HOUR_NS), *machine.running()]
        assert made or spec.kind in ("lot_stay", "who")  # no lot, and not ten hours
        kind = KINDS[spec.kind]
        for one in made:
            assert {part.name for part in kind.parts} <= one.parts.keys()
            assert one.about.keys() <= set(kind.about)
            assert all(len(text) <= 64 for text in one.about.values())
        again = spec.make(0, Every(HOUR_NS))
        again.restore(machine.snapshot())
        assert repr(again.snapshot()) == repr(machine.snapshot())


def test_a_changed_profile_is_another_version(tmp_path):
    def versions(product):
        return [one.version for one in specs(plant_of(tmp_path, WHOLE, product), "cold/room1")]

    before, after = versions(PRODUCT), versions(PRODUCT.replace('"3"', '"4"'))
    assert versions(PRODUCT) == before
    changed = [kind for (kind, _), one, other in zip(
        kinds(plant_of(tmp_path, WHOLE, PRODUCT)), before, after, strict=True) if one != other]  # fmt: skip
    assert changed == ["cold_chain", "cold_chain", "excursion", "excursion", "usp", "lot_stay"]


def test_the_profile_decides_the_limits(tmp_path):
    product = PRODUCT.replace("tor_h", "high = 9.5\ntor_h")
    (spec,) = [one for one in specs(plant_of(tmp_path, WHOLE, product), "cold/room1") if one.kind == "usp"]
    made = spec.make(0, Every(HOUR_NS)).step(hour_of(spec), HOUR_NS)
    assert made[0].parts["out_s"] == 0.0
    assert made[0].about["profile"] == "3"


@pytest.mark.parametrize(
    ("cold", "product", "fault"),
    [
        ('[template.cold_chain]\ntemperature = "air"\nproduct = "Vaccine B"\n', PRODUCT, "Vaccine A"),
        ('[template.cold_chain]\ntemperature = "air"\ndoor = "dor"\n', "", "door"),
        ('[template.cold_chain]\ntemperature = "air"\ndoor = "humidity"\n', "", "boolean"),
        ('[template.cold_chain]\ntemperature = "air"\nprobes = ["air"]\n', "", "air"),
        ('[template.cold_chain]\ntemperature = "air"\nhumidity_low = 80\n', "", "humidity_low"),
        ('[template.cold_chain]\ntemperature = "air"\ngsp = "transport"\nvolume_m3 = 45\n', "", "4"),
        ("", PRODUCT.replace('storage = "controlled_cold"\n', ""), "Vaccine A"),
        ("", PRODUCT.replace("tor_h", "low = 9.0\ntor_h"), "low"),
        ("", PRODUCT.replace('storage = "controlled_cold"', "low = 2\nhigh = 8\nmkt_high = 8"), "mkt_h"),
        ("", PRODUCT + PRODUCT, "Vaccine A"),
        ("", PRODUCT.replace('source = "stability report 12"\n', ""), "source"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, cold, product, fault):
    with pytest.raises(ConfigError) as found:
        plant_of(tmp_path, cold, product)
    (problem,) = found.value.problems
    assert fault in problem.text("en")
    assert problem.text("zh-CN") != problem.text("en")


def test_a_slow_series_is_not_what_gsp_asks_for(tmp_path):
    path = tmp_path / "plant.toml"
    slow = BEGIN.replace('{ tag = "air", unit = "Cel" }', '{ tag = "air", unit = "Cel", every_s = 61 }')
    path.write_text(slow + '[template.cold_chain]\ntemperature = "air"\ngsp = "storage"\n', encoding="utf-8")
    with pytest.raises(ConfigError) as found:
        load_plant(path)
    assert "61" in found.value.problems[0].text("en")


RULE = """
[[rule]]
id = "r"
on = "cold/room1/{tag}"
figure = "{figure}"
above = 0.5
priority = "high"
name = {{ en = "Rule", zh-CN = "规则" }}
"""


@pytest.mark.parametrize(
    ("tag", "figure"),
    [
        ("air", "cold_chain.above_s"), ("back", "cold_chain.mkt"), ("vial", "excursion.unexplained"),
        ("vial", "usp.mkt"), ("vial", "lot_stay.above_s"), ("humidity", "humidity.condensing_s"),
        ("heat8", "who.alarm"),
    ],
)  # fmt: skip
def test_rules_judge_every_kind_where_it_stands(tmp_path, tag, figure):
    plant = plant_of(tmp_path, WHOLE, PRODUCT, RULE.format(tag=tag, figure=figure))
    assert (figure.partition(".")[0], tag) in kinds(plant) or tag == "heat8"
    other = "humidity" if tag != "humidity" else "air"
    with pytest.raises(ConfigError):
        plant_of(tmp_path, WHOLE, PRODUCT, RULE.format(tag=other, figure=figure))
