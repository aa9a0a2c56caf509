"""The ERP away for hours, and for the restarts in them, then back: every order once, in order, none parked for it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest

from andon.clock import ManualClock
from andon.readings import NS_PER_S
from andon.records import SYSTEM_FLOW, Records, verify_audit
from sinks.erp.port import ExternalRecord, RefusedError
from sinks.erp.webhook import WebhookConnector
from sinks.outbox import Sender
from tests.records_world import SECRET, START_NS, orders, stub_erp

COUNT, HOURS = 25, 6
MANY, ASSETS, AWAY_HOURS, LANES = 10_000, 50, 8, 8
GOAL = 100  # orders per second, drained into the stub; printed, not asserted: the machine may be busy
POISON = 1234  # this one is refused for good


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


class Picky(WebhookConnector):
    """Refuses one order for good, as an ERP does whose master data lack something."""

    refused = ""

    def open(self, kind: str, key: str, body: bytes) -> ExternalRecord:
        if key == self.refused:
            raise RefusedError(422, "no such equipment")
        return super().open(kind, key, body)


@contextmanager
def stub_process(folder: Path) -> Iterator[str]:
    """A stub ERP in a process of its own: its address."""
    (folder / "secret").write_text(SECRET)
    command = [sys.executable, "-m", "sinks.erp.stub", "--port", "0", "--db", str(folder / "erp.db")]
    with subprocess.Popen([*command, "--secret-file", str(folder / "secret")], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
        process.terminate()


@pytest.mark.crash
@pytest.mark.timeout(900)  # two minutes alone on two cores
def test_ten_thousand_orders_of_eight_hours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Local alarms are in the records at once all the while; one poisoned order parks, the rest are there in order."""
    clock = ManualClock(START_NS)
    records = Records(tmp_path / "records.db", "szh1", clock).open()
    changes = orders(MANY, ASSETS)
    every = MANY // (AWAY_HOURS * 60)
    with closing(WebhookConnector("http://127.0.0.1:1", SECRET)) as nobody:
        sender = Sender(records, nobody, clock)
        for minute in range(AWAY_HOURS * 60 + 1):
            batch = changes[minute * every : (minute + 1) * every if minute < AWAY_HOURS * 60 else None]
            records.apply_conditions(batch, SYSTEM_FLOW)
            sender.step()
            clock.advance(60)
    alarms = records.alarms(limit=MANY + 1)
    assert len(alarms) == MANY
    latest = START_NS + 60 * NS_PER_S * AWAY_HOURS * 60
    place = {one.start_ns: number for number, one in enumerate(changes)}
    for one in alarms:  # recorded in the minute it was decided, not when the ERP came back
        assert one.recorded_ns == min(latest, START_NS + 60 * NS_PER_S * (place[one.start_ns] // every))
    assert records.order_counts() == {"pending": MANY, "leased": 0, "delivered": 0, "parked": 0}

    decided = [one.order_key for one in reversed(records.orders(limit=MANY))]
    asset = {one.order_key: one.asset for one in records.orders(limit=MANY)}
    Picky.refused = decided[POISON]
    with stub_process(tmp_path) as url, ExitStack() as opened:
        first, *beside = [opened.enter_context(Picky(url, SECRET)) for _ in range(LANES)]
        sender = Sender(records, first, clock, beside=beside)
        began = time.perf_counter()
        while records.order_counts()["pending"]:
            sender.step(most=MANY)
            clock.advance(300)
        seconds = time.perf_counter() - began
        held = httpx.get(f"{url}/records", timeout=60, trust_env=False).json()["records"]
    with capsys.disabled():
        print(f"\n{MANY} orders drained in {seconds:.0f} s: {MANY / seconds:.0f} per second (goal {GOAL})")
    assert records.order_counts() == {"pending": 0, "leased": 0, "delivered": MANY - 1, "parked": 1}
    (alarm,) = [one for one in records.alarms(limit=10) if one.rule_id == "erp-parked"]
    assert alarm.evidence["order_key"] == Picky.refused
    assert sorted(one["key"] for one in held) == sorted(set(decided) - {Picky.refused})
    came: dict[str, list[str]] = defaultdict(list)
    for one in held:
        came[asset[one["key"]]].append(one["key"])
    for name, keys in came.items():
        assert keys == [key for key in decided if asset[key] == name and key != Picky.refused]
    assert verify_audit(records).ok
    records.close()
