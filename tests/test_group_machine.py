"""Groups of series as machines: the plain twin, splits, restarts, products, running, the methods."""

from __future__ import annotations

import pickle
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.group_specs import HalfSpaceJudge, ManagedAlarm, MewmaJudge, TwinJudge
from operators.gate import GateSpec
from operators.group_machine import PRODUCTS, GroupMachine, GroupSpec
from tests import naive_group
from tests.machine_runs import inputs_of, run

U = 60 * 10**9  # ns
W, LEARN, DAYS, GAP = 10 * U, 20, 1.0, 12 * U
TAGS = ("c0", "c1", "c2")


def spec(judge=MewmaJudge, tags=TAGS, **more):
    made = {
        "channels": len(tags), "window_ns": W, "learn": LEARN, "judge": partial(judge, tags, LEARN),
        "budget": partial(ManagedAlarm, DAYS),
    }  # fmt: skip
    return GroupSpec(**(made | more))


def plant_rows(windows, seed=7, shift_from=None, channel=1, size=4.0):
    """Two readings a window of three series that share a load, at an operating level of 1e5."""
    rng, rows = np.random.default_rng(seed), []
    for at in range(0, windows * W, W // 2):
        load = rng.normal()
        for number in range(3):
            value = 1e5 + load * (number + 1) + rng.normal(0.0, 0.1)
            if shift_from is not None and at >= shift_from * W and number == channel:
                value += size
            rows.append((at + number, number, value, 0))
    return rows


def event(at, product):
    return SimpleNamespace(time_ns=at, event="product.changed", data={"product": product})


def told(made):
    return [
        (
            one.start_ns, one.about.get("product", ""), one.parts["channels"], one.parts["score"], one.parts["alarm"],
            one.about.get("channel_1"),
        )
        for one in made
    ]  # fmt: skip


def machine(**more):
    return lambda: GroupMachine(0, spec(**more))


def test_the_channel_that_moved_is_named_with_its_contribution():
    made = run(machine(), inputs_of(plant_rows(60, shift_from=40)), (), 60 * W)
    assert [one.start_ns for one in made] == list(range(0, 60 * W, W))
    assert {one.parts["score"] for one in made[:LEARN]} == {None}
    assert made[10].parts["learned"] == 11.0
    assert all(one.parts["alarm"] == 0.0 for one in made[LEARN:40])
    alarms = [one for one in made[LEARN:] if one.parts["alarm"]]
    assert 40 * W <= alarms[0].start_ns <= 45 * W
    assert alarms[0].about["channel_1"] == "c1"
    shares = [alarms[0].parts[f"contribution_{rank}"] for rank in (1, 2, 3)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 4.0
    assert alarms[0].parts["contribution_4"] is None
    assert made[-1].parts["unusual"] == 1.0
    assert made[-1].about["statistic"] in {"slow_shift", "fast_shift"}


ROWS = st.lists(
    st.tuples(st.integers(0, 449), st.integers(0, 3), st.sampled_from([0.0, 1.0, 1e5, 1e5 + 0.7])), max_size=60
)


@given(
    more=ROWS, seed=st.integers(0, 3), cuts=st.sets(st.integers(1, 450), max_size=8), gated=st.booleans(),
    changes=st.lists(st.tuples(st.integers(0, 450), st.sampled_from(["a", "b"])), max_size=2),
    settle=st.sampled_from([0, 4 * U, 17 * U]),
)  # fmt: skip
def test_the_plain_twin_says_the_same_in_any_split(more, seed, cuts, gated, changes, settle):
    """Rows in any order and split, restarted wherever they are cut, are the figures of all rows sorted."""
    rows = plant_rows(45, seed, shift_from=40)
    if gated:  # a state every window, off now and then
        rows += [(at * W + U, 3, float(at % 11 != 5), 0) for at in range(45)]
    rows += [(at * U, which, float(value) if which < 3 else float(value == 1.0), 0) for at, which, value in more
             if gated or which < 3]  # fmt: skip
    events = tuple(event(at * U, product) for at, product in sorted(changes))
    cuts = {one * U for one in cuts}
    whole = inputs_of(rows, events)
    gate = GateSpec((0, 1), GAP) if gated else None
    make = machine(by_product=True, gate=gate, settle_ns=settle)
    made = run(make, whole, cuts, 45 * W, again=cuts)
    assert made == run(make, whole, (), 45 * W)
    ordered = sorted(rows, key=lambda row: row[:3])
    wanted = naive_group.figures(
        ordered, events, 45 * W, channels=3, window_ns=W, learn=LEARN, days=DAYS, gap_ns=GAP if gated else None,
        settle_ns=settle,
    )  # fmt: skip
    assert told(made) == wanted


def test_late_rows_go_back_to_a_snapshot():
    """What the board does: a snapshot from before the late row, then all rows again."""
    rows = plant_rows(50, shift_from=40)
    late, punctual = rows[70], rows[:70] + rows[71:]
    first, at = machine()(), rows[70][0] // W * W
    before, rest = inputs_of(punctual).before(at)
    made = first.step(before, at)
    kept = pickle.loads(pickle.dumps(first.snapshot()))
    first.step(rest, 50 * W)
    again = machine()()
    again.restore(kept)
    made += again.step(inputs_of(rows).before(at)[1], 50 * W)
    assert late in rows
    assert made == run(machine(), inputs_of(rows), (), 50 * W)


def test_each_product_has_a_reference_of_its_own():
    low, high = plant_rows(40, seed=1), [(at, n, v + 50.0, s) for at, n, v, s in plant_rows(90, seed=2)]
    rows = [row for row in low if row[0] < 40 * W] + [row for row in high if row[0] >= 40 * W]
    events = (event(0, "a"), event(40 * W, "b"))
    apart = run(machine(by_product=True), inputs_of(rows, events), (), 90 * W)
    assert not any(one.parts["alarm"] for one in apart)
    assert [one.parts["learned"] for one in apart][39:42] == [20.0, 1.0, 2.0]
    assert [one.about["product"] for one in apart][39:41] == ["a", "b"]
    together = run(machine(), inputs_of(rows, events), (), 90 * W)
    assert any(one.parts["alarm"] for one in together)


def test_references_of_products_are_bounded():
    events = tuple(event(at * W, f"p{at}") for at in range(40))
    one = machine(by_product=True)()
    one.step(inputs_of(plant_rows(40), events), 40 * W)
    assert len(one.snapshot()[10]) == PRODUCTS
    assert [name for name, *_ in one.snapshot()[10]][-1] == "p39"


def test_the_journal_before_the_begin_teaches_and_is_not_told():
    rows, reach = plant_rows(60), 30 * W
    late = GroupMachine(30 * W, spec(reach_ns=reach))
    made = late.step(inputs_of(rows), 60 * W)
    assert made == run(machine(), inputs_of(rows), (), 60 * W)[30:]
    assert made[0].parts["score"] is not None


def test_long_silence_costs_no_windows():
    one = machine()()
    one.step(inputs_of(plant_rows(3)), 3 * W)
    assert one.step(inputs_of([(10**18 + 1, 0, 1e5, 0)]), 10**18 + W) != []


@pytest.mark.parametrize("judge", [TwinJudge, HalfSpaceJudge])
def test_other_methods(judge):
    rng, rows = np.random.default_rng(3), []
    for at in range(0, 80 * W, W):
        level = rng.normal()
        rows += [(at, 0, level + rng.normal(0.0, 0.1), 0), (at, 1, level + (at >= 60 * W) * 3.0, 0)]
    make = machine(judge=judge, tags=("top", "bottom"))
    made = run(make, inputs_of(rows), (), 80 * W)
    assert made == run(make, inputs_of(rows), range(3, 80 * W, 37 * U), 80 * W, again=range(3, 80 * W, 37 * U))
    assert all(one.parts["score"] is not None for one in made[LEARN:])
    if judge is TwinJudge:
        alarm = next(one for one in made[LEARN:] if one.parts["alarm"])
        assert alarm.start_ns >= 60 * W
        assert alarm.about["channel_1"] == "top - bottom"
        assert alarm.parts["contribution_1"] is None


def test_a_snapshot_of_another_layout_is_refused():
    one = machine()()
    with pytest.raises(ValueError, match="layout"):
        one.restore((99, *one.snapshot()[1:]))
