"""Alarms of models in the history: kept once, read by time and series, gone with the retention."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from andon.models import ModelAlarm, ModelDrift
from andon.outputs import ShardOutputs
from flows.metrics import note_step
from sinks.history import HistoryReader, HistoryWriter

TOLD = ModelAlarm("filling/line1/filler1", "vibration", "ensemble:1", "champion", 1_000, 7.5, "range")
SHADOW = replace(TOLD, model="ewma:2", role="challenger", time_ns=2_000, component="mean")
OTHER = replace(TOLD, asset="cold/room1", tag="air", time_ns=3_000)


def outputs(offset: int, *alarms: ModelAlarm) -> ShardOutputs:
    return ShardOutputs(0, offset, offset, 0, 1, model_alarms=alarms)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "0.db"


def test_a_replay_adds_nothing_and_reading_goes_by_time_and_series(path: Path) -> None:
    writer, reader = HistoryWriter(path, 0), HistoryReader([path])
    for _ in range(2):
        writer.write(outputs(1, TOLD, SHADOW))
        writer.write(outputs(2, OTHER))
    assert reader.model_alarms(0, 10_000) == [TOLD, SHADOW, OTHER]
    assert reader.model_alarms(1_000, 2_000) == [SHADOW]  # after the one end, up to the other
    assert reader.model_alarms(0, 10_000, "cold/room1") == [OTHER]
    assert reader.model_alarms(0, 10_000, TOLD.asset, "vibration") == [TOLD, SHADOW]
    assert reader.model_alarms(0, 10_000, TOLD.asset, "air") == []
    writer.close()


def test_they_go_with_the_windows(path: Path) -> None:
    writer, reader = HistoryWriter(path, 0), HistoryReader([path])
    writer.write(outputs(1, TOLD, SHADOW, OTHER))
    assert writer.prune(2_000) == 1
    assert reader.model_alarms(0, 10_000) == [SHADOW, OTHER]
    writer.close()


def test_the_last_drift_of_each_series_and_signal(path: Path) -> None:
    writer = HistoryWriter(path, 0)
    newer = replace(DRIFT, model="ensemble:2", time_ns=3_000, after=9.0)
    writer.write(drifted(newer, LATER, DRIFT))
    assert HistoryReader([path]).last_model_drifts() == [LATER, newer]
    writer.close()


def test_a_file_of_a_version_before_reads_as_having_none_and_is_upgraded(path: Path) -> None:
    HistoryWriter(path, 0).close()
    with sqlite3.connect(path) as db:
        db.execute("drop table model_alarm")
    assert HistoryReader([path]).model_alarms(0, 10_000) == []
    writer = HistoryWriter(path, 0)
    writer.write(outputs(1, TOLD))
    assert HistoryReader([path]).model_alarms(0, 10_000) == [TOLD]
    writer.close()


DRIFT = ModelDrift("filling/line1/filler1", "vibration", "ensemble:1", "input", 1_000, 2.0, 3.5)
LATER = replace(DRIFT, signal="alarm_rate", time_ns=2_000, before=0.0, after=0.25)


def drifted(*drifts: ModelDrift) -> ShardOutputs:
    return ShardOutputs(0, 1, 1, 0, 1, model_drifts=drifts)


def test_drifts_are_kept_once_and_go_with_the_windows(path: Path) -> None:
    writer, reader = HistoryWriter(path, 0), HistoryReader([path])
    for _ in range(2):
        writer.write(drifted(LATER, DRIFT))
    assert reader.model_drifts(0, 10_000) == [DRIFT, LATER]
    assert reader.model_drifts(1_000, 2_000) == [LATER]
    assert reader.model_drifts(0, 10_000, "ensemble:2") == []
    assert writer.prune(2_000) == 1
    assert reader.model_drifts(0, 10_000) == [LATER]
    writer.close()


def test_a_file_of_a_version_before_has_no_drifts_and_is_upgraded(path: Path) -> None:
    HistoryWriter(path, 0).close()
    with sqlite3.connect(path) as db:
        db.execute("drop table model_drift")
    assert HistoryReader([path]).model_drifts(0, 10_000) == []
    writer = HistoryWriter(path, 0)
    writer.write(drifted(DRIFT))
    assert HistoryReader([path]).model_drifts(0, 10_000) == [DRIFT]
    writer.close()


def test_drifts_are_counted_by_signal() -> None:
    def count(signal: str) -> float:
        return REGISTRY.get_sample_value("andon_model_drifts_total", {"shard": "77", "signal": signal}) or 0.0

    note_step(replace(drifted(DRIFT, DRIFT, LATER), shard=77), 0.1)
    assert [count(one) for one in ("input", "score", "alarm_rate")] == [2.0, 0.0, 1.0]
