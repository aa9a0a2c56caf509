"""The engine as one stateful Bytewax step: opens on the first batch or from a snapshot, keeps its state at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext

import structlog
from bytewax.operators import StatefulBatchLogic

from andon.outputs import ShardOutputs
from andon.readings import Message
from flows.metrics import note_step
from flows.quarantine import Quarantine
from flows.shard import ShardEngine, State
from sources.spool_bytewax import Batch

log = structlog.get_logger()
Opened = tuple[ShardEngine, Quarantine]


class EngineStage(StatefulBatchLogic[Batch, ShardOutputs, State | None]):
    """One shard's engine inside Bytewax.

    open_shard(number) makes an engine with empty state and the shard's quarantine; seed(number) is where a shard goes
    on that the recovery store does not know. State is kept at the end of the input, so a stop drains and a start goes
    on. A failing message: see flows/quarantine.py. compiling is around the first batch, which takes a minute and more
    where the kernels are not compiled yet.
    """

    def __init__(
        self,
        state: State | None,
        open_shard: Callable[[int], Opened],
        seed: Callable[[int], State | None] = lambda _shard: None,
        compiling: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._around = compiling
        self._open_shard = open_shard
        self._seed = seed
        self._opened: Opened | None = None
        if state is not None:
            self._open(state[1], state)

    def on_batch(self, values: list[Batch]) -> tuple[Iterable[ShardOutputs], bool]:
        """One `ShardOutputs` a portion of a batch."""
        outputs = []
        with self._around():
            for batch in values:
                engine, quarantine = self._opened or self._open(batch.shard, self._seed(batch.shard))
                outputs += [self._step(engine, quarantine, part) for part in quarantine.portions(batch.messages)]
        self._around = nullcontext
        return outputs, StatefulBatchLogic.RETAIN

    def snapshot(self) -> State | None:
        """Everything so far is on disk when this returns."""
        return self._opened[0].snapshot() if self._opened else None

    def _open(self, shard: int, state: State | None) -> Opened:
        self._opened = self._open_shard(shard)
        self._opened[0].restore(state)
        return self._opened

    @staticmethod
    def _step(engine: ShardEngine, quarantine: Quarantine, messages: Sequence[Message]) -> ShardOutputs:
        if quarantine.is_poison(messages):
            return engine.set_aside(messages[0])
        began = time.perf_counter()
        try:
            outputs = engine.step(messages)
        except (OSError, MemoryError):
            raise  # a full disk is not the message's fault: tried again as it is, never set aside
        except Exception:
            quarantine.failed(messages)
            log.exception("flow.step_failed", first=messages[0].offset, last=messages[-1].offset)
            raise
        note_step(outputs, time.perf_counter() - began)
        return outputs
