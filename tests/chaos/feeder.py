"""The devices and the ticks of a chaos run: a log that is a function of the seed alone.

Every ten seconds of plant time are one append, stamped with plant time, so neither kills nor the speed of the machine
change a byte of the log; killed, the feeder goes on where its checkpoint says. It stays at most `MOST_AHEAD` messages
before the flows: a kill shall meet them at work, not buried.

    python -m tests.chaos.feeder --data DIR --site DIR --seed 1 --start-ns N --speed 300
"""

from __future__ import annotations

import argparse
import json
import signal
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from andon.clock import ManualClock
from andon.datafolder import DataFolder
from andon.locks import Exclusive
from simulators.feed import Feed
from simulators.schedule import second_ns
from simulators.truth import assets_of, demo_plant
from sources.spool import Spool
from sources.ticks import tick_body

CHUNK_S = 10  # plant seconds an append
MOST_AHEAD = 12_000  # messages
PRODUCER = "chaos"


@dataclass(frozen=True)
class Story:
    """What makes a log the same one."""

    seed: int
    start_ns: int


def feed_of(story: Story, shard: int) -> Feed:
    """The devices of a shard, at the beginning."""
    return Feed(story.seed, story.start_ns, assets_of(shard, demo_plant()))


def chunk(feed: Feed, start_ns: int) -> tuple[int, list[bytes]]:
    """(received_ns, bodies) of the next ten seconds, a tick at their end."""
    bodies = [parcel.body() for _ in range(CHUNK_S) for parcel in feed.advance()]
    received_ns = second_ns(start_ns, feed.second)
    return received_ns, [*bodies, tick_body(received_ns)]


def messages(story: Story, shard: int, until_s: int) -> Iterator[tuple[int, bytes]]:
    """(received_ns, body) of the shard's log until a second of the story."""
    feed = feed_of(story, shard)
    while feed.second < until_s:
        received_ns, bodies = chunk(feed, story.start_ns)
        for body in bodies:
            yield received_ns, body


def sent_s(spool: Spool) -> int:
    """Seconds of the story that a spool holds."""
    stored = spool.checkpoint(PRODUCER)
    return int(json.loads(stored)["second"]) if stored else 0


def done_offset(path: Path) -> int:
    """The last offset in a shard's history; 0 where there is none yet."""
    if not path.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)) as db:
            row = db.execute("select value from meta where key = 'last_offset'").fetchone()
    except sqlite3.OperationalError:  # being made just now
        return 0
    return int(row[0]) if row else 0


def run(data: DataFolder, site: DataFolder, story: Story, speed: float, stop: threading.Event) -> None:
    """Append to the spools of `data` until `stop`; the shards keep step. site: whose flows work the log."""
    clock = ManualClock()
    shards = range(demo_plant().config.transport.shards)
    lines = []
    for shard in shards:
        spool, feed = Spool(data.spool(shard), shard, clock), feed_of(story, shard)
        if stored := spool.checkpoint(PRODUCER):
            feed.restore(stored)
        lines.append((spool, feed))
    while not stop.is_set():
        spool, feed = min(lines, key=lambda line: line[1].second)
        received_ns, bodies = chunk(feed, story.start_ns)
        while spool.last_offset() - done_offset(site.history_db(spool.shard)) > MOST_AHEAD:
            if stop.wait(0.05):
                return  # the chunk in hand was never sent, so the next feeder makes it again
        clock.time_ns = received_ns
        spool.append(bodies, PRODUCER, feed.checkpoint())
        stop.wait(CHUNK_S / speed / len(lines))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.feeder")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--site", type=Path, required=True, help="data folder of the flows")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--start-ns", type=int, required=True)
    parser.add_argument("--speed", type=float, required=True, help="plant seconds in a second, at most")
    options = parser.parse_args(arguments)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    data = DataFolder(options.data)
    data.open(demo_plant().config.site.id)
    held = Exclusive(data.process_lock("simulators"))
    run(data, DataFolder(options.site), Story(options.seed, options.start_ns), options.speed, stop)
    held.release()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
