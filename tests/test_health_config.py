"""[[bearing]], [[zones]] and what a template says of machine health: what loads, and how a refusal reads."""

from __future__ import annotations

import re

import pytest

from andon.config.health_tables import BUILT_IN
from andon.config.load import load_plant
from operators.bearings import bearing_rates
from operators.health_machine import specs
from tests.test_config import problems, write
from tests.tree import ROOT

HEAD = """schema = 1
enterprise = { id = "acme" }
site = { id = "szh1" }
asset = [{ path = "u/pump", template = "pump" }]
[[bearing]]
name = "6205"
balls = 9
ball_diameter = 7.94
pitch_diameter = 38.5
[[zones]]
name = "own"
a_b = 1.0
b_c = 2.0
c_d = 3.0
source = "maker's manual, 7.2"
[[template]]
name = "pump"
series = [
  { tag = "vib", kind = "waveform", unit = "m/s2" }, { tag = "vib.velocity", unit = "mm/s" },
  { tag = "state", kind = "state", states = ["Off", "Execute"] }, { tag = "strokes", kind = "counter" },
]
"""
VIBRATION = '[[template.vibration]]\ntag = "vib"\nenvelope_hz = [2000.0, 6000.0]\nrpm = 1470.0\nbearing = "6205"\n'
HEALTH = '[[template.health]]\ntag = "vib.velocity"\nzones = "iso20816-3.group2.rigid"\n'
RUNNING = '[template.running]\nstate = "state"\ncycles = "strokes"\n'
MODE = '[[template.failure_mode]]\nid = "bearing-wear"\ntag = "vib.velocity"\nzone = "C"\nhours = 8000.0\n'
WHOLE = HEAD + VIBRATION + HEALTH + RUNNING + MODE

CASES = {
    # id: (what is changed, into what, path of the fault, code, words of the sentence)
    "ball too large": ("7.94", "40.0", "bearing[0].ball_diameter", "order", "40.0"),
    "bounds do not grow": ("b_c = 2.0", "b_c = 0.5", "zones[0].a_b", "order", "0.5"),
    "name of a built-in table": (
        'name = "own"', 'name = "iso10816-1.class1"', "zones[0].name", "zones_built_in", "iso10816-1.class1",
    ),
    "no such bearing": ('bearing = "6205"', 'bearing = "6206"', "template[0].vibration[0].bearing", "unknown_name",
                        "6205"),
    "bearing without speed": ("rpm = 1470.0\n", "", "template[0].vibration[0].bearing", "health_needs", "rpm"),
    "band the wrong way round": (
        "envelope_hz = [2000.0, 6000.0]", "envelope_hz = [6000.0, 2000.0]", "template[0].vibration[0].envelope_hz",
        "order", "6000",
    ),
    "no waveform": ('[[template.vibration]]\ntag = "vib"', '[[template.vibration]]\ntag = "vib.velocity"',
                    "template[0].vibration[0].tag", "wrong_kind", "waveform"),
    "waveform of a pressure": ('unit = "m/s2"', 'unit = "Pa"', "template[0].vibration[0].tag", "health_unit", "[g]"),
    "velocity in another unit": ('unit = "mm/s"', 'unit = "m/s"', "template[0].vibration[0].tag", "health_unit",
                                 "vib.velocity"),
    "no such table": ("group2.rigid", "group3.rigid", "template[0].health[0].zones", "unknown_name", "iso20816-3"),
    "no such state": ('"Off", "Execute"', '"Off", "Run"', "template[0].running.states[0]", "unknown_name_of", "Run"),
    "cycles of a number": ('cycles = "strokes"', 'cycles = "vib.velocity"', "template[0].running.cycles", "wrong_kind",
                           "counter"),
    "mode of nothing watched": (
        'tag = "vib.velocity"\nzone =', 'tag = "vib.rms"\nzone =', "template[0].failure_mode[0].tag", "unknown_name_of",
        "vib.velocity",
    ),
    "zone without a table": ('zones = "iso20816-3.group2.rigid"\n', "", "template[0].failure_mode[0].zone",
                             "health_needs", "zones"),
    "hours without running": (RUNNING, "", "template[0].failure_mode[0].hours", "health_needs", "running"),
    "nothing asks": ('zone = "C"\nhours = 8000.0\n', "", "template[0].failure_mode[0]", "health_nothing", "pf_d"),
    "mode twice": (MODE, MODE + MODE, "template[0].failure_mode[1].id", "twice", "bearing-wear"),
}  # fmt: skip


def test_it_loads(tmp_path):
    plant = load_plant(write(tmp_path, WHOLE))
    wave = plant.series["u/pump", "vib"].wave
    assert wave is not None
    assert (wave.settings.bearing, wave.bearing and wave.bearing.balls) == ("6205", 9)
    assert plant.series["u/pump", "vib.velocity"].wave is None


def test_a_bearing_may_be_an_axial_one(tmp_path):
    plant = load_plant(
        write(tmp_path, WHOLE.replace("pitch_diameter = 38.5", "pitch_diameter = 38.5\ncontact_deg = 90"))
    )
    wave = plant.series["u/pump", "vib"].wave
    assert wave is not None
    assert wave.bearing is not None
    rates = bearing_rates(9, 7.94, 38.5, wave.bearing.contact_deg, 1470.0)
    assert rates.bpfo == pytest.approx(rates.bpfi)


@pytest.mark.parametrize(("old", "new", "path", "code", "words"), CASES.values(), ids=CASES.keys())
def test_a_fault_names_its_place(tmp_path, old, new, path, code, words):
    assert old in WHOLE
    found = problems(write(tmp_path, WHOLE.replace(old, new)))
    mine = [one for one in found if one.place.path == path and one.code == f"config.{code}"]
    assert mine, [(one.place.path, one.code) for one in found]
    for language in ("en", "zh-CN"):
        assert words in mine[0].text(language)
    assert mine[0].text("en") != mine[0].text("zh-CN")


def test_built_in_tables_grow_and_cite_their_source():
    for table in BUILT_IN.values():
        assert table.a_b < table.b_c < table.c_d
        assert "ISO" in table.source


def test_the_example_of_the_docs_loads(tmp_path):
    page = (ROOT / "docs" / "figures" / "machine-health.md").read_text(encoding="utf-8")
    plant, rules = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    head = HEAD.partition("asset =")[0] + 'asset = [{ path = "u/p1", template = "pump" }]\n'
    loaded = load_plant(write(tmp_path, head + plant + rules))
    assert [rule.figure for rule in loaded.config.rule] == [
        "maintenance.due", "maintenance.inspection_due", "health.zone",
    ]  # fmt: skip
    assert [(spec.kind, spec.tag) for spec in specs(loaded, "u/p1")] == [
        ("health", "vib.velocity"), ("running", "state"), ("maintenance", "bearing-wear"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("on", "figure", "is_there"),
    [
        ("u/pump/vib.velocity", "health.zone", True), ("u/pump/state", "running.cycles", True),
        ("u/pump/bearing-wear", "maintenance.due", True), ("u/pump/vib.velocity", "maintenance.due", False),
        ("u/pump/state", "health.zone", False),
    ],
)  # fmt: skip
def test_rules_name_the_tags_that_figures_stand_under(tmp_path, on, figure, is_there):
    rule = f'[[rule]]\nid = "r"\non = "{on}"\nfigure = "{figure}"\nabove = 0.5\n'
    if is_there:
        assert load_plant(write(tmp_path, WHOLE + rule)).config.rule[0].figure == figure
    else:
        assert "config.rule_no_figure" in {one.code for one in problems(write(tmp_path, WHOLE + rule))}
