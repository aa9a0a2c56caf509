"""What `[transport] profile` means: how long a reading may wait for others, against what each look at the log costs.

Batches fill by themselves while there is a backlog, whatever the profile; where there is none, what has come is handed
on at once, and these say how often a source looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Profile:
    """How a source polls, what a consumer fetches ahead, and how often the flow keeps its state.

    busy_s, idle_s   : pause after the first look that found nothing, and the longest one; a topic of Kafka, s.
    spool_busy_s, .. : the same of a spool, where a look is a read of a file, s.
    fetch_wait_ms    : how long the broker holds an answer back while it has less than fetch_min_bytes.
    queue_messages   : the client fetches on below it; queue_kb: and never more than this, a partition.
    epoch_s          : between two snapshots; what a crash reads again, s.
    """

    busy_s: float
    idle_s: float
    spool_busy_s: float
    spool_idle_s: float
    fetch_wait_ms: int
    fetch_min_bytes: int
    queue_messages: int
    queue_kb: int
    epoch_s: float


PROFILES: Mapping[str, Profile] = MappingProxyType({
    "alarm": Profile(0.001, 0.002, 0.002, 0.01, 100, 1, 10_000, 8_192, 1.0),
    "balanced": Profile(0.002, 0.02, 0.005, 0.05, 100, 1, 20_000, 16_384, 1.0),
    "bulk": Profile(0.05, 0.2, 0.05, 0.2, 500, 65_536, 50_000, 32_768, 5.0),
})  # fmt: skip
