"""The follow-up process: duties in turn, and the whole of it beside a real receiver."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from andon.clock import SystemClock
from andon.datafolder import DataFolder
from andon.errors import RecordsError
from andon.records import SYSTEM_FLOW, Records
from service.follow_up import EVERY_S, Duty
from sinks.erp.webhook import WebhookConnector
from sinks.outbox import Sender
from tests.records_world import RAISED, SECRET, cleared, stub_erp

PLANT = """
schema = 1
[enterprise]
id = "acme"
[site]
id = "szh1"
[erp]
url = "{url}"
secret_file = "erp.secret"
[erp.back]
poll_s = 0.2
[[template]]
name = "room"
series = [{{ tag = "air", unit = "Cel" }}]
[[asset]]
path = "cold/room1"
template = "room"
[[rule]]
id = "cold-room-high"
on = "cold/*/air"
above = 8.0
priority = "critical"
raises = "quality_event"
"""


def test_a_duty_rests_as_long_as_it_says_and_fails_quietly():
    said = iter([None, 0.5, RecordsError("records.busy", cause="x"), RecordsError("records.busy", cause="x"), None])
    done = []

    def work():
        done.append(len(done))
        one = next(said)
        if isinstance(one, Exception):
            raise one
        return one

    duty = Duty("test", work, rest_s=30.0)
    for now_s, times in (
        (0, 1),
        (29, 1),
        (30, 2),
        (30.4, 2),
        (30.5, 3),
        (30.5 + EVERY_S, 4),
        (40, 5),
        (69, 5),
        (71, 5),
    ):
        if times > len(done) or now_s < duty.due_s:
            duty.do(now_s)
        assert len(done) == times, now_s
    assert duty.told is None


@pytest.mark.crash
def test_the_process_asks_the_erp_and_proposes(tmp_path):
    """Killed in between, it goes on; the ERP's word ends the alarm, and the severe event proposes a CAPA once."""
    with stub_erp(tmp_path) as (url, _store):
        (tmp_path / "plant.toml").write_text(PLANT.format(url=url))
        (tmp_path / "erp.secret").write_text(SECRET)
        data = DataFolder(tmp_path / "data")
        data.create("szh1", 1)
        severe = replace(RAISED, priority="critical")
        with Records(data.records_db, "szh1", SystemClock()) as records:
            records.apply_conditions([severe, cleared(severe)], SYSTEM_FLOW)
            with closing(WebhookConnector(url, SECRET)) as erp:
                assert Sender(records, erp).step() == 1
            key = records.alarms()[0].key
            with running(tmp_path, data) as first:
                wait(records.capas)
                first.kill()
            told = {"key": key, "status": "done", "closed": True, "verdict": "false"}
            assert httpx.post(f"{url}/standing", json=told).status_code == 200
            with running(tmp_path, data) as second:
                wait(lambda: records.alarm(key).state == "normal")
                second.terminate()
                assert second.wait(30) == 0
            assert records.alarm(key).label == "false"
            assert len(records.capas()) == 1


@contextmanager
def running(folder: Path, data: DataFolder) -> Iterator[subprocess.Popen[bytes]]:
    """The process; ended with the block, however that ends."""
    argv = ["-m", "service.follow_up", "--config", str(folder / "plant.toml"), "--data", str(data.path)]
    process = subprocess.Popen([sys.executable, *argv])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait(done: Callable[[], object], longest_s: float = 60.0) -> None:
    deadline = time.monotonic() + longest_s
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)
