"""Sends what the simulated devices measure into the spool, as plant time passes.

Delivery: every message exactly once in the log. The position of the simulation is stored in the transaction of its
messages, so a process killed at any instant goes on exactly where its rows end.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from andon.clock import Clock, ScaledClock
from andon.datafolder import DataFolder
from andon.errors import AndonError, SourceError
from andon.locks import Exclusive
from simulators.fault_log import FaultLog
from simulators.feed import Feed
from simulators.schedule import Fault, second_ns
from simulators.truth import assets_of, demo_plant, seconds_before
from sources.spool import Spool

log = structlog.get_logger()
PRODUCER = "simulators"
CHUNK_S = 10  # plant seconds in one transaction, at most
PAUSE_S = 0.1  # wall time between two looks at the clock
RETRY_S = 0.5
TRY_AGAIN = frozenset({"spool.full", "spool.disk_full", "spool.busy"})


@dataclass
class _Line:
    """One shard's feed, and the chunk that its spool has not taken yet."""

    spool: Spool
    feed: Feed
    bodies: list[bytes] = field(default_factory=list)
    checkpoint: bytes = b""
    faults: list[Fault] = field(default_factory=list)

    def prepare(self, until_second: int) -> bool:
        """Have a chunk ready if anything is due before `until_second`; False when nothing is."""
        if self.checkpoint:
            return True
        if self.feed.second >= until_second:
            return False
        for _ in range(min(CHUNK_S, until_second - self.feed.second)):
            self.bodies += [parcel.body() for parcel in self.feed.advance()]
        self.checkpoint = self.feed.checkpoint()
        self.faults += self.feed.take_faults()
        return True

    def send(self) -> None:
        """Append the chunk; SourceError leaves it for the next try."""
        self.spool.append(self.bodies, PRODUCER, self.checkpoint)
        self.bodies, self.checkpoint = [], b""


def _position(spool: Spool) -> dict[str, int]:
    stored = spool.checkpoint(PRODUCER)
    content: dict[str, int] = json.loads(stored) if stored is not None else {}
    return content


def sent_until_ns(spool: Spool, start_ns: int) -> int:
    """The stamp of the first second that is not in this spool yet; start_ns before the first."""
    return second_ns(start_ns, _position(spool).get("second", 0))


def run_simulators(
    spools: Sequence[Spool], clock: Clock, seed: int, start_ns: int, stop: threading.Event, *,
    faults: bool = True, until_ns: int | None = None, fault_log: Path | None = None,
) -> None:  # fmt: skip
    """Send every second of the simulation when the clock reaches it, until `stop` is set or until_ns is reached.

    spools    : one a shard, in any order. Each goes on where its producer checkpoint says.
    clock     : plant time; behind it, the simulators catch up in chunks of 10 s as fast as the spool takes them.
    fault_log : faults.jsonl, appended to when a cause begins.

    A spool that is full or on a full disk is tried again until it takes the same chunk; the other shards go on.
    Raises SourceError("simulators.other_run") when a spool holds the rows of another seed, start or fault setting.
    """
    lines = [_resume(spool, seed, start_ns, faults=faults) for spool in spools]
    faults_seen = FaultLog(fault_log) if fault_log is not None else None
    while not stop.is_set():
        due = seconds_before(start_ns, clock.now_ns() + 1)
        due = due if until_ns is None else min(due, seconds_before(start_ns, until_ns))
        busy, refused = False, False
        for line in lines:
            if line.prepare(due):
                busy, refused = True, not _try(line) or refused
            if not line.checkpoint and faults_seen is not None:
                faults_seen.note(line.faults)
                line.faults.clear()
        if refused:
            stop.wait(RETRY_S)
        elif not busy:
            if until_ns is not None and all(second_ns(start_ns, line.feed.second) >= until_ns for line in lines):
                return
            stop.wait(PAUSE_S)


def _resume(spool: Spool, seed: int, start_ns: int, *, faults: bool) -> _Line:
    feed = Feed(seed, start_ns, assets_of(spool.shard, demo_plant()), faults=faults)
    stored = spool.checkpoint(PRODUCER)
    if stored is not None:
        feed.restore(stored)
    return _Line(spool, feed, faults=feed.take_faults())


def _try(line: _Line) -> bool:
    try:
        line.send()
    except SourceError as error:
        if error.code not in TRY_AGAIN:
            raise
        return False  # the spool has said so in the log, once
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; SIGTERM and Ctrl-C end it after the chunk in hand."""
    parser = argparse.ArgumentParser(prog="python -m simulators.runner", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="data folder")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--start-ns", type=int, required=True, help="plant time at which the simulation began")
    parser.add_argument("--wall-ns", type=int, required=True, help="wall time at which plant time was --origin-ns")
    parser.add_argument("--origin-ns", type=int, help="plant time at --wall-ns; the start where left out")
    parser.add_argument("--speed", type=float, required=True, help="plant seconds in a wall second")
    parser.add_argument("--no-faults", action="store_true")
    parser.add_argument("--until-ns", type=int, help="plant time at which to end")
    options = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    origin_ns = options.start_ns if options.origin_ns is None else options.origin_ns
    clock = ScaledClock(origin_ns, options.wall_ns, options.speed)
    folder = DataFolder(options.data)
    spools: list[Spool] = []
    held: list[Exclusive] = []
    try:
        folder.open(demo_plant().config.site.id)
        held.append(Exclusive(folder.process_lock("simulators")))  # two would send every second twice
        spools += [Spool(folder.spool(shard), shard, clock) for shard in range(demo_plant().config.transport.shards)]
        run_simulators(
            spools, clock, options.seed, options.start_ns, stop, faults=not options.no_faults,
            until_ns=options.until_ns, fault_log=folder.logs / "faults.jsonl",
        )  # fmt: skip
    except AndonError as error:
        log.error(error.code, **error.params, text=error.text())
        return error.exit_status
    finally:
        for spool in spools:
            spool.close()
        for lock in held:
            lock.release()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
