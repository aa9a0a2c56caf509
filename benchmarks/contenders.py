"""What is compared, each in a process of its own: `python contenders.py NAME FOLDER`, asked as lane.py says.

A contender is a function that gets ready (imports, connections, lists in memory) and gives back the run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import orjson

from benchmarks import memory, raw_batch
from benchmarks.flow import first_result, run_flow, scored_plant, without_gathering
from benchmarks.lane import Sample, Stretch, serve
from benchmarks.scores import DETECTORS
from benchmarks.wire import wire_plant
from benchmarks.workload import PARTITIONS
from benchmarks.world import ARROW, JSON, NDJSON, SPARKPLUG, World
from detectors.registry import DEFAULT

Run = Callable[[], int | Sample]
IN_A_BATCH = 8_192


def consume(world: World) -> Run:
    """500 messages at a time from confluent-kafka with the flow's settings, each list dropped at once."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    settings, count = raw_batch.settings_of(world), world.messages[JSON]

    def run() -> Sample:
        consumer = Consumer(settings)
        consumer.assign([TopicPartition(JSON, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
        stretch, seen = Stretch(count), 0
        while seen < count:
            seen += len(consumer.consume(500, 1.0))
            stretch.note(seen)
        consumer.close()
        return stretch.sample(world.events[JSON])

    return run


def orjson_per_message(world: World) -> Run:
    """orjson.loads for each message in memory, the results of a batch held until the next."""
    rows = memory.lines_of(world)

    def run() -> int:
        for begin in range(0, len(rows), IN_A_BATCH):
            _ = [orjson.loads(row) for row in rows[begin : begin + IN_A_BATCH]]
        return len(rows)

    return run


def flow(topic: str, *, plain: bool = False, writers: bool = False, detect: str = "ewma") -> Callable[[World], Run]:
    """Andon's flow over this topic; `detect`: the detector of every series."""

    def ready(world: World) -> Run:
        model = scored_plant(world, topic, detect)
        if topic == SPARKPLUG:
            model = wire_plant(model)

        def run() -> Sample:
            if not plain:
                return run_flow(world, topic, model, writers=writers)
            with without_gathering():
                return run_flow(world, topic, model, writers=writers)

        return run

    return ready


CONTENDERS: dict[str, Callable[[World], Run]] = {
    "raw_librdkafka": raw_batch.ready,
    "raw_consume": consume,
    "orjson_per_message": orjson_per_message,
    "gather_flow": flow(JSON),
    "plain_flow": flow(JSON, plain=True),
    "ndjson_flow": flow(NDJSON),
    "sparkplug_flow": flow(SPARKPLUG),
    "arrow_flow": flow(ARROW),
    "flow_with_writers": flow(JSON, writers=True),
    "detector": flow(JSON, detect=DEFAULT),
    "memory_flow": memory.flow(""),
    "memory_flow_scored": memory.flow("ewma"),
    "memory_flow_detector": memory.flow(DEFAULT),
    "memory_flow_bad": memory.flow("", bad=True),
    "memory_engine": memory.engine,
    "memory_decode": memory.decode,
    "start_up": lambda world: lambda: first_result(scored_plant(world, JSON)),
    **DETECTORS,
}


if __name__ == "__main__":
    serve(CONTENDERS[sys.argv[1]](World.read(Path(sys.argv[2]))))
