"""Snapshots of all shards of a worker at the same time.

At the end of an epoch Bytewax asks each key for its snapshot in turn, when all have taken in what belongs to the epoch.
Each then waits for the disk, and readings wait with it: 20 shards one after another took 20 times as long as one. So
the first that is asked has all write that have something new; the disk makes them durable together.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from andon.outputs import ShardOutputs
from flows.shard_state import State
from flows.stage import EngineStage
from sources.spool_bytewax import Batch

AT_ONCE = 32  # they wait, mostly


class Siblings:
    """The stages of one flow in one process. Not thread-safe: Bytewax asks one after another."""

    def __init__(self) -> None:
        self._stale: dict[SiblingStage, None] = {}  # took something in since their last snapshot; in that order
        self._taken: dict[SiblingStage, Future[State | None]] = {}
        self._pool = ThreadPoolExecutor(AT_ONCE, "snapshot")

    def note(self, stage: SiblingStage) -> None:
        """It takes something in: a snapshot of before is of no use."""
        self._stale[stage] = None
        self._taken.pop(stage, None)

    def snapshot_of(self, stage: SiblingStage) -> State | None:
        """Its snapshot; those of all others that need one are made with it. Raises what its own raised."""
        if stage in self._stale:
            those, self._stale = self._stale, {}
            alone = len(those) == 1
            if not alone:
                self._taken.update({one: self._pool.submit(one.snapshot_alone) for one in those})
                for one in those:
                    self._taken[one].exception()  # none goes on while another still writes
        taken = self._taken.pop(stage, None)
        return stage.snapshot_alone() if taken is None else taken.result()


class SiblingStage(EngineStage):
    """An engine's stage that makes its snapshot together with the others of its flow."""

    def __init__(self, siblings: Siblings, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._siblings = siblings

    def on_batch(self, values: list[Batch]) -> tuple[Iterable[ShardOutputs], bool]:
        """As `EngineStage.on_batch`."""
        self._siblings.note(self)
        return super().on_batch(values)

    def snapshot(self) -> State | None:
        """Everything so far is on disk when this returns."""
        return self._siblings.snapshot_of(self)

    def snapshot_alone(self) -> State | None:
        """As `snapshot`, of this one alone; by any thread, while nothing is taken in."""
        return super().snapshot()
