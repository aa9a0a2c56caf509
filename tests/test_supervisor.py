"""The supervisor with small processes: restarts, what runs once, the order of stopping, stalls, what it tells."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from andon import heartbeat, metrics
from andon.config.models import Plant
from andon.datafolder import DataFolder
from service import supervisor as module
from service.parts import PartState, read_parts
from service.supervisor import Part, Supervisor, senders, site_parts
from tests.engine_world import plant


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    folder.create("s1", 1)
    return folder


@pytest.fixture
def run(data, monkeypatch):
    """Starts parts, polls until something is so, stops what still runs."""
    monkeypatch.setattr(module, "BACKOFF_S", (0.05, 0.1, 0.4))
    made = []

    class Run:
        def __init__(self, *parts: Part) -> None:
            self.supervisor = Supervisor(data, parts)
            self.supervisor.start()
            made.append(self.supervisor)

        def until(self, ready, limit_s: float = 15.0) -> None:
            deadline = time.monotonic() + limit_s
            while not ready():
                assert time.monotonic() < deadline, "not reached in time"
                self.supervisor.poll()
                time.sleep(0.01)

    yield Run
    for one in made:
        one.stop()


def shell(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


SLEEP = shell("exec sleep 60")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_signal_to_the_terminals_group_is_for_the_supervisor_alone(run):
    parts = run(Part("one", SLEEP), Part("two", SLEEP)).supervisor.pids()
    assert {os.getpgid(pid) for pid in parts.values()} == set(parts.values())
    assert os.getpgid(0) not in parts.values()


def stamps(path: Path) -> list[float]:
    return [float(line) for line in path.read_text().split()] if path.exists() else []


def test_what_ends_is_started_again_after_longer_and_longer_pauses(run, tmp_path):
    starts = tmp_path / "starts"
    one = run(Part("bad", shell(f"date +%s.%N >> {starts}; exit 3")))
    one.until(lambda: len(stamps(starts)) >= 4)
    at = stamps(starts)
    gaps = [after - before for before, after in pairwise(at)]
    assert gaps[0] >= 0.05
    assert gaps[1] >= 0.1
    assert gaps[2] >= 0.4
    assert one.supervisor.restarts()["bad"] >= 3


def test_a_long_life_forgets_the_failures(run, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SETTLED_S", 0.2)
    starts = tmp_path / "starts"
    one = run(Part("good", shell(f"date +%s.%N >> {starts}; exec sleep 60")))
    for killed in range(1, 5):
        one.until(lambda n=killed: len(stamps(starts)) == n)
        began = time.monotonic()
        one.until(lambda since=began: time.monotonic() - since > 0.3)
        os.kill(one.supervisor.pids()["good"], signal.SIGKILL)
    fell = time.monotonic()
    one.until(lambda: len(stamps(starts)) == 5)
    assert time.monotonic() - fell < 0.35, "the pause was that of a fourth failure"


def test_what_runs_once_is_done_after_success_and_repeated_after_failure(run, tmp_path):
    tries = tmp_path / "tries"
    script = shell(f"echo x >> {tries}; test $(wc -l < {tries}) -ge 3")
    one = run(Part("devices", script, once=True))
    one.until(lambda: one.supervisor.done("devices"))
    assert tries.read_text() == "x\n" * 3
    one.until(lambda: "devices" not in one.supervisor.pids())
    assert not one.supervisor.done("unknown")


def test_parts_stop_in_order_and_those_of_one_number_together(run, tmp_path):
    log = tmp_path / "log"

    def slow(name: str) -> list[str]:
        return shell(f"trap 'echo {name} >> {log}; sleep 0.2; echo {name}. >> {log}; exit 0' TERM; "
                     f"touch {tmp_path}/{name}; while :; do sleep 0.02; done")  # fmt: skip

    one = run(
        Part("late", slow("late"), 3), Part("a", slow("a"), 1), Part("b", slow("b"), 1), Part("mid", slow("mid"), 2)
    )
    one.until(lambda: all((tmp_path / name).exists() for name in ("late", "a", "b", "mid")))
    one.supervisor.stop()
    lines = log.read_text().split()
    assert sorted(lines[:2]) == ["a", "b"], "both begin before one ends"
    assert lines[4:] == ["mid", "mid.", "late", "late."]


def test_what_does_not_drain_is_killed(run, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "DRAIN_S", 0.3)
    one = run(Part("deaf", shell(f"trap '' TERM; touch {tmp_path}/up; while :; do sleep 0.05; done")))
    one.until((tmp_path / "up").exists)
    pid = one.supervisor.pids()["deaf"]
    began = time.monotonic()
    one.supervisor.stop()
    assert 0.3 <= time.monotonic() - began < 5
    assert not alive(pid)


ORPHANS = """
import sys, time
from pathlib import Path
from andon.datafolder import DataFolder
from service.supervisor import Part, Supervisor
ours = "from andon import process; process.DRAIN_S = 1; process.stop_on_signals(); print('up', flush=True)\\n"
deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\\n"
sleep = "import time; time.sleep(60); time.sleep(60)"
python = [sys.executable, "-c"]
parts = [Part("ours", [*python, ours + sleep]), Part("server", [*python, deaf + sleep], foreign=True)]
supervisor = Supervisor(DataFolder(Path(sys.argv[1])), parts)
supervisor.start()
time.sleep(60)
"""


@pytest.mark.crash
def test_nothing_outlives_a_supervisor_that_is_killed_whatever_it_does_at_sigterm(data, root):
    with subprocess.Popen([sys.executable, "-c", ORPHANS, str(data.path)], cwd=root) as supervisor:
        try:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline and not all(
                (log := data.logs / f"{name}.log").exists() and "up" in log.read_text() for name in ("ours", "server")
            ):
                time.sleep(0.05)
            pids = [part.pid for part in read_parts(data).values()]
        finally:
            supervisor.kill()
    assert len(pids) == 2
    while time.monotonic() < deadline and any(map(alive, pids)):
        time.sleep(0.05)
    assert not any(map(alive, pids))
    shutil.rmtree(metrics.folder_for(data.path))  # the next start over this folder would use it again


def test_a_watched_part_that_stalls_is_killed_and_started_again(run, data, monkeypatch):
    monkeypatch.setattr(module, "STALLED_S", 0.6)
    one = run(Part("flow-0", SLEEP, watched=True), Part("other", SLEEP))
    first = one.supervisor.pids()
    heartbeat.Heartbeat(data, "flow-0")()
    one.until(lambda: one.supervisor.restarts()["flow-0"] == 1)
    assert not alive(first["flow-0"])
    assert one.supervisor.pids()["other"] == first["other"]


def test_a_part_that_lives_is_left_alone(run, data, monkeypatch):
    monkeypatch.setattr(module, "STALLED_S", 0.5)
    monkeypatch.setattr(heartbeat, "EVERY_S", 0.0)
    one = run(Part("flow-0", SLEEP, watched=True))
    beat, began = heartbeat.Heartbeat(data, "flow-0"), time.monotonic()
    one.until(lambda: beat() or time.monotonic() - began > 1.5)
    assert one.supervisor.restarts() == {"flow-0": 0}


def test_signs_of_the_process_before_do_not_count_while_one_starts(run, data, monkeypatch):
    monkeypatch.setattr(module, "STALLED_S", 0.2)
    heartbeat.Heartbeat(data, "flow-0")()
    time.sleep(0.3)  # the old sign is too old before the new process begins
    one = run(Part("flow-0", SLEEP, watched=True))
    began = time.monotonic()
    one.until(lambda: time.monotonic() - began > 1.0)
    assert one.supervisor.restarts() == {"flow-0": 0}
    monkeypatch.setattr(module, "STARTING_S", 0.5)
    one.until(lambda: one.supervisor.restarts()["flow-0"] == 1)


def test_it_tells_what_runs_what_is_wanted_and_how_often_it_started(run, data):
    one = run(Part("devices", SLEEP, 0), Part("web", SLEEP, 3))
    pids = one.supervisor.pids()
    assert read_parts(data) == {name: PartState(pid, 0, wanted=True) for name, pid in pids.items()}
    os.kill(pids["web"], signal.SIGKILL)
    one.until(lambda: read_parts(data)["web"].pid is None)
    one.until(lambda: read_parts(data)["web"].pid is not None)
    one.supervisor.stop(["devices"])
    assert read_parts(data)["devices"] == PartState(None, 0, wanted=False)
    assert read_parts(data)["web"].restarts == 1
    one.supervisor.stop()
    assert not any(part.wanted for part in read_parts(data).values())


def test_children_keep_their_metrics_in_one_folder_which_goes_in_the_end(run, data, tmp_path):
    told = tmp_path / "told"
    one = run(Part("web", shell(f"echo ${metrics.VARIABLE} > {told}.new; mv {told}.new {told}; exec sleep 60")))
    one.until(told.exists)
    folder = Path(told.read_text().strip())
    assert folder == metrics.folder_for(data.path).absolute()
    assert folder.stat().st_mode & 0o777 == 0o700
    one.supervisor.stop()
    assert not folder.exists()


def test_a_metrics_folder_that_is_somebody_elses_is_not_used(data):
    folder = metrics.folder_for(data.path)
    try:
        folder.chmod(0o755)
        assert metrics.folder_for(data.path) == data.path / "state" / "metrics"
        folder.rmdir()
        folder.symlink_to(data.path)
        assert metrics.folder_for(data.path) == data.path / "state" / "metrics"
    finally:
        folder.unlink() if folder.is_symlink() else folder.rmdir()


def test_a_long_log_is_put_aside_at_a_start(run, data, monkeypatch):
    monkeypatch.setattr(module, "LOG_BYTES", 10)
    (data.logs / "web.log").write_text("x" * 20)
    one = run(Part("web", shell("echo fresh; exec sleep 60")))
    one.until(lambda: (data.logs / "web.log").read_text() == "fresh\n")
    assert (data.logs / "web.log.1").read_text() == "x" * 20


SUPERVISED = """
import sys, time
from pathlib import Path
from andon.config.models import Plant
from andon.datafolder import DataFolder
from service.supervisor import Part, Supervisor
one = Supervisor(DataFolder(Path(sys.argv[1])), [Part("child", ["/bin/sleep", "60"])])
one.start()
print(one.pids()["child"], flush=True)
time.sleep(60)
"""


def test_children_end_with_the_supervisor_however_it_ends(data, root):
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISED, str(data.path)], cwd=root, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert alive(child)
        process.kill()
        process.wait()
    shutil.rmtree(metrics.folder_for(data.path))  # the next start over this folder would use it again
    deadline = time.monotonic() + 10
    while alive(child):
        assert time.monotonic() < deadline, "the child lives on"
        time.sleep(0.01)


def configured(**sections) -> Plant:
    return plant(**sections).config


def test_the_parts_of_a_site():
    erp = {"url": "http://127.0.0.1:1"}
    config = configured(transport={"shards": 5}, erp=erp)
    parts = {part.name: part for part in site_parts(Path("p.toml"), Path("d"), config, 2, ["--speed", "0.0"])}
    assert list(parts) == ["ticker", "flow-0", "flow-1", "sender", "notifier", "follow-up", "web", "dead-man"]
    assert [name for name, part in parts.items() if part.watched] == ["flow-0", "flow-1"]
    assert parts["flow-1"].argv[-4:] == ["--worker", "1", "--workers", "2"]
    assert parts["ticker"].stop_order < parts["flow-0"].stop_order < parts["sender"].stop_order


def test_every_target_that_is_configured_has_a_sender_of_its_own():
    assert senders(configured()) == []
    kafka = {"brokers": "127.0.0.1:1"}
    assert senders(configured(transport={"kafka": kafka})) == [], "nothing is published"
    config = configured(transport={"kafka": kafka | {"out": ["alarms"]}}, influx={"url": "http://127.0.0.1:1"})
    assert senders(config) == ["influx-sender", "kafka-sender"]
    stops = {part.name: part.stop_order for part in site_parts(Path("p"), Path("d"), config, 1, [])}
    assert stops["flow-0"] < stops["influx-sender"] == stops["kafka-sender"]
