"""Appending to a partition: what is confirmed is there; a broker that is away holds nobody up."""

from __future__ import annotations

import json
import threading
import time

import pytest

from andon.clock import ManualClock, SystemClock
from andon.errors import SourceError
from andon.kafka import client_settings
from andon.readings import NS_PER_MS
from sources.kafka.producer import KafkaLog, TickLog, log_client, tick_client
from sources.spool import Spool
from sources.ticks import run_ticker, tick_body
from tests.decode_world import NOW
from tests.kafka_world import new_topic, read_all, reader, settings, until

pytestmark = pytest.mark.real


def base(bootstrap, tmp_path):
    return client_settings(settings(bootstrap, "t"), tmp_path, "test")


def found_in(bootstrap, topic, count, shard=0):
    with reader(bootstrap, topic, shard=shard) as source:
        return [one for batch in read_all(source, count) for one in batch]


@pytest.mark.parametrize("stamps", ["producer", "broker"])
def test_what_append_has_confirmed_is_there_in_its_order(kafka, tmp_path, stamps):
    topic, clock = new_topic(kafka.bootstrap, 2, stamps=stamps), ManualClock(NOW)
    client = log_client(base(kafka.bootstrap, tmp_path), 10.0)
    logs = [KafkaLog(client, topic, shard, clock) for shard in (0, 1)]
    assert [one.last_offset() for one in logs] == [0, 0]
    assert logs[0].append([b"%d" % n for n in range(5_000)], [b"k"] * 5_000) == 5_000
    assert logs[1].append([b"a"]) == 1
    assert logs[0].append([]) == 5_000
    assert logs[0].append([b"5000"]) == logs[0].last_offset() == 5_001
    got = found_in(kafka.bootstrap, topic, 5_001)
    assert [one.body for one in got] == [b"%d" % n for n in range(5_001)]
    assert (got[0].received_ns // NS_PER_MS == NOW // NS_PER_MS) == (stamps == "producer")


@pytest.mark.slow
def test_append_raises_when_nobody_confirms_and_works_when_the_broker_is_back(kafka_broker_factory, tmp_path):
    broker = kafka_broker_factory()
    topic = new_topic(broker.bootstrap)
    log = KafkaLog(log_client(base(broker.bootstrap, tmp_path), 2.0), topic, 0, SystemClock())
    assert log.append([b"a"]) == 1
    broker.kill()
    with pytest.raises(SourceError) as caught:
        log.append([b"b", b"c"])
    assert caught.value.code == "kafka.not_delivered"
    assert caught.value.params["count"] == 2
    assert caught.value.text("en")
    broker.start()
    until(lambda: appended(log, b"d"), "not taken when the broker is back")
    bodies = [one.body for one in found_in(broker.bootstrap, topic, 2)]
    assert (bodies[0], bodies[-1]) == (b"a", b"d")


def appended(log, body):
    try:
        return log.append([body]) > 0
    except SourceError:
        return False


def test_a_topic_that_is_not_there_is_said(kafka, tmp_path):
    log = KafkaLog(log_client(base(kafka.bootstrap, tmp_path), 2.0), "not-there", 0, SystemClock())
    with pytest.raises(SourceError) as caught:
        log.append([b"a"])
    assert caught.value.code == "kafka.not_delivered"


@pytest.mark.slow
def test_ticks_wait_for_nobody_and_old_ones_do_not_come_later(kafka_broker_factory, tmp_path):
    broker = kafka_broker_factory()
    topic, clock = new_topic(broker.bootstrap, 8, stamps="producer"), SystemClock()
    client = tick_client(base(broker.bootstrap, tmp_path))
    logs = [TickLog(client, topic, shard, clock) for shard in range(8)]
    spool = Spool(tmp_path / "spool", 9, clock)
    stop = threading.Event()
    thread = threading.Thread(target=run_ticker, args=([*logs, spool], clock, stop, 0.2))
    thread.start()
    until(lambda: all(one.last_offset() > 3 for one in logs), "no ticks")
    broker.kill()
    killed_ns, ticked = clock.now_ns(), spool.last_offset()
    time.sleep(6.0)
    assert spool.last_offset() - ticked >= 15  # of 30: the others went on while the broker was away
    back_ns = clock.now_ns()
    broker.start()
    before = [one.last_offset() for one in logs]
    until(lambda: all(one.last_offset() > old + 2 for one, old in zip(logs, before, strict=True)), "no ticks again")
    stop.set()
    thread.join(10)
    spool.close()
    stamps = [json.loads(one.body)["ts"] * NS_PER_MS for one in found_in(broker.bootstrap, topic, before[0] + 2)]
    assert [one for one in stamps if killed_ns + 10**9 < one < back_ns - 2 * 10**9] == []
    assert stamps == sorted(stamps)
    assert stamps[-1] > back_ns - 2 * 10**9


def test_a_tick_that_was_dropped_is_told_at_the_next(tmp_path):
    log = TickLog(tick_client(base("127.0.0.1:1", tmp_path)), "t", 0, SystemClock())
    began = time.monotonic()
    assert log.append([tick_body(NOW)]) == 0
    assert time.monotonic() - began < 1.0
    time.sleep(1.5)
    with pytest.raises(SourceError) as caught:
        until(lambda: log.append([tick_body(NOW)]), "nothing is told")
    assert caught.value.code == "kafka.not_delivered"
