"""The parts of a site as processes that start cheaply, are killed, and start again.

A part is the real main function of its module with its real arguments, in a process of its own that is forked from
one that has imported everything: 50 ms of CPU a start instead of 2 s, so that 1,000 kills are a matter of minutes. The
demo under its own supervisor (tests/test_chaos_demo.py) starts them in the expensive, usual way.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import faulthandler
import importlib
import multiprocessing
import os
import secrets
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from andon import heartbeat
from service.supervisor import STALLED_S
from tests.chaos.protections import switch_off

FORKS = multiprocessing.get_context("forkserver")
PRELOADED = [
    "flows.plant", "service.sender", "service.deadman", "service.web.main", "sinks.erp.stub", "tests.chaos.feeder",
    "tests.chaos.processes", "tests.chaos.suite",
]  # fmt: skip
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Part:
    """A process of the site."""

    name: str
    module: str
    argv: tuple[str, ...]


@dataclass
class Setting:
    """What every process of a run is started with. off: protections that are switched off; epoch_s of the flows."""

    logs: Path
    off: tuple[str, ...] = ()
    epoch_s: float = 0.2
    lease_s: float = 3.0
    segment_bytes: int = 4_000_000
    segment_rows: int = 20_000
    environment: Mapping[str, str] = field(default_factory=dict)


def enter(part: Part, setting: Setting) -> None:
    """What the forked process does."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    log = os.open(setting.logs / f"{part.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    faulthandler.register(signal.SIGUSR1, all_threads=True)  # for `keep_stacks`
    os.environ.update({**setting.environment, "ANDON_EPOCH_S": str(setting.epoch_s)})
    hurry(setting)
    switch_off(setting.off)
    main: Any = importlib.import_module(part.module).main
    from andon.process import exit_status_of

    sys.exit(exit_status_of(lambda: main(list(part.argv))))


def hurry(setting: Setting) -> None:
    """Short epochs, leases and segments, so that a kill meets more of their ends in less time."""
    from sinks.journal import Journal
    from sinks.outbox import Sender
    from sources.spool import Spool

    sender: dict[str, Any] = Sender.__init__.__kwdefaults__
    sender.update(lease_s=setting.lease_s, gaps_s=(0.1, 0.3, 1.0), max_refusals=1000)
    spool: dict[str, Any] = Spool.__init__.__kwdefaults__
    spool.update(segment_bytes=setting.segment_bytes)
    Journal.__init__.__defaults__ = (setting.segment_rows,)


class Processes:
    """Starts and kills the parts of one site. Any thread may call."""

    def __init__(self, parts: Sequence[Part], setting: Setting) -> None:
        self.parts = {part.name: part for part in parts}
        self.setting = setting
        self.watched: dict[str, Path] = {}  #: signs of life of the parts that the supervisor's watchdog looks at
        self._running: dict[str, BaseProcess] = {}
        self._started: dict[str, float] = {}
        self._lock = threading.Lock()  # the fork server takes one request after the other
        setting.logs.mkdir(parents=True, exist_ok=True)
        FORKS.set_forkserver_preload(PRELOADED)

    def names(self) -> list[str]:
        """All parts."""
        return list(self.parts)

    def start(self, name: str) -> None:
        """Start a part."""
        process = FORKS.Process(target=enter, args=(self.parts[name], self.setting), name=name, daemon=True)
        with self._lock:
            process.start()
        self._running[name], self._started[name] = process, time.monotonic()

    def kill(self, name: str) -> bool:
        """SIGKILL; False when it had ended before."""
        process = self._running.pop(name)
        alive = process.is_alive()
        process.kill()
        process.join()
        process.close()
        return alive

    def ended(self, name: str) -> int | None:
        """Exit status of a part that ended by itself; None while it runs."""
        process = self._running.get(name)
        return None if process is None or process.is_alive() else process.exitcode

    def hangs(self, name: str) -> bool:
        """Whether the supervisor would kill a part now, because it has given no sign of life for so long."""
        if name not in self.watched or name not in self._running:
            return False
        lives_s = time.monotonic() - self._started[name]
        age_s = heartbeat.age_s(self.watched[name])
        return lives_s > STALLED_S and (age_s is None or min(age_s, lives_s) > STALLED_S)

    def stop(self, name: str, limit_s: float = 60.0) -> int | None:
        """SIGTERM and wait; its exit status, None when it had to be killed."""
        process = self._running.pop(name, None)
        if process is None:
            return 0
        process.terminate()
        process.join(limit_s)
        status = process.exitcode
        process.kill()
        process.join()
        process.close()
        return status

    def keep_stacks(self, *names: str) -> None:
        """Have parts (all, where none is named) write where they stand, and keep their logs beside the rounds."""
        for name in names or self.parts:
            process = self._running.get(name)
            if process is not None and process.is_alive() and process.pid is not None:
                os.kill(process.pid, signal.SIGUSR1)
                time.sleep(0.5)
                site = self.setting.logs.parent
                shutil.copy(self.setting.logs / f"{name}.log", site.parent / f"hung-{site.name}-{name}.log")

    def kill_all(self) -> None:
        """Leave nothing behind."""
        for name in list(self._running):
            with contextlib.suppress(KeyError, ValueError):
                self.kill(name)

    def last_words(self, name: str) -> str:
        """The last line of a part's log."""
        path = self.setting.logs / f"{name}.log"
        lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
        return lines[-1] if lines else "no word"


def free_port() -> int:
    """A free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def new_secret(path: Path) -> None:
    """A signing secret of the ERP, once."""
    if not path.exists():
        path.write_text("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())
        path.chmod(0o600)


def wait_until(ready: Any, limit_s: float, every_s: float = 0.02) -> bool:
    """Whether `ready` became true in time."""
    deadline = time.monotonic() + limit_s
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True
