"""The ERP away for a whole run, and for the restarts in it, then back: every order once, in order, nothing parked."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from andon.clock import ManualClock
from andon.records import SYSTEM_FLOW, Records, verify_audit
from sinks.erp.webhook import WebhookConnector
from sinks.outbox import Sender
from tests.records_world import SECRET, START_NS, orders, stub_erp

COUNT = 25
HOURS = 6


def test_everything_is_delivered_once_when_it_is_back(tmp_path: Path) -> None:
    clock = ManualClock(START_NS)
    records = Records(tmp_path / "records.db", "szh1", clock).open()
    changes = orders(COUNT)
    attempts = 0
    with WebhookConnector("http://127.0.0.1:1", SECRET) as nobody:  # a refused connection, as of a host that is down
        for hour in range(HOURS):
            sender = Sender(records, nobody, clock, owner=f"sender-{hour}")  # it is started again each hour
            records.apply_conditions(changes[hour::HOURS], SYSTEM_FLOW)
            for _ in range(120):
                attempts += sender.step()
                clock.advance(30)
    assert records.order_counts()["pending"] == COUNT, "nothing is parked for an outage"
    assert 10 <= attempts <= HOURS * 24, "one attempt finds out for all orders, not one each"
    with stub_erp(tmp_path) as (url, store), WebhookConnector(url, SECRET) as erp:
        sender = Sender(records, erp, clock)
        for _ in range(60):
            sender.step()
            clock.advance(30)
        assert records.order_counts()["delivered"] == COUNT
        keys = Counter(one["key"] for one in store.records())
    assert len(keys) == COUNT
    assert set(keys.values()) == {1}
    assert verify_audit(records).ok
    records.close()
