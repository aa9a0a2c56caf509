"""The workload of the benchmarks: a plant of 1,000 series, its readings as JSON, batches as a source gives them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from andon.config.models import Plant
from andon.plant import PlantModel
from andon.readings import Message, Messages
from sources.batch import Batch
from sources.ticks import tick_body

ASSETS, TAGS = 100, 10
PARTITIONS = 6
START_MS = 1_767_225_600_000
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # the journal's folder: no disk is measured here
RATE = 10_000  # readings per second of event time
BATCH = 8_192  # what the spool source hands on at most
BAD = (
    b'{"ts": 1767225600123, "asset": "hall/line001/filler", "tag": "tag01", "value": 2',
    b'{"ts": 1767225600123, "asset": "hall/line001/filler", "tag": "tag01", "value": "warm", "q": 192, "unit": "Cel"}',
    b'{"ts": 1767225600123, "asset": "hall/line001/filler", "tag": "tag01", "q": 192, "unit": "Cel"}',
    b'{"ts": 1767225600123, "asset": "hall/line999/filler", "tag": "tag01", "value": 20.1, "q": 192, "unit": "Cel"}',
    b'{"ts": 1767225600123, "asset": "hall/line001/filler", "tag": "tag01", "value": 68.2, "q": 192, "unit": "kPa"}',
    b'{"ts": "2026-01-01 00:00:00", "asset": "hall/line001/filler", "tag": "tag01", "value": 20.1, "q": 192}',
    b'{"ts": 2767225600123, "asset": "hall/line001/filler", "tag": "tag01", "value": 20.1, "q": 192, "unit": "Cel"}',
)  # not JSON, wrong type, missing field, unknown series, unit of another quantity, naive stamp, stamp in the future


def plant(*, detect: bool | str, kafka: Mapping[str, object] | None = None) -> PlantModel:
    """100 assets of 10 numeric series, one rule each. kafka: its [transport.kafka], with a partition a shard."""
    template = {
        "name": "machine",
        "series": [
            {"tag": f"tag{tag:02}", "unit": "Cel", "range": [-50.0, 150.0], "detect": detect} for tag in range(TAGS)
        ],
    }
    return PlantModel(
        Plant.model_validate(
            {
                "schema": 1, "enterprise": {"id": "bench"}, "site": {"id": "bench"},
                "transport": {"kind": "kafka", "shards": PARTITIONS, "kafka": kafka} if kafka else {},
                "windows": {"pane_s": 5.0, "sizes_s": [10.0], "hopping_s": [[60.0, 5.0]]},
                "template": [template],
                "asset": [{"path": f"hall/line{asset:03}/filler", "template": "machine"} for asset in range(ASSETS)],
                "rule": [{"id": "hot", "on": "hall/*", "above": 24.0, "delay_s": 30.0, "deadband": 0.5}],
            }
        )
    )  # fmt: skip


def events(count: int) -> list[tuple[int, str, str, float]]:
    """(ts ms, asset, tag, value), 1 % of them up to 5 s late, seeded."""
    rng = np.random.default_rng(7)
    time_ms = START_MS + (np.arange(count) * 1000 // RATE)
    time_ms = time_ms - np.where(rng.random(count) < 0.01, rng.integers(1, 5000, count), 0)
    asset, tag = rng.integers(0, ASSETS, count), rng.integers(0, TAGS, count)
    value = np.round(20.0 + rng.normal(0.0, 0.5, count), 2)
    return [
        (at, f"hall/line{one:03}/filler", f"tag{two:02}", number)
        for at, one, two, number in zip(time_ms.tolist(), asset.tolist(), tag.tolist(), value.tolist(), strict=True)
    ]


def bodies(rows: list[tuple[int, str, str, float]]) -> list[bytes]:
    """One JSON message a reading."""
    return [
        orjson.dumps({"ts": at, "asset": asset, "tag": tag, "value": value, "q": 192, "unit": "Cel"})
        for at, asset, tag, value in rows
    ]


def batches(messages: list[bytes]) -> list[tuple[str, Batch]]:
    """Batches of 8,192 messages with a tick each second, as the spool would give them."""
    out: list[tuple[str, Batch]] = []
    held: list[Message] = []
    offset = 0
    for at, body in enumerate(messages):
        now_ms = START_MS + at * 1000 // RATE
        if at % RATE == 0:
            offset += 1
            held.append(Message(offset, now_ms * 1_000_000, tick_body(now_ms * 1_000_000)))
        offset += 1
        held.append(Message(offset, now_ms * 1_000_000, body))
        if len(held) >= BATCH:
            out.append(("0000", Batch(0, Messages.of(held))))
            held = []
    return [*out, ("0000", Batch(0, Messages.of(held)))] if held else out


class Drop(DynamicSink[Any]):
    """Counts and forgets."""

    class _Part(StatelessSinkPartition[Any]):
        def write_batch(self, items: list[Any]) -> None:
            for _, outputs in items:
                Drop.windows += len(outputs.windows)
                Drop.readings += outputs.readings

    windows = readings = 0

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSinkPartition[Any]:
        return self._Part()
