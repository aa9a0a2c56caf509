"""How Andon's own parts stand, as points of the measurement `pipeline`: flows, queues, senders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from andon.clock import Clock, ScaledClock
from andon.config.models import Plant
from andon.datafolder import DataFolder
from andon.readings import NS_PER_S
from andon.records import Records
from service.parts import read_parts
from sinks.dead_letters import DeadLetterStore
from sinks.history_reader import HistoryReader
from sinks.influx.lines import pipeline_line
from sinks.segments import SegmentReader
from sources.spool import Spool

Fields = dict[str, float | None]
ERP = "erp-sender"
NAMES = {"sender": ERP}  # parts of the supervisor that have another name here
WAITING = ("pending", "leased")


def waiting(readers: Iterable[SegmentReader]) -> Fields:
    """What stands in some queues: bytes, lines, age of the oldest."""
    found = list(readers)
    oldest = [age_s for reader in found if (age_s := reader.oldest_s()) is not None]
    return {
        "backlog_bytes": float(sum(reader.backlog_bytes() for reader in found)),
        "backlog_rows": float(sum(reader.backlog_rows() for reader in found)),
        "oldest_s": max(oldest, default=0.0),
    }


class Pipeline:
    """Looks at everything that a site's folder tells of its parts.

    clock : the plant's; the points carry its time. Lags are seconds of the machine.
    """

    def __init__(self, plant: Plant, data: DataFolder, records: Records, clock: Clock) -> None:
        self._plant, self._data, self._records, self._clock = plant, data, records, clock
        self._shards = range(plant.transport.shards)
        self._history = HistoryReader(data.history_dbs(plant.transport.shards))
        local = plant.transport.kind == "spool"
        self._spools = {shard: Spool(data.spool(shard), shard, clock) for shard in self._shards if local}

    def look(self, influx: Iterable[SegmentReader]) -> list[bytes]:
        """One line a part. influx: the caller's queues. Raises RecordsError, SourceError, sqlite3.Error."""
        now_ns = self._clock.now_ns()
        parts: dict[str, Fields] = {}
        for name, part in read_parts(self._data).items():
            parts[NAMES.get(name, name)] = {"restarts": float(part.restarts)}
        for shard, fields in self._flows(now_ns).items():
            parts[f"shard-{shard}"] = fields
        parts.setdefault("influx-sender", {}).update(waiting(influx))
        kafka = self._plant.transport.kafka
        if kafka is not None and "windows" in kafka.out:
            readers = [SegmentReader(self._data.segments("kafka", shard)) for shard in self._shards]
            parts.setdefault("kafka-sender", {}).update(waiting(readers))
        if self._plant.erp is not None:
            counts = self._records.order_counts()
            parts.setdefault(ERP, {})["backlog_rows"] = float(sum(counts.get(state, 0) for state in WAITING))
        lines = (pipeline_line(self._plant.site.id, name, fields, now_ns) for name, fields in sorted(parts.items()))
        return [line for line in lines if line]

    def _flows(self, now_ns: int) -> Mapping[int, Fields]:
        speed = self._clock.speed if isinstance(self._clock, ScaledClock) else 1.0
        keep = self._plant.retention
        found: dict[int, Fields] = {}
        marks = {mark.shard: mark for mark in self._history.marks()}
        for shard in self._shards:
            store = DeadLetterStore(self._data.dead_letters_db(shard), shard, keep.dead_letters_mb, keep.dead_letters_d)
            fields = found[shard] = {"dead_letters": float(sum(store.counts().values()))}
            store.close()
            done = 0
            if (mark := marks.get(shard)) is not None:
                done = mark.last_offset
                fields["lag_s"] = max(0.0, (now_ns - mark.watermark_ns) / NS_PER_S / speed)
                fields["offset"] = float(done)
            if (spool := self._spools.get(shard)) is not None:
                fields["backlog_bytes"] = float(spool.size_bytes())
                fields["backlog_rows"] = float(max(0, spool.last_offset() - done))
        return found

    def close(self) -> None:
        """Close the files."""
        self._history.close()
        for spool in self._spools.values():
            spool.close()
