"""The InfluxDB sender process: empties the local queues of all shards into InfluxDB, at its own pace.

    python -m service.influx_sender --config plant.toml --data data

It also writes what is not a flow's to write: alarms, totals of the ledger, how Andon's parts stand; and it refills
from the local history what had to be given up while InfluxDB was away. The flows never wait for it.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress

import structlog

from andon.clock import Clock, ScaledClock, SystemClock
from andon.config.load import load_plant
from andon.config.models import Plant
from andon.datafolder import DataFolder
from andon.errors import AndonError, ConfigError, RecordsError
from andon.heartbeat import Heartbeat
from andon.locks import Exclusive
from andon.logs import set_up_logs
from andon.process import exit_status_of, stop_on_signals
from andon.readings import NS_PER_S
from andon.records import SYSTEM_SUPERVISOR, Records, open_site_records
from flows.influx import MB, TARGET, OutputEncoder
from service.influx_link import Link
from service.influx_pipeline import Pipeline
from service.influx_refill import KEPT, Refill
from service.options import parser, plant_clock
from sinks.history_reader import HistoryReader
from sinks.influx import gaps
from sinks.influx.drain import Drain
from sinks.influx.feeds import AlarmFeed, LedgerFeed, Positions
from sinks.influx.parked import ParkedLines
from sinks.influx.watch import InfluxWatch, Look
from sinks.segments import SegmentReader, SegmentWriter

NAME = "influx-sender"
OWN = "sender"  # the queue of what this process writes
OWN_MB = 64.0
ROOM_BYTES = 4_000_000  # feeds wait while their queue holds more; so the cap is never reached
PIPELINE_ROOM_BYTES = 32_000_000  # of an outage, about the first two days
POLL_S, FEED_S, LEDGER_S, LOOK_S = 0.3, 1.0, 10.0, 10.0
MOST_ALARMS = 100_000
AGAIN = 1_000  # parked lines at once
AGAIN_ANEW = (*KEPT, "alarm", "ledger")  # what can be written anew; points of `pipeline` are never replaced
DAY_NS = 24 * 3600 * NS_PER_S
PAUSE_S = 5.0  # after a failure of the local disk
log = structlog.get_logger()


class InfluxSender:
    """Everything that the process does, a step at a time."""

    def __init__(
        self, plant: Plant, data: DataFolder, records: Records, link: Link, encoder: OutputEncoder, clock: Clock
    ) -> None:
        self.plant, self.data, self.records, self.link = plant, data, records, link
        shards = range(plant.transport.shards)
        root = data.segments(TARGET, OWN).parent
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        left = sorted(path.name for path in root.iterdir() if path.is_dir())  # of a shard that is no more, too
        names = [*dict.fromkeys([*map(str, shards), *left, OWN])]
        self.queues = {name: SegmentReader(root / name) for name in names}
        self.parked = ParkedLines(root / "parked.db")
        self.drain = Drain(self.queues, link.write, self.parked)
        self.watch = InfluxWatch()
        self._own = SegmentWriter(data.segments(TARGET, OWN), max_bytes=round(OWN_MB * MB), summary=gaps.summary)
        self._own.restore(None)
        histories = {name: HistoryReader([data.history_db(int(name))]) for name in names if name.isdigit()}
        positions = Positions(root / "feeds.json")
        self._clock = clock
        if not positions:  # the first start with [influx]: the local history may be older
            self._ask_everything()
            positions.put("since", SystemClock().now_ns())
        self._alarms = AlarmFeed(records, positions, plant_time(clock))
        recent = {shard: histories[str(shard)] for shard in shards}
        self._ledger = LedgerFeed(plant.site.id, recent, positions)
        again = {"alarm": self._alarms.again, "ledger": self._ledger.again}
        sizes = [*plant.windows.sizes_s, *(size for size, _ in plant.windows.hopping_s)]
        self._refill = Refill(
            self.queues, histories, encoder, lambda name: again[name]() if name in again else None,
            [round(size * NS_PER_S) for size in sizes], self.drain.send,
        )  # fmt: skip
        self._pipeline = Pipeline(plant, data, records, clock)
        self._due = dict.fromkeys(("drain", "refill", "alarms", "ledger", "pipeline", "look"), 0.0)
        self._told = ""
        self._most = {name: round(OWN_MB * MB) for name in names}
        if plant.influx is not None:
            self._most |= {str(shard): round(plant.influx.spool_mb * MB / len(shards)) for shard in shards}

    def step(self) -> int:
        """Whatever is due; returns how many lines InfluxDB took, or 1 for a part of a refill. 0: there is time."""
        sent = self._drained()
        if self.link.made and self._guarded(self._ask_everything):
            self.link.made = False
        if self.drain.health.denied and self.link.renewed():
            self.drain.try_now()
        own_bytes = self.queues[OWN].backlog_bytes()
        room = own_bytes < ROOM_BYTES
        if room and self._is_due("alarms", FEED_S):
            self._guarded(lambda: self._alarms.feed(self._own))
        if room and self._is_due("ledger", LEDGER_S):
            self._guarded(lambda: self._ledger.feed(self._own))
        # Own lines go first: among them may be old ones that were put back, which the refill replaces.
        if sent == 0 and own_bytes == 0 and self._quiet() and self._is_due("refill", 0.0):
            sent = self._refilled()
            self._guarded(self._again)
        if own_bytes < PIPELINE_ROOM_BYTES and self._is_due("pipeline", LOOK_S):
            self._guarded(self._look_at_parts)
        if self._is_due("look", LOOK_S):
            self._guarded(self.look)
        return sent

    def _drained(self) -> int:
        """A full disk takes no mark of what is delivered: wait for room, rather than deliver for ever or end."""
        if not self._is_due("drain", 0.0):
            return 0
        try:
            return self.drain.step()
        except (sqlite3.Error, OSError) as error:
            self._due["drain"] = time.monotonic() + PAUSE_S
            self._tell(error)
            return 0

    def _quiet(self) -> bool:
        """Whether the last round found nothing to deliver, rather than failed."""
        if self.drain.waiting_s() > 0 or time.monotonic() < self._due["drain"]:
            return False
        return self.drain.health.away_ns is None or not any(one.backlog_bytes() for one in self.queues.values())

    def _refilled(self) -> int:
        """1: a part of a gap is refilled. Where the disk takes no mark of that, do not deliver it again at once."""
        went_on = self._guarded(self._refill.step)
        if went_on is None:
            self._due["refill"] = time.monotonic() + PAUSE_S
        return int(bool(went_on))

    def look(self) -> None:
        """Set the gauges, raise and clear the alarms. Raises RecordsError; then it is tried again at the next look."""
        backlog, now_ns = self.drain.look(), SystemClock().now_ns()
        health = self.drain.health
        away_s = 0.0 if health.away_ns is None else (now_ns - health.away_ns) / NS_PER_S
        share = max(waiting / self._most[name] for name, waiting in backlog.items())
        before = dict(self.watch.since)
        parked = self.parked
        seen = Look(bool(health.denied), away_s, share, parked.total(), parked.newest_ns(), self._refill.open())
        changes = self.watch.look(seen, now_ns)
        if not changes:
            return
        for change in changes:
            log.error("influx.alarm", rule=change.rule_id, kind=change.kind, level=change.peak)
        try:
            self.records.apply_conditions(changes, SYSTEM_SUPERVISOR)
        except RecordsError:
            self.watch.since = before
            raise

    def close(self) -> None:
        """Let go of all files."""
        self._own.flush()
        self._own.close()
        for reader in self.queues.values():
            reader.close()
        self.parked.close()
        self._pipeline.close()
        self.link.client.close()

    def _again(self) -> None:
        """Put back parked lines that a person wants to be tried again.

        InfluxDB may have newer revisions of them: so their times are asked for too, and what the history or a feed has
        is written after them. The asking comes first: a crash in between does both once more.
        """
        if lines := self.parked.asked(AGAIN):
            ranges = gaps.ranges_of(lines)
            if anew := {name: times for name, times in ranges.items() if name in AGAIN_ANEW}:
                gaps.ask_refill(self.queues[OWN].folder, anew)
            self._own.write(b"\n".join(lines) + b"\n", len(lines))
            self._own.flush()
            self.parked.drop(lines)

    def _ask_everything(self) -> bool:
        """Ask for all that both the bucket and the local history keep."""
        if self.plant.influx is not None:
            now_ns = self._clock.now_ns()
            kept_d = min(self.plant.influx.retention_d, self.plant.retention.history_d)
            times = (now_ns - round(kept_d * DAY_NS), now_ns)
            for shard in range(self.plant.transport.shards):
                gaps.ask_refill(self.data.segments(TARGET, shard), dict.fromkeys(AGAIN_ANEW, times))
        return True

    def _look_at_parts(self) -> None:
        lines = self._pipeline.look(self.queues.values())
        self._own.write(b"".join(lines), len(lines))
        self._own.flush()

    def _is_due(self, what: str, every_s: float) -> bool:
        now = time.monotonic()
        if now < self._due[what]:
            return False
        self._due[what] = now + every_s
        return True

    def _guarded(self, act: Callable[[], object]) -> object:
        """One thing that fails (a database is busy, the disk full) must not hold up the others; told once: None."""
        try:
            return act()
        except (AndonError, sqlite3.Error, OSError) as error:
            self._tell(error)
            return None

    def _tell(self, error: Exception) -> None:
        if str(error) != self._told:
            self._told = str(error)
            log.warning("influx.feed_failed", cause=type(error).__name__, detail=str(error))


def plant_time(clock: Clock) -> Callable[[int], int]:
    """From the machine's time to the plant's."""
    if not isinstance(clock, ScaledClock):
        return lambda machine_ns: machine_ns
    return lambda machine_ns: clock.origin_ns + round((machine_ns - clock.wall_ns) * clock.speed)


def beat_while(
    beat: Callable[[], None], last: list[float], limit_s: float, stop: threading.Event, every_s: float = 1.0
) -> None:
    """Give the sign of life as long as the loop came round within limit_s: a request may take its whole timeout."""
    while not stop.wait(every_s):
        if time.monotonic() - last[0] < limit_s:
            with suppress(OSError):  # a full disk takes no sign of life; there may be room again in a second
                beat()


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM."""
    options = parser("service.influx_sender").parse_args(argv)
    stop = stop_on_signals()
    set_up_logs(NAME)
    model = load_plant(options.config)
    plant, data = model.config, DataFolder(options.data)
    data.open(plant.site.id)
    if plant.influx is None:
        raise ConfigError("influx.none")
    beat = Heartbeat(data, NAME)
    last = [time.monotonic()]
    limit_s = 2 * plant.influx.timeout_s + 30.0
    with ExitStack() as held:
        lock = Exclusive(data.process_lock(NAME))  # two of them would read one queue
        held.callback(lock.release)
        records = held.enter_context(open_site_records(plant, data, stop, beat=beat))
        link = Link(plant, plant.influx, options.config.parent)
        sender = InfluxSender(plant, data, records, link, OutputEncoder(model), plant_clock(options))
        held.callback(sender.close)
        sender.watch.take_over(records.alarms(open_only=True, limit=MOST_ALARMS))
        threading.Thread(target=beat_while, args=(beat, last, limit_s, stop), daemon=True).start()
        while not stop.is_set():
            last[0] = time.monotonic()
            if not sender.step():
                stop.wait(POLL_S)
    return 0


if __name__ == "__main__":
    raise SystemExit(exit_status_of(main))
