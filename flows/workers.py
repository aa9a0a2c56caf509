"""Which worker works which shards, where their state lies, and the change from one number of workers to another.

Worker w of N is a process with one single-worker flow over the shards s with s % N == w, and a recovery store of its
own. `state/layout.json` says which generation of stores is in force; replacing it is the one step that changes
anything, so that whatever interrupts a change leaves the old layout or the new one, whole:

1. with every shard's lock held, read the point that each shard would resume from;
2. write the new generation's folder: empty stores and the resume points as seeds (flows/seeds.py);
3. replace layout.json.

Stores of a generation stay until the next change; what was cut off is removed by the next try.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from andon.config.models import Transport
from andon.datafolder import DataFolder, write_durably
from andon.errors import ConfigError, DataFolderError
from andon.locks import Exclusive
from flows.recovery import Key, Snapshot, make_store, resume_point
from flows.seeds import Seeds

DRAINED_S = 30.0  # the flows of a supervisor that was killed have 20 s to drain
LOOK_S = 0.1
CLUSTER = 0  # workers of a folder that a Bytewax cluster works
T = TypeVar("T")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Layout:
    """What layout.json says. generation 0: a folder of layout 1, which has a store for each shard and no such file.

    workers: number of processes, or CLUSTER. log: "spool" or "kafka"; offsets of one mean nothing in the other.
    """

    generation: int
    workers: int
    shards: int
    log: str

    def shards_of(self, worker: int) -> list[int]:
        """The shards of a worker, ascending.

        >>> Layout(1, 2, 5, "spool").shards_of(1)
        [1, 3]
        """
        return list(range(worker, self.shards, self.workers))


def workers_for(transport: Transport, asked: int | None = None) -> int:
    """How many workers: as asked, else transport.workers, else one a core; ConfigError for more than shards."""
    number = asked or transport.workers
    if number is None:
        return min(transport.shards, len(os.sched_getaffinity(0)))
    if number > transport.shards:
        raise ConfigError("layout.idle_workers", workers=number, shards=transport.shards)
    return number


def read_layout(data: DataFolder) -> Layout | None:
    """The layout in force; None where nothing has run yet. DataFolderError for a file that cannot be read."""
    try:
        raw = json.loads(data.layout_json.read_bytes())
        return Layout(int(raw["generation"]), int(raw["workers"]), int(raw["shards"]), str(raw["log"]))
    except FileNotFoundError:
        old = [int(path.parent.name) for path in data.path.glob("state/*/recovery") if path.parent.name.isdecimal()]
        shards = data.read_instance().shards or max(old, default=-1) + 1
        return Layout(0, shards, shards, "spool") if old else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataFolderError("layout.unreadable", path=str(data.layout_json), detail=repr(error)) from None


def arrange(data: DataFolder, workers: int, transport: Transport) -> Layout:
    """The layout for so many workers; made when the folder has another one. The caller holds the folder's lock.

    Waits for flows that still drain. DataFolderError when shards went away, the log is of another kind, a Bytewax
    cluster has the state, or a flow keeps its shard.
    """
    found = read_layout(data)
    if found is not None and _is(found, transport, workers):
        return found
    wanted = Layout(found.generation if found else 0, workers, transport.shards, transport.kind)
    if found is not None:
        _refuse(data, found, wanted)
    with _locked(data, max(wanted.shards, found.shards if found else 0)):
        points = resume_points(data, found) if found else {}
        layout = Layout(wanted.generation + 1, workers, transport.shards, transport.kind)
        _make(data, layout, Seeds({key: one.state for key, one in points.items() if one.state is not None}))
        data.renew()
        write_durably(data.layout_json, json.dumps(asdict(layout)).encode() + b"\n")
        _remove_before(data, wanted.generation)
    log.info("layout.changed", **asdict(layout))
    return layout


def join(held: ExitStack, data: DataFolder, transport: Transport, worker: int, workers: int) -> Layout:
    """Take a worker's shards until `held` closes, in the layout that the supervisor made.

    A worker that is started by hand makes the layout itself. DataFolderError("lock.held") when another process has
    one of the shards.
    """
    if not _is(read_layout(data), transport, workers):
        with ExitStack() as alone:
            patiently(lambda: alone.enter_context(data.lock()))
            arrange(data, workers, transport)
    for shard in range(worker, transport.shards, workers):
        held.callback(Exclusive(data.shard_lock(shard)).release)
    layout = read_layout(data)  # nobody can change it any more: that takes every shard
    if layout is None or not _is(layout, transport, workers):
        raise DataFolderError("layout.changed", path=str(data.path))
    return layout


def for_cluster(data: DataFolder, transport: Transport) -> None:
    """Note that a Bytewax cluster works this folder; DataFolderError when workers do. Each of its processes asks."""
    with ExitStack() as stack:
        held = patiently(partial(Exclusive, data.process_lock("layout")))
        stack.callback(held.release)
        found = read_layout(data)
        wanted = Layout(found.generation if found else 1, CLUSTER, transport.shards, transport.kind)
        if found is None:
            write_durably(data.layout_json, json.dumps(asdict(wanted)).encode() + b"\n")
        elif found != wanted:
            raise DataFolderError("layout.not_of_a_cluster", path=str(data.path))


def resume_points(data: DataFolder, layout: Layout) -> dict[Key, Snapshot]:
    """Where every shard would go on, by step and key: its store's snapshots, else the seeds of the generation."""
    points: dict[Key, Snapshot] = {}
    if layout.generation > 0:
        folder = data.generation(layout.generation)
        points = {key: Snapshot(state, 0, Seeds.made(folder)) for key, state in Seeds.read(folder).states.items()}
    for worker in range(layout.workers):
        store = data.recovery(layout.generation, worker)
        if layout.generation > 0 or store.exists():  # before, a shard without rows had none
            points |= resume_point(store)
    return points


def patiently(take: Callable[[], T]) -> T:
    """Take a lock that its holder is about to give back; its DataFolderError after `DRAINED_S`."""
    deadline = time.monotonic() + DRAINED_S
    while True:
        try:
            return take()
        except DataFolderError:
            if time.monotonic() > deadline:
                raise
        time.sleep(LOOK_S)


@contextmanager
def _locked(data: DataFolder, shards: int) -> Iterator[None]:
    """Hold every shard, as the flows themselves do: nobody writes a snapshot now."""
    with ExitStack() as stack:
        for shard in range(shards):
            stack.callback(patiently(partial(Exclusive, data.shard_lock(shard))).release)
        yield


def _is(found: Layout | None, transport: Transport, workers: int) -> bool:
    wanted = (workers, transport.shards, transport.kind)
    return found is not None and found.generation > 0 and (found.workers, found.shards, found.log) == wanted


def _refuse(data: DataFolder, found: Layout, wanted: Layout) -> None:
    path = str(data.path)
    if found.workers == CLUSTER:
        raise DataFolderError("layout.of_a_cluster", path=path)
    if found.log != wanted.log:
        raise DataFolderError("layout.other_log", path=path, found=found.log, wanted=wanted.log)
    if found.shards > wanted.shards:
        raise DataFolderError("layout.fewer_shards", path=path, found=found.shards, wanted=wanted.shards)


def _make(data: DataFolder, layout: Layout, seeds: Seeds) -> None:
    """All of a new generation, on disk before it is named."""
    folder = data.generation(layout.generation)
    if folder.exists():
        shutil.rmtree(folder)  # of a change that was cut off
    for worker in range(layout.workers):
        make_store(data.recovery(layout.generation, worker))
        _sync(data.recovery(layout.generation, worker))
    seeds.write(folder)
    for path in (folder, folder.parent, folder.parent.parent):
        _sync(path)


def _remove_before(data: DataFolder, generation: int) -> None:
    """Generations older than the one just left, which stays for people to look into."""
    folders = data.generation(generation).parent.iterdir()
    old = [path for path in folders if path.name.isdecimal() and int(path.name) < generation]
    if generation > 0:
        old += [path for path in data.path.glob("state/*/recovery") if path.parent.name.isdecimal()]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
