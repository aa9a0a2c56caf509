"""A whole site whose clock is set by an hour to and fro, and one that boots in the year 2000. Real processes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from andon.clock import SystemClock
from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.readings import NS_PER_S
from andon.records import Records, verify_audit
from flows.workers import arrange
from service.demo import free_port
from service.options import clock_arguments
from service.supervisor import Supervisor, site_parts
from sinks.dead_letters import DeadLetterStore
from sources.spool import Spool
from tests.clock_shim import MovedClock, clock_library, moved_clock
from tests.engine_world import body
from tests.records_world import SECRET, stub_erp
from tests.test_clock_step import HOUR_S, YEAR_2000_NS, poll

__all__ = ["clock_library", "moved_clock"]  # fixtures
EVERY_NS = NS_PER_S // 5
TOML = """
schema = 1
[enterprise]
id = "e"
[site]
id = "s1"
[windows]
pane_s = 2.0
sizes_s = [2.0]
[time]
lateness_s = 1.0
[web]
port = {web}
[[template]]
name = "room"
series = [{{ tag = "air", unit = "Cel", every_s = 1.0 }}]
[[asset]]
path = "cold/room"
template = "room"
[[asset]]
path = "cold/other"
template = "room"
[[rule]]
id = "warm"
on = "cold/*/air"
above = 8.0
delay_s = 0.5
raises = "quality_event"
[[rule]]
id = "gone"
on = "cold/*/air"
stale_s = 30.0
[[route]]
raises = "quality_event"
[erp]
url = "{erp}"
"""


class Gateway:
    """Two rooms whose own clocks are right, through a gateway on the machine whose clock is set."""

    def __init__(self, data: DataFolder, clock: MovedClock) -> None:
        self._spool, self._clock = Spool(data.spool(0), 0, clock), clock
        # Whole windows: the first row begins one.
        self.begin_ns = self.next_ns = (time.time_ns() // (2 * NS_PER_S) + 1) * 2 * NS_PER_S
        self.warm = False
        self.excursions = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._spool.close()

    def excursion(self, seconds: float) -> None:
        self.warm = True
        time.sleep(seconds)
        self.warm = False
        self.excursions += 1
        time.sleep(1.0)  # so that the next is another one

    def _run(self) -> None:
        while not self._stop.wait(0.01):
            while self.next_ns <= time.time_ns():
                rows = [("cold/room", 9.0 if self.warm else 5.0), ("cold/other", 4.0)]
                self._spool.append([body(self.next_ns, asset, "air", value) for asset, value in rows])
                self.next_ns += EVERY_NS


@pytest.fixture
def environment(moved_clock: MovedClock, monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    """The moved clock for every process that is started."""
    for name, value in {**moved_clock.environment, "ANDON_ERP_SECRET": SECRET}.items():
        monkeypatch.setenv(name, value)
    return moved_clock


def windows(data: DataFolder) -> list[tuple[str, int, int, int]]:
    """(asset, start, newest revision, count)."""
    query = 'select asset, start_ns, revision, count from "window" join series on series.id = "window".series'
    if not data.history_db(0).exists():
        return []
    with closing(sqlite3.connect(data.history_db(0))) as db:
        return db.execute(query).fetchall() if db.execute("select 1 from sqlite_master").fetchone() else []


def dead(data: DataFolder) -> list[str]:
    store = DeadLetterStore(data.dead_letters_db(0), 0, 10.0, 90.0)
    try:
        return [letter.reason for letter in store.list(100)]
    finally:
        store.close()


def assert_whole(data: DataFolder, gateway: Gateway, until_ns: int) -> None:
    """Every window that ended before until_ns has its ten rows of each room, once, never corrected."""
    found = [row for row in windows(data) if row[1] + 2 * NS_PER_S <= until_ns]
    starts = range(gateway.begin_ns, until_ns - 2 * NS_PER_S + 1, 2 * NS_PER_S)
    assert sorted((asset, start) for asset, start, _, _ in found) == sorted(
        (asset, start) for asset in ("cold/room", "cold/other") for start in starts
    )
    assert {count for *_, count in found} == {10}
    assert {revision for _, _, revision, _ in found} == {1}


@pytest.mark.crash
@pytest.mark.timeout(300)
def test_a_site_whose_clock_goes_to_and_fro(tmp_path: Path, environment: MovedClock) -> None:
    clock, data = environment, DataFolder(tmp_path / "data")
    config = tmp_path / "plant.toml"
    port = free_port()
    with stub_erp(tmp_path) as (erp, store):
        config.write_text(TOML.format(web=port, erp=erp), encoding="utf-8")
        plant = load_plant(config).config
        data.create("s1", 1)
        arrange(data, 1, plant.transport)
        parts = site_parts(config, data.path, plant, 1, clock_arguments(0, 0, 0.0))
        site = Supervisor(data, parts)
        gateway = Gateway(data, clock)
        site.start()
        gateway.start()
        records = Records(data.records_db, "s1", SystemClock())
        try:
            poll(site, lambda: len(windows(data)) > 4)
            poll(site, lambda: serving(port))
            for seconds in (0.0, HOUR_S, 0.0, -HOUR_S, 0.0):
                clock.add(seconds)
                gateway.excursion(2.0)
                poll(site, lambda: sum(one.rule_id == "warm" for one in records.alarms()) == gateway.excursions)
                # The ERP refuses signatures that are an hour old or ahead: with the clock right again, all are taken.
                poll(site, lambda wrong=bool(seconds): wrong or store.stats()["records"] == gateway.excursions)
                assert serving(port)
            until_ns = time.time_ns() // (2 * NS_PER_S) * 2 * NS_PER_S
            poll(site, lambda: max(start for _, start, _, _ in windows(data)) > until_ns + 4 * NS_PER_S)
            restarts = site.restarts()
        finally:
            gateway.stop()
            site.stop()
        assert set(restarts.values()) == {0}, restarts
        assert dead(data) == []
        assert_whole(data, gateway, until_ns)
        alarms = [one for one in records.alarms() if one.rule_id != "andon-silent"]
        assert [one.rule_id for one in alarms] == ["warm"] * 5
        assert {one.erp_state for one in alarms} == {"delivered"}
        assert store.stats()["doubled"] == 0
        assert verify_audit(records).ok
        records.close()


def serving(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5.0).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.crash
@pytest.mark.timeout(300)
def test_a_site_that_boots_in_the_year_2000_waits_for_its_clock(tmp_path: Path, environment: MovedClock) -> None:
    """What comes meanwhile is read afterwards, and none of it is from the future."""
    clock, data = environment, DataFolder(tmp_path / "data")
    config = tmp_path / "plant.toml"
    config.write_text(TOML.format(web=free_port(), erp="http://127.0.0.1:1"), encoding="utf-8")
    data.create("s1", 1)
    with Spool(data.spool(0), 0, SystemClock()) as spool:  # it has run before
        spool.append([body(time.time_ns(), "cold/room", "air", 5.0)])
    clock.show(YEAR_2000_NS)
    out = (tmp_path / "out").open("w+")
    command = [sys.executable, "-m", "service.cli", "run", "--config", str(config), "--data", str(data.path)]
    process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, "LANG": "en_US.UTF-8"})
    gateway = Gateway(data, clock)
    gateway.start()
    try:
        until(lambda: "2000-01-01" in (tmp_path / "out").read_text())
        time.sleep(3.0)
        assert not data.history_db(0).exists(), "no part runs yet"
        clock.add(0.0)
        until(lambda: len(windows(data)) > 8)
        until_ns = time.time_ns() // (2 * NS_PER_S) * 2 * NS_PER_S
        until(lambda: max(start for _, start, _, _ in windows(data)) > until_ns + 4 * NS_PER_S)
    finally:
        gateway.stop()
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
        out.close()
    assert status == 0
    assert dead(data) == []
    found = {(asset, start): count for asset, start, _, count in windows(data)}
    for start in range(gateway.begin_ns, until_ns - 2 * NS_PER_S, 2 * NS_PER_S):
        assert found["cold/other", start] == 10


def until(ready, limit_s: float = 90.0) -> None:
    deadline = time.monotonic() + limit_s
    while not ready():
        assert time.monotonic() < deadline, "not reached in time"
        time.sleep(0.1)
