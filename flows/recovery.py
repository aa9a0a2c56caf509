"""Bytewax's recovery store: made anew, and read as Bytewax 0.21 itself resumes from it.

A store is a folder with one SQLite file. Every start of a flow adds a row to `exs`; the frontier in `fronts` moves on
when an epoch is complete on disk. The next start resumes at the frontier of the newest one: each step takes, for each
key, its newest snapshot from before that epoch. tests/test_workers.py compares this with Bytewax itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from bytewax.recovery import init_db_dir

from andon.errors import DataFolderError
from andon.packed import unpack
from andon.slots import SlotFiles
from flows.state import StateFiles

FILE = "part-0.sqlite3"
ENGINE = "plant.engine"  # id of the step
NEWEST = "select ex_num, worker_count, resume_epoch from exs order by ex_num desc limit 1"
# A column beside a lone max() is of the row that has the maximum: https://sqlite.org/lang_select.html#bareagg
SNAPSHOTS = """
    select step_id, state_key, max(snap_epoch), ser_change, created_at from snaps where snap_epoch < ?
    group by step_id, state_key
"""
_UNREACHED = "select 1 from snaps where snap_epoch >= ? limit 1"
Key = tuple[str, str]  # id of the step, key of the shard


class Snapshot(NamedTuple):
    """State of one step for one key, pickled; None: the step has let the key go. epoch: after which it was taken."""

    state: bytes | None
    epoch: int
    taken: datetime


def make_store(folder: Path) -> None:
    """An empty store of a single worker. What a cut-off attempt left there is removed first by the caller."""
    folder.mkdir(mode=0o700, parents=True)
    init_db_dir(folder, 1)


@contextmanager
def _opened(folder: Path) -> Iterator[sqlite3.Connection]:
    """The store of a folder. Not read-only: what a killed flow left in the WAL has to be taken in first."""
    path = folder / FILE
    if not path.exists():
        raise DataFolderError("layout.no_store", path=str(path))
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=10.0)) as db:
            yield db
    except sqlite3.DatabaseError as error:
        raise DataFolderError("layout.store_unreadable", path=str(path), detail=str(error)) from None


def resume_point(folder: Path) -> dict[Key, Snapshot]:
    """The snapshots that a flow over this store would resume from; empty where none has run.

    DataFolderError when there is no store, or it cannot be read.
    """
    with _opened(folder) as db:
        return _snapshots(db)


def is_whole(store: Path, state: Path) -> bool:
    """Whether the shards' folders in `state` hold all that the engines of this store would resume from."""
    for (step, key), snapshot in resume_point(store).items():
        if step != ENGINE or snapshot.state is None:
            continue
        kept = unpack(snapshot.state)
        if kept is None:
            continue
        layout, _, _, named = kept
        folder = state / str(int(key)) / "slots"
        if not folder.exists():
            return False
        try:
            slots = SlotFiles(folder)
            StateFiles(slots).check(named) if layout > 2 else slots.read(named)
        except DataFolderError:
            return False
    return True


def forget_unreached(folder: Path) -> None:
    """Remove the snapshots of epochs that the next start runs again. To be called before every start.

    A kill between a snapshot and the frontier leaves them. Bytewax writes over one only where its key gets something
    in that epoch again; else a later start would resume the step from it, and the source from before it.
    DataFolderError as `resume_point`.
    """
    with _opened(folder) as db, db:
        epoch = _resume_epoch(db)
        if epoch is not None and db.execute(_UNREACHED, (epoch,)).fetchone():  # mostly none: nothing is written then
            db.execute("delete from snaps where snap_epoch >= ?", (epoch,))


def _resume_epoch(db: sqlite3.Connection) -> int | None:
    newest = db.execute(NEWEST).fetchone()
    if newest is None:
        return None
    number, workers, resumed = newest
    reached = dict(db.execute("select worker_index, worker_frontier from fronts where ex_num = ?", (number,)))
    epoch: int = min(max(resumed, reached.get(worker, resumed)) for worker in range(workers))
    return epoch


def _snapshots(db: sqlite3.Connection) -> dict[Key, Snapshot]:
    epoch = _resume_epoch(db)
    if epoch is None:
        return {}
    return {
        (step, key): Snapshot(state, taken_in, datetime.fromisoformat(at).replace(tzinfo=UTC))
        for step, key, taken_in, state, at in db.execute(SNAPSHOTS, (epoch,))
    }
