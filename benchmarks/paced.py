"""A producer that sends so many readings a second, spread evenly over the partitions, and a tick a second in each.

    python -m benchmarks.paced BOOTSTRAP TOPIC PARTITIONS RATE SECONDS FILE

FILE becomes int64[3, messages]: partition, place in it from 0, and when the message was handed over, ns. It prints
"begin" before the first.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from confluent_kafka import Producer

from sources.ticks import tick_body

LINGER_MS = 5
ASSETS, TAGS = 100, 10
STEP_S = 0.001
Sent = list[tuple[int, int]]


def asset(number: int) -> str:
    """Name of the n-th asset; it belongs to partition n modulo their number."""
    return f"hall/line{number:03}/filler"


def bodies(partitions: int) -> Iterator[tuple[int, bytes]]:
    """(partition, all of a reading's JSON behind its stamp) for ever; every partition in turn."""
    series = [
        (number % partitions, f', "asset": "{asset(number)}", "tag": "tag{tag:02}", "value": '.encode())
        for tag in range(TAGS) for number in range(ASSETS)
    ]  # fmt: skip
    at = 0
    while True:
        partition, text = series[at % len(series)]
        yield partition, text + b'%d.%02d, "q": 192, "unit": "Cel"}' % (19 + at % 3, at * 7 % 100)
        at += 1


def send(bootstrap: str, topic: str, partitions: int, rate: int, seconds: float) -> Sent:
    """Everything that was sent, in its order: (partition, ns)."""
    producer = Producer({
        "bootstrap.servers": bootstrap, "linger.ms": LINGER_MS, "enable.idempotence": True,
        "queue.buffering.max.messages": 1_000_000,
    })  # fmt: skip
    producer.list_topics(topic, timeout=30)
    rows, sent, told = bodies(partitions), [], 0
    began = time.perf_counter()
    print("begin", flush=True)
    for due in _dues(rate, seconds, began):
        second = int(time.perf_counter() - began)
        if second >= told:
            told = second + 1
            for partition in range(partitions):
                now_ns = time.time_ns()
                producer.produce(topic, tick_body(now_ns), partition=partition)
                sent.append((partition, now_ns))
        for _ in range(due):
            partition, rest = next(rows)
            now_ns = time.time_ns()
            producer.produce(topic, b'{"ts": %d' % (now_ns // 1_000_000) + rest, partition=partition)
            sent.append((partition, now_ns))
        producer.poll(0)
    if producer.flush(60):
        raise RuntimeError("the broker did not take every message")
    return sent


def _dues(rate: int, seconds: float, began: float) -> Iterator[int]:
    """How many more are due, again and again until all are."""
    gone, total = 0, int(rate * seconds)
    while gone < total:
        due = min(total, int((time.perf_counter() - began) * rate)) - gone
        gone += due
        yield due
        time.sleep(STEP_S)


def main() -> None:
    """As the command line says."""
    bootstrap, topic, partitions, rate, seconds, file = sys.argv[1:]
    sent = np.array(send(bootstrap, topic, int(partitions), int(rate), float(seconds)), np.int64)
    place = np.empty(len(sent), np.int64)
    for partition in range(int(partitions)):
        mine = sent[:, 0] == partition
        place[mine] = np.arange(mine.sum())
    np.save(Path(file), np.stack([sent[:, 0], place, sent[:, 1]]))


if __name__ == "__main__":
    main()
