"""The sender as a process, and the commands, against the real InfluxDB: kill -9 at any instant, a clean end."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from andon import heartbeat
from andon.config.deployment import Influx
from andon.config.load import load_plant
from andon.secrets import Secret
from simulators.truth import PLANT_TOML
from sinks.influx.flux import FluxClient
from sinks.influx.gaps import asks
from tests.command_line import Terminal, andon  # noqa: F401 - a fixture
from tests.influx_world import run_until, world
from tests.servers.fixtures import TOKEN
from tests.servers.fixtures import Influx as InfluxServer
from tests.test_influx_real import count

pytestmark = pytest.mark.real


def plant_toml(folder: Path, url: str, bucket: str, long_bucket: str = "") -> Path:
    """The demo's plant.toml with one shard and [influx]."""
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(f"{TOKEN}\n")
    long = f'long_bucket = "{long_bucket}"\n' if long_bucket else ""
    text = PLANT_TOML.read_text().replace("shards = 2", "shards = 1").replace("\nshard = 1\n", "\nshard = 0\n")
    path = folder / "plant.toml"
    path.write_text(
        f'{text}\n[influx]\nurl = "{url}"\nbucket = "{bucket}"\n{long}token_file = "token"\ntimeout_s = 5.0\n'
    )
    return path


def start(config: Path, data: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "service.influx_sender", "--config", str(config), "--data", str(data)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.crash
@pytest.mark.slow
def test_kill_9_of_the_sender_loses_nothing(influxd: InfluxServer, tmp_path: Path) -> None:
    bucket, rng = influxd.new_bucket(), random.Random(4)
    config = plant_toml(tmp_path, influxd.url, bucket)
    asked = FluxClient(Influx(url=influxd.url), Secret(TOKEN), 10.0)
    with world(tmp_path, load_plant(config)) as site:
        windows = 0
        process = start(config, site.data.path)
        try:
            while heartbeat.age_s(heartbeat.folder(site.data) / "influx-sender") is None:
                assert process.poll() is None
                time.sleep(0.05)
            for _ in range(4):
                for _ in range(20):
                    windows += len(site.write(30).windows)
                    time.sleep(rng.uniform(0.0, 0.03))
                process.kill()
                process.wait()
                process = start(config, site.data.path)
            end = time.monotonic() + 40
            while count(asked, bucket, "window", "mean") < windows and time.monotonic() < end:
                time.sleep(0.1)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
        assert count(asked, bucket, "window", "mean") == windows
    asked.close()


@pytest.mark.slow
def test_two_senders_are_refused(influxd: InfluxServer, tmp_path: Path) -> None:
    config = plant_toml(tmp_path, influxd.url, influxd.new_bucket())
    with world(tmp_path, load_plant(config)) as site:
        first = start(config, site.data.path)
        try:
            while heartbeat.age_s(heartbeat.folder(site.data) / "influx-sender") is None:
                assert first.poll() is None
                time.sleep(0.05)
            assert start(config, site.data.path).wait(30) != 0
        finally:
            first.terminate()
            first.wait(20)


def test_commands(influxd: InfluxServer, tmp_path: Path, andon: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811 - the fixture
    bucket = influxd.new_bucket()
    config = plant_toml(tmp_path, influxd.url, bucket, f"{bucket}-long")
    monkeypatch.setenv("ANDON_INFLUX_TOKEN", TOKEN)
    assert "would be created" in andon("influx", "setup", "--dry-run")
    before = json.loads(andon("influx", "check", "--json", status=1))
    assert {step["action"] for step in before["steps"]} == {"create", "change"}
    assert before["rights"][f"write:{bucket}-long"] is False
    made = json.loads(andon("influx", "setup", "--json"))
    assert [step["action"] for step in made["steps"]] == ["change", "create", "create", "create"]
    assert {step["action"] for step in json.loads(andon("influx", "setup", "--json"))["steps"]} == {"as it is"}
    assert "NOT" not in andon("influx", "check")
    with world(tmp_path, load_plant(config)) as site:
        site.partition._writer.write(b"window,broken\n", 1)
        site.write()
        found = json.loads(andon("influx", "check", "--json"))
        assert (found["waiting"]["rows"] > 40, found["waiting"]["parked"], found["waiting"]["gaps"]) == (True, 0, 0)
        sender = site.sender()
        run_until(sender, lambda: sender.queues["0"].backlog_bytes() == 0)
        sender.close()
        parked = json.loads(andon("influx", "parked", "--json"))
        assert (parked["total"], parked["parked"][0]["line"]) == (1, "window,broken")
        assert "window,broken" in andon("influx", "parked", "--again")
        andon("influx", "refill", "--days", "0.5")
        andon("influx", "refill", "--days", "2")
        assert json.loads(andon("influx", "check", "--json"))["waiting"]["gaps"] == 2
        sender = site.sender()
        folder = sender.queues["0"].folder
        run_until(sender, lambda: not sender.queues["0"].gaps() and not asks(folder) and sender.parked.total() == 2)
        sender.close()
    monkeypatch.setenv("ANDON_INFLUX_TOKEN", "a-wrong-token")
    wrong = json.loads(andon("influx", "check", "--json", status=1))
    assert not any(wrong["rights"].values())
    andon("influx", "setup", status=1)
    assert "a-wrong-token" not in andon.out + andon.err


def test_commands_without_influx(tmp_path: Path, andon: Terminal) -> None:  # noqa: F811 - the fixture
    (tmp_path / "plant.toml").write_text(PLANT_TOML.read_text())
    for words in (("setup",), ("check",), ("refill",)):
        andon("influx", *words, status=2)
        assert "[influx]" in andon.err
    assert [path.name for path in tmp_path.iterdir()] == ["plant.toml"]
