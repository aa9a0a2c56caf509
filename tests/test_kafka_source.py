"""Kafka as the source of a flow: exact restarts, gaps that stop one shard alone, a broker that is away."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time

import pytest
from confluent_kafka.admin import NewPartitions

from andon.clock import ManualClock, SystemClock
from andon.datafolder import DataFolder
from andon.errors import SourceError
from andon.heartbeat import folder as signs_of
from andon.readings import Message
from sources.kafka import KafkaReader, Position
from sources.kafka.gaps import GapFiles
from sources.kafka.kafka_bytewax import KafkaPartition, KafkaSource
from sources.kafka.settings import consumer_settings
from sources.kafka.topic import partitions_of
from sources.registry_files import SchemaFiles
from sources.registry_gate import SchemaGate
from tests.kafka_world import admin, delete_before, new_topic, plant_on, produce, settings, until
from tests.test_kafka_forward import PLANT

pytestmark = pytest.mark.real


@pytest.fixture
def data(tmp_path):
    folder = DataFolder(tmp_path / "data")
    folder.create("szh1")
    return folder


def source_of(plant, data, shards, beat=lambda: None):
    return KafkaSource(plant, data, shards, threading.Event(), beat, ManualClock(7))


def poll(partition, until_messages, seconds=15.0):
    """What comes until there are so many messages, or the time is over."""
    found, deadline = [], time.monotonic() + seconds
    while len(found) < until_messages and time.monotonic() < deadline:
        for key, batch in partition.next_batch():
            assert key == f"{batch.shard:04}"
            found += batch.messages
        time.sleep(0.005)
    return found


class Flow:
    """tests.kafka_flow as a process."""

    def __init__(self, tmp_path, bootstrap, topic, shards="0,1"):
        self.folder, self.out = tmp_path, tmp_path / "out"
        config = tmp_path / "plant.toml"
        config.write_text(PLANT.format(brokers=bootstrap, topic=topic))
        self.command = [
            sys.executable, "-m", "tests.kafka_flow", str(config), str(tmp_path / "data"), str(self.out), shards,
        ]  # fmt: skip

    def start(self):
        with (self.folder / "errors").open("ab") as errors:
            self.process = subprocess.Popen(self.command, stdout=errors, stderr=errors)

    def lines(self):
        text = self.out.read_bytes() if self.out.exists() else b""
        rows = [line.split(b" ") for line in text[: text.rfind(b"\n") + 1].splitlines()]
        return [
            (int(shard), int(offset), int(stamp), bytes.fromhex(body.decode())) for shard, offset, stamp, body in rows
        ]

    def end(self, number):
        self.process.send_signal(number)
        status = self.process.wait(30)
        assert status in (0, -signal.SIGKILL), (self.folder / "errors").read_text()[-2000:]


@pytest.mark.crash
@pytest.mark.slow
@pytest.mark.timeout(300)  # eight starts of a process
def test_kills_and_stops_lose_and_double_nothing(kafka, tmp_path):
    rng, topic = random.Random(3), new_topic(kafka.bootstrap, 2, stamps="producer")
    flow, sent = Flow(tmp_path, kafka.bootstrap, topic), {0: [], 1: []}
    for round_ in range(8):
        for shard in (0, 1):
            bodies = [b"%d-%d-%d" % (round_, shard, n) for n in range(3_000)]
            produce(kafka.bootstrap, topic, bodies, shard)
            sent[shard] += bodies
        flow.start()
        stops = round_ in (3, 7)
        if stops:
            until(lambda n=round_: len(flow.lines()) == 6_000 * (n + 1), "not all came", 60)
        else:
            until(lambda n=round_: len(flow.lines()) > 3_000 * n, "nothing comes", 60)
            time.sleep(rng.random() * 0.8)
        flow.end(signal.SIGTERM if stops else signal.SIGKILL)
    rows = flow.lines()
    for shard in (0, 1):
        mine = [row for row in rows if row[0] == shard]
        assert [row[3] for row in mine] == sent[shard]
        assert [row[1] for row in mine] == list(range(1, len(mine) + 1))
        stamps = [row[2] for row in mine]
        assert stamps == sorted(stamps)


def test_a_gap_stops_its_shard_alone_until_a_person_lets_it_pass(kafka, data):
    topic = new_topic(kafka.bootstrap, 2)
    for shard in (0, 1):
        produce(kafka.bootstrap, topic, [b"%d" % n for n in range(100)], shard)
    source = source_of(plant_on(settings(kafka.bootstrap, topic), 2), data, [0, 1])
    assert source.list_parts() == ["0000", "0001"]
    first = source.build_part("kafka", "0000", None)
    assert len(poll(first, 100)) == 100
    state = first.snapshot()
    first.close()
    produce(kafka.bootstrap, topic, [b"%d" % n for n in range(100, 150)], 0)
    delete_before(kafka.bootstrap, topic, 0, 120)

    held, other = source.build_part("kafka", "0000", state), source.build_part("kafka", "0001", None)
    files = GapFiles(data, 0)
    assert poll(held, 1, 4.0) == []
    assert len(poll(other, 100)) == 100
    gap = files.current()
    assert (gap.shard, gap.wanted, gap.oldest, gap.end, gap.missing, gap.ahead) == (0, 100, 120, 150, 20, False)
    assert held.snapshot() == state
    assert GapFiles(data, 1).current() is None
    assert held.next_awake() is not None

    held.close()  # a restart changes nothing
    held = source.build_part("kafka", "0000", state)
    assert poll(held, 1, 3.0) == []
    assert files.current().wanted == 100

    delete_before(kafka.bootstrap, topic, 0, 130)  # meanwhile retention goes on
    files.allow(gap)
    found = poll(held, 20)
    assert [one.body for one in found] == [b"%d" % n for n in range(130, 150)]
    assert found[0].offset == 131
    assert found[0].received_ns >= state[1]
    assert files.current() is None
    held.close()

    held = source.build_part("kafka", "0000", state)  # a crash before the next epoch: the same gap, already allowed
    assert len(poll(held, 20)) == 20
    for one in (held, other):
        one.close()
    passed = (data.slots(0).parent / "log-gaps.jsonl").read_text().splitlines()
    assert len(passed) == 2
    assert '"missing": 30' in passed[0]


def test_a_topic_that_ends_before_the_position_is_held_and_cannot_be_passed(kafka, data):
    topic = new_topic(kafka.bootstrap)
    produce(kafka.bootstrap, topic, [b"a"])
    source = source_of(plant_on(settings(kafka.bootstrap, topic)), data, [0])
    held = source.build_part("kafka", "0000", (500, 9))
    assert poll(held, 1, 3.0) == []
    gap = GapFiles(data, 0).current()
    assert (gap.wanted, gap.end, gap.ahead) == (500, 1, True)
    GapFiles(data, 0).allow(gap)
    assert poll(held, 1, 3.0) == []
    held.close()


def test_a_gap_that_was_noted_is_forgotten_when_messages_come(kafka, data):
    topic = new_topic(kafka.bootstrap)
    produce(kafka.bootstrap, topic, [b"a", b"b"])
    source = source_of(plant_on(settings(kafka.bootstrap, topic)), data, [0])
    held = source.build_part("kafka", "0000", (500, 9))
    assert poll(held, 1, 3.0) == []
    held.close()
    mended = source.build_part("kafka", "0000", (1, 9))  # state and topic restored from one backup
    assert len(poll(mended, 1)) == 1
    mended.close()
    assert GapFiles(data, 0).current() is None


def test_the_contact_with_the_broker_and_new_partitions_are_written_down(kafka, data):
    topic, clock = new_topic(kafka.bootstrap), SystemClock()
    contacts = []
    base = consumer_settings(settings(kafka.bootstrap, topic), "szh1", 0)
    reader = KafkaReader({**base, "topic.metadata.refresh.interval.ms": 500}, topic, 0, Position())
    files = GapFiles(data, 0)
    reader._contact = lambda: contacts.append(1)
    partition = KafkaPartition(reader, files, threading.Event(), lambda: None, clock)
    until(lambda: not list(partition.next_batch()) and files.partitions() == 1, "not noted")
    assert contacts
    client = admin(kafka.bootstrap)
    client.create_partitions([NewPartitions(topic, 2)])[topic].result(30)
    until(lambda: not list(partition.next_batch()) and files.partitions() == 2, "not noted")
    partition.close()
    built = source_of(plant_on(settings(kafka.bootstrap, topic)), data, [0]).build_part("kafka", "0000", None)
    until(lambda: not list(built.next_batch()) and (signs_of(data) / "log-0").exists(), "no sign of the log")
    built.close()


def test_it_ends_when_it_shall_stop_and_says_so_at_every_poll(kafka, data):
    beats, stop = [], threading.Event()
    plant = plant_on(settings(kafka.bootstrap, new_topic(kafka.bootstrap)))
    partition = KafkaSource(plant, data, [0], stop, lambda: beats.append(1)).build_part("kafka", "0000", None)
    assert list(partition.next_batch()) == []
    stop.set()
    with pytest.raises(StopIteration):
        partition.next_batch()
    assert len(beats) == 2
    partition.close()


@pytest.mark.parametrize(
    ("partitions", "shards", "code"), [(1, 2, "kafka.fewer"), (3, 2, None), (0, 1, "kafka.no_topic")]
)
def test_the_topic_must_have_a_partition_for_every_shard(kafka, data, partitions, shards, code):
    topic = new_topic(kafka.bootstrap, partitions) if partitions else "not-there"
    source = source_of(plant_on(settings(kafka.bootstrap, topic), shards), data, range(shards))
    if code is None:
        assert len(source.list_parts()) == shards
        return
    with pytest.raises(SourceError) as caught:
        source.list_parts()
    assert caught.value.code == code
    assert caught.value.text("zh-CN") != caught.value.text("en")


def test_a_start_without_broker_fails_in_seconds_when_it_shall(data):
    kafka = settings("127.0.0.1:1", "t", start="fail", start_timeout_s=1.0)
    began = time.monotonic()
    with pytest.raises(SourceError) as caught:
        source_of(plant_on(kafka), data, [0]).list_parts()
    assert caught.value.code == "kafka.away"
    assert "refused" in caught.value.text("en")
    assert time.monotonic() - began < 30  # Bytewax's own source hangs


def test_a_start_that_may_fail_takes_the_time_it_is_given(data, monkeypatch):
    monkeypatch.setattr("sources.kafka.topic.ATTEMPT_S", 1.0)
    monkeypatch.setattr("sources.kafka.topic.PAUSE_S", 0.1)
    beats = []
    kafka = settings("127.0.0.1:1", "t", start="fail", start_timeout_s=3.5)
    with pytest.raises(SourceError):
        source_of(plant_on(kafka), data, [0], lambda: beats.append(1)).list_parts()
    assert len(beats) >= 3


@pytest.mark.slow
def test_a_start_without_broker_waits_and_stays_alive_when_it_shall(kafka_broker_factory, data):
    broker = kafka_broker_factory()
    topic = new_topic(broker.bootstrap)
    broker.stop()
    beats, found = [], []
    kafka = settings(broker.bootstrap, topic, start="wait", start_timeout_s=1.0)
    source = source_of(plant_on(kafka), data, [0], lambda: beats.append(1))
    thread = threading.Thread(target=lambda: found.append(source.list_parts()))
    thread.start()
    until(lambda: len(beats) > 2, "no sign of life")
    assert found == []
    broker.start()
    thread.join(60)
    assert found == [["0000"]]


def test_waiting_ends_when_it_shall_stop(data):
    stop = threading.Event()
    kafka = settings("127.0.0.1:1", "t", start_timeout_s=1.0)
    source = KafkaSource(plant_on(kafka), data, [0], stop, lambda: None)
    threading.Timer(0.5, stop.set).start()
    assert source.list_parts() == ["0000"]  # Bytewax builds the partition, which ends at once
    partition = source.build_part("kafka", "0000", None)
    with pytest.raises(StopIteration):
        partition.next_batch()
    partition.close()


def test_partitions_of_a_topic(kafka):
    topic = new_topic(kafka.bootstrap, 3)
    assert partitions_of(consumer_settings(settings(kafka.bootstrap, topic), "szh1", 0), topic, 10.0) == 3


def test_the_broker_is_heard_while_messages_wait_for_a_schema(data, tmp_path):
    """Nothing is fetched meanwhile, and the client calls back only where it is asked."""

    class Framed:
        topic, shard, position, partitions, stamped_by_broker, lost = "t", 0, Position(), None, None, False
        looks, batches = 0, [[Message(1, 5, b"\0\0\0\0\7x")]]

        def read(self, _messages, _bytes):
            return self.batches.pop() if self.batches else []

        def look(self):
            self.looks += 1

    log, release, contacts = Framed(), threading.Event(), []
    gate = SchemaGate(0, log, SchemaFiles(tmp_path / "schemas"), lambda _number: release.wait(20) and None)
    partition = KafkaPartition(
        log, GapFiles(data, 0), threading.Event(), lambda: None, ManualClock(7), lambda: contacts.append(1), gate=gate
    )
    for _ in range(3):
        assert partition.next_batch() == []
    assert (log.looks, len(contacts)) == (3, 3)
    release.set()
    assert [one.offset for one in poll(partition, 1)] == [1]
    looks = log.looks
    assert partition.next_batch() == []
    assert log.looks == looks  # where nothing waits, reading is enough


def test_a_log_that_is_put_back_goes_on_and_its_next_gap_is_told(data, monkeypatch):
    """As a broker whose disk was restored: the messages are there again, without anybody's leave to skip them."""
    monkeypatch.setattr("sources.kafka.kafka_bytewax.LOOK_AGAIN_S", 0.0)

    class PutBack:
        topic, shard, position, partitions, stamped_by_broker = "t", 0, Position(11, 0), None, None
        lost, range = True, (20, 30)

        def read(self, _messages, _bytes):
            return []

        def ends(self, _timeout_s):
            return self.range

        def go_on(self, _offset):
            self.lost = False

    log, files = PutBack(), GapFiles(data, 0)
    partition = KafkaPartition(log, files, threading.Event(), lambda: None, ManualClock(7))
    partition.next_batch()
    assert files.current().oldest == 20
    log.range = (0, 30)
    partition.next_batch()
    assert not log.lost
    log.lost, log.range = True, (25, 30)
    partition.next_batch()
    assert files.current().oldest == 25
