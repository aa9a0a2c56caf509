"""Trends, state timelines and figures over a range, as JSON of bounded size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from andon.plant import SeriesSpec
from andon.readings import NS_PER_S
from operators.cold_chain import merge_parts
from service.web.plant_view import oee_json, oee_point, state_name
from service.web.room import Room, ms
from sinks.history_reader import WindowColumns

Json = dict[str, Any]
MOST_POINTS = 2000
MOST_ROWS = 20_000
COLUMNS = ("start_ms", "minimum", "maximum", "mean", "count", "score")
LONGEST_NS = 400 * 24 * 3600 * NS_PER_S


def trend_json(room: Room, spec: SeriesSpec, start_ns: int, end_ns: int, points: int, size_ns: int | None) -> Json:
    """Windows of a series: the smallest stored size that gives at most `points`, else the largest one, merged.

    Columns start_ms, minimum, maximum, mean, count, score; means are weighted by count, scores the highest.
    """
    sizes = room.history.sizes(spec.asset, spec.tag)
    fits = [size for size in sizes if (end_ns - start_ns) / size <= points]
    chosen = size_ns or (min(fits) if fits else max(sizes, default=10 * NS_PER_S))
    rows = room.history.windows(spec.asset, spec.tag, chosen, start_ns, end_ns, MOST_ROWS)
    factor = max(1, -(-(end_ns - start_ns) // (chosen * points)))
    source = room.history.source  # "influx", or "local" where that has no InfluxDB or it does not answer
    return {"asset": spec.asset, "tag": spec.tag, "unit": spec.unit, "source": source, **_merged(rows, factor)}


def _merged(rows: WindowColumns, factor: int) -> Json:
    if not rows.start_ns:
        return {"size_s": rows.size_ns * factor / NS_PER_S, **{name: [] for name in COLUMNS}}
    start = np.array(rows.start_ns, np.int64)
    bucket = start // (rows.size_ns * factor)
    first = np.flatnonzero(np.r_[True, np.diff(bucket) > 0])
    count = np.array(rows.count, np.float64)
    total = np.add.reduceat(count, first)
    mean = np.add.reduceat(_floats(rows.mean) * count, first) / np.where(total == 0, np.nan, total)
    return {
        "size_s": rows.size_ns * factor / NS_PER_S,
        "start_ms": (bucket[first] * rows.size_ns * factor // 1_000_000).tolist(),
        "minimum": _none(np.fmin.reduceat(_floats(rows.minimum), first)),
        "maximum": _none(np.fmax.reduceat(_floats(rows.maximum), first)),
        "mean": _none(mean),
        "count": total.astype(np.int64).tolist(),
        "score": _none(np.fmax.reduceat(_floats(rows.score), first)),
    }


def _floats(values: list[float | None]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _none(values: np.ndarray[Any, np.dtype[np.float64]]) -> list[float | None]:
    """Nine significant digits: a longitude beyond 100 degrees is good to less than a metre; NaN becomes null."""
    return [None if math.isnan(value) else float(f"{value:.9g}") for value in values.tolist()]


def states_json(room: Room, spec: SeriesSpec, start_ns: int, end_ns: int) -> Json:
    """The state timeline: changes in the range, led by the state in force at its start."""
    rows = room.history.states(spec.asset, spec.tag, start_ns, end_ns)
    names = [state_name(spec, value) if spec.kind == "state" else value for _, value in rows]
    times = [ms(max(time_ns, start_ns)) for time_ns, _ in rows]
    return {"asset": spec.asset, "tag": spec.tag, "kind": spec.kind, "start_ms": times, "state": names}


def oee_windows_json(room: Room, asset: str, start_ns: int, end_ns: int) -> Json:
    """OEE of an asset by window, and all of them rolled up."""
    figures = room.history.figures("oee", start_ns, end_ns, asset)
    return {
        "windows": [
            {**oee_point(one.start_ns, [one]), "end_ms": ms(one.end_ns), "final": one.final, "revision": one.revision,
             "parts": one.parts}
            for one in figures
        ],
        "total": oee_json(figures),
    }  # fmt: skip


def cold_windows_json(room: Room, asset: str, start_ns: int, end_ns: int) -> Json:
    """Cold-chain figures of an asset by window, and all of them merged."""
    figures = room.history.figures("cold_chain", start_ns, end_ns, asset)
    return {
        "windows": [
            {"start_ms": ms(one.start_ns), "end_ms": ms(one.end_ns), "final": one.final, "revision": one.revision,
             "parts": one.parts}
            for one in figures
        ],
        "total": None if not figures else {
            "start_ms": ms(figures[0].start_ns), "end_ms": ms(figures[-1].end_ns),
            "parts": merge_parts(one.parts for one in figures),
        },
    }  # fmt: skip
