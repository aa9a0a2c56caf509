"""What a snapshot costs: the engine inside Bytewax at full speed, epochs of one second, W1 with its EWMA score.

    .venv/bin/python -m benchmarks.recovery --series 10000

The pause is how much longer the source waits for its next turn when an epoch has closed in between: the engine's
state, the journal, and Bytewax's own commits. Readings come at 10 a second and series, 1 % late, uniformly random.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import numpy as np
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main

from andon.config.models import Plant
from andon.plant import PlantModel
from andon.readings import TEXT_END, Messages
from andon.slots import SlotFiles
from benchmarks.workload import START_MS, Drop
from flows.quarantine import Quarantine
from flows.shard import ShardEngine
from flows.stage import EngineStage
from sinks.journal import Journal
from sources.batch import Batch
from sources.ticks import tick_body

TAGS, HZ, ROWS, PARTS = 10, 10.0, 8_192, 64
EPOCH_S = 1.0


def plant(series: int, detect: str = "ewma") -> PlantModel:
    """Assets of ten numeric series each, W1's windows."""
    tags = [{"tag": f"tag{tag}", "unit": "Cel", "range": [-50.0, 150.0], "detect": detect} for tag in range(TAGS)]
    return PlantModel(
        Plant.model_validate(
            {
                "schema": 1, "enterprise": {"id": "bench"}, "site": {"id": "bench"},
                "windows": {"pane_s": 5.0, "sizes_s": [10.0], "hopping_s": [[60.0, 5.0]]},
                "template": [{"name": "machine", "series": tags}],
                "asset": [{"path": f"hall/a{one:05}", "template": "machine"} for one in range(series // TAGS)],
            }
        )
    )  # fmt: skip


class Feed:
    """JSON readings without end: the same texts again and again, with the stamps of the time that has passed."""

    def __init__(self, series: int) -> None:
        rng = np.random.default_rng(7)
        n = ROWS * PARTS
        self._step_ms = 1000.0 / (series * HZ)
        # Everybody once in each round, so that no series has two values with one stamp.
        self._key = np.concatenate([rng.permutation(series) for _ in range(n // series + 1)])[:n]
        self._late_ms = np.where(rng.random(n) < 0.01, rng.integers(1, 5000, n), 0)
        value = 20.0 + rng.normal(0.0, 0.5, n)
        bodies = [
            b'{"ts": %013d, "asset": "hall/a%05d", "tag": "tag%d", "value": %9.4f}' % (0, key // TAGS, key % TAGS, one)
            for key, one in zip(self._key.tolist(), value.tolist(), strict=True)
        ]
        self._text = np.frombuffer(b"".join(body + b"\0" for body in bodies), np.uint8).reshape(n, -1)
        self._tick_ms = START_MS

    def batch(self, number: int) -> Messages:
        """Batch `number` of the log, with a tick where a second of event time has passed."""
        here = slice(number % PARTS * ROWS, (number % PARTS + 1) * ROWS)
        at_ms = START_MS + ((np.arange(ROWS) + number * ROWS) * self._step_ms).astype(np.int64)
        text = self._text[here].copy()
        digits = (at_ms - self._late_ms[here])[:, None] // 10 ** np.arange(12, -1, -1) % 10
        text[:, 7:20] = digits + ord("0")
        width = text.shape[1]
        parts = [text.tobytes()]
        ends = np.arange(1, ROWS + 1) * width - 1
        received, count = at_ms * 1_000_000, ROWS
        if int(at_ms[-1]) - self._tick_ms >= 1000:
            self._tick_ms = int(at_ms[-1])
            tick = tick_body(self._tick_ms * 1_000_000)
            parts.append(tick + b"\0")
            ends, received = np.append(ends, ROWS * width + len(tick)), np.append(received, received[-1])
            count += 1
        offset = np.arange(count) + number * (ROWS + 1) + 1
        return Messages(b"".join([*parts, TEXT_END]), ends, offset, received)


class Clocked(StatefulSourcePartition[tuple[str, Batch], int]):
    """Hands out batches for `seconds` and notes how long it waited for each turn."""

    def __init__(self, feed: Feed, seconds: float, waits: list[tuple[bool, float]]) -> None:
        self._feed, self._waits, self._number = feed, waits, 0
        self._until = time.perf_counter() + seconds
        self._closed, self._left = False, 0.0

    def next_batch(self) -> list[tuple[str, Batch]]:
        now = time.perf_counter()
        if self._left:
            self._waits.append((self._closed, now - self._left))
        if now > self._until:
            raise StopIteration
        batch = Batch(0, self._feed.batch(self._number))
        self._number += 1
        self._closed, self._left = False, time.perf_counter()
        return [("0000", batch)]

    def snapshot(self) -> int:
        self._closed = True
        return self._number


class Source(FixedPartitionedSource[tuple[str, Batch], int]):
    """One partition."""

    def __init__(self, partition: Clocked) -> None:
        self._partition = partition

    def list_parts(self) -> list[str]:
        return ["0000"]

    def build_part(self, _step: str, _key: str, _state: int | None) -> Clocked:
        return self._partition


def measure(series: int, seconds: float = 12.0, folder: str | None = None) -> dict[str, Any]:
    """Pause in ms at the median and at 99 %, of it the engine's own part; bytes an epoch; state in bytes a series.

    folder: where the state goes; a disk, not memory, for what a snapshot costs on that disk.
    """
    waits: list[tuple[bool, float]] = []
    took: list[float] = []
    written: list[int] = []
    engines: list[ShardEngine] = []
    model = plant(series)

    class Timed(EngineStage):
        def snapshot(self) -> Any:
            written.append(0)
            began = time.perf_counter()
            state = super().snapshot()
            took.append(time.perf_counter() - began)
            return state

    class Counted(SlotFiles):
        def _write(self, data: memoryview) -> int:
            if written:
                written[-1] += len(data)
            return super()._write(data)

    with tempfile.TemporaryDirectory(dir=folder) as name:
        path = Path(name)
        (path / "recovery").mkdir()
        init_db_dir(path / "recovery", 1)

        def opened(shard: int) -> tuple[ShardEngine, Quarantine]:
            engine = ShardEngine(model, shard, Journal(path / "journal"), Counted(path / "slots"))
            engines.append(engine)
            return engine, Quarantine(path / "quarantine.json")

        flow = Dataflow("recovery")
        partition = Clocked(Feed(series), seconds, waits)
        outputs = op.stateful_batch(
            "engine", op.input("in", flow, Source(partition)), lambda state: Timed(state, opened)
        )
        op.output("out", outputs, Drop())
        run_main(flow, epoch_interval=timedelta(seconds=EPOCH_S), recovery_config=RecoveryConfig(path / "recovery"))
        cells = (path / "slots" / "cells.slot").stat().st_size
    usual = float(np.median([wait for closed, wait in waits if not closed]))
    # The first epochs compile kernels and meet every series for the first time.
    pauses = np.array([wait - usual for closed, wait in waits if closed][2:]) * 1000.0
    own = np.array(took[2:-1]) * 1000.0
    state = engines[0].state_bytes
    return {
        "series": series,
        "snapshots": len(pauses),
        "readings_per_s": round(len(waits) * ROWS / seconds),
        "snapshot_pause_ms": spread(pauses),
        "engine_snapshot_ms": spread(own),
        "bytes_written_per_epoch": int(np.median(written[2:-1])),
        "state_bytes_per_series": round(state / series),
        "cells_file_bytes": cells,
        "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip


def spread(values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
    """Median and 99 %."""
    return {f"p{at}": round(float(np.percentile(values, at)), 2) for at in (50, 99)}


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument(
        "--folder", help="on the disk that is to be measured; the system's temporary folder if not given"
    )
    options = parser.parse_args()
    print(json.dumps(measure(options.series, options.seconds, options.folder), indent=2))


if __name__ == "__main__":
    main()
