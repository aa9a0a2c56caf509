"""What the engine computes is what goes to Kafka: the newest revision of each window equals the history's row."""

from __future__ import annotations

import tempfile
from pathlib import Path

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.config.models import Plant
from andon.datafolder import DataFolder
from andon.plant import PlantModel
from andon.readings import Message
from flows.kafka_out import kafka_out_partition
from sinks.history import HistoryReader, HistoryWriter
from sinks.kafka.windows import WindowFeed
from tests.engine_world import IN_MEMORY, START_NS, S, open_engine, plant
from tests.test_engine import logs

SIZES_NS = (10 * S, 20 * S, 60 * S)
NAMES = {
    "count": "count", "min": "minimum", "max": "maximum", "mean": "mean", "std": "std", "first": "first",
    "last": "last", "score": "score", "revision": "revision",
}  # fmt: skip


def publishing() -> PlantModel:
    """The engine's small plant, publishing."""
    raw = plant().config.model_dump(by_alias=True, exclude_none=True)
    raw["transport"]["kafka"] = {"brokers": "x:1", "out": ["windows"]}
    return PlantModel(Plant.model_validate(raw))


@given(messages=logs(), cut=st.integers(1, 40), epoch=st.integers(1, 5))
@settings(max_examples=12)
def test_published_windows_are_those_of_the_history(messages, cut, epoch):
    """Cut anyhow; after every `epoch` steps one step is lost with its flow, which goes on from its last state."""
    model = publishing()
    log = [Message(at + 1, received_ns, raw) for at, (received_ns, raw) in enumerate(messages)]
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name:
        data = DataFolder(Path(name) / "data")
        data.create("s1", 1)
        engine = open_engine(model, Path(name))
        engine.restore(None)
        history, out = HistoryWriter(data.history_db(0), 0), kafka_out_partition(model, data, 0, None)
        for number, begin in enumerate(range(0, len(log), cut), 1):
            outputs = engine.step(log[begin : begin + cut])
            history.write(outputs)
            if number % epoch == 0:  # written twice: before the crash and after it
                resume = out.snapshot()
                out.write_batch([outputs])
                out.close()
                out = kafka_out_partition(model, data, 0, resume)
            out.write_batch([outputs])
        out.close()
        history.close()
        feed, found = WindowFeed(data.segments("kafka", 0), 0), []
        while some := feed.read(1_000):  # of one segment each time
            found += some
            feed.confirm(len(some))
        reader = HistoryReader([data.history_db(0)])
        kept = {
            (asset, tag, size_ns, start_ns): {shown: getattr(columns, own)[at] for shown, own in NAMES.items()}
            for asset, tag in model.series
            for size_ns in SIZES_NS
            for columns in [reader.windows(asset, tag, size_ns, START_NS - 7200 * S, START_NS + 10_000_000 * S)]
            for at, start_ns in enumerate(columns.start_ns)
        }
        reader.close()
    assert len({one.headers[0] for one in found}) == len(found)  # each id once, though steps were written twice
    newest: dict[tuple[str, str, int, int], dict[str, object]] = {}
    for one in found:
        value = orjson.loads(one.value)
        place = (value["asset"], value["series"], round(value["size_s"] * S), value["start"] * 1_000_000)
        assert place not in newest or value["revision"] > newest[place]["revision"]
        if value["score"] is None and place in newest:  # a correction is not scored: what was known stays
            value["score"] = newest[place]["score"]
        newest[place] = {shown: value[shown] for shown in NAMES}
    assert newest == kept
