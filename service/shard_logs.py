"""The logs of a plant's shards, to append to what a person puts in: dead letters once more, recorded data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from andon.clock import Clock
from andon.datafolder import DataFolder
from andon.errors import ConfigError
from andon.plant import PlantModel
from sources.spool import Spool

DELIVERED_S = 20.0  # somebody waits for the answer


class ShardLog(Protocol):
    """A shard's log."""

    shard: int

    def append(self, bodies: Sequence[bytes]) -> int:
        """Append in this order; kept for good when it returns. AndonError where it is not taken."""


def shard_logs(plant: PlantModel, data: DataFolder, clock: Clock) -> dict[int, ShardLog]:
    """The logs by shard, for one thread. clock: stamps what is appended. ConfigError for an unusable configuration."""
    shards, kafka = range(plant.config.transport.shards), plant.config.transport.kafka
    if plant.config.transport.kind == "spool":
        return {shard: Spool(data.spool(shard), shard, clock) for shard in shards}
    from andon.kafka import client_settings
    from sources.kafka.producer import KafkaLog, log_client  # the client's library is not loaded for a spool

    if kafka is None:
        raise ConfigError("kafka.none")
    client = log_client(client_settings(kafka, Path(), f"andon-{plant.config.site.id}-hand"), DELIVERED_S)
    return {shard: KafkaLog(client, kafka.topic, shard, clock) for shard in shards}
