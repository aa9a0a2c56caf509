"""The way to InfluxDB: cost of a line beside influxdb-client's, and how fast a backlog is caught up with.

    .venv/bin/python benchmarks/influx.py [--lines 200000] [--json FILE]

Lines: windows with 9 fields and 6 tags of 1,000 series. Encoding is CPU time a million lines. Catching up: lines a
second out of a queue into a real influxd on this machine, beside what a plant of 10,000 readings a second gives
(windows of 10 s and 60 s of 1,000 series: 117 lines a second). Ratios count, absolute figures depend on the machine.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import influxdb_client
import numpy as np

from andon.outputs import WindowRows
from andon.readings import NS_PER_S
from andon.secrets import Secret
from service.servers import Influxd
from sinks.influx.client import InfluxClient
from sinks.influx.drain import Drain
from sinks.influx.parked import ParkedLines
from sinks.influx.schema import WINDOW_FIELDS
from sinks.influx.window_lines import WindowEncoder
from sinks.segments import SegmentReader, SegmentWriter

SERIES = 1_000
LIVE_LINES_S = SERIES / 10 + SERIES / 60
TOKEN = "token-of-the-benchmark"
TARGETS = {"encoder_vs_points": (">=", 20.0), "catch_up_vs_live": (">=", 5.0)}


def windows(count: int, start_ns: int) -> WindowRows:
    """`count` windows of 10 s, series after series, with the digits that real means have."""
    rng = np.random.default_rng(1)
    mean = rng.normal(20.0, 5.0, count)
    number = np.arange(count)
    return WindowRows(
        (number % SERIES).astype(np.int32), np.full(count, 10 * NS_PER_S),
        start_ns + number // SERIES * 10 * NS_PER_S, np.zeros(count, np.int32), rng.integers(1, 100, count),
        np.round(mean - 1, 2), np.round(mean + 1, 2), mean, rng.random(count), np.round(mean, 2), np.round(mean, 2),
        rng.random(count),
    )  # fmt: skip


def cpu_s(act: Callable[[], object], repeat: int = 3) -> float:
    """CPU time of the best run, s."""
    best = float("inf")
    for _ in range(repeat):
        begun = time.process_time()
        act()
        best = min(best, time.process_time() - begun)
    return best


def points(rows: WindowRows, paths: dict[int, tuple[str, str]]) -> list[str]:
    """The same lines by influxdb-client."""
    make: Any = influxdb_client.Point  # type: ignore[attr-defined]  # the library does not list its names
    given = (rows.count, rows.minimum, rows.maximum, rows.mean, rows.std, rows.first, rows.last, rows.score)
    columns = [column.tolist() for column in (*given, rows.revision)]
    found = []
    for row, (series, start_ns) in enumerate(zip(rows.series.tolist(), rows.start_ns.tolist(), strict=True)):
        asset, tag = paths[series]
        point = make("window").tag("site", "szh1").tag("area", "hall").tag("asset", asset).tag("series", tag)
        point = point.tag("unit", "1").tag("size", "10s").time(start_ns)
        for name, column in zip(WINDOW_FIELDS, columns, strict=True):
            point = point.field(name, float(column[row]))
        found.append(point.to_line_protocol())
    return found


def encoding(lines: int, paths: dict[int, tuple[str, str]], start_ns: int) -> dict[str, float]:
    """CPU seconds a million lines."""
    rows, few = windows(lines, start_ns), windows(lines // 20, start_ns)
    encoder = WindowEncoder("szh1", {})
    body = encoder.encode(rows, paths)
    million = 1e6 / lines
    return {
        "encode": cpu_s(lambda: encoder.encode(rows, paths)) * million,
        "gzip_1": cpu_s(lambda: gzip.compress(body, 1)) * million,
        "points": cpu_s(lambda: points(few, paths), 2) * million * 20,
        "bytes_a_line": len(body) / lines,
    }


def catching_up(lines: int, paths: dict[int, tuple[str, str]], start_ns: int) -> float:
    """Lines a second from a queue on disk into a real InfluxDB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Influxd(folder / "influxd", token=TOKEN)
        server.start()
        try:
            writer = SegmentWriter(folder / "queue")
            writer.restore(None)
            writer.write(WindowEncoder("szh1", {}).encode(windows(lines, start_ns), paths), lines)
            writer.flush()
            reader, parked = SegmentReader(folder / "queue"), ParkedLines(folder / "parked.db")
            client = InfluxClient(server.url, server.org, server.bucket, Secret(TOKEN), timeout_s=30.0)
            drain = Drain({"0": reader}, client.write, parked)
            begun = time.perf_counter()
            while reader.backlog_bytes():
                drain.step()
            rate = lines / (time.perf_counter() - begun)
            for one in (writer, reader, parked, client):
                one.close()
        finally:
            server.stop()
    return rate


def main() -> None:
    """Run and print; `--json` also writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    paths = {number: (f"hall/line{number // 10:03}/filler", f"tag{number % 10:02}") for number in range(SERIES)}
    start_ns = (time.time_ns() // NS_PER_S - 86_400) * NS_PER_S
    figures = encoding(options.lines, paths, start_ns)
    figures["catch_up_lines_s"] = catching_up(options.lines, paths, start_ns)
    ratios = {
        "encoder_vs_points": figures["points"] / figures["encode"],
        "catch_up_vs_live": figures["catch_up_lines_s"] / LIVE_LINES_S,
    }
    for title, value in figures.items():
        print(f"{title:20} {value:12.3f}")
    for title, value in ratios.items():
        sign, target = TARGETS[title]
        met = value >= target
        print(f"{title:20} {value:12.1f}  {sign} {target:g}: {'met' if met else 'MISSED'}")
    if options.json:
        options.json.write_text(json.dumps({"figures": figures, "ratios": ratios}, indent=2) + "\n")


if __name__ == "__main__":
    main()
