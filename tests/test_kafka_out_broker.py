"""Publishing on a real broker: all of a run arrives as it was, through a broker that dies and a line that fails."""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace

import pytest

from service.kafka_sender import Pulse, senders
from service.servers import free_port
from sinks.kafka.sender import TopicSender
from sinks.kafka.window_lines import window_lines
from sinks.segments import SegmentReader
from tests.kafka_out_world import (
    KINDS,
    PATHS,
    Site,
    condition,
    consume,
    dead_letters,
    make_topics,
    only_equal_doubles,
    publishing,
    stop,
    until,
    window_rows,
)

pytestmark = pytest.mark.real
UNITS = {0: "1", 1: "Cel", 2: "mm/s"}
_numbers = itertools.count(1)


def prefix() -> str:
    return f"out{next(_numbers)}."


def wanted_windows(count: int, revision: int = 0) -> dict[str, bytes]:
    """id -> value of windows 0 to count - 1."""
    lines = window_lines("s1", window_rows(0, count, revision), PATHS, UNITS).splitlines()
    return {told.decode(): value for told, _, value in (line.partition(b"\t") for line in lines)}


@contextmanager
def running(site: Site, timeout_s: float = 30.0):
    """The senders of a site in threads of this process; ends them and shows what they raised."""
    end, config = threading.Event(), site.model.config
    pulse, limits = Pulse(lambda: None, KINDS), {"timeout_s": timeout_s, "pauses_s": (0.2, 0.5)}
    with site.records() as records:
        topics = senders(config.transport.kafka, site.model, site.data, records, end, pulse, **limits)
        failed: list[BaseException] = []

        def guarded(one: TopicSender) -> None:
            try:
                one.run(end, poll_s=0.05)
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=guarded, args=[one]) for one in topics.values()]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            end.set()
            for thread in threads:
                thread.join(60.0)
    assert failed == []


def backlog(site: Site) -> int:
    with SegmentReader(site.data.segments("kafka", 0)) as reader:
        return reader.backlog_bytes()


def arrived(bootstrap: str, topic: str, count: int) -> Callable[[], bool]:
    return lambda: len({one.id for one in consume(bootstrap, topic)}) >= count


def test_all_of_a_run_arrives_as_it_was(kafka, tmp_path):
    name = prefix()
    make_topics(kafka.bootstrap, name)
    site = Site(tmp_path / "data", publishing(kafka.bootstrap, name))
    site.write_windows(window_rows(0, 3_000))
    site.write_dead(dead_letters(1, 50))
    site.apply([condition(1), condition(2), condition(1, cleared=True)])
    with running(site):
        until(lambda: backlog(site) == 0)
        site.write_windows(window_rows(0, 300, revision=1))
        until(arrived(kafka.bootstrap, f"{name}windows", 3_300))
        until(arrived(kafka.bootstrap, f"{name}dead-letters", 50))
        until(arrived(kafka.bootstrap, f"{name}alarms", 2))
    found = consume(kafka.bootstrap, f"{name}windows")
    assert set(only_equal_doubles(found).values()) == {1}
    assert {one.id: one.value for one in found} == wanted_windows(3_000) | wanted_windows(300, revision=1)
    revisions, partitions = defaultdict(list), defaultdict(set)
    for one in found:
        value = json.loads(one.value)
        revisions[one.key, value["start"]].append(value["revision"])
        partitions[one.key].add(one.partition)
    assert sorted(map(tuple, revisions.values())) == [(0,)] * 2_700 + [(0, 1)] * 300
    assert {len(used) for used in partitions.values()} == {1}
    dead = consume(kafka.bootstrap, f"{name}dead-letters")
    assert [one.value for one in sorted(dead, key=lambda one: int(one.headers["offset"]))] == [
        b'{"broken": %d' % offset for offset in range(1, 51)
    ]
    alarms = consume(kafka.bootstrap, f"{name}alarms")
    newest = {one.key: json.loads(one.value)["data"] for one in alarms}
    assert sorted(one["open"] for one in newest.values()) == [False, True]


def test_a_broker_that_was_away_at_the_start_gets_all(kafka_broker_factory, tmp_path):
    """B1: what a dead broker is given is not lost, and is there when it is back."""
    broker = kafka_broker_factory()
    make_topics(broker.bootstrap, "b1.")
    broker.kill()
    site = Site(tmp_path / "data", publishing(broker.bootstrap, "b1."))
    site.write_windows(window_rows(0, 500))
    site.write_dead(dead_letters(1, 20))
    site.apply([condition(1)])
    with running(site, timeout_s=1.0):
        time.sleep(3.0)  # several attempts fail
        assert backlog(site) > 0
        broker.start()
        for kind, count in (("windows", 500), ("dead-letters", 20), ("alarms", 1)):
            until(arrived(broker.bootstrap, f"b1.{kind}", count))
    found = consume(broker.bootstrap, "b1.windows")
    only_equal_doubles(found)
    assert {one.id: one.value for one in found} == wanted_windows(500)


@pytest.mark.slow
def test_a_broker_killed_in_the_middle_gets_all(kafka_broker_factory, tmp_path):
    broker = kafka_broker_factory()
    make_topics(broker.bootstrap, "kill.")
    site = Site(tmp_path / "data", publishing(broker.bootstrap, "kill."))
    written = 0
    with running(site, timeout_s=2.0):
        for _ in range(2):
            for _ in range(10):
                site.write_windows(window_rows(written, 200))
                written += 200
                time.sleep(0.02)
            broker.kill()
            site.write_windows(window_rows(written, 200))
            written += 200
            time.sleep(0.5)
            broker.start()
        until(lambda: backlog(site) == 0)
    found = consume(broker.bootstrap, "kill.windows")
    only_equal_doubles(found)
    assert {one.id: one.value for one in found} == wanted_windows(written)


FAULTS = {
    "slow": [("latency", {"latency": 300, "jitter": 200})],
    "narrow": [("bandwidth", {"rate": 40})],
    "in-pieces": [("slicer", {"average_size": 100, "size_variation": 50, "delay": 100})],
    "reset": [("reset_peer", {"timeout": 200})],
    "cut": [("limit_data", {"bytes": 20_000})],
    "silent": [("timeout", {"timeout": 0})],
}


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_a_bad_line_loses_nothing(kafka_broker_factory, toxiproxy, tmp_path, stream):
    """Every fault in turn, each way, while windows come; then the line is well again."""
    port = free_port()
    proxy = toxiproxy.proxy(f"out-{stream}", f"127.0.0.1:{port}")
    broker = kafka_broker_factory(port=port, advertised=proxy.port)
    make_topics(proxy.address, "bad.")
    site = Site(tmp_path / "data", publishing(proxy.address, "bad."))
    written = 0
    with running(site, timeout_s=1.5):
        for toxics in FAULTS.values():
            for kind, attributes in toxics:
                proxy.toxic(kind, stream=stream, **attributes)
            for _ in range(15):
                site.write_windows(window_rows(written, 60))
                written += 60
                time.sleep(0.1)
            proxy.clear()
        proxy.down()
        site.write_windows(window_rows(written, 60))
        written += 60
        time.sleep(0.5)
        proxy.up()
        until(lambda: backlog(site) == 0)
    found = consume(proxy.address, "bad.windows")
    only_equal_doubles(found)
    assert {one.id: one.value for one in found} == wanted_windows(written)
    assert broker.bootstrap == proxy.address


def test_a_topic_that_is_missing_holds_no_other_up(kafka, tmp_path):
    name = prefix()
    make_topics(kafka.bootstrap, name, ["windows"])
    site = Site(tmp_path / "data", publishing(kafka.bootstrap, name))
    site.write_windows(window_rows(0, 100))
    site.write_dead(dead_letters(1, 5))
    with running(site, timeout_s=2.0):
        until(lambda: backlog(site) == 0)
        make_topics(kafka.bootstrap, name, ["dead-letters"])
        until(arrived(kafka.bootstrap, f"{name}dead-letters", 5))


def test_a_letter_too_large_for_the_topic_is_left_out_and_told(kafka, tmp_path):
    """The broker refuses the batch it is in; its neighbours go one by one."""
    name = prefix()
    make_topics(kafka.bootstrap, name, **{"max.message.bytes": "20000"})
    site = Site(tmp_path / "data", publishing(kafka.bootstrap, name))
    dead = dead_letters(1, 5)
    raw = [*dead.raw[:2], os.urandom(60_000), *dead.raw[3:]]  # random: compression does not save it
    site.write_dead(replace(dead, raw=raw))
    with running(site):
        until(arrived(kafka.bootstrap, f"{name}dead-letters", 4))
    found = consume(kafka.bootstrap, f"{name}dead-letters")
    only_equal_doubles(found)
    assert {int(one.headers["offset"]) for one in found} == {1, 2, 4, 5}


def test_the_process_sends_and_ends(kafka, tmp_path):
    name = prefix()
    make_topics(kafka.bootstrap, name)
    site = Site(tmp_path / "data", publishing(kafka.bootstrap, name))
    site.write_windows(window_rows(0, 100))
    process = site.start_sender()
    try:
        until(arrived(kafka.bootstrap, f"{name}windows", 100))
        assert (site.data.path / "state" / "alive" / "kafka-sender").exists()
        second = site.start_sender()
        assert second.wait(30.0) == 1  # two would send everything twice
    finally:
        assert stop(process) == 0
    assert backlog(site) == 0
