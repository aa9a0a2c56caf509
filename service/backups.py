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
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from andon import __version__
from andon.clock import Clock
from andon.datafolder import LAYOUT, DataFolder, write_durably
from andon.errors import DataFolderError
from andon.readings import NS_PER_S
from service.backup_copy import copy_queues, copy_state_and_log, copy_tree

FORMAT = 1
ORDER = ("journal", "dead-letters", "history", "records")  # after state and spool
QUEUES = "out"

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


def back_up(
    folder: DataFolder, target: Path, clock: Clock, progress: Progress = lambda _: None,
    more: Callable[[Path], None] = lambda _: None,
) -> Manifest:  # fmt: skip
    """Copy a data folder, running or not, into a new or empty folder; returns the manifest.

    more: adds what is kept elsewhere to the copied data folder, after state and anchors.

    SQLite files are copied by SQLite's backup API: each is one state of its database. Raises DataFolderError.
    """
    instance = folder.open()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataFolderError("cli.exists", path=str(target))
    data = target / "data"
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.chmod(0o700)
    progress("state, spool")
    copy_state_and_log(folder.path, data)
    for part in ORDER:
        progress(part)
        copy_tree(folder.path / part, data / part)
    progress(QUEUES)
    copy_queues(folder.path / QUEUES, data / QUEUES)
    more(data)
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
