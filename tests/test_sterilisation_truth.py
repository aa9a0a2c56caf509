"""Figures of the simulated steriliser against what it truly did, good cycles and those with a weak steam supply."""

from __future__ import annotations

import numpy as np
import pytest

from andon.readings import NS_PER_S
from operators.machines import Every, Inputs
from operators.sterilisation_machine import specs
from simulators.autoclave import Autoclave
from simulators.schedule import Plan
from simulators.sterilisation_truth import true_cycles
from simulators.truth import demo_plant

HOURS_8 = 8 * 3600


def told(seed, plan):
    """The cycles' figures of eight hours: (its own, those of its probes by tag)."""
    [spec] = specs(demo_plant(), Autoclave.asset)
    number = {tag: place for place, (_, tag) in enumerate(spec.paths)}
    states = demo_plant().series[Autoclave.asset, "phase"].states
    device, rows = Autoclave(seed, plan), []
    for second in range(HOURS_8):
        for tag, value in device.step():
            if tag in number:
                code = states.index(value) if isinstance(value, str) else value
                rows.append((second * NS_PER_S, number[tag], float(code)))
    time, which, value = (np.array([row[part] for row in sorted(rows)]) for part in range(3))
    status = np.zeros(len(time), np.uint8)
    inputs = Inputs(time.astype(np.int64), which.astype(np.int32), value.astype(np.float64), status)
    figures = spec.make(0, Every(NS_PER_S)).step(inputs, HOURS_8 * NS_PER_S)
    return [one for one in figures if not one.tag], {(one.start_ns, one.tag): one for one in figures if one.tag}


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_the_figures_are_what_the_steriliser_did(seed):
    plan = Plan(seed)
    figures, probes = told(seed, plan)
    cycles = true_cycles(seed, HOURS_8, plan)
    figures = [one for one in figures if "begin" not in one.about.get("undecided", "")]
    assert [(one.start_ns, one.end_ns) for one in figures] == [
        (cycle.begin_s * NS_PER_S, cycle.end_s * NS_PER_S) for cycle in cycles
    ]
    assert len(cycles) >= 8
    for figure, cycle in zip(figures, cycles, strict=True):
        assert figure.parts["exposure_s"] == cycle.phases_s["sterilising"] == 900
        assert figure.parts["pulses"] == 3.0
        for tag, f0 in cycle.f0_min.items():
            assert probes[figure.start_ns, tag].parts["f0"] == pytest.approx(f0, rel=0.005)
        assert figure.parts["f0"] == pytest.approx(min(cycle.f0_min.values()), rel=0.005)
        assert figure.parts["hold_s"] == pytest.approx(cycle.hold_s, abs=6)
        assert figure.parts["equilibration_s"] == pytest.approx(cycle.entered_s - cycle.plateau_s, abs=6)
        assert figure.parts["verdict"] == float(cycle.hold_s >= 900)
        assert figure.parts["own_value_ok"] == 1.0


def test_the_faults_of_the_demo_fail_cycles_and_only_they():
    figures, _ = told(3, Plan(3))
    assert {one.parts["verdict"] for one in figures} >= {1.0, 0.0}
    quiet, _ = told(3, Plan(3, faults=False))
    assert {one.parts["verdict"] for one in quiet if "begin" not in one.about.get("undecided", "")} == {1.0}
