"""Copies of a data folder: made while the service runs, checked before anything is put back.

A backup is a folder with `data/`, the files in the layout of the data folder, and `manifest.json` with the SHA-256 of
each. The manifest is written last, so a backup that was cut off has none and is refused.

Order makes the copy usable. State is copied before what it refers to grows on: a state that is older than spool,
journal and records is replayed forward, as after a crash, and everything it writes again has the same keys. The spool
also loses segments at its old end; when one that was there before the state was copied is gone afterwards, both are
copied anew. Rejected: copying the spool before and after the state, with the two merged. A segment that was half full
at the first copy, then filled and was let go before the second, left a hole in the log.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from andon import __version__
from andon.clock import Clock
from andon.datafolder import LAYOUT, DataFolder, write_durably
from andon.errors import DataFolderError
from andon.readings import NS_PER_S

FORMAT = 1
ORDER = ("journal", "dead-letters", "history", "records")  # after state and spool
SQLITE_MAGIC = b"SQLite format 3\x00"
SKIPPED = ("-wal", "-shm", "-journal", ".new", "lock")
NOT_KEPT = ("alive", "metrics")  # of running processes, worth nothing to the next
TRIES = 20
SNAPSHOTS_KEPT = 3  # a slot is used again when none of the last four snapshots names it

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a backup; path is relative to the data folder."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. made is RFC 3339, UTC."""

    format: int
    andon: str
    site_id: str
    layout: int
    made: str
    files: tuple[Entry, ...]

    def digest(self) -> str:
        """SHA-256 over the manifest's content: names the backup in the audit trail."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def back_up(folder: DataFolder, target: Path, clock: Clock, progress: Progress = lambda _: None) -> Manifest:
    """Copy a data folder, running or not, into a new or empty folder; returns the manifest.

    SQLite files are copied by SQLite's backup API: each is one state of its database. Raises DataFolderError.
    """
    instance = folder.open()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataFolderError("cli.exists", path=str(target))
    data = target / "data"
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.chmod(0o700)
    progress("state, spool")
    _copy_state_and_log(folder.path, data)
    for part in ORDER:
        progress(part)
        _copy_tree(folder.path / part, data / part)
    shutil.copyfile(folder.instance_json, data / folder.instance_json.name)
    files = tuple(_entry(data, path) for path in sorted(data.rglob("*")) if path.is_file())
    made = datetime.fromtimestamp(clock.now_ns() // NS_PER_S, UTC).isoformat()
    manifest = Manifest(FORMAT, __version__, instance.site_id, instance.layout, made, files)
    write_durably(target / "manifest.json", json.dumps(asdict(manifest), indent=1).encode() + b"\n")
    return manifest


def read_backup(source: Path) -> Manifest:
    """The manifest of a backup whose every file is there, unchanged, and no other. Raises DataFolderError."""
    try:
        raw = json.loads((source / "manifest.json").read_bytes())
        files = tuple(Entry(**entry) for entry in raw.pop("files"))
        manifest = Manifest(**raw, files=files)
    except FileNotFoundError:
        raise DataFolderError("backup.no_manifest", path=str(source)) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataFolderError("backup.broken_manifest", path=str(source), detail=str(error)) from None
    if manifest.format > FORMAT or manifest.layout > LAYOUT:
        raise DataFolderError("backup.newer", path=str(source), version=manifest.andon)
    wrong = list(_differences(source / "data", manifest))
    if wrong:
        raise DataFolderError("backup.changed", path=str(source), count=len(wrong), files=", ".join(wrong[:5]))
    return manifest


def put_back(source: Path, manifest: Manifest, target: Path, finish: Callable[[DataFolder], None]) -> Path | None:
    """Replace the data folder by a checked backup in one step; returns where the old one was moved to, if any.

    finish gets the new folder while it still lies beside the old one: what it refuses leaves everything as it was.
    The caller holds the old folder's lock.
    """
    beside = target.with_name(target.name + ".restoring")
    if beside.exists():
        shutil.rmtree(beside)  # of a restore that was cut off; never anything else by that name
    shutil.copytree(source / "data", beside)
    wrong = list(_differences(beside, manifest))
    if wrong:
        raise DataFolderError("backup.changed", path=str(source), count=len(wrong), files=", ".join(wrong[:5]))
    new = DataFolder(beside)
    new.open(manifest.site_id)
    finish(new)
    kept = _move_away(target)
    beside.rename(target)
    return kept


def _move_away(target: Path) -> Path | None:
    if not target.exists():
        return None
    if not any(target.iterdir()):
        target.rmdir()
        return None
    number = 1
    while (kept := target.with_name(f"{target.name}.before-restore-{number}")).exists():
        number += 1
    target.rename(kept)
    return kept


def _copy_tree(source: Path, target: Path) -> None:
    """Copy a part until no file came, went or was cut off while it was copied; what went later stays in the copy."""
    for _ in range(TRIES):
        before = _names(source)
        whole = all(_copy_file(source / name, target / name) for name in before)
        if whole and _names(source) == before:
            return
    raise DataFolderError("backup.unsteady", path=str(source))


def _copy_state_and_log(source: Path, target: Path) -> None:
    """State and log, shard by shard: shards have nothing in common, and the shorter a copy the steadier its source."""
    parts = [path for part in ("state", "spool") if (source / part).exists() for path in (source / part).iterdir()]
    for shard in sorted({path.name for path in parts if path.is_dir() and path.name not in NOT_KEPT}):
        _copy_shard(source, target, shard)
    for path in parts:
        if path.is_file() and not path.name.endswith(SKIPPED):
            _copy_file(path, target / path.relative_to(source))


def _copy_shard(source: Path, target: Path, shard: str) -> None:
    """State of a shard, and its log from before the state's position to now without a hole."""
    log, copied = source / "spool" / shard, target / "spool" / shard
    for _ in range(TRIES):
        at_start = set(_names(log))
        _copy_state(source / "state" / shard, target / "state" / shard)
        _copy_tree(log, copied)
        # Segments go oldest first: with those of the start still there, none in between is missing or cut short.
        if at_start <= set(_names(log)):
            return
        shutil.rmtree(copied)
    raise DataFolderError("backup.unsteady", path=str(log))


def _copy_state(source: Path, target: Path) -> None:
    """Recovery stores first, then the slot files they name, before those are used again."""
    for _ in range(TRIES):
        if target.exists():
            shutil.rmtree(target)
        for name in (name for name in _names(source) if "/recovery/" in f"/{name}"):
            _copy_file(source / name, target / name)
        for name in (name for name in _names(source) if "/recovery/" not in f"/{name}"):
            _copy_file(source / name, target / name)
        if all(_newest_epoch(source / name) - _newest_epoch(target / name) <= SNAPSHOTS_KEPT
               for name in _names(target) if "/recovery/" in f"/{name}"):  # fmt: skip
            return
    raise DataFolderError("backup.unsteady", path=str(source))


def _newest_epoch(path: Path) -> int:
    """Epoch of the newest snapshot in a recovery store; 0 where there is none."""
    if not _is_sqlite(path):
        return 0
    with closing(_open(path)) as db:
        if not db.execute("select 1 from sqlite_master where name = 'snaps'").fetchone():
            return 0
        return int(db.execute("select coalesce(max(snap_epoch), 0) from snaps").fetchone()[0])


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
            shutil.copyfile(source, target)
    except (FileNotFoundError, sqlite3.OperationalError):
        if source.exists():
            raise
        return False
    return True


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=10.0)


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC


def _entry(data: Path, path: Path) -> Entry:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        os.fsync(file.fileno())
        while block := file.read(1 << 20):
            digest.update(block)
    return Entry(str(path.relative_to(data)), path.stat().st_size, digest.hexdigest())


def _differences(data: Path, manifest: Manifest) -> Iterator[str]:
    listed = {entry.path: entry for entry in manifest.files}
    found = {str(path.relative_to(data)) for path in data.rglob("*") if path.is_file()}
    yield from sorted(found ^ listed.keys())
    for name in sorted(found & listed.keys()):
        if _entry(data, data / name) != listed[name]:
            yield name
