"""Steam cycles: the verdict criterion by criterion, any split into steps, the slow twin, events, washers and EO."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.config.sterilisation import SterilisationProgram
from andon.figures import KINDS
from andon.readings import NS_PER_S
from operators.machines import Every
from operators.sterilisation_machine import specs
from tests.naive_sterilisation import cycles, durations, lethality, plateau
from tests.sterilisation_world import ASSET, PROGRAM, Event, columns, cycle, kpa, made, plant

STEAM = specs(plant(), ASSET)[0]
GAP_NS = 3 * NS_PER_S


def program(**changes):
    return PROGRAM.model_copy(update=changes)


def judged(log, events=(), **changes):
    """The cycle's own figure under a changed program."""
    return made(specs(plant((program(**changes),)), ASSET)[0], log, events)[0]


def replaced(rows, begin, end, value, *status):
    """A log's rows with another value in [begin, end) s; None: left out."""
    kept = [row for row in rows if not begin <= row[0] < end]
    new = [] if value is None else [(row[0], value, *status) for row in rows if begin <= row[0] < end]
    return sorted(kept + new)


def test_a_good_cycle_passes_and_tells_everything():
    main, first, second = made(STEAM, cycle())
    assert main.parts["verdict"] == 1.0
    assert {name for name, value in main.parts.items() if name.endswith("_ok") and value == 0.0} == set()
    assert (main.start_ns, main.end_ns) == (10 * NS_PER_S, 210 * NS_PER_S)
    assert main.parts["cycle_s"] == 200.0
    spent = [main.parts[f"{one}_s"] for one in ("air_removal", "heating", "exposure", "exhaust", "drying", "other")]
    assert spent == [40.0, 40.0, 80.0, 20.0, 20.0, 0.0]
    assert main.parts["equilibration_s"] == 3.0
    assert main.parts["pulses"] == 2.0
    assert main.parts["spread"] == pytest.approx(0.1)
    assert main.parts["superheat_max"] == pytest.approx(0.0, abs=1e-9)
    assert main.parts["t_ref"] == 121.11
    assert main.about == {"program": "porous-121", "program_version": "3", "slowest": "p2"}
    assert [first.tag, second.tag] == ["p1", "p2"]
    assert first.parts["f0"] > second.parts["f0"] == main.parts["f0"] > 0.0
    assert second.parts["probe_ok"] == 1.0
    assert main.parts["minimum"] == second.parts["minimum"]


def test_the_parts_are_those_that_are_declared():
    declared = {part.name for part in KINDS["steam_cycle"].parts}
    figures = made(STEAM, cycle())
    assert set().union(*(one.parts for one in figures)) == declared
    assert all(one.about.keys() <= set(KINDS["steam_cycle"].about) for one in figures)
    assert all(value is None or math.isfinite(value) for one in figures for value in one.parts.values())


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({"hold_s": 82.0}, "hold"),
        ({"equilibration_s": 2.0}, "equilibration"),
        ({"spread_k": 0.05}, "spread"),
        ({"pulses": 3}, "air_removal"),
        ({"f0_min": 3.0}, "lethality"),
        ({"temperature": 125.0, "f0_min": None}, "equilibration hold"),
    ],
)
def test_a_criterion_that_is_not_kept_fails_the_cycle(changes, failed):
    main = judged(cycle(), **changes)
    assert main.parts["verdict"] == 0.0
    assert main.about["failed"] == failed


@pytest.mark.parametrize(("shift", "side"), [(-3.6, "superheat_min"), (4.0, "superheat_max")])
def test_air_and_superheat_fail_the_saturation_match(shift, side):
    log = cycle()
    log["pressure"] = [(at, kpa(121.8 - shift) if 88 <= at < 170 else value) for at, value in log["pressure"]]
    main = judged(log)
    assert main.about["failed"] == "saturation"
    assert main.parts[side] == pytest.approx(shift, abs=0.01)


def test_a_gauge_pressure_needs_to_be_declared():
    log = cycle()
    log["pressure"] = [(at, value - 101.325) for at, value in log["pressure"]]
    assert judged(log).about["failed"] == "saturation"
    [main, *_] = made(specs(plant(pressure_is="gauge"), ASSET)[0], log)
    assert main.parts["saturation_ok"] == 1.0


def test_a_departure_ends_the_holding_time_and_names_its_probe():
    log = cycle()
    log["p2"] = replaced(log["p2"], 120, 121, 120.9)
    main, first, second = made(STEAM, log)
    assert main.parts["verdict"] == 0.0
    assert main.about["failed"] == "hold"
    assert main.about["departed"] == "p2 low"
    assert (first.parts["probe_ok"], second.parts["probe_ok"]) == (1.0, 0.0)
    assert main.parts["hold_s"] == 119.0 - 91.0
    log["p1"] = replaced(log["p1"], 115, 116, 124.1)
    assert made(STEAM, log)[0].about["departed"] == "p1 high"


def test_the_limits_themselves_are_inside():
    log = cycle()
    log["p2"] = replaced(log["p2"], 120, 121, 121.0)
    log["p1"] = replaced(log["p1"], 125, 126, 124.0)
    assert made(STEAM, log)[0].parts["hold_ok"] == 1.0


def test_a_point_that_falls_out_within_the_allowed_time_was_not_in_for_good():
    log = cycle()
    log["p2"] = replaced(log["p2"], 95, 96, 120.9)
    main = made(STEAM, log)[0]
    assert main.parts["verdict"] == 1.0
    assert main.parts["equilibration_s"] == 8.0


def test_a_silent_probe_blocks_release_and_does_not_fail():
    log = cycle()
    log["p2"] = replaced(log["p2"], 110, 120, None)
    main, first, second = made(STEAM, log)
    assert main.parts["verdict"] is None
    assert main.about["undecided"] == "equilibration hold missing" or main.about["undecided"] == "hold missing"
    assert "failed" not in main.about
    assert main.parts["missing_s"] == 11.0
    assert (first.parts["probe_ok"], second.parts["probe_ok"]) == (1.0, None)


def test_a_probe_that_never_came_blocks_release():
    log = cycle() | {"p2": []}
    main, _, second = made(STEAM, log)
    assert main.parts["verdict"] is None
    assert "missing" in main.about["undecided"]
    assert second.parts["samples"] == 0.0


def test_a_silent_pressure_blocks_release():
    log = cycle()
    log["pressure"] = replaced(log["pressure"], 100, 300, None)
    main = made(STEAM, log)[0]
    assert main.parts["verdict"] is None
    assert "missing" in main.about["undecided"]


@pytest.mark.parametrize("tag", ["drain", "p1", "p2", "pressure"])
def test_an_uncertain_row_that_decides_cannot_pass(tag):
    log = cycle()
    log[tag] = [(*row, 1) if row[0] == 130 else row for row in log[tag]]
    main = made(STEAM, log)[0]
    assert main.parts["verdict"] is None
    assert main.about["undecided"] == "uncertain"
    cold = cycle()
    cold[tag] = [(*row, 1) if row[0] == 12 else row for row in cold[tag]]
    assert made(STEAM, cold)[0].parts["verdict"] == 1.0


def test_the_sterilisers_own_value_is_compared():
    log = cycle() | {"own": [(195, 1.9)]}
    near = judged(log, own_f0_min=0.5)
    assert near.parts["own_value_ok"] == 1.0
    assert near.parts["own_difference"] == pytest.approx(near.parts["f0_reference"] - 1.9)
    assert judged(log, own_f0_min=0.1).about["failed"] == "own_value"
    assert judged(cycle(), own_f0_min=0.5).about["undecided"] == "own_value"


def test_coarse_samples_of_a_steep_ramp_are_told_and_cannot_pass():
    slow = specs(plant((program(hold_s=40.0, sampling_share=0.005),), every_s=5.0), ASSET)[0]
    main = made(slow, cycle(step=5))[0]
    assert main.parts["sampling"] > 0.005
    assert main.about["undecided"] == "sampling"


def test_an_aborted_cycle_fails():
    log = cycle()
    log["phase"] = [*log["phase"][:-1], (195, "aborted"), (210, "idle")]
    assert made(STEAM, log)[0].about["failed"] == "aborted"
    told = Event(150 * NS_PER_S, "cycle.aborted")
    assert made(STEAM, cycle(), [told])[0].about["failed"] == "aborted"


def test_events_bind_the_load_and_the_program():
    events = [
        Event(1 * NS_PER_S, "order.started", {"order": "PO-1", "product": "TRAY", "lot": "L-1"}),
        Event(5 * NS_PER_S, "load.started", {"load": "B-77", "lot": ["L-1", "L-2"], "program": "porous-121"}),
        Event(12 * NS_PER_S, "cycle.started", {"cycle": 4711, "version": "3", "bi_lot": "BI-9"}),
    ]
    main, probe, _ = made(STEAM, cycle(), events)
    assert main.about["load"] == "B-77"
    assert main.about["cycle"] == "4711"
    assert main.about["lot"] == "L-1 L-2"
    assert main.about["order"] == "PO-1"
    assert main.about["bi_lot"] == "BI-9"
    assert probe.about == {"load": "B-77", "cycle": "4711"}
    later = cycle(start=300)["phase"][1:]
    both = cycle()
    for tag, rows in cycle(start=300).items():
        both[tag] = [row for row in both[tag] if row[0] < 215] + [row for row in rows if row[0] >= 215]
    both["phase"] = [*cycle()["phase"], *later]
    second = made(STEAM, both, events)[3]
    assert "load" not in second.about  # it was of the first cycle
    assert second.about["order"] == "PO-1"


def test_what_events_may_not_say_blocks_release():
    assert judged(cycle(), needs_load=True).about["undecided"] == "load"
    other_version = [Event(1, "cycle.started", {"version": "4"})]
    assert judged(cycle(), other_version).about["undecided"] == "program"
    unknown = [Event(1, "cycle.started", {"program": "flash-134"})]
    assert judged(cycle(), unknown).about["undecided"] == "program"


def test_a_program_of_another_kind_is_not_a_steam_cycle():
    two = plant((PROGRAM, SterilisationProgram(name="leak", kind="leak_test")))
    steam = specs(two, ASSET)[0]
    assert made(steam, cycle(), [Event(1, "cycle.started", {"program": "leak"})]) == []


def test_limits_of_the_named_program_are_taken():
    named = plant((PROGRAM, program(name="other", hold_s=500.0)))
    event = [Event(1, "cycle.started", {"program": "other"})]
    assert made(specs(named, ASSET)[0], cycle(), event)[0].about["failed"] == "hold"
    late = [Event(120 * NS_PER_S, "cycle.started", {"program": "other"})]
    assert "program" in made(specs(named, ASSET)[0], cycle(), late)[0].about["undecided"]


def test_a_cycle_whose_begin_nobody_saw_or_whose_end_never_comes_cannot_pass():
    log = cycle()
    log["phase"] = log["phase"][2:]
    assert made(STEAM, log)[0].about["undecided"] == "begin"
    log = cycle()
    log["phase"] = log["phase"][:-1]
    main, *_ = made(STEAM, log, until_s=4000)
    assert main.about["undecided"] == "cut"
    assert main.parts["cycle_s"] == 3600.0
    assert made(STEAM, log, until_s=3609) == []


def test_cycles_from_before_the_begin_are_not_told_again():
    assert made(STEAM, cycle(), begin_s=210) == []
    assert len(made(STEAM, cycle(), begin_s=209)) == 3


def test_a_running_cycle_is_told_without_a_verdict_and_changes_nothing():
    rows = columns(STEAM, cycle())
    before, rest = rows.before(150 * NS_PER_S)
    machine = STEAM.make(0, Every(NS_PER_S))
    machine.step(before, 150 * NS_PER_S)
    kept = machine.snapshot()
    main, *probes = machine.running()
    assert machine.snapshot() == kept
    assert main.parts["verdict"] is None
    assert main.parts["hold_ok"] is None
    assert main.parts["exposure_s"] == 60.0
    assert len(probes) == 2
    assert machine.step(rest, 300 * NS_PER_S)[0].parts["verdict"] == 1.0
    assert machine.running() == []


def test_phases_from_pressure_and_temperature():
    log = cycle()
    log["drain"] += [(at, 60.0) for at in range(220, 400)]
    log["pressure"] = [(at, value) for at, value in log["pressure"]] + [(at, 101.3) for at in range(220, 400)]
    alone = specs(plant(phase=None, end_s=60.0), ASSET)[0]
    main = made(alone, log)[0]
    assert (main.start_ns, main.end_ns) == (10 * NS_PER_S, 210 * NS_PER_S)
    assert main.parts["verdict"] == 1.0
    assert main.parts["exposure_s"] == 82.0  # the reference was hot enough 2 s before the controller said so
    assert main.parts["drying_s"] == 20.0
    spent = [main.parts[f"{one}_s"] for one in ("air_removal", "heating", "exposure", "exhaust", "drying")]
    assert main.parts["cycle_s"] == sum(spent)
    again = {tag: rows + [(at + 202, *rest) for at, *rest in rows if at > 8] for tag, rows in cycle().items()}
    merged = made(alone, again | {"drain": again["drain"]}, until_s=4000)[0]
    assert "again" in merged.about["undecided"]


def test_a_washer_counts_a0_in_the_disinfection_only():
    washer = SterilisationProgram(name="surgical", kind="disinfection", temperature=90.0, hold_s=60.0, a0_s=600.0)
    spec = specs(plant((washer,), probes=()), ASSET)[0]
    log = {"phase": [(0, "idle"), (10, "heating"), (50, "sterilising"), (115, "drying"), (130, "idle")],
           "drain": [(at, 90.0 if 20 <= at < 115 else 40.0) for at in range(140)]}  # fmt: skip
    [main] = made(spec, log)
    assert spec.kind == "disinfection"
    assert main.parts["a0"] == pytest.approx(645.0)  # 65 s at 90 Cel, the last interval half
    assert main.parts["verdict"] == 1.0
    assert set(main.parts) <= {part.name for part in KINDS["disinfection"].parts}


EO = SterilisationProgram(
    name="eo-1", kind="eo", hold_s=60.0, equilibration_s=5.0, temperature_range=(37.0, 63.0),
    humidity_range=(40.0, 80.0), concentration_range=(450.0, 900.0), pressure_range=(40.0, 60.0),
)  # fmt: skip


def test_every_parameter_of_ethylene_oxide_keeps_its_range():
    spec = specs(plant((EO,), humidity="rh", concentration="eo"), ASSET)[0]
    log = {"phase": [(0, "idle"), (10, "vacuum"), (20, "sterilising"), (90, "exhaust"), (99, "idle")]}
    log |= {tag: [(at, value) for at in range(100)] for tag, value in (("drain", 50.0), ("p1", 49.0), ("p2", 51.0))}
    log |= {tag: [(at, value) for at in range(100)] for tag, value in (("rh", 60.0), ("eo", 600.0), ("pressure", 50.0))}
    assert made(spec, log)[0].parts["verdict"] == 1.0
    dry = log | {"rh": replaced(log["rh"], 50, 52, 39.0)}
    assert made(spec, dry)[0].about["departed"] == "rh low"
    assert made(spec, dry)[0].parts["verdict"] == 0.0
    blind = log | {"eo": replaced(log["eo"], 40, 50, None)}
    assert made(spec, blind)[0].parts["verdict"] is None
    assert {one.tag for one in made(spec, log)} == {"", "p1", "p2", "rh", "eo", "pressure"}


# The machine against its twin, and against itself

EDGES = [99.9, 100.0, 121.0, 124.0, 60.0]


def near_the_limits(seed, n):
    """Temperatures: half of the logs stay inside the band but for a few edges, the others go anywhere near it."""
    random = np.random.default_rng(seed)
    low, high = (121.0, 124.0) if seed % 2 else (118.0, 127.0)
    drawn = random.uniform(low, high, n)
    edges = random.random(n) < (0.02 if seed % 2 else 0.2)
    return np.where(edges, random.choice(EDGES, n), drawn).tolist()


@st.composite
def logs(draw):
    """Logs of random cycles: phases of a few s, temperatures near the limits, now and then two stamps of one second."""
    phase, at = [(0, "idle")], 1
    order = ("vacuum", "heating", "sterilising", "exhaust", "idle")
    for name in order * draw(st.integers(1, 2)):
        phase.append((at, name))
        at += draw(st.integers(1, 12))
    log = {"phase": phase}
    for tag in ("drain", "p1", "p2", "pressure"):
        shift = draw(st.sampled_from([0.0, 0.0, 0.25]))
        drawn = near_the_limits(draw(st.integers(0, 10_000)), at + 3)
        log[tag] = [
            (second + shift, value if tag != "pressure" else value + 80.0) for second, value in enumerate(drawn)
        ]
        twice = draw(st.integers(0, at))
        log[tag].append((twice + shift, draw(st.sampled_from([*EDGES, 122.5]))))
    return log


def close(found, expected):
    if expected is None or found is None:
        return found is expected
    return found == pytest.approx(expected, rel=1e-9, abs=1e-12)


@settings(max_examples=80, deadline=None)
@given(logs())
def test_the_machine_equals_its_twin(log):
    figures = [one for one in made(STEAM, log, until_s=1000) if not one.tag]
    ns = {tag: [(round(at * NS_PER_S), value) for at, value in rows] for tag, rows in log.items()}
    expected = cycles(sorted(ns["phase"]))
    assert [(one.start_ns, one.end_ns) for one in figures] == [(begin, end) for begin, end, _ in expected]
    for one, (begin, end, phases) in zip(figures, expected, strict=True):
        spent = durations(phases, end)
        assert one.parts["exposure_s"] == spent.get("sterilising", 0) / NS_PER_S
        f0 = [lethality(ns[tag], begin, end, GAP_NS, 121.11, 10.0, 100.0) / 60.0 for tag in ("drain", "p1", "p2")]
        assert close(one.parts["f0_reference"], f0[0])
        assert close(one.parts["f0"], min(f0[1:]))
        assert close(one.parts["f0_max"], max(f0[1:]))
        stamps = plateau(ns, phases, begin, end, ("drain", "p1", "p2"), 121.0, 124.0, 15 * NS_PER_S, GAP_NS)
        started, entered, held, closed = stamps
        assert close(one.parts["plateau_s"], None if started is None else (closed - started) / NS_PER_S)
        assert close(one.parts["equilibration_s"], None if entered is None else (entered - started) / NS_PER_S)
        assert one.parts["hold_s"] == (0.0 if held is None else (held - entered) / NS_PER_S)


@settings(max_examples=40, deadline=None)
@given(logs(), st.lists(st.integers(0, 140 * 4), max_size=12), st.booleans(), st.booleans())
def test_any_split_and_any_restart_give_the_same_bits(log, cuts, phased, doubtful):
    if doubtful:
        log["p1"] = [(*row, index % 2) for index, row in enumerate(log["p1"])]
        log["p2"] = [row for row in log["p2"] if row[0] % 9 > 4]
    spec = STEAM if phased else specs(plant(phase=None, end_s=3.0), ASSET)[0]
    events = [Event(7 * NS_PER_S, "load.started", {"load": "B-1"}), Event(20 * NS_PER_S, "cycle.aborted")]
    whole = columns(spec, log, events)
    machine = spec.make(0, Every(NS_PER_S))
    expected = machine.step(whole, 5000 * NS_PER_S)
    machine, found, rest = spec.make(0, Every(NS_PER_S)), [], whole
    for quarter in [*sorted(cuts), 5000 * 4]:
        upto = quarter * NS_PER_S // 4
        part, rest = rest.before(upto)
        found += machine.step(part, upto)
        again = spec.make(0, Every(NS_PER_S))
        again.restore(machine.snapshot())
        machine = again
    assert found == expected


def test_a_row_at_a_time_gives_the_same_bits():
    whole = columns(STEAM, cycle())
    expected = made(STEAM, cycle(), until_s=4000)
    machine, found, rest = STEAM.make(0, Every(NS_PER_S)), [], whole
    for at in np.unique(whole.time_ns).tolist():
        part, rest = rest.before(at + 1)
        found += machine.step(part, at + 1)
    assert found + machine.step(rest, 4000 * NS_PER_S) == expected


def test_a_snapshot_of_another_layout_is_refused():
    machine = STEAM.make(0, Every(NS_PER_S))
    with pytest.raises(ValueError, match="layout"):
        machine.restore((99, *machine.snapshot()[1:]))
