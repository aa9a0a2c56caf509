"""What the ERP says of its records: labels, ends, and nothing twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from andon.erp_state import ErpState
from andon.errors import AccessError, RecordsError
from andon.readings import NS_PER_S
from andon.records import SYSTEM_ERP, SYSTEM_FLOW, SYSTEM_SENDER, DeliveryResult, Records, verify_audit
from andon.records.erp_answers import REMEMBERED_NS, Told
from tests.records_world import OPERATOR, QUALITY, RAISED, cleared, fresh

OPEN, DONE = (
    ErpState("processing", closed=False),
    ErpState("resolved", closed=True, verdict="true", comment="seal worn"),
)
TOLD = Told("/api/v1/erp/states", "m1", "aa")


def sent(records: Records, *, ended: bool = True, latching: bool = False, acknowledged: bool = False) -> str:
    """An alarm whose order the ERP has; returns its key."""
    records.apply_conditions([replace(RAISED, latching=latching)], SYSTEM_FLOW)
    if acknowledged:
        records.acknowledge(records.alarms()[0].key, OPERATOR, "seen")
    if ended:
        records.apply_conditions([cleared(replace(RAISED, latching=latching))], SYSTEM_FLOW)
    item = records.claim_order("x", 60.0, SYSTEM_SENDER)
    records.finish_order(item, DeliveryResult("delivered", 201, None, "17", "QE-17"), SYSTEM_SENDER)
    return str(item.order_key)


@pytest.fixture
def records(tmp_path):
    with fresh(tmp_path) as opened:
        yield opened


def kinds(records: Records, key: str) -> list[str]:
    return [one.kind for one in records.transitions(key)]


@pytest.mark.parametrize(("latching", "acknowledged"), [(False, False), (True, False), (True, True)])
def test_a_closed_record_labels_the_alarm_and_lets_it_go(records, latching, acknowledged):
    key = sent(records, latching=latching, acknowledged=acknowledged)
    assert records.alarm(key).state != "normal"
    assert records.erp_answered(key, DONE, SYSTEM_ERP) == "taken"
    alarm = records.alarm(key)
    assert (alarm.state, alarm.label) == ("normal", "true")
    assert alarm.ack_by == (OPERATOR.name if acknowledged else SYSTEM_ERP.name)
    assert kinds(records, key)[-3:] == ["erp_answered", "labelled", "erp_closed"]
    assert [(one.verdict, one.source) for one in records.labels(key)] == [("true", "erp")]
    assert verify_audit(records).ok


def test_what_is_still_true_stays_an_alarm(records):
    key = sent(records, ended=False)
    records.erp_answered(key, DONE, SYSTEM_ERP)
    assert (records.alarm(key).state, records.alarm(key).label) == ("unacknowledged", "true")


def test_the_same_answer_again_changes_nothing(records):
    key = sent(records)
    assert records.erp_answered(key, OPEN, SYSTEM_ERP) == "taken"
    told, trail = kinds(records, key), len(records.audit_trail())
    assert records.erp_answered(key, OPEN, SYSTEM_ERP) == "same"
    assert (kinds(records, key), len(records.audit_trail())) == (told, trail)
    assert records.alarm(key).state == "returned_unacknowledged"


def test_a_person_is_not_overruled_by_the_same_word_again(records):
    key = sent(records)
    records.erp_answered(key, DONE, SYSTEM_ERP)
    records.label(key, QUALITY, "false", "the probe had fallen out")
    assert records.erp_answered(key, DONE, SYSTEM_ERP) == "same"
    assert records.alarm(key).label == "false"
    records.erp_answered(key, replace(DONE, verdict="known"), SYSTEM_ERP)  # another word is news
    assert records.alarm(key).label == "known"


def test_an_older_state_that_comes_last_changes_nothing(records):
    key = sent(records)
    records.erp_answered(key, replace(DONE, changed_ns=2000), SYSTEM_ERP, TOLD)
    late = replace(OPEN, changed_ns=1000)
    assert records.erp_answered(key, late, SYSTEM_ERP, replace(TOLD, id="m0")) == "old"
    assert records.orders_to_ask(records.clock.now_ns() + 1) == []  # still closed


def test_a_message_is_heard_once(records):
    key = sent(records)
    assert records.erp_answered(key, OPEN, SYSTEM_ERP, TOLD) == "taken"
    records.erp_answered(key, DONE, SYSTEM_ERP)
    assert records.erp_answered(key, OPEN, SYSTEM_ERP, TOLD) == "again"  # it would open it again
    assert records.orders()[0].state == "delivered"
    assert kinds(records, key).count("erp_answered") == 2
    with pytest.raises(RecordsError) as refused:
        records.erp_answered(key, OPEN, SYSTEM_ERP, replace(TOLD, digest="bb"))
    assert refused.value.code == "records.message_reused"
    assert records.audit_trail(newest=True)[0].action == "erp.message_refused"


def test_ids_are_remembered_longer_than_anybody_sends_again_and_not_for_ever(records):
    key = sent(records)
    records.erp_answered(key, OPEN, SYSTEM_ERP, TOLD)
    records.clock.advance(REMEMBERED_NS / NS_PER_S - 1)
    assert records.erp_answered(key, DONE, SYSTEM_ERP, TOLD) == "again"
    records.clock.advance(2)
    records.erp_answered(key, OPEN, SYSTEM_ERP, replace(TOLD, id="m2"))
    assert records.erp_answered(key, OPEN, SYSTEM_ERP, TOLD) == "same"  # forgotten: judged by its content again


def test_who_may(records):
    key = sent(records)
    for actor in (OPERATOR, QUALITY):
        with pytest.raises(AccessError):
            records.erp_answered(key, DONE, actor)
    with pytest.raises(RecordsError) as unknown:
        records.erp_answered("a" * 20, DONE, SYSTEM_ERP)
    assert unknown.value.code == "records.unknown_order"


def test_who_is_asked_next(records):
    key = sent(records)
    now_ns = records.clock.now_ns()
    assert [one.order_key for one in records.orders_to_ask(now_ns)] == [key]
    records.erp_answered(key, OPEN, SYSTEM_ERP)
    assert records.orders_to_ask(now_ns) == []
    records.clock.advance(60)
    assert [one.external_number for one in records.orders_to_ask(records.clock.now_ns())] == ["QE-17"]
    records.erp_answered(key, DONE, SYSTEM_ERP)
    records.clock.advance(60)
    assert records.orders_to_ask(records.clock.now_ns()) == []
