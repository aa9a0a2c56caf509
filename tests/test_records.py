"""Alarms in the records: idempotent intake, revisions, acknowledgement, refusals, what a watcher sees."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from andon.conditions import ConditionChange
from andon.errors import AccessError, RecordsError
from andon.readings import NS_PER_S
from andon.records import SYSTEM_FLOW, SYSTEM_SENDER, Actor, DeliveryResult, Records, alarm_key, verify_audit
from andon.records.schema_acts import TABLES
from tests.records_world import ADMIN, OPERATOR, QUALITY, RAISED, START_NS, cleared, fresh, opened, orders, raised

KEY = alarm_key("szh1", "cold/room1", "air", "cold-room-high", START_NS)


pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(scope="module")
def template(databases, tmp_path_factory) -> Path:
    """The folder of an empty database to copy; creating one takes 0.3 s."""
    folder = tmp_path_factory.mktemp("template")
    fresh(folder).close()
    return folder


@pytest.fixture
def records(database, template, tmp_path):
    database.copy(template, tmp_path)
    with fresh(tmp_path) as mine:
        yield mine


def tables(records: Records) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, sorted."""
    with records.reading() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in TABLES.sorted_tables
        }


def actions(records: Records) -> list[str]:
    return [one.action for one in records.audit_trail()]


def test_raised_opens_an_alarm_with_its_order(records):
    assert records.apply_conditions([RAISED], SYSTEM_FLOW) == 1
    (alarm,) = records.alarms()
    assert (alarm.key, alarm.state, alarm.revision, alarm.erp_state) == (KEY, "unacknowledged", 1, "pending")
    assert (alarm.limit, alarm.peak, alarm.out_s, alarm.unit) == (8.0, 9.5, 600.0, "Cel")
    assert alarm.evidence == RAISED.evidence
    assert [one.kind for one in records.transitions(KEY)] == ["raised"]
    assert actions(records) == ["alarm.raised", "outbox.queued"]
    assert len(KEY) == 20


def test_an_alarm_that_raises_nothing_has_no_order(records):
    records.apply_conditions([raised(raises="none")], SYSTEM_FLOW)
    assert records.orders() == []
    assert records.alarms()[0].erp_state is None


def test_a_kind_without_a_route_has_no_order(records):
    records.apply_conditions(orders(2), SYSTEM_FLOW, erp_kinds=["maintenance_order"])
    assert [order.kind for order in records.orders()] == ["maintenance_order"]


def test_cleared_ends_it_without_a_new_order(records):
    records.apply_conditions([RAISED, cleared(RAISED)], SYSTEM_FLOW)
    (alarm,) = records.alarms()
    assert (alarm.state, alarm.cleared_ns, alarm.peak, alarm.revision) == (
        "returned_unacknowledged", RAISED.confirmed_ns + 300 * NS_PER_S, 11.0, 1,
    )  # fmt: skip
    (order,) = records.orders()
    assert order.revision == 1
    records.acknowledge(KEY, OPERATOR, "door was open")
    assert records.alarm(KEY).state == "normal"
    assert records.alarms(open_only=True) == []


def test_only_the_end_is_told(records):
    """A condition found late may come as its end alone; it still becomes an alarm and an order."""
    records.apply_conditions([cleared(RAISED, found_late=True)], SYSTEM_FLOW)
    (alarm,) = records.alarms()
    assert (alarm.found_late, alarm.state, alarm.erp_state) == (True, "returned_unacknowledged", "pending")
    assert [one.kind for one in records.transitions(KEY)] == ["raised", "cleared"]


def test_other_content_is_a_revision_of_the_same_record(records):
    records.apply_conditions([RAISED, raised(peak=12.5, offset=300, found_late=True)], SYSTEM_FLOW)
    (alarm,) = records.alarms()
    assert (alarm.revision, alarm.peak, alarm.found_late) == (2, 12.5, True)
    (order,) = records.orders()
    assert (order.revision, order.delivered_revision, order.state) == (2, 0, "pending")
    body = json.loads(records.claim_order("x", 9.0, SYSTEM_SENDER).body)
    assert (body["id"], body["type"], body["data"]["peak"]) == (f"{KEY}.2", "andon.quality_event.revised", 12.5)
    (last,) = [one for one in records.audit_trail() if one.action == "alarm.revised"]
    assert json.loads(last.old)["peak"] == 9.5
    assert json.loads(last.new)["peak"] == 12.5


def test_a_delivered_order_is_due_again_for_its_revision(records):
    records.apply_conditions([RAISED], SYSTEM_FLOW)
    item = records.claim_order("x", 9.0, SYSTEM_SENDER)
    records.finish_order(item, DeliveryResult("delivered", 201, None, "7", "QE-000007"), SYSTEM_SENDER)
    assert records.claim_order("x", 9.0, SYSTEM_SENDER) is None
    records.apply_conditions([raised(peak=12.5, offset=300)], SYSTEM_FLOW)
    again = records.claim_order("x", 9.0, SYSTEM_SENDER)
    assert (again.revision, again.delivered_revision, again.external_id) == (2, 1, "7")
    assert len(records.orders()) == 1


def test_late_data_reopens_what_had_ended(records):
    records.apply_conditions([RAISED, cleared(RAISED)], SYSTEM_FLOW)
    records.acknowledge(KEY, OPERATOR, "ok")
    records.apply_conditions([raised(peak=13.0, offset=400)], SYSTEM_FLOW)
    alarm = records.alarm(KEY)
    assert (alarm.state, alarm.cleared_ns, alarm.revision) == ("unacknowledged", None, 2)
    assert [one.kind for one in records.transitions(KEY)] == ["raised", "cleared", "acknowledged", "reopened"]


CHANGES = st.lists(
    st.builds(
        lambda which, kind, peak, step, end: (which, kind, peak, step, end),
        st.integers(0, 3), st.sampled_from(["raised", "cleared"]), st.sampled_from([9.0, 9.5, float("nan")]),
        st.integers(0, 2), st.integers(1, 2),
    ),
    max_size=10,
)  # fmt: skip


def as_log(drawn) -> list[ConditionChange]:
    """Changes in log order: offsets grow, or stay for several in one message; content may come again."""
    log, offset = [], 0
    for which, kind, peak, step, end in drawn:
        offset += step
        change = replace(raised(which), peak=peak, offset=offset, evidence={"n": which})
        log.append(cleared(change, cleared_ns=START_NS + end, offset=offset) if kind == "cleared" else change)
    return log


@settings(max_examples=30)
@given(CHANGES, st.lists(st.tuples(st.integers(1, 4), st.integers(0, 4)), max_size=8))
def test_any_batches_and_any_replay_give_identical_tables(databases, template, tmp_path_factory, drawn, steps):
    """Crashes go back any distance; the log is then read on in other batches. Every table ends the same."""
    log, folder = as_log(drawn), tmp_path_factory.mktemp("replay")
    for name in ("straight", "crashed"):
        databases.copy(template, folder / name)
    with fresh(folder / "straight") as straight, fresh(folder / "crashed") as crashed:
        straight.apply_conditions(log, SYSTEM_FLOW)
        at = 0
        for size, back in steps:
            crashed.apply_conditions(log[at : at + size], SYSTEM_FLOW)
            at = max(0, min(at + size, len(log)) - back)
        crashed.apply_conditions(log[at:], SYSTEM_FLOW)
        crashed.apply_conditions(log, SYSTEM_FLOW)
        assert tables(crashed) == tables(straight)
        assert verify_audit(crashed).ok
        assert len(straight.orders()) == len({change.start_ns for change in log})


def test_a_repeat_at_another_offset_leaves_no_trace(records):
    records.apply_conditions([RAISED], SYSTEM_FLOW)
    before = tables(records)
    records.apply_conditions([replace(RAISED, offset=999)], SYSTEM_FLOW)
    after = tables(records)
    assert {name for name in after if after[name] != before[name]} == {"change_seen"}


def test_a_batch_is_taken_whole_or_not_at_all(records):
    bad = raised(1, priority=None)
    with pytest.raises(RecordsError) as caught:
        records.apply_conditions([RAISED, bad], SYSTEM_FLOW)
    assert caught.value.code == "records.refused"
    assert not any(tables(records).values())


DOWN = {
    "sqlite": ["CREATE TRIGGER down BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'down'); END"],
    "postgresql": [
        "CREATE FUNCTION down() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'down'; END $$ LANGUAGE plpgsql",
        "CREATE TRIGGER down BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION down()",
    ],
}


def test_no_audit_no_change(records):
    """When the trail cannot be written, what it would tell of does not happen."""
    with records.engine.begin() as connection:
        for statement in DOWN[connection.dialect.name]:
            connection.execute(text(statement))
    for change in (
        lambda: records.apply_conditions([RAISED], SYSTEM_FLOW),
        lambda: records.set_state("a", 1, ADMIN),
        lambda: records.issue_one_time_token(ADMIN),
        lambda: records.create_user("x", "X", "viewer", "long enough word", ADMIN, "new"),
    ):
        with pytest.raises(RecordsError):
            change()
    assert not any(tables(records).values())


def test_acknowledge_is_kept_with_who_when_and_why(records):
    records.apply_conditions([RAISED], SYSTEM_FLOW)
    records.clock.advance(7)
    alarm = records.acknowledge(KEY, OPERATOR, "compressor tripped")
    assert (alarm.state, alarm.ack_by, alarm.ack_comment) == ("acknowledged", "Li Wei", "compressor tripped")
    assert alarm.ack_ns == START_NS + 7 * NS_PER_S
    last = records.audit_trail(newest=True, limit=1)[0]
    assert (last.actor_id, last.actor_name, last.role, last.terminal) == ("li.wei", "Li Wei", "operator", "10.0.0.5")
    assert (last.action, last.reason, last.zone) == ("alarm.acknowledged", "compressor tripped", "Asia/Shanghai")


def test_a_second_acknowledgement_is_refused_and_audited(records):
    records.apply_conditions([RAISED], SYSTEM_FLOW)
    records.acknowledge(KEY, OPERATOR)
    with pytest.raises(RecordsError) as caught:
        records.acknowledge(KEY, QUALITY)
    assert caught.value.code == "records.move_refused"
    assert records.alarm(KEY).ack_by == "Li Wei"
    assert actions(records)[-1] == "alarm.move_refused"


@pytest.mark.parametrize("comment", ["", "   "])
def test_a_critical_alarm_wants_a_comment(records, comment):
    records.apply_conditions([raised(priority="critical")], SYSTEM_FLOW)
    with pytest.raises(RecordsError) as caught:
        records.acknowledge(KEY, OPERATOR, comment)
    assert caught.value.code == "records.reason_missing"
    assert records.acknowledge(KEY, OPERATOR, "seen, room is empty").state == "acknowledged"


def test_a_comment_becomes_history(records):
    records.apply_conditions([RAISED], SYSTEM_FLOW)
    records.comment(KEY, QUALITY, " product moved to room 2 ")
    assert [(one.kind, one.comment) for one in records.transitions(KEY)][-1] == ("comment", "product moved to room 2")
    with pytest.raises(RecordsError):
        records.comment(KEY, QUALITY, " ")


@pytest.mark.parametrize("call", ["alarm", "acknowledge", "comment", "release_order"])
def test_unknown_keys_are_named(records, call):
    arguments = () if call == "alarm" else (QUALITY, "x")
    with pytest.raises(RecordsError, match="nokey"):
        getattr(records, call)("nokey", *arguments)


def test_another_site_in_the_same_database_sees_nothing(records):
    records.apply_conditions([RAISED], SYSTEM_FLOW)
    other = Records(records.place, "other", records.clock)
    assert other.alarms() == []
    assert other.orders() == []
    assert other.claim_order("x", 9.0, SYSTEM_SENDER) is None
    with pytest.raises(RecordsError):
        other.acknowledge(KEY, OPERATOR, "x")
    other.apply_conditions([RAISED], SYSTEM_FLOW)
    assert other.alarms()[0].key != KEY
    assert verify_audit(other).records == 2
    assert verify_audit(records).records == 2
    other.close()


def test_a_watcher_resumes_where_it_stopped(records):
    records.apply_conditions(orders(5), SYSTEM_FLOW)
    first = records.changes_since(0, limit=3)
    rest = records.changes_since(first[-1].change_seq)
    in_order = sorted(records.alarms(), key=lambda alarm: alarm.change_seq)
    assert [one.key for one in first + rest] == [one.key for one in in_order]
    assert len(rest) == 2
    head = records.change_head()
    assert records.changes_since(head) == []
    item = records.claim_order("x", 9.0, SYSTEM_SENDER)
    assert records.changes_since(head) == []  # a lease is nobody's news
    records.finish_order(item, DeliveryResult("delivered", 201, None, "1", "QE-000001"), SYSTEM_SENDER)
    (seen,) = records.changes_since(head)
    assert (seen.key, seen.erp_state, seen.erp_number) == (item.order_key, "delivered", "QE-000001")
    records.acknowledge(seen.key, OPERATOR, "x")
    assert [one.state for one in records.changes_since(seen.change_seq)] == ["acknowledged"]


def test_change_and_audit_numbers_have_no_holes_with_racing_writers(database, template, tmp_path):
    database.copy(template, tmp_path)
    errors = []

    def write(number):
        try:
            with opened(tmp_path) as mine:
                for i in range(10):
                    mine.apply_conditions([raised(100 * number + i)], SYSTEM_FLOW)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    with fresh(tmp_path) as records:
        assert [one.seq for one in records.audit_trail()] == list(range(1, 161))
        assert len({one.change_seq for one in records.alarms()}) == 80
        assert verify_audit(records).ok


def test_state_and_rules_are_versioned(records):
    assert records.get_state("language") is None
    records.set_state("language", {"default": "zh-CN"}, ADMIN, "site's wish")
    before = len(records.audit_trail())
    records.set_state("language", {"default": "zh-CN"}, ADMIN)
    assert len(records.audit_trail()) == before
    assert records.get_state("language") == {"default": "zh-CN"}
    assert records.register_rule("cold-room-high", "v1", {"above": 8.0}, SYSTEM_FLOW)
    assert not records.register_rule("cold-room-high", "v1", {"above": 8.0}, SYSTEM_FLOW)
    assert records.register_rule("cold-room-high", "v2", {"above": 9.0}, SYSTEM_FLOW)
    assert records.rule_content("cold-room-high", "v1") == {"above": 8.0}
    last = records.audit_trail(newest=True, limit=1)[0]
    assert (json.loads(last.old), json.loads(last.new)) == ({"above": 8.0}, {"above": 9.0})


@pytest.mark.parametrize(
    "parts", [("", "n", "operator", "t"), ("i", " ", "operator", "t"), ("i", "n", "operator", ""),
              ("anonymous", "n", "operator", "t"), ("i", "n", "boss", "t"), (None, "n", "operator", "t")],
)  # fmt: skip
def test_nobody_is_no_actor(parts):
    with pytest.raises(AccessError):
        Actor(*parts)
