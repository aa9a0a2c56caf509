"""The whole demo under kill -9 of random processes, judged by the simulators' own truth; and its control."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time

import pytest

from tests.chaos.demo import children_of, run
from tests.chaos.processes import free_port

LINE = re.compile(
    r"readings (\d+), windows (\d+), alarms (\d+), quality events (\d+), maintenance orders (\d+), "
    r"dead letters (\d+), lost (\d+), doubled (\d+)"
)
pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]


def numbers(line):
    found = LINE.fullmatch(line)
    assert found, line
    return dict(zip(("readings", "windows", "alarms", "quality", "orders", "dead", "lost", "doubled"),
                    map(int, found.groups()), strict=True))  # fmt: skip


def test_twenty_kills_lose_nothing_and_double_nothing(tmp_path):
    outcome = run(tmp_path / "data", kills=20, seconds=60, seed=3)
    counts = numbers(outcome.last_line)
    assert outcome.status == 0, outcome.text
    assert (counts["lost"], counts["doubled"]) == (0, 0)
    assert counts["readings"] > 50_000
    assert counts["alarms"] >= 3
    assert len(outcome.killed) >= 15
    assert {"flows.plant", "service.sender"} <= set(outcome.killed), outcome.killed


def test_control_without_the_key_shows_doubles(tmp_path):
    outcome = run(tmp_path / "data", kills=0, seconds=50, seed=3, options=("--no-erp-key",))
    assert outcome.status == 1, outcome.text
    assert numbers(outcome.last_line)["doubled"] > 0


def test_the_supervisor_itself_is_killed_and_the_second_start_goes_on(tmp_path):
    """kill -9 of the demo: its parts end by themselves, the next start goes on where they stood."""
    command = [sys.executable, "-m", "service.cli", "demo", "--seed", "5", "--data", str(tmp_path / "data"),
               "--port", str(free_port())]  # fmt: skip
    first = subprocess.Popen([*command, "--seconds", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(15)
    parts = children_of(first.pid)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert parts
    again = [*command, "--check", "--seconds", "35"]
    last = subprocess.run(again, capture_output=True, text=True, timeout=300, check=False)
    counts = numbers(last.stdout.strip().splitlines()[-1])
    assert last.returncode == 0, last.stdout + last.stderr
    assert (counts["lost"], counts["doubled"]) == (0, 0)
