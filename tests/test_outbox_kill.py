"""Signal 9 to a real sender process at random instants, with answers lost after the ERP's commit."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time

import pytest

from andon.clock import SystemClock
from andon.records import SYSTEM_FLOW, Records, verify_audit
from sinks.erp.stub import Faults
from sinks.erp.webhook import WebhookConnector
from sinks.outbox import Sender
from tests import records_world
from tests.records_world import SECRET, fresh, opened, orders, stub_erp

pytestmark = pytest.mark.usefixtures("database")
KILLS = 15
ORDERS = 60
RATES = {"lost": 0.25, "error": 0.05, "unavailable": 0.05}

# A process of its own for each sender, forked from one that has imported everything: 20 ms instead of 2 s.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.test_outbox_kill"])


def send(place, url, ready):
    """A sender as the service runs it, until it is killed."""
    records = Records(place, "szh1", SystemClock()).open()
    connector = WebhookConnector(url, SECRET)
    sender = Sender(records, connector, SystemClock(), lease_s=0.5, gaps_s=(0.02,), max_refusals=99)
    ready.send(True)
    sender.run(threading.Event(), poll_s=0.01)


def run_with_kills(folder, *, unique, kills, count):
    """Kills sender after sender, then lets one finish; returns the ERP's figures and the records."""
    rng = random.Random(29)
    with fresh(folder) as records:
        records.apply_conditions(orders(count), SYSTEM_FLOW)
    watcher = opened(folder, SystemClock())
    with stub_erp(folder, faults=Faults(3, RATES), unique=unique) as (url, store):
        for life in range(kills + 1):
            told, ready = PROCESSES.Pipe(duplex=False)
            process = PROCESSES.Process(target=send, args=(records_world.place(folder), url, ready), daemon=True)
            process.start()
            ready.close()
            told.recv()
            deadline = time.monotonic() + (30 if life == kills else rng.uniform(0.0, 0.3))
            while time.monotonic() < deadline and watcher.order_counts()["delivered"] < count:
                time.sleep(0.002 if life < kills else 0.05)
            process.kill()
            process.join()
            process.close()
            told.close()
        return store.stats(), store.records(), watcher


@pytest.mark.crash
def test_killed_senders_leave_exactly_one_record_each(tmp_path):
    stats, erp, records = run_with_kills(tmp_path, unique=True, kills=KILLS, count=ORDERS)
    alarms = records.alarms()
    assert records.order_counts() == {"pending": 0, "leased": 0, "delivered": ORDERS, "parked": 0}
    assert (stats["records"], stats["doubled"], stats["effects"]) == (ORDERS, 0, {"created": ORDERS})
    assert {one["key"]: one["number"] for one in erp} == {one.key: one.erp_number for one in alarms}
    # The kills met work in progress: attempts were cut off without a result.
    cut = sum(one.erp_attempts - len(records.deliveries(one.key)) for one in alarms)
    assert cut > 0
    assert stats["faults"]["lost"] > 0
    assert verify_audit(records).ok
    # Nothing overtook an older order of its asset.
    by_asset: dict[str, list[str]] = {}
    for one in erp:
        by_asset.setdefault(records.alarm(one["key"]).asset, []).append(one["key"])
    for asset, keys in by_asset.items():
        assert keys == [one.key for one in reversed(alarms) if one.asset == asset]
    records.close()


@pytest.mark.crash
def test_the_same_without_an_external_key_makes_doubles(tmp_path):
    """The control: an ERP that cannot tell a repeat, so the protection is off."""
    stats, _, records = run_with_kills(tmp_path, unique=False, kills=2, count=20)
    assert stats["doubled"] > 0
    records.close()
