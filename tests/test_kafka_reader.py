"""One partition, read from the real broker."""

from __future__ import annotations

import json
import random
import time

import pytest
from confluent_kafka.admin import NewPartitions

from andon.clock import ManualClock
from andon.readings import NS_PER_MS, Message, Messages
from sources.kafka import Position
from sources.spool import Spool
from tests.decode_world import NOW_MS, PIECES
from tests.kafka_world import admin, delete_before, new_topic, produce, producer, read_all, reader, until

pytestmark = pytest.mark.real


def bodies(count, seed=1):
    """Messages as nobody should send them: of any bytes, empty, with zero bytes, a few long ones."""
    rng = random.Random(seed)
    made = [b"".join(rng.choices(PIECES, k=rng.randrange(12))) for _ in range(count)]
    made[count // 3] = rng.randbytes(300_000)
    made[count // 2] = b""
    return made


def columns(batches):
    joined = Messages.joined([Messages.of(batch) for batch in batches])
    return bytes(joined.text), joined.ends.tolist(), joined.offset.tolist(), joined.received_ns.tolist()


@pytest.mark.parametrize(("max_messages", "max_bytes"), [(8192, 4_000_000), (7, 4_000_000), (500, 1_000)])
def test_the_same_log_gives_the_same_messages_as_the_spool(kafka, tmp_path, max_messages, max_bytes):
    topic = new_topic(kafka.bootstrap, stamps="producer", **{"retention.ms": "-1"})  # the stamps are old
    sent, rng = bodies(3_000), random.Random(2)
    stamps_ms = [NOW_MS + n // 10 + rng.randrange(-5, 1) for n in range(len(sent))]  # some run backwards
    produce(kafka.bootstrap, topic, sent, stamps_ms=stamps_ms)
    clock = ManualClock()
    with Spool(tmp_path, 0, clock) as spool:
        for body, stamp_ms in zip(sent, stamps_ms, strict=True):
            clock.time_ns = stamp_ms * NS_PER_MS
            spool.append([body])
        with spool.reader(0) as from_spool, reader(kafka.bootstrap, topic) as from_kafka:
            want = columns(read_all(from_spool, len(sent)))
            got = read_all(from_kafka, len(sent), max_messages=max_messages, max_bytes=max_bytes)
            assert columns(got) == want
            assert from_kafka.position == Position(len(sent), want[3][-1])
    assert max(map(len, got)) <= max_messages


def test_it_goes_on_at_the_exact_message_with_the_stamp_it_had(kafka):
    topic = new_topic(kafka.bootstrap, stamps="producer")
    produce(kafka.bootstrap, topic, [b"a", b"b", b"c"], stamps_ms=[NOW_MS, NOW_MS + 9, NOW_MS + 4])
    with reader(kafka.bootstrap, topic) as first:
        read_all(first, 2, max_messages=2)
        kept = first.position
    with reader(kafka.bootstrap, topic, kept) as again:
        ((last,),) = read_all(again, 1)
    assert last == Message(3, (NOW_MS + 9) * NS_PER_MS, b"c")


def test_a_message_without_a_value_is_an_empty_one(kafka):
    topic = new_topic(kafka.bootstrap)
    produce(kafka.bootstrap, topic, [None, b"", b"x"], keys=[b"k", b"k", None])
    with reader(kafka.bootstrap, topic) as source:
        (batch,) = read_all(source, 3)
    assert [one.body for one in batch] == [b"", b"", b"x"]
    assert [one.offset for one in batch] == [1, 2, 3]


def test_a_message_longer_than_all_limits_comes_alone(kafka):
    topic = new_topic(kafka.bootstrap, **{"max.message.bytes": "6000000"})
    long = b"y" * 5_000_000
    produce(kafka.bootstrap, topic, [b"a", long, b"b"], **{"message.max.bytes": 6_000_000})
    with reader(kafka.bootstrap, topic, **{"queued.max.messages.kbytes": 64}) as source:
        got = [one.body for batch in read_all(source, 3, max_messages=8192, max_bytes=100_000) for one in batch]
    assert got == [b"a", long, b"b"]


def test_what_a_transaction_took_back_does_not_come_and_leaves_a_gap_in_the_offsets(kafka):
    topic = new_topic(kafka.bootstrap)
    with producer(kafka.bootstrap, **{"transactional.id": topic}) as client:
        client.init_transactions(30)
        for name, commit in ((b"a", True), (b"b", False), (b"c", True)):
            client.begin_transaction()
            client.produce(topic, value=name, partition=0)
            client.produce(topic, value=name, partition=0)
            client.flush(30)
            (client.commit_transaction if commit else client.abort_transaction)(30)
    with reader(kafka.bootstrap, topic) as source:
        batches = read_all(source, 4)
        assert [one.body for batch in batches for one in batch] == [b"a", b"a", b"c", b"c"]
        assert [one.offset for batch in batches for one in batch] == [1, 2, 7, 8]
        until(lambda: not source.read(1, 1) and source.partitions, "no statistics came")
        assert source.lag == 0
        kept = source.position
    produce(kafka.bootstrap, topic, [b"d"])
    with reader(kafka.bootstrap, topic, kept) as again:
        ((last,),) = read_all(again, 1)
    assert last.body == b"d"


def test_removed_messages_are_never_skipped_in_silence(kafka):
    topic = new_topic(kafka.bootstrap)
    produce(kafka.bootstrap, topic, [b"%d" % n for n in range(100)])
    with reader(kafka.bootstrap, topic) as source:
        read_all(source, 10, max_messages=10)
        kept = source.position
    delete_before(kafka.bootstrap, topic, 0, 40)
    with reader(kafka.bootstrap, topic, kept) as source:
        until(lambda: bool(source.read(100, 1000)) or source.lost, "nothing came")
        assert source.lost
        assert source.position == kept
        produce(kafka.bootstrap, topic, [b"later"])
        time.sleep(0.3)
        assert not source.read(100, 1000)
        assert source.ends(10.0) == (40, 101)
        source.go_on(40)
        got = [one for batch in read_all(source, 61) for one in batch]
    assert [got[0].body, got[-1].body] == [b"40", b"later"]


def test_a_fresh_start_begins_at_the_oldest_message(kafka):
    topic = new_topic(kafka.bootstrap)
    produce(kafka.bootstrap, topic, [b"%d" % n for n in range(100)])
    delete_before(kafka.bootstrap, topic, 0, 40)
    with reader(kafka.bootstrap, topic) as source:
        (batch,) = read_all(source, 60)
        assert not source.lost
    assert batch[0].offset == 41


def test_a_position_behind_the_end_is_lost_too(kafka):
    topic = new_topic(kafka.bootstrap)
    produce(kafka.bootstrap, topic, [b"a"])
    with reader(kafka.bootstrap, topic, Position(500, 0)) as source:
        until(lambda: bool(source.read(100, 1000)) or source.lost, "nothing came")
        assert source.lost
        assert source.ends(10.0) == (0, 1)


def test_partitions_that_are_added_are_noticed(kafka):
    topic = new_topic(kafka.bootstrap)
    with reader(kafka.bootstrap, topic, **{"topic.metadata.refresh.interval.ms": 500}) as source:
        until(lambda: not source.read(1, 1) and source.partitions == 1, "no statistics came")
        client = admin(kafka.bootstrap)
        client.create_partitions([NewPartitions(topic, 3)])[topic].result(30)
        until(lambda: not source.read(1, 1) and source.partitions == 3, "not noticed")


def statistics(leader, answers, partition=0):
    """As librdkafka writes them. answers: of the brokers 1, 2, .. and of the bootstrap address, which has no number."""
    brokers = {f"b{at}": {"nodeid": at or -1, "rx": rx} for at, rx in enumerate(answers)}
    of_partition = {"leader": leader, "ls_offset": -1, "lo_offset": -1}
    return json.dumps({"brokers": brokers, "topics": {"t": {"partitions": {str(partition): of_partition}}}})


def test_only_the_leader_of_the_partition_is_the_contact():
    contacts = []
    with reader("127.0.0.1:1", "t") as source:
        source._contact = lambda: contacts.append(1)
        for answers, want in [((1, 5, 5), 1), ((2, 5, 5), 1), ((3, 9, 5), 1), ((3, 9, 6), 2), ((3, 9, 6), 2)]:
            source._on_statistics(statistics(2, answers))
            assert len(contacts) == want, answers
        source._on_statistics(statistics(-1, (3, 10, 6)))  # nobody leads it, as far as the client knows: anyone counts
        assert len(contacts) == 3


@pytest.mark.slow
def test_a_broker_that_is_away_stops_nothing_and_what_it_has_comes_later(kafka_broker_factory):
    broker = kafka_broker_factory()
    topic = new_topic(broker.bootstrap)
    produce(broker.bootstrap, topic, [b"a"])
    contacts = []
    with reader(broker.bootstrap, topic) as source:
        source._contact = lambda: contacts.append(1)
        read_all(source, 1)
        until(lambda: not source.read(1, 1) and contacts, "no answer was told")
        broker.kill()
        longest, told = 0.0, 0
        for _ in range(100):
            began = time.perf_counter()
            assert not source.read(100, 1000)
            longest = max(longest, time.perf_counter() - began)
            time.sleep(0.03)
        told = len(contacts)
        for _ in range(100):
            source.read(100, 1000)
            time.sleep(0.03)
        assert len(contacts) == told  # nobody took the silence for an answer
        assert longest < 1.0  # a wait for the broker would be 10 s and more
        broker.start()
        produce(broker.bootstrap, topic, [b"b"])
        ((last,),) = read_all(source, 1)
    assert last.body == b"b"
    assert last.offset == 2
