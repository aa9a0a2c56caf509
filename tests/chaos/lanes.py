"""One lane a part: wait until the process got somewhere, then a seeded while, kill it, start the next one at once.

A flow is killed again only after it has committed an epoch with messages since it started (Bytewax's own store says
so): every kill costs an epoch and not the run. Some kills are aimed: right after a snapshot was begun, after a decision
was written, while an order is on its way. Kills inside the start itself are made besides and counted apart.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.chaos.processes import Processes

STARTS_LIMIT_S = 180.0  # without a sign of progress, on a machine as slow as it may be
FALLS = 4  # ends by itself in a row, after which a part will not come up any more
LOOK_S = 0.02
AIM_LOOK_S = 0.0005
# It ends on purpose when the broker has ended a transaction of its that took too long, to be started again.
MAY_END = frozenset({"forwarder"})
STARTUP = 0.15  # share of a flow's starts that are cut off


@dataclass
class Tally:
    """Kills so far, by part and by how they were aimed; `claim` gives out the next one until `wanted` are made."""

    wanted: int
    kills: Counter[str] = field(default_factory=Counter)
    aims: Counter[str] = field(default_factory=Counter)
    startup: int = 0
    commits: int = 0
    starts_s: list[float] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    told: Callable[[], None] = lambda: None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def full(self) -> bool:
        """Whether all kills are made."""
        return sum(self.kills.values()) >= self.wanted

    def claim(self, name: str, aim: str) -> bool:
        """Count a kill that is about to be made; False when there are enough."""
        with self._lock:
            if self.full:
                return False
            self.kills[name] += 1
            self.aims[aim] += 1
            self.told()
        return True

    def note(
        self, *, startup: int = 0, commits: int = 0, start_s: float | None = None, finding: str = "", ended: str = ""
    ) -> None:
        """Count what else happened."""
        with self._lock:
            if ended:
                self.ended[ended] += 1
            self.startup += startup
            self.commits += commits
            if start_s is not None:
                self.starts_s.append(start_s)
            if finding:
                self.findings.append(finding)


@dataclass(frozen=True)
class Habits:
    """How a part is killed. got_somewhere(): a new callable for each start, true once the process did something.

    pause_s: range of the random wait after that. aims: what a kill may be aimed at: name -> a number that changes
    when it happens. aimed: the share of kills that are.
    """

    got_somewhere: Callable[[], Callable[[], bool]]
    pause_s: tuple[float, float]
    aims: dict[str, Callable[[], object]] = field(default_factory=dict)
    aimed: float = 0.5
    commits: bool = False


class Lane(threading.Thread):
    """Kills one part until the tally is full or `halt` is set; the part runs when the lane has ended."""

    def __init__(
        self, name: str, processes: Processes, habits: Habits, tally: Tally, halt: threading.Event, seed: str
    ) -> None:
        super().__init__(name=f"lane-{name}", daemon=True)
        self.part, self.processes, self.habits, self.tally, self.halt = name, processes, habits, tally, halt
        self._rng = random.Random(f"{seed}|{name}")
        self._falls = 0

    def run(self) -> None:
        while self._start() and not self._over():
            if not self._wait(self._rng.uniform(*self.habits.pause_s)):
                continue
            aim = self._aim()
            if self._over() or not self.tally.claim(self.part, aim):
                return
            self.processes.kill(self.part)
            if self.habits.commits and self._rng.random() < STARTUP:
                self.processes.start(self.part)
                self._wait(self._rng.uniform(0.0, 0.3))
                self.processes.kill(self.part)
                self.tally.note(startup=1)

    def _over(self) -> bool:
        return self.halt.is_set() or self.tally.full

    def _wait(self, seconds: float) -> bool:
        """False when the part ended by itself meanwhile: it is to be started again, as its supervisor would."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not self._over():
            if revived(self.processes, self.part, self.tally, start=False):
                return False
            time.sleep(min(left, 0.1))
        return True

    def _start(self) -> bool:
        """Start the part and wait until it got somewhere; False when it never does."""
        self.processes.start(self.part)
        began, ready = time.monotonic(), self.habits.got_somewhere()
        while not ready():
            if (status := self.processes.ended(self.part)) is not None:
                self._falls += 1
                self.tally.note(
                    finding=f"{self.part} ended by itself with status {status}: {self.processes.last_words(self.part)}"
                )
                if self._falls >= FALLS:
                    self.halt.set()
                    return False
                self.processes.kill(self.part)
                self.processes.start(self.part)
                ready = self.habits.got_somewhere()
            if self.processes.hangs(self.part):
                revived(self.processes, self.part, self.tally)
                ready = self.habits.got_somewhere()
            if time.monotonic() - began > STARTS_LIMIT_S:
                self.tally.note(finding=f"{self.part} does not get anywhere in {STARTS_LIMIT_S:.0f} s")
                self.halt.set()
                return False
            if self._over():
                return False
            time.sleep(LOOK_S)
        self.tally.note(commits=int(self.habits.commits), start_s=time.monotonic() - began)
        return True

    def _aim(self) -> str:
        """Wait for what this kill is aimed at, at most a second; the name of it."""
        if not self.habits.aims or self._rng.random() >= self.habits.aimed:
            return "random"
        name = self._rng.choice(sorted(self.habits.aims))
        look = self.habits.aims[name]
        before, deadline = look(), time.monotonic() + 1.0
        while time.monotonic() < deadline and not self._over():
            if look() != before:
                time.sleep(self._rng.uniform(0.0, 0.008))
                return name
            time.sleep(AIM_LOOK_S)
        return "random"


def revived(processes: Processes, name: str, tally: Tally, *, start: bool = True) -> bool:
    """Whether a part has ended by itself or hangs; then it is told, and started again unless the caller does that."""
    status = processes.ended(name)
    if status is None and not processes.hangs(name):
        return False
    if status is None:
        processes.keep_stacks(name)
        tally.note(ended=f"{name} hung")  # told in the result, no fault: on a site the watchdog does the same
    else:
        words = f"{name} ended by itself with status {status}: {processes.last_words(name)}"
        tally.note(ended=name, finding="" if name in MAY_END else words)
    processes.kill(name)
    if start:
        processes.start(name)
    return True


class Execution(NamedTuple):
    """The newest execution in a Bytewax store. frontier: its open epoch; engine: epoch of the newest snapshot."""

    number: int = -1
    resume: int = 0
    frontier: int = 0
    engine: int = -1


def execution(store: Path) -> Execution:
    """How far a flow has come, as its recovery store says."""
    if not store.exists():
        return Execution()
    try:
        with closing(sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)) as db:
            row = db.execute(
                "select ex_num, resume_epoch, "
                "coalesce((select worker_frontier from fronts where fronts.ex_num = exs.ex_num), 0), "
                "coalesce((select max(snap_epoch) from snaps where step_id = 'plant.engine'), -1) "
                "from exs order by ex_num desc limit 1"
            ).fetchone()
    except sqlite3.OperationalError:  # being made just now
        return Execution()
    return Execution(*row) if row else Execution()


def committed_since_start(store: Path) -> Callable[[], Callable[[], bool]]:
    """True once an execution that began after this call has committed an epoch in which the engine took in messages."""

    def begin() -> Callable[[], bool]:
        before = execution(store).number

        def committed() -> bool:
            now = execution(store)
            return now.number > before and now.resume <= now.engine < now.frontier

        return committed

    return begin


def changed_since_start(look: Callable[[], object]) -> Callable[[], Callable[[], bool]]:
    """True once `look` gives something else than when the process was started."""

    def begin() -> Callable[[], bool]:
        before = look()
        return lambda: look() != before

    return begin


def true_since_start(look: Callable[[], bool]) -> Callable[[], Callable[[], bool]]:
    """True once `look` is."""
    return lambda: look


def newest_change(folder: Path, names: str = "*") -> Callable[[], int]:
    """A number that changes when a file of the folder is written to; names: a pattern of those that count."""

    def look() -> int:
        newest = 0
        for path in folder.glob(names):
            try:
                newest = max(newest, path.stat().st_mtime_ns)
            except FileNotFoundError:
                continue
        return newest

    return look
