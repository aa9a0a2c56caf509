"""Stored state of an earlier version and what it gave for the rest of its log: the material of test_resume_previous.py.

Made once a release, by that release, and never changed after:

    .venv/bin/python -m tests.state_fixture tests/fixtures/state/<version or date>

A folder of fixtures holds the plant, a log, the data folder of a flow that was stopped in the middle of it, and the
rows that the same version gave for the whole log.
"""

from __future__ import annotations

import io
import json
import lzma
import math
import shutil
import sqlite3
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main

from andon.clock import ManualClock, SystemClock
from andon.config.models import Plant
from andon.datafolder import DataFolder
from andon.plant import PlantModel
from andon.records import Records
from flows.plant import plant_flow
from sinks.dead_letters import DeadLetterStore
from sources.spool import Spool

S, MS = 1_000_000_000, 1_000_000
START_NS = 1_767_225_600 * S
SECONDS, STOP_S = 960, 505  # stopped within a second, after rows and before its tick
ROOM, PUMP, FILLER = "cold/room", "util/pump", "line1/filler"
PLANT = {
    "schema": 1, "enterprise": {"id": "e"}, "site": {"id": "s1"}, "transport": {"kind": "spool", "shards": 1},
    "windows": {"pane_s": 5.0, "sizes_s": [10.0], "hopping_s": [[60.0, 5.0]], "figures_s": 60.0},
    "time": {"lateness_s": 5.0, "idle_s": 30.0, "correct_for_h": 100.0},
    "template": [
        {
            "name": "filler",
            "series": [
                {"tag": "state", "kind": "state", "states": "packml"},
                {"tag": "total", "kind": "counter"}, {"tag": "good", "kind": "counter"},
            ],
            "oee": {"state": "state", "total": "total", "good": "good"},
        },
        {
            "name": "room",
            "series": [{"tag": "air", "unit": "Cel", "range": [-30.0, 60.0]}],
            "cold_chain": {"temperature": "air"},
        },
        {
            "name": "pump",
            "series": [
                {"tag": "vibration", "unit": "mm/s", "detect": True}, {"tag": "pressure", "unit": "Pa"},
                {"tag": "spare", "unit": "Cel"},
            ],
        },
    ],
    "asset": [
        {"path": FILLER, "template": "filler"}, {"path": ROOM, "template": "room"}, {"path": PUMP, "template": "pump"},
    ],
    "cycle": [{"asset": FILLER, "seconds": 1.0}],
    "rule": [
        {"id": "warm", "on": "cold/*/air", "above": 8.0, "deadband": 0.5, "delay_s": 10.0, "raises": "quality_event"},
        {"id": "high", "on": "util/*/pressure", "above": 101325.05, "delay_s": 20.0, "off_delay_s": 30.0},
        {"id": "strange", "on": "util/*/vibration", "anomaly": 2.0, "off_delay_s": 60.0},
        {"id": "silent", "on": "util/*/spare", "stale_s": 60.0, "raises": "maintenance_order"},
    ],
    "route": [{"raises": "quality_event"}, {"raises": "maintenance_order"}],
}  # fmt: skip
PARTS = ("state", "journal", "history", "records", "dead-letters", "instance.json")  # of the data folder; not the spool
TABLES = {
    "window": (
        "size_ns", "start_ns", "revision", "count", "minimum", "maximum", "mean", "std", "first", "last", "score",
    ),
    "state_change": ("time_ns", "value"),
    "latest": ("time_ns", "value", "status", "score"),
    "ledger": ("hour_ns", "received", "counted", "late", "duplicate", "bad", "dead", "conflict"),
}  # fmt: skip
Log = list[tuple[int, bytes]]  # receive time, body


def make_log() -> Iterator[tuple[int, bytes]]:
    """A shift with everything that state is kept for; about the stop a delay runs and corrections wait."""
    for second in range(SECONDS):
        now = START_NS + second * S
        air = 9.0 if 200 <= second < 260 or 500 <= second < 530 else 5.0 + math.sin(second / 9.0)
        yield row(now, ROOM, "air", air)
        noise = math.sin(second * 12.9898) * 43758.5453 % 1.0
        yield row(now, PUMP, "vibration", 2.0 + 0.2 * noise + (4.0 if second in (430, 700) else 0.0))
        if second % 3 == 0:
            yield row(now, PUMP, "pressure", 101325.0 + 0.1 * noise + (0.2 if 470 <= second < 560 else 0.0))
        if second < 440 or second > 800:
            yield row(now, PUMP, "spare", 20.0 + second % 7)
        if second % 10 == 0:
            yield row(now, FILLER, "state", "Execute" if second % 200 < 150 else "Held")
        if second % 5 == 0:
            yield row(now, FILLER, "total", float(second))
            yield row(now, FILLER, "good", float(second - second // 40))
        if second % 47 == 46:  # late, beyond what is waited for; every other one again: a duplicate
            for _ in range(1 + second % 2):
                yield row(now, ROOM, "air", 5.5, behind_ns=90 * S + 500 * MS)
        if second % 90 == 4:  # another value for a known stamp
            yield row(now, PUMP, "vibration", 7.0, behind_ns=3 * S)
        if second % 60 == 59:
            yield now, b'{"ts": 1'
        if second == STOP_S:
            yield row(now, PUMP, "pressure", 101325.4, behind_ns=44 * S)  # a correction that waits for the tick
        if second == STOP_S + 1:
            yield row(now, ROOM, "air", 9.0, behind_ns=4 * S)  # a duplicate of what came before the stop
        yield now, orjson.dumps({"ts": now // MS, "event": "tick"})


def row(now: int, asset: str, tag: str, value: object, *, behind_ns: int = 0) -> tuple[int, bytes]:
    """A reading as it comes in."""
    return now, orjson.dumps({"ts": (now - behind_ns) // MS, "asset": asset, "tag": tag, "value": value})


def run_part(plant: PlantModel, data: DataFolder, log: Log) -> None:
    """More of the log through the real flow until everything is stored, then a graceful stop."""
    clock, stop = ManualClock(), threading.Event()
    with Spool(data.spool(0), 0, clock) as spool:
        for received_ns, body in log:
            clock.time_ns = received_ns
            spool.append([body])
        last = spool.last_offset()
    recovery = data.recovery(0, 0)
    if not recovery.exists():
        recovery.mkdir(parents=True)
        init_db_dir(recovery, 1)
    watcher = threading.Thread(target=_stop_at, args=(data, last, stop))
    watcher.start()
    run_main(
        plant_flow(plant, data, [0], stop, SystemClock()),
        epoch_interval=timedelta(seconds=0.1), recovery_config=RecoveryConfig(recovery),
    )  # fmt: skip
    watcher.join()


def _stop_at(data: DataFolder, last: int, stop: threading.Event) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and _reached(data.history_db(0)) < last:
        time.sleep(0.05)
    stop.set()


def _reached(path: Path) -> int:
    if not path.exists():
        return 0
    try:
        with closing(sqlite3.connect(path)) as db:
            return int(next(iter(db.execute("select value from meta where key = 'last_offset'")), (0,))[0])
    except sqlite3.OperationalError:
        return 0


def outputs(data: DataFolder) -> dict[str, Any]:
    """Everything a flow gave, as plain values that JSON keeps: by table, sorted."""
    out: dict[str, Any] = {}
    with closing(sqlite3.connect(data.history_db(0))) as db:
        for table, columns in TABLES.items():
            names = ", ".join(f't."{name}"' for name in columns)
            rows = db.execute(f'select asset, tag, {names} from "{table}" t join series on id = series')
            out[table] = sorted(map(list, rows), key=lambda one: one[:4])
        out["figure"] = [
            [*key, json.loads(parts)]
            for *key, parts in sorted(
                db.execute("select asset, tag, kind, start_ns, end_ns, revision, final, parts from figure")
            )
        ]
    with Records(data.records_db, "s1", SystemClock()) as records:
        out["alarm"] = sorted(
            [
                one.key, one.rule_id, one.start_ns, one.confirmed_ns, one.cleared_ns, one.peak, one.out_s, one.revision,
                dict(one.evidence),
            ]
            for one in records.alarms()
        )  # fmt: skip
    letters = DeadLetterStore(data.dead_letters_db(0), 0, 10.0, 90.0).list(10_000)
    out["dead"] = sorted([one.offset, one.line, one.reason, one.raw.decode()] for one in letters)
    return json.loads(json.dumps(out))


def pack(folder: Path) -> bytes:
    """The parts of a data folder that a flow goes on from, without the spool: the log is filled in again."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path in sorted(path for part in PARTS for path in [folder / part, *(folder / part).rglob("*")]):
            if path.is_file() and not path.name.endswith(("-wal", "-shm", "lock")) and "alive" not in path.parts:
                info = tarfile.TarInfo(str(path.relative_to(folder)))
                info.size, info.mode = path.stat().st_size, 0o600
                tar.addfile(info, io.BytesIO(path.read_bytes()))
    return lzma.compress(packed.getvalue(), preset=9)


def unpack(packed: bytes, folder: Path) -> None:
    """The other way round."""
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(packed))) as tar:
        tar.extractall(folder, filter="data")


def read(folder: Path, name: str) -> Any:
    """A JSON part of a stored fixture."""
    return json.loads(lzma.decompress((folder / name).read_bytes()))


def read_log(folder: Path) -> tuple[Log, int]:
    """The whole log, and how many messages of it the stored state has taken."""
    stored = read(folder, "log.json.xz")
    return [(received_ns, body.encode()) for received_ns, body in stored["messages"]], stored["taken"]


def settle(data: DataFolder) -> None:
    """All of a database in its one file."""
    for path in data.path.rglob("*"):
        if path.suffix in (".db", ".sqlite3"):
            with closing(sqlite3.connect(path)) as db:
                db.execute("pragma wal_checkpoint(truncate)")
                db.execute("vacuum")


def make(target: Path) -> None:
    """Write a fixture with the code that is imported here."""
    plant = PlantModel(Plant.model_validate(PLANT))
    log = list(make_log())
    stop_ns = START_NS + STOP_S * S
    taken = next(at for at, (received_ns, body) in enumerate(log) if received_ns == stop_ns and b"tick" in body)
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as name:
        parts, whole = DataFolder(Path(name) / "parts"), DataFolder(Path(name) / "whole")
        for data in (parts, whole):
            data.create("s1", 1)
        run_part(plant, whole, log)
        run_part(plant, parts, log[:taken])
        settle(parts)
        (target / "data.tar.xz").write_bytes(pack(parts.path))
        shutil.rmtree(parts.spool(0))
        expected = outputs(whole)
    messages = [(received_ns, body.decode()) for received_ns, body in log]
    for file, content in (("log", {"messages": messages, "taken": taken}), ("expected", expected), ("plant", PLANT)):
        (target / f"{file}.json.xz").write_bytes(lzma.compress(json.dumps(content).encode(), preset=9))
    print({name: len(rows) for name, rows in expected.items()}, {p.name: p.stat().st_size for p in target.iterdir()})


if __name__ == "__main__":
    make(Path(sys.argv[1]))
