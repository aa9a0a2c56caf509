"""The notifier as a process that is killed -9 while it sends: everybody is told, twice only where a kill is why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from andon.clock import SystemClock
from andon.datafolder import DataFolder
from andon.records import SYSTEM_FLOW, Records, site_records, verify_audit
from tests.people_world import PLANT, small_plant
from tests.records_world import raised
from tests.test_notify_way import chat

KILLS = 2
UPSETS = 6


def start(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "service.notifier", "--config", folder / "plant.toml", "--data", folder / "data"]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "ANDON_METRICS": ""})


def upsets(records: Records) -> None:
    """One critical alarm in each of some lines, now."""
    now_ns = SystemClock().now_ns()
    changes = [
        replace(raised(asset=f"cold/line{n}/m"), start_ns=now_ns + n, confirmed_ns=now_ns + n, priority="critical")
        for n in range(UPSETS)
    ]
    records.apply_conditions(changes, SYSTEM_FLOW)


@pytest.mark.slow
@pytest.mark.crash
def test_a_killed_notifier_tells_everybody(tmp_path: Path) -> None:
    text = PLANT.replace("[notify]", "[notify]\ntimeout_s = 2.0").replace('to = ["cold"]', 'to = ["li"]')
    plant = small_plant(tmp_path, text)
    data = DataFolder(tmp_path / "data")
    data.create("szh1")
    with chat(wait_s=0.4) as server, site_records(plant.config, data) as records:
        (tmp_path / "li.url").write_text(f"json://127.0.0.1:{server.server_address[1]}/x\n")
        upsets(records)
        running = start(tmp_path)
        deadline, kills = time.monotonic() + 240, 0
        try:
            while records.notice_counts()["sent"] < UPSETS:
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()[-3000:]
                got = len(server.got)  # type: ignore[attr-defined]  # what the chat got
                if kills < KILLS and got > 2 * kills:
                    running.send_signal(signal.SIGKILL)  # while the chat thinks, or just after
                    running.wait()
                    kills += 1
                    running = start(tmp_path)
                time.sleep(0.05)
        finally:
            running.terminate()
            assert running.wait(30) == 0
        titles = [message["title"] for _, message in server.got]  # type: ignore[attr-defined]  # what the chat got
        assert kills == KILLS
        assert len(set(titles)) >= UPSETS, "every incident was told"
        assert UPSETS <= len(titles) <= UPSETS + KILLS, "again only what was on its way when it was killed"
        assert verify_audit(records).ok
