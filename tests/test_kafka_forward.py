"""An edge's spool in the site's topic: each message once, in order, whatever happens to forwarder and broker."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from andon.clock import ManualClock, SystemClock
from andon.datafolder import DataFolder
from andon.errors import SourceError
from andon.kafka import client_settings
from andon.readings import NS_PER_MS
from sources.kafka import Position, forward
from sources.kafka.forward import Forwarder
from sources.kafka.held import Memory, forwarded
from sources.kafka.keys import asset_of
from sources.spool import Spool
from tests.decode_world import NOW
from tests.kafka_world import delete_before, new_topic, read_all, reader, settings, until

SITE = "szh1"


class Edge:
    """A data folder with spools, and what forwards it."""

    def __init__(self, folder, bootstrap, topic, shards=1, clock=None):
        self.kafka, self.shards, self.clock = settings(bootstrap, topic), shards, clock or SystemClock()
        self.data = DataFolder(folder)
        self.data.create(SITE, shards)
        self.sent = {shard: [] for shard in range(shards)}
        self.spools = {shard: Spool(self.data.spool(shard), shard, self.clock) for shard in range(shards)}

    def append(self, shard, bodies):
        self.spools[shard].append(bodies)
        self.sent[shard] += bodies

    def forwarder(self, *, keep_s=1e9, **more):
        memory = Memory(self.data.path / "state" / "forward.json")
        spools = {shard: self.data.spool(shard) for shard in range(self.shards)}
        base = client_settings(self.kafka, self.data.path, "test") | more
        return Forwarder(base, self.kafka.topic, SITE, spools, memory, self.clock, max_bytes=1000, keep_s=keep_s)

    def position(self, shard=0):
        return forwarded(self.data.path / "state" / "forward.json", shard)


class Running:
    """A forwarder in a thread of its own."""

    def __init__(self, forwarder):
        self.stop, self.error, self.beats = threading.Event(), None, 0
        self.thread = threading.Thread(target=self._run, args=(forwarder,))

    def _run(self, forwarder):
        try:
            forwarder.run(self.stop, self._beat)
        except SourceError as error:
            self.error = error

    def _beat(self):
        self.beats += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.stop.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


def in_topic(edge, shard=0):
    """What readers of committed messages see."""
    want = len(edge.sent[shard])
    with reader(edge.kafka.brokers, edge.kafka.topic, shard=shard) as source:
        found = [one for batch in read_all(source, want) for one in batch] if want else []
        until(
            lambda: not source.read(1, 1) and source.partitions and source.lag == 0, "there is more, or no statistics"
        )
        assert not source.read(1, 1)
    return found


def rows(count, begin=0):
    return [
        b'{"ts": 1, "asset": "line/m%d", "tag": "temp", "value": %d}' % (n % 3, n) for n in range(begin, begin + count)
    ]


@pytest.mark.real
def test_the_topic_holds_what_the_spool_held(kafka, tmp_path):
    clock = ManualClock(NOW)
    edge = Edge(tmp_path, kafka.bootstrap, new_topic(kafka.bootstrap, 2, stamps="producer"), 2, clock)
    for n in range(25):
        clock.advance(0.1)
        edge.append(n % 2, rows(97, 97 * n))
    with Running(edge.forwarder()):
        until(lambda: [edge.position(shard) for shard in (0, 1)] == [13 * 97, 12 * 97], "not all forwarded")
        clock.advance(-3.0)
        edge.append(0, [b"no json", b""])
        until(lambda: edge.position() == 13 * 97 + 2, "the last two were not forwarded")
    with reader(kafka.bootstrap, edge.kafka.topic) as source:
        _, end = source.ends(10.0)
    with reader(kafka.bootstrap, edge.kafka.topic, Position(end - 3, 0)) as tail:  # two messages and a marker
        *_, last = (one for batch in read_all(tail, 2) for one in batch)
    assert last.received_ns // NS_PER_MS == clock.now_ns() // NS_PER_MS  # not the spool's, which is ahead of the clock
    for shard in (0, 1):
        found = in_topic(edge, shard)
        assert [one.body for one in found] == edge.sent[shard]
        with edge.spools[shard].reader(0) as spool:
            stamps = [
                one.received_ns // NS_PER_MS * NS_PER_MS for batch in read_all(spool, len(found)) for one in batch
            ]
        assert [one.received_ns for one in found] == stamps


@pytest.mark.real
def test_another_forwarder_of_the_name_ends_the_first_and_nothing_doubles(kafka, tmp_path):
    edge = Edge(tmp_path, kafka.bootstrap, new_topic(kafka.bootstrap, stamps="producer"))
    edge.append(0, rows(500))
    with Running(edge.forwarder()) as first:
        until(lambda: edge.position() == 500, "not forwarded")
        with Running(edge.forwarder()):
            time.sleep(1.0)
            edge.append(0, rows(500, 500))
            until(lambda: first.error is not None or edge.position() == 1000, "nothing happened")
            edge.append(0, rows(500, 1000))
            until(lambda: edge.position() == 1500, "the second does not go on")
            until(lambda: first.error is not None, "the first does not notice")
    assert first.error.code == "forward.fenced"
    assert [one.body for one in in_topic(edge)] == edge.sent[0]


@pytest.mark.real
def test_the_topic_says_what_it_holds_where_the_file_is_behind(kafka, tmp_path):
    edge = Edge(tmp_path, kafka.bootstrap, new_topic(kafka.bootstrap, 2, stamps="producer"), 2)
    other = Edge(tmp_path / "other", kafka.bootstrap, edge.kafka.topic, 2)  # another edge of the site
    path = edge.data.path / "state" / "forward.json"
    edge.append(0, rows(300))
    other.append(0, [b"[]"] * 50)
    with Running(edge.forwarder()), Running(other.forwarder()):
        until(lambda: edge.position() == 300 and other.position() == 50, "not forwarded")
        kept = path.read_text()
        edge.append(0, rows(700, 300))
        edge.append(1, rows(10, 1000))
        other.append(0, [b"[]"] * 50)
        until(lambda: [edge.position(shard) for shard in (0, 1)] == [1000, 10] and other.position() == 100, "nor these")
    path.write_text(kept)  # the file of before: a crash before it was written, an older backup
    edge.append(0, rows(10, 1010))
    with Running(edge.forwarder()):
        until(lambda: [edge.position(shard) for shard in (0, 1)] == [1010, 10], "not forwarded")
    with reader(kafka.bootstrap, edge.kafka.topic) as source:
        found = [one.body for batch in read_all(source, 1110) for one in batch]
    assert [body for body in found if body != b"[]"] == edge.sent[0]
    assert len(found) == 1110
    assert [one.body for one in in_topic(edge, 1)] == edge.sent[1]


@pytest.mark.real
def test_the_file_counts_where_retention_has_removed_all(kafka, tmp_path):
    edge = Edge(tmp_path, kafka.bootstrap, new_topic(kafka.bootstrap, stamps="producer"))
    edge.append(0, rows(300))
    with Running(edge.forwarder()):
        until(lambda: edge.position() == 300, "not forwarded")
    with reader(kafka.bootstrap, edge.kafka.topic) as source:
        delete_before(kafka.bootstrap, edge.kafka.topic, 0, source.ends(10.0)[1])
    edge.append(0, rows(10, 300))
    with Running(edge.forwarder()):
        until(lambda: edge.position() == 310, "not forwarded")
    assert [one.body for one in read_some(edge, 10)] == edge.sent[0][300:]


def read_some(edge, count):
    with reader(edge.kafka.brokers, edge.kafka.topic) as source:
        found = [one for batch in read_all(source, count) for one in batch]
        time.sleep(0.3)
        assert not source.read(1, 1)
    return found


@pytest.mark.real
@pytest.mark.parametrize("lie", [2, 4], ids=["followed by another", "the last one"])
def test_a_commit_whose_marker_is_lost_is_forwarded_again(kafka, tmp_path, monkeypatch, lie):
    """What Kafka 4.3.1 does when it is killed twice, seldom enough: here the client only says that it has committed."""

    class Lying(forward.Producer):
        commits = 0

        def commit_transaction(self, *args):
            Lying.commits += 1
            if Lying.commits == lie:
                self.flush()
            else:
                super().commit_transaction(*args)

    monkeypatch.setattr(forward, "Producer", Lying)
    monkeypatch.setattr(forward, "READABLE_S", 2.0)
    edge = Edge(tmp_path, kafka.bootstrap, new_topic(kafka.bootstrap, stamps="producer"))
    edge.append(0, rows(4 * 1000))
    with Running(edge.forwarder()) as running:
        until(lambda: edge.position() == 4000, "not forwarded")
    assert running.error is None
    assert Lying.commits > 4
    assert [one.body for one in in_topic(edge)] == edge.sent[0]


@pytest.mark.real
def test_a_message_too_long_is_cut_so_that_it_still_is_too_long(kafka, tmp_path):
    edge = Edge(tmp_path, kafka.bootstrap, new_topic(kafka.bootstrap, stamps="producer"))
    edge.append(0, [b"x" * 2_000_000, b"y" * 1000])
    with Running(edge.forwarder()):
        until(lambda: edge.position() == 2, "not forwarded")
    assert [one.body for one in in_topic(edge)] == [b"x" * 1001, b"y" * 1000]


@pytest.mark.real
def test_the_spool_lets_go_only_what_is_forwarded_and_old_enough(kafka, tmp_path):
    clock = ManualClock(NOW)
    edge = Edge(tmp_path, kafka.bootstrap, new_topic(kafka.bootstrap, stamps="producer"), clock=clock)
    edge.spools[0].segment_bytes = 20_000
    for n in range(10):
        edge.append(0, rows(300, 300 * n))
        clock.advance(3600.0)
    first = edge.spools[0].first_offset
    with Running(edge.forwarder(keep_s=5.5 * 3600.0)):
        until(lambda: edge.position() == 3000, "not forwarded")
        assert first() <= 1001  # the look was behind the first chunk
    with Running(edge.forwarder(keep_s=5.5 * 3600.0)):
        until(lambda: first() > 1001, "nothing was let go")
    assert first() <= 1501  # the rows of the last 5.5 hours are there


@pytest.mark.real
@pytest.mark.slow
def test_a_broker_that_dies_and_comes_back_loses_and_doubles_nothing(kafka_broker_factory, tmp_path):
    broker = kafka_broker_factory()
    edge = Edge(tmp_path / "edge", broker.bootstrap, new_topic(broker.bootstrap, stamps="producer"))
    with Running(edge.forwarder()) as running:
        for round_ in range(3):
            edge.append(0, rows(3_000, 3_000 * round_))
            time.sleep(0.7)
            broker.kill()
            beats = running.beats
            time.sleep(1.0)
            until(lambda b=beats: running.beats > b, "no sign of life while the broker is away")
            broker.start()
        until(lambda: edge.position() == 9_000, "not forwarded", timeout_s=90.0)
        assert running.error is None
    assert [one.body for one in in_topic(edge)] == edge.sent[0]


PLANT = """
schema = 1
[enterprise]
id = "acme"
[site]
id = "szh1"
[transport]
kind = "kafka"
shards = 2
[transport.kafka]
brokers = "{brokers}"
topic = "{topic}"
stamps = "producer"
[[template]]
name = "t"
series = [{{ tag = "temp" }}]
[[asset]]
path = "line/m0"
template = "t"
"""


@pytest.mark.real
@pytest.mark.crash
@pytest.mark.slow
def test_kills_at_any_instant_lose_and_double_nothing(kafka, tmp_path):
    rng = random.Random(20)
    topic = new_topic(kafka.bootstrap, 2, stamps="producer")
    edge = Edge(tmp_path / "edge", kafka.bootstrap, topic, 2)
    config = tmp_path / "plant.toml"
    config.write_text(PLANT.format(brokers=kafka.bootstrap, topic=topic))
    command = [sys.executable, "-m", "service.forwarder", "--config", config, "--data", edge.data.path,
               "--from", edge.data.path]  # fmt: skip
    out = (tmp_path / "out.log").open("ab")
    kills = 0
    for round_ in range(20):
        for shard in (0, 1):
            for part in range(5):
                edge.append(shard, rows(100, 1000 * round_ + 100 * part + 500 * shard))
        process = subprocess.Popen(command, stdout=out, stderr=out)
        began, before = time.monotonic(), sum(edge.position(shard) for shard in (0, 1))
        until(
            lambda b=before, p=process: sum(edge.position(shard) for shard in (0, 1)) > b or p.poll() is not None,
            "it does not forward",
        )
        assert process.poll() is None, (tmp_path / "out.log").read_text()[-2000:]
        time.sleep(rng.random() * 0.3)
        if round_ < 19:
            process.kill()
            kills += 1
        assert time.monotonic() - began < 60
        if round_ == 19:
            until(lambda: [edge.position(shard) for shard in (0, 1)] == [10_000] * 2, "not all forwarded")
            process.send_signal(signal.SIGTERM)
        process.wait(30)
    out.close()
    assert kills == 19
    assert process.returncode == 0
    for shard in (0, 1):
        assert [one.body for one in in_topic(edge, shard)] == edge.sent[shard]


@pytest.mark.real
def test_the_command_forwards_until_it_is_told_to_stop_and_holds_the_folder(kafka, tmp_path):
    topic = new_topic(kafka.bootstrap, 2, stamps="producer")
    edge = Edge(tmp_path / "edge", kafka.bootstrap, topic, 2)
    edge.append(1, rows(100))
    config = tmp_path / "plant.toml"
    config.write_text(PLANT.format(brokers=kafka.bootstrap, topic=topic))
    words = [sys.executable, "-m", "service.cli", "forward", "--config", config, "--from", edge.data.path]
    with (tmp_path / "out.log").open("ab") as out:
        process = subprocess.Popen(words, stdout=out, stderr=out)
        try:
            until(lambda: edge.position(1) == 100 or process.poll() is not None, "not forwarded", 60)
            second = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        finally:
            process.send_signal(signal.SIGTERM)
            status = process.wait(40)
    assert status == 0, (tmp_path / "out.log").read_text()
    assert second.returncode == 1
    assert str(process.pid) in second.stderr  # who holds it
    assert [one.body for one in in_topic(edge, 1)] == edge.sent[1]


@pytest.mark.parametrize(("body", "key"), [
    (b'{"ts": 1, "event": "tick"}', None), (b'{"asset": "a/b"}', b"a/b"), (b'{"asset": 5}', None), (b"", None),
    (b'{"asset": []}', None), (b'[{"asset": {"a": 1}}, {"asset": ["a"]}]', None),
    (b'{"asset": "' + b"a" * 5000 + b'"}', None),
    (b'[{"asset": "a"}, {"asset": "a"}]', b"a"), (b"[]", None), (b"7", None),
    (b'{"asset": "a"}\n{"asset": "a"}\n', b"a"),
    (b'{"asset": "a"}\n{"asset": "b"}', None), (b"\xff\xfe", None), (b'{"asset": "\xe8\xbf\x90"}', "运".encode()),
])  # fmt: skip
def test_the_key_is_the_one_asset_of_a_message(body, key):
    assert asset_of(body) == key
