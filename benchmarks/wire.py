"""W1 as batches of 1,024 events a message: Sparkplug B with aliases, Arrow IPC, NDJSON; what decoding them costs.

python -m benchmarks.wire [--events 500000] [--repeats 3]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa

from andon.config.models import Sources
from andon.config.sparkplug import Sparkplug
from andon.plant import PlantModel
from andon.readings import Message, Messages
from andon.series import SeriesDictionary
from andon.slots import SlotFiles
from benchmarks.workload import ASSETS, IN_MEMORY, RATE, START_MS, TAGS, bodies, events, plant
from flows.shard import ShardEngine
from sinks.journal import Journal
from sources.batch import Batch
from sources.decode import LogDecoder
from sources.ticks import tick_body
from sources.wire_arrow import stream
from sources.wire_sparkplug import Sent, Tag, birth, data, framed

PER_MESSAGE = 1_024
MESSAGES_PER_BATCH = 8  # 8,192 events, as the sources hand on
NODE = ("hall", "gateway")
Rows = Sequence[tuple[int, str, str, float]]


def wire_plant(model: PlantModel) -> PlantModel:
    """The same plant, whose series one Sparkplug edge node sends as its own metrics: line000/filler/tag00."""
    config = model.config.model_copy(update={"sources": Sources(sparkplug=Sparkplug(asset="{group}"))})
    return replace(model, config=config)


def sparkplug_bodies(rows: Rows) -> list[bytes]:
    """An NBIRTH of all series in the rows (so no late row is the first of its series), then NDATA by alias."""
    names = sorted({(asset, tag) for _, asset, tag, _ in rows})
    first_ms = min(at for at, *_ in rows) - 1
    tags = {
        name: Tag(f"{name[0].removeprefix('hall/')}/{name[1]}", alias, "Double", "Cel") for alias, name in
        enumerate(names)
    }  # fmt: skip
    born = birth([Sent(tag, 20.0, first_ms) for tag in tags.values()], first_ms, 0, session=0)
    return [framed("NBIRTH", *NODE, born)] + [
        framed("NDATA", *NODE, data([Sent(tags[asset, tag], value, at) for at, asset, tag, value in part],
                                    part[-1][0], seq % 256))
        for seq, part in enumerate(_parts(rows), 1)
    ]  # fmt: skip


def arrow_bodies(rows: Rows) -> list[bytes]:
    """Stamps, asset and tag as dictionaries, values and qualities; the unit in the schema."""
    assets = [f"hall/line{asset:03}/filler" for asset in range(ASSETS)]
    tags = [f"tag{tag:02}" for tag in range(TAGS)]
    schema = pa.schema(
        [
            ("ts", pa.int64()), ("asset", pa.dictionary(pa.int16(), pa.string())),
            ("tag", pa.dictionary(pa.int8(), pa.string())), ("value", pa.float64()), ("q", pa.uint8()),
        ],
        metadata={"unit": "Cel"},
    )  # fmt: skip
    at_asset, at_tag = {name: at for at, name in enumerate(assets)}, {name: at for at, name in enumerate(tags)}

    def batch(part: Rows) -> pa.RecordBatch:
        coded = (
            pa.DictionaryArray.from_arrays(pa.array([at_asset[row[1]] for row in part], pa.int16()), pa.array(assets)),
            pa.DictionaryArray.from_arrays(pa.array([at_tag[row[2]] for row in part], pa.int8()), pa.array(tags)),
        )
        numbers = pa.array([row[0] for row in part]), pa.array([row[3] for row in part])
        return pa.record_batch([numbers[0], *coded, numbers[1], pa.array([192] * len(part), pa.uint8())], schema)

    return [stream([batch(part)]) for part in _parts(rows)]


def ndjson_bodies(rows: Rows) -> list[bytes]:
    """Lines of JSON, as one message a reading has them."""
    return [b"\n".join(bodies(list(part))) for part in _parts(rows)]


def _parts(rows: Rows) -> Iterator[Rows]:
    return (rows[begin : begin + PER_MESSAGE] for begin in range(0, len(rows), PER_MESSAGE))


def _batches(messages: list[bytes], before: int = 0) -> list[tuple[str, Batch]]:
    """Items as a source hands them on, a tick each second; the first `before` messages are no events."""
    out: list[tuple[str, Batch]] = []
    held: list[Message] = []
    offset, ticked = 0, START_MS - 1000
    for at, body in enumerate(messages, -before):
        now_ms = START_MS + max(at + 1, 0) * PER_MESSAGE * 1000 // RATE
        while ticked + 1000 <= now_ms:
            ticked, offset = ticked + 1000, offset + 1
            held.append(Message(offset, ticked * 1_000_000, tick_body(ticked * 1_000_000)))
        offset += 1
        held.append(Message(offset, now_ms * 1_000_000, body))
        if len(held) >= MESSAGES_PER_BATCH:
            out.append(("0000", Batch(0, Messages.of(held))))
            held = []
    return [*out, ("0000", Batch(0, Messages.of(held)))] if held else out


def batches_sparkplug(count: int) -> list[tuple[str, Batch]]:
    """W1 as Sparkplug B, for `wire_plant`."""
    return _batches(sparkplug_bodies(events(count)), before=1)


def batches_arrow(count: int) -> list[tuple[str, Batch]]:
    """W1 as Arrow IPC."""
    return _batches(arrow_bodies(events(count)))


def batches_ndjson(count: int) -> list[tuple[str, Batch]]:
    """W1 as lines."""
    return _batches(ndjson_bodies(events(count)))


def decode_cost(model: PlantModel, batches: Sequence[tuple[str, Batch]]) -> float:
    """CPU s of decoding the batches alone."""
    decoder = LogDecoder(SeriesDictionary(model, 0), model, 0)
    decoder.decode(batches[0][1].messages)  # compiles, births
    began = time.process_time()
    for _, batch in batches[1:]:
        decoder.decode(batch.messages)
    return time.process_time() - began


def engine_cost(model: PlantModel, batches: Sequence[tuple[str, Batch]]) -> float:
    """CPU s of the whole engine over the batches: decode, checks, windows, score, conditions, journal."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name:
        engine = ShardEngine(model, 0, Journal(Path(name) / "journal"), SlotFiles(Path(name) / "slots"))
        engine.restore(None)
        engine.step(batches[0][1].messages)
        began = time.process_time()
        for _, batch in batches[1:]:
            engine.step(batch.messages)
        return time.process_time() - began


def orjson_cost(count: int) -> float:
    """CPU s of orjson over one message a reading."""
    messages = bodies(events(count))
    began = time.process_time()
    for message in messages:
        orjson.loads(message)
    return time.process_time() - began


def main() -> None:
    """Print CPU seconds per million events, and how many times cheaper than orjson that is."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=300_000)
    arguments.add_argument("--repeats", type=int, default=3)
    given = arguments.parse_args()
    model = wire_plant(plant(detect="ewma"))
    formats = {"Sparkplug B": batches_sparkplug, "Arrow IPC": batches_arrow, "NDJSON": batches_ndjson}
    runs: dict[str, Callable[[], float]] = {"orjson a message": lambda: orjson_cost(given.events)}
    for name, make in formats.items():
        batches = make(given.events)
        runs[f"{name}, decode"] = lambda batches=batches: decode_cost(model, batches)  # type: ignore[misc]  # bound now
        runs[f"{name}, engine"] = lambda batches=batches: engine_cost(model, batches)  # type: ignore[misc]  # bound now
    best = dict.fromkeys(runs, np.inf)
    for _ in range(given.repeats):
        for name, run in runs.items():
            best[name] = min(best[name], run() * 1e6 / given.events)
    for name, cost in best.items():
        print(f"{name:24}{cost:8.3f} CPU s/M  {best['orjson a message'] / cost:6.1f} x")


if __name__ == "__main__":
    main()
