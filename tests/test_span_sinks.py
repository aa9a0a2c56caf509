"""Declared windows on their way out: history, InfluxDB, Kafka and the API's view."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import orjson
import pytest

from andon.outputs import ShardOutputs, SpanRows
from flows.influx import OutputEncoder
from service.web.window_view import declared_json, windows_json
from sinks.history import HistoryReader, HistoryWriter
from sinks.kafka.refill import Refill
from sinks.kafka.window_lines import span_lines
from tests.engine_world import START_NS, S, plant

AIR = ("cold/room", "air")
DECLARED = {"id": "shift-air", "on": "cold/*/air", "kind": "calendar", "calendar": "shift",
            "statistics": ["count", "mean", "p95", "integral"]}  # fmt: skip
MODEL = plant(
    window=[DECLARED], shift=[{"name": "day", "begins": "00:00"}, {"name": "night", "begins": "12:00"}],
)  # fmt: skip
NAN = float("nan")


def rows(*given, series=0):
    """(start s, end s, revision, count, mean, p95) each."""
    columns = list(zip(*given, strict=True))
    numbers = [np.array(column, np.int64) for column in columns[:4]]
    return SpanRows(
        np.full(len(given), series, np.int32), ("shift-air",) * len(given), START_NS + numbers[0] * S,
        START_NS + numbers[1] * S, numbers[2].astype(np.int32), numbers[3], ("mean", "p95"),
        np.array(list(zip(*columns[4:], strict=True))),
    )  # fmt: skip


ROWS = rows((0, 60, 1, 5, 4.5, NAN), (60, 120, 1, 3, 5.25, 6.0))


def outputs(spans):
    return ShardOutputs(0, 1, 2, START_NS, 0, spans=spans, paths={0: AIR})


@pytest.fixture
def history(tmp_path):
    writer, reader = HistoryWriter(tmp_path / "0.db", 0), HistoryReader([tmp_path / "0.db"])
    yield writer, reader
    writer.close()
    reader.close()


def test_history_keeps_the_highest_revision_and_forgets_old_windows(history):
    writer, reader = history
    writer.write(outputs(ROWS))
    writer.write(outputs(rows((60, 120, 2, 4, 5.5, 6.5), (0, 60, 1, 5, 4.5, NAN))))
    writer.write(outputs(rows((60, 120, 1, 9, 9.0, 9.0))))
    found = reader.spans(*AIR, "shift-air", START_NS, START_NS + 3600 * S)
    assert [(one.revision, one.count, dict(one.statistics)) for one in found] == [
        (1, 5, {"mean": 4.5}), (2, 4, {"mean": 5.5, "p95": 6.5}),
    ]  # fmt: skip
    writer.write(outputs(rows((60, 120, 3, 0, NAN, NAN))))  # a session that was joined to another
    assert [one.start_ns for one in reader.spans(*AIR, "shift-air", START_NS, START_NS + 3600 * S)] == [START_NS]
    assert len(reader.spans(*AIR, "shift-air", START_NS, START_NS + 3600 * S, gone=True)) == 2
    assert reader.spans(*AIR, "other", START_NS, START_NS + 3600 * S) == []
    assert writer.prune(START_NS + 60 * S) == 1
    assert len(reader.spans(*AIR, "shift-air", 0, START_NS + 3600 * S, gone=True)) == 1


def test_a_history_of_an_older_version_has_none(tmp_path, history):
    writer, reader = history
    with sqlite3.connect(tmp_path / "0.db") as db:
        db.execute("drop table span")
    db.close()
    assert reader.spans(*AIR, "shift-air", 0, START_NS) == []
    assert writer.path.exists()


def test_a_history_without_the_table_is_read_beside_one_with_it(tmp_path, history):
    """After an upgrade a shard that is still stopped has the older file."""
    writer, _ = history
    HistoryWriter(tmp_path / "1.db", 1).close()
    with sqlite3.connect(tmp_path / "1.db") as db:
        db.execute("drop table span")
    db.close()
    writer.write(outputs(ROWS))
    for order in (("0.db", "1.db"), ("1.db", "0.db")):
        reader = HistoryReader([tmp_path / name for name in order])
        assert len(reader.spans(*AIR, "shift-air", START_NS, START_NS + 3600 * S)) == 2
        reader.close()


def test_begun_gives_those_that_begin_in_the_range(history):
    writer, reader = history
    writer.write(outputs(rows(*((at, at + 60, 1, 5, 4.5, NAN) for at in range(0, 300, 30)))))

    def found(begin, end, **more):
        some = reader.spans(*AIR, "shift-air", START_NS + begin * S, START_NS + end * S, **more)
        return [(one.start_ns - START_NS) // S for one in some]

    assert found(90, 150) == [60, 90, 120]
    assert found(90, 150, begun=True) == [90, 120]
    assert found(90, 151, begun=True) == [90, 120, 150]
    assert found(0, 300, limit=2, begun=True) == [240, 270]


def test_prune_keeps_spans_that_had_not_ended(history):
    """Of each series and window, whichever end first."""
    writer, reader = history
    for series, name, length in ((0, "a", 60), (0, "b", 3600), (1, "a", 90), (1, "c", 60)):
        given = rows(*((at, at + length, 1, 5, 4.5, NAN) for at in range(0, 300, 30)), series=series)
        paths = {0: AIR, 1: ("cold/room", "door")}
        writer.write(replace(outputs(replace(given, window=(name,) * 10)), paths=paths))
    assert writer.prune(START_NS + 150 * S) == 4 + 0 + 3 + 4
    for tag, name, first in (("air", "a", 120), ("air", "b", 0), ("door", "a", 90), ("door", "c", 120)):
        kept = reader.spans("cold/room", tag, name, 0, START_NS + 7200 * S)
        assert [(one.start_ns - START_NS) // S for one in kept] == list(range(first, 300, 30)), (tag, name)
    assert writer.prune(START_NS + 150 * S) == 0


def test_line_protocol_has_the_id_as_size_and_what_is_known():
    text, count = OutputEncoder(MODEL).encode(outputs(ROWS))
    head = "window,area=cold,asset=cold/room,series=air,site=s1,size=shift-air,unit=Cel"
    assert text.decode().splitlines() == [
        f"{head} count=5.0,mean=4.5,revision=1.0,seconds=60.0 {START_NS}",
        f"{head} count=3.0,mean=5.25,p95=6.0,revision=1.0,seconds=60.0 {START_NS + 60 * S}",
    ]
    assert count == 2


def test_messages_have_the_id_where_others_have_a_size(history):
    first, second = span_lines("s1", ROWS, {0: AIR}, {0: "Cel"}).splitlines(keepends=True)
    told, value = first.split(b"\t")
    assert told == b"s1|cold/room|air|shift-air|%d|1" % START_NS
    assert orjson.loads(value) == {
        "site": "s1", "asset": "cold/room", "series": "air", "unit": "Cel", "window": "shift-air",
        "start": START_NS // 1_000_000, "end": START_NS // 1_000_000 + 60_000, "revision": 1, "count": 5, "mean": 4.5,
    }  # fmt: skip
    writer, reader = history
    writer.write(outputs(ROWS))
    refill = Refill("s1", reader, [(*AIR, "Cel")], [], {AIR: ["shift-air"]})
    assert [line for lines in refill.lines((START_NS + 1, START_NS + 60 * S)) for line in lines] == [second]


def test_the_view_names_the_shift_and_gives_the_newest_first(history):
    writer, reader = history
    half_day = 43_200
    given = replace(rows((0, half_day, 1, 5, 4.5, NAN), (half_day, 2 * half_day, 1, 3, 5.25, 6.0)))
    writer.write(outputs(given))
    room = SimpleNamespace(plant=MODEL, history=reader)
    spec = MODEL.series[AIR]
    answer = windows_json(room, spec, (START_NS, START_NS + 86_400 * S), None, 10)
    (window,) = answer["windows"]
    assert declared_json(MODEL, spec) == [
        {"id": "shift-air", "kind": "calendar", "calendar": "shift", "statistics": DECLARED["statistics"]}
    ]
    assert [(row["shift"], row["count"], row.get("p95")) for row in window["rows"]] == [
        ("night", 3, 6.0), ("day", 5, None),
    ]  # fmt: skip
    assert windows_json(room, spec, (START_NS, START_NS + S), "other", 10)["windows"] == []
