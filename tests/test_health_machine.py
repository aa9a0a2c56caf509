"""Machines of machine health: their naive twins, any split of the rows, snapshots, and what the plant asks for."""

from __future__ import annotations

import dataclasses
import pickle
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.config.models import Plant
from andon.figures.health import HEALTH
from andon.plant import PlantModel
from andon.readings import NS_PER_S
from operators.health_machine import specs
from operators.machines import NO_INPUTS, Every, Inputs
from operators.meter import Meter, MeterSpec
from operators.wear import DAY_NS
from tests import naive_health

S = NS_PER_S
PARTS = {kind.name: {part.name for part in kind.parts} for kind in HEALTH}
WORLD = PlantModel(Plant.model_validate({
    "schema": 1, "enterprise": {"id": "acme"}, "site": {"id": "szh1"},
    "template": [{
        "name": "pump",
        "series": [
            {"tag": "v", "unit": "mm/s"}, {"tag": "strokes", "kind": "counter"},
            {"tag": "state", "kind": "state", "states": ["Off", "Execute", "Held"], "every_s": 5.0},
        ],
        "health": [{"tag": "v", "zones": "iso20816-3.group2.rigid", "over_d": 60 * 8 / 86_400}],
        "running": {"state": "state", "cycles": "strokes"},
        "failure_mode": [
            {"id": "bearing", "tag": "v", "zone": "C", "hours": 0.01, "cycles": 50.0, "slope_per_d": 40_000.0,
             "within_d": 0.0001, "mtbf_share": 0.8, "inspect_d": 0.001, "inspect_h": 0.01, "pf_d": 0.01},
            {"id": "seal", "hours": 0.005},
        ],
    }],
    "asset": [{"path": "m", "template": "pump"}],
}))  # fmt: skip
SPECS = {(spec.kind, spec.tag): spec for spec in specs(WORLD, "m")}
BOUNDS, LENGTH = (1.4, 2.8, 4.5), 20 * S


@dataclass(frozen=True)
class Told:
    time_ns: int
    event: str
    data: dict = field(default_factory=dict)


EVENTS = st.builds(
    Told, st.integers(0, 200).map(lambda second: second * S),
    st.sampled_from(["maintenance.ended", "failure.reported", "meter.set", "inspection.done", "order.started"]),
    st.sampled_from([{}, {"mode": "bearing"}, {"mode": "seal"}, {"hours": 2.0, "cycles": 7.0}, {"hours": "x"},
                     {"renews": False}]),
)  # fmt: skip
ROWS = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 2), st.integers(0, 12), st.integers(0, 1)), max_size=80
)  # second, input, value, status


def inputs_of(rows, events=()):
    ordered = sorted(
        (second * S, number, value * (1.0 if number else 0.5), status) for second, number, value, status in rows
    )
    time_ns, number, value, status = zip(*ordered, strict=True) if ordered else ((), (), (), ())
    return Inputs(
        np.array(time_ns, np.int64), np.array(number, np.int32), np.array(value, np.float64),
        np.array(status, np.uint8), sorted(events, key=lambda one: one.time_ns),
    )  # fmt: skip


def only(inputs, numbers):
    """The inputs with these numbers, renumbered as a machine of them has it."""
    keep = np.isin(inputs.input, numbers)
    renumbered = np.searchsorted(numbers, inputs.input[keep]).astype(np.int32)
    return Inputs(inputs.time_ns[keep], renumbered, inputs.value[keep], inputs.status[keep], inputs.events)


NUMBERS = {"health": [0], "running": [1, 2], "maintenance": [0, 1, 2]}


def wanted(key, inputs):
    return only(inputs, [1, 2] if key == ("maintenance", "seal") else NUMBERS[key[0]])


def run(spec, inputs, cuts, *, restored=False):
    """All figures of a machine that is fed up to each cut; restored: by another machine from its snapshot each time."""
    machine, made = spec.make(0, Every(LENGTH)), []
    for cut in cuts:
        part, inputs = inputs.before(cut)
        made += machine.step(part, cut)
        before = machine.snapshot()
        now = machine.running()
        assert all(one.end_ns == cut and set(one.parts) == PARTS[spec.kind] for one in now)
        assert machine.snapshot() == before
        if restored:
            machine = spec.make(0, Every(LENGTH))
            machine.restore(pickle.loads(pickle.dumps(before)))
            assert machine.running() == now
    return made


ALL = [220 * S]


@settings(deadline=None, max_examples=30)
@given(ROWS, st.lists(EVENTS, max_size=4), st.sets(st.integers(1, 219 * 2)), st.booleans())
@pytest.mark.parametrize("key", SPECS, ids="-".join)
def test_any_split_and_any_restore_gives_the_same_bits(key, rows, events, halves, restored):
    inputs = wanted(key, inputs_of(rows, events))
    cuts = sorted({*(half * S // 2 for half in halves), 220 * S})
    whole = run(SPECS[key], inputs, ALL)
    assert run(SPECS[key], inputs, cuts, restored=restored) == whole
    assert [one.start_ns for one in whole] == [start * S for start in range(0, 220, 20)]
    for one in whole:
        assert set(one.parts) == PARTS[key[0]]
        assert all(value is None or np.isfinite(value) for value in one.parts.values())


@settings(deadline=None, max_examples=50)
@given(ROWS, st.lists(st.integers(0, 200), max_size=2))
def test_health_is_its_twin(rows, renewed):
    events = [Told(second * S, "maintenance.ended") for second in renewed]
    inputs = wanted(("health", "v"), inputs_of(rows, events))
    windows = [(start * S, (start + 20) * S) for start in range(0, 220, 20)]
    pairs = list(zip(inputs.time_ns.tolist(), inputs.value.tolist(), strict=True))
    want = naive_health.health(pairs, sorted({one.time_ns for one in events}), windows, BOUNDS, 4.5, 8 * S, 0.05)
    got = [
        tuple(one.parts[name] for name in ("value", "maximum", "zone", "slope_per_d", "days_to_limit"))
        for one in run(SPECS["health", "v"], inputs, ALL)
    ]
    for ours, other in zip(got, want, strict=True):
        for mine, theirs in zip(ours, other, strict=True):
            if theirs is None or mine is None:
                # A slope that is 0 but for rounding has no time to the limit, or one of an age of the world.
                assert mine == theirs or max(mine or 0.0, theirs or 0.0) > 1e3
            elif not (ours[3] and abs(ours[3]) < 1e-6):
                assert mine == pytest.approx(theirs, rel=1e-6, abs=1e-5)


@settings(deadline=None, max_examples=50)
@given(ROWS)
def test_running_is_its_twin(rows):
    inputs = wanted(("running", "state"), inputs_of(rows))
    (times, codes), (count_times, counts) = inputs.of(0), inputs.of(1)
    states = [(time // S, code == 1) for time, code in zip(times.tolist(), codes.tolist(), strict=True)]
    counted = list(zip((count_times // S).tolist(), counts.tolist(), strict=True))
    want = naive_health.running(states, counted, [(start, start + 20) for start in range(0, 220, 20)], 15)
    got = run(SPECS["running", "state"], inputs, ALL)
    names = ("running_s", "known_s", "starts", "cycles")
    assert [tuple(one.parts[name] for name in names) for one in got] == want
    assert got[-1].parts["total_h"] == pytest.approx(sum(one[0] for one in want) / 3_600)


def test_rows_of_before_the_begin_stand_and_count_on():
    spec = SPECS["running", "state"]
    machine = spec.make(100 * S, Every(LENGTH))
    rows = only(inputs_of([(90, 1, 1, 0), (91, 2, 5, 0), (99, 1, 1, 0), (110, 2, 9, 0)]), [1, 2])
    (made,) = machine.step(rows, 120 * S)
    assert (made.start_ns, made.parts["running_s"], made.parts["cycles"]) == (100 * S, 14.0, 4.0)
    seen = SPECS["health", "v"].make(100 * S, Every(LENGTH))
    early = only(inputs_of([(10 * k, 0, 2 + k, 0) for k in range(10)]), [0])
    (made,) = seen.step(early, 120 * S)
    assert (made.parts["value"], made.parts["samples"]) == (None, 0.0)
    assert made.parts["slope_per_d"] == pytest.approx(0.5 / 10 * 86_400)


@pytest.mark.parametrize(
    ("modulus", "values", "counted"),
    [
        (1000.0, (990, 5), 15),
        (1000.0, (5000, 3, 8), 8),  # beyond the modulus: no wrap, a reset
        (np.nan, (100, -1, 101), 1),  # below zero no counter counts
        (1000.0, (100, -5, 101), 1),
        (np.nan, (-3, 5, 6), 1),
    ],
)  # fmt: skip
def test_a_counter_never_counts_backwards(modulus, values, counted):
    meter = Meter(MeterSpec(np.array([0, 1], np.uint8), 60 * S, modulus))
    rows = len(values)
    meter.take(np.arange(rows, dtype=np.int64) * S, np.ones(rows, np.int32), np.array(values, np.float64))
    assert meter.at(100 * S).cycles == counted


def test_a_layout_of_another_version_is_refused():
    for spec in SPECS.values():
        machine = spec.make(0, Every(LENGTH))
        with pytest.raises(ValueError, match="layout 99"):
            machine.restore((99, *machine.snapshot()[1:]))


def test_growth_ends_at_the_limit_and_maintenance_renews():
    rows = [(second, 0, second // 25, 0) for second in range(200)]
    made = run(SPECS["health", "v"], only(inputs_of(rows), [0]), ALL)
    fifth = made[5].parts  # up to 120 s: 0.5 mm/s every 25 s, so 4.5 mm/s is reached about 225 s
    assert fifth["slope_low"] <= fifth["slope_per_d"] <= fifth["slope_high"]
    assert fifth["slope_per_d"] == pytest.approx(0.02 * 86_400, rel=0.15)
    assert fifth["days_low"] <= fifth["days_to_limit"] <= fifth["days_high"]
    assert 120 + fifth["days_to_limit"] * 86_400 == pytest.approx(230, abs=20)
    zones = [one.parts["zone"] for one in made]
    assert zones[:10] == sorted(zones[:10])
    assert {one.parts["zone_change"] for one in made} == {None, 0.0, 1.0}
    renewed = run(SPECS["health", "v"], only(inputs_of(rows, [Told(120 * S, "maintenance.ended")]), [0]), ALL)
    assert (renewed[6].parts["means"], renewed[6].parts["zone_change"], renewed[6].parts["slope_per_d"]) == (
        2,
        None,
        None,
    )
    other = [
        Told(120 * S, "maintenance.ended", {"mode": "seal"}),
        Told(121 * S, "maintenance.ended", {"renews": False}),
    ]
    assert run(SPECS["health", "v"], only(inputs_of(rows, other), [0]), ALL) == made


def test_an_unknown_window_has_no_zone_and_keeps_the_one_before():
    rows = [(5, 0, 4, 0), (45, 0, 7, 1)]
    made = run(SPECS["health", "v"], only(inputs_of(rows), [0]), ALL)
    assert [one.parts["zone"] for one in made[:4]] == [2.0, None, 3.0, None]
    assert [one.parts["zone_change"] for one in made[:4]] == [None, None, 1.0, None]
    assert [one.parts["uncertain"] for one in made[:4]] == [0.0, 0.0, 1.0, 0.0]
    assert made[0].about == {"zones": "iso20816-3.group2.rigid"}


def test_what_changes_a_figure_changes_its_version():
    template = WORLD.config.template[0]

    def versions(**changes):
        changed = template.model_copy(update=changes)
        plant = PlantModel(WORLD.config.model_copy(update={"template": (changed,)}))
        return [spec.version for spec in specs(plant, "m")]

    was = versions()
    assert was == [spec.version for spec in SPECS.values()]
    limit = template.health[0].model_copy(update={"limit": 3.0})
    assert [a != b for a, b in zip(was, versions(health=(limit,)), strict=True)] == [True, False, True, False]
    held = template.running.model_copy(update={"states": ("Held",)})
    assert [a != b for a, b in zip(was, versions(running=held), strict=True)] == [False, True, True, True]
    assert all("0x" not in one for one in was)  # no addresses: the same after a restart


@pytest.mark.parametrize("key", SPECS, ids="-".join)
def test_a_snapshot_is_small_and_plain(key):
    rows = [(second, number, second % 7, 0) for second in range(200) for number in range(3)]
    machine = SPECS[key].make(0, Every(LENGTH))
    machine.step(wanted(key, inputs_of(rows)), 200 * S)
    snapshot = machine.snapshot()
    assert len(pickle.dumps(snapshot)) < 2_500
    machine.step(NO_INPUTS, 10 * DAY_NS)
    assert dataclasses.is_dataclass(SPECS[key])
    assert machine.snapshot() != snapshot
