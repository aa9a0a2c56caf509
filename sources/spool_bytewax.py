"""The spool as a Bytewax source: one partition a shard, an item is a batch of messages.

Delivery: every message once per recovery epoch; a crash reads again what came after the last epoch. `next_batch`
never blocks. Stopping is a flag, not a signal: the source ends, Bytewax keeps the state, nothing is read twice.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from sources.batch import MAX_BYTES, MAX_MESSAGES, Batch, shard_key
from sources.profile import PROFILES, Profile
from sources.spool import SpoolReader

__all__ = ["Batch", "SpoolPartition", "SpoolSource", "shard_key"]

KEPT_SNAPSHOTS = 6  # Bytewax may resume an epoch or more before its newest snapshot


class SpoolPartition(StatefulSourcePartition[tuple[str, Batch], int]):
    """One shard. The state is the offset of the last message given out."""

    def __init__(
        self, folder: Path, shard: int, after: int, stop: threading.Event, beat: Callable[[], None],
        profile: Profile = PROFILES["balanced"],
    ) -> None:  # fmt: skip
        self._shard = shard
        self._reader = SpoolReader(folder, shard, after)
        self._after = after
        self._stop = stop
        self._beat, self._profile = beat, profile
        self._awake: datetime | None = None
        self._idle = 0
        self._snapshots: deque[int] = deque(maxlen=KEPT_SNAPSHOTS)

    def next_batch(self) -> Iterable[tuple[str, Batch]]:
        """Whatever is there, up to 8,192 messages or 4 MB."""
        self._beat()
        if self._stop.is_set():
            raise StopIteration
        messages = self._reader.read(MAX_MESSAGES, MAX_BYTES)
        if not messages:
            self._idle += 1
            pause_s = min(self._profile.spool_busy_s * self._idle, self._profile.spool_idle_s)
            self._awake = datetime.now(UTC) + timedelta(seconds=pause_s)
            return []
        self._idle, self._awake = 0, None
        self._after = messages[-1].offset
        return [(shard_key(self._shard), Batch(self._shard, messages))]

    def next_awake(self) -> datetime | None:
        """Soon while there is something, as the profile says while there is nothing."""
        return self._awake

    def snapshot(self) -> int:
        """Offset to resume after; what the oldest kept snapshots have passed may leave the spool."""
        self._snapshots.append(self._after)
        if len(self._snapshots) == KEPT_SNAPSHOTS:
            self._reader.release(self._snapshots[0])
        return self._after

    def close(self) -> None:
        """Close the files."""
        self._reader.close()


class SpoolSource(FixedPartitionedSource[tuple[str, Batch], int]):
    """All shards of one flow process.

    folders: spool folder by shard; stop: set it to drain and end; beat: called at every poll, for the watchdog that
    restarts a flow which a clock step has put to sleep. profile: of [transport].
    """

    def __init__(
        self, folders: Mapping[int, Path], stop: threading.Event, beat: Callable[[], None], profile: str = "balanced"
    ) -> None:
        self._folders = {shard_key(shard): (shard, folder) for shard, folder in folders.items()}
        self._stop = stop
        self._beat = beat
        self._profile = PROFILES[profile]

    def list_parts(self) -> list[str]:
        """One partition a shard."""
        return sorted(self._folders)

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> SpoolPartition:
        """Resume after the stored offset, or from the beginning."""
        shard, folder = self._folders[for_part]
        return SpoolPartition(folder, shard, resume_state or 0, self._stop, self._beat, self._profile)
