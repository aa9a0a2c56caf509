"""Ethylene oxide in a cycle: measured and calculated concentration, humidity, and what cannot be told."""

from __future__ import annotations

import math

import pytest

from andon.config.sterilisation import SterilisationProgram
from andon.figures import KINDS
from andon.readings import NS_PER_S
from operators.eo import concentration
from operators.machines import Every
from operators.sterilisation_machine import specs
from tests.sterilisation_world import ASSET, columns, made, plant

EO = SterilisationProgram(
    name="eo-1", kind="eo", hold_s=60.0, equilibration_s=5.0, temperature_range=(37.0, 63.0),
    humidity_range=(40.0, 80.0), concentration_range=(450.0, 900.0),
)  # fmt: skip
BY_RISE = specs(plant((EO,), humidity="rh"), ASSET)[0]
MEASURED = specs(plant((EO,), humidity="rh", concentration="eo"), ASSET)[0]


def log(rise=40.0):
    """Vacuum to 10 kPa, gas let in from second 20 to 30, exposure until 100."""
    phase = [(0, "idle"), (10, "vacuum"), (20, "heating"), (30, "sterilising"), (100, "exhaust"), (110, "idle")]
    pressure = [(at, 10.0 + rise * min(1.0, max(0.0, (at - 20) / 9.0))) for at in range(112)]
    found = {"phase": phase, "pressure": pressure, "rh": [(at, 55.0 + at % 2) for at in range(112)]}
    found |= {tag: [(at, 50.0) for at in range(112)] for tag in ("drain", "p1", "p2")}
    return found | {"eo": [(at, 600.0 + at % 3) for at in range(112)]}


def test_the_rise_of_pressure_tells_the_concentration():
    main, *others = made(BY_RISE, log())
    assert main.parts["gas_rise"] == pytest.approx(40.0)
    assert main.parts["gas"] == pytest.approx(concentration(40.0, 50.0))
    assert (main.parts["gas_ok"], main.parts["verdict"]) == (1.0, 1.0)
    assert (main.parts["humidity_min"], main.parts["humidity_max"]) == (55.0, 56.0)
    assert (main.parts["pressure_min"], main.parts["concentration_min"]) == (pytest.approx(50.0), None)
    humidity = next(one for one in others if one.tag == "rh")
    assert humidity.parts["minimum"] is None  # that part is in Cel
    assert {name for one in (main, *others) for name in one.parts} <= {part.name for part in KINDS["eo_cycle"].parts}
    assert all(value is None or math.isfinite(value) for one in (main, *others) for value in one.parts.values())


@pytest.mark.parametrize("rise", [20.0, 70.0])
def test_too_little_and_too_much_gas_fails(rise):
    assert made(BY_RISE, log(rise))[0].about["failed"] == "gas"


def test_what_is_measured_decides_and_the_rise_is_told_beside_it():
    main = made(MEASURED, log(20.0))[0]
    assert (main.parts["gas_ok"], main.parts["verdict"]) == (None, 1.0)
    assert main.parts["gas"] == pytest.approx(concentration(20.0, 50.0))
    assert (main.parts["concentration_min"], main.parts["concentration_max"]) == (600.0, 602.0)


def test_a_rise_that_nobody_saw_is_not_told():
    unseen = log()
    unseen["pressure"] = [row for row in unseen["pressure"] if not 10 <= row[0] < 25]
    main = made(BY_RISE, unseen)[0]
    assert (main.parts["gas"], main.parts["gas_ok"], main.parts["verdict"]) == (None, None, None)
    assert main.about["undecided"] == "gas"


def test_any_split_gives_the_same_bits():
    whole = columns(BY_RISE, log())
    expected = BY_RISE.make(0, Every(NS_PER_S)).step(whole, 200 * NS_PER_S)
    machine, found, rest = BY_RISE.make(0, Every(NS_PER_S)), [], whole
    for upto in range(NS_PER_S, 200 * NS_PER_S + 1, NS_PER_S):
        part, rest = rest.before(upto)
        found += machine.step(part, upto)
        again = BY_RISE.make(0, Every(NS_PER_S))
        again.restore(machine.snapshot())
        machine = again
    assert found == expected
