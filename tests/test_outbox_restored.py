"""After a restore the records know less than the ERP: no order doubles, and the ERP ends with what is true now."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from andon.clock import ManualClock
from andon.readings import NS_PER_S
from andon.records import SYSTEM_FLOW, SYSTEM_SENDER, DeliveryResult, verify_audit
from andon.records.restored import RESTORED
from sinks.erp.webhook import WebhookConnector
from sinks.outbox import Sender
from tests.records_world import ADMIN, RAISED, SECRET, START_NS, fresh, opened, raised, stub_erp
from tests.test_outbox import NoJitter

FIRST, SECOND = replace(RAISED, asset="line/a"), raised(5, asset="line/b")
LATER = raised(4_000, asset="line/c")  # confirmed long after the restore


def revised(change, peak):
    """Late rows gave it another peak."""
    return replace(change, kind="revised", peak=peak, found_late=True)


def copied(source, target):
    target.mkdir()
    with closing(sqlite3.connect(source / "records.db")) as old, closing(sqlite3.connect(target / "records.db")) as new:
        old.backup(new)


@pytest.fixture
def world(tmp_path):
    """Records put back to before the second order and the first's revision, and an ERP that has both."""
    clock = ManualClock(START_NS)
    with stub_erp(tmp_path) as (url, store), WebhookConnector(url, SECRET) as erp:
        records = fresh(tmp_path / "site", clock)
        records.apply_conditions([FIRST], SYSTEM_FLOW)
        Sender(records, erp, clock, rng=NoJitter(), owner="a").step()
        copied(tmp_path / "site", tmp_path / "back")
        records.apply_conditions([revised(FIRST, 12.0), SECOND, revised(SECOND, 10.0)], SYSTEM_FLOW)
        sender = Sender(records, erp, clock, rng=NoJitter(), owner="a")
        while sender.step():
            pass
        assert {one["key"]: one["revision"] for one in store.records()} == revisions(records)
        clock.advance(1000)
        restored = opened(tmp_path / "back", clock)
        yield clock, restored, erp, store


def revisions(records):
    return {alarm.key: alarm.revision for alarm in records.alarms()}


def drained(records, erp, clock):
    sender = Sender(records, erp, clock, rng=NoJitter(), owner="b")
    for _ in range(30):
        sender.step()
        clock.advance(300)


def peaks(store):
    return {one["key"]: json.loads(one["body"])["data"]["peak"] for one in store.records()}


def test_what_the_records_learn_anew_is_what_the_erp_ends_with(world):
    clock, records, erp, store = world
    records.set_state(RESTORED, str(clock.now_ns()), ADMIN, "disk replaced")
    records.apply_conditions([revised(FIRST, 13.0), SECOND], SYSTEM_FLOW)  # late rows were not in the backup
    drained(records, erp, clock)
    first, second = (alarm.key for alarm in sorted(records.alarms(), key=lambda one: one.asset))
    assert (store.stats()["records"], store.stats()["doubled"]) == (2, 0)
    assert peaks(store) == {first: 13.0, second: SECOND.peak}
    assert {one["key"]: one["revision"] for one in store.records()} == revisions(records)
    assert records.order_counts()["delivered"] == 2
    outcomes = [one.outcome for one in records.deliveries(first)]
    assert outcomes[-2:] == ["behind", "delivered"]
    assert verify_audit(records).ok


def test_without_the_mark_what_is_true_now_would_be_lost(world):
    """The control."""
    clock, records, erp, store = world
    records.apply_conditions([revised(FIRST, 13.0), SECOND], SYSTEM_FLOW)
    drained(records, erp, clock)
    assert 13.0 not in peaks(store).values()


def test_once_delivered_an_order_is_sure_again(world):
    clock, records, erp, store = world
    records.set_state(RESTORED, str(clock.now_ns()), ADMIN, "disk replaced")
    records.apply_conditions([SECOND], SYSTEM_FLOW)
    drained(records, erp, clock)
    records.apply_conditions([revised(SECOND, 14.0)], SYSTEM_FLOW)
    (item,), _ = records.exchange_orders([], "c", 60.0, 5, SYSTEM_SENDER)
    assert not item.doubtful
    records.finish_order(item, DeliveryResult("retry"), SYSTEM_SENDER)
    drained(records, erp, clock)
    assert 14.0 in peaks(store).values()


def test_an_alarm_of_after_the_restore_is_not_doubted(world):
    clock, records, _, _ = world
    records.set_state(RESTORED, str(LATER.confirmed_ns - 600 * NS_PER_S), ADMIN, "disk replaced")
    records.apply_conditions([LATER], SYSTEM_FLOW)
    clock.advance(5000)
    items, _ = records.exchange_orders([], "c", 60.0, 5, SYSTEM_SENDER)
    assert [(item.asset, item.doubtful) for item in items] == [("line/c", False)]
