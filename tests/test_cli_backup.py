"""Backup and restore: consistent copies of a moving target, nothing put back that is not what was saved."""

from __future__ import annotations

import json
import pickle
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from bytewax.recovery import init_db_dir

from andon.clock import ManualClock, SystemClock
from andon.datafolder import DataFolder
from andon.errors import DataFolderError
from andon.readings import NS_PER_S
from andon.slots import SlotFiles
from flows.recovery import ENGINE, is_whole, resume_point
from flows.state import StateFiles
from service import backup_copy
from service.backups import back_up, read_backup
from sources.spool import Spool
from tests.command_line import Terminal, andon, audit_actions, site

__all__ = ["andon", "site"]  # fixtures
CLOCK = ManualClock(1_767_225_600 * NS_PER_S)


def bodies(first: int, last: int) -> list[bytes]:
    return [b"%d" % number for number in range(first, last + 1)]


def holes(folder: Path) -> list[tuple[int, int]]:
    """(last offset of a segment, first of the next) where the two do not join; read from the files themselves."""
    spans = []
    for path in sorted(folder.glob("*.db")):
        with closing(sqlite3.connect(path)) as db:
            first = int(path.stem)
            spans.append((first, db.execute("select coalesce(max(last), ?) from batch", (first - 1,)).fetchone()[0]))
    return [(one[1], two[0]) for one, two in pairwise(spans) if one[1] + 1 != two[0]]


def everything(spool: Spool, after: int = 0) -> list[bytes]:
    reader = spool.reader(after)
    messages = []
    while got := reader.read(1000, 10**9):
        messages += got
    reader.close()
    return [message.body for message in messages]


@pytest.fixture
def filled(site: DataFolder) -> DataFolder:
    """Something in every part."""
    with Spool(site.spool(0), 0, CLOCK, segment_bytes=100_000) as spool:
        for begin in range(1, 20_001, 1000):
            spool.append(bodies(begin, begin + 999))
    site.recovery(0, 0).mkdir(parents=True)
    init_db_dir(site.recovery(0, 0), 1)
    slots = SlotFiles(site.slots(0))
    slots.commit([slots.put(b"state" * 1000)[0]])
    for path in (site.history_db(0), site.dead_letters_db(0)):
        with closing(sqlite3.connect(path)) as db:
            db.execute("pragma journal_mode=wal")
            db.execute("create table t (x)")
            db.execute("insert into t values (1)")
            db.commit()
    site.journal(0).mkdir()
    (site.journal(0) / "0.open.arrow").write_bytes(b"rows")
    (site.path / "state" / "alive").mkdir()
    (site.path / "state" / "alive" / "flow-0").write_text("1")
    return site


@pytest.mark.parametrize("size", [0, 1, 4095, 3 << 20, (3 << 20) + 5])
@pytest.mark.parametrize("written", [(), (0,), (1 << 20,), (4096, 2 << 20, 3 << 20)])
def test_holes_of_a_file_stay_holes(tmp_path: Path, size: int, written: tuple[int, ...]) -> None:
    """Small cells fill a fraction of a slot file; a copy that writes the rest may not fit on the disk."""
    source, target = tmp_path / "cells.slot", tmp_path / "copy"
    with source.open("wb") as file:
        for at in written:
            file.seek(min(at, size))
            file.write(b"x" * min(5000, size - min(at, size)))
        file.truncate(size)
    target.write_bytes(b"what was here before" * 1000)
    backup_copy._copy_without_holes(source, target)
    assert target.read_bytes() == source.read_bytes()
    if size >= 3 << 20:
        assert target.stat().st_blocks * 512 < size // 2


def test_a_backup_keeps_holes(tmp_path: Path) -> None:
    source = tmp_path / "cells.slot"
    with source.open("wb") as file:
        file.write(b"x")
        file.truncate(8 << 20)
    assert backup_copy._copy_file(source, tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_blocks * 512 < 1 << 20


def test_backup_and_restore_bring_everything_back(andon: Terminal, filled: DataFolder) -> None:
    answer = json.loads(andon("backup", "b", "--json"))
    assert answer["files"] > 8
    manifest = read_backup(Path("b"))
    names = {entry.path for entry in manifest.files}
    assert {"instance.json", "records/records.db", "journal/0/0.open.arrow", "state/0/slots/cells.slot"} <= names
    assert not [name for name in names if name.endswith(("-wal", "-shm", "lock")) or "alive" in name]
    assert audit_actions(filled) == ["backup"]

    filled.path.rename("lost")
    andon("restore", "b", "--reason", "disk replaced", "--by", "Wang Min")
    restored = DataFolder(Path("data"))
    assert restored.open("szh1").shards == 1
    assert restored.path.stat().st_mode & 0o777 == 0o700
    with Spool(restored.spool(0), 0, CLOCK) as spool:
        assert everything(spool) == bodies(1, 20_000)
    with closing(sqlite3.connect(restored.history_db(0))) as db:
        assert db.execute("select x from t").fetchall() == [(1,)]
    assert (restored.slots(0) / "cells.slot").read_bytes() == b"state" * 1000
    # the backup's own audit record came after the copy was made
    assert audit_actions(restored) == ["restore", "state.set"]
    assert not Path("data.restoring").exists()


def test_restore_replaces_only_when_told_and_keeps_the_old_folder(andon: Terminal, filled: DataFolder) -> None:
    andon("backup", "b")
    (filled.path / "journal" / "0" / "1.open.arrow").write_bytes(b"later")
    andon("restore", "b", "--reason", "x", status=1)
    assert "--replace" in andon.err
    andon("restore", "b", "--replace", "--reason", "x")
    assert Path("data.before-restore-1/journal/0/1.open.arrow").read_bytes() == b"later"
    assert not Path("data/journal/0/1.open.arrow").exists()
    andon("restore", "b", "--replace", "--reason", "x")
    assert Path("data.before-restore-2").is_dir()


def test_restore_refuses_a_running_service(andon: Terminal, filled: DataFolder) -> None:
    andon("backup", "b")
    with filled.lock():
        andon("restore", "b", "--replace", "--reason", "x", status=1)
    assert "in use" in andon.err
    assert audit_actions(filled) == ["backup"]


@pytest.mark.usefixtures("filled")
def test_restore_needs_a_reason_and_the_right_site(andon: Terminal) -> None:
    andon("backup", "b")
    andon("restore", "b", "--data", "new", status=1)
    andon("init", "other", "--site", "other")
    andon("restore", "b", "--data", "new", "--config", "other/plant.toml", "--reason", "x", status=1)
    assert "belongs to site 'szh1'" in andon.err
    assert not Path("new").exists()


@pytest.mark.parametrize("damage", ["edit", "remove", "add", "manifest", "no manifest"])
@pytest.mark.usefixtures("filled")
def test_a_backup_that_is_not_what_was_saved_is_refused(andon: Terminal, damage: str) -> None:
    andon("backup", "b")
    victim = Path("b/data/records/records.db")
    if damage == "edit":
        content = bytearray(victim.read_bytes())
        content[100] ^= 1
        victim.write_bytes(content)
    elif damage == "remove":
        victim.unlink()
    elif damage == "add":
        Path("b/data/records/more.db").touch()
    elif damage == "manifest":
        Path("b/manifest.json").write_text("{}")
    else:
        Path("b/manifest.json").unlink()
    andon("restore", "b", "--data", "new", "--reason", "x", status=1)
    assert andon.err.startswith("error: b: ")
    assert not Path("new").exists()
    assert not Path("new.restoring").exists()


@pytest.mark.usefixtures("filled")
def test_backup_goes_only_into_an_empty_folder(andon: Terminal) -> None:
    Path("b").mkdir()
    Path("b/x").touch()
    andon("backup", "b", status=1)
    assert [entry.name for entry in Path("b").iterdir()] == ["x"]


def test_backup_while_the_spool_is_written_and_released(filled: DataFolder, tmp_path: Path) -> None:
    """The copied log has no hole and reaches at least to where the copied state stood."""
    stop = threading.Event()
    appended = 20_000

    def traffic() -> None:
        nonlocal appended
        with Spool(filled.spool(0), 0, CLOCK, segment_bytes=100_000) as spool:
            reader = spool.reader(0)
            while not stop.wait(0.02):  # a segment lasts about half a second; real ones are 300 times as large
                spool.append(bodies(appended + 1, appended + 500))
                appended += 500
                for message in reader.read(700, 10**9)[-1:]:
                    reader.release(message.offset - 300)
            reader.close()

    writer = threading.Thread(target=traffic)
    writer.start()
    try:
        for number in range(3):
            at_start = appended
            manifest = back_up(filled, tmp_path / f"b{number}", SystemClock())
            assert manifest == read_backup(tmp_path / f"b{number}")
            assert holes(tmp_path / f"b{number}" / "data" / "spool" / "0") == []
            with Spool(tmp_path / f"b{number}" / "data" / "spool" / "0", 0, CLOCK) as copy:
                got = everything(copy, copy.first_offset() - 1)
                assert got == bodies(copy.first_offset(), copy.last_offset())
                assert copy.last_offset() >= at_start
    finally:
        stop.set()
        writer.join()


def test_a_segment_that_fills_and_goes_while_the_state_is_copied_leaves_no_hole(
    filled: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_state, times = backup_copy._copy_state, []

    def slow(*arguments: object) -> None:
        copy_state(*arguments)
        times.append(1)
        if len(times) == 1:  # everything that was there fills up, is read and let go
            with Spool(filled.spool(0), 0, CLOCK, segment_bytes=100_000) as spool:
                for begin in range(20_001, 40_001, 1000):
                    spool.append(bodies(begin, begin + 999))
                reader = spool.reader(0)
                while reader.read(1000, 10**9):
                    pass
                reader.release(30_000)
                reader.close()

    monkeypatch.setattr(backup_copy, "_copy_state", slow)
    back_up(filled, tmp_path / "b", SystemClock())
    copied = tmp_path / "b" / "data" / "spool" / "0"
    assert len(times) == 2
    assert holes(copied) == []
    with Spool(copied, 0, CLOCK) as copy:
        assert 20_001 <= copy.first_offset() <= 30_001
        assert copy.last_offset() == 40_000


def test_slots_that_were_used_again_meanwhile_are_copied_again(
    filled: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (store,) = filled.recovery(0, 0).glob("*.sqlite3")
    state = StateFiles(SlotFiles(filled.slots(0)))

    def snapshot(epoch: int) -> None:
        kept = 3, 0, None, state.write({"part": b"%05d" % epoch * 1000}, {})
        with closing(sqlite3.connect(store)) as db:
            db.execute("insert or ignore into exs (ex_num, worker_count, resume_epoch) values (0, 1, 1)")
            db.execute(
                "insert into snaps (step_id, state_key, snap_epoch, ser_change) values (?, '0000', ?, ?)",
                (ENGINE, epoch, pickle.dumps(kept)),
            )
            db.execute(
                "insert or replace into fronts (ex_num, worker_index, worker_frontier) values (0, 0, ?)", (epoch + 1,)
            )
            db.commit()

    snapshot(10)
    copy_file, copies = backup_copy._copy_file, []

    def slow(source: Path, target: Path) -> bool:
        if source.suffix == ".slot":
            copies.append(source)
            if len(copies) == 1:
                for epoch in range(11, 18):  # the cells that snapshot 10 names hold other bytes by now
                    snapshot(epoch)
        return copy_file(source, target)

    monkeypatch.setattr(backup_copy, "_copy_file", slow)
    back_up(filled, tmp_path / "b", SystemClock())
    assert len(copies) == 2
    copied = tmp_path / "b" / "data" / "state" / "0"
    assert resume_point(copied / "recovery")[ENGINE, "0000"].epoch == 17
    assert is_whole(copied / "recovery", copied.parent)


def test_queues_whose_files_come_and_go_do_not_hold_a_backup_up(filled: DataFolder, tmp_path: Path) -> None:
    queue, stop = filled.segments("influx", 0), threading.Event()
    queue.mkdir(parents=True, exist_ok=True)
    (queue / "kept").write_bytes(b"x" * 1000)

    def rotate() -> None:
        number = 0
        while not stop.wait(0.001):
            (queue / f"{number}.seg").write_bytes(b"x")
            (queue / f"{number - 3}.seg").unlink(missing_ok=True)
            number += 1

    writer = threading.Thread(target=rotate)
    writer.start()
    try:
        manifest = back_up(filled, tmp_path / "b", SystemClock())
    finally:
        stop.set()
        writer.join()
    assert manifest == read_backup(tmp_path / "b")
    assert any(entry.path.endswith("kept") for entry in manifest.files)


def test_backup_gives_up_on_what_never_stands_still(
    filled: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter: Iterator[int] = iter(range(10**6))
    names = backup_copy._names
    monkeypatch.setattr(backup_copy, "_names", lambda folder: [*names(folder), f"gone-{next(counter)}"])
    monkeypatch.setattr(backup_copy, "_copy_file", lambda _source, _target: False)
    with pytest.raises(DataFolderError) as caught:
        back_up(filled, tmp_path / "b", SystemClock())
    assert caught.value.code == "backup.unsteady"
    assert not (tmp_path / "b" / "manifest.json").exists()
