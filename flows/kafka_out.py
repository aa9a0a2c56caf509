"""Windows on their way to Kafka: the flow's local writer. The network is the business of service/kafka_sender.py."""

from __future__ import annotations

from bytewax.outputs import StatefulSinkPartition

from andon.datafolder import DataFolder
from andon.outputs import ShardOutputs
from andon.plant import PlantModel
from sinks.kafka.refill import summary
from sinks.kafka.window_lines import span_lines, window_lines
from sinks.segments import Position, SegmentWriter

MB = 1_000_000


class KafkaOutPartition(StatefulSinkPartition[ShardOutputs, Position]):
    """Windows of one shard as lines of its segment queue; the state is how far the queue belongs to the epoch.

    After a crash the lines of the broken epoch go away and come again, so the queue has each window once; what the
    sender has sent of them before is sent twice, with the same id.
    """

    def __init__(self, writer: SegmentWriter, plant: PlantModel, resume: Position | None) -> None:
        self._writer = writer
        self._site = plant.config.site.id
        self._specs = plant.series
        self._units: dict[int, str] = {}
        writer.restore(resume)

    def write_batch(self, values: list[ShardOutputs]) -> None:
        """Append the windows of each step."""
        for outputs in values:
            rows, spans = outputs.windows, outputs.spans
            if not len(rows) and not len(spans):
                continue
            for series in {*rows.series.tolist(), *spans.series.tolist()} - self._units.keys():
                spec = self._specs.get(outputs.paths[series])  # none where it has left the configuration
                self._units[series] = spec.unit if spec else "1"
            lines = window_lines(self._site, rows, outputs.paths, self._units)
            if len(spans):
                lines += span_lines(self._site, spans, outputs.paths, self._units)
            self._writer.write(lines, len(rows) + len(spans))

    def snapshot(self) -> Position:
        """Everything written so far, on disk."""
        return self._writer.flush()

    def close(self) -> None:
        """Put it on disk and close the file."""
        self._writer.flush()
        self._writer.close()


def kafka_out_partition(plant: PlantModel, data: DataFolder, shard: int, resume: Position | None) -> KafkaOutPartition:
    """The writer of a shard; with [transport.kafka] out that has "windows". Raises ValueError without the section."""
    kafka = plant.config.transport.kafka
    if kafka is None:
        raise ValueError("there is no [transport.kafka] section")
    writer = SegmentWriter(data.segments("kafka", shard), max_bytes=round(kafka.out_spool_mb * MB), summary=summary)
    return KafkaOutPartition(writer, plant, resume)
