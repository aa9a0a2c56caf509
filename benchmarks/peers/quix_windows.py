"""W1 in Quix Streams: tumbling and hopping windows by `reduce`, the score by a stateful `apply`, from the Kafka topic.

    quix_windows.py BOOTSTRAP TOPIC EVENTS FOLDER, asked as lane.py says, one run a process.

Changelog topics are on, as they are by default: they are its recovery. The messages are keyed by series, so that no
second topic is needed to key by.
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import timedelta
from typing import Any

from quixstreams import Application, State

from benchmarks.lane import Sample, Stretch, serve

ALPHA = 0.05
COMMIT_S = 1.0  # as long as an epoch of the other contenders
Row = dict[str, Any]


def begin(row: Row) -> list[float]:
    """Count, min, max, sum, sum of squares of the first reading of a window."""
    value = row["value"]
    return [1, value, value, value, value * value]


def fold(state: list[float], row: Row) -> list[float]:
    """One reading more."""
    value = row["value"]
    return [
        state[0] + 1, min(state[1], value), max(state[2], value), state[3] + value, state[4] + value * value,
    ]  # fmt: skip


def ewma(row: Row, state: State) -> float:
    """The z-score of a reading against the exponentially weighted mean and variance before it."""
    value = row["value"]
    mean, variance = state.get("ewma") or (value, 1.0)
    difference = value - mean
    state.set("ewma", [mean + ALPHA * difference, (1 - ALPHA) * (variance + ALPHA * difference * difference)])
    return float(abs(difference) / (variance**0.5 + 1e-9))


def run(bootstrap: str, topic: str, events: int, folder: str) -> Sample:
    """The topic once."""
    app = Application(
        broker_address=bootstrap, consumer_group=f"quix-{time.time_ns()}", auto_offset_reset="earliest",
        state_dir=tempfile.mkdtemp(dir=folder), loglevel="ERROR", commit_interval=COMMIT_S,
    )  # fmt: skip
    source = app.topic(topic, value_deserializer="json", timestamp_extractor=lambda value, *_: value["ts"])
    seen, stretch = 0, Stretch(events)

    def count(row: Row) -> Row:
        nonlocal seen
        seen += 1
        stretch.note(seen)
        if seen == events:
            app.stop()
        return row

    rows = app.dataframe(source)
    late, tumbling, hop = timedelta(seconds=5), timedelta(seconds=10), timedelta(seconds=5)
    rows.tumbling_window(tumbling, grace_ms=late).reduce(reducer=fold, initializer=begin).final()
    rows.hopping_window(timedelta(seconds=60), hop, grace_ms=late).reduce(reducer=fold, initializer=begin).final()
    rows.apply(ewma, stateful=True)
    rows.apply(count)
    app.run()
    return stretch.sample(events)


if __name__ == "__main__":
    serve(lambda: run(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
