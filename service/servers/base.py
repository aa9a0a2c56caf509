"""What every server has: a folder, a port, a log, and a life from start to SIGKILL."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import socket
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import ClassVar

from andon.errors import AndonError

READY_S = 90.0  # a broker needs 2 s alone on two cores; on a machine with a load of 16 it has been seen to need 9
STOP_S = 20.0
LOOK_S = 0.05
TAIL_LINES = 20
# Below the ports that Linux hands to outgoing connections: those may take a server's port while it is down.
PORTS = range(20_000, 32_000)
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
_random = random.SystemRandom()
_taken: set[int] = set()
_choosing = threading.Lock()


class ServerError(AndonError):
    """A server does not come up."""


class ServerMissingError(ServerError):
    """A server, or what it runs on, is not on this machine; the text says how to get it."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on and that this process has not been given before."""
    with _choosing:
        while True:
            port = _random.choice(PORTS)
            if port not in _taken and _can_listen(port):
                _taken.add(port)
                return port


def _can_listen(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Server(ABC):
    """One server over one folder. Start it yourself (`start`), or `prepare` it and have a supervisor run `argv()`.

    folder : everything it keeps; made by `prepare`. What is there already is used again.
    port   : of 127.0.0.1, the same over restarts; a free one where left out.
    log    : where its output goes; <folder>/<name>.log where left out.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    user: ClassVar[str | None] = None  # the account it runs under, when not this process's own

    def __init__(self, folder: Path, port: int | None = None, log: Path | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.log = log or folder / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """host:port of its clients."""
        return f"127.0.0.1:{self.port}"

    @abstractmethod
    def argv(self) -> list[str]:
        """The command line, once `prepare` has run."""

    @abstractmethod
    def prepare(self) -> None:
        """Make the folder ready. Again and again without harm; ServerMissingError where a part is missing."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves its clients just now."""

    def set_up(self) -> None:  # noqa: B027 - most need nothing
        """What is asked of it once it answers, before others use it; again and again without harm."""

    @property
    def pid(self) -> int | None:
        """Its process, when started here and alive."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self, limit_s: float = READY_S) -> None:
        """Start it and wait until it serves. ServerError, with the end of its log, when it does not in `limit_s`."""
        self.prepare()
        # Linux sends the parent's death signal when the thread that started the child ends: one that never does.
        self._process = _starter().submit(self._spawn).result()
        try:
            self.wait_ready(limit_s)
            self.set_up()
        except BaseException:
            self.kill()
            raise

    def wait_ready(self, limit_s: float = READY_S, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Return once it serves, whoever started it; ServerError after `limit_s`, or when it has ended.

        meanwhile : called every now and then; for a supervisor's `poll`.
        """
        began = time.monotonic()
        while not self.answers():
            meanwhile()
            waited = time.monotonic() - began
            if waited > limit_s or (self._process is not None and self._process.poll() is not None):
                raise ServerError(
                    "servers.not_ready", name=self.name, seconds=round(waited, 1), log=self.log, tail=self.tail()
                )
            time.sleep(LOOK_S)

    def stop(self, limit_s: float = STOP_S) -> None:
        """Ask it to end, and end it when it has not after `limit_s`. Nothing happens when it does not run."""
        if self._process is None:
            return
        self._process.send_signal(self.stop_signal)
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """SIGKILL: what it has not yet written is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Stop and start, on the same folder and port."""
        self.stop()
        self.start()

    def tail(self) -> str:
        """The last lines of its log."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-TAIL_LINES:])

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as out:
            return subprocess.Popen(
                self.argv(), stdin=subprocess.DEVNULL, stdout=out, stderr=out, user=self.user, group=self.user,
                extra_groups=None if self.user is None else [], start_new_session=True,
                preexec_fn=partial(_die_with, os.getpid()),  # noqa: PLW1509 - one prctl call; nothing of it needs a lock
            )  # fmt: skip


@cache
def _starter() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "servers")


def _die_with(parent: int) -> None:
    """No server outlives the process that started it, however that ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # nobody is left to wait for one that drains
    if os.getppid() != parent:  # it ended before the call above
        os._exit(1)
