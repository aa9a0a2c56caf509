"""librdkafka's own cost of a topic: one consumer of all partitions, its C batch call, each message given back unread.

No program that takes messages from librdkafka can be cheaper.
"""

from __future__ import annotations

import ctypes as c
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.lane import Sample, Stretch
from benchmarks.workload import PARTITIONS, plant
from benchmarks.world import JSON, World, kafka_section
from sources.decode.memory import address
from sources.kafka.gather import CONSUMER, Library, available
from sources.kafka.gather_kernel import destroy_all
from sources.kafka.settings import consumer_settings

AT_ONCE = 2_000  # messages of one call
WAIT_MS = 50
OFFSET_BEGINNING = -2  # of librdkafka's public header


def settings_of(world: World) -> dict[str, Any]:
    """The flow's own settings, but for the message that says that a partition has ended."""
    section = plant(detect=False, kafka=kafka_section(world.bootstrap, JSON)).config.transport.kafka
    if section is None:
        raise ValueError("the plant has no broker")
    return consumer_settings(section, "bench", 0) | {"enable.partition.eof": False}


def opened(library: Library, settings: Mapping[str, Any]) -> Any:
    """A consumer's handle."""
    problem, conf = c.create_string_buffer(512), library.conf_new()
    for name, value in settings.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if library.conf_set(conf, name.encode(), text.encode(), problem, 512):
            raise ValueError(problem.value.decode())
    handle = library.new(CONSUMER, conf, problem, 512)
    if not handle:
        raise ValueError(problem.value.decode())
    library.poll_set_consumer(handle)
    return handle


def assign(library: Library, handle: Any, topic: str) -> None:
    """All partitions from their beginning."""
    wanted = library.topic_partition_list_new(PARTITIONS)
    for partition in range(PARTITIONS):
        library.topic_partition_list_add(wanted, topic.encode(), partition)
        library.topic_partition_list_set_offset(wanted, topic.encode(), partition, OFFSET_BEGINNING)
    library.assign(handle, wanted)
    library.topic_partition_list_destroy(wanted)


def ready(world: World) -> Callable[[], Sample]:
    """The run over the JSON topic."""
    library = available()
    if library is None:
        raise RuntimeError("librdkafka's C interface cannot be used here")
    settings, count = settings_of(world), world.messages[JSON]

    def run() -> Sample:
        pointers = np.zeros(AT_ONCE, np.int64)
        at = address(pointers)
        handle = opened(library, settings)
        queue = library.queue_get_consumer(handle)
        assign(library, handle, JSON)
        stretch, seen = Stretch(count), 0
        while seen < count:
            found = library.consume_batch_queue(queue, WAIT_MS, at, AT_ONCE)
            destroy_all(at, max(0, found), library.destroy_at)
            seen += found
            stretch.note(seen)
        library.queue_destroy(queue)
        library.consumer_close(handle)
        library.destroy(handle)
        return stretch.sample(world.events[JSON])

    return run
