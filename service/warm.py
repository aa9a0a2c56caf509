"""Compiles every numba kernel into the cache, so that the first start is not the slow one.

python -m service.warm
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import orjson

from andon.plant import PlantModel
from andon.readings import NS_PER_MS, NS_PER_S, Message
from andon.slots import SlotFiles
from flows.influx import OutputEncoder
from flows.shard import ShardEngine
from simulators.truth import demo_plant
from sinks.journal import Journal
from sources.ticks import tick_body

START_NS = 1_767_225_600 * NS_PER_S


def warm() -> float:
    """Run the demo plant's engine over a minute of readings; returns the seconds it took."""
    began = time.perf_counter()
    plant = demo_plant()
    with tempfile.TemporaryDirectory() as name:
        for shard in range(plant.config.transport.shards):
            folder = Path(name) / str(shard)
            engine = ShardEngine(plant, shard, Journal(folder / "journal"), SlotFiles(folder / "slots"))
            engine.restore(None)
            outputs = engine.step(_messages(plant, shard))
            engine.snapshot()
            OutputEncoder(plant).encode(outputs)
    return time.perf_counter() - began


def _messages(plant: PlantModel, shard: int) -> list[Message]:
    messages: list[Message] = []
    for second in range(120):
        now_ns = START_NS + second * NS_PER_S
        for spec in plant.series.values():
            if plant.shard_of(spec.asset) == shard:
                at = now_ns - (9 * NS_PER_S if second % 20 == 7 else 0)
                row = {"ts": at // NS_PER_MS, "asset": spec.asset, "tag": spec.tag, "value": second % 2}
                messages.append(Message(len(messages) + 1, now_ns, orjson.dumps(row)))
        messages.append(Message(len(messages) + 1, now_ns, tick_body(now_ns)))
    return messages


if __name__ == "__main__":
    print(f"kernels ready in {warm():.1f} s")  # noqa: T201 - a command
