"""The Kafka sender process: publishes windows, alarms and dead letters from the local files, a thread a topic.

    python -m service.kafka_sender --config plant.toml --data data

Each topic has its own producer and its own pauses: one that is missing or refused does not hold the others up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from pathlib import Path

import structlog

from andon.clock import SystemClock
from andon.config.deployment import Kafka
from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.errors import AndonError, ConfigError
from andon.heartbeat import Heartbeat
from andon.kafka import client_settings
from andon.locks import Exclusive
from andon.logs import set_up_logs
from andon.plant import PlantModel
from andon.process import exit_status_of, stop_on_signals
from andon.readings import NS_PER_S
from andon.records import SYSTEM_SUPERVISOR, Records, site_records
from flows.kafka_out import MB
from service.options import parser
from sinks.dead_letters import DeadLetterStore
from sinks.history_reader import HistoryReader
from sinks.kafka.alarms import AlarmFeed
from sinks.kafka.dead_letters import DeadLetterFeed
from sinks.kafka.message import Feed
from sinks.kafka.publisher import Publisher, producer_settings
from sinks.kafka.refill import Refill
from sinks.kafka.sender import PAUSES_S, TopicSender
from sinks.kafka.watch import KafkaWatch, Look
from sinks.kafka.windows import WindowFeed

NAME, TARGET = "kafka-sender", "kafka"
TIMEOUT_S = 30.0
STUCK_S = 60.0  # a thread that gives no sign for so long takes the process' own sign away
POLL_S, LOOK_S = 0.5, 10.0
MOST_ALARMS = 100_000
log = structlog.get_logger()


def feeds(kind: str, model: PlantModel, data: DataFolder, records: Records) -> list[Feed]:
    """What is published on a topic: kind is "windows", "alarms" or "dead-letters"."""
    plant, folder = model.config, data.segments(TARGET, 0).parent
    if kind == "alarms":
        return [AlarmFeed(records, folder / "alarms.json")]
    if kind == "windows":
        left = [int(path.name) for path in folder.glob("[0-9]*") if path.name.isdigit()]  # of a shard that is no more
        shards = sorted({*range(plant.transport.shards), *left})
        return [WindowFeed(data.segments(TARGET, shard), shard, refill(model, data, shard)) for shard in shards]
    keep, kafka_log = plant.retention, plant.transport.kind == "kafka"
    return [
        DeadLetterFeed(
            DeadLetterStore(data.dead_letters_db(shard), shard, keep.dead_letters_mb, keep.dead_letters_d),
            plant.site.id, folder / f"dead-letters-{shard}.json", kafka_log=kafka_log,
        )
        for shard in range(plant.transport.shards)
    ]  # fmt: skip


def refill(model: PlantModel, data: DataFolder, shard: int) -> Refill:
    """Where windows of a shard come from that left its queue at the cap."""
    windows = model.config.windows
    sizes = [*windows.sizes_s, *(size for size, _ in windows.hopping_s)]
    mine = [one for one in model.series.values() if model.shard_of(one.asset) == shard]
    series = [(one.asset, one.tag, one.unit) for one in mine]
    declared = {(one.asset, one.tag): [window.id for window in model.windows_for(one)] for one in mine}
    history = HistoryReader([data.history_db(shard)])
    return Refill(model.config.site.id, history, series, [round(size * NS_PER_S) for size in sizes], declared)


class Pulse:
    """The sign of life of the process: given while every thread has given one lately."""

    def __init__(self, beat: Callable[[], None], names: Sequence[str]) -> None:
        self._beat = beat
        self._last = dict.fromkeys(names, time.monotonic())

    def of(self, name: str) -> Callable[[], None]:
        """What a thread calls."""

        def still_here() -> None:
            self._last[name] = time.monotonic()

        return still_here

    def __call__(self) -> None:
        """What the main thread calls."""
        if time.monotonic() - min(self._last.values()) < STUCK_S:
            self._beat()


def senders(
    kafka: Kafka, model: PlantModel, data: DataFolder, records: Records, stop: threading.Event, pulse: Pulse, *,
    timeout_s: float = TIMEOUT_S, pauses_s: Sequence[float] = PAUSES_S,
) -> dict[str, TopicSender]:  # fmt: skip
    """A sender for each kind in `out`, with a producer of its own. Raises ConfigError where the login is incomplete."""
    client = client_settings(kafka, Path(), f"andon-{model.config.site.id}")
    settings = client | producer_settings(kafka, timeout_s)
    return {
        kind: TopicSender(
            f"{kafka.out_prefix}{kind}", feeds(kind, model, data, records),
            Publisher(settings, timeout_s, stop, pulse.of(kind)), pauses_s=pauses_s,
        )
        for kind in kafka.out
    }  # fmt: skip


class Watch:
    """Raises and clears the alarms about the topics, a look every `LOOK_S`."""

    def __init__(self, topics: Mapping[str, TopicSender], records: Records, out_spool_mb: float) -> None:
        self._topics, self._records, self._cap = topics, records, out_spool_mb * MB
        self._watch: KafkaWatch | None = None
        self._due = 0.0

    def __call__(self) -> None:
        """Look when it is time; while the database is away it is tried again at the next look."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + LOOK_S
        try:
            self._look()
        except AndonError as error:
            log.warning("kafka_out.not_looked_at", error=error.code)

    def _look(self) -> None:
        if self._watch is None:
            watch = KafkaWatch()
            watch.take_over(self._records.alarms(open_only=True, limit=MOST_ALARMS))
            self._watch = watch
        seen = {}
        for kind, sender in self._topics.items():
            away_s, waiting, refused = sender.look()
            seen[kind] = Look(away_s, waiting / self._cap, refused)
        before = dict(self._watch.since)
        changes = self._watch.look(seen, SystemClock().now_ns())
        try:
            if changes:
                self._records.apply_conditions(changes, SYSTEM_SUPERVISOR)
        except AndonError:
            self._watch.since = before
            raise


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM, or until a thread breaks: then the supervisor starts it again."""
    options = parser("service.kafka_sender").parse_args(argv)
    stop = stop_on_signals()
    set_up_logs(NAME)
    model = load_plant(options.config)
    plant, data = model.config, DataFolder(options.data)
    data.open(plant.site.id)
    kafka = plant.transport.kafka
    if kafka is None or not kafka.out:
        raise ConfigError("kafka_out.none")
    with ExitStack() as held:
        lock = Exclusive(data.process_lock(NAME))  # two of them would send everything twice
        held.callback(lock.release)
        records = held.enter_context(closing(site_records(plant, data)))  # opened by the first look at the alarms
        pulse = Pulse(Heartbeat(data, NAME), kafka.out)
        topics = senders(kafka, model, data, records, stop, pulse)
        watch = Watch(topics, records, kafka.out_spool_mb)
        pool = held.enter_context(ThreadPoolExecutor(len(topics)))
        running = [pool.submit(sender.run, stop, pulse.of(kind)) for kind, sender in topics.items()]
        _until_all_end(running, stop, [pulse, watch])
    return 0


def _until_all_end(
    running: Sequence[Future[None]], stop: threading.Event, meanwhile: Sequence[Callable[[], None]]
) -> None:
    """When one ends, all end; raises what ended one of them."""
    waiting = set(running)
    try:
        while waiting:
            for act in meanwhile:
                act()
            ended, waiting = wait(waiting, timeout=POLL_S, return_when=FIRST_COMPLETED)
            if ended:
                stop.set()
    finally:
        stop.set()
    for one in running:
        one.result()


if __name__ == "__main__":
    raise SystemExit(exit_status_of(main))
