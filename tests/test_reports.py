"""Orders that no alarm raised: their keys, revisions and events, and that they go the way of all orders."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.errors import AccessError, RecordsError
from andon.records import SYSTEM_FLOW, SYSTEM_SENDER, verify_audit
from andon.records.reports import KEY, report_key
from sinks.erp.webhook import WebhookConnector
from sinks.outbox import Sender
from tests.records_world import QUALITY, SECRET, START_NS, fresh, stub_erp

pytestmark = pytest.mark.usefixtures("database")
ASSET = "filling/line1"
KEY_1 = report_key("szh1", "oee_shift", ASSET, "2026-01-01/early")
BODY = {"oee": 0.71, "good": 1200}


def put(records, body=BODY, **given):
    told = {"kind": "oee_shift", "key": KEY_1, "asset": ASSET, "at_ns": START_NS, "actor": SYSTEM_FLOW, **given}
    return records.enqueue_report(body=body, **told)


def test_the_same_body_again_does_nothing_another_is_the_next_revision(tmp_path):
    records = fresh(tmp_path)
    assert [put(records), put(records)] == [1, 1]
    before = records.change_head()
    assert put(records) == 1
    assert records.change_head() == before
    assert put(records, {**BODY, "good": 1190}) == 2
    (order,) = records.orders()
    assert (order.kind, order.asset, order.revision, order.state) == ("oee_shift", ASSET, 2, "pending")
    assert [row.action for row in records.audit_trail()] == ["outbox.queued", "outbox.queued"]


def test_its_event_tells_what_it_is(tmp_path):
    records = fresh(tmp_path)
    put(records)
    event = json.loads(records.claim_order("x", 9.0, SYSTEM_SENDER).body)
    assert (event["type"], event["subject"], event["id"]) == ("andon.oee_shift.opened", KEY_1, f"{KEY_1}.1")
    assert event["time"] == "2026-01-01T00:00:00.000000Z"
    assert event["data"] == {**BODY, "key": KEY_1, "revision": 1, "site": "szh1", "asset": ASSET}


def test_it_is_delivered_and_its_correction_updates_the_same_record(tmp_path):
    records = fresh(tmp_path)
    with stub_erp(tmp_path) as (url, store), WebhookConnector(url, SECRET) as erp:
        sender = Sender(records, erp, records.clock)
        for good in (1200, 1190):
            put(records, {"good": good})
            assert sender.step() == 1
        (held,) = store.records()
    assert (held["kind"], held["number"], held["revision"]) == ("oee_shift", "DOC-000001", 2)
    assert json.loads(held["body"])["data"]["good"] == 1190
    assert records.order_counts()["delivered"] == 1
    assert verify_audit(records).ok


REFUSED = {
    "kind-of-an-alarm": ({"kind": "quality_event"}, "records.report_kind"),
    "kind-of-another-form": ({"kind": "OEE shift"}, "records.report_kind"),
    "key-of-another-form": ({"key": "shift-1"}, "records.report_key"),
    "too-large": ({"body": {"rows": ["x" * 100] * 250}}, "records.report_large"),
}


@pytest.mark.parametrize(("given", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_told_is_refused_and_leaves_nothing(tmp_path, given, code):
    records = fresh(tmp_path)
    with pytest.raises(RecordsError) as caught:
        put(records, **given)
    assert caught.value.code == code
    assert records.orders() == []


def test_a_key_stays_with_its_report(tmp_path):
    records = fresh(tmp_path)
    put(records)
    with pytest.raises(RecordsError) as caught:
        put(records, asset="filling/line2")
    assert caught.value.code == "records.report_taken"


def test_a_person_may_not_make_one(tmp_path):
    with pytest.raises(AccessError):
        put(fresh(tmp_path), actor=QUALITY)


@given(st.lists(st.text(st.characters(exclude_characters="|", exclude_categories=["Cs"])), min_size=4, max_size=4))
def test_keys_are_fit_for_every_erp(parts):
    assert KEY.fullmatch(report_key(*parts))
