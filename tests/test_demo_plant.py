"""`andon demo --on plant`: the same plant through Kafka into InfluxDB comes out the same, also under kill -9."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition

from andon.datafolder import DataFolder
from andon.errors import DataFolderError
from service.demo_windows import WindowsCompared
from service.parts import read_parts
from service.servers import free_port

LAST = re.compile(r"readings (\d+), windows (\d+), alarms (\d+), .* lost (\d+), doubled (\d+)")
WINDOWS = re.compile(r"windows in InfluxDB (\d+), missing (\d+), extra (\d+), different (\d+)")
PARTS = {
    "kafka", "influxd", "forwarder", "ticker", "flow-0", "influx-sender", "kafka-sender", "sender", "notifier",
    "follow-up", "web", "devices", "erp",
}  # fmt: skip


class Run:
    """A demo in a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.data = DataFolder(folder)
        self.out = folder.with_suffix(".out")
        command = [sys.executable, "-m", "service.cli", "demo", "--on", "plant", "--data", str(folder), "--port",
                   str(free_port()), *options]  # fmt: skip
        with self.out.open("ab") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        self.seen: dict[str, int] = {}

    @property
    def text(self) -> str:
        return self.out.read_text(errors="replace")

    def pids(self) -> dict[str, int]:
        """Process id of each part that runs now."""
        found = {name: part.pid for name, part in read_parts(self.data).items() if part.pid and part.wanted}
        self.seen |= found
        return found

    def until(self, ready, limit_s: float = 120.0) -> None:
        deadline = time.monotonic() + limit_s
        while not ready():
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            self.pids()
            time.sleep(0.1)

    def end(self, limit_s: float = 400.0) -> int:
        return self.process.wait(limit_s)

    def close(self) -> None:
        """Nothing of it may stay, whatever the test found."""
        self.process.terminate()
        self.process.wait(120)
        self.process.wait()


@pytest.fixture
def start(tmp_path):
    made: list[Run] = []

    def run(*options: str, name: str = "data") -> Run:
        made.append(Run(tmp_path / name, *options))
        return made[-1]

    yield run
    for one in made:
        one.close()


def alive(parts: dict[str, int]) -> list[str]:
    """The names of those that still live; one that is dead, and that nobody has asked for, does not."""
    return [name for name, pid in parts.items() if state_of(pid) not in ("", "Z")]


def state_of(pid: int) -> str:
    """The letter that Linux gives to a process; empty: there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def messages_in(brokers: str, topic: str) -> int:
    """How many messages a topic has, over its partitions."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "test", "log_level": 0})
    partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
    ends = [consumer.get_watermark_offsets(TopicPartition(topic, one), timeout=20)[1] for one in partitions]
    consumer.close()
    return sum(ends)


def judged(run: Run) -> tuple[dict[str, int], tuple[int, ...]]:
    """Counts of the last line, and the line of InfluxDB's windows."""
    *_, windows, last = run.text.strip().splitlines()
    counts = LAST.fullmatch(last)
    compared = WINDOWS.fullmatch(windows)
    assert counts, run.text
    assert compared, run.text
    names = ("readings", "windows", "alarms", "lost", "doubled")
    return dict(zip(names, map(int, counts.groups()), strict=True)), tuple(map(int, compared.groups()))


@pytest.mark.real
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("plant_servers")
def test_the_plant_on_kafka_and_influxdb_is_the_plant(start):
    run = start("--check", "--seconds", "35", "--seed", "3")
    run.until(lambda: run.pids().keys() >= PARTS)
    run.until(lambda: "InfluxDB: http://" in run.text)
    (url,) = re.findall(r"InfluxDB: (\S+)", run.text)
    assert httpx.get(f"{url}/health").is_success
    (brokers,) = re.findall(r"Kafka: (\S+)", run.text)
    run.until(lambda: messages_in(brokers, "andon.windows") > 0)
    status = run.end()
    counts, (there, missing, extra, different) = judged(run)
    assert status == 0, run.text
    assert (counts["lost"], counts["doubled"]) == (0, 0)
    assert counts["readings"] > 40_000
    assert counts["alarms"] >= 3
    assert there == counts["windows"] > 2_000
    assert (missing, extra, different) == (0, 0, 0)
    assert alive(run.seen) == []


@pytest.mark.real
@pytest.mark.crash
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("plant_servers")
def test_kills_of_servers_and_processes_change_nothing(start):
    rng = random.Random(7)
    run = start("--check", "--seconds", "50", "--seed", "4")
    run.until(lambda: run.pids().keys() >= PARTS)
    # Not the devices: on a busy machine they may be away for 20 plant minutes, which is a stale sensor by right.
    victims = ["kafka", "forwarder", "flow-0", "influxd", "influx-sender", "ticker", "kafka", "forwarder"]
    rng.shuffle(victims)
    killed = []
    for name in victims:
        time.sleep(rng.uniform(2.0, 4.0))
        pid = run.pids().get(name)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            killed.append(name)
    status = run.end()
    counts, (there, *faults) = judged(run)
    assert status == 0, run.text
    assert len(killed) >= 6, killed
    assert (counts["lost"], counts["doubled"]) == (0, 0)
    assert there == counts["windows"]
    assert faults == [0, 0, 0]


@pytest.mark.real
@pytest.mark.crash
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("plant_servers")
def test_a_killed_demo_leaves_no_server_and_the_next_start_goes_on(start):
    first = start("--seed", "5", "--seconds", "300")
    first.until(lambda: first.pids().keys() >= PARTS)
    time.sleep(8)
    first.process.kill()
    first.process.wait()
    deadline = time.monotonic() + 60
    while alive(first.seen) and time.monotonic() < deadline:
        time.sleep(0.2)
    logs = {name: (first.data.logs / f"{name}.log").read_text()[-3000:] for name in alive(first.seen)}
    assert logs == {}
    second = start("--check", "--seconds", "20", "--seed", "5")
    status = second.end()
    counts, (there, *faults) = judged(second)
    assert status == 0, second.text
    assert (counts["lost"], counts["doubled"], faults) == (0, 0, [0, 0, 0])
    assert there == counts["windows"]


def demo(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service.cli", "demo", "--data", str(folder), "--port", str(free_port()), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)


def test_without_the_servers_it_says_how_to_get_them_and_touches_nothing(tmp_path):
    done = demo(tmp_path / "data", "--on", "plant", ANDON_SERVERS=str(tmp_path / "none"), LC_ALL="C")
    assert done.returncode == 1
    assert "make servers" in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("first", "then"), [("embedded", "plant"), ("plant", "embedded")])
def test_a_folder_of_the_other_shape_is_refused(tmp_path, first, then):
    from service.demo import Demo, Settings
    from service.demo_plant import PlantDemo

    kinds = {"embedded": Demo, "plant": PlantDemo}
    kinds[first](Settings(tmp_path / "data", 1, 60.0, 8080, on=first)).close()
    with pytest.raises(DataFolderError) as caught:
        kinds[then](Settings(tmp_path / "data", 1, 60.0, 8080, on=then))
    assert caught.value.code == "demo.other_story"
    assert ("--on plant" in caught.value.text("en")) == (first == "plant")


@pytest.mark.parametrize("faults", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_a_window_that_differs_fails_the_check(faults, capsys):
    from service.commands.demo import _report
    from simulators.checker import Report

    compared = WindowsCompared(9, *faults)

    class Fake:
        def report(self) -> Report:
            return Report()

        def compared(self) -> WindowsCompared | None:
            return compared

    assert not _report(Fake())
    assert compared.line in capsys.readouterr().out.splitlines()
