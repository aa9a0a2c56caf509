"""The engine as one stateful Bytewax step: opens on the first batch or from a snapshot, keeps its state at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import structlog
from bytewax.operators import StatefulBatchLogic

from andon.outputs import ShardOutputs
from andon.readings import Message
from flows.edits import RuleEdits
from flows.metrics import note_step
from flows.model_file import ModelFile
from flows.quarantine import Quarantine
from flows.shard import ShardEngine
from flows.shard_state import State
from sources.spool_bytewax import Batch

log = structlog.get_logger()
Opened = tuple[ShardEngine, Quarantine]


class EngineStage(StatefulBatchLogic[Batch, ShardOutputs, State | None]):
    """One shard's engine inside Bytewax.

    open_shard(number) makes an engine with empty state and the shard's quarantine; seed(number) is where a shard goes
    on that the recovery store does not know. State is kept at the end of the input, so a stop drains and a start goes
    on. A failing message: see flows/quarantine.py. compiling is around the first batch, which takes a minute and more
    where the kernels are not compiled yet. edits(number): the sets of rules of a shard's log; reopen(number):
    as open_shard, of an engine alone. Without them the rules that `open_shard` gave it judge everything. models: the
    file of who judges which series; without it plant.toml says so.
    """

    def __init__(
        self,
        state: State | None,
        open_shard: Callable[[int], Opened],
        seed: Callable[[int], State | None] = lambda _shard: None,
        compiling: Callable[[], AbstractContextManager[None]] = nullcontext,
        edits: Callable[[int], RuleEdits | None] = lambda _shard: None,
        reopen: Callable[[int], ShardEngine] | None = None,
        models: ModelFile | None = None,
    ) -> None:
        self._models = models
        self._assigned: tuple[ShardEngine, int] | None = None  # the engine and the edition of the file it knows
        self._around = compiling
        self._edits_of, self._reopen = edits, reopen
        self._edits: RuleEdits | None = None
        self._stepped = False
        self._under = 0  # number of the rules that the engine is under
        self._from: State | None = None  # what it was opened from, until its first step
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
                _, quarantine = self._opened or self._open(batch.shard, self._seed(batch.shard))
                for portion in quarantine.portions(batch.messages):
                    for engine, part in self._judges(batch.shard, portion):
                        self._assign(engine)
                        outputs.append(self._step(engine, quarantine, part))
                        self._from, self._stepped = None, True
        self._around = nullcontext
        return outputs, StatefulBatchLogic.RETAIN

    def _assign(self, engine: ShardEngine) -> None:
        """Tell the engine which models judge what, where it has not been told."""
        if self._models is None:
            return
        edition, assignments = self._models.now()
        if self._assigned != (engine, edition):
            self._assigned = engine, edition
            engine.assign(assignments)

    def snapshot(self) -> State | None:
        """Everything so far is on disk when this returns."""
        if self._from is not None:  # nothing was judged since; the rules of now may not be those of what comes next
            return self._from
        return self._opened[0].snapshot() if self._opened else None

    def _open(self, shard: int, state: State | None) -> Opened:
        self._opened, self._from, self._stepped = self._open_shard(shard), state, False
        self._opened[0].restore(state)
        self._edits = self._edits_of(shard)
        self._under = self._edits.now if self._edits is not None else 0
        return self._opened

    def _judges(self, shard: int, messages: Sequence[Message]) -> Iterator[tuple[ShardEngine, Sequence[Message]]]:
        """Each part of the messages with the engine, which goes over to the rules that the part belongs to."""
        engine, quarantine = self._opened or self._open(shard, None)
        if self._edits is None or self._reopen is None:
            yield engine, messages
            return
        for number, part in self._edits.parts(messages):
            if number > self._under or (number != self._under and not self._stepped):
                if not self._stepped:  # the rules of now have dropped what was not confirmed
                    engine = self._reopen(shard)
                engine.judge_by(self._edits.rules(number))
                if not self._stepped:
                    engine.restore(self._from)
                self._opened, self._under = (engine, quarantine), number
            yield engine, part

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
