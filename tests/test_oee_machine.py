"""The streaming OEE: equal to the twin second by second, to itself in any split, windows where something changes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.calendars import ShiftCalendar, ShiftTimes
from andon.plant import PACKML_STATES
from operators import oee_kernel as at
from operators.losses import OTHERS, SIX, loss_tree
from operators.machines import At, Every, Inputs
from operators.oee_machine import OeeMachine
from operators.oee_setup import Cycle, OeeSetup, cycle_at
from operators.oee_window import Counters
from operators.time_model import NUMBER, OTHER_MODE, PRODUCTION, SETUP_MODE, starting_table, state_table
from tests.naive_oee import NaiveUnit

NS = 1_000_000_000
NAMES = ("producing", "internal_stop", "external_stop", "starved", "blocked", "down", "idle", "transition", "setup")
MODES = ("production", "other", "setup")
ROLES = ("state", "total", "good", "mode")
END = 240
GAP = 30


@dataclass(frozen=True)
class Told:
    time_ns: int
    event: str
    data: dict = field(default_factory=dict)


def setup(micro_s=20, gap_s=GAP, **more):
    starts, categories = state_table(NAMES, "plain")
    modes = np.full(32, OTHER_MODE, np.int64)
    modes[0], modes[2] = PRODUCTION, SETUP_MODE
    given = {"cycles": (Cycle("", 2.0),), **more}
    return OeeSetup(
        np.array([at.STATE_ROLE, at.TOTAL, at.GOOD, at.MODE_ROLE]), np.full(4, np.nan), starts, categories, modes,
        micro_s * NS, gap_s * NS, gap_s * NS, **given,
    )  # fmt: skip


def inputs(rows, events=()):
    """rows: (second, role, value)."""
    ordered = sorted((at_s, ROLES.index(role), value) for at_s, role, value in rows)
    told = sorted((Told(int(at_s * NS), name, data) for at_s, name, data in events), key=lambda one: one.time_ns)
    return Inputs(
        np.array([int(at_s * NS) for at_s, _, _ in ordered], np.int64),
        np.array([role for _, role, _ in ordered], np.int32), np.array([value for *_, value in ordered], np.float64),
        np.zeros(len(ordered), np.uint8), told,
    )  # fmt: skip


def run(machine, given, ends=(END * NS,)):
    made, rest = [], given
    for end in ends:
        now, rest = rest.before(end)
        made += machine.step(now, end)
    return made


rows_st = st.lists(
    st.one_of(
        st.tuples(st.integers(-40, END), st.just("state"), st.integers(-1, 10).map(float)),
        st.tuples(st.integers(-40, END), st.just("mode"), st.integers(0, 40).map(float)),
        st.tuples(st.integers(-40, END), st.sampled_from(["total", "good"]), st.integers(0, 99).map(float)),
    ),
    max_size=40,
)  # fmt: skip
acts_st = st.lists(
    st.tuples(
        st.integers(-40, END),
        st.sampled_from(["planned.started", "planned.ended", "setup.started", "setup.ended"]),
    ),
    max_size=4, unique_by=lambda one: one[0],
)  # fmt: skip
jobs_st = st.lists(
    st.tuples(
        st.integers(-40, END), st.sampled_from(["order.started", "order.ended", "product.changed"]),
        st.fixed_dictionaries({"order": st.sampled_from("12"), "product": st.sampled_from("AB")}),
    ),
    max_size=5,
)  # fmt: skip


def acts_of(events):
    told, now = [], None
    for second, name, *_ in sorted(events):
        kind, verb = name.split(".")
        if verb == "started":
            now = kind
        elif kind == "setup" or now == "planned":
            now = None
        told.append((second, now))
    return told


@given(rows_st, acts_st, st.integers(0, 40), st.lists(st.integers(1, END - 1), max_size=3, unique=True))
@settings(max_examples=60, deadline=None)
def test_it_equals_the_twin_second_by_second(rows, acts, micro_s, cuts):
    rows = [(-40, "state", 0.0), *rows]
    bounds = (*sorted(cuts), END)
    machine = OeeMachine(0, At(tuple(one * NS for one in bounds)), setup(micro_s))
    made = run(machine, inputs(rows, [(*one, {}) for one in acts]))
    twin = NaiveUnit(sorted(rows, key=lambda one: (one[0], ROLES.index(one[1]), one[2])), acts_of(acts), NAMES, GAP,
                     modes=MODES)  # fmt: skip
    categories = {second: twin.category(second) for second in range(-40, END)}
    found = {one.start_ns // NS: one for one in made}
    for begin, end in zip((0, *bounds), bounds, strict=False):
        told = twin.window(begin, end, -40, micro_s, categories)
        counts = [twin.counted(role, begin, end) for role in ("total", "good")]
        if begin not in found:
            assert told["unknown"] == end - begin
            assert not any(counts)
            continue
        parts = found[begin].parts
        names = {"apt_s": "producing", "internal_stop_s": "internal_stop", "starved_s": "starved", "down_s": "down",
                 "blocked_s": "blocked", "idle_s": "idle", "transition_s": "transition", "setup_s": "setup",
                 "planned_down_s": "planned_down", "unknown_s": "unknown", "micro_stop_s": "micro",
                 "breakdown_s": "breakdown", "failures": "failures", "repairs": "repairs",
                 "micro_stops": "micro_count"}  # fmt: skip
        assert {name: parts[name] for name in names} == {name: told[twins] for name, twins in names.items()}
        assert [parts["pq"], parts["gq"]] == counts
        assert parts["external_stop_s"] == told["external_stop"] + told["starved"] + told["blocked"]
        (up, stood), (up_good, _) = (twin.counted_apart(role, begin, end) for role in ("total", "good"))
        assert (parts["stop_pq"], parts["startup_loss_s"]) == (stood, 2.0 * (up - up_good))


@given(rows_st, acts_st, jobs_st, st.lists(st.integers(-10, END), max_size=8, unique=True), st.randoms())
@settings(max_examples=60, deadline=None)
def test_any_split_and_restart_gives_the_same_bits(rows, acts, jobs, cuts, random):
    calendar = ShiftCalendar("UTC", [ShiftTimes("a", 0, 2, breaks=((1, 1),)), ShiftTimes("b", 3, 0)])
    config = setup(calendar=calendar, startup_ns=15 * NS, cycles=(Cycle("A", 0.7), Cycle("", 1.3, 0, 100 * NS)))
    given = inputs(rows, [*[(*one, {}) for one in acts], *jobs])
    early, rest = given.before(-(10**9) * 10)
    first = Inputs(early.time_ns, early.input, early.value, early.status, early.events)
    bounds = Every(70 * NS)

    def fresh():
        machine = OeeMachine(0, bounds, config)
        told = machine.step(first, -10 * NS)
        assert told == []
        return machine

    whole = run(fresh(), rest)
    machine, made, left = fresh(), [], rest
    for end in (*sorted(cuts), END):
        now, left = left.before(end * NS)
        before = repr(machine.snapshot())
        machine.running()
        assert repr(machine.snapshot()) == before
        made += machine.step(now, end * NS)
        if random.random() < 0.5:
            other = OeeMachine(0, bounds, config)
            other.restore(machine.snapshot())
            machine = other
    assert repr(made) == repr(whole)
    assert all(one.start_ns < one.end_ns for one in whole)
    assert len({one.start_ns for one in whole}) == len(whole)
    for one in whole:
        _sums_hold(one)


def _sums_hold(one):
    parts = {name: None if value is None else round(value * NS) for name, value in one.parts.items()}
    elements = ("apt_s", "internal_stop_s", "external_stop_s", "down_s", "idle_s", "transition_s", "setup_s")
    assert parts["calendar_s"] == one.end_ns - one.start_ns
    assert parts["pbt_s"] == sum(parts[name] for name in elements)
    assert parts["calendar_s"] == parts["pbt_s"] + parts["planned_down_s"] + parts["unknown_s"]
    assert parts["breakdown_s"] + parts["micro_stop_s"] == parts["internal_stop_s"] + parts["down_s"]
    if parts["lost_s"] is not None:
        tree = loss_tree(one.parts)
        assert sum(round(-tree[name] * NS) for name in (*SIX, *OTHERS)) == parts["lost_s"]
        assert parts["lost_s"] == parts["pbt_s"] - parts["pri_gq_s"]


def made_of(rows, events=(), bounds=None, end=END, **more):
    machine = OeeMachine(0, bounds or At((end * NS,)), setup(**more))
    return run(machine, inputs(rows, events), (end * NS,))


STEADY = [
    (0, "state", 0.0),
    *((second, role, float(second)) for second in range(0, END, 10) for role in ("total", "good")),
]


def test_a_product_change_ends_the_window_and_each_has_its_own_cycle():
    first, second = made_of(
        STEADY,
        [(0, "order.started", {"order": "7", "product": "A"}), (100, "order.started", {"order": "8", "product": "B"})],
        gap_s=1000, cycles=(Cycle("A", 0.5), Cycle("B", 1.2)),
    )  # fmt: skip
    assert (first.end_ns, second.start_ns) == (100 * NS, 100 * NS)
    assert (first.about, second.about) == (
        {"product": "A", "order": "7"}, {"product": "B", "order": "8", "cause": "cycle_time"}
    )  # fmt: skip
    assert (first.parts["pq"], second.parts["pq"]) == (90.0, 140.0)
    assert (first.parts["pri_pq_s"], second.parts["pri_pq_s"]) == (45.0, pytest.approx(168.0))
    assert (first.parts["aoet_s"], second.parts["aoet_s"]) == (100.0, 140.0)


def test_without_events_nothing_is_said_of_orders():
    (only,) = made_of(STEADY, gap_s=1000)
    assert (only.parts["aoet_s"], only.parts["adet_s"], only.about) == (None, None, {"cause": "cycle_time"})


def test_time_between_orders_with_no_item_does_not_hide_a_day():
    made = made_of([(0, "state", 6.0)], [(0, "order.ended", {})], gap_s=1000, cycles=(Cycle("A", 1.0), Cycle("B", 2.0)))
    assert (made[0].parts["pri_gq_s"], made[0].parts["lost_s"], made[0].parts["adot_s"]) == (0.0, 240.0, 240.0)


def test_a_shift_change_ends_the_window_and_a_break_is_planned():
    calendar = ShiftCalendar("UTC", [ShiftTimes("a", 0, 2, breaks=((1, 1),)), ShiftTimes("b", 2, 0)])
    first, second = made_of([(0, "state", 6.0)], gap_s=1000, calendar=calendar)
    assert (first.about["shift"], second.about["shift"], second.start_ns) == ("a", "b", 120 * NS)
    assert first.about["day"] == "1970-01-01"
    assert (first.parts["planned_down_s"], first.parts["break_s"], first.parts["idle_s"]) == (60.0, 60.0, 60.0)
    busy = made_of([(0, "state", 0.0)], gap_s=1000, calendar=calendar)
    assert (busy[0].parts["planned_down_s"], busy[0].parts["apt_s"]) == (0.0, 120.0)


def test_a_cycle_that_changes_ends_the_window():
    made = made_of(STEADY, gap_s=1000, cycles=(Cycle("", 0.5, 0, 100 * NS), Cycle("", 0.6, 100 * NS)))
    assert [one.start_ns // NS for one in made] == [0, 100]
    assert [one.parts["pri_pq_s"] for one in made] == [45.0, pytest.approx(84.0)]


def test_a_stop_over_the_end_of_a_window_is_judged_by_its_length_so_far():
    rows = [(0, "state", 0.0), (90, "state", 5.0), (150, "state", 0.0)]
    first, second = made_of(rows, bounds=Every(100 * NS), gap_s=1000, end=200)
    assert (first.parts["micro_stop_s"], first.parts["breakdown_s"], first.parts["failures"]) == (10.0, 0.0, 0.0)
    assert (second.parts["micro_stop_s"], second.parts["breakdown_s"], second.parts["failures"]) == (0.0, 50.0, 1.0)


def test_the_limit_of_a_micro_stop_is_inclusive():
    rows = [(0, "state", 0.0), (10, "state", 5.0), (30, "state", 0.0), (50, "state", 5.0), (71, "state", 0.0)]
    (only,) = made_of(rows, gap_s=1000)
    assert [only.parts[name] for name in ("micro_stops", "micro_stop_s", "failures", "breakdown_s")] == [1, 20, 1, 21]


CAUSES = {
    # id: (rows, cause)
    "counts while it stands": (
        [(0, "state", 5.0), (200, "state", 0.0), (0, "total", 0.0), (100, "total", 100.0)], "counts_in_stop"
    ),
    "half of the states are missing": (
        [(200, "state", 0.0), (200, "total", 0.0), (239, "total", 60.0)], "run_time_missing"
    ),
    "too long a cycle": ([(0, "state", 0.0), (0, "total", 0.0), (239, "total", 200.0)], "cycle_time"),
    "in order": ([(0, "state", 0.0), (0, "total", 0.0), (239, "total", 100.0)], ""),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "cause"), CAUSES.values(), ids=CAUSES.keys())
def test_why_it_seems_too_fast(rows, cause):
    (only,) = made_of(rows, gap_s=1000)
    assert only.about.get("cause", "") == cause
    assert (only.parts["speed_loss_s"] < 0) == bool(cause)


def test_rejects_of_a_start_up_are_told_apart():
    rows = [(0, "state", 8.0), (60, "state", 0.0), *((second, "total", second / 10) for second in range(0, END, 10))]
    rows += [(second, "good", max(0, second - 60) / 10) for second in range(0, END, 10)]
    (only,) = made_of(rows, gap_s=1000)
    assert (only.parts["pq"], only.parts["gq"]) == (23.0, 17.0)
    assert (only.parts["startup_loss_s"], only.parts["defect_loss_s"]) == (10.0, 2.0)  # the sixth came at the change


def packml(rows, end=END):
    """Figures of PackML states by name."""
    starts, categories = state_table(PACKML_STATES, "packml")
    more = {"starts": starts, "categories": categories, "starting": starting_table(PACKML_STATES, "packml")}
    coded = [
        (at_s, role, float(PACKML_STATES.index(value)) if role == "state" else value) for at_s, role, value in rows
    ]
    return run(OeeMachine(0, At((end * NS,)), replace(setup(gap_s=1000), **more)), inputs(coded), (end * NS,))


def test_a_part_that_is_counted_as_its_run_ends_was_made_in_the_run():
    """A machining cell counts when it enters Completing; a reject of it is a process defect."""
    for sampled_s in (100, 105, 113):  # with the state, some seconds later, in Resetting
        (only,) = packml([
            (0, "state", "Execute"), (100, "state", "Completing"), (110, "state", "Resetting"),
            (120, "state", "Execute"), (0, "total", 0.0), (0, "good", 0.0), (sampled_s, "total", 1.0),
            (sampled_s, "good", 0.0),
        ])  # fmt: skip
        assert (only.parts["startup_loss_s"], only.parts["defect_loss_s"], only.parts["stop_pq"]) == (0.0, 2.0, 0.0)


def test_of_transitions_only_starting_is_a_start_up():
    for state, startup in (("Starting", 2.0), ("Resetting", 0.0), ("Completing", 0.0)):
        (only,) = packml(
            [(0, "state", state), (0, "total", 0.0), (0, "good", 0.0), (5, "total", 1.0), (5, "good", 0.0)]
        )
        assert (only.parts["startup_loss_s"], only.parts["stop_pq"]) == (startup, 1.0)
        assert only.parts["startup_loss_s"] + only.parts["defect_loss_s"] == 2.0
    assert not starting_table(PACKML_STATES, "packml", {"Starting": "setup"}).any(), "it is setting up as a whole"
    assert not starting_table((), "umh").any()


def test_a_snapshot_of_the_layout_before_goes_on():
    machine = OeeMachine(0, At((END * NS,)), setup(gap_s=1000))
    now, rest = inputs(STEADY).before(100 * NS)
    machine.step(now, 100 * NS)
    _, (clock, *others), told = machine.snapshot()
    resumed = OeeMachine(0, At((END * NS,)), setup(gap_s=1000))
    resumed.restore((2, (clock[: 14 * 8], *others), told))
    assert resumed.step(rest, END * NS) == machine.step(rest, END * NS)


def test_scrap_and_rework_only_where_they_are_counted():
    (only,) = made_of(STEADY, gap_s=1000)
    assert (only.parts["sq"], only.parts["rq"]) == (None, None)
    roles = np.array([at.STATE_ROLE, at.TOTAL, at.GOOD, at.SCRAP])
    config = replace(setup(gap_s=1000), roles=roles, has=Counters(scrap=True))
    rows = [(0, "state", 0.0), (0, "mode", 5.0), (10, "mode", 9.0)]  # the fourth input is the scrap counter here
    made = run(OeeMachine(0, At((END * NS,)), config), inputs(rows))
    assert (made[0].parts["sq"], made[0].parts["rq"]) == (4.0, None)


def test_a_running_window_goes_up_to_now():
    machine = OeeMachine(0, Every(3600 * NS), setup(gap_s=1000))
    assert machine.step(inputs(STEADY).before(100 * NS)[0], 100 * NS) == []
    (only,) = machine.running()
    assert (only.end_ns, only.parts["calendar_s"], only.parts["pq"]) == (100 * NS, 100.0, 90.0)


def test_uncertain_states_are_told():
    given = inputs([(0, "state", 0.0)])
    machine = OeeMachine(0, At((END * NS,)), setup(gap_s=1000))
    made = machine.step(replace(given, status=np.array([1], np.uint8)), END * NS)
    assert made[0].parts["uncertain_s"] == END


def test_a_unit_that_never_spoke_has_no_figures():
    assert made_of([], calendar=ShiftCalendar("UTC", [ShiftTimes("a", 0, 1)])) == []


CYCLES = (Cycle("A", 1.0, 0, 100), Cycle("A", 2.0, 100), Cycle("", 3.0, 50))


@pytest.mark.parametrize(
    ("product", "when", "seconds"),
    [("A", 0, 1.0), ("A", 99, 1.0), ("A", 100, 2.0), ("B", 0, None), ("B", 50, 3.0), ("", 0, 1.0), ("", 60, 3.0)],
)
def test_the_cycle_of_a_product_at_a_time(product, when, seconds):
    assert cycle_at(CYCLES, product, when) == seconds
    assert cycle_at((Cycle("A", 1.0), Cycle("B", 2.0)), "", 0) is None


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
    machine = OeeMachine(0, Every(END * NS), replace(setup(), modulus=np.full(4, modulus)))
    rows = [(0, "state", 0.0), *((second + 1, "total", float(value)) for second, value in enumerate(values))]
    (made,) = run(machine, inputs(rows))
    assert made.parts["pq"] == counted


def test_a_snapshot_of_another_layout_is_refused():
    with pytest.raises(ValueError, match="layout"):
        OeeMachine(0, Every(NS), setup()).restore((99,))


def test_categories_are_numbered_as_the_kernel_reads_them():
    assert NUMBER["producing"] == 0
    assert NUMBER["unknown"] == 10
