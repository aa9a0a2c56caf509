"""The runner: every message exactly once in the log, whatever happens to the process or the disk."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time

import pytest

from andon.clock import ManualClock
from andon.datafolder import DataFolder
from andon.errors import SourceError
from andon.readings import NS_PER_S
from simulators.fault_log import FaultLog, read_faults
from simulators.feed import Feed
from simulators.runner import PRODUCER, main, run_simulators, sent_until_ns
from simulators.truth import assets_of, demo_plant, fault_log, truth
from sources.spool import Spool

START_NS = 1_767_225_600_000_000_000
SHARDS = range(2)


def expected(seed, shard, seconds, faults=True):
    """Bodies of the shard's log, straight from its feed."""
    feed = Feed(seed, START_NS, assets_of(shard, demo_plant()), faults=faults)
    bodies = []
    while feed.second < seconds:
        bodies += [parcel.body() for parcel in feed.advance()]
    return bodies


def logged(spool):
    with spool.reader(0) as reader:
        bodies = []
        while messages := reader.read(1000, 10_000_000):
            bodies += [message.body for message in messages]
    return bodies


@pytest.fixture
def spools(tmp_path):
    clock = ManualClock(START_NS)
    opened = [Spool(tmp_path / str(shard), shard, clock) for shard in SHARDS]
    yield opened
    for spool in opened:
        spool.close()


def send(spools, seconds, **options):
    """Run up to this second and return; the clock is there already."""
    clock = ManualClock(START_NS + seconds * NS_PER_S)
    until_ns = START_NS + seconds * NS_PER_S
    run_simulators(spools, clock, options.pop("seed", 1), START_NS, threading.Event(), until_ns=until_ns, **options)


def test_the_log_is_what_the_feeds_give(spools):
    send(spools, 1300)
    for spool in spools:
        assert logged(spool) == expected(1, spool.shard, 1300)
        assert sent_until_ns(spool, START_NS) == START_NS + 1300 * NS_PER_S
    told = truth(1, START_NS, START_NS + 1300 * NS_PER_S)
    assert sum(spool.last_offset() for spool in spools) == told.messages


def test_it_goes_on_where_it_ended(spools):
    for seconds in (1, 2, 30, 977, 978, 2000):
        send(spools, seconds)
    for spool in spools:
        assert logged(spool) == expected(1, spool.shard, 2000)


def test_it_never_sends_what_has_not_happened_yet(spools):
    clock, stop = ManualClock(START_NS + 45 * NS_PER_S), threading.Event()
    thread = threading.Thread(target=run_simulators, args=(spools, clock, 1, START_NS, stop))
    thread.start()
    deadline = time.monotonic() + 20
    while any(sent_until_ns(spool, START_NS) < clock.now_ns() for spool in spools) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    for spool in spools:
        assert sent_until_ns(spool, START_NS) == START_NS + 46 * NS_PER_S  # the second that begins now is measured


@pytest.mark.parametrize("other", [{"seed": 2}, {"faults": False}])
def test_a_log_of_another_run_is_refused(spools, other):
    send(spools, 20)
    with pytest.raises(SourceError) as refused:
        send(spools, 40, **other)
    assert refused.value.code == "simulators.other_run"
    assert all(sent_until_ns(spool, START_NS) == START_NS + 20 * NS_PER_S for spool in spools)


@pytest.mark.parametrize("code", ["spool.disk_full", "spool.full", "spool.busy"])
def test_a_spool_that_refuses_is_tried_again_and_does_not_hold_up_the_other(spools, monkeypatch, code):
    refusals = iter([True, True, False])
    append = spools[0].append
    other_had = []

    def grudging(*arguments):
        if next(refusals, False):
            other_had.append(sent_until_ns(spools[1], START_NS))
            raise SourceError(code, shard=0)
        return append(*arguments)

    monkeypatch.setattr(spools[0], "append", grudging)
    monkeypatch.setattr("simulators.runner.RETRY_S", 0.01)
    send(spools, 60)
    for spool in spools:
        assert logged(spool) == expected(1, spool.shard, 60)
    assert other_had == [START_NS, START_NS + 10 * NS_PER_S]


def test_any_other_error_of_a_spool_comes_out(spools, monkeypatch):
    def broken(*_arguments):
        raise SourceError("spool.failed", shard=0, folder="x", problem="y")

    monkeypatch.setattr(spools[0], "append", broken)
    with pytest.raises(SourceError):
        send(spools, 60)


def test_the_fault_log_is_the_one_of_the_seed(spools, tmp_path):
    path = tmp_path / "faults.jsonl"
    for seconds in (700, 1000, 1800):
        send(spools, seconds, fault_log=path)
    wanted = fault_log(1, START_NS, START_NS + 1800 * NS_PER_S)
    assert len(wanted) >= 4
    assert sorted(read_faults(path), key=lambda fault: (fault.start_ns, fault.asset)) == wanted
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_faults_no_lines(spools, tmp_path):
    send(spools, 1200, faults=False, fault_log=tmp_path / "faults.jsonl")
    assert read_faults(tmp_path / "faults.jsonl") == []
    assert logged(spools[0]) == expected(1, 0, 1200, faults=False)


def test_a_torn_line_of_the_fault_log_is_written_again(tmp_path):
    path = tmp_path / "faults.jsonl"
    faults = fault_log(1, START_NS, START_NS + 3600 * NS_PER_S)
    FaultLog(path).note(faults)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    FaultLog(path).note(faults)
    assert path.read_bytes() == whole
    FaultLog(path).note(faults)
    assert path.read_bytes() == whole


def command(folder, until_ns, *more):
    wall_ns = time.time_ns()
    return [
        sys.executable, "-m", "simulators.runner", "--data", str(folder), "--seed", "4", "--start-ns", str(START_NS),
        "--origin-ns", str(until_ns + NS_PER_S), "--wall-ns", str(wall_ns), "--speed", "60", *more,
    ]  # fmt: skip


@pytest.mark.crash
def test_kill_9_loses_and_doubles_nothing(tmp_path, root):
    """Killed again and again while it catches up; what is in the log is what one run would give."""
    folder = DataFolder(tmp_path / "data")
    folder.create("szh1", 2)
    seconds = 3000
    until_ns = START_NS + seconds * NS_PER_S
    spools = [Spool(folder.spool(shard), shard, ManualClock(until_ns)) for shard in SHARDS]
    arguments = command(folder.path, until_ns, "--until-ns", str(until_ns))
    for kill_after in (1, 2000, 2500):
        before = spools[1].last_offset()
        process = subprocess.Popen(arguments, cwd=root)
        while spools[1].last_offset() < before + kill_after and process.poll() is None:
            time.sleep(0.002)
        assert process.poll() is None, "it ended before it was killed"
        process.kill()
        process.wait()
    assert subprocess.run(arguments, cwd=root, check=False, timeout=60).returncode == 0
    for spool in spools:
        assert logged(spool) == expected(4, spool.shard, seconds)
        spool.close()
    wanted = fault_log(4, START_NS, until_ns)
    assert sorted(read_faults(folder.logs / "faults.jsonl"), key=lambda one: (one.start_ns, one.asset)) == wanted


def test_sigterm_ends_it_with_status_0_and_a_whole_chunk(tmp_path, root):
    folder = DataFolder(tmp_path / "data")
    folder.create("szh1", 2)
    process = subprocess.Popen(command(folder.path, START_NS + 100 * NS_PER_S), cwd=root)
    with Spool(folder.spool(0), 0, ManualClock(START_NS)) as spool:
        deadline = time.monotonic() + 20
        while not spool.last_offset() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        sent = json.loads(spool.checkpoint(PRODUCER))["second"]
        assert logged(spool) == expected(4, 0, sent)


def test_the_command_says_what_is_wrong(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("simulators.runner.signal.signal", lambda *_: None)
    folder = DataFolder(tmp_path / "data")
    arguments = command(folder.path, START_NS, "--until-ns", str(START_NS + NS_PER_S))[3:]
    assert main(arguments) == 1  # there is no data folder
    folder.create("szh1", 2)
    assert main(arguments) == 0
    assert main([*arguments, "--no-faults"]) == 1
    assert "simulators.other_run" in "".join(capsys.readouterr())
