"""The dataflow through a real spool and Bytewax's recovery: live equals replayed, stops lose nothing."""

from __future__ import annotations

import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main

from andon.clock import ManualClock, SystemClock
from andon.datafolder import DataFolder
from andon.records import Records
from flows.plant import plant_flow
from flows.shard import ShardEngine
from sinks.dead_letters import DeadLetterStore
from sinks.history import HistoryWriter
from sources.spool import Spool
from tests.engine_world import START_NS, S, body, open_engine, plant, tick

FIGURE = "asset, tag, kind, start_ns, end_ns, revision, final, parts"  # not the step that wrote it
TABLES = (("window", "*"), ("figure", FIGURE), ("state_change", "*"), ("ledger", "*"))
TOML = """
schema = 1
[enterprise]
id = "e"
[site]
id = "s1"
[windows]
pane_s = 5.0
sizes_s = [10.0, 60.0]
figures_s = 60.0
[[template]]
name = "room"
series = [{ tag = "air", unit = "Cel", range = [-30.0, 60.0] }]
cold_chain = { temperature = "air" }
[[asset]]
path = "cold/room"
template = "room"
[[rule]]
id = "warm"
on = "cold/*/air"
above = 8.0
delay_s = 10.0
raises = "quality_event"
[[route]]
raises = "quality_event"
[erp]
url = "http://127.0.0.1:1"
"""


def log(seconds: int = 400) -> list[tuple[int, bytes]]:
    """A cold room with an excursion, late and unusable rows, a tick a second."""
    out = []
    for second in range(seconds):
        now = START_NS + second * S
        value = 9.0 if 100 <= second < 150 else 5.0 + math.sin(second / 9.0)
        out.append((now, body(now - (200 * S if second % 97 == 96 else 0), "cold/room", "air", value)))
        if second % 50 == 7:
            out.append((now, b"{"))
        out.append((now, tick(now)))
    return out


def fill(data: DataFolder, messages) -> None:
    clock = ManualClock()
    with Spool(data.spool(0), 0, clock) as spool:
        for received_ns, raw in messages:
            clock.time_ns = received_ns
            spool.append([raw])


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every table of a history, without the columns that say where a row came from."""
    with sqlite3.connect(path) as db:
        return {table: sorted(map(repr, db.execute(f'select {columns} from "{table}"'))) for table, columns in TABLES}


def alarms(records: Records) -> list[tuple[object, ...]]:
    """Every alarm without wall time."""
    return [
        (one.key, one.start_ns, one.confirmed_ns, one.cleared_ns, one.peak, one.out_s, one.revision, dict(one.evidence))
        for one in records.alarms()
    ]


def run_flow(data: DataFolder, *, epoch_s: float = 0.05) -> None:
    """The flow until the spool is read to its end, then a graceful stop."""
    stop = threading.Event()
    recovery = data.recovery(0, 0)
    if not recovery.exists():
        recovery.mkdir(parents=True)
        init_db_dir(recovery, 1)
    last = Spool(data.spool(0), 0, SystemClock()).last_offset()
    watcher = threading.Thread(target=stop_at, args=(data, last, stop))
    watcher.start()
    run_main(
        plant_flow(plant(), data, [0], stop, SystemClock()),
        epoch_interval=timedelta(seconds=epoch_s), recovery_config=RecoveryConfig(recovery),
    )  # fmt: skip
    watcher.join()


def stop_at(data: DataFolder, last: int, stop: threading.Event) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and reached(data.history_db(0)) < last:
        time.sleep(0.05)
    stop.set()


def reached(path: Path) -> int:
    if not path.exists():
        return 0
    try:
        with sqlite3.connect(path) as db:
            return next(iter(db.execute("select value from meta where key = 'last_offset'")), (0,))[0]
    except sqlite3.OperationalError:
        return 0


def replayed(data: DataFolder, messages) -> None:
    """The same log through the engine and the writers without Bytewax, in one step."""
    engine = open_engine(plant(), data.path)
    engine.restore(None)
    reader = Spool(data.spool(0), 0, SystemClock()).reader(0)
    outputs = engine.step(reader.read(1_000_000, 10**9))
    HistoryWriter(data.history_db(0), 0).write(outputs)
    DeadLetterStore(data.dead_letters_db(0), 0, 10.0, 90.0).write(
        outputs.dead, ["/".join(path) for path in outputs.paths.values()]
    )
    with Records(data.records_db, "s1", SystemClock()) as records:
        from andon.records import SYSTEM_FLOW

        records.apply_conditions(outputs.conditions, SYSTEM_FLOW)


def folder(path: Path) -> DataFolder:
    data = DataFolder(path)
    data.create("s1", 1)
    return data


def test_live_equals_replayed(tmp_path):
    live, again = folder(tmp_path / "live"), folder(tmp_path / "again")
    for data in (live, again):
        fill(data, log())
    run_flow(live)
    replayed(again, log())
    assert contents(live.history_db(0)) == contents(again.history_db(0))
    with Records(live.records_db, "s1", SystemClock()) as one, Records(again.records_db, "s1", SystemClock()) as two:
        assert alarms(one) == alarms(two)
        assert {alarm.rule_id: alarm.start_ns for alarm in one.alarms()} == {
            "warm": START_NS + 100 * S,
            "andon-conflict": START_NS + 90 * S,  # the first row sent again 200 s late, with another value
        }
    dead = [DeadLetterStore(data.dead_letters_db(0), 0, 10.0, 90.0).list(100) for data in (live, again)]
    assert dead[0] == dead[1]
    assert len(dead[0]) == 8


def test_a_stop_and_a_start_in_the_middle_change_nothing(tmp_path, monkeypatch):
    """A graceful stop replays nothing: the engine sees each message once over all starts."""
    step, offsets = ShardEngine.step, []

    def noted(self, batch):
        offsets.extend(message.offset for message in batch)
        return step(self, batch)

    parts, whole = folder(tmp_path / "parts"), folder(tmp_path / "whole")
    messages = log()
    fill(whole, messages)
    run_flow(whole)
    monkeypatch.setattr(ShardEngine, "step", noted)
    for begin in range(0, len(messages), 300):
        fill(parts, messages[begin : begin + 300])
        run_flow(parts)
    assert offsets == list(range(1, len(messages) + 1))
    assert contents(parts.history_db(0)) == contents(whole.history_db(0))
    with Records(parts.records_db, "s1", SystemClock()) as records:
        assert sorted(alarm.rule_id for alarm in records.alarms()) == ["andon-conflict", "warm"]


def test_step_ids_are_frozen(tmp_path):
    def ids(**sections) -> list[str]:
        flow = plant_flow(plant(**sections), folder(tmp_path), [0], threading.Event(), SystemClock())
        return [step.step_id for step in flow.substeps]

    # They run in this order; the records are first, since an alarm must not wait for the history's commits.
    always = ["plant.engine", "plant.records", "plant.history", "plant.dead-letters"]
    assert ids() == ["plant.spool", *always]
    kafka = {"brokers": "127.0.0.1:1"}
    assert ids(transport={"kind": "kafka", "kafka": kafka}) == ["plant.kafka", *always]
    everything = {
        "transport": {"kind": "kafka", "kafka": kafka | {"out": ["windows"]}},
        "influx": {"url": "http://127.0.0.1:1"},
    }
    assert ids(**everything) == ["plant.kafka", *always, "plant.influx", "plant.kafka-out"]


def test_a_message_that_breaks_the_engine_is_set_aside(tmp_path, monkeypatch):
    data = folder(tmp_path)
    messages = log(60)
    messages[30] = (messages[30][0], body(messages[30][0], "cold/room", "air", 6.66))
    fill(data, messages)
    step = ShardEngine.step

    def fragile(self, batch):
        if any(b"6.66" in message.body for message in batch):
            raise RuntimeError("a fault in the engine")
        return step(self, batch)

    monkeypatch.setattr(ShardEngine, "step", fragile)
    for _ in range(2):  # the batch fails, then the message alone
        with pytest.raises(RuntimeError, match=r"plant\.engine"):
            run_flow_once(data)
    run_flow(data)
    (letter,) = DeadLetterStore(data.dead_letters_db(0), 0, 10.0, 90.0).list(100, "poison")
    assert b"6.66" in letter.raw
    assert reached(data.history_db(0)) == len(messages)


def run_flow_once(data: DataFolder) -> None:
    """Like `run_flow`, for a run that is going to fail."""
    recovery = data.recovery(0, 0)
    if not recovery.exists():
        recovery.mkdir(parents=True)
        init_db_dir(recovery, 1)
    run_main(
        plant_flow(plant(), data, [0], threading.Event(), SystemClock()),
        epoch_interval=timedelta(seconds=0.05), recovery_config=RecoveryConfig(recovery),
    )  # fmt: skip


@pytest.mark.crash
def test_kills_and_a_second_instance(tmp_path):
    """SIGKILL of the real process at growing instants; a second one on the same state is refused."""
    config = tmp_path / "plant.toml"
    config.write_text(TOML)
    data, whole = folder(tmp_path / "data"), folder(tmp_path / "whole")
    messages = log(900)
    fill(data, messages)
    fill(whole, messages)
    command = [sys.executable, "-m", "flows.plant", "--config", str(config), "--worker", "0", "--data"]
    for pause in (0.9, 1.1, 1.3, 1.6):
        process = subprocess.Popen([*command, str(data.path)], stderr=subprocess.DEVNULL)
        time.sleep(pause)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    process = subprocess.Popen([*command, str(data.path)], stderr=subprocess.DEVNULL)
    other = subprocess.Popen([*command, str(whole.path)], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: reached(data.history_db(0)) == reached(whole.history_db(0)) == len(messages))
        second = subprocess.run([*command, str(data.path)], capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode != 0
        assert "held by another process" in second.stderr
    finally:
        for one in (process, other):
            one.terminate()
    assert [one.wait(30) for one in (process, other)] == [0, 0]
    assert contents(data.history_db(0)) == contents(whole.history_db(0))


def wait_until(ready, limit_s: float = 90.0) -> None:
    deadline = time.monotonic() + limit_s
    while not ready():
        assert time.monotonic() < deadline, "not reached in time"
        time.sleep(0.1)
