"""The shards of a worker make their snapshots at the same time, the same ones as alone (flows/together.py)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from andon.readings import Message, Messages
from andon.slots import SlotFiles
from benchmarks.workload import bodies, events, plant
from flows.quarantine import Quarantine
from flows.shard import ShardEngine
from flows.stage import EngineStage
from flows.together import Siblings, SiblingStage
from sinks.journal import Journal
from sources.batch import Batch

SHARDS = 3
MODEL = plant(detect=False)


def batch(shard: int, begin: int, rows: int = 50) -> Batch:
    """Readings of the plant as messages, the same for every shard."""
    texts = bodies(events(begin + rows))[begin:]
    return Batch(
        shard, Messages.of([Message(at, 1_767_225_600 * 10**9, body) for at, body in enumerate(texts, begin + 1)])
    )


def opened(folder: Path) -> tuple[ShardEngine, Quarantine]:
    """An engine of shard 0 in a folder of its own."""
    return (
        ShardEngine(MODEL, 0, Journal(folder / "journal"), SlotFiles(folder / "slots")),
        Quarantine(folder / "quarantine.json"),
    )  # fmt: skip


def opening(folder: Path) -> Callable[[int], tuple[ShardEngine, Quarantine]]:
    """For a stage: `opened`, whatever its shard."""
    return lambda _shard: opened(folder)


def stages(folder: Path, siblings: Siblings) -> list[SiblingStage]:
    """Of three engines, that stand for the shards of a worker."""
    return [SiblingStage(siblings, None, opening(folder / str(number))) for number in range(SHARDS)]


def test_snapshots_are_those_that_each_would_make_alone(tmp_path: Path) -> None:
    """Round after round, with shards that have nothing new in some of them."""
    together = stages(tmp_path / "together", Siblings())
    alone = [EngineStage(None, opening(tmp_path / "alone" / str(number))) for number in range(SHARDS)]
    for turn, fed in enumerate([(0, 1, 2), (1,), (0, 2), (), (2, 1)]):
        for number in fed:
            for stage in (together[number], alone[number]):
                stage.on_batch([batch(0, 50 * turn)])
        for one, other in zip(together, alone, strict=True):
            assert one.snapshot() == other.snapshot()
    for number, stage in enumerate(together):
        state = stage.snapshot()
        again, _ = opened(tmp_path / "together" / str(number))
        again.restore(state)
        assert state is not None
        assert again.journal.rows == state[2][2]


def test_a_snapshot_of_before_is_never_given_for_one_of_now(tmp_path: Path) -> None:
    first, second, _ = stages(tmp_path, Siblings())
    for stage in (first, second):
        stage.on_batch([batch(0, 0)])
    first.snapshot()  # made that of the second, too
    second.on_batch([batch(0, 50)])
    state = second.snapshot()
    assert state is not None
    assert state[2][2] == 100  # rows of the journal


def test_what_fails_fails_with_its_own_shard(tmp_path: Path) -> None:
    first, second, third = stages(tmp_path, Siblings())
    for stage in (first, second, third):
        stage.on_batch([batch(0, 0)])
    (tmp_path / "1" / "journal").rename(tmp_path / "away")
    assert first.snapshot() is not None
    with pytest.raises(OSError, match="journal"):
        second.snapshot()
    assert third.snapshot() is not None


class Meeting(SiblingStage):
    """Goes on with its snapshot only where all others make theirs."""

    barrier = threading.Barrier(SHARDS, timeout=20)

    def snapshot_alone(self) -> None:
        self.barrier.wait()


def test_all_wait_for_the_disk_at_the_same_time() -> None:
    """One after another, the first would never end."""
    siblings = Siblings()
    those = [Meeting(siblings, None, opened) for _ in range(SHARDS)]
    for stage in those:
        siblings.note(stage)
    assert [stage.snapshot() for stage in those] == [None] * SHARDS
