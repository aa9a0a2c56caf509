"""A full disk under each store in turn: the flow ends with a sentence, and goes on without loss when there is space."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from andon.clock import SystemClock
from andon.datafolder import DataFolder
from andon.disk import is_disk_full
from andon.errors import RecordsError, SourceError
from andon.records import Records
from flows.quarantine import Quarantine
from flows.stage import EngineStage
from sinks.dead_letters import DeadLetterStore
from sinks.journal import verify
from sources.spool_bytewax import Batch
from tests.engine_world import Message, open_engine, plant
from tests.test_flow import TOML, alarms, contents, fill, folder, log, reached, run_flow

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("mount") is None, reason="needs root to mount a small tmpfs"
)
MESSAGES = log(300)
FIRST = 200  # messages before the disk fills


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    """The same log without any trouble."""
    data = folder(tmp_path_factory.mktemp("whole"))
    fill(data, MESSAGES)
    run_flow(data)
    return data


@contextmanager
def small_disk(place: Path, size: str = "3m") -> Iterator[None]:
    """Put a folder on a small disk of its own."""
    kept = place.with_name(place.name + ".kept")
    shutil.copytree(place, kept)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"mount is refused here: {mounted.stderr.decode().strip()}")
    try:
        shutil.copytree(kept, place, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def fill_up(place: Path) -> Path:
    """A file that takes all the space there is."""
    filler = place / "filler"
    for path in [] if filler.exists() else place.glob("*.db"):  # a write-ahead log would have room in it
        with closing(sqlite3.connect(path)) as db:
            db.execute("pragma wal_checkpoint(truncate)")
    handle = os.open(filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for size in (65_536, 4_096, 1):
            try:
                while os.write(handle, b"x" * size):
                    pass
            except OSError:
                continue
    finally:
        os.close(handle)
    return filler


def same(data: DataFolder, whole: DataFolder) -> None:
    assert reached(data.history_db(0)) == len(MESSAGES)
    assert contents(data.history_db(0)) == contents(whole.history_db(0))
    assert verify(data.journal(0)) == []
    letters = [DeadLetterStore(one.dead_letters_db(0), 0, 10.0, 90.0).list() for one in (data, whole)]
    assert letters[0] == letters[1]
    with Records(data.records_db, "s1", SystemClock()) as one, Records(whole.records_db, "s1", SystemClock()) as two:
        assert alarms(one) == alarms(two)
        assert alarms(one)


@needs_root
@pytest.mark.parametrize("part", ["journal", "history", "records", "dead-letters", "state"])
def test_the_flow_ends_and_goes_on_without_loss(tmp_path: Path, whole: DataFolder, part: str) -> None:
    data = folder(tmp_path / "data")
    fill(data, MESSAGES[:FIRST])
    run_flow(data)
    with small_disk(data.path / part):
        fill(data, MESSAGES[FIRST:])
        for _ in range(2):  # it is started again and again, and each start finds the disk as full
            filler = fill_up(data.path / part)
            with pytest.raises(Exception) as info:
                run_flow(data)
            assert is_disk_full(info.value, data.path, data.path / part), repr(info.value)
            assert not (data.slots(0).parent / "quarantine.json").exists()
        filler.unlink()
        run_flow(data)
        same(data, whole)


@needs_root
def test_what_is_in_the_spool_is_worked_off_while_its_disk_is_full(tmp_path: Path, whole: DataFolder) -> None:
    data = folder(tmp_path / "data")
    fill(data, MESSAGES[:FIRST])
    with small_disk(data.path / "spool", "24m"):  # the spool leaves 16 MB alone
        filler = fill_up(data.path / "spool")
        os.truncate(filler, filler.stat().st_size - 300_000)  # the reserve that producers leave to the reader
        with pytest.raises(SourceError) as info:
            fill(data, MESSAGES[FIRST:])
        assert info.value.code == "spool.disk_full"
        run_flow(data)
        assert reached(data.history_db(0)) == FIRST
        filler.unlink()
        fill(data, MESSAGES[FIRST:])
        run_flow(data)
        same(data, whole)


@needs_root
@pytest.mark.crash
def test_the_process_says_so_in_one_sentence(tmp_path: Path) -> None:
    config = tmp_path / "plant.toml"
    config.write_text(TOML)
    data = folder(tmp_path / "data")
    fill(data, MESSAGES[:FIRST])
    run_flow(data)
    with small_disk(data.path / "journal"):
        fill(data, MESSAGES[FIRST:])
        fill_up(data.path / "journal")
        done = subprocess.run(
            [sys.executable, "-m", "flows.plant", "--config", config, "--data", data.path, "--worker", "0"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith(f"The disk of {data.path} is full. The flow has ended")
    assert "Traceback" not in done.stderr.strip().splitlines()[-1]


def test_a_failure_of_the_machine_sets_no_message_aside(tmp_path: Path) -> None:
    engine = open_engine(plant(), tmp_path)
    quarantine = Quarantine(tmp_path / "quarantine.json")
    stage = EngineStage(None, lambda _: (engine, quarantine))
    batch = Batch(0, [Message(1, 0, MESSAGES[0][1])])
    for failure in (OSError(28, "No space left on device"), MemoryError()):
        engine.step = _failing(failure)
        with pytest.raises(type(failure)):
            stage.on_batch([batch])
        assert not (tmp_path / "quarantine.json").exists()
    engine.step = _failing(RuntimeError("a fault"))
    with pytest.raises(RuntimeError):
        stage.on_batch([batch])
    assert (tmp_path / "quarantine.json").exists()


def _failing(error: BaseException):
    def step(_):
        raise error

    return step


CAUSES = {
    "the call": (OSError(28, "No space"), True),
    "quota": (OSError(122, "Disk quota exceeded"), True),
    "rights": (PermissionError(13, "Permission denied"), False),
    "records": (RecordsError("records.disk_full", cause="x"), True),
    "spool": (SourceError("spool.disk_full", shard=0, folder="x"), True),
    "another fault": (RuntimeError("a fault in the engine"), False),
    "a disk that fails while there is space": (sqlite3.OperationalError("disk I/O error"), False),
}


@pytest.mark.parametrize(("error", "full"), CAUSES.values(), ids=CAUSES)
def test_causes(tmp_path: Path, error: Exception, full: bool) -> None:
    wrapped = RuntimeError("in the dataflow")
    wrapped.__cause__ = error
    assert is_disk_full(error, tmp_path) is full
    assert is_disk_full(wrapped, tmp_path) is full
