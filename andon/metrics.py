"""Prometheus metrics of all processes of a site as one page.

Each component defines its counters and gauges beside itself; this only joins them. The supervisor gives its children
`environment(folder)`; then prometheus_client keeps the values in files there, and any process can give them all out.
Without it `exposition` is this process alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


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
