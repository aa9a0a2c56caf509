"""What must not make a healthy machine look ill or an ill one healthy: standing still, silence, meters, baselines."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.config.models import Plant
from andon.plant import PlantModel
from operators.health_machine import specs
from operators.machines import NO_INPUTS, Every, Inputs
from operators.maintenance import Condition, holding, is_known
from operators.wear import DAY_NS
from tests.test_health_machine import LENGTH, SPECS, WORLD, S, Told, inputs_of, only, run

DECLARED = {
    "health": [{"tag": "v", "zones": "iso20816-3.group2.rigid", "over_d": 60 * 8 / 86_400, "while_running": True,
                "learn": 3}],
    "running": {"state": "state"},
    "failure_mode": [{"id": "bearing", "tag": "v", "zone": "C", "novelty": 6.0, "over_baseline": True}],
}  # fmt: skip


def world(**changes):
    template = WORLD.config.template[0].model_dump(exclude_none=True) | DECLARED | changes
    plant = WORLD.config.model_dump(exclude_none=True, by_alias=True) | {"template": [template]}
    return {(one.kind, one.tag): one for one in specs(PlantModel(Plant.model_validate(plant)), "m")}


GATED = world()


def rows_of(rows):
    """(second, input, value) as inputs."""
    ordered = sorted((round(second * S), number, float(value)) for second, number, value in rows)
    time_ns, number, value = zip(*ordered, strict=True)
    return Inputs(
        np.array(time_ns, np.int64), np.array(number, np.int32), np.array(value, np.float64),
        np.zeros(len(ordered), np.uint8),
    )  # fmt: skip


def test_a_machine_that_stands_still_is_in_no_zone():
    running = [(second, 1, 1) for second in range(0, 40, 5)]
    still = [(second, 1, 0) for second in range(40, 100, 5)]
    values = [(second, 0, 3.5 if second < 40 else 0.1) for second in range(100)]
    made = run(GATED["health", "v"], rows_of([*running, *still, *values]), [100 * S])
    assert [one.parts["zone"] for one in made] == [3.0, 3.0, None, None, None]
    assert [one.parts["value"] for one in made[:3]] == [3.5, 3.5, None]
    mode = run(GATED["maintenance", "bearing"], rows_of([*running, *still, *values]), [100 * S])
    assert {one.parts["due"] for one in mode} == {1.0}  # it stands still in zone C, not in A


def test_a_state_that_is_too_old_lets_nothing_count():
    rows = [(0, 1, 1), *((second, 0, 3.0) for second in range(40))]
    made = run(GATED["health", "v"], rows_of(rows), [40 * S])
    assert [one.parts["samples"] for one in made] == [16.0, 0.0]  # three intervals of 5 s and their last instant


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=60),
    st.sets(st.integers(1, 439)),
)
@pytest.mark.parametrize("key", [("health", "v"), ("maintenance", "bearing")])
def test_any_split_and_any_restore_of_gated_rows(key, rows, halves):
    inputs = rows_of(rows)
    cuts = sorted({*(half * S // 2 for half in halves), 220 * S})
    assert run(GATED[key], inputs, cuts, restored=True) == run(GATED[key], inputs, [220 * S])


def test_a_trend_does_not_outlive_what_it_was_taken_over():
    rows = [(second, 0, second // 10, 0) for second in range(100)]
    spec = SPECS["health", "v"]
    machine = spec.make(0, Every(LENGTH))
    made = machine.step(only(inputs_of(rows), [0]), 1_200 * S)
    assert made[4].parts["slope_per_d"] > 0.0
    assert (made[-1].parts["slope_per_d"], made[-1].parts["days_to_limit"], made[-1].parts["means"]) == (
        None,
        None,
        0.0,
    )


def test_a_new_hour_meter_makes_no_part_old():
    rows = [(second, 1, 1, 0) for second in range(60)]
    events = [Told(30 * S, "meter.set", {"hours": 42_000.0})]
    inputs = only(inputs_of(rows, events), [1, 2])
    seal = run(SPECS["maintenance", "seal"], inputs, [60 * S])
    assert seal[-1].parts["age_h"] == pytest.approx(60 / 3_600)
    meter = run(SPECS["running", "state"], inputs, [60 * S])
    assert meter[-1].parts["total_h"] == pytest.approx(42_000.0 + 30 / 3_600)


def test_lives_from_before_andon_count():
    rows = [(second, 1, 1, 0) for second in range(60)]
    events = [
        Told(1 * S, "life.reported", {"mode": "seal", "hours": 1_000.0}),
        Told(2 * S, "life.reported", {"mode": "seal", "hours": 2_000.0, "failed": True}),
        Told(3 * S, "life.reported", {"mode": "seal", "hours": 500.0, "failed": False}),
        Told(4 * S, "life.reported", {"mode": "bearing", "hours": 7.0}),
        Told(5 * S, "life.reported", {"mode": "seal", "hours": -1.0}), Told(6 * S, "life.reported", {"hours": 9.0}),
    ]  # fmt: skip
    parts = run(SPECS["maintenance", "seal"], only(inputs_of(rows, events), [1, 2]), [60 * S])[-1].parts
    assert parts["failures"] == 2.0
    assert parts["mtbf_h"] == pytest.approx((3_500.0 + 60 / 3_600) / 2)
    assert parts["age_h"] == pytest.approx(60 / 3_600)


def learned(values):
    """Figures of windows with these means, an instant each; the machine runs."""
    rows = [(20 * place + 1, 0, value) for place, value in enumerate(values)]
    states = [(second, 1, 1) for second in range(0, 20 * len(values), 5)]
    inputs = rows_of([*rows, *states])
    until = [20 * len(values) * S]
    return run(GATED["health", "v"], inputs, until), run(GATED["maintenance", "bearing"], inputs, until)


def test_a_baseline_is_learned_and_what_is_new_is_told():
    health, mode = learned([1.0, 1.2, 1.1, 1.15, 1.3, 2.6])
    assert [one.parts["baseline"] for one in health] == [None, None, *[pytest.approx(1.1)] * 4]
    # Alarm: baseline + a quarter of the bound B/C (2.8), at most 1.25 of it.
    assert health[-1].parts["alarm"] == pytest.approx(1.1 + 0.7)
    assert [one.parts["over_baseline"] for one in health] == [None, None, 0.0, 0.0, 0.0, 1.0]
    assert health[3].parts["novelty"] == pytest.approx(0.05 / (1.4826 * 0.1))
    assert health[1].parts["novelty"] is None
    assert [one.about["triggers"] for one in mode] == ["", "", "", "", "", "novelty+over_baseline"]


def test_maintenance_unlearns_the_baseline():
    rows = [(20 * place + 1, 0, 1.0) for place in range(6)] + [(second, 1, 1) for second in range(0, 120, 5)]
    inputs = rows_of(rows)
    events = [Told(80 * S, "maintenance.ended")]
    renewed = Inputs(inputs.time_ns, inputs.input, inputs.value, inputs.status, events)
    made = run(GATED["health", "v"], renewed, [120 * S])
    assert [one.parts["baseline"] for one in made] == [None, None, 1.0, 1.0, None, None]
    assert made[3].parts["novelty"] == 0.0  # means that never differed have no spread: the same value is not new


def test_triggers_of_the_baseline():
    mode = (
        PlantModel(WORLD.config)
        .template_of("m")
        .failure_mode[0]
        .model_copy(update={"novelty": 6.0, "over_baseline": True, "hours": None})
    )
    assert holding(mode, Condition(novelty=6.0), ()) == ("novelty",)
    assert holding(mode, Condition(novelty=5.5), ("novelty",)) == ("novelty",)
    assert holding(mode, Condition(over_baseline=True), ()) == ("over_baseline",)
    assert holding(mode, Condition(over_baseline=False), ("over_baseline",)) == ()
    assert is_known(mode, Condition(novelty=1.0))


def test_years_of_silence_stay_plain():
    for spec in GATED.values():
        machine = spec.make(0, Every(DAY_NS))
        made = machine.step(NO_INPUTS, 3_650 * DAY_NS)
        assert len(made) == 3_650
        assert len(pickle.dumps(machine.snapshot())) < 2_500
