"""What becomes of an alarm's order when late data merges it, and of alarms that end while their point is set aside."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from andon.conditions import ConditionChange
from andon.errors import RecordsError
from andon.readings import NS_PER_S
from andon.records import SYSTEM_FLOW, SYSTEM_SUPERVISOR, Records, alarm_key, schema
from tests.records_world import OPERATOR, QUALITY, cleared, fresh, raised

HOUR_NS = 3600 * NS_PER_S

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(scope="module")
def template(databases, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    fresh(folder).close()
    return folder


@pytest.fixture
def records(database, template, tmp_path):
    database.copy(template, tmp_path)
    with fresh(tmp_path) as mine:
        yield mine


def tell(records: Records, *changes: ConditionChange) -> None:
    records.apply_conditions(changes, SYSTEM_FLOW)


def key(change: ConditionChange) -> str:
    return alarm_key("szh1", change.asset, change.tag, change.rule_id, change.start_ns)


def orders(records: Records) -> dict[str, dict]:
    """The body of each order by its key."""
    with records.reading() as connection:
        rows = connection.execute(select(schema.outbox.c.order_key, schema.outbox.c.body))
        return {row.order_key: json.loads(row.body)["data"] for row in rows}


def merged(first: ConditionChange, second: ConditionChange) -> tuple[ConditionChange, ConditionChange]:
    """Late rows between them: the first goes on to the end of the second, which is void."""
    return (
        replace(cleared(first), kind="revised", cleared_ns=cleared(second).cleared_ns, offset=7000),
        replace(cleared(second), kind="revised", voided=True, merged_into_ns=first.start_ns, offset=7000),
    )


# ---- merged into an alarm that the ERP never heard of


@pytest.mark.parametrize("turned", [False, True])
def test_what_the_erp_heard_of_is_ordered_under_the_alarm_it_became_a_part_of(records, turned):
    silent, told = raised(0, suppressed_by="schedule"), raised(5000)
    tell(records, silent, cleared(silent, suppressed_by="schedule"), told, cleared(told, offset=6000))
    assert orders(records).keys() == {key(told)}
    both = merged(silent, told)
    tell(records, *(both[::-1] if turned else both))
    found = orders(records)
    assert found[key(told)]["merged_into"] == key(silent)
    assert found[key(silent)]["cleared"] == "2026-01-01T01:38:20.000000Z"  # 5,000 + 600 + 300 s after the start
    assert "voided" not in found[key(silent)]


def test_so_it_is_where_the_first_was_out_of_service(records):
    before, first, second = raised(-2000), raised(0), raised(5000)
    tell(records, before, cleared(before))
    records.take_out_of_service(key(before), QUALITY, "probe away")
    tell(records, first, cleared(first))
    records.restore_service(key(before), QUALITY, "probe back")
    tell(records, second, cleared(second, offset=6000))
    assert key(first) not in orders(records)
    tell(records, *merged(first, second))
    assert orders(records)[key(second)]["merged_into"] == key(first)
    assert "voided" not in orders(records)[key(first)]


def test_silent_ones_that_become_one_stay_silent(records):
    first, second = raised(0, suppressed_by="schedule"), raised(5000, suppressed_by="schedule")
    for one in (first, second):
        tell(records, one, cleared(one, suppressed_by="schedule"))
    tell(records, *merged(first, second))
    assert orders(records) == {}


# ---- what is over is not set aside


def ended(records: Records, state: str) -> ConditionChange:
    """An alarm whose condition has ended, in one of the three states that are left then."""
    one = raised(0, latching=state.startswith("latched"))
    tell(records, one)
    if state == "latched_acknowledged":
        records.acknowledge(key(one), OPERATOR)
    tell(records, cleared(one))
    assert records.alarm(key(one)).state == state
    return one


@pytest.mark.parametrize("state", ["returned_unacknowledged", "latched_unacknowledged", "latched_acknowledged"])
def test_an_alarm_that_waits_for_an_answer_cannot_be_shelved_away(records, state):
    one = ended(records, state)
    with pytest.raises(RecordsError) as caught:
        records.shelve(key(one), OPERATOR, "noise", records.clock.now_ns() + HOUR_NS)
    assert caught.value.code == "records.nothing_to_shelve"
    assert records.audit_trail(newest=True, limit=1)[0].action == "alarm.move_refused"
    assert (records.alarm(key(one)).state, records.points()) == (state, [])
    other = raised(5000)  # shelving what is true now takes nothing along that is over
    tell(records, other)
    records.shelve(key(other), OPERATOR, "noise", records.clock.now_ns() + HOUR_NS)
    assert [records.alarm(key(it)).state for it in (one, other)] == [state, "shelved"]
    if state != "latched_acknowledged":
        records.acknowledge(key(one), OPERATOR)
    if state.startswith("latched"):
        records.reset(key(one), OPERATOR)
    records.unshelve(key(other), OPERATOR, "quiet again")
    assert [records.alarm(key(it)).state for it in (one, other)] == ["normal", "unacknowledged"]


@pytest.mark.parametrize("state", ["returned_unacknowledged", "latched_unacknowledged", "latched_acknowledged"])
def test_going_out_of_service_answers_for_nobody(records, state):
    one = ended(records, state)
    records.take_out_of_service(key(one), QUALITY, "probe away")
    assert [point.mode for point in records.points()] == ["out_of_service"]
    records.restore_service(key(one), QUALITY, "probe back")
    assert records.alarm(key(one)).state == state


@pytest.mark.parametrize("by_time", [False, True])
def test_what_latched_on_the_shelf_comes_back_latched(records, by_time):
    one, other = raised(0, latching=True), raised(5000)
    tell(records, one, other)
    records.shelve(key(one), OPERATOR, "noise", records.clock.now_ns() + HOUR_NS)
    tell(records, cleared(one), cleared(other, offset=6000))
    assert [records.alarm(key(it)).state for it in (one, other)] == ["shelved", "normal"]
    if by_time:
        records.clock.advance(3600)
        assert records.pass_time(SYSTEM_SUPERVISOR) == 1
    else:
        records.unshelve(key(one), OPERATOR, "quiet again")
    assert records.alarm(key(one)).state == "latched_unacknowledged"


def test_what_ends_out_of_service_does_not_fill_the_open_list(records):
    first = raised(0)
    tell(records, first)
    records.take_out_of_service(key(first), QUALITY, "probe away")
    for number in range(1, 6):
        one = raised(1000 * number, latching=number % 2 == 1)
        tell(records, one, cleared(one, offset=10_000 + number))
        assert records.alarm(key(one)).state == "normal"
    assert [one.key for one in records.alarms(open_only=True)] == [key(first)]
    assert [one.mode for one in records.points()] == ["out_of_service"]


def test_a_busy_shelf_is_worked_off_in_steps(records, monkeypatch):
    monkeypatch.setattr("andon.records.points.AT_ONCE", 2)
    first = raised(0, latching=True)
    tell(records, first)
    records.shelve(key(first), OPERATOR, "noise", records.clock.now_ns() + HOUR_NS)
    for number in range(1, 5):
        one = raised(1000 * number, latching=True)
        tell(records, one, cleared(one, offset=10_000 + number))
    records.unshelve(key(first), OPERATOR, "quiet again")
    states = []
    for _ in range(4):
        states.append(sorted(one.state[0] for one in records.alarms()))
        records.pass_time(SYSTEM_SUPERVISOR)
    assert states == [["l", "l", "s", "s", "s"], ["l", "l", "l", "l", "s"], *[["l", "l", "l", "l", "u"]] * 2]
    assert (records.points(), records.pass_time(SYSTEM_SUPERVISOR)) == ([], 0)
