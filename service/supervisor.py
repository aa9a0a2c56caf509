"""Starts the processes of a site, restarts what ends, drains on SIGTERM.

Every part is a process of its own, so that one that hangs or dies takes nothing with it. A child that ends is
started again after 0.5 s, then 1, 2 ... 30 s; a minute alive forgets the count. A flow that has not polled for
`STALLED_S` (a clock set back puts it to sleep) is killed: its state is safe at any instant. One that starts may take
`STARTING_S`: without a kernel cache it compiles first.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from andon import heartbeat, metrics
from andon.config.models import Plant
from andon.datafolder import DataFolder
from andon.process import DRAIN_S
from service.parts import PartState, write_parts

BACKOFF_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
SETTLED_S = 60.0
STALLED_S = 30.0
STARTING_S = 300.0
LOG_BYTES = 20_000_000
SENDERS = {
    "sender": "service.sender",
    "influx-sender": "service.influx_sender",
    "kafka-sender": "service.kafka_sender",
}
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Part:
    """A process to keep running. Parts stop in ascending `stop_order`, those of one number together.

    watched: its sign of life (state/alive/<name>) is looked at. once: not started again after exit status 0.
    foreign: a server that is not ours, and does not know when to end itself: killed when the supervisor is gone.
    """

    name: str
    argv: Sequence[str]
    stop_order: int = 1
    watched: bool = False
    once: bool = False
    foreign: bool = False


@dataclass
class _Child:
    part: Part
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    due: float = 0.0
    restarts: int = 0
    done: bool = False


class Supervisor:
    """Keeps parts running until `stop`. Use from the main thread: children die with the thread that started them."""

    def __init__(self, data: DataFolder, parts: Sequence[Part]) -> None:
        self._data = data
        self._children = [_Child(part) for part in parts]
        self._metrics: Path | None = None
        self._environment: dict[str, str] = {}
        self._told: dict[str, PartState] = {}

    def start(self) -> None:
        """Start every part. Their metrics begin at zero."""
        self._metrics = metrics.folder_for(self._data.path)
        self._environment = {**os.environ, **metrics.environment(self._metrics)}
        for child in self._children:
            self._spawn(child)
        self._tell()

    def add(self, parts: Sequence[Part]) -> None:
        """Start more parts beside those that run."""
        fresh = [_Child(part) for part in parts]
        self._children += fresh
        for child in fresh:
            self._spawn(child)
        self._tell()

    def poll(self) -> None:
        """Look after the parts once: notice ends and stalls, start again what is due."""
        now = time.monotonic()
        for child in self._children:
            if child.process is None:
                if now >= child.due and not child.done:
                    child.restarts += 1
                    self._spawn(child)
                continue
            status = child.process.poll()
            if status is not None:
                self._ended(child, status, now)
            elif now - child.started > SETTLED_S:
                child.failures = 0
            if status is None and child.part.watched and (silent_s := self._silent_s(child, now)) is not None:
                log.error("supervisor.stalled", part=child.part.name, seconds=round(silent_s))
                child.process.kill()
        self._tell()

    def _silent_s(self, child: _Child, now: float) -> float | None:
        """How long a part has been silent, when that is too long. Signs of the process before it do not count."""
        alive_s = now - child.started
        age_s = heartbeat.age_s(heartbeat.folder(self._data) / child.part.name)
        if age_s is None or age_s > alive_s:
            return alive_s if alive_s > STARTING_S else None
        return age_s if age_s > STALLED_S else None

    def _tell(self) -> None:
        """Write down how the parts are, when that has changed."""
        told = {
            child.part.name: PartState(child.process.pid if child.process else None, child.restarts, not child.done)
            for child in self._children
        }
        if {**self._told, **told} != self._told:
            self._told = {**self._told, **told}
            write_parts(self._data, self._told)

    def pids(self) -> dict[str, int]:
        """Process id of each part that runs now."""
        return {child.part.name: child.process.pid for child in self._children if child.process is not None}

    def restarts(self) -> dict[str, int]:
        """How often each part was started again."""
        return {child.part.name: child.restarts for child in self._children}

    def done(self, name: str) -> bool:
        """Whether a part that runs once has come to its end."""
        return any(child.part.name == name and child.done for child in self._children)

    def stop(self, names: Sequence[str] | None = None) -> None:
        """SIGTERM in stop order and wait; what does not drain in `DRAIN_S` is killed (nothing is lost by it)."""
        chosen = [child for child in self._children if names is None or child.part.name in names]
        for child in chosen:
            child.done = True
        self._tell()
        for order in sorted({child.part.stop_order for child in chosen}):
            group = [child for child in chosen if child.part.stop_order == order]
            for child in group:
                if child.process is not None:
                    child.process.terminate()
            deadline = time.monotonic() + DRAIN_S
            for child in group:
                self._wait(child, deadline)
            for child in group:
                child.process = None
        self._tell()
        self._children = [child for child in self._children if child not in chosen]
        if not self._children and self._metrics is not None:
            shutil.rmtree(self._metrics, ignore_errors=True)

    def _wait(self, child: _Child, deadline: float) -> None:
        if child.process is None:
            return
        try:
            child.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("supervisor.killed", part=child.part.name)
            child.process.kill()
            child.process.wait()

    def _spawn(self, child: _Child) -> None:
        path = self._data.logs / f"{child.part.name}.log"
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        die = partial(_die_with, os.getpid(), signal.SIGKILL if child.part.foreign else signal.SIGTERM)
        with path.open("ab") as out:
            child.process = subprocess.Popen(
                list(child.part.argv), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                process_group=0,  # a terminal's Ctrl-C is for the supervisor alone, which ends them in their order
                env=self._environment, preexec_fn=die,  # noqa: PLW1509 - one prctl call, and no thread runs here
            )  # fmt: skip
        child.started = time.monotonic()

    def _ended(self, child: _Child, status: int, now: float) -> None:
        if child.process is not None and self._metrics is not None:
            metrics.ended(self._metrics, child.process.pid)
        if child.part.once and status == 0:
            child.process, child.done = None, True
            return
        pause = BACKOFF_S[min(child.failures, len(BACKOFF_S) - 1)]
        log.warning("supervisor.ended", part=child.part.name, status=status, again_in_s=pause)
        child.failures += 1
        child.process, child.due = None, now + pause


def python(module: str, *arguments: object) -> list[str]:
    """Command line of one of our modules.

    >>> python("service.ticker", "--data", "d")[1:]
    ['-m', 'service.ticker', '--data', 'd']
    """
    return [sys.executable, "-m", module, *map(str, arguments)]


def site_parts(config: Path, data: Path, plant: Plant, workers: int, clock: Sequence[str]) -> list[Part]:
    """The processes of a site: ticker, flows, a sender for each target, notifier, follow-up, web, dead-man.

    workers: number of flows. clock: arguments of the plant's clock.
    """
    common = ("--config", config, "--data", data)
    parts = [Part("ticker", python("service.ticker", *common, *clock), 1)]
    for worker in range(workers):
        argv = python("flows.plant", *common, "--worker", worker, "--workers", workers)
        parts.append(Part(f"flow-{worker}", argv, 2, watched=True))
    parts += [Part(name, python(SENDERS[name], *common, *clock), 3) for name in senders(plant)]
    parts.append(Part("notifier", python("service.notifier", *common), 3))
    if follows_up(plant):
        parts.append(Part("follow-up", python("service.follow_up", *common), 3))
    parts.append(Part("web", python("service.web", *common, *clock), 3))
    parts.append(Part("dead-man", python("service.deadman", *common), 3))
    return parts


def follows_up(plant: Plant) -> bool:
    """Whether anything follows from the records of a site: an ERP, quality events, or models that judge series."""
    judged = any(one.detect for template in plant.template for one in template.series)
    return judged or plant.erp is not None or any(rule.raises == "quality_event" for rule in plant.rule)


def senders(plant: Plant) -> list[str]:
    """The senders that a configuration asks for, one for each target."""
    kafka = plant.transport.kafka
    asked = {"sender": plant.erp, "influx-sender": plant.influx, "kafka-sender": kafka.out if kafka else None}
    return [name for name, section in asked.items() if section]


def _die_with(parent: int, how: signal.Signals) -> None:
    """Children end with the supervisor, however it ends; ours drain as on any SIGTERM."""
    _libc.prctl(_PR_SET_PDEATHSIG, how)
    if os.getppid() != parent:  # it ended before the call above
        os._exit(1)
