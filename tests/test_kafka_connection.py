"""One client of librdkafka for all partitions of a process; no broker is there."""

from __future__ import annotations

import time

import pytest

from andon.config.deployment import Kafka
from andon.errors import SourceError
from sources.kafka import connection
from sources.kafka.connection import Connection
from sources.kafka.gather import GatherClient, available
from sources.kafka.settings import consumer_settings

pytestmark = pytest.mark.skipif(available() is None, reason="librdkafka's C interface is not here")


@pytest.fixture(autouse=True)
def none_open(monkeypatch):
    monkeypatch.setattr(connection, "_open", {})
    yield
    assert not connection._open


def settings(**more):
    return consumer_settings(Kafka(brokers="127.0.0.1:1"), "s1", 0) | {"statistics.interval.ms": 100} | more


def client(partition, told=None, **more):
    told = [] if told is None else told
    return GatherClient(available(), settings(**more), "t", partition, lambda *e: told.append(e), told.append)


def test_partitions_of_the_same_settings_share_a_client_until_the_last_has_gone():
    one, two, other = client(0), client(1), client(1, **{"client.id": "x"})
    assert one._handle == two._handle != other._handle
    assert len(connection._open) == 2
    one.close()
    one.close()  # again without harm
    assert one.fetch(10, 1_000) is None
    assert two.fetch(10, 1_000) is None
    two.close()
    assert len(connection._open) == 1
    other.close()


def test_everybody_is_told_whoever_polls_and_nobody_who_has_gone():
    told = [], [], []
    clients = [client(partition, told[partition]) for partition in range(3)]
    clients[2].close()
    for one in clients[:2]:
        one.assign(0)
    until = time.monotonic() + 20
    while not all(any(isinstance(event, str) for event in one) for one in told[:2]) and time.monotonic() < until:
        clients[0].fetch(10, 1_000)
        time.sleep(0.02)
    for one in clients:
        one.close()
    for one in told[:2]:
        assert any(isinstance(event, str) and '"brokers"' in event for event in one)
        assert any(isinstance(event, tuple) and event[0] < 0 and event[1] for event in one)
    assert told[2] == []


def test_the_group_stays_out_of_it_and_nothing_is_committed():
    seen = {}

    class Noting:
        def conf_set(self, _conf, name, value, *_):
            seen[name.decode()] = value.decode()
            return 0

        def conf_new(self):
            return None

        conf_set_error_cb = conf_set_stats_cb = destroy = staticmethod(lambda *_: None)
        new = staticmethod(lambda *_: 1)

    shared = Connection.shared(Noting(), settings())
    shared.tell(1, lambda *_: None, lambda _: None)
    shared.release(1)
    assert "group.id" not in seen
    assert (seen["auto.commit.enable"], seen["enable.auto.offset.store"]) == ("false", "false")
    assert seen["isolation.level"] == "read_committed"


def test_settings_that_are_refused_leave_nothing_open():
    with pytest.raises(SourceError) as refused:
        client(0, **{"no.such.setting": 1})
    assert "no.such.setting" in refused.value.text()
