"""W1's windows in Pathway: `windowby` for both, from the Kafka topic as it stands.

    pathway_windows.py BOOTSTRAP TOPIC FOLDER EVENTS, asked as lane.py says, one run a process.

No score: Pathway's tables have no order of arrival to keep a mean over. No persistence. One thread. The static mode
computes every window once and emits no updates, which is the cheapest it can do; CPU time counts from `run`.
"""

from __future__ import annotations

import os
import sys
import time

os.environ |= {"PATHWAY_MONITORING_SERVER": "", "PATHWAY_THREADS": "1", "PATHWAY_PROCESSES": "1"}

import pathway as pw

from benchmarks.lane import Sample, serve


class Reading(pw.Schema):  # type: ignore[misc]  # pathway is not in the environment of the checker
    """A message."""

    ts: int
    asset: str
    tag: str
    value: float


def windows(rows: pw.Table, window: object) -> pw.Table:
    """Count, min, max, mean and mean square of each series' windows."""
    return rows.windowby(rows.ts, window=window, instance=rows.series).reduce(
        series=pw.this._pw_instance,  # noqa: SLF001 - its documented name
        started=pw.this._pw_window_start,  # noqa: SLF001 - its documented name
        count=pw.reducers.count(),
        low=pw.reducers.min(pw.this.value),
        high=pw.reducers.max(pw.this.value),
        mean=pw.reducers.avg(pw.this.value),
        square=pw.reducers.avg(pw.this.square),
    )


def run(bootstrap: str, topic: str, events: int) -> Sample:
    """The topic once."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "pathway", "auto.offset.reset": "earliest"}
    rows = pw.io.kafka.read(settings, topic, schema=Reading, format="json", mode="static")
    rows = rows.with_columns(series=pw.this.asset + "/" + pw.this.tag, square=pw.this.value * pw.this.value)
    pw.io.null.write(windows(rows, pw.temporal.tumbling(duration=10_000)))
    pw.io.null.write(windows(rows, pw.temporal.sliding(hop=5_000, duration=60_000)))
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)
    return Sample(events, time.process_time() - cpu_s, time.perf_counter() - wall_s)


if __name__ == "__main__":
    serve(lambda: run(sys.argv[1], sys.argv[2], int(sys.argv[3])))
