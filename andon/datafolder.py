"""The data folder: everything a site's Andon keeps, in one place with one layout, for its owner only.

instance.json          site id, shards, layout version, when created
lock                   flock of the supervisor
records/records.db     operational database: alarms, outbox, audit, users
dead-letters/N.db      of shard N, one writer process each
history/N.db           windows, figures, latest values, ledger of shard N
journal/N/             accepted readings, Arrow segments
spool/N/               queue segments
out/TARGET/N/          lines of shard N on their way to a target
state/models.json      which detector judges which series from when on
state/layout.json      which process works which shards (flows/workers.py)
state/recovery/G/W/    Bytewax's recovery store of worker W in generation G of that
state/N/slots/         large state of shard N, slot files
logs/                  JSON lines of each process
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from andon.clock import Clock, SystemClock
from andon.errors import DataFolderError
from andon.readings import NS_PER_S

LAYOUT = 2  # 1: a recovery store a shard, without state/layout.json
PARTS = ("records", "dead-letters", "history", "journal", "spool", "out", "state", "logs")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Instance:
    """What instance.json says. created is RFC 3339, UTC; shards None where the folder is not bound to a number."""

    site_id: str
    layout: int
    created: str
    shards: int | None = None


@dataclass(frozen=True)
class DataFolder:
    """Paths below `path`; nothing is touched before `create`, `open` or `lock`."""

    path: Path

    @property
    def instance_json(self) -> Path:
        """Whose folder it is."""
        return self.path / "instance.json"

    @property
    def records_db(self) -> Path:
        """The operational database."""
        return self.path / "records" / "records.db"

    @property
    def logs(self) -> Path:
        """Folder of the processes' logs."""
        return self.path / "logs"

    def dead_letters_db(self, shard: int) -> Path:
        """Dead letters of a shard."""
        return self.path / "dead-letters" / f"{shard}.db"

    def history_db(self, shard: int) -> Path:
        """Windows, figures, latest values and ledger of a shard."""
        return self.path / "history" / f"{shard}.db"

    def history_dbs(self, count: int) -> list[Path]:
        """Those of shards 0 to count - 1, in order; whether they are there is not looked at."""
        return [self.history_db(shard) for shard in range(count)]

    def journal(self, shard: int) -> Path:
        """Folder of a shard's accepted readings."""
        return self.path / "journal" / str(shard)

    def spool(self, shard: int) -> Path:
        """Folder of a shard's queue."""
        return self.path / "spool" / str(shard)

    def segments(self, target: str, part: int | str) -> Path:
        """Folder of what waits for a target (influx, kafka): of a shard, or of a process by its name."""
        return self.path / "out" / target / str(part)

    @property
    def layout_json(self) -> Path:
        """Which process works which shards."""
        return self.path / "state" / "layout.json"

    @property
    def models_json(self) -> Path:
        """Which detector judges which series from when on (andon/models.py)."""
        return self.path / "state" / "models.json"

    def generation(self, number: int) -> Path:
        """Folder of all recovery stores of a generation, from 1."""
        return self.path / "state" / "recovery" / str(number)

    def recovery(self, generation: int, worker: int) -> Path:
        """Folder of a worker's Bytewax recovery store; in generation 0, layout 1, every shard was its own worker."""
        if generation == 0:
            return self.path / "state" / str(worker) / "recovery"
        return self.generation(generation) / str(worker)

    def shard_lock(self, shard: int) -> Path:
        """Lock file of the flow that works a shard."""
        return self.path / "state" / str(shard) / "lock"

    def slots(self, shard: int) -> Path:
        """Folder of a shard's slot files."""
        return self.path / "state" / str(shard) / "slots"

    def process_lock(self, name: str) -> Path:
        """Lock file of a process of which there is one on a data folder."""
        return self.path / "state" / f"{name}.lock"

    def create(self, site_id: str, shards: int | None = None, clock: Clock | None = None) -> Instance:
        """Make the folder for a site, or open it if it is that site's already. clock: the machine's if not given.

        Raises DataFolderError where `open` does, and when the folder holds files that are not Andon's.
        """
        _make(self.path)
        if self.instance_json.exists():
            return self.open(site_id, shards)
        strange = sorted(entry.name for entry in self.path.iterdir() if entry.name not in {*PARTS, "lock"})
        if strange:
            raise DataFolderError("datafolder.not_ours", path=str(self.path), found=", ".join(strange[:5]))
        created = datetime.fromtimestamp((clock or SystemClock()).now_ns() // NS_PER_S, UTC)
        instance = Instance(site_id, LAYOUT, created.isoformat(), shards)
        write_durably(self.instance_json, json.dumps(asdict(instance), indent=2).encode() + b"\n")
        return self.open(site_id, shards)

    def open(self, site_id: str | None = None, shards: int | None = None) -> Instance:
        """Check the folder and make its missing parts. From here on this process creates files for its owner only.

        site_id, shards : what the configuration says; checked where given.
        Raises DataFolderError when there is no folder, it is another site's or user's, a newer version's, or was
        made for another number of shards. Rights wider than 0700 are narrowed, with a warning.
        """
        instance = self.read_instance()
        if instance.layout > LAYOUT:
            raise DataFolderError("datafolder.newer", path=str(self.path), found=instance.layout, known=LAYOUT)
        if site_id is not None and instance.site_id != site_id:
            raise DataFolderError("datafolder.other_site", path=str(self.path), found=instance.site_id, site=site_id)
        if shards is not None and instance.shards is not None and instance.shards != shards:
            raise DataFolderError("datafolder.shards", path=str(self.path), found=instance.shards, shards=shards)
        os.umask(0o077)
        for folder in (self.path, *(self.path / part for part in PARTS)):
            _make(folder)
            self._narrow(folder, 0o700)
        self._narrow(self.instance_json, 0o600)
        return instance

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for this process and the children it forks; DataFolderError when another one holds it.

        The kernel gives the lock back when the holder ends, however it ends.
        """
        handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = os.pread(handle, 32, 0).decode(errors="replace").strip()
                raise DataFolderError("datafolder.locked", path=str(self.path), pid=pid or "?") from None
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(handle)

    def in_use(self) -> bool:
        """Whether a process holds the lock just now."""
        if not (self.path / "lock").exists():
            return False
        try:
            with self.lock():
                return False
        except DataFolderError:
            return True

    def read_instance(self) -> Instance:
        """What instance.json says, unchecked; DataFolderError where it cannot be read."""
        try:
            raw = json.loads(self.instance_json.read_bytes())
            return Instance(str(raw["site_id"]), int(raw["layout"]), str(raw["created"]), raw.get("shards"))
        except (FileNotFoundError, NotADirectoryError):
            raise DataFolderError("datafolder.missing", path=str(self.path)) from None
        except OSError as error:
            raise DataFolderError("datafolder.unreadable", path=str(self.path), detail=error.strerror) from None
        except (ValueError, KeyError, TypeError) as error:
            raise DataFolderError("datafolder.broken", path=str(self.instance_json), detail=repr(error)) from None

    def renew(self, shards: int | None = None) -> None:
        """Write instance.json anew, with this version's layout and, where given, another number of shards.

        The caller holds the lock.
        """
        instance = self.read_instance()
        fresh = replace(instance, layout=LAYOUT, shards=instance.shards if shards is None else shards)
        if fresh != instance:
            write_durably(self.instance_json, json.dumps(asdict(fresh), indent=2).encode() + b"\n")

    def _narrow(self, path: Path, mode: int) -> None:
        found = path.stat().st_mode & 0o777
        if not found & ~mode:
            return
        try:
            path.chmod(found & mode)
        except PermissionError:
            raise DataFolderError("datafolder.other_owner", path=str(path)) from None
        log.warning("datafolder.rights_narrowed", path=str(path), found=oct(found), now=oct(found & mode))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DataFolderError("datafolder.cannot_make", path=str(folder), detail=error.strerror) from None


def write_durably(path: Path, content: bytes) -> None:
    """Replace a small file so that after a crash it is the old or the new one, whole; rights 0600."""
    beside = path.with_name(path.name + ".new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
