"""Six shards of two or three assets each, their log, and flows over it by any number of workers; for several files."""

from __future__ import annotations

import math
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from bytewax.recovery import RecoveryConfig
from bytewax.testing import run_main

from andon.clock import ManualClock, SystemClock
from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.plant import PlantModel
from andon.records import Records
from flows.plant import plant_flow
from flows.seeds import Seeds
from flows.workers import arrange, read_layout, resume_points
from flows.writers import DeadLetterPartition
from sinks.dead_letters import DeadLetterStore
from sources.spool import Spool
from tests.engine_world import START_NS, S, body, tick

SHARDS = 6
DEAD_LETTERS = "plant.dead-letters"  # id of the step
Log = list[tuple[int, bytes]]  # received_ns, body
TOML = """
schema = 1
[enterprise]
id = "e"
[site]
id = "s1"
[windows]
pane_s = 5.0
sizes_s = [10.0, 60.0]
hopping_s = [[20.0, 5.0]]
figures_s = 60.0
[time]
lateness_s = 5.0
idle_s = 30.0
correct_for_h = 100.0
[[template]]
name = "filler"
oee = { state = "state", total = "total", good = "good" }
series = [{ tag = "state", kind = "state", states = "packml" }, { tag = "total", kind = "counter" }, \
{ tag = "good", kind = "counter" }]
[[template]]
name = "room"
series = [{ tag = "air", unit = "Cel", range = [-30.0, 60.0] }]
cold_chain = { temperature = "air" }
[[template]]
name = "pump"
series = [{ tag = "vibration", unit = "mm/s", detect = true }]
[[rule]]
id = "warm"
on = "cold/*/air"
above = 8.0
deadband = 0.5
delay_s = 10.0
raises = "quality_event"
[[rule]]
id = "silent"
on = "util/*/vibration"
stale_s = 60.0
raises = "maintenance_order"
[[route]]
raises = "quality_event"
[[route]]
raises = "maintenance_order"
[erp]
url = "http://127.0.0.1:1"
secret_file = "secret"
"""


def assets() -> list[tuple[str, str, int]]:
    """(path, template, shard): a filler and a cold room on each shard, a pump on every second one."""
    every = [(f"line{one}/filler", "filler", one) for one in range(SHARDS)]
    every += [(f"cold/room{one}", "room", one) for one in range(SHARDS)]
    return every + [(f"util/pump{one}", "pump", one) for one in range(0, SHARDS, 2)]


def write_plant(folder: Path, transport: str = "", *, shards: int = SHARDS, pinned: bool = True) -> Path:
    """A plant.toml. transport: more lines of its section. pinned: whether each asset names its shard."""
    (folder / "secret").write_text("whsec_" + "A" * 43 + "=")
    (folder / "secret").chmod(0o600)
    text = TOML
    for path, template, shard in assets():
        text += f'[[asset]]\npath = "{path}"\ntemplate = "{template}"\n' + f"shard = {shard}\n" * pinned
        if template == "filler":
            text += f'[[cycle]]\nasset = "{path}"\nseconds = 1.0\n'
    path = folder / "plant.toml"
    path.write_text(f"{text}[transport]\nshards = {shards}\n{transport}\n", encoding="utf-8")
    return path


def model(folder: Path, transport: str = "", *, shards: int = SHARDS) -> PlantModel:
    """The plant over all shards."""
    return load_plant(write_plant(folder, transport, shards=shards))


def shard_log(shard: int, seconds: int = 240) -> Log:
    """A shard's log: rows, orders, an excursion, a silent pump, rows that are late, doubled or unusable, ticks."""
    out: Log = []
    filler, room, pump = f"line{shard}/filler", f"cold/room{shard}", f"util/pump{shard}"
    for second in range(seconds):
        now = START_NS + second * S
        state = "Stopped" if second % 70 in range(40, 40 + 3 * shard) else "Execute"
        good = second - second // (5 + shard)
        rows = [body(now, filler, "total", second), body(now, filler, "good", good)]
        rows += [body(now, filler, "state", state)] if second % 10 == shard else []
        value = 9.0 + shard / 10 if 100 + shard <= second < 150 else 5.0 + math.sin((second + shard) / 9.0)
        rows.append(body(now - (80 * S if second % 97 == 96 else 0), room, "air", value))
        if shard % 2 == 0 and not 60 < second < 140:
            rows.append(body(now, pump, "vibration", 2.0 + math.cos(second / 3.0) + (second == 200) * 30.0))
        out.append((now, b"\n".join(rows)))
        if second % 60 == 5:
            order = {"ts": now // 1_000_000, "asset": filler, "event": "order.started", "data": {"order": f"A{second}"}}
            out.append((now, orjson.dumps(order)))
        if second % 50 == 7 + shard:
            out += [(now, b"{"), (now, body(now, room, "air", 300.0)), (now, body(now, "no/such", "tag", 1.0))]
        if second % 40 == 20:
            out.append(out[-1])
        out.append((now, tick(now)))
    return out


def new_folder(path: Path, shards: int = SHARDS) -> DataFolder:
    """An empty data folder."""
    data = DataFolder(path)
    data.create("s1", shards)
    return data


def fill(data: DataFolder, begin: float = 0.0, end: float = 1.0, shards: Sequence[int] = range(SHARDS)) -> None:
    """Put a part of every shard's log into its spool; begin, end: 0..1."""
    clock = ManualClock()
    for shard in shards:
        log = shard_log(shard)
        with Spool(data.spool(shard), shard, clock) as spool:
            for received_ns, raw in log[round(begin * len(log)) : round(end * len(log))]:
                clock.time_ns = received_ns
                spool.append([raw])


def work(
    data: DataFolder, plant: PlantModel, workers: int, *, last: dict[int, int] | None = None, epoch_s: float = 0.02
) -> None:
    """Every worker, one after the other, until the log is read to its end; then a graceful stop.

    last: offset by shard to wait for; none: the spool's.
    """
    with data.lock():
        arrange(data, workers, plant.config.transport)
    for worker in range(workers):
        work_one(data, plant, worker, workers, last=last, epoch_s=epoch_s)


def work_one(
    data: DataFolder, plant: PlantModel, worker: int, workers: int, *, last: dict[int, int] | None = None,
    epoch_s: float = 0.02,
) -> None:  # fmt: skip
    """One worker, as `work`; the layout has to be there."""
    shards = range(worker, plant.config.transport.shards, workers)
    ends = last or {one: Spool(data.spool(one), one, SystemClock()).last_offset() for one in shards}
    stop, done = threading.Event(), threading.Event()
    writers: dict[int, DeadLetterPartition] = {}
    begun = worked_off(data)

    def look() -> None:
        deadline = time.monotonic() + 120
        while not done.wait(0.02) and time.monotonic() < deadline:
            if all(now_at(shard) >= ends[shard] for shard in shards):
                break
        stop.set()

    def now_at(shard: int) -> int:
        return writers[shard].offset if shard in writers else begun.get(shard, 0)

    class Noted(DeadLetterPartition):
        """Says how far this run is. The history does not: it may know the end from a run that was killed there.

        Bytewax makes it when its shard gets something.
        """

        def __init__(self, store: DeadLetterStore, resume: int | None) -> None:
            super().__init__(store, resume)
            writers[store.shard] = self

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("flows.plant.DeadLetterPartition", Noted)
            run_flow(data, plant, worker, workers, stop, epoch_s)
    finally:
        done.set()
        watcher.join()
    assert {shard: reached(data, shard) for shard in shards} == {shard: ends[shard] for shard in shards}


def worked_off(data: DataFolder) -> dict[int, int]:
    """Last offset of each shard that a resume does not work off again."""
    layout = read_layout(data)
    assert layout is not None
    points = resume_points(data, layout)
    return {int(key): pickle.loads(one.state) for (step, key), one in points.items() if step == DEAD_LETTERS}


def run_flow(
    data: DataFolder, plant: PlantModel, worker: int, workers: int, stop: threading.Event, epoch_s: float
) -> None:
    """A worker's flow in this process, over the stores of the folder's newest generation."""
    generation = max(int(path.name) for path in (data.path / "state" / "recovery").iterdir())
    seeds = Seeds.read(data.generation(generation))
    shards = range(worker, plant.config.transport.shards, workers)
    run_main(
        plant_flow(plant, data, shards, stop, SystemClock(), seeds=seeds),
        epoch_interval=timedelta(seconds=epoch_s),
        recovery_config=RecoveryConfig(data.recovery(generation, worker)),
    )


SMALL_BATCHES = """
import sys
from sources import spool_bytewax
from sources.kafka import kafka_bytewax
spool_bytewax.MAX_MESSAGES = kafka_bytewax.MAX_MESSAGES = 16
from flows.plant import main
raise SystemExit(main(sys.argv[1:]))
"""


def killed(data: DataFolder, plant: PlantModel, workers: int, share: float) -> None:
    """Every worker in a process of its own, all killed with SIGKILL when a share of the log is worked off, 0..1."""
    with data.lock():
        arrange(data, workers, plant.config.transport)
    children = [
        forked(lambda worker=worker: run_flow(data, plant, worker, workers, threading.Event(), 0.02))
        for worker in range(workers)
    ]
    try:
        until_worked_off(data, share)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
        statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert set(statuses) == {-signal.SIGKILL}, "it ended by itself"


def killed_processes(data: DataFolder, config: Path, workers: int, share: float) -> None:
    """As `killed`, with the processes that a supervisor starts: a client of Kafka does not outlive a fork."""
    command = [sys.executable, "-c", SMALL_BATCHES, "--config", str(config), "--data", str(data.path)]
    processes = [
        subprocess.Popen(
            [*command, "--worker", str(worker), "--workers", str(workers)],
            env=os.environ | {"ANDON_EPOCH_S": "0.02"}, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )
        for worker in range(workers)
    ]  # fmt: skip
    try:
        until_worked_off(data, share)
    finally:
        for process in processes:
            process.kill()
        statuses = [process.wait() for process in processes]
    assert set(statuses) == {-signal.SIGKILL}, "it ended by itself"


def until_worked_off(data: DataFolder, share: float, limit_s: float = 100.0) -> None:
    """Wait until the shards together have worked off a share of the log."""
    enough = share * sum(len(shard_log(shard)) for shard in range(SHARDS))
    deadline = time.monotonic() + limit_s
    while sum(reached(data, shard) for shard in range(SHARDS)) < enough:
        assert time.monotonic() < deadline, "not reached in time"
        time.sleep(0.002)


def forked(task: Callable[[], object]) -> int:
    """Run a task in a child of this process, which is loaded and compiled already; its process id."""
    child = os.fork()
    if child:
        return child
    try:
        task()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def reached(data: DataFolder, shard: int) -> int:
    """Last offset that a shard's history knows."""
    try:
        # Closed at once: a child that is forked while SQLite has a file open here would share its locks wrongly.
        with closing(sqlite3.connect(f"file:{data.history_db(shard)}?mode=ro", uri=True)) as db:
            return next(iter(db.execute("select value from meta where key = 'last_offset'")), (0,))[0]
    except sqlite3.OperationalError:
        return 0


NAMED = "select s.asset, s.tag, t.* from {table} t join series s on s.id = t.series"
HISTORY = {
    "window": NAMED.format(table='"window"'),
    "latest": NAMED.format(table="latest").replace("t.*", "time_ns, received_ns, value, status, score"),
    "state": NAMED.format(table="state_change"),
    "ledger": NAMED.format(table="ledger"),
    # These two without the step that wrote them, which depends on how the log was cut into batches.
    "figure": "select asset, tag, kind, start_ns, end_ns, revision, final, parts from figure",
}
RECORDS = {
    "alarm": 'select key, asset, tag, rule_id, rule_version, condition, "limit", unit, priority, raises, start_ns, '
    "confirmed_ns, cleared_ns, peak, out_s, state, revision, found_late, evidence from alarm",
    "transition": "select alarm_key, seq, kind, at_ns, revision, state, actor_id from transition",
    "outbox": "select order_key, kind, asset, revision, body, state from outbox",
}


def everything(data: DataFolder, plant: PlantModel) -> dict[str, list[str]]:
    """All that came of a log, as sorted lists of whole rows, without wall time."""
    found: dict[str, list[str]] = {name: [] for name in (*HISTORY, *RECORDS, "dead")}
    for shard in range(plant.config.transport.shards):
        with closing(sqlite3.connect(data.history_db(shard))) as db:
            begun = db.execute("select 1 from sqlite_master where name = 'window'").fetchone()
            for name, query in HISTORY.items() if begun else ():
                found[name] += [repr((shard, *row)) for row in db.execute(query)]
        store = DeadLetterStore(data.dead_letters_db(shard), shard, 100.0, 90.0)
        found["dead"] += [repr((shard, one)) for one in store.list(100_000)]
        store.close()
    with Records(data.records_db, "s1", SystemClock()):
        pass
    with closing(sqlite3.connect(data.records_db)) as db:
        for name, query in RECORDS.items():
            found[name] += [repr(row) for row in db.execute(query)]
    return {name: sorted(rows) for name, rows in found.items()}
