"""Apache Kafka as the log of a plant: one topic, one partition a shard.

Promises (tests/test_kafka*.py): a log gives the same messages as through the spool; a restart goes on at the exact
message after the flow's last epoch; messages that retention removed unread are never skipped in silence; a broker that
is away stops nothing but the reading.
"""

from __future__ import annotations

from sources.kafka.positions import Position, kafka_offset, log_offset
from sources.kafka.reader import KafkaReader

__all__ = ["KafkaReader", "Position", "kafka_offset", "log_offset"]
