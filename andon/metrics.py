"""Prometheus metrics of all processes of a site as one page.

Each component defines its counters and gauges beside itself; this only joins them. The supervisor gives its children
`environment(folder)`; then prometheus_client keeps the values in files there, and any process can give them all out.
Without it `exposition` is this process alone.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


def folder_for(data: Path) -> Path:
    """Where the processes over a data folder share their metrics: in memory, where it is ours alone.

    The library maps its files into memory; on a full disk the kernel kills a process that touches a new page of such
    a file (SIGBUS). Without /dev/shm it is inside the data folder.
    """
    name = hashlib.sha256(os.fsencode(data.absolute())).hexdigest()[:16]
    folder = Path("/dev/shm") / f"andon-{os.getuid()}-{name}"  # noqa: S108 - made 0700, and refused when not ours
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return data / "state" / "metrics"
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return folder if ours else data / "state" / "metrics"


def environment(folder: Path) -> dict[str, str]:
    """Empty the folder and return the variables that make child processes keep their metrics in it.

    Must be in a child's environment before it imports prometheus_client. Counters of children that ended stay in the
    sums until the next call, so a restarted process does not make them jump back.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in folder.glob("*.db"):
        old.unlink(missing_ok=True)
    return {VARIABLE: str(folder.absolute())}


def ended(folder: Path, pid: int) -> None:
    """Forget the live gauges of a process that has ended; its counters stay."""
    mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]  # the library leaves it untyped


def exposition() -> bytes:
    """Metrics in Prometheus' text format: of all processes that share the folder, else of this one."""
    if VARIABLE not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the same
    return generate_latest(registry)
