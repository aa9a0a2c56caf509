"""USP windows: the formula over the window's points, verdicts, any split."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.config.products import Product
from operators.held import Held, Limits
from operators.profiles import Profile
from operators.usp import DAY_NS, HOUR_NS, UspMachine
from tests.machine_runs import inputs_of, run
from tests.naive import NS
from tests.naive_cold_chain_parts import cold_chain_parts

COLD = Product(name="a", source="label", version="3", storage="controlled_cold")
ROOM = Product(name="b", source="label", version="1", storage="controlled_room_temperature")
GAP_NS = 3 * HOUR_NS
END_NS = 60 * HOUR_NS
rows_st = st.lists(
    st.tuples(
        st.integers(0, 60 * 60 - 1).map(lambda minute: minute * 60 * NS), st.just(0),
        st.sampled_from([1.0, 2.0, 5.0, 7.9, 8.1, 12.0, 15.0, 15.1, 30.0]), st.sampled_from([0, 0, 0, 1]),
    ),
    max_size=40,
)  # fmt: skip
cuts_st = st.lists(st.integers(0, 60 * 60).map(lambda minute: minute * 60 * NS), max_size=8)


def machine(product=COLD, begin_ns=0, gap_ns=GAP_NS):
    condition = product.condition
    limits = Limits(condition.low, condition.high, condition.allowed_low, condition.allowed_high)
    return UspMachine(begin_ns, Held(begin_ns, gap_ns, limits), Profile(limits, product), product, 0.95)


@given(rows_st)
def test_each_window_equals_the_formula_of_its_points(rows):
    made = run(machine, inputs_of(rows), [], END_NS)
    ordered = sorted(rows, key=lambda row: row[:3])
    time_ns = np.array([row[0] for row in ordered], np.int64)
    value = np.array([row[2] for row in ordered])
    found = {one.end_ns: one for one in made}
    for end_ns in range(HOUR_NS, END_NS + 1, HOUR_NS):
        start_ns = end_ns - DAY_NS
        twin = cold_chain_parts(time_ns, value, start_ns, end_ns, gap_ns=GAP_NS, low=2.0, high=8.0)
        assert (end_ns in found) == bool(twin["covered_s"])
        if end_ns in found:
            parts = found[end_ns].parts
            for name in ("covered_s", "gap_s", "minimum", "maximum", "mean", "mkt"):
                assert parts[name] == pytest.approx(twin[name], rel=1e-9, abs=1e-6), name
            assert parts["out_s"] == pytest.approx(twin["above_s"] + twin["below_s"], abs=1e-6)
            assert found[end_ns].start_ns == start_ns


@given(rows_st, cuts_st, st.booleans())
def test_any_split_and_restore_gives_the_same_bits(rows, cuts, again):
    inputs = inputs_of(rows)
    whole = run(machine, inputs, [], END_NS)
    assert repr(run(machine, inputs, cuts, END_NS, cuts if again else ())) == repr(whole)
    assert repr(run(machine, inputs, sorted({row[0] + 1 for row in rows}), END_NS)) == repr(whole)


def last(steps, product=COLD, hours=24, status=0):
    """The window at the end of steps [(hours, Cel)], each a reading every 30 min."""
    rows, at = [], 0
    for length, value in steps:
        rows += [((at + half) * HOUR_NS // 2, 0, value, status) for half in range(int(2 * length))]
        at += int(2 * length)
    upto = hours * HOUR_NS
    return [one for one in run(lambda: machine(product), inputs_of(rows), [], upto) if one.end_ns == upto][-1]


@pytest.mark.parametrize(
    ("steps", "allowed", "reason"),
    [
        ([(21, 4.0), (3, 10.0)], 1.0, "none"),
        ([(18, 5.0), (6, 14.0)], 0.0, "mkt"),  # the peak is below 15, the mean kinetic temperature is not below 8
        ([(23, 4.0), (1, 15.1)], 0.0, "high"),
        ([(23, 4.0), (1, 15.0)], 1.0, "none"),
        ([(23, 4.0), (1, 1.9)], 0.0, "low"),
        ([(12, 4.0)], None, "coverage"),
    ],
)
def test_controlled_cold(steps, allowed, reason):
    made = last(steps)
    assert (made.parts["allowed"], made.about["reason"]) == (allowed, reason)
    assert (made.about["product"], made.about["profile"]) == ("a", "3")


def test_room_temperature_over_thirty_days():
    passing = last([(714, 22.0), (6, 38.0)], ROOM, 720)
    assert passing.parts["mkt"] == pytest.approx(22.335769923911617, abs=1e-6)
    assert (passing.parts["allowed"], passing.parts["spike_s"]) == (1.0, 6 * 3600.0)
    too_long = last([(690, 20.0), (30, 31.0)], ROOM, 720)
    assert (too_long.parts["allowed"], too_long.about["reason"]) == (0.0, "spike")


def test_uncertain_rows_cannot_pass():
    made = last([(24, 5.0)], status=1)
    assert (made.parts["allowed"], made.about["reason"]) == (None, "uncertain")


def test_history_from_before_the_begin_fills_the_first_window():
    rows = [(hour * HOUR_NS, 0, 5.0, 0) for hour in range(72)]
    made = run(lambda: machine(begin_ns=48 * HOUR_NS), inputs_of(rows), [], 50 * HOUR_NS)
    assert [one.end_ns for one in made] == [49 * HOUR_NS, 50 * HOUR_NS]
    assert all(one.parts["covered_s"] == 86_400.0 for one in made)


def test_running_is_the_window_that_ends_next():
    one = machine()
    assert one.running() == []
    one.step(inputs_of([(0, 0, 5.0, 0)]), 90 * 60 * NS)
    (made,) = one.running()
    assert (made.end_ns, made.parts["covered_s"], made.parts["gap_s"]) == (2 * HOUR_NS, 5400.0, 22 * 3600.0)


def test_what_is_still_to_come_of_a_running_window_is_no_gap():
    one = machine()
    one.step(inputs_of([(minute * 60 * NS, 0, 5.0, 0) for minute in range(48 * 60 + 30)]), 48 * HOUR_NS + HOUR_NS // 2)
    (made,) = one.running()
    assert (made.end_ns, made.parts["gap_s"], made.parts["allowed"]) == (49 * HOUR_NS, 0.0, 1.0)


def test_frozen_goods_have_no_such_window_and_given_limits_win():
    frozen = Product(name="f", source="label", version="1", storage="freezer")
    assert frozen.condition.mkt_h is None
    own = Product(name="o", source="s", version="1", storage="controlled_cold", high=6.0, q10=2.0)
    assert (own.condition.high, own.condition.spike_high, own.condition.low) == (6.0, 15.0, 2.0)
    assert own.life_at_c == 4.0
    bare = Product(name="o", source="s", version="1", low=1.0, high=6.0)
    assert (bare.condition.allowed_high, bare.condition.spike_high, bare.condition.mkt_h) == (6.0, 6.0, None)
    assert math.isfinite(bare.condition.spike_h)


def test_years_without_rows_are_passed_over():
    far_ns = 20 * 365 * DAY_NS
    rows = [(0, 0, 5.0, 0), (far_ns + HOUR_NS // 2, 0, 6.0, 0)]
    made = run(machine, inputs_of(rows), [], far_ns + 2 * HOUR_NS)
    assert [one.end_ns // HOUR_NS for one in made] == [*range(1, 27), far_ns // HOUR_NS + 1, far_ns // HOUR_NS + 2]


def test_another_layout_is_refused():
    one = machine()
    with pytest.raises(ValueError, match="layout 9"):
        one.restore((9, *one.snapshot()[1:]))
