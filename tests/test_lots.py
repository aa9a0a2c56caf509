"""Which lots an excursion touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.lots import EVENTS, OPEN_END, LotStay, lots_at, stays
from sinks.event_history import EventRow


def told(*rows: tuple[int, str, dict[str, object]]) -> list[EventRow]:
    return [EventRow("cold/room1", at, event, data, at) for at, event, data in rows]


ROOM = told(
    (10, "lot.started", {"lot": "A", "product": "VIAL"}), (20, "lot.started", {"lot": "B"}),
    (30, "lot.ended", {"lot": "A"}),
    (40, "calibration.done", {"lot": "X"}), (50, "lot.ended", {"lot": "never"}),
)  # fmt: skip
MACHINE = told(
    (10, "order.started", {"order": "1", "lot": "A", "product": "VIAL"}),
    (20, "order.started", {"order": "2", "lot": "B"}),
    (25, "order.started", {"order": "3", "lot": "B"}), (30, "order.ended", {"order": "3"}),
    (40, "order.started", {"order": "4"}),
)  # fmt: skip


@pytest.mark.parametrize("events", [ROOM, MACHINE])
def test_no_other_event_tells_of_lots(events):
    more = [*events, *told((15, "door.opened", {"lot": "A"}), (45, "lot.moved", {"lot": "B"}))]
    more.sort(key=lambda one: one.time_ns)
    assert stays([one for one in more if one.event in EVENTS]) == stays(more) == stays(events)


def test_a_room_holds_many():
    assert stays(ROOM) == [LotStay("A", "VIAL", 10, 30), LotStay("B", "", 20, OPEN_END)]


def test_a_machine_makes_one_after_the_other():
    assert stays(MACHINE) == [LotStay("A", "VIAL", 10, 20), LotStay("B", "", 20, 30)]


def test_all_go_where_no_lot_is_named():
    assert [one.to_ns for one in stays([*ROOM[:2], *told((60, "lot.ended", {}))])] == [60, 60]


def test_an_order_does_not_empty_a_room():
    assert [one.lot for one in stays([*ROOM[:2], *told((60, "order.started", {"lot": "C"}))])] == ["A", "B", "C"]
    assert {one.to_ns for one in stays([*ROOM[:2], *told((60, "order.started", {"lot": "C"}))])} == {OPEN_END}


@pytest.mark.parametrize(
    ("start", "end", "lots"),
    [(0, 10, ""), (0, 11, "A"), (10, 20, "A"), (29, 31, "AB"), (30, 30, "B"), (30, 99, "B"), (9, 9, ""), (10, 10, "A")],
)
def test_a_stay_counts_where_it_overlaps(start, end, lots):
    assert "".join(one.lot for one in lots_at(ROOM, start, end)) == lots


@given(
    st.lists(st.tuples(st.integers(0, 50), st.sampled_from(["lot.started", "lot.ended"]), st.sampled_from("ABC"))),
    st.integers(0, 60),
)
def test_at_every_instant_those_that_came_and_did_not_go(rows, instant):
    rows.sort(key=lambda row: row[0])
    there: set[str] = set()
    for at, event, lot in rows:
        if at <= instant:
            (there.add if event == "lot.started" else there.discard)(lot)
    found = [
        one.lot for one in lots_at(told(*((at, event, {"lot": lot}) for at, event, lot in rows)), instant, instant)
    ]
    assert sorted(found) == sorted(there)
