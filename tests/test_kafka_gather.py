"""The client on librdkafka's C interface gives what confluent-kafka's own gives, from a real broker."""

from __future__ import annotations

import time
from ctypes import c_int64

import numpy as np
import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from andon.errors import SourceError
from sources.kafka import gather, reader
from sources.kafka.client import PlainClient
from sources.kafka.gather import GatherClient, LayoutError, available
from sources.kafka.positions import Position
from sources.kafka.reader import KafkaReader

pytestmark = pytest.mark.real
MOST = 700


@pytest.fixture(scope="module")
def topic(kafka):
    """A partition of bodies of every length up to 300, empty ones, tombstones, a long one, an aborted transaction."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.create_topics([NewTopic("gather", 1, 1)])["gather"].result()
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": "gather"})
    producer.init_transactions(30)
    rng = np.random.default_rng(5)
    now_ms = round(time.time() * 1000)
    for part, aborted in enumerate((False, True, False)):
        producer.begin_transaction()
        for number in range(1_000):
            body = None if number % 97 == 5 else rng.bytes(number % 300)
            key = b"machine" if number % 2 else None
            producer.produce("gather", body, key, partition=0, timestamp=now_ms + 1_000 * part + number)
        producer.produce("gather", rng.bytes(700_000), partition=0, timestamp=now_ms)
        producer.flush(30)
        (producer.abort_transaction if aborted else producer.commit_transaction)(30)
    return "gather"


def settings(kafka, **more):
    return {
        "bootstrap.servers": kafka.bootstrap, "group.id": "gather", "enable.auto.commit": False,
        "auto.offset.reset": "error", "isolation.level": "read_committed", "log_level": 0, **more,
    }  # fmt: skip


def everything(client, count, offset=OFFSET_BEGINNING, seconds=30):
    """(offset, stamp, body) of `count` messages, and the failures."""
    client.assign(offset)
    rows, failures, until = [], [], time.monotonic() + seconds
    while len(rows) < count and not failures and time.monotonic() < until:
        fetched = client.fetch(MOST, 100_000)
        if fetched is None:
            time.sleep(0.002)
            continue
        assert not fetched.by_broker
        failures += fetched.failures
        begin = 0
        for end, at, stamp in zip(
            fetched.ends.tolist(), fetched.offset.tolist(), fetched.stamp_ms.tolist(), strict=True
        ):
            rows.append((at, stamp, bytes(fetched.text[begin:end])))
            begin = end + 1
        assert bytes(fetched.text[begin:]) == bytes(16)
    client.close()
    return rows, failures


def gathering(kafka, errors=None, **more):
    told = [] if errors is None else errors
    library = available()
    assert library is not None, "the installed confluent-kafka brings its library along"
    return GatherClient(library, settings(kafka, **more), "gather", 0, lambda *e: told.append(e), told.append)


def test_both_clients_give_the_same(kafka, topic):
    plain = PlainClient(settings(kafka), topic, 0, lambda *_: None, lambda _: None)
    wanted, _ = everything(plain, 2_002)
    found, failures = everything(gathering(kafka), 2_002)
    assert len(wanted) == 2_002
    assert found == wanted
    assert not failures
    assert max(len(body) for _, _, body in found) == 700_000
    assert min(len(body) for _, _, body in found) == 0


def test_it_begins_at_an_exact_offset_and_knows_the_ends(kafka, topic):
    client = gathering(kafka)
    low, high = client.ends(10.0)
    assert low == 0
    assert high > 3_003
    found, _ = everything(client, 3, offset=17)
    assert [at for at, _, _ in found[:3]] == [17, 18, 19]


def test_an_offset_that_is_gone_is_a_failure_and_nothing_is_skipped(kafka, topic):
    found, failures = everything(gathering(kafka), 1, offset=1_000_000)
    assert not found
    assert {code for code, _ in failures} <= {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}
    assert failures


def test_callbacks_are_served_by_fetch(kafka):
    told = []
    client = gathering(kafka, told, **{"statistics.interval.ms": 100})
    client.assign(OFFSET_BEGINNING)
    until = time.monotonic() + 20
    while not any(isinstance(one, str) and '"brokers"' in one for one in told) and time.monotonic() < until:
        client.fetch(1, 100)
        time.sleep(0.01)
    client.close()
    client.close()  # again without harm
    assert any(isinstance(one, str) for one in told)


def test_a_broker_that_is_away_is_told_and_does_not_hold_up(kafka):
    told = []
    client = gathering(kafka, told, **{"bootstrap.servers": "127.0.0.1:1"})
    client.assign(0)
    until = time.monotonic() + 20
    while not told and time.monotonic() < until:
        began = time.monotonic()
        assert client.fetch(10, 100) is None
        assert time.monotonic() - began < 5
        time.sleep(0.01)
    assert client.ends(0.2) is None
    client.close()
    assert any(isinstance(one, tuple) and one[0] < 0 and one[1] for one in told)


def test_settings_that_the_library_refuses_name_the_problem(kafka):
    with pytest.raises(SourceError) as refused:
        gathering(kafka, **{"no.such.setting": 1})
    assert "no.such.setting" in refused.value.text()


def read_all(kafka, count):
    with KafkaReader(settings(kafka), "gather", 0, Position()) as one:
        bodies, until = [], time.monotonic() + 30
        while len(bodies) < count and time.monotonic() < until:
            bodies += [message.body for message in one.read(8_192, 4_000_000)]
        return bodies, type(one._client)


def test_the_reader_takes_it_and_does_without_it(kafka, topic, monkeypatch):
    wanted, kind = read_all(kafka, 2_002)
    assert kind is GatherClient
    monkeypatch.setattr(reader, "available", lambda: None)
    found, kind = read_all(kafka, 2_002)
    assert kind is PlainClient
    assert found == wanted


def test_another_layout_is_noticed_and_the_reader_goes_on_without_it(kafka, topic, monkeypatch):
    """A library whose messages begin otherwise: the check sees it before a message is handed on."""
    wanted, _ = read_all(kafka, 2_002)
    real = gather.gather

    def shifted(messages, begin, count, text, room, columns, capacity, *rest):
        at = real(messages, begin, count, text, room, columns, capacity, *rest)
        c_int64.from_address(columns + 8 * capacity).value = 999
        return at

    monkeypatch.setattr(gather, "gather", shifted)
    client = gathering(kafka)
    with pytest.raises(LayoutError):
        everything(client, 1)
    client.close()
    found, kind = read_all(kafka, 2_002)
    assert kind is PlainClient
    assert found == wanted
