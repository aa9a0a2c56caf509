"""Copying a data folder that is in use: files, SQLite databases, and the state of workers with the log behind it."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from andon.datafolder import DataFolder
from andon.errors import DataFolderError
from flows.recovery import FILE, is_whole
from flows.workers import CLUSTER, Layout, read_layout

SQLITE_MAGIC = b"SQLite format 3\x00"
SKIPPED = ("-wal", "-shm", "-journal", ".new", "lock")
NOT_KEPT = ("alive", "metrics")  # of running processes, worth nothing to the next
TRIES = 20


def copy_tree(source: Path, target: Path) -> None:
    """Copy a part until no file came, went or was cut off while it was copied; what went later stays in the copy."""
    for _ in range(TRIES):
        before = _names(source)
        whole = all(_copy_file(source / name, target / name) for name in before)
        if whole and _names(source) == before:
            return
    raise DataFolderError("backup.unsteady", path=str(source))


def copy_queues(source: Path, target: Path) -> None:
    """Copy what waits for a server, in one pass: files come and go all the while, and need not fit together.

    What went meanwhile has been delivered; what came is behind the state, which was copied before, and is made again.
    """
    for name in _names(source):
        _copy_file(source / name, target / name)


def copy_state_and_log(source: Path, target: Path) -> None:
    """State and log, worker by worker: workers have nothing in common, and the shorter a copy the steadier its source.

    Begun anew when the workers were changed meanwhile.
    """
    folder = DataFolder(source)
    for _ in range(TRIES):
        layout = read_layout(folder)
        for stores, shards in _workers(folder, layout):
            _copy_worker(source, target, stores, shards)
        _copy_rest(folder, target / "state", layout)
        if read_layout(folder) == layout:
            return
        for part in ("state", "spool"):
            shutil.rmtree(target / part, ignore_errors=True)
    raise DataFolderError("backup.unsteady", path=str(folder.layout_json))


def _workers(folder: DataFolder, layout: Layout | None) -> Iterator[tuple[list[str], list[str]]]:
    """(recovery stores, shards) of each worker, as names in state/."""
    state = folder.path / "state"
    entries = [path for part in ("state", "spool") for path in (folder.path / part).glob("*") if path.is_dir()]
    shards = sorted({path.name for path in entries if path.name.isdecimal()})
    if layout is None or layout.workers == CLUSTER:
        other = sorted(path.name for path in state.iterdir() if path.is_dir() and not path.name.isdecimal())
        yield [name for name in other if name not in NOT_KEPT], shards
        return
    for worker in range(layout.workers):
        store = folder.recovery(layout.generation, worker).relative_to(state)
        yield [str(store)], [shard for shard in shards if int(shard) % layout.workers == worker]


def _copy_worker(source: Path, target: Path, stores: Sequence[str], shards: Sequence[str]) -> None:
    """State of a worker, and its shards' logs from before the state's position to now without a hole."""
    logs = [source / "spool" / shard for shard in shards]
    for _ in range(TRIES):
        at_start = [set(_names(log)) for log in logs]
        _copy_state(source / "state", target / "state", stores, shards)
        for log in logs:
            copy_tree(log, target / "spool" / log.name)
        # Segments go oldest first: with those of the start still there, none in between is missing or cut short.
        if all(before <= set(_names(log)) for before, log in zip(at_start, logs, strict=True)):
            return
        for log in logs:
            shutil.rmtree(target / "spool" / log.name, ignore_errors=True)
    raise DataFolderError("backup.unsteady", path=str(source / "spool"))


def _copy_state(source: Path, target: Path, stores: Sequence[str], shards: Sequence[str]) -> None:
    """Recovery stores first, then the slot files they name, before those are used again."""
    for _ in range(TRIES):
        for folder in (*stores, *shards):
            shutil.rmtree(target / folder, ignore_errors=True)
        kept = [f"{store}/{name}" for store in stores for name in _names(source / store)]
        # A store inside a shard's folder is this worker's own, copied already, or one that is not in force any more.
        slots = [f"{shard}/{name}" for shard in shards for name in _names(source / shard)]
        for name in (*kept, *(name for name in slots if "/recovery/" not in name)):
            _copy_file(source / name, target / name)
        found = {(target / name).parent for name in kept if (target / name).name == FILE and (target / name).exists()}
        if all(is_whole(store, target) for store in found):  # a slow copy finds cells that were used again meanwhile
            return
    raise DataFolderError("backup.unsteady", path=str(source))


def _copy_rest(folder: DataFolder, target: Path, layout: Layout | None) -> None:
    """The layout and the seeds that go with it, and the files of single processes."""
    files = [path for path in (folder.path / "state").iterdir() if path.is_file()]
    if layout is not None and layout.generation > 0 and layout.workers != CLUSTER:
        files += [path for path in folder.generation(layout.generation).iterdir() if path.is_file()]
    for path in files:
        if not path.name.endswith(SKIPPED):
            _copy_file(path, target / path.relative_to(folder.path / "state"))


def _names(folder: Path) -> list[str]:
    if not folder.exists():
        return []
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(SKIPPED)]
    names = [path.relative_to(folder) for path in files]
    return sorted(str(name) for name in names if name.parts[0] not in NOT_KEPT)


def _copy_file(source: Path, target: Path) -> bool:
    """Copy one file; False when it went away meanwhile, and then nothing of it is left in the copy."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        if _is_sqlite(source):
            beside = target.with_name(target.name + ".new")
            beside.unlink(missing_ok=True)
            with closing(_open(source)) as old, closing(sqlite3.connect(beside)) as new:
                old.backup(new)
                new.execute("pragma journal_mode=delete")  # one file, no WAL beside it
            beside.replace(target)
        else:
            _copy_without_holes(source, target)
    except (FileNotFoundError, sqlite3.OperationalError):
        if source.exists():
            raise
        return False
    return True


def _copy_without_holes(source: Path, target: Path) -> None:
    """As shutil.copyfile, but holes stay holes: small cells fill a fraction of `cells.slot`."""
    with source.open("rb") as old, target.open("wb") as new:
        size, at = os.fstat(old.fileno()).st_size, 0
        while at < size:
            try:
                begin = os.lseek(old.fileno(), at, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                break  # nothing but a hole is left
            at = min(os.lseek(old.fileno(), begin, os.SEEK_HOLE), size)
            old.seek(begin)
            new.seek(begin)
            left = at - begin
            while left and (block := old.read(min(left, 1 << 20))):
                new.write(block)
                left -= len(block)
        new.truncate(size)


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=10.0)


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
