"""The comparison of InfluxDB's windows with those of the local history: every kind of fault is seen."""

from __future__ import annotations

import httpx
import numpy as np
import pytest

from andon.outputs import LedgerRows, ShardOutputs, WindowRows
from andon.readings import NS_PER_S
from service.demo_windows import FIELDS, compare, influx_windows, local_windows
from sinks.history import HistoryReader, HistoryWriter
from sinks.influx.window_lines import WindowEncoder

START_NS = 1_767_225_600 * NS_PER_S
PATHS = {1: ("cold/room1", "air"), 2: ("cold/room1", "door")}
VALUES = (10.0, -1.5, 9.25, 0.1 + 0.2, 1e-17, 5.0, 6.0, None, 1.0)
KEY = ("cold/room1", "air", "60s", START_NS)


def windows(count=40) -> WindowRows:
    rng = np.random.default_rng(7)
    series = np.repeat(np.array([1, 2], np.int32), count // 2)
    start = START_NS + np.tile(np.arange(count // 2, dtype=np.int64), 2) * 10 * NS_PER_S
    floats = [rng.normal(20, 5, count) for _ in range(6)]
    score = np.where(series == 1, rng.random(count), np.nan)
    return WindowRows(
        series, np.full(count, 10 * NS_PER_S), start, np.ones(count, np.int32), np.arange(count, dtype=np.int64),
        *floats, score,
    )  # fmt: skip


def history_of(folder, rows: WindowRows) -> HistoryReader:
    """A history file with these windows; the ledger names the series."""
    one = np.ones(2, np.int64)
    ledger = LedgerRows(1, np.array([1, 2], np.int32), START_NS * one, one, one, *([one * 0] * 5))
    writer = HistoryWriter(folder / "0.db", 0)
    writer.write(ShardOutputs(0, 1, 1, START_NS, 2, windows=rows, ledger=[ledger], paths=PATHS))
    writer.close()
    return HistoryReader([folder / "0.db"])


FAULTS = {
    "same": (lambda w: None, (0, 0, 0)),
    "one-missing": (lambda w: w.pop(KEY), (1, 0, 0)),
    "one-too-many": (lambda w: w.update({(*KEY[:3], START_NS + 1): VALUES}), (0, 1, 0)),
    "one-bit": (lambda w: w.update({KEY: (*VALUES[:3], np.nextafter(VALUES[3], 1.0), *VALUES[4:])}), (0, 0, 1)),
    "score-too-many": (lambda w: w.update({KEY: (*VALUES[:7], 0.0, 1.0)}), (0, 0, 1)),
    "older-revision": (lambda w: w.update({KEY: (*VALUES[:8], 0.0)}), (0, 0, 1)),
}


@pytest.mark.parametrize(("spoil", "faults"), FAULTS.values(), ids=FAULTS.keys())
def test_every_fault_is_counted(spoil, faults):
    local = {KEY: VALUES, (*KEY[:2], "10s", START_NS): VALUES}
    remote = dict(local)
    spoil(remote)
    found = compare(local, remote)
    assert (found.missing, found.extra, found.different) == faults
    assert found.ok == (faults == (0, 0, 0))
    assert found.windows == len(remote)


def answer(text: str, status: int = 200) -> httpx.Client:
    transport = httpx.MockTransport(lambda _request: httpx.Response(status, text=text))
    return httpx.Client(transport=transport, base_url="http://influx")


HEADER = ",result,table,_time,_value,_field,asset,series,size\r\n"


def test_an_answer_in_several_tables_is_read_whole():
    row = ",_result,{table},{time},{value},{field},cold/room1,air,60s\r\n"
    text = (
        HEADER + row.format(table=0, time="2026-01-01T00:00:00Z", value="2", field="count") + "\r\n"
        + HEADER + row.format(table=1, time="2026-01-01T00:00:00.5Z", value="0.30000000000000004", field="mean")
    )  # fmt: skip
    found = influx_windows(answer(text), "o", "b")
    assert found == {
        ("cold/room1", "air", "60s", START_NS): tuple(2.0 if name == "count" else None for name in FIELDS),
        ("cold/room1", "air", "60s", START_NS + NS_PER_S // 2): tuple(
            0.1 + 0.2 if name == "mean" else None for name in FIELDS
        ),
    }


def test_an_error_in_the_middle_of_an_answer_is_not_an_end():
    with pytest.raises(httpx.DecodingError, match="memory"):
        influx_windows(answer("error,reference\r\nout of memory,897\r\n"), "o", "b")


def test_a_refusal_is_an_error():
    with pytest.raises(httpx.HTTPStatusError):
        influx_windows(answer("", 401), "o", "b")


@pytest.mark.real
def test_what_the_encoder_writes_is_what_the_history_has(tmp_path, influxd):
    rows = windows()
    bucket = influxd.new_bucket()
    lines = WindowEncoder("szh1", {}).encode(rows, PATHS)
    with influxd.client() as client:
        asked = {"org": influxd.org, "bucket": bucket, "precision": "ns"}
        client.post("/api/v2/write", params=asked, content=lines).raise_for_status()
        remote = influx_windows(client, influxd.org, bucket)
    history = history_of(tmp_path, rows)
    found = compare(local_windows(history), remote)
    history.close()
    assert found.ok, found.line
    assert found.windows == len(rows)
