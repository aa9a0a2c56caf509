"""A whole site as `andon run` starts it: metrics of all processes, a second start, a supervisor killed, ports taken."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from andon.clock import SystemClock
from andon.datafolder import DataFolder
from andon.errors import AndonError
from andon.readings import NS_PER_S
from andon.records import Records, verify_audit
from service.commands import run as run_command
from service.demo import free_port, port_is_free
from service.parts import is_running, read_parts
from sources.spool import Spool
from tests.command_line import Terminal, andon
from tests.engine_world import body
from tests.test_flow import TOML, reached

__all__ = ["andon"]  # fixture

PARTS = {"ticker", "flow-0", "sender", "notifier", "follow-up", "web", "dead-man"}
SAMPLE = re.compile(r"^(andon_\w+?)(\{[^}]*\})? (\S+)$", re.MULTILINE)


class Site:
    """A folder with plant.toml and data, and the service over it."""

    def __init__(self, path: Path) -> None:
        self.path, self.port = path, free_port()
        (path / "secret").write_text("whsec_" + "A" * 43 + "=")
        (path / "secret").chmod(0o600)
        text = TOML + f'secret_file = "secret"\n[web]\nport = {self.port}\n'
        (path / "plant.toml").write_text(text, encoding="utf-8")
        self.data = DataFolder(path / "data")
        self.data.create("s1", 1)

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "service.cli", "run", "--config", str(self.path / "plant.toml"),
                "--data", str(self.data.path)]  # fmt: skip

    @contextmanager
    def running(self) -> Iterator[tuple[subprocess.Popen[str], str]]:
        """The service and the address that logs in; it is stopped in the end and has to end well."""
        process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield process, line.split()[-1] if line else ""
        finally:
            if process.poll() is None:
                process.terminate()
            process.communicate(timeout=60)

    def send(self, count: int) -> int:
        """Readings of the cold room, now; returns the last offset."""
        with Spool(self.data.spool(0), 0, SystemClock()) as spool:
            now = time.time_ns()
            rows = [body(now - (count - at) * NS_PER_S, "cold/room", "air", 5.0) for at in range(count)]
            return spool.append([*rows, b"{"])

    def wait(self, ready, limit_s: float = 60.0) -> None:
        deadline = time.monotonic() + limit_s
        while not ready():
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.05)

    def logs(self) -> str:
        return "\n".join(f"== {path.name}\n{path.read_text()[-1500:]}" for path in sorted(self.data.logs.glob("*.log")))

    def up(self) -> bool:
        """Whether every part of the site runs and the page answers."""
        try:
            httpx.get(f"http://127.0.0.1:{self.port}/healthz").raise_for_status()
        except httpx.HTTPError:
            return False
        parts = read_parts(self.data)
        return set(parts) == PARTS and all(is_running(part.pid) for part in parts.values())


def samples(text: str) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for name, labels, value in SAMPLE.findall(text):
        found.setdefault(name, {})[labels] = float(value)
    return found


@pytest.mark.slow
@pytest.mark.crash
def test_metrics_a_second_start_and_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    site = Site(tmp_path)
    last = site.send(100)
    with site.running() as (first, address):
        site.wait(lambda: site.up() and reached(site.data.history_db(0)) > last + 2)  # a few ticks later
        with httpx.Client(follow_redirects=True) as client:
            assert client.get(address).status_code == 200
            site.wait(lambda: _counted(client, site) == 100 and _dead_letters_are_told(client, site))
            page = client.get(f"http://127.0.0.1:{site.port}/metrics")
        assert page.status_code == 200
        found = samples(page.text)
        assert found["andon_flow_rows_total"]['{class="dead",shard="0"}'] == 1
        assert found["andon_flow_windows_total"]['{shard="0"}'] > 0
        assert found["andon_flow_step_seconds_count"]['{shard="0"}'] > 0
        assert found["andon_dead_letters_total"]['{reason="not_json"}'] == 1
        assert found["andon_spool_appended_messages_total"]['{shard="0"}'] > 0  # the ticker's
        assert set(found["andon_part_up"]) == {f'{{part="{name}"}}' for name in PARTS}
        assert set(found["andon_part_restarts_total"].values()) == {0}
        assert found["andon_flow_lag_seconds"]['{shard="0"}'] < 30
        assert found["andon_log_unread_messages"]['{shard="0"}'] < 50
        assert "andon_orders" in found
        second = subprocess.run(site.command, capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 1
        assert "in use by another Andon" in second.stderr

        children = {name: part.pid for name, part in read_parts(site.data).items()}
        first.kill()
        first.wait()
        with site.running() as (third, _):
            site.wait(lambda: not any(is_running(pid) for pid in children.values()))
            site.wait(
                lambda: site.up() and not set(children.values()) & {p.pid for p in read_parts(site.data).values()}
            )
            last = site.send(10)
            site.wait(lambda: reached(site.data.history_db(0)) >= last)
            third.send_signal(signal.SIGTERM)
            assert third.wait(60) == 0
    assert not any(is_running(part.pid) for part in read_parts(site.data).values())
    with Records(site.data.records_db, "s1", SystemClock()) as records:
        assert verify_audit(records).ok
        assert [one for one in records.alarms() if one.rule_id != "warm"] == [], "nobody was missed for so short a time"


def _dead_letters_are_told(client: httpx.Client, site: Site) -> bool:
    """They are written, and counted, when an epoch closes."""
    return "andon_dead_letters_total" in samples(client.get(f"http://127.0.0.1:{site.port}/metrics").text)


def _counted(client: httpx.Client, site: Site) -> float:
    found = samples(client.get(f"http://127.0.0.1:{site.port}/metrics").text)
    return found.get("andon_flow_rows_total", {}).get('{class="counted",shard="0"}', 0)


def test_run_says_that_the_port_is_taken(andon: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_command, "PORT_S", 0.0)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        andon("init", "--site", "s1")
        with Path("plant.toml").open("a", encoding="utf-8") as file:
            file.write(f"\n[web]\nport = {port}\n")
        andon("run", status=1)
        assert f"Port {port} of 127.0.0.1 is in use" in andon.err
        andon("demo", "--port", str(port), "--data", "d", status=2)
        assert f"port {port} of 127.0.0.1 is taken" in andon.err
        assert not Path("d").exists()
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_run_waits_a_moment_for_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    other = socket.create_server(("127.0.0.1", 0))
    port = other.getsockname()[1]
    threading.Timer(0.3, other.close).start()
    run_command._await_port("127.0.0.1", port, threading.Event())
    assert port_is_free(port)
    stopped = threading.Event()
    stopped.set()
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(AndonError):
        run_command._await_port("127.0.0.1", taken.getsockname()[1], stopped)


SINGLE = {
    "simulators": ["simulators.runner", "--seed", "1", "--start-ns", "0", "--wall-ns", "0", "--speed", "1"],
    "ticker": ["service.ticker"],
    "dead-man": ["service.deadman"],
}


@pytest.mark.parametrize("name", SINGLE)
def test_what_must_not_run_twice_does_not(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The lock of a process that holds the folder: the second one says so and ends."""
    import importlib

    from andon.locks import Exclusive
    from andon.process import exit_status_of
    from simulators.truth import demo_plant

    site_id, shards = (demo_plant().config.site.id, 2) if name == "simulators" else ("s1", 1)
    data = DataFolder(tmp_path / "data")
    data.create(site_id, shards)
    config = tmp_path / "plant.toml"
    config.write_text(TOML, encoding="utf-8")
    module, *more = SINGLE[name]
    arguments = ["--data", str(data.path), *more] + ([] if name == "simulators" else ["--config", str(config)])
    held = Exclusive(data.process_lock(name))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        status = exit_status_of(lambda: importlib.import_module(module).main(arguments))
    finally:
        held.release()
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert status == 1
    said = capsys.readouterr()
    assert "held by another process" in said.out + said.err + caplog.text  # printed, or logged
    assert not list((data.path / "spool").iterdir()) or name != "ticker"


def test_a_site_runs_on_the_clock_of_the_machine() -> None:
    """The arguments that `andon run` gives its parts; with a scaled clock the page would also lock no idle session."""
    from service.options import clock_arguments
    from service.web.main import arguments, clock_of

    args = arguments(["--config", "p", "--data", "d", *clock_arguments(0, 0, 0.0)])
    assert isinstance(clock_of(args), SystemClock)
