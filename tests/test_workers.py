"""Workers: any number gives the same, changing it loses and repeats nothing, and is whole whatever interrupts it."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main

from andon.clock import SystemClock
from andon.config.models import Transport
from andon.datafolder import LAYOUT, DataFolder
from andon.errors import ConfigError, DataFolderError
from andon.locks import Exclusive
from flows import workers as module
from flows.plant import main as flow_main
from flows.plant import plant_flow
from flows.recovery import FILE, forget_unreached, resume_point
from flows.seeds import FILE as SEEDS
from flows.seeds import Seeds
from flows.shard import ShardEngine
from flows.workers import Layout, arrange, for_cluster, read_layout, resume_points, workers_for
from flows.workers import join as joined
from flows.writers import ShardSink
from sources.spool_bytewax import SpoolSource
from tests.engine_world import IN_MEMORY
from tests.workers_world import (
    SHARDS,
    everything,
    fill,
    forked,
    killed,
    model,
    new_folder,
    reached,
    shard_log,
    work,
    work_one,
    write_plant,
)

STEPS = {"plant.spool", "plant.engine", "plant.history", "plant.dead-letters", "plant.records"}


@pytest.fixture(scope="module")
def memory() -> Iterator[Path]:
    """A folder that costs no fsync: power cuts are not what is tested here."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name:
        yield Path(name)


@pytest.fixture
def tmp_path(memory) -> Path:
    return Path(tempfile.mkdtemp(dir=memory))


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    return model(tmp_path_factory.mktemp("plant"))


@pytest.fixture(scope="module")
def filled(memory) -> Path:
    """A data folder with the whole log of every shard, to be copied."""
    data = new_folder(memory / "filled")
    fill(data)
    return data.path


@pytest.fixture(scope="module")
def undisturbed(memory, plant, filled) -> dict[str, list[str]]:
    """What must come of it."""
    data = copied(filled, memory / "undisturbed")
    work(data, plant, 1)
    found = everything(data, plant)
    assert all(found.values()), "every kind of output is there"
    return found


@pytest.fixture(scope="module")
def half_done(memory, plant, filled) -> Path:
    """A data folder of two workers that were killed at work; to be copied."""
    with pytest.MonkeyPatch.context() as patch:
        small_batches(patch)
        data = copied(filled, memory / "half")
        killed(data, plant, 2, 0.4)
        return data.path


def copied(source: Path, target: Path) -> DataFolder:
    shutil.copytree(source, target)
    return DataFolder(target)


def small_batches(monkeypatch) -> None:
    """So that there is something to interrupt."""
    monkeypatch.setattr("sources.spool_bytewax.MAX_MESSAGES", 16)


def arranged(data: DataFolder, workers: int, **transport) -> Layout:
    with data.lock():
        return arrange(data, workers, Transport(**{"shards": SHARDS, **transport}))


def states(data: DataFolder) -> dict[tuple[str, str], bytes]:
    """Where each shard would go on."""
    layout = read_layout(data)
    assert layout is not None
    return {key: one.state for key, one in resume_points(data, layout).items()}


def refused(code: str, call, *arguments, **named) -> DataFolderError:
    with pytest.raises((DataFolderError, ConfigError)) as caught:
        call(*arguments, **named)
    assert caught.value.code == code
    return caught.value


@pytest.mark.parametrize("workers", [2, 3, SHARDS])
def test_any_number_of_workers_gives_the_same(workers, tmp_path, plant, filled, undisturbed):
    data = copied(filled, tmp_path / "data")
    work(data, plant, workers)
    assert everything(data, plant) == undisturbed


@pytest.mark.crash
def test_changing_their_number_after_kills_gives_the_same(tmp_path, plant, filled, undisturbed, monkeypatch):
    small_batches(monkeypatch)
    data = copied(filled, tmp_path / "data")
    total = sum(len(shard_log(shard)) for shard in range(SHARDS))
    for workers, share in ((1, 0.2), (3, 0.4), (2, 0.6), (4, 0.8)):
        killed(data, plant, workers, share)
        assert 0 < sum(reached(data, shard) for shard in range(SHARDS)) < total, "killed in the middle"
    work(data, plant, 2)
    layout = read_layout(data)
    assert layout is not None
    assert (layout.generation, layout.workers) == (5, 2)
    assert everything(data, plant) == undisturbed


@pytest.mark.crash
def test_a_kill_at_the_end_of_the_log_loses_nothing(tmp_path, plant, filled, undisturbed, monkeypatch):
    """The history knows every message by then; dead letters and records may not be on disk yet."""
    small_batches(monkeypatch)
    data = copied(filled, tmp_path / "data")
    killed(data, plant, 2, 1.0)
    work(data, plant, 1)
    assert everything(data, plant) == undisturbed


def test_a_graceful_stop_and_a_change_see_each_offset_once(tmp_path, plant, undisturbed, monkeypatch):
    step, seen = ShardEngine.step, []

    def noted(self, batch):
        seen.extend((self.shard, message.offset) for message in batch)
        return step(self, batch)

    monkeypatch.setattr(ShardEngine, "step", noted)
    data = new_folder(tmp_path / "data")
    for workers, begin, end in ((1, 0.0, 0.3), (3, 0.3, 0.6), (2, 0.6, 0.6), (2, 0.6, 1.0)):
        fill(data, begin, end)
        work(data, plant, workers)
    assert sorted(seen) == [(one, at) for one in range(SHARDS) for at in range(1, len(shard_log(one)) + 1)]
    assert everything(data, plant) == undisturbed


def test_the_state_of_a_shard_that_was_silent_since_a_change_is_still_its_seed(tmp_path, plant, undisturbed):
    data = new_folder(tmp_path / "data")
    fill(data, 0.0, 0.5)
    work(data, plant, 2)
    before = states(data)
    for workers in (3, 2, 1):
        fill(data, 0.5, 1.0, shards=(0,)) if workers == 2 else None
        work(data, plant, workers)
        for (step, key), state in states(data).items():
            assert key == "0000" or pickle.loads(state) == pickle.loads(before[step, key]), (workers, step, key)
    fill(data, 0.5, 1.0, shards=range(1, SHARDS))
    work(data, plant, 1)
    assert everything(data, plant) == undisturbed


@pytest.mark.crash
def test_the_resume_point_is_the_one_that_bytewax_takes(tmp_path, plant, filled, monkeypatch):
    """Bytewax itself, started over the store of a killed flow, gives each step the state that we read from it."""
    small_batches(monkeypatch)
    data = copied(filled, tmp_path / "data")
    for share in (0.2, 0.5, 0.8):
        killed(data, plant, 1, share)
        store = data.recovery(1, 0)
        ours = {key: pickle.loads(one.state) for key, one in resume_point(store).items()}
        assert {step for step, _ in ours} == STEPS
        again = tmp_path / f"store-{share}"
        shutil.copytree(store, again)
        assert given_by_bytewax(copied(data.path, tmp_path / f"data-{share}"), again, plant) == ours


def given_by_bytewax(data: DataFolder, store: Path, plant) -> dict[tuple[str, str], object]:
    """The states with which a flow is built that stops at once."""
    given: dict[tuple[str, str], object] = {}
    with pytest.MonkeyPatch.context() as patch:
        for kind in (SpoolSource, ShardSink):

            def build(self, step_id, for_part, state, real=kind.build_part):
                given[step_id, for_part] = state
                return real(self, step_id, for_part, state)

            patch.setattr(kind, "build_part", build)

        def restore(self, state, real=ShardEngine.restore):
            given["plant.engine", f"{self.shard:04}"] = state
            return real(self, state)

        patch.setattr(ShardEngine, "restore", restore)
        stop = threading.Event()
        stop.set()
        run_main(plant_flow(plant, data, range(SHARDS), stop, SystemClock()), recovery_config=RecoveryConfig(store))
    return given


def test_a_folder_with_a_store_for_each_shard_is_taken_over(tmp_path, plant, undisturbed):
    """Layout 1: no layout.json, state/<shard>/recovery."""
    data = new_folder(tmp_path / "data")
    fill(data, 0.0, 0.5)
    arranged(data, SHARDS)
    for shard in range(SHARDS):
        work_one(data, plant, shard, SHARDS)
    for shard in range(SHARDS):
        shutil.move(data.recovery(1, shard), data.recovery(0, shard))
    shutil.rmtree(data.generation(1).parent)
    data.layout_json.unlink()
    instance = json.loads(data.instance_json.read_text())
    data.instance_json.write_text(json.dumps(instance | {"layout": 1}))

    assert read_layout(data) == Layout(0, SHARDS, SHARDS, "spool")
    before = states(data)
    assert len(before) == SHARDS * len(STEPS)
    assert arranged(data, 2) == Layout(1, 2, SHARDS, "spool")
    assert states(data) == before
    assert data.read_instance().layout == LAYOUT
    assert data.recovery(0, 3).is_dir(), "stays until the next change"
    fill(data, 0.5, 1.0)
    work(data, plant, 2)
    arranged(data, 3)
    assert not data.recovery(0, 3).exists()
    assert sorted(path.name for path in data.generation(1).parent.iterdir()) == ["1", "2"]
    work(data, plant, 3)
    assert everything(data, plant) == undisturbed


@pytest.mark.crash
@pytest.mark.parametrize("old", ["two workers", "a store for each shard"])
def test_a_change_that_is_killed_at_any_step_leaves_the_old_or_the_new_one(old, tmp_path, half_done):
    data = new_folder(tmp_path / "data")
    shutil.copytree(half_done / "state", data.path / "state", dirs_exist_ok=True)
    if old == "a store for each shard":
        arranged(data, SHARDS)
        # A store of layout 1 has its snapshots itself: put the seeds of each shard into one.
        seeds = Seeds.read(data.generation(2)).states
        for shard in range(SHARDS):
            store_of(data.recovery(0, shard), {key: state for key, state in seeds.items() if key[1] == f"{shard:04}"})
        shutil.rmtree(data.generation(2).parent)
        data.layout_json.unlink()
    before, wanted = read_layout(data), states(data)
    assert before is not None
    layouts = Counter()
    for step in range(1, 10_000):
        shutil.rmtree(tmp_path / "try", ignore_errors=True)
        one = copied(data.path, tmp_path / "try")
        child = forked(lambda one=one, step=step: killed_at(step, lambda: arranged(one, 3)))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        found = read_layout(one)
        assert found in (before, Layout(before.generation + 1, 3, SHARDS, "spool")), step
        layouts[found] += 1
        assert states(one) == wanted, step
        assert arranged(one, 2 if step % 2 else 3).shards == SHARDS
        assert states(one) == wanted, step
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert len(layouts) == 2
    assert min(layouts.values()) > 1, layouts


def killed_at(step: int, task) -> None:
    """SIGKILL of this process at the step-th thing that it asks of the file system."""
    count = 0

    def look(event: str, _arguments: object) -> None:
        nonlocal count
        if event in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "sqlite3.connect", "shutil.rmtree"):
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)
    task()


def store_of(folder: Path, snapshots: dict[tuple[str, str], bytes]) -> None:
    """A recovery store in which one epoch with these snapshots is complete."""
    folder.mkdir(parents=True)
    init_db_dir(folder, 1)
    with closing(sqlite3.connect(folder / FILE)) as db:
        db.execute("insert into exs (ex_num, worker_count, resume_epoch) values (0, 1, 1)")
        db.execute("insert into fronts (ex_num, worker_index, worker_frontier) values (0, 0, 2)")
        rows = [(step, key, 1, state) for (step, key), state in snapshots.items()]
        db.executemany("insert into snaps (step_id, state_key, snap_epoch, ser_change) values (?, ?, ?, ?)", rows)
        db.commit()


def test_an_epoch_that_was_not_complete_does_not_count(tmp_path):
    folder = tmp_path / "store"
    store_of(folder, {("plant.spool", "0000"): b"one", ("plant.engine", "0000"): b"two"})
    with closing(sqlite3.connect(folder / FILE)) as db:
        insert = "insert into snaps (step_id, state_key, snap_epoch, ser_change) values (?, ?, ?, ?)"
        db.execute(insert, ("plant.spool", "0000", 2, b"not complete"))
        db.commit()
        assert {key[0]: one.state for key, one in resume_point(folder).items()} == {
            "plant.spool": b"one", "plant.engine": b"two",
        }  # fmt: skip
        db.execute("update fronts set worker_frontier = 3")
        db.commit()
        assert resume_point(folder)["plant.spool", "0000"].state == b"not complete"
        db.execute("insert into exs (ex_num, worker_count, resume_epoch) values (1, 1, 2)")  # started again from there
        db.commit()
        assert resume_point(folder)["plant.spool", "0000"].state == b"one"
        db.execute(insert, ("plant.engine", "0000", 4, None))
        db.execute("insert into fronts (ex_num, worker_index, worker_frontier) values (1, 0, 5)")
        db.commit()
    assert resume_point(folder)["plant.engine", "0000"].state is None


def test_snapshots_of_epochs_that_run_again_are_forgotten(tmp_path):
    """A kill between a snapshot and the frontier leaves them; an idle start would move the frontier past them."""
    folder = tmp_path / "store"
    store_of(folder, {("plant.spool", "0000"): b"one", ("plant.engine", "0000"): b"two"})
    before = (folder / FILE).read_bytes()
    forget_unreached(folder)
    assert (folder / FILE).read_bytes() == before, "nothing is written when there is nothing to forget"
    with closing(sqlite3.connect(folder / FILE)) as db:
        insert = "insert into snaps (step_id, state_key, snap_epoch, ser_change) values (?, ?, ?, ?)"
        db.executemany(insert, [("plant.engine", "0000", epoch, b"unreached") for epoch in (2, 3)])
        db.commit()
    forget_unreached(folder)
    with closing(sqlite3.connect(folder / FILE)) as db:
        assert sorted(db.execute("select step_id, snap_epoch from snaps")) == [("plant.engine", 1), ("plant.spool", 1)]
        db.execute("update fronts set worker_frontier = 9")  # an idle start
        db.commit()
    assert resume_point(folder)["plant.engine", "0000"].state == b"two"


def test_a_worker_forgets_them_before_its_flow_starts(tmp_path, monkeypatch):
    """The flow itself is not run: what its start finds in the store is what counts."""
    config, data = write_plant(tmp_path), new_folder(tmp_path / "data")
    store, found = data.recovery(arranged(data, 1).generation, 0), []
    shutil.rmtree(store)
    store_of(store, {("plant.spool", "0000"): b"one"})
    with closing(sqlite3.connect(store / FILE)) as db:
        insert = "insert into snaps (step_id, state_key, snap_epoch, ser_change) values (?, ?, ?, ?)"
        db.execute(insert, ("plant.engine", "0000", 2, b"unreached"))
        db.commit()

    def start(*_flow, **_how) -> None:
        with closing(sqlite3.connect(store / FILE)) as db:
            found.extend(db.execute("select step_id, snap_epoch from snaps"))

    monkeypatch.setattr("flows.plant.cli_main", start)
    monkeypatch.setattr("flows.plant.stop_on_signals", threading.Event)
    monkeypatch.setattr("flows.plant.gc.freeze", lambda: None)
    monkeypatch.setattr("flows.plant.set_up_logs", lambda _name: None)
    assert flow_main(["--config", str(config), "--data", str(data.path)]) == 0
    assert found == [("plant.spool", 1)]


def test_a_store_in_which_nothing_has_run_has_nothing_to_forget(tmp_path):
    (tmp_path / "store").mkdir()
    init_db_dir(tmp_path / "store", 1)
    forget_unreached(tmp_path / "store")
    refused("layout.no_store", forget_unreached, tmp_path)


def test_nothing_changes_when_nothing_has_changed(tmp_path):
    data = new_folder(tmp_path / "data")
    assert arranged(data, 2) == Layout(1, 2, SHARDS, "spool")
    stamp = data.layout_json.stat().st_mtime_ns
    assert arranged(data, 2) == Layout(1, 2, SHARDS, "spool")
    assert data.layout_json.stat().st_mtime_ns == stamp


def test_more_shards_keep_what_the_others_have(tmp_path, half_done):
    data = copied(half_done, tmp_path / "data")
    before = states(data)
    layout = arranged(data, 4, shards=9)
    assert layout.shards_of(3) == [3, 7]
    assert [layout.shards_of(worker) for worker in range(4)] == [[0, 4, 8], [1, 5], [2, 6], [3, 7]]
    assert states(data) == before


def test_what_cannot_be_done_is_refused_and_leaves_everything(tmp_path, half_done):
    data = copied(half_done, tmp_path / "data")
    layout, before = read_layout(data), states(data)
    refused("layout.fewer_shards", arranged, data, 2, shards=5)
    refused("layout.other_log", arranged, data, 2, kind="kafka", kafka={"brokers": "h:1"})
    refused("layout.not_of_a_cluster", for_cluster, data, Transport(shards=SHARDS))
    assert (read_layout(data), states(data)) == (layout, before)


def test_damage_is_refused(tmp_path, half_done):
    for name, code, damage in (
        ("recovery/1/0/" + FILE, "layout.no_store", Path.unlink),
        ("recovery/1/1/" + FILE, "layout.store_unreadable", lambda path: path.write_bytes(b"\0" * 5000)),
        ("recovery/1/1/" + FILE, "layout.store_unreadable", lambda path: path.write_bytes(b"")),
        (f"recovery/1/{SEEDS}", "layout.seeds_unreadable", Path.unlink),
        ("layout.json", "layout.unreadable", lambda path: path.write_bytes(b"{")),
    ):
        shutil.rmtree(tmp_path / "data", ignore_errors=True)
        data = copied(half_done, tmp_path / "data")
        for beside in ("-wal", "-shm"):
            (data.path / "state" / (name + beside)).unlink(missing_ok=True)
        damage(data.path / "state" / name)
        refused(code, arranged, data, 3)


def test_flipped_bits_in_the_seeds_are_seen(tmp_path, half_done):
    data = copied(half_done, tmp_path / "data")
    arranged(data, 3)
    path = data.generation(2) / SEEDS
    good = path.read_bytes()
    for at in range(0, len(good) - 1, 97):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        refused("layout.seeds_unreadable", Seeds.read, data.generation(2))


def test_a_cluster_has_a_folder_of_its_own(tmp_path):
    data = new_folder(tmp_path / "data")
    for _ in range(2):  # each of its processes asks
        for_cluster(data, Transport(shards=SHARDS))
    refused("layout.of_a_cluster", arranged, data, 2)
    refused("layout.not_of_a_cluster", for_cluster, data, Transport(shards=SHARDS + 1))


def test_a_worker_is_refused_whose_shard_another_one_has(tmp_path, monkeypatch):
    data = new_folder(tmp_path / "data")
    arranged(data, 2)
    transport = Transport(shards=SHARDS)

    def join(worker: int, workers: int) -> Layout:
        with ExitStack() as held:
            return joined(held, data, transport, worker, workers)

    with ExitStack() as held:
        assert joined(held, data, transport, 1, 2).generation == 1
        refused("lock.held", join, 1, 2)
        assert join(0, 2).workers == 2, "the other one's shards are free"
        monkeypatch.setattr(module, "DRAINED_S", 0.2)
        refused("lock.held", join, 0, 3)
        refused("lock.held", arranged, data, 3)
    assert join(0, 3).generation == 2
    with data.lock():  # as a supervisor holds it
        assert join(2, 3).generation == 2
        refused("datafolder.locked", join, 0, 2)


def test_a_change_waits_for_flows_that_still_drain(tmp_path):
    data = new_folder(tmp_path / "data")
    arranged(data, 2)
    lock = Exclusive(data.shard_lock(3))
    timer = threading.Timer(0.3, lock.release)
    timer.start()
    assert arranged(data, 3).generation == 2
    timer.join()


def test_how_many_workers(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2, 3})
    assert workers_for(Transport(shards=2)) == 2
    assert workers_for(Transport(shards=6)) == 4
    assert workers_for(Transport(shards=6, workers=5)) == 5
    assert workers_for(Transport(shards=6, workers=5), 6) == 6
    refused("layout.idle_workers", workers_for, Transport(shards=6), 7)


@pytest.mark.parametrize(("shards", "workers"), [(1, 1), (6, 1), (6, 4), (7, 3), (64, 5)])
def test_every_shard_has_one_worker(shards, workers):
    layout = Layout(1, workers, shards, "spool")
    parts = [layout.shards_of(worker) for worker in range(workers)]
    assert sorted(shard for part in parts for shard in part) == list(range(shards))
    assert all(parts)
