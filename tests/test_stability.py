"""Lots over their legs: the twin second by second, budgets that no hand-over resets, any split."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.config.products import Product
from operators.held import Held, Limits
from operators.lot_stays import LotMachine
from operators.lots import OPEN_END, stays
from operators.profiles import Profile
from operators.stability import accelerated, consumed_h, out_of_refrigeration, over_legs, rate
from tests.machine_runs import inputs_of, run
from tests.naive import NS, mkt, value_at

END_S, GAP_S = 120, 15
VACCINE = Product(
    name="v", source="stability report", version="2", storage="controlled_cold", tor_h=0.01, life_h=10.0, label_c=5.0
)
TABLET = Product(name="t", source="label", version="1", low=15.0, high=25.0, q10=2.0, label_c=20.0, life_h=1.0)


def profile(name):
    product = {"v": VACCINE, "t": TABLET}.get(name)
    if product is None:
        return Profile(Limits(2.0, 8.0, 2.0, 8.0))
    condition = product.condition
    limits = (condition.low, condition.high, condition.allowed_low, condition.spike_high)
    return Profile(Limits(*limits, 83144.0, product.life_at_c, product.q10 or float("nan")), product)


def machine(begin_ns=0):
    return LotMachine(begin_ns, Held(begin_ns, GAP_S * NS, Limits()), profile)


def event(second, name, **data):
    return SimpleNamespace(time_ns=second * NS, event=name, data=data)


rows_st = st.lists(
    st.tuples(
        st.integers(0, END_S - 1).map(lambda second: second * NS), st.just(0),
        st.sampled_from([1.0, 2.0, 5.0, 8.0, 8.5, 16.0, 25.0, -280.0]), st.sampled_from([0, 0, 1]),
    ),
    max_size=40,
)  # fmt: skip
events_st = st.lists(
    st.builds(
        event, st.integers(0, END_S - 1),
        st.sampled_from(["lot.started", "lot.started", "lot.ended", "order.started", "order.ended"]),
        lot=st.sampled_from(["a", "b", "c", None]), product=st.sampled_from(["v", "t", "other"]),
    ),
    max_size=10,
)  # fmt: skip
cuts_st = st.lists(st.integers(0, END_S * 10).map(lambda tenth: tenth * NS // 10), max_size=8)


@given(rows_st, events_st)
def test_stays_equal_the_twin_second_by_second(rows, events):
    inputs = inputs_of(rows, events)
    one = machine()
    made = one.step(inputs, END_S * NS)
    told = [stay for stay in stays(inputs.events) if stay.to_ns != OPEN_END]
    assert sorted((x.about["lot"], x.end_ns) for x in made) == sorted((stay.lot, stay.to_ns) for stay in told)
    points = sorted((row[0] // NS, row[2]) for row in rows if row[2] > -273.15)
    there = [stay.lot for stay in stays(inputs.events) if stay.to_ns == OPEN_END]
    assert sorted(x.about["lot"] for x in one.running()) == sorted(there)
    for stay in told:
        found = next(x for x in made if (x.about["lot"], x.end_ns) == (stay.lot, stay.to_ns))
        limits = profile(stay.product).limits
        stood = [value_at(points, at, GAP_S) for at in range(stay.from_ns // NS, stay.to_ns // NS)]
        known = [value for value in stood if value is not None]
        assert found.parts["covered_s"] == pytest.approx(len(known))
        assert found.parts["gap_s"] == pytest.approx(len(stood) - len(known))
        assert found.parts["above_s"] == pytest.approx(sum(value > limits.high for value in known))
        assert found.parts["above_c_min"] == pytest.approx(sum(max(one - limits.high, 0.0) for one in known) / 60.0)
        assert found.parts["below_c_min"] == pytest.approx(sum(max(limits.low - one, 0.0) for one in known) / 60.0)
        assert found.parts["mkt"] == (pytest.approx(mkt(known)) if known else None)
        if stay.product == "v":
            life_h = sum(rate(value, 5.0) for value in known) / 3600.0
        elif stay.product == "t":
            life_h = sum(accelerated(2.0, value, 20.0) for value in known) / 3600.0
        else:
            life_h = None
        assert found.parts["life_used_h"] == (None if life_h is None else pytest.approx(life_h))


@given(rows_st, events_st, cuts_st, st.booleans())
def test_any_split_and_restore_gives_the_same_bits(rows, events, cuts, again):
    inputs = inputs_of(rows, events)
    whole = run(machine, inputs, [], END_S * NS)
    assert repr(run(machine, inputs, cuts, END_S * NS, cuts if again else ())) == repr(whole)
    assert repr(run(machine, inputs, sorted({row[0] + 1 for row in rows}), END_S * NS)) == repr(whole)
    assert len({one.start_ns for one in whole}) == len(whole)  # each has its own key


def warm(first, last, value=9.0):
    return [(second * NS, 0, value, 0) for second in range(first, last)]


def test_a_budget_goes_on_where_the_lot_comes_back():
    events = [event(0, "lot.started", lot="a", product="v"), event(10, "lot.ended", lot="a")]
    events += [event(30, "lot.started", lot="a", product="v"), event(40, "lot.ended", lot="a")]
    first, second = machine().step(inputs_of(warm(0, 50), events), 60 * NS)
    assert (first.parts["tor_used_s"], second.parts["tor_used_s"]) == (10.0, 20.0)
    assert second.parts["above_s"] == 10.0  # of this leg
    assert (first.parts["tor_left_s"], second.parts["tor_left_s"]) == (26.0, 16.0)
    assert second.parts["life_total_h"] == pytest.approx(2 * first.parts["life_total_h"])


@pytest.mark.parametrize(("brought", "used"), [(20.0, 30.0), ("x", 10.0), (-1.0, 10.0), (True, 10.0), (None, 10.0)])
def test_a_lot_brings_its_budget_along(brought, used):
    events = [event(0, "lot.started", lot="a", product="v", tor_used_s=brought), event(10, "lot.ended", lot="a")]
    (made,) = machine().step(inputs_of(warm(0, 20), events), 30 * NS)
    assert made.parts["tor_used_s"] == used


def test_a_lot_that_only_passes_through_keeps_its_budget():
    brought = {"lot": "a", "tor_used_s": 20.0, "life_used_h": 3.0}
    events = [event(0, "lot.started", product="none", **brought), event(0, "lot.ended", lot="a")]
    events += [event(5, "lot.started", lot="a", product="none"), event(10, "lot.ended", lot="a")]
    events += [event(15, "lot.started", lot="a", product="v")]
    one = machine()
    (made,) = one.step(inputs_of(warm(0, 20), events), 20 * NS)
    assert made.parts["tor_used_s"] == 25.0  # what it brought to the first place, and 5 s here
    (now,) = one.running()
    assert now.parts["tor_used_s"] == 30.0
    assert now.parts["life_total_h"] > 3.0  # also over a stay of which no shelf life was counted


def test_an_overdrawn_budget_is_told_and_fails():
    events = [event(0, "lot.started", lot="a", product="v"), event(40, "lot.ended", lot="a")]
    (made,) = machine().step(inputs_of(warm(0, 50), events), 60 * NS)
    assert made.parts["tor_left_s"] == pytest.approx(-4.0)
    assert made.parts["within"] == 0.0


def test_silence_after_a_value_above_counts_as_out():
    events = [event(0, "lot.started", lot="a", product="v"), event(40, "lot.ended", lot="a")]
    (made,) = machine().step(inputs_of(warm(0, 1), events), 60 * NS)
    assert (made.parts["above_s"], made.parts["blind_out_s"], made.parts["tor_used_s"]) == (15.0, 25.0, 40.0)


def test_verdict_of_a_stay():
    events = [event(0, "lot.started", lot="a", product="v"), event(20, "lot.ended", lot="a")]
    inside, uncertain = warm(0, 20, 5.0), [(0, 0, 5.0, 1), (10 * NS, 0, 5.0, 0)]
    for rows, verdict in ((inside, 1.0), (uncertain, None), ([], None), (warm(0, 20, 16.0), 0.0)):
        (made,) = machine().step(inputs_of(rows, events), 30 * NS)
        assert made.parts["within"] == verdict


def test_a_running_stay_is_told_so_far():
    one = machine()
    one.step(inputs_of(warm(0, 30), [event(5, "lot.started", lot="a", product="t")]), 20 * NS)
    (made,) = one.running()
    assert (made.start_ns, made.end_ns, made.parts["stay_s"]) == (5 * NS, 20 * NS, 15.0)
    assert made.about == {"lot": "a", "product": "t", "profile": "1"}


def test_a_stay_kept_by_a_version_without_degree_minutes_goes_on():
    one, other = machine(), machine()
    one.step(inputs_of(warm(0, 30), [event(5, "lot.started", lot="a", product="t")]), 20 * NS)
    *kept, lots, left = one.snapshot()
    other.restore((*kept, tuple((*plain[:-1], plain[-1][:-1]) for plain in lots), left))
    before, after = (each.step(inputs_of([], [event(40, "lot.ended", lot="a")]), 50 * NS) for each in (one, other))
    assert before[0].parts["below_c_min"] == pytest.approx(6.0 * 35 / 60.0)
    unknown = {"above_c_min": None, "below_c_min": None}
    assert after[0].parts == {**before[0].parts, **unknown}


def test_legs_of_several_assets_add_up():
    legs = [{"above_s": 10.0, "blind_out_s": 5.0, "life_used_h": None}, {"above_s": 1.0, "life_used_h": 2.0}]
    summed = over_legs(legs)
    assert (summed["tor_used_s"], summed["life_used_h"]) == (16.0, 2.0)
    assert over_legs([])["tor_used_s"] == 0.0


def test_budget_and_life_of_legs():
    budget = out_of_refrigeration([(8.0, 5), (8.1, 80)], 8.0, 72)
    assert (budget.used_h, budget.left_h) == (80, -8)
    assert consumed_h([(30.0, 2.0)], 20.0, q10=3.0) == pytest.approx(6.0)
    assert consumed_h([(5.0, 2.0)], 5.0) == pytest.approx(2.0)


def test_another_layout_is_refused():
    one = machine()
    with pytest.raises(ValueError, match="layout 9"):
        one.restore((9, *one.snapshot()[1:]))
