"""Replays: real recordings against their labels, a bundled data set, and the files people really have."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from andon.errors import SourceError
from service.replay import replay
from sources.replay import messages, open_csv, open_dataset, replay_plant

NAB = Path(__file__).parents[2] / "shared" / "data" / "nab"
needs_nab = pytest.mark.skipif(
    not NAB.is_dir(), reason="needs the Numenta Anomaly Benchmark: clone the public repository numenta/NAB (MIT)"
)


@needs_nab
@pytest.mark.parametrize("name", ["machine_temperature_system_failure", "ambient_temperature_system_failure"])
def test_real_failures_are_found_and_the_rest_stays_quiet(name, tmp_path):
    file = f"realKnownCause/{name}.csv"
    recording = open_csv(NAB / file, "UTC")
    outcome = replay(replay_plant(recording), recording, tmp_path / "sandbox")
    labels = [
        [datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1e9 for text in window]
        for window in json.loads((NAB / "windows.json").read_text())[file]
    ]
    inside = [alarm for alarm in outcome.alarms if any(one <= alarm.start_ns <= two for one, two in labels)]
    outside = len(outcome.alarms) - len(inside)
    assert inside
    assert outside / outcome.days <= 0.15
    assert outcome.dead_letters == 0


def test_the_bundled_data_set_gives_its_water_losses(tmp_path):
    recording = open_dataset("waterflow")
    outcome = replay(replay_plant(recording), recording, tmp_path / "sandbox")
    assert outcome.rows == 1268
    assert {str(datetime.fromtimestamp(alarm.start_ns / 1e9, UTC).date()) for alarm in outcome.alarms} >= {"2022-03-29"}


def write(tmp_path, text):
    path = tmp_path / "log.csv"
    path.write_text(text)
    return path


def test_naive_stamps_need_a_zone_and_the_error_names_the_line(tmp_path):
    path = write(tmp_path, "timestamp,value\n2026-01-01T00:00:00+08:00,1\n2026-01-01 00:05:00,2\n")
    with pytest.raises(SourceError, match=r"log\.csv, line 3: 2026-01-01 00:05:00 names no time zone.*--timezone"):
        open_csv(path, None)
    rows = list(open_csv(path, "Asia/Shanghai").rows())
    assert rows[1].time_ns - rows[0].time_ns == 300 * 10**9


@pytest.mark.parametrize(
    ("text", "tags", "first"),
    {
        "wide": ("datetime;Pressure;Flow Rate\n2026-01-01T00:00:00Z;1.5;2\n", ("pressure", "flow-rate"), 1.5),
        "epoch": ("ts,value\n1767225600,3\n", ("value",), 3.0),
        "milliseconds": ("ts,value\n1767225600000,3\n", ("value",), 3.0),
        "long": ("time,asset,tag,value\n2026-01-01T00:00:00Z,cold/room,air,4.5\n", ("air",), 4.5),
    }.values(),
    ids=["wide", "epoch", "milliseconds", "long"],
)
def test_layouts(text, tags, first, tmp_path):
    recording = open_csv(write(tmp_path, text), None)
    (row,) = recording.rows()
    assert recording.tags == tags
    assert row.time_ns == 1_767_225_600 * 10**9
    assert row.values[0][1] == first


def test_rows_that_cannot_be_used_end_as_dead_letters(tmp_path):
    text = "timestamp,value\n" + "".join(f"2026-01-01T00:{at:02}:00Z,{at}\n" for at in range(10))
    text += "yesterday,5\n2026-01-01T00:11:00Z,high\n2026-01-01T00:12:00Z,\n2026-01-01T00:13:00Z,nan\n"
    recording = open_csv(write(tmp_path, text), None)
    outcome = replay(replay_plant(recording), recording, tmp_path / "sandbox")
    assert (outcome.rows, outcome.dead_letters) == (14, 2)


@pytest.mark.parametrize(
    ("text", "code"),
    [("a,b\n1,2\n", "replay.no_time"), ("ts,value\n", "replay.no_rows"), ("", "replay.no_time")],
)
def test_files_that_are_no_recording(text, code, tmp_path):
    with pytest.raises(SourceError) as refusal:
        open_csv(write(tmp_path, text), None)
    assert refusal.value.code == code


def test_missing_file_and_unknown_data_set(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        open_csv(tmp_path / "none.csv", None)
    with pytest.raises(SourceError, match="waterflow"):
        open_dataset("titanic")


def test_the_log_of_a_recording_has_ticks_and_growing_stamps(tmp_path):
    recording = open_csv(write(tmp_path, "ts,value\n1767225600,1\n1767225660,2\n1767225630,3\n"), None)
    log = list(messages(recording))
    assert [message.offset for message in log] == list(range(1, len(log) + 1))
    stamps = [message.received_ns for message in log]
    assert stamps == sorted(stamps)
    assert sum(b'"tick"' in message.body for message in log) == 4


def log_of(tmp_path, text, zone=None):
    path = tmp_path / "log.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(messages(open_csv(path, zone)))


def rows_of(log):
    return [message for message in log if b'"tick"' not in message.body]


def test_unit_and_quality_of_a_long_file_go_along(tmp_path):
    text = "time,asset,tag,value,unit,q\n2026-01-01T00:00:00Z,cold/room,air,4.5,Cel,192\n"
    text += "2026-01-01T00:01:00Z,cold/room,air,4.5,,\n"
    first, second = (json.loads(message.body) for message in rows_of(log_of(tmp_path, text)))
    assert first == {"ts": 1_767_225_600_000, "asset": "cold/room", "tag": "air", "value": 4.5, "unit": "Cel", "q": 192}
    assert second.keys() == {"ts", "asset", "tag", "value"}


def test_one_wrong_year_moves_no_clock(tmp_path):
    lines = [f"2026-01-01T00:{at:02}:00Z,{at}" for at in range(30)]
    lines[10] = "2126-01-01T00:10:00Z,10"
    recording = open_csv(write(tmp_path, "timestamp,value\n" + "\n".join(lines)), None)
    outcome = replay(replay_plant(recording), recording, tmp_path / "sandbox")
    assert (outcome.rows, outcome.dead_letters) == (30, 1)
    assert outcome.days < 1


def test_a_stop_of_months_is_no_wrong_stamp(tmp_path):
    log = log_of(tmp_path, "timestamp,value\n2026-01-01T00:00:00Z,1\n2026-01-01T00:01:00Z,1\n2026-06-01T00:00:00Z,1\n")
    assert [message.received_ns // 10**9 for message in rows_of(log)] == [1767225600, 1767225660, 1780272000]


def test_rows_before_the_first_stamp_bring_no_tick_of_1970(tmp_path):
    log = log_of(tmp_path, "timestamp,value\noops,1\n2026-01-01T00:00:00Z,1\n")
    assert log[0].body == b"oops,1"
    assert json.loads(log[1].body) == {"ts": 1_767_225_600_000, "event": "tick"}


def test_bytes_that_are_no_text_and_quotes_without_end_stop_nothing(tmp_path):
    text = b"timestamp,value\n2026-01-01T00:00:00Z,1\n2026-01-01T00:01:00Z,4\xb5\n2026-01-01T00:02:00Z,2\n"
    text += b'2026-01-01T00:03:00Z,"' + b"x" * 200_000 + b"\n"
    bodies = [message.body for message in rows_of(log_of(tmp_path, text))]
    assert bodies[1] == b"2026-01-01T00:01:00Z,4\xb5"
    assert json.loads(bodies[2])["value"] == 2.0
    assert bodies[3].startswith(b"line 5: field larger than")


def test_microseconds_are_kept(tmp_path):
    log = rows_of(log_of(tmp_path, "ts,value\n2026-01-01T00:00:00.000250Z,1\n1767225600.5,2\n1767225600500.25,3\n"))
    assert [json.loads(message.body)["ts"] - 1_767_225_600_000 for message in log] == [0.25, 500, 500.25]


def test_columns_of_one_name_and_names_in_chinese(tmp_path):
    recording = open_csv(write(tmp_path, "时间,ts,温度,压力,A b,a-b\nx,1767225600,1,2,3,4\n"), None)
    assert recording.tags == ("value", "value-2", "value-3", "a-b", "a-b-2")
    assert [value for _, value in next(recording.rows()).values] == ["x", 1.0, 2.0, 3.0, 4.0]


def test_what_python_takes_for_numbers_but_nobody_else_does(tmp_path):
    (row,) = open_csv(write(tmp_path, "ts,a,b,c,d\n1767225600,1_000,-inf,\uff11,+1.5e3\n"), None).rows()
    assert [value for _, value in row.values] == ["1_000", None, "\uff11", 1500.0]
