"""Tasks inside InfluxDB that make hourly windows of the shorter ones, for the bucket that keeps for years.

An hour is computed from all its windows each time, and replaces itself, so a task may run again for hours whose
windows were corrected: hourly over the last hours, daily over everything that a late row may still correct.

Means are weighted by count, the standard deviation is pooled (Chan's update, which needs no sum of squares: a rolling
one is off by 0.26 % at 101,325 Pa with sigma 0.1). First and last are those of the first and the last window.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from andon.readings import NS_PER_S
from sinks.influx.window_lines import size_name

HOUR_S = 3600
RECENT_H = 3
NAME = "andon-hourly"
IMPORTS = 'import "date"\nimport "internal/debug"\nimport "math"\n'


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """A task as it must be; flux holds its options too."""

    name: str
    flux: str


def source_size_s(sizes_s: Sequence[float]) -> float | None:
    """The tumbling windows that hours are made of: the longest that divides an hour, below it. None: there is none."""
    fits = [size for size in sizes_s if size < HOUR_S and math.isclose(HOUR_S % size, 0.0, abs_tol=1e-9)]
    return max(fits, default=None)


def tasks(bucket: str, long_bucket: str | None, sizes_s: Sequence[float], correct_for_h: float) -> list[TaskPlan]:
    """The tasks of a plant; none without a long bucket, or without windows to make hours of."""
    size_s = source_size_s(sizes_s)
    if long_bucket is None or size_s is None:
        return []
    size = size_name(round(size_s * NS_PER_S))
    late_h = math.ceil(correct_for_h) + 2
    recent, late = f"{NAME} {bucket}", f"{NAME} {bucket} late"  # several sites may share an organisation
    return [
        TaskPlan(recent, task_flux(recent, "1h", "5m", RECENT_H, bucket, long_bucket, size)),
        TaskPlan(late, task_flux(late, "1d", "35m", late_h, bucket, long_bucket, size)),
    ]


def task_flux(name: str, every: str, offset: str, hours: int, bucket: str, long_bucket: str, size: str) -> str:
    """A task over the last whole `hours`."""
    return (
        f"{IMPORTS}option task = {{name: {json.dumps(name)}, every: {every}, offset: {offset}}}\n"
        "stop = date.truncate(t: now(), unit: 1h)\n"
        f"start = date.sub(d: {hours}h, from: stop)\n" + hourly_flux(bucket, long_bucket, size)
    )


def hourly_flux(bucket: str, long_bucket: str, size: str) -> str:
    """Hourly windows of [start, stop), both on the hour and defined before, behind `IMPORTS`, from one size."""
    return f"""from(bucket: {json.dumps(bucket)})
    |> range(start: start, stop: stop)
    |> filter(fn: (r) => r._measurement == "window" and r.size == {json.dumps(size)})
    |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
    |> filter(fn: (r) => r.count > 0.0)
    |> map(fn: (r) => ({{r with score: if exists r.score then r.score else -1.0}}))
    |> window(every: 1h)
    |> sort(columns: ["_time"])
    |> reduce(
        identity: {{
            count: 0.0, mean: 0.0, m2: 0.0, min: 0.0, max: 0.0, first: 0.0, last: 0.0, score: -1.0, revision: 0.0,
        }},
        fn: (r, accumulator) => {{
            n = accumulator.count + r.count
            apart = r.mean - accumulator.mean
            begun = accumulator.count > 0.0
            return {{
                count: n,
                mean: accumulator.mean + apart * r.count / n,
                m2: accumulator.m2 + r.std * r.std * r.count + apart * apart * accumulator.count * r.count / n,
                min: if begun and accumulator.min < r.min then accumulator.min else r.min,
                max: if begun and accumulator.max > r.max then accumulator.max else r.max,
                first: if begun then accumulator.first else r.first,
                last: r.last,
                score: if accumulator.score > r.score then accumulator.score else r.score,
                revision: accumulator.revision + r.revision,
            }}
        }},
    )
    |> map(fn: (r) => ({{r with
        _time: r._start, _measurement: "window", size: "3600s", std: math.sqrt(x: r.m2 / r.count),
        score: if r.score < 0.0 then debug.null(type: "float") else r.score,
    }}))
    |> drop(columns: ["m2", "_start", "_stop"])
    |> to(
        bucket: {json.dumps(long_bucket)},
        tagColumns: ["area", "asset", "series", "site", "size", "unit"],
        fieldFn: (r) => ({{
            count: r.count, min: r.min, max: r.max, mean: r.mean, std: r.std, first: r.first, last: r.last,
            score: r.score, revision: r.revision,
        }}),
    )
"""
