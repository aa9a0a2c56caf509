"""What people, the design, late data and time do to alarms in the records: rights, limits, orders, what is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from andon.errors import AccessError, RecordsError
from andon.readings import NS_PER_S
from andon.records import SYSTEM_FLOW, SYSTEM_SENDER, SYSTEM_SUPERVISOR, Actor, Records, alarm_key
from andon.records.applying import change_content, change_identity
from andon.records.canonical import digest
from andon.records.policy import Policy
from tests.records_world import ADMIN, OPERATOR, QUALITY, RAISED, START_NS, cleared, fresh, raised

KEY = alarm_key("szh1", "cold/room1", "air", "cold-room-high", START_NS)
HOUR_NS = 3600 * NS_PER_S
SECOND = Actor("wu.min", "Wu Min", "operator", "10.0.0.7")
SENDER = SYSTEM_SENDER

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


def tell(records: Records, *changes) -> None:
    records.apply_conditions(changes, SYSTEM_FLOW)


def later(change, offset=300, **changes):
    return replace(change, offset=offset, **changes)


def kinds(records: Records, key: str = KEY) -> list[str]:
    return [one.kind for one in records.transitions(key)]


def last_body(records: Records) -> dict:
    return json.loads(records.claim_order("x", 9.0, SENDER).body)


# ---- identity of what was told before


def test_a_change_without_the_new_fields_is_what_it_always_was():
    """Digests of a log that an older version took in: they must never move."""
    assert digest(change_identity(RAISED)) == "2613c35738f36b657a423099fc53fdbc2490d01bf2c2f0518ee7b1497d34c0ed"
    assert digest(change_content(cleared(RAISED))) == "16814107a14bee0fbb19b1c18e02493c51817a317671d3a5617518b26777662d"


def test_each_new_field_makes_another_change():
    new = {"begun_ns": START_NS - 1, "merged_into_ns": 5, "voided": True, "suppressed_by": "mode", "latching": True}
    digests = {digest(change_identity(replace(RAISED, **{name: value}))) for name, value in new.items()}
    assert len(digests | {digest(change_identity(RAISED))}) == 6


# ---- late data


def test_a_moved_start_is_a_revision_and_stays_through_the_clear(records):
    begun = START_NS - 60 * NS_PER_S
    moved = later(RAISED, kind="revised", begun_ns=begun, peak=12.0)
    tell(records, RAISED, moved, later(cleared(RAISED), 400))
    alarm = records.alarm(KEY)
    assert (alarm.begun_ns, alarm.start_ns, alarm.revision, alarm.state) == (
        begun, START_NS, 2, "returned_unacknowledged",
    )  # fmt: skip
    data = last_body(records)["data"]
    assert data["begun"] == "2025-12-31T23:59:00.000000Z"
    assert data["start_ns"] == str(START_NS)
    assert len(records.orders()) == 1


def test_two_that_became_one_stay_two_records_with_a_reference(records):
    second = raised(900)
    tell(records, RAISED, second)
    tell(
        records,
        later(second, kind="revised", merged_into_ns=START_NS, voided=True, cleared_ns=second.confirmed_ns),
        later(RAISED, kind="revised", peak=14.0),
    )
    key = alarm_key("szh1", "cold/room1", "air", "cold-room-high", second.start_ns)
    gone, kept = records.alarm(key), records.alarm(KEY)
    assert (gone.merged_into, gone.cleared_ns, gone.revision) == (KEY, second.confirmed_ns, 2)
    assert (kept.merged_into, kept.peak, kept.revision) == (None, 14.0, 2)
    assert kinds(records, key) == ["raised", "merged"]
    with records.reading() as connection:
        texts = connection.exec_driver_sql("select body from outbox").scalars().all()
    (told,) = [json.loads(text) for text in texts if json.loads(text)["subject"] == key]
    assert (told["data"]["merged_into"], told["data"]["voided"], told["type"]) == (
        KEY, True, "andon.quality_event.revised",
    )  # fmt: skip
    assert len(records.orders()) == 2


def test_what_never_was_is_taken_back_and_does_not_latch(records):
    tell(records, raised(latching=True), later(raised(latching=True), kind="revised", voided=True))
    alarm = records.alarm(KEY)
    assert (alarm.state, alarm.cleared_ns, alarm.evidence["voided"]) == (
        "returned_unacknowledged", RAISED.confirmed_ns, True,
    )  # fmt: skip
    assert kinds(records) == ["raised", "voided"]
    assert last_body(records)["data"]["voided"] is True


def test_what_was_never_told_need_not_be_taken_back(records):
    tell(records, later(RAISED, kind="revised", voided=True))
    assert records.alarms() == []


# ---- set aside by design


def test_silenced_by_design_nobody_hears_until_it_is_let_out(records):
    silent = raised(suppressed_by="schedule")
    tell(records, silent)
    assert (records.alarm(KEY).state, records.orders()) == ("suppressed", [])
    tell(records, later(RAISED, kind="unsuppressed"))
    alarm = records.alarm(KEY)
    assert (alarm.state, alarm.suppressed_by, alarm.erp_state) == ("unacknowledged", "", "pending")
    assert kinds(records) == ["raised", "unsuppressed"]
    tell(records, later(RAISED, 500, kind="suppressed", suppressed_by="mode"))
    assert records.alarm(KEY).state == "suppressed"
    assert len(records.orders()) == 1
    tell(records, later(cleared(RAISED), 600))
    assert (records.alarm(KEY).state, records.alarm(KEY).suppressed_by) == ("normal", "")


def test_what_ended_while_it_was_silenced_is_never_told(records):
    tell(records, raised(suppressed_by="mode"), later(cleared(RAISED)))
    tell(records, later(cleared(RAISED), 500, kind="revised", peak=20.0))
    assert (records.alarm(KEY).state, records.alarm(KEY).revision, records.orders()) == ("normal", 2, [])


# ---- set aside by people


def test_a_shelved_alarm_goes_on_to_the_erp_and_comes_back_by_itself(records):
    tell(records, RAISED)
    records.shelve(KEY, OPERATOR, "door open for loading", records.clock.now_ns() + HOUR_NS)
    tell(records, raised(5))
    next_key = alarm_key("szh1", "cold/room1", "air", "cold-room-high", START_NS + 5 * NS_PER_S)
    assert [records.alarm(key).state for key in (KEY, next_key)] == ["shelved", "shelved"]
    assert len(records.orders()) == 2
    (point,) = records.points()
    assert (point.mode, point.reason, point.actor_name, point.alarm_key) == (
        "shelved", "door open for loading", "Li Wei", next_key,
    )  # fmt: skip
    assert records.pass_time(SYSTEM_SUPERVISOR) == 0
    tell(records, later(cleared(raised(5)), 700))
    records.clock.advance(3601)
    assert records.pass_time(SYSTEM_SUPERVISOR) == 1
    assert [records.alarm(key).state for key in (KEY, next_key)] == ["unacknowledged", "normal"]
    assert records.points() == []
    assert records.pass_time(SYSTEM_SUPERVISOR) == 0
    assert records.audit_trail(newest=True, limit=1)[0].actor_id == "service:supervisor"


@pytest.mark.parametrize("hours", [0, -1, 8.01])
def test_shelving_ends_within_8_hours(records, hours):
    tell(records, RAISED)
    with pytest.raises(RecordsError) as caught:
        records.shelve(KEY, OPERATOR, "x", records.clock.now_ns() + round(hours * HOUR_NS))
    assert caught.value.code == "records.shelf_end"
    assert records.points() == []


def test_a_clock_set_back_makes_no_shelf_longer(records):
    tell(records, RAISED)
    records.shelve(KEY, OPERATOR, "x", records.clock.now_ns() + HOUR_NS)
    records.clock.advance(-30 * 24 * 3600)
    assert records.pass_time(SYSTEM_SUPERVISOR) == 1
    assert records.alarm(KEY).state == "unacknowledged"


def test_a_critical_alarm_is_shelved_by_two(records):
    tell(records, raised(priority="critical"))
    until = records.clock.now_ns() + HOUR_NS
    for second in (None, OPERATOR):
        with pytest.raises(RecordsError) as caught:
            records.shelve(KEY, OPERATOR, "x", until, second=second)
        assert caught.value.code == "records.second_person"
    with pytest.raises(AccessError):
        records.shelve(KEY, OPERATOR, "x", until, second=ADMIN)
    assert records.shelve(KEY, OPERATOR, "known leak", until, second=SECOND).state == "shelved"
    assert records.audit_trail(newest=True, limit=1)[0].reason == "known leak (Wu Min)"


def test_one_person_does_not_quiet_what_is_critical_by_way_of_another_alarm(records):
    """A point is what is shelved, so it is the point that is judged: its rule may have become critical since."""
    old, now = cleared(RAISED), raised(5000, priority="critical")
    tell(records, RAISED, old, now)
    records.acknowledge(KEY, OPERATOR)  # it is over: by its name only the point is meant
    until = records.clock.now_ns() + HOUR_NS
    with pytest.raises(RecordsError) as caught:
        records.shelve(KEY, OPERATOR, "x", until)
    assert caught.value.code == "records.second_person"
    assert records.points() == []
    records.shelve(KEY, OPERATOR, "x", until, second=SECOND)
    assert {one.state for one in records.alarms(open_only=True)} == {"shelved"}
    assert [one.second_name for one in records.points()] == [SECOND.name]


def test_what_becomes_critical_on_a_point_that_one_person_shelved_is_announced(records):
    tell(records, RAISED)
    records.shelve(KEY, OPERATOR, "x", records.clock.now_ns() + HOUR_NS)
    tell(records, later(cleared(RAISED), 700), raised(5000, priority="critical"), raised(9000))
    found = {one.priority: one.state for one in records.alarms(open_only=True)}
    assert found == {"critical": "unacknowledged", "high": "shelved"}


def test_out_of_service_there_is_no_order_until_it_is_restored(records):
    tell(records, raised(0, cleared_ns=None))
    records.take_out_of_service(KEY, QUALITY, "probe away")
    tell(records, raised(5))
    key = alarm_key("szh1", "cold/room1", "air", "cold-room-high", START_NS + 5 * NS_PER_S)
    assert (records.alarm(key).state, records.alarm(key).erp_state) == ("out_of_service", None)
    with pytest.raises(RecordsError) as caught:
        records.shelve(KEY, OPERATOR, "x", records.clock.now_ns() + HOUR_NS)
    assert caught.value.code == "records.move_refused"
    records.restore_service(KEY, QUALITY, "probe back")
    assert (records.alarm(key).state, records.alarm(key).erp_state) == ("unacknowledged", "pending")
    assert kinds(records, key) == ["raised", "restored"]


def test_operators_do_not_take_out_of_service(records):
    tell(records, RAISED)
    with pytest.raises(AccessError):
        records.take_out_of_service(KEY, OPERATOR, "x")


# ---- one alarm


def test_reset_lets_a_latched_alarm_go(records):
    tell(records, raised(latching=True))
    with pytest.raises(RecordsError):
        records.reset(KEY, OPERATOR)
    tell(records, cleared(raised(latching=True)))
    assert records.alarm(KEY).state == "latched_unacknowledged"
    records.acknowledge(KEY, OPERATOR)
    assert records.reset(KEY, OPERATOR, "seal replaced").state == "normal"


def test_an_acknowledged_alarm_comes_up_again_after_its_rules_time(records):
    records.register_rule("cold-room-high", "v1", {"above": 8.0, "realarm_s": 600}, SYSTEM_FLOW)
    tell(records, RAISED)
    assert records.acknowledge(KEY, OPERATOR, "looking").realarm_ns == records.clock.now_ns() + 600 * NS_PER_S
    records.clock.advance(599)
    assert records.pass_time(SYSTEM_SUPERVISOR) == 0
    records.clock.advance(1)
    assert records.pass_time(SYSTEM_SUPERVISOR) == 1
    alarm = records.alarm(KEY)
    assert (alarm.state, alarm.ack_by, alarm.realarm_ns) == ("unacknowledged", None, None)
    assert kinds(records)[-1] == "realarmed"


def test_on_the_way_silences_nothing(records):
    tell(records, RAISED)
    arrives = records.clock.now_ns() + 300 * NS_PER_S
    alarm = records.going(KEY, OPERATOR, arrives, "from building 2")
    assert (alarm.state, alarm.going_name, alarm.arrives_ns, alarm.arrived_ns) == (
        "unacknowledged", "Li Wei", arrives, None,
    )  # fmt: skip
    records.clock.advance(200)
    assert records.arrived(KEY, OPERATOR).arrived_ns == records.clock.now_ns()
    with pytest.raises(RecordsError) as caught:
        records.arrived(KEY, OPERATOR)
    assert caught.value.code == "records.move_refused"
    with pytest.raises(RecordsError) as caught:
        records.going(KEY, OPERATOR, records.clock.now_ns() - 1)
    assert caught.value.code == "records.arrival"


def test_an_alarm_is_given_to_users_and_given_back(records):
    tell(records, RAISED)
    records.create_user("wu.min", "Wu Min", "operator", "long enough word", ADMIN, "new")
    assert records.assign(KEY, OPERATOR, "wu.min").assigned_name == "Wu Min"
    with pytest.raises(RecordsError, match="nobody"):
        records.assign(KEY, OPERATOR, "nobody")
    assert records.assign(KEY, OPERATOR, OPERATOR.id).assigned_to == "li.wei"
    assert records.assign(KEY, OPERATOR, "").assigned_to is None


@pytest.mark.parametrize("call", [
    lambda records: records.assign(KEY, OPERATOR, OPERATOR.id),
    lambda records: records.going(KEY, OPERATOR, records.clock.now_ns()),
    lambda records: records.arrived(KEY, OPERATOR),
])  # fmt: skip
def test_nothing_is_begun_for_what_is_over(records, call):
    tell(records, RAISED, cleared(RAISED))
    records.acknowledge(KEY, OPERATOR)
    with pytest.raises(RecordsError) as caught:
        call(records)
    assert caught.value.code == "records.move_refused"
    assert records.audit_trail(newest=True, limit=1)[0].action == "alarm.move_refused"


def test_the_last_label_counts_and_all_are_kept(records):
    tell(records, RAISED)
    records.label(KEY, QUALITY, "true")
    records.label(KEY, Actor("service:erp", "ERP", "service", "erp"), "false", "no deviation found", source="erp")
    assert records.alarm(KEY).label == "false"
    assert [(one.verdict, one.source) for one in records.labels(KEY)] == [("true", "person"), ("false", "erp")]
    assert records.transitions(KEY)[-1].comment == "false: no deviation found"
    for actor, source in ((OPERATOR, "person"), (QUALITY, "erp"), (QUALITY, "nobody")):
        with pytest.raises(AccessError):
            records.label(KEY, actor, "true", source=source)
    with pytest.raises(RecordsError, match="maybe"):
        records.label(KEY, QUALITY, "maybe")


# ---- incidents and figures


def test_an_announced_alarm_is_placed_each_time_it_comes_up(records):
    records.policy = Policy()
    other = raised(1, tag="wall")
    tell(records, RAISED, other)
    first, second = records.alarm(KEY), next(one for one in records.alarms() if one.tag == "wall")
    assert first.incident is not None
    assert (first.quiet, second.quiet, second.incident) == ("", "incident", first.incident)
    found = records.announcements(0)
    assert [(one.tag, one.quiet, one.kind) for one in found] == [("air", "", "raised"), ("wall", "incident", "raised")]
    records.clock.advance(1)
    records.shelve(KEY, OPERATOR, "x", records.clock.now_ns() + HOUR_NS)
    records.unshelve(KEY, OPERATOR, "y")
    assert records.alarm(KEY).incident == first.incident
    assert [one.kind for one in records.announcements(0)] == ["raised", "raised", "unshelved"]
    assert records.announcements(records.clock.now_ns() + 1) == []


def test_set_aside_alarms_are_in_no_incident(records):
    records.policy = Policy()
    tell(records, raised(suppressed_by="mode"))
    assert records.alarm(KEY).incident is None
    assert records.announcements(0) == []
