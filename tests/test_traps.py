"""What Bytewax 0.21.1 does that could hurt, shown not to hurt here; docs/decisions/0011-bytewax-traps.md is the table.

Traps that a component's own tests show are not repeated here: the last test sees to it that those exist.
"""

from __future__ import annotations

import ast
import io
import os
import pickle
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from andon.clock import SystemClock
from andon.datafolder import DataFolder
from andon.slots import SlotFiles
from flows.workers import read_layout
from sources.batch import shard_key
from sources.spool import Spool
from tests.engine_world import START_NS, S, body, tick
from tests.test_flow import TOML, fill, folder, log, reached, run_flow, wait_until
from tests.tree import ROOT, python_files

PAGE = ROOT / "docs" / "decisions" / "0011-bytewax-traps.md"
PARTS = (
    "alarms",
    "andon",
    "dashboards",
    "detectors",
    "flows",
    "operators",
    "service",
    "simulators",
    "sinks",
    "sources",
)
API = "BYTEWAX_DATAFLOW_API_ENABLED"
NETWORK = {"aiohttp", "confluent_kafka", "http", "httpx", "influxdb_client", "requests", "socket", "urllib"}


def imported(path: Path) -> set[str]:
    """Full names of everything a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def using(pattern: str, *rooms: str) -> list[str]:
    """Files that import something whose full name fits."""
    return [
        f"{path.relative_to(ROOT)}: {name}"
        for path in python_files(*rooms)
        for name in sorted(imported(path))
        if re.match(pattern, name)
    ]


def test_b01_b14_nothing_of_bytewax_own_connectors_is_used():
    assert using(r"bytewax\.connectors", *PARTS) == []


def test_b04_to_b07_b17_no_windows_and_no_clock_of_bytewax():
    """Its windows go by the machine's time and forget, and its event clock is a hot loop."""
    assert using(r"bytewax\.(operators\.)?window", *PARTS) == []
    assert using(r"bytewax\.operators\.(EventClock|SystemClock)", *PARTS) == []
    assert using(r"bytewax\.operators\.windowing", "benchmarks"), "the guard must see where they are used"


def test_b15_a_step_of_the_flow_reaches_no_network():
    """The source alone has a client of the broker; a sink that hangs would stop it."""
    assert using(rf"({'|'.join(NETWORK)})(\.|$)", "flows") == []
    writers = [path for path in python_files("sinks") if path.name in {"history.py", "journal.py", "dead_letters.py"}]
    assert len([path for path in writers if path.parent.name == "sinks"]) == 3
    for path in (*writers, *python_files("sinks/segments")):
        if path.parent.name != "kafka":  # sinks/kafka/dead_letters.py belongs to its sender
            assert not {name.split(".")[0] for name in imported(path)} & NETWORK, path


def test_b21_keys_are_text_and_nothing_is_woken_by_time():
    assert shard_key(7) == "0007"
    text = "".join(path.read_text() for path in python_files("flows"))
    assert "notify_at" not in text
    assert "on_notify" not in text


def store_of(data: DataFolder, worker: int = 0) -> Path:
    layout = read_layout(data)
    found = [*data.path.glob("state/**/part-0.sqlite3")] if layout is None or layout.generation == 0 else []
    return found[0] if found else data.recovery(layout.generation, worker) / "part-0.sqlite3"


def snapshots(data: DataFolder) -> list[tuple[str, str, bytes | None]]:
    with closing(sqlite3.connect(store_of(data))) as db:
        return db.execute("select step_id, state_key, ser_change from snaps").fetchall()


class Plain(pickle.Unpickler):
    """Reads nothing but what Python has built in."""

    def find_class(self, module: str, name: str) -> object:
        raise AssertionError(f"{module}.{name} in a snapshot: its rename would break the resume")


def plain(data: bytes) -> object:
    return Plain(io.BytesIO(data)).load()


def test_b18_b22_snapshots_are_small_and_of_plain_types(tmp_path):
    data = folder(tmp_path)
    fill(data, log(300))
    run_flow(data)
    rows = snapshots(data)
    assert {step for step, _, _ in rows} >= {"plant.spool", "plant.engine", "plant.dead-letters"}
    for _step, _key, change in rows:
        assert change is not None
        assert len(change) < 1_000
        plain(change)
    (engine,) = [plain(change) for step, _, change in rows if step == "plant.engine" and change]
    slots = SlotFiles(data.slots(0))
    content = b"".join(slots.get(cell) for cell in engine[-1])
    assert len(content) > 1_000
    plain(content)


def test_b19_the_recovery_store_does_not_grow_with_dead_names(tmp_path):
    """Names of assets nobody knows, lots and orders are no keys: a row a step and shard, whatever came."""
    data, rows = folder(tmp_path), []
    for part in range(3):
        begin = START_NS + part * 600 * S
        messages = []
        for second in range(300):
            now = begin + second * S
            unknown = [(now, body(now, f"gone/asset{part}-{second}-{n}", "air", 1.0)) for n in range(5)]
            lot = {"order": f"PO-{part}-{second}", "product": "VIAL", "lot": f"L-{part}-{second}"}
            started = b'{"ts": %d, "asset": "line1/filler", "event": "order.started", "data": %s}' % (
                now // 1_000_000, str(lot).replace("'", '"').encode(),
            )  # fmt: skip
            messages += [*unknown, (now, started), (now, body(now, "cold/room", "air", 5.0)), (now, tick(now))]
        fill(data, messages)
        run_flow(data)
        rows.append(len(snapshots(data)))
    assert rows[0] <= 5
    assert rows == [rows[0]] * 3


COMMAND = [sys.executable, "-m", "flows.plant"]


@pytest.fixture
def site(tmp_path):
    """A folder with its configuration, and the command of a worker over it."""
    config = tmp_path / "plant.toml"
    config.write_text(TOML)
    data = folder(tmp_path / "data")
    return data, [*COMMAND, "--config", str(config), "--data", str(data.path)]


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.crash
def test_b09_sigterm_drains_so_that_nothing_is_read_again(site):
    """At every stop the store's position is the last offset that left the flow: there is nothing to read again."""
    data, command = site
    messages = log(900)
    process = None
    for begin in range(0, len(messages), 600):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, "ANDON_EPOCH_S": "30"})
        fill(data, messages[begin : begin + 600])
        wait_until(lambda before=begin: reached(data.history_db(0)) > before)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        (position,) = [plain(change) for step, _, change in snapshots(data) if step == "plant.spool" and change]
        assert position == reached(data.history_db(0))
    assert process is not None
    # The epoch was 30 s long: without the drain the store would have known nothing at all.


@pytest.mark.crash
def test_b16_a_killed_worker_takes_no_other_with_it(tmp_path):
    """Workers are no Bytewax cluster: the others go on, and the killed one is started again alone."""
    toml = TOML.replace('path = "cold/room"', 'path = "cold/room"\nshard = 0').replace(
        "[[rule]]", '[[asset]]\npath = "cold/other"\ntemplate = "room"\nshard = 1\n[[rule]]', 1
    )
    config = tmp_path / "plant.toml"
    config.write_text(toml.replace("[windows]", '[transport]\nkind = "spool"\nshards = 2\n[windows]', 1))
    data = DataFolder(tmp_path / "data")
    data.create("s1", 2)
    spools = [Spool(data.spool(shard), shard, SystemClock()) for shard in range(2)]
    command = [*COMMAND, "--config", str(config), "--data", str(data.path), "--workers", "2", "--worker"]
    flows = [subprocess.Popen([*command, str(one)], stderr=subprocess.DEVNULL) for one in range(2)]
    try:
        send(spools)
        wait_until(lambda: all(reached(data.history_db(one)) == 2 for one in range(2)))
        flows[0].kill()
        flows[0].wait()
        send(spools)
        wait_until(lambda: reached(data.history_db(1)) == 4)
        assert flows[1].poll() is None
        assert reached(data.history_db(0)) == 2
        flows[0] = subprocess.Popen([*command, "0"], stderr=subprocess.DEVNULL)
        wait_until(lambda: reached(data.history_db(0)) == 4)
        assert flows[1].poll() is None
    finally:
        for process in flows:
            process.kill()
            process.wait()
        for spool in spools:
            spool.close()


def send(spools: list[Spool]) -> None:
    now = time.time_ns()
    for spool, asset in zip(spools, ("cold/room", "cold/other"), strict=True):
        spool.append([body(now, asset, "air", 5.0), tick(now)])


@pytest.mark.crash
def test_b23_no_port_is_opened_and_the_state_is_its_owners_alone(site, tmp_path):
    """Even where the environment asks for Bytewax's API server, which listens to everybody and writes a file."""
    data, command = site
    fill(data, log(50))
    here = tmp_path / "here"
    here.mkdir()
    asked = {**os.environ, API: "1", "BYTEWAX_DATAFLOW_API_PORT": "30303"}
    asked["PYTHONPATH"] = str(ROOT)
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=here, env=asked)
    try:
        wait_until(lambda: reached(data.history_db(0)) > 0)
        for port in (30303, 3030):
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.1", port)) != 0
        assert list(here.iterdir()) == []
    finally:
        process.terminate()
        process.wait()
    for path in (data.path, data.path / "state", *store_of(data).parents[:2], store_of(data).parent):
        assert mode(path) & 0o077 == 0, path


def test_b23_nothing_of_ours_asks_for_the_api_server():
    naming = [path.relative_to(ROOT) for path in python_files(*PARTS) if API in path.read_text(encoding="utf-8")]
    assert [str(path) for path in naming] == ["flows/plant.py"]
    assert f'API_SERVER = "{API}"' in (ROOT / naming[0]).read_text(encoding="utf-8")
    assert "os.environ.pop(API_SERVER, None)" in (ROOT / naming[0]).read_text(encoding="utf-8")
    deployed = [path for path in (ROOT / "deploy").rglob("*") if path.is_file()]
    assert not [path for path in deployed if API.encode() in path.read_bytes()]


def test_b24_the_version_is_pinned_and_hashed():
    assert '"bytewax==0.21.1"' in (ROOT / "pyproject.toml").read_text()
    assert re.search(r"^bytewax==0\.21\.1 \\\n +--hash=sha256:", (ROOT / "requirements.lock").read_text(), re.MULTILINE)


def test_every_trap_is_answered_and_every_test_named_exists():
    text = PAGE.read_text(encoding="utf-8")
    assert [int(number) for number in re.findall(r"^\| B(\d+) \|", text, re.MULTILINE)] == list(range(1, 25))
    named = re.findall(r"`(test_\w+)(?:::(test_\w+))?`", text)
    assert len(named) > 20
    for module, function in named:
        path = ROOT / "tests" / f"{module}.py"
        assert path.exists(), module
        assert not function or re.search(rf"^def {function}\b", path.read_text(), re.MULTILINE), (module, function)
