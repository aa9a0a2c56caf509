"""Leak tests of a steriliser: settling, the rise over the program's time, what cannot pass, any split into steps."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.config.sterilisation import SterilisationProgram
from andon.figures import KINDS
from andon.readings import NS_PER_S
from operators.machines import Every
from operators.sterilisation_machine import specs
from tests.sterilisation_world import ASSET, PROGRAM, Event, columns, made, plant

LEAK = SterilisationProgram(name="leak", kind="leak_test", settle_s=20.0, hold_s=60.0)
[SPEC] = specs(plant((LEAK,)), ASSET)


def log(kpa_min=0.06, test_s=100, drop=None):
    """A leak test from second 10 on. drop: seconds without pressure."""
    rows = [(at, 5.0 + kpa_min * max(0, at - 10) / 60.0) for at in range(140) if drop is None or at not in drop]
    phase = [(0, "idle"), (10, "leak_test"), (10 + test_s, "idle")]
    return {"phase": phase, "pressure": rows, "drain": [(at, 50.0 + at / 100) for at in range(140)]}


def test_a_tight_chamber_passes():
    [figure] = made(SPEC, log())
    assert figure.parts["verdict"] == 1.0
    assert figure.parts["leak"] == pytest.approx(0.06)
    assert figure.parts["vacuum"] == pytest.approx(5.02)
    assert (figure.parts["settling_s"], figure.parts["measured_s"]) == (20.0, 60.0)
    assert figure.parts["temperature_change"] == pytest.approx(0.6)
    assert (figure.start_ns, figure.end_ns) == (10 * NS_PER_S, 110 * NS_PER_S)
    assert set(figure.parts) == {part.name for part in KINDS["leak_test"].parts}


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        (log(kpa_min=0.2), 0.0),
        (log(kpa_min=0.13), 1.0),
        (log(test_s=70), None),  # too short to pass
        (log(test_s=70, kpa_min=0.2), 0.0),  # too short, and too much all the same
        (log(drop=range(50, 60)), None),
        (log(drop=range(15, 140)), None),
    ],
)
def test_verdicts(rows, verdict):
    [figure] = made(SPEC, rows)
    assert figure.parts["verdict"] == verdict


def test_an_uncertain_pressure_cannot_pass():
    rows = log()
    rows["pressure"][60] = (*rows["pressure"][60], 1)
    [figure] = made(SPEC, rows)
    assert figure.parts["verdict"] is None
    assert figure.parts["uncertain"] == 1.0


def test_a_test_that_never_ends_is_cut_and_a_steam_cycle_is_none():
    endless = log()
    endless["phase"] = endless["phase"][:-1]
    [figure] = made(SPEC, endless, until_s=4000)
    assert figure.parts["cycle_s"] == 3600.0
    other = [Event(5 * NS_PER_S, "cycle.started", {"program": "porous-121"})]
    both = next(spec for spec in specs(plant((PROGRAM, LEAK)), ASSET) if spec.kind == "leak_test")
    assert made(both, log(), other) == []
    steam = specs(plant((PROGRAM, LEAK)), ASSET)[0]
    assert (steam.kind, made(steam, log())) == ("steam_cycle", [])
    bound = [Event(5 * NS_PER_S, "cycle.started", {"program": "leak", "cycle": 12})]
    assert made(both, log(), bound)[0].about == {"program": "leak", "cycle": "12"}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=10), st.sampled_from([0.06, 0.2]))
def test_any_split_and_any_restart_give_the_same_bits(cuts, kpa_min):
    whole = columns(SPEC, log(kpa_min), [Event(5 * NS_PER_S, "cycle.started", {"cycle": 1})])
    expected = SPEC.make(0, Every(NS_PER_S)).step(whole, 4000 * NS_PER_S)
    assert len(expected) == 1
    machine, found, rest = SPEC.make(0, Every(NS_PER_S)), [], whole
    for half in [*sorted(cuts), 8000]:
        upto = half * NS_PER_S // 2
        part, rest = rest.before(upto)
        found += machine.step(part, upto)
        machine.running()
        again = SPEC.make(0, Every(NS_PER_S))
        again.restore(machine.snapshot())
        machine = again
    assert found == expected


def test_without_a_vacuum_there_is_no_leak_to_see():
    flat = log(kpa_min=0.0)
    flat["pressure"] = [(at, 101.3) for at, *_ in flat["pressure"]]
    [figure] = made(SPEC, flat)
    assert figure.parts["verdict"] is None
    assert figure.about["undecided"] == "vacuum"
    assert made(SPEC, log())[0].about.get("undecided", "") == ""


def test_a_pressure_that_falls_hides_a_leak():
    pumped = log()
    pumped["pressure"] = [(at, 5.0 - 0.02 * at) for at, *_ in pumped["pressure"]]
    [figure] = made(SPEC, pumped)
    assert (figure.parts["verdict"], figure.about["undecided"]) == (None, "falling")


def test_one_interval_less_than_the_measuring_time_is_whole_and_two_are_not():
    assert made(SPEC, log(test_s=80))[0].parts["verdict"] == 1.0  # 59 s between its rows
    short = made(SPEC, log(test_s=78))[0]
    assert (short.parts["verdict"], short.about["undecided"]) == (None, "short")
