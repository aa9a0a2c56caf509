"""OEE of a line: equal to the twin second by second, to itself in any split, by bottleneck equal to the cell's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators import line_kernel
from operators import oee_kernel as at
from operators.line_machine import LineMachine, LineSetup
from operators.machines import At, Every
from operators.oee_machine import OeeMachine
from operators.oee_setup import Cycle
from operators.time_model import CATEGORIES
from tests.machine_runs import inputs_of, run
from tests.naive_line import NaiveLine
from tests.naive_oee import NaiveUnit
from tests.test_oee_machine import MODES, NAMES, NS, Told, acts_of, acts_st, jobs_st
from tests.test_oee_machine import setup as unit_setup

END, GAP, CELLS = 150, 30, 3
ROLES = (at.STATE_ROLE, at.TOTAL, at.GOOD, at.MODE_ROLE)
NAMED = {"state": at.STATE_ROLE, "total": at.TOTAL, "good": at.GOOD, "mode": at.MODE_ROLE}


def line_setup(cells=CELLS, least=2, counted=(1,), **more):
    """States of all cells, counters of those that count, modes of all; as tests/test_oee_machine.py has a unit."""
    unit = unit_setup(gap_s=GAP, **more)
    told = [
        (role, cell)
        for role in ROLES
        for cell in range(cells)
        if role in (at.STATE_ROLE, at.MODE_ROLE) or cell in counted
    ]
    many = [unit] * cells
    return LineSetup(
        unit, least, tuple((f"c{cell}", str(role)) for role, cell in told), np.array([cell for _, cell in told]),
        np.array([role for role, _ in told]), np.array([one.starts for one in many]),
        np.array([one.categories for one in many]), np.array([one.starting for one in many]),
        np.array([one.modes for one in many]), np.full((cells, 2), GAP * NS), np.array([one.modulus for one in many]),
        tuple(f"c{cell}" for cell in range(cells)), f"{least} of {cells}", "c1",
    )  # fmt: skip


def given_to(setup, rows, events=()):
    """rows: (second, cell, role, value)."""
    places = {
        (int(cell), int(role)): number
        for number, (cell, role) in enumerate(zip(setup.cell_of, setup.roles, strict=True))
    }
    told = [
        (int(at_s * NS), places[cell, NAMED[role]], value, 0)
        for at_s, cell, role, value in rows
        if (cell, NAMED[role]) in places
    ]
    return inputs_of(told, [Told(int(at_s * NS), name, data) for at_s, name, data in events])


cell_st = st.integers(0, CELLS - 1)
second_st = st.integers(-40, END)
rows_st = st.lists(
    st.one_of(
        st.tuples(second_st, cell_st, st.just("state"), st.integers(-1, 10).map(float)),
        st.tuples(second_st, cell_st, st.just("state"), st.sampled_from([0.0, 0.0, 5.0])),
        st.tuples(second_st, cell_st, st.just("mode"), st.integers(0, 3).map(float)),
        st.tuples(second_st, cell_st, st.sampled_from(["total", "good"]), st.integers(0, 99).map(float)),
    ),
    max_size=40,
)  # fmt: skip


@given(
    rows_st,
    acts_st,
    st.integers(1, CELLS),
    st.integers(0, 40),
    st.lists(st.integers(1, END - 1), max_size=3, unique=True),
)
@settings(max_examples=60, deadline=None)
def test_it_equals_the_twin_second_by_second(rows, acts, least, micro_s, cuts):
    rows = [*((-40, cell, "state", 0.0) for cell in range(CELLS)), *rows]
    setup = line_setup(least=least, micro_s=micro_s)
    bounds = (*sorted(cuts), END)
    machine = LineMachine(0, At(tuple(one * NS for one in bounds)), setup)
    inputs = given_to(setup, rows, [(*one, {}) for one in acts])
    found = {one.start_ns // NS: one for one in machine.step(inputs, END * NS)}
    order = {number: (int(setup.cell_of[number]), int(setup.roles[number])) for number in range(len(setup.roles))}
    names = {role: name for name, role in NAMED.items()}
    ordered = [
        (int(time) // NS, *order[int(number)], value)
        for time, number, value in zip(inputs.time_ns, inputs.input, inputs.value, strict=True)
    ]
    units = [
        NaiveUnit(
            [(second, names[role], value) for second, cell, role, value in ordered if cell == mine],
            [],
            NAMES,
            GAP,
            modes=MODES,
        )
        for mine in range(CELLS)
    ]
    twin, whole = NaiveLine(units, least), NaiveUnit([], acts_of(acts), ("x",), GAP)
    told = {second: twin.at(second, -40) for second in range(-40, END)}
    categories = {second: under(category, whole, second) for second, (category, _) in told.items()}
    for begin, end in zip((0, *bounds), bounds, strict=False):
        seconds = whole.window(begin, end, -40, micro_s, categories)
        pq = units[1].counted("total", begin, end)
        if begin not in found:
            assert seconds["unknown"] == end - begin
            assert not pq
            continue
        parts, about = found[begin].parts, found[begin].about
        own = {"producing": "apt_s", "micro": "micro_stop_s", "breakdown": "breakdown_s", "failures": "failures",
               "repairs": "repairs", "micro_count": "micro_stops"}  # fmt: skip
        merged = ("external_stop", "starved", "blocked")
        for name in ({*CATEGORIES} - {*merged}) | {*own}:
            assert parts[own.get(name, f"{name}_s")] == seconds[name], name
        assert parts["external_stop_s"] == sum(seconds[name] for name in merged)
        assert parts["pq"] == pq
        stood = [0] * CELLS
        for second in range(begin, end):
            if told[second][1] is not None and categories[second] != "planned_down":
                stood[told[second][1]] += 1
        assert about.get("stopped_by") == (f"c{stood.index(max(stood))}" if any(stood) else None)
        assert (about["rule"], about["bottleneck"]) == (f"{least} of {CELLS}", "c1")


def under(category, whole, second):
    """What the line's own events make of it."""
    act = next((kind for at_s, kind in reversed(whole.acts) if at_s <= second), None)
    if category == "planned_down":
        return category  # planned beats a set-up
    return {"planned": "planned_down", "setup": "setup"}.get(act, category)


@given(rows_st, acts_st, jobs_st, st.lists(st.integers(0, END), max_size=8, unique=True), st.data())
@settings(max_examples=60, deadline=None)
def test_any_split_and_restart_gives_the_same_bits(rows, acts, jobs, cuts, data):
    setup = line_setup(counted=(0, 1), startup_ns=15 * NS, cycles=(Cycle("A", 0.7), Cycle("", 1.3, 0, 100 * NS)))
    inputs = given_to(setup, rows, [*[(*one, {}) for one in acts], *jobs])

    def make():
        return LineMachine(0, Every(70 * NS), setup)

    whole, cuts = run(make, inputs, [], END * NS), [cut * NS for cut in cuts]
    again = data.draw(st.sets(st.sampled_from(cuts))) if cuts else set()
    parted = run(make, inputs, cuts, END * NS, again)
    assert repr(parted) == repr(whole)


@given(rows_st, acts_st, jobs_st, st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_by_its_bottleneck_alone_it_is_the_figure_of_that_cell(rows, acts, jobs, micro_s):
    more = {"micro_s": micro_s, "startup_ns": 15 * NS, "cycles": (Cycle("A", 0.7), Cycle("", 1.3))}
    setup = line_setup(cells=1, least=1, counted=(0,), **more)
    inputs = given_to(setup, rows, [*[(*one, {}) for one in acts], *jobs])
    line = LineMachine(0, Every(70 * NS), setup).step(inputs, END * NS)
    unit = OeeMachine(0, Every(70 * NS), unit_setup(gap_s=GAP, **more)).step(inputs, END * NS)
    told = {"rule": "1 of 1", "bottleneck": "c1"}
    assert line == [replace(one, about={**one.about, **told}) for one in unit]


def made_of(rows, events=(), **more):
    setup = line_setup(**more)
    (only,) = LineMachine(0, At((END * NS,)), setup).step(given_to(setup, rows, events), END * NS)
    return only


def steady(*stops):
    """All cells produce from the begin on and say so each ten seconds, but from `second` on cell is in `state`."""
    rows = []
    for cell in range(CELLS):
        for second in range(0, END, 10):
            state = next((state for since, one, state in reversed(stops) if one == cell and since <= second), 0.0)
            rows.append((second, cell, "state", state))
    return rows


def test_the_cell_that_stopped_first_gives_the_cause():
    """c2 breaks down, c0 is blocked by it soon after: the line is down, for c2, though c0 stands first in it."""
    only = made_of(steady((50, 2, 5.0), (60, 0, 4.0)), least=3)
    assert (only.parts["apt_s"], only.parts["down_s"], only.parts["blocked_s"]) == (50.0, 100.0, 0.0)
    assert only.about["stopped_by"] == "c2"
    assert made_of(steady((50, 2, 5.0), (60, 0, 4.0)), least=1).parts["apt_s"] == END


def test_cells_in_parallel_add_up_and_in_a_row_the_bottleneck_counts():
    rows = steady()
    rows += [(second, cell, role, second / (2 + cell)) for second in range(0, END, 30) for cell in range(CELLS)
             for role in ("total", "good")]  # fmt: skip
    assert made_of(rows).parts["pq"] == pytest.approx(120 / 3)
    assert made_of(rows, counted=(0, 1, 2)).parts["pq"] == pytest.approx(60 + 40 + 30)


def test_a_line_is_planned_down_only_where_all_that_stand_are():
    other = [(second, cell, "mode", 1.0) for second in range(0, END, 10) for cell in (0, 1)]
    assert made_of([*steady(), *other], least=2).parts["planned_down_s"] == END
    one_down = made_of([*steady((50, 2, 5.0)), *other], least=2)
    assert (one_down.parts["planned_down_s"], one_down.parts["down_s"]) == (50.0, 100.0)


def test_a_cell_that_says_nothing_is_unknown_where_it_matters():
    rows = [row for row in steady() if row[1] != 2 or row[0] == 0]
    assert made_of(rows, least=2).parts["unknown_s"] == 0.0
    assert made_of(rows, least=3).parts["unknown_s"] == END - GAP


def test_a_warmed_kernel_is_the_one_that_machines_call():
    line_kernel.compile_kernels()
    before = len(line_kernel.take_line.signatures)
    made_of(steady())
    assert len(line_kernel.take_line.signatures) == before == 1


def test_a_snapshot_of_another_layout_is_refused():
    with pytest.raises(ValueError, match="layout"):
        LineMachine(0, Every(NS), line_setup()).restore((99,))
