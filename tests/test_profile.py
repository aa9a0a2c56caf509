"""[transport] profile: what it means for a consumer and for the pauses of the sources."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from andon.clock import ManualClock
from andon.config.deployment import Kafka
from andon.config.models import Transport
from sources.kafka.kafka_bytewax import KafkaPartition
from sources.kafka.positions import Position
from sources.kafka.settings import consumer_settings
from sources.profile import PROFILES
from sources.spool import Spool
from sources.spool_bytewax import SpoolSource

OWN = {"queue_kb": 100, "queue_messages": 7, "fetch_wait_ms": 3, "fetch_min_bytes": 5}
NAMES = ("queued.max.messages.kbytes", "queued.min.messages", "fetch.wait.max.ms", "fetch.min.bytes")


def test_every_name_has_a_profile():
    assert set(PROFILES) == set(Transport.model_fields["profile"].annotation.__args__)
    assert Transport().profile == "balanced"


@pytest.mark.parametrize("name", PROFILES)
def test_what_the_user_says_goes_before_the_profile(name):
    chosen = PROFILES[name]
    found = consumer_settings(Kafka(brokers="b:9092"), "s", 0, name)
    wanted = (chosen.queue_kb, chosen.queue_messages, chosen.fetch_wait_ms, chosen.fetch_min_bytes)
    assert tuple(found[setting] for setting in NAMES) == wanted
    found = consumer_settings(Kafka(brokers="b:9092", **OWN), "s", 0, name)
    assert tuple(found[setting] for setting in NAMES) == tuple(OWN.values())
    found = consumer_settings(Kafka(brokers="b:9092", fetch_wait_ms=0), "s", 0, name)
    assert found["fetch.wait.max.ms"] == 0  # said, though it is 0


class Silent:
    """A reader that has nothing."""

    shard, lost, position, partitions, stamped_by_broker = 0, False, Position(), None, None

    def read(self, max_messages, max_bytes):
        return []


class NoGaps:
    def current(self):
        return None


def longest_pause_s(part):
    for _ in range(200):
        assert list(part.next_batch()) == []
    return (part.next_awake() - datetime.now(UTC)).total_seconds()


def test_an_alarm_looks_more_often_than_a_bulk(tmp_path):
    stop, pauses = threading.Event(), {}
    with Spool(tmp_path, 0, ManualClock()):
        for name, profile in PROFILES.items():
            spool = SpoolSource({0: tmp_path}, stop, lambda: None, name).build_part("spool", "0000", None)
            kafka = KafkaPartition(Silent(), NoGaps(), stop, lambda: None, ManualClock(), profile=profile)
            pauses[name] = longest_pause_s(spool), longest_pause_s(kafka)
            assert pauses[name][0] <= profile.spool_idle_s
            assert pauses[name][1] <= profile.idle_s
            spool.close()
    assert pauses["bulk"] > pauses["balanced"]
    assert pauses["bulk"][0] > PROFILES["alarm"].spool_idle_s
    assert pauses["bulk"][1] > PROFILES["alarm"].idle_s
