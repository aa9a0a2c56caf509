"""Excursions: the twin second by second, any split, gaps, doors, lots."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.contacts import Contact, Warming
from operators.excursions import ExcursionMachine, Terms
from operators.held import Held, Limits
from operators.profiles import Profile
from tests import naive_cold_chain as naive
from tests.machine_runs import inputs_of, run
from tests.naive import NS

END_S, GAP_S = 150, 12
LABEL = Limits(2.0, 8.0, 2.0, 15.0)
points_st = st.lists(
    st.tuples(st.integers(0, END_S - 1), st.sampled_from([-1.0, 1.5, 2.0, 2.5, 5.0, 7.5, 7.6, 8.0, 8.01, 9.0, 16.0])),
    max_size=60,
    unique_by=lambda point: point[0],
).map(sorted)
cuts_st = st.lists(st.integers(-10, END_S * 10).map(lambda tenth: tenth * NS // 10), max_size=8)


def event(second, name, **data):
    return SimpleNamespace(time_ns=second * NS, event=name, data=data)


def machine(hold_off_s=0.0, hysteresis=0.5, causes=None, begin_ns=0):
    terms = Terms(hysteresis, round(hold_off_s * NS), 20 * NS)
    made = [(1, Contact(GAP_S * NS)), (2, Contact(GAP_S * NS))] if causes is None else causes
    return ExcursionMachine(begin_ns, Held(begin_ns, GAP_S * NS, LABEL), terms, Profile(LABEL), made)


def rows_of(points, status=0):
    return [(second * NS, 0, value, status) for second, value in points]


@given(points_st, st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0, 5, 20]))
def test_equals_the_twin_second_by_second(points, hysteresis, hold_off):
    one = machine(hold_off, hysteresis)
    made = one.step(inputs_of(rows_of(points)), END_S * NS)
    expected, still_open = naive.excursions(points, END_S, GAP_S, 2.0, 8.0, hysteresis, hold_off)
    found = [*made, *one.running()]
    assert [(each.start_ns / NS, each.end_ns / NS) for each in found] == [(e["start"], e["end"]) for e in expected]
    assert bool(one.running()) <= (still_open is not None)
    for each, twin in zip(found, expected, strict=True):
        for name in twin.keys() - {"start", "end"}:
            assert each.parts[name] == pytest.approx(twin[name], rel=1e-9, abs=1e-9), name


mixed_st = st.lists(
    st.tuples(
        st.integers(-20, END_S - 1).map(lambda second: second * NS),
        st.sampled_from([0, 0, 0, 1, 2]),
        st.sampled_from([0.0, 1.0, 1.5, 5.0, 7.6, 8.2, 9.0, -280.0]),
        st.sampled_from([0, 1]),
    ),
    max_size=60,
)
events_st = st.lists(
    st.builds(
        event, st.integers(-20, END_S), st.sampled_from(["lot.started", "lot.ended", "order.started"]),
        lot=st.sampled_from(["a", "b"]),
    ),
    max_size=6,
)  # fmt: skip


@given(mixed_st, events_st, cuts_st, st.booleans(), st.booleans())
def test_any_split_and_restore_gives_the_same_bits(rows, events, cuts, again, contacts):
    def make():
        warmth = [(0, Warming(GAP_S * NS, 0.5)), (0, None)]
        return machine(5.0, causes=None if contacts else warmth)

    inputs = inputs_of(rows, events)
    whole = run(make, inputs, [], END_S * NS)
    assert repr(run(make, inputs, cuts, END_S * NS, cuts if again else ())) == repr(whole)
    each = sorted({row[0] + 1 for row in rows})
    assert repr(run(make, inputs, each, END_S * NS)) == repr(whole)


def test_the_start_is_the_crossing_and_short_ones_are_forgotten():
    points = [(0, 5.0), (10, 8.2), (18, 5.0), (30, 9.0), (40, 7.8), (45, 8.1), (52, 7.0)]
    (made,) = machine(10.0).step(inputs_of(rows_of(points)), END_S * NS)
    assert (made.start_ns, made.end_ns) == (30 * NS, 52 * NS)
    assert made.parts["peak"] == 9.0
    assert made.parts["out_s"] == 17.0
    assert machine(22.0).step(inputs_of(rows_of(points)), END_S * NS) == []  # as long as the hold-off is not longer


def test_a_time_without_data_counts_as_out_and_a_silent_one_stays_open():
    one = machine(5.0)
    assert one.step(inputs_of(rows_of([(0, 9.0)])), 100 * NS) == []
    (running,) = one.running()
    assert (running.parts["out_s"], running.parts["blind_s"]) == (100.0, 88.0)
    (made,) = one.step(inputs_of(rows_of([(110, 5.0)])), 120 * NS)
    assert (made.end_ns, made.parts["blind_s"]) == (110 * NS, 98.0)


def test_from_one_side_to_the_other_is_two():
    made = machine().step(inputs_of(rows_of([(0, 9.0), (10, 1.0), (20, 5.0)])), END_S * NS)
    assert [(one.about["side"], one.parts["above"]) for one in made] == [("above", 1.0), ("below", 0.0)]


@pytest.mark.parametrize(
    ("door", "found"),
    [
        ([(2, 1.0), (8, 0.0)], (1.0, "door", 0.0)),
        ([(2, 1.0)], (1.0, "door", 0.0)),  # stood open until it fell silent
        ([(0, 0.0)], (0.0, "none", 1.0)),
        ([], (None, "none", 1.0)),
    ],
)
def test_an_excursion_is_put_down_to_the_door(door, found):
    rows = [*rows_of([(0, 5.0), (20, 9.0), (40, 5.0)]), *((at * NS, 1, value, 0) for at, value in door)]
    (made,) = machine().step(inputs_of(rows), END_S * NS)
    assert (made.parts["door"], made.about["cause"], made.parts["unexplained"]) == found


def test_a_door_does_not_explain_cold():
    rows = [*rows_of([(0, 5.0), (20, 1.0), (40, 5.0)]), (15 * NS, 1, 1.0, 0), (19 * NS, 2, 1.0, 0)]
    (made,) = machine().step(inputs_of(rows), END_S * NS)
    assert (made.parts["door"], made.parts["defrost"], made.parts["unexplained"]) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize(("rise", "door"), [(0.6, 1.0), (0.4, 0.0)])
def test_without_a_contact_fast_warming_is_the_door(rise, door):
    points = [(60 * minute, 6.0 + max(0, minute - 2) * rise) for minute in range(12)]
    points += [(60 * 12, 5.0)]
    terms, far = Terms(0.5, 0, 600 * NS), 200 * NS
    one = ExcursionMachine(0, Held(0, far, LABEL), terms, Profile(LABEL), [(0, Warming(far, 0.5)), (0, None)])
    (made,) = one.step(inputs_of(rows_of(points)), 900 * NS)
    assert made.parts["door"] == door
    assert made.parts["defrost"] is None


def test_lots_that_were_there_are_told():
    events = [event(1, "lot.started", lot="a"), event(5, "lot.ended", lot="a"), event(6, "lot.started", lot="b")]
    events += [event(15, "lot.started", lot="c"), event(30, "lot.started", lot="d")]
    (made,) = machine().step(inputs_of(rows_of([(10, 9.0), (30, 5.0)]), events), END_S * NS)
    assert (made.about["lot"], made.parts["lots"]) == ("b,c", 2.0)


def test_names_of_lots_are_told_whole_or_not_at_all():
    names = [f"LOT-2026-{number:03}" for number in range(9)]
    events = [event(1, "lot.started", lot=name) for name in names]
    (made,) = machine().step(inputs_of(rows_of([(10, 9.0), (30, 5.0)]), events), END_S * NS)
    assert made.about["lot"].split(",") == names[:5]
    assert (made.parts["lots"], len(made.about["lot"]) <= 64) == (9.0, True)


def test_what_ended_before_the_begin_is_not_told_again():
    rows = rows_of([(0, 9.0), (10, 5.0), (20, 9.0), (40, 5.0)])
    made = machine(begin_ns=30 * NS).step(inputs_of(rows), END_S * NS)
    assert [one.start_ns for one in made] == [20 * NS]  # under its true start


def test_beyond_the_allowed_range_and_uncertain():
    rows = [(0, 0, 9.0, 0), (5 * NS, 0, 16.0, 1), (8 * NS, 0, 9.0, 0), (10 * NS, 0, 5.0, 0)]
    (made,) = machine().step(inputs_of(rows), END_S * NS)
    assert (made.parts["beyond_s"], made.parts["uncertain_s"]) == (3.0, 3.0)


def test_another_layout_is_refused():
    one = machine()
    with pytest.raises(ValueError, match="layout 9"):
        one.restore((9, *one.snapshot()[1:]))
