"""Kafka as a Bytewax source: one partition a shard, an item is a batch of messages.

Delivery: every message once per recovery epoch; a crash reads again what came after the last epoch. `next_batch` never
waits for the broker (but once, a second at most, when messages are gone). Stopping is a flag, not a signal: the source
ends, Bytewax keeps the state, nothing is read twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from prometheus_client import Gauge

from andon.clock import Clock, SystemClock
from andon.datafolder import DataFolder
from andon.errors import ConfigError
from andon.heartbeat import Heartbeat
from andon.plant import PlantModel
from sources.batch import MAX_BYTES, MAX_MESSAGES, Batch, shard_key
from sources.kafka.gaps import Gap, GapFiles
from sources.kafka.positions import Position
from sources.kafka.reader import KafkaReader
from sources.kafka.settings import consumer_settings
from sources.kafka.topic import await_topic
from sources.profile import PROFILES, Profile
from sources.registry_files import SchemaFiles
from sources.registry_gate import Ask, SchemaGate

log = structlog.get_logger()
GONE = Gauge(
    "andon_kafka_gone_messages", "Messages removed unread, at which the shard stands; 0: none", ["shard"],
    multiprocess_mode="livemostrecent",
)  # fmt: skip
PARTITIONS = Gauge("andon_kafka_partitions", "Partitions of the topic", ["shard"], multiprocess_mode="livemostrecent")
HELD_POLL_S = 1.0
ENDS_TIMEOUT_S = 1.0
LOOK_AGAIN_S = 60.0  # whether messages that were gone are there again, of a log that was put back


class KafkaPartition(StatefulSourcePartition[tuple[str, Batch], tuple[int, int]]):
    """One shard. The state is the `Position` after the last message given out, as a plain tuple.

    Where the broker has removed messages that were not read, it stands still until `GapFiles.is_allowed`. by_broker:
    whose stamps are wanted; others are an error in the log, since a producer's clock then tells the receive time.
    """

    def __init__(
        self, reader: KafkaReader, gaps: GapFiles, stop: threading.Event, beat: Callable[[], None], clock: Clock,
        contact: Callable[[], None] = lambda: None, *, by_broker: bool | None = None, gate: SchemaGate | None = None,
        profile: Profile = PROFILES["balanced"],
    ) -> None:  # fmt: skip
        self._by_broker = by_broker
        self._reader, self._gaps, self._stop, self._beat, self._clock = reader, gaps, stop, beat, clock
        self._contact, self._profile = contact, profile
        self._gate = gate or SchemaGate(reader.shard, reader, SchemaFiles(Path()), None)
        self._awake: datetime | None = None
        self._idle = 0
        self._partitions: int | None = None
        self._begun = reader.position.offset > 0
        self._held: Gap | None = None
        self._looked_s = 0.0
        self._noted = gaps.current() is not None  # by an earlier process

    def next_batch(self) -> Iterable[tuple[str, Batch]]:
        """Whatever has been fetched, up to 8,192 messages or about 4 MB."""
        self._beat()
        if self._stop.is_set():
            raise StopIteration
        messages = self._gate.read(MAX_MESSAGES, MAX_BYTES)
        self._look_at_topic()
        if not messages:
            if self._gate.waits:
                self._contact()  # it is the schema registry that does not answer, not the broker
                self._reader.look()
                self._sleep(self._profile.idle_s)
            elif self._reader.lost:
                self._at_gap()
            else:
                self._idle += 1
                self._sleep(min(self._profile.busy_s * self._idle, self._profile.idle_s))
            return []
        if self._noted:
            self._noted = False
            self._gaps.close()
        if self._by_broker not in (None, self._reader.stamped_by_broker):
            self._by_broker = None  # said once
            log.error("kafka.other_stamps", topic=self._reader.topic, by_broker=self._reader.stamped_by_broker)
        if not self._begun:
            self._begun = True
            log.info("kafka.begins", shard=self._reader.shard, offset=messages[0].offset - 1)
        self._idle, self._awake = 0, None
        return [(shard_key(self._reader.shard), Batch(self._reader.shard, messages))]

    def next_awake(self) -> datetime | None:
        """Soon while there is something, as the profile says while there is nothing, after 1 s at a gap."""
        return self._awake

    def snapshot(self) -> tuple[int, int]:
        """Where to go on."""
        position = self._gate.position
        return position.offset, position.stamp_ns

    def close(self) -> None:
        """Let the broker go."""
        self._reader.close()

    def _sleep(self, seconds: float) -> None:
        self._awake = datetime.now(UTC) + timedelta(seconds=seconds)

    def _at_gap(self) -> None:
        """The messages from the position on are gone: say so and stand still, or go on where a person has said so."""
        self._sleep(HELD_POLL_S)
        self._contact()  # it is the log that is gone, not the broker
        shard, wanted = self._reader.shard, self._reader.position.offset
        allowed = self._gaps.is_allowed(wanted)
        now_s = time.monotonic()
        if self._held is not None and not allowed and now_s - self._looked_s < LOOK_AGAIN_S:
            return
        self._looked_s = now_s
        ends = self._reader.ends(ENDS_TIMEOUT_S)
        if ends is None:
            return
        gap = Gap(shard, wanted, *ends, self._clock.now_ns())
        if gap.oldest <= wanted <= gap.end:
            log.warning("kafka.there_again", shard=shard, offset=wanted)
            self._held = None
            GONE.labels(shard).set(0)
            self._reader.go_on(wanted)
        elif allowed and not gap.ahead:
            log.error("kafka.gap_passed", shard=shard, wanted=wanted, oldest=gap.oldest, missing=gap.missing)
            self._gaps.passed(gap)
            self._held, self._noted = None, False
            GONE.labels(shard).set(0)
            self._reader.go_on(gap.oldest)
        elif self._held is None or self._held.oldest != gap.oldest:
            self._hold(gap)

    def _hold(self, gap: Gap) -> None:
        log.error(
            "kafka.ahead" if gap.ahead else "kafka.gone", shard=gap.shard, wanted=gap.wanted, oldest=gap.oldest,
            end=gap.end, missing=gap.missing,
        )  # fmt: skip
        GONE.labels(gap.shard).set(max(1, gap.missing))
        self._gaps.note(gap)
        self._held, self._noted = gap, True

    def _look_at_topic(self) -> None:
        """Notice partitions that were added: nobody reads them, and keys go to other partitions than before."""
        found = self._reader.partitions
        if found is None or found == self._partitions:
            return
        if self._partitions is not None:
            log.error("kafka.partitions_changed", topic=self._reader.topic, found=found, before=self._partitions)
        self._partitions = found
        PARTITIONS.labels(self._reader.shard).set(found)
        self._gaps.note_partitions(found)


class KafkaSource(FixedPartitionedSource[tuple[str, Batch], tuple[int, int]]):
    """Some shards of the plant's topic, for one flow process; partition N is shard N.

    stop: set it to drain and end. beat: called at every poll, and while the broker is waited for. Raises ConfigError
    without [transport.kafka]; see `await_topic` for what a start may raise.
    """

    def __init__(
        self, plant: PlantModel, data: DataFolder, shards: Sequence[int], stop: threading.Event,
        beat: Callable[[], None], clock: Clock | None = None,
    ) -> None:  # fmt: skip
        if plant.config.transport.kafka is None:
            raise ConfigError("kafka.none")
        self._kafka, self._plant, self._data = plant.config.transport.kafka, plant, data
        self._profile = plant.config.transport.profile
        self._shards = {shard_key(shard): shard for shard in shards}
        self._stop, self._beat, self._clock = stop, beat, clock or SystemClock()

    def list_parts(self) -> list[str]:
        """One partition a shard, after a look at the topic; the only call that may wait for the broker."""
        shards = self._plant.config.transport.shards
        await_topic(self._kafka, self._settings(), shards, self._stop, self._beat)
        return sorted(self._shards)

    def build_part(self, step_id: str, for_part: str, resume_state: tuple[int, int] | None) -> KafkaPartition:
        """Go on after the stored position, or from the oldest message."""
        shard = self._shards[for_part]
        contact = Heartbeat(self._data, f"log-{shard}")
        after = Position(*(resume_state or ()))
        reader = KafkaReader(self._settings(), self._kafka.topic, shard, after, contact, self._clock)
        files = SchemaFiles(self._data.slots(shard).parent / "schemas")
        gate = SchemaGate(shard, reader, files, self._registry())
        return KafkaPartition(
            reader, GapFiles(self._data, shard), self._stop, self._beat, self._clock, contact,
            by_broker=self._kafka.stamps == "broker", gate=gate, profile=PROFILES[self._profile],
        )  # fmt: skip

    def _registry(self) -> Ask | None:
        settings = self._plant.config.sources.schema_registry
        if settings is None:
            return None
        from sources.registry import Registry  # takes half a second, and only this way in needs it

        return Registry(settings)

    def _settings(self) -> dict[str, object]:
        """The same for all shards of the process: those share a client. It goes by the first one's name."""
        first = min(self._shards.values())
        return consumer_settings(self._kafka, self._plant.config.site.id, first, self._profile)
