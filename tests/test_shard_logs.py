"""What a person puts into a shard's log, and a control room whose log is not on this disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from andon.clock import ManualClock, SystemClock
from andon.datafolder import DataFolder
from andon.errors import ConfigError, SourceError
from andon.plant import PlantModel
from andon.records import Records
from service.shard_logs import shard_logs
from service.web.main import room_of
from service.web.site_metrics import site_exposition
from sources.kafka import KafkaReader, Position
from sources.kafka.settings import consumer_settings
from sources.spool import Spool
from tests.engine_world import START_NS, plant
from tests.kafka_world import new_topic


def data_folder(path: Path) -> DataFolder:
    data = DataFolder(path / "data")
    data.create("s1", 2)
    return data


def test_the_spools_of_a_plant(tmp_path):
    data = data_folder(tmp_path)
    logs = shard_logs(plant(transport={"shards": 2}), data, ManualClock(START_NS))
    assert sorted(logs) == [0, 1]
    assert logs[1].append([b"a", b"b"]) == 2
    assert [one.body for one in Spool(data.spool(1), 1, SystemClock()).reader(0).read(10, 1000)] == [b"a", b"b"]


def on_kafka(bootstrap: str, topic: str = "t") -> PlantModel:
    return plant(transport={"kind": "kafka", "shards": 2, "kafka": {"brokers": bootstrap, "topic": topic}})


@pytest.mark.real
def test_the_partitions_of_a_plant(tmp_path, kafka):
    model = on_kafka(kafka.bootstrap, new_topic(kafka.bootstrap, 2))
    logs = shard_logs(model, data_folder(tmp_path), SystemClock())
    assert logs[1].append([b"a", b"b"]) == 2
    assert logs[1].append([b"c"]) == 3
    settings = model.config.transport.kafka
    assert settings is not None
    reader = KafkaReader(consumer_settings(settings, "s1", 1), settings.topic, 1, Position())
    found: list[bytes] = []
    while len(found) < 3:
        found += [one.body for one in reader.read(10, 1000)]
    reader.close()
    assert found == [b"a", b"b", b"c"]


def test_a_broker_that_is_away_takes_nothing_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("service.shard_logs.DELIVERED_S", 0.5)
    logs = shard_logs(on_kafka("127.0.0.1:1"), data_folder(tmp_path), SystemClock())
    with pytest.raises(SourceError) as caught:
        logs[0].append([b"a"])
    assert caught.value.code == "kafka.not_delivered"


def test_kafka_needs_its_section(tmp_path):
    with pytest.raises(ConfigError):
        shard_logs(plant(transport={"kind": "kafka", "shards": 2}), data_folder(tmp_path), SystemClock())


def test_a_control_room_over_kafka_has_no_spools_and_shows_the_lag_all_the_same(tmp_path):
    data = data_folder(tmp_path)
    with Records(data.records_db, "s1", SystemClock()):
        pass
    room = room_of(on_kafka("127.0.0.1:1"), data, SystemClock(), tmp_path)
    assert room.spools == []
    assert not data.spool(0).exists(), "none is made"
    with room.records:
        text = site_exposition(room).decode()
    assert "andon_flow_lag_seconds" in text
    assert "andon_log_bytes" not in text
