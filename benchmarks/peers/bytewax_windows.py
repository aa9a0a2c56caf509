"""W1 as Bytewax's documentation does it: an item a reading, `fold_window` for windows, `stateful_map` for the score.

    bytewax_windows.py FOLDER, asked as lane.py says; the project's own environment has Bytewax.

The readings are in memory, so that Kafka is not part of its cost; no recovery. Both are in its favour.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import orjson
from bytewax.dataflow import Dataflow
from bytewax.operators import windowing
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import TestingSource, run_main

from benchmarks.lane import serve
from benchmarks.world import PEERS, World

ALPHA = 0.05
ALIGN = datetime(2026, 1, 1, tzinfo=UTC)
Row = dict[str, Any]


class Forget(DynamicSink[Any]):
    """Forgets."""

    class _Part(StatelessSinkPartition[Any]):
        def write_batch(self, items: list[Any]) -> None:
            pass

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSinkPartition[Any]:
        return self._Part()


def begin() -> list[float]:
    """Count, min, max, sum, sum of squares of nothing."""
    return [0, 1e300, -1e300, 0.0, 0.0]


def fold(state: list[float], row: Row) -> list[float]:
    """One reading more."""
    value = row["value"]
    state[0] += 1
    state[1] = min(state[1], value)
    state[2] = max(state[2], value)
    state[3] += value
    state[4] += value * value
    return state


def merge(one: list[float], two: list[float]) -> list[float]:
    """Two partial windows."""
    return [one[0] + two[0], min(one[1], two[1]), max(one[2], two[2]), one[3] + two[3], one[4] + two[4]]


def ewma(state: tuple[float, float] | None, row: Row) -> tuple[tuple[float, float], float]:
    """The z-score of a reading against the exponentially weighted mean and variance before it."""
    value = row["value"]
    mean, variance = state or (value, 1.0)
    difference = value - mean
    after = mean + ALPHA * difference, (1 - ALPHA) * (variance + ALPHA * difference * difference)
    return after, abs(difference) / (variance**0.5 + 1e-9)


def dataflow(messages: list[bytes]) -> Dataflow:
    """The whole of W1."""
    clock: windowing.EventClock[Row] = windowing.EventClock(
        ts_getter=lambda row: datetime.fromtimestamp(row["ts"] / 1000, UTC),
        wait_for_system_duration=timedelta(seconds=5),
    )
    flow = Dataflow("vanilla")
    rows = op.map("decode", op.input("in", flow, TestingSource(messages, batch_size=1000)), orjson.loads)
    keyed = op.key_on("key", rows, lambda row: row["asset"] + "/" + row["tag"])
    tumbling = windowing.TumblingWindower(length=timedelta(seconds=10), align_to=ALIGN)
    hopping = windowing.SlidingWindower(length=timedelta(seconds=60), offset=timedelta(seconds=5), align_to=ALIGN)
    for name, windower in (("tumbling", tumbling), ("hopping", hopping)):
        out = windowing.fold_window(name, keyed, clock, windower, begin, fold, merge)
        op.output(f"{name}-out", out.down, Forget())
    op.output("scores", op.stateful_map("ewma", keyed, ewma), Forget())
    return flow


def main() -> None:
    """Serve."""
    world = World.read(Path(sys.argv[1]))
    count = world.events[PEERS]
    messages = world.lines.read_bytes().splitlines()[:count]

    def run() -> int:
        run_main(dataflow(messages))
        return count

    serve(run)


if __name__ == "__main__":
    main()
