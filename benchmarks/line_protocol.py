"""CPU time of windows as line protocol against f-strings that write the same lines: `lines_vs_fstring`.

.venv/bin/python benchmarks/line_protocol.py
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script: the packages are beside its folder

from andon.outputs import WindowRows
from andon.readings import NS_PER_S
from sinks.influx.schema import WINDOW_FIELDS
from sinks.influx.window_lines import WindowEncoder

ROWS, SERIES, ROUNDS, BATCH = 40_000, 1_000, 7, 8_000


def windows(rows: int) -> WindowRows:
    """Windows of W1: tumbling 10 s and hopping 60 s; extremes with 4 decimals, mean, std and score with all digits."""
    rng = np.random.default_rng(3)
    values = np.round(20.0 + rng.normal(0.0, 0.5, (rows, 100)), 4)
    return WindowRows(
        (np.arange(rows) % SERIES).astype(np.int32), np.where(np.arange(rows) % 3, 60 * NS_PER_S, 10 * NS_PER_S),
        1_767_225_600 * NS_PER_S + (np.arange(rows) // SERIES) * 5 * NS_PER_S, np.zeros(rows, np.int32),
        np.full(rows, 100, np.int64), values.min(axis=1), values.max(axis=1), values.mean(axis=1), values.std(axis=1),
        values[:, 0].copy(), values[:, -1].copy(), np.abs(values[:, 0] - 20.0) / values.std(axis=1),
    )  # fmt: skip


def by_fstring(rows: WindowRows, heads: dict[tuple[int, int], str]) -> bytes:
    """What most programs do: an f-string a line, repr for numbers. heads: measurement and tags by series and size."""
    columns = (
        rows.series, rows.size_ns, rows.start_ns, rows.count, rows.minimum, rows.maximum, rows.mean, rows.std,
        rows.first, rows.last, rows.score, rows.revision,
    )  # fmt: skip
    names = WINDOW_FIELDS
    return "".join([
        f"{heads[series, size]} {names[0]}={count},{names[1]}={low!r},{names[2]}={high!r},{names[3]}={mean!r},"
        f"{names[4]}={std!r},{names[5]}={first!r},{names[6]}={last!r},{names[7]}={score!r},"
        f"{names[8]}={revision} {start}\n"
        for series, size, start, count, low, high, mean, std, first, last, score, revision
        in zip(*(column.tolist() for column in columns), strict=True)
    ]).encode()  # fmt: skip


def cpu_us(work: Callable[[], object]) -> float:
    """CPU time, us a line."""
    began = time.process_time()
    work()
    return (time.process_time() - began) / ROWS * 1e6


def lines_vs_fstring() -> dict[str, float]:
    """CPU times in us a line, best of rounds in which both take turns, and `fstring_vs_line_protocol`.

    RuntimeError where the two do not give the same lines.
    """
    rows = windows(ROWS)
    paths: dict[int, tuple[str, str]] = {k: (f"hall/line{k // 10:03}/filler", f"tag{k % 10:02}") for k in range(SERIES)}
    encoder = WindowEncoder("bench", dict.fromkeys(paths.values(), "Cel"))
    columns = [getattr(rows, field.name) for field in fields(rows)]
    parts = [WindowRows(*(column[at : at + BATCH] for column in columns)) for at in range(0, ROWS, BATCH)]
    ours = b"".join([encoder.encode(part, paths) for part in parts])
    lines = ours.decode().splitlines()
    heads = {
        (int(series), int(size)): lines[row].split(" ", 1)[0]
        for row, (series, size) in enumerate(zip(rows.series.tolist(), rows.size_ns.tolist(), strict=True))
    }
    if by_fstring(rows, heads).replace(b".0,", b",") != ours:  # the kernel writes no point into a whole number
        raise RuntimeError("the kernel and the f-strings write different lines")
    kernel, fstring = float("inf"), float("inf")
    for _ in range(ROUNDS):
        kernel = min(kernel, cpu_us(lambda: [encoder.encode(part, paths) for part in parts]))
        fstring = min(fstring, cpu_us(lambda: [by_fstring(part, heads) for part in parts]))
    return {
        "line_protocol_us": kernel, "fstring_us": fstring, "line_bytes": len(ours) / ROWS,
        "fstring_vs_line_protocol": fstring / kernel,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps({name: round(value, 4) for name, value in lines_vs_fstring().items()}, indent=2))
