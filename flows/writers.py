"""The flow's local writers as Bytewax sinks: history, dead letters, records. None of them touches the network.

Each output has a deterministic key, so writing again after a crash changes nothing. Dead letters have no key of
their own: their state is the last offset written, and a resume removes what was written after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import structlog
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from andon.outputs import ShardOutputs
from andon.readings import DeadLetters
from andon.records import SYSTEM_FLOW, Records
from flows.retention import Horizon
from flows.seeds import Seeds
from sinks.dead_letters import DeadLetterStore
from sinks.history import HistoryWriter
from sources.spool_bytewax import shard_key

HELD = 4_096
S = TypeVar("S")
log = structlog.get_logger()


class HistoryPartition(StatefulSinkPartition[ShardOutputs, None]):
    """Windows, figures, newest values, states and ledger of one shard, kept for keep_s behind the shard's time."""

    def __init__(self, writer: HistoryWriter, keep_s: float) -> None:
        self._writer = writer
        self._horizon = Horizon(keep_s)

    def write_batch(self, values: list[ShardOutputs]) -> None:
        """One transaction a step."""
        for outputs in values:
            self._writer.write(outputs)
            before_ns = self._horizon.advance(outputs.watermark_ns)
            if before_ns is not None and (gone := self._writer.prune(before_ns)):
                log.info("history.pruned", shard=outputs.shard, rows=gone)

    def snapshot(self) -> None:
        """Nothing: keys and revisions make a replay harmless."""

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


class DeadLetterPartition(StatefulSinkPartition[ShardOutputs, int]):
    """Dead letters of one shard, written when `HELD` are there and before each epoch closes.

    The state is the last offset consumed.
    """

    def __init__(self, store: DeadLetterStore, resume: int | None) -> None:
        self._store = store
        self.offset = resume or 0  # last one consumed
        self._held: list[DeadLetters] = []
        self._rows = 0
        self._paths: Mapping[int, tuple[str, str]] = {}
        store.truncate_after(self.offset)

    def write_batch(self, values: list[ShardOutputs]) -> None:
        """Hold them back: a commit for each step would cost more than all the rest that a dead letter does."""
        for outputs in values:
            if len(outputs.dead):
                self._held.append(outputs.dead)
                self._rows += len(outputs.dead)
            self._paths = outputs.paths
            self.offset = max(self.offset, outputs.last_offset)
        if self._rows >= HELD:
            self._write()

    def snapshot(self) -> int:
        """Last offset whose dead letters are on disk."""
        self._write()
        return self.offset

    def close(self) -> None:
        """Write what is held and close the file."""
        self._write()
        self._store.close()

    def _write(self) -> None:
        dead = DeadLetters.joined(self._held)
        named = {one: "/".join(self._paths[one]) for one in set(dead.series.tolist()) if one >= 0}
        self._store.write(dead, named)
        self._held, self._rows = [], 0


class RecordsPartition(StatefulSinkPartition[ShardOutputs, None]):
    """Alarms and what they raise: decision, outbox row and audit row in one transaction."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def write_batch(self, values: list[ShardOutputs]) -> None:
        """Idempotent: a change that is known already changes nothing."""
        changes = [change for outputs in values for change in outputs.conditions]
        if changes:
            self._records.apply_conditions(changes, SYSTEM_FLOW)

    def snapshot(self) -> None:
        """Nothing: alarm keys make a replay harmless."""

    def close(self) -> None:
        """Let the connections go; another shard of the flow that is not done yet opens them again."""
        self._records.close()


class ShardSink(FixedPartitionedSink[ShardOutputs, S]):
    """One partition a shard, built by `build(shard, state)` from the recovery store's state, else the seed."""

    def __init__(
        self,
        shards: Sequence[int],
        seeds: Seeds,
        build: Callable[[int, S | None], StatefulSinkPartition[ShardOutputs, S]],
    ) -> None:
        self._shards = {shard_key(shard): shard for shard in shards}
        self._seeds = seeds
        self._build = build

    def list_parts(self) -> list[str]:
        """One partition a shard."""
        return sorted(self._shards)

    def part_fn(self, item_key: str) -> int:
        """The shard's own partition, never a hash."""
        return self.list_parts().index(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: S | None) -> StatefulSinkPartition[ShardOutputs, S]:
        """Build or resume a shard's writer."""
        state = self._seeds.get(step_id, for_part) if resume_state is None else resume_state
        return self._build(self._shards[for_part], state)
