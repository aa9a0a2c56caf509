"""How the source talks to its broker: what `andon.kafka` says of every client, and what a consumer needs besides.

Measured (docs/kafka.md): with fetch.queue.backoff.ms at its default of 1,000 a backlog is read at 160-300 k messages/s,
with 2 at 700-870 k. A long fetch.wait.max.ms costs no latency, since the broker answers as soon as it has a byte
(p50 7.4 ms, p99 11.4 ms with 100; 8.0 and 13.6 ms with 5), and an idle partition then takes 0.5 % of a core, not 1.2 %.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from andon.config.deployment import Kafka
from andon.kafka import client_settings
from sources.profile import PROFILES

QUEUE_BACKOFF_MS = 2
STATISTICS_MS = 2_000


def consumer_settings(kafka: Kafka, site: str, shard: int, profile: str = "balanced") -> dict[str, Any]:
    """For the consumer of one partition. It never commits: the flow's recovery store keeps the position.

    profile: a name of `PROFILES`; what [transport.kafka] says itself goes before it. File names
    in `kafka` are absolute, as `load_plant` gives them. The result holds the password: for the client
    alone, never for a log. Raises ConfigError where a secret is missing.
    """
    chosen = PROFILES[profile]
    return client_settings(kafka, Path(), f"andon-{site}-{shard}") | {
        "group.id": f"andon-{site}-{shard}",  # the client asks for one; nothing is stored under it
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",  # by default it would go to the end when retention has removed the position
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "check.crcs": True,
        "allow.auto.create.topics": False,
        "fetch.wait.max.ms": _first(kafka.fetch_wait_ms, chosen.fetch_wait_ms),
        "fetch.min.bytes": _first(kafka.fetch_min_bytes, chosen.fetch_min_bytes),
        "fetch.queue.backoff.ms": QUEUE_BACKOFF_MS,
        "queued.max.messages.kbytes": _first(kafka.queue_kb, chosen.queue_kb),
        "queued.min.messages": _first(kafka.queue_messages, chosen.queue_messages),
        "statistics.interval.ms": STATISTICS_MS,
        "topic.metadata.refresh.interval.ms": 60_000,  # partitions that were added are seen after so long
    }


def _first(said: int | None, otherwise: int) -> int:
    return otherwise if said is None else said
