"""[template.sterilisation]: what loads, what is refused and how the refusal reads, rules on its figures."""

from __future__ import annotations

import pytest

from andon.config.load import load_plant
from andon.errors import ConfigError
from operators.sterilisation_machine import specs

BASE = """
schema = 1
enterprise = { id = "acme" }
site = { id = "szh1" }

[[asset]]
path = "sterile/autoclave1"
template = "autoclave"

[[rule]]
id = "cycle-failed"
on = "sterile/*/drain"
figure = "steam_cycle.verdict"
below = 0.5
raises = "quality_event"

[[template]]
name = "autoclave"
series = [
  { tag = "phase", kind = "state", states = ["Idle", "Vacuum", "Heating", "Sterilising", "Exhaust", "Leak_test"] },
  { tag = "drain", unit = "Cel" },
  { tag = "load1", unit = "Cel" },
  { tag = "pressure", unit = "bar" },
]
[template.sterilisation]
phase = "phase"
reference = "drain"
probes = ["load1"]
pressure = "pressure"
[[template.sterilisation.program]]
name = "porous-134"
version = "2"
temperature = 134.0
hold_s = 180.0
pulses = 3
[[template.sterilisation.program]]
name = "leak"
kind = "leak_test"
"""


def plant(tmp_path, old="", new=""):
    assert old in BASE
    file = tmp_path / "plant.toml"
    file.write_text(BASE.replace(old, new), encoding="utf-8")
    return load_plant(file)


def test_a_steriliser_gets_a_machine_for_each_kind_of_program(tmp_path):
    found = specs(plant(tmp_path), "sterile/autoclave1")
    assert [(one.kind, one.tag) for one in found] == [("steam_cycle", "drain"), ("leak_test", "pressure")]
    changed = specs(plant(tmp_path, "hold_s = 180.0", "hold_s = 181.0"), "sterile/autoclave1")
    assert changed[0].version != found[0].version


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('reference = "drain"', 'reference = "drian"', "drain"),
        ('reference = "drain"', 'reference = "phase"', "number"),
        ('probes = ["load1"]', 'probes = ["load1", "drain"]', "already given"),
        ('pressure = "pressure"', 'pressure = "load1"', "already given"),
        ('unit = "bar"', 'unit = "psi"', "kPa, bar"),
        ('"Exhaust"', '"Blow-off"', "Blow-off"),
        ('phase = "phase"', 'phase = "phase"\nphases = { Exhast = "exhaust" }', "Exhast"),
        ('name = "leak"', 'name = "porous-134"', "already given"),
        ('pressure = "pressure"', "", "needs the series `pressure`"),
        ('kind = "leak_test"', 'kind = "eo"\nhumidity_range = [40.0, 80.0]', "needs the series `humidity`"),
        ('kind = "leak_test"', 'kind = "eo"\ntemperature_range = [63.0, 37.0]', "below the high one"),
        ('figure = "steam_cycle.verdict"', 'figure = "steam_cycle.verdikt"', "steam_cycle.verdict"),
        ('figure = "steam_cycle.verdict"', 'figure = "eo_cycle.verdict"', "none of its series"),
    ],
)
def test_what_is_refused(tmp_path, old, new, said):
    with pytest.raises(ConfigError, match=said):
        plant(tmp_path, old, new)


def test_states_are_known_by_name_or_by_configuration(tmp_path):
    text = BASE.replace('"Exhaust"', '"Blow-off"').replace(
        'phase = "phase"', 'phase = "phase"\nphases = { Blow-off = "exhaust" }'
    )
    file = tmp_path / "plant.toml"
    file.write_text(text, encoding="utf-8")
    declared = load_plant(file).config.template[0].sterilisation
    assert [declared.role_of(state) for state in ("Sterilising", "Blow-off", "Rest")] == [
        "exposure",
        "exhaust",
        "other",
    ]


def test_a_program_with_indicators_follows_its_loads(tmp_path):
    found = specs(plant(tmp_path, "pulses = 3", "pulses = 3\nbi_exposed = 2"), "sterile/autoclave1")
    assert [(one.kind, one.tag) for one in found[2:]] == [("load_release", "drain")]
    assert found[2].paths == found[0].paths
    rule = 'figure = "load_release.unproven"\nabove = 0.5'
    with pytest.raises(ConfigError, match="load_release"):
        plant(tmp_path, 'figure = "steam_cycle.verdict"\nbelow = 0.5', rule)
    followed = BASE.replace('reference = "drain"', 'reference = "drain"\nrelease = true')
    file = tmp_path / "plant.toml"
    file.write_text(followed.replace('figure = "steam_cycle.verdict"\nbelow = 0.5', rule), encoding="utf-8")
    assert specs(load_plant(file), "sterile/autoclave1")[-1].kind == "load_release"


def test_indicators_are_no_matter_of_a_leak_test(tmp_path):
    with pytest.raises(ConfigError, match=r"biological indicators \(2\).*leak_test"):
        plant(tmp_path, 'kind = "leak_test"', 'kind = "leak_test"\nbi_exposed = 2')
