"""What is published on Kafka, up to the producer: lines and feeds. No broker here."""

from __future__ import annotations

import math
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_structured_event
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from andon.outputs import WindowRows
from andon.records import SYSTEM_SENDER, Actor, DeliveryResult
from flows.kafka_out import KafkaOutPartition
from sinks.dead_letters import DeadLetterStore
from sinks.history import HistoryReader, HistoryWriter
from sinks.kafka.alarms import AlarmFeed
from sinks.kafka.dead_letters import DeadLetterFeed
from sinks.kafka.message import Mark
from sinks.kafka.window_lines import window_lines
from sinks.kafka.windows import WindowFeed
from sinks.segments import SegmentWriter
from tests.engine_world import IN_MEMORY, START_NS, S, plant
from tests.kafka_out_world import PATHS, Site, condition, dead_letters, publishing, step, window_rows

UNITS = {0: "1", 1: "Cel", 2: "mm/s"}
SIZES = {10 * S: "10s", 60 * S: "60s", S // 2: "0.5s"}
OPERATOR = Actor("o1", "Olga", "operator", "t1")
STATISTICS = (
    ("minimum", "min"), ("maximum", "max"), ("mean", "mean"), ("std", "std"), ("first", "first"), ("last", "last"),
    ("score", "score"), ("count", "count"), ("revision", "revision"),
)  # fmt: skip
finite = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def windows(draw):
    """Rows with distinct keys, any finite statistics, a score that may be missing."""
    size = draw(st.integers(1, 12))
    column = hnp.arrays(np.float64, size, elements=finite)
    scores = hnp.arrays(np.float64, size, elements=st.one_of(finite, st.just(math.nan)))
    length = draw(st.sampled_from(list(SIZES)))
    revision = draw(hnp.arrays(np.int32, size, elements=st.integers(0, 9)))
    count = draw(hnp.arrays(np.int64, size, elements=st.integers(1, 2**53)))
    return WindowRows(
        np.arange(size, dtype=np.int32) % 3, np.full(size, length, np.int64),
        START_NS + np.arange(size, dtype=np.int64) * length, revision, count,
        *(draw(column) for _ in range(6)), draw(scores),
    )  # fmt: skip


@given(rows=windows())
@settings(max_examples=60)
def test_the_json_of_a_window_is_the_row_of_the_history(rows):
    """Every number reads back as the very float64 that the history keeps."""
    size_ns, kept = int(rows.size_ns[0]), {}
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        writer = HistoryWriter(Path(folder) / "0.db", 0)
        writer.write(step(rows))
        writer.close()
        reader = HistoryReader([Path(folder) / "0.db"])
        for asset, tag in PATHS.values():
            found = reader.windows(asset, tag, size_ns, START_NS, START_NS + 100 * size_ns)
            for at, start_ns in enumerate(found.start_ns):
                kept[asset, tag, start_ns] = {shown: getattr(found, name)[at] for name, shown in STATISTICS}
        reader.close()
    lines = window_lines("s1", rows, PATHS, UNITS).splitlines()
    assert len(lines) == len(rows) == len(kept)
    for line in lines:
        told, _, text = line.partition(b"\t")
        value = orjson.loads(text)
        path, start_ns = (value["asset"], value["series"]), value["start"] * 1_000_000
        assert {shown: value[shown] for _, shown in STATISTICS} == kept.pop((*path, start_ns))
        assert value["unit"] == next(UNITS[series] for series, one in PATHS.items() if one == path)
        assert (value["size_s"] * S, value["end"] - value["start"]) == (size_ns, size_ns // 1_000_000)
        assert told.decode() == "|".join(["s1", *path, SIZES[size_ns], str(start_ns), str(value["revision"])])


def test_a_window_finer_than_a_millisecond_keeps_its_place():
    rows = window_rows(0, 1)
    rows.start_ns[0] += 250_000
    told, _, text = window_lines("s1", rows, PATHS, UNITS).partition(b"\t")
    assert orjson.loads(text)["start"] == START_NS / 1e6 + 0.25
    assert str(START_NS + 250_000).encode() in told


def test_no_windows_no_lines():
    assert window_lines("s1", WindowRows.empty(), {}, {}) == b""


def lines_of(first: int, end: int) -> list[bytes]:
    return window_lines("s1", window_rows(first, end - first), PATHS, UNITS).splitlines()


class WindowQueue(RuleBasedStateMachine):
    """Flow and sender take turns and are killed at will: every window comes, in order, until it is confirmed."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp(dir=IN_MEMORY))
        self.written = self.flushed = self.confirmed = 0
        self.open_flow(None)
        self.resume = self.partition.snapshot()
        self.feed = WindowFeed(self.folder, 0)

    def open_flow(self, resume):
        self.partition = KafkaOutPartition(SegmentWriter(self.folder, segment_bytes=2_000), plant(), resume)

    @rule(rows=st.integers(1, 7))
    def write(self, rows):
        self.partition.write_batch([step(window_rows(self.written, rows))])
        self.written += rows

    @rule()
    def epoch_closes(self):
        self.resume, self.flushed = self.partition.snapshot(), self.written

    @rule(sender_too=st.booleans())
    def flow_is_killed(self, sender_too):
        """It goes on from its last epoch; what was sent of the broken one comes again, so it is not lost either."""
        self.partition.close()
        self.open_flow(self.resume)
        self.written = self.flushed
        self.confirmed = min(self.confirmed, self.flushed)
        self.feed = WindowFeed(self.folder, 0) if sender_too else self.feed

    @rule(most=st.integers(1, 9), taken=st.integers(0, 9))
    def send(self, most, taken):
        messages = self.feed.read(most)
        sent = [b"%s\t%s" % (one.headers[0][1], one.value) for one in messages]
        assert sent == lines_of(self.confirmed, self.written)[: len(sent)]
        assert sent or self.confirmed == self.written
        self.feed.confirm(min(taken, len(sent)))
        self.confirmed += min(taken, len(sent))

    @rule()
    def sender_is_killed(self):
        self.feed = WindowFeed(self.folder, 0)

    @invariant()
    def what_waits_is_known(self):
        if hasattr(self, "feed"):
            assert (self.feed.backlog_bytes() == 0) == (self.confirmed == self.written)

    def teardown(self):
        if hasattr(self, "folder"):
            self.partition.close()
            shutil.rmtree(self.folder)


TestWindowQueue = WindowQueue.TestCase
TestWindowQueue.settings = settings(max_examples=40, stateful_step_count=25)


def test_messages_of_windows_carry_key_and_id(tmp_path):
    site = Site(tmp_path / "data", publishing("x:1", "t."))
    site.write_windows(window_rows(0, 3))
    found = WindowFeed(site.data.segments("kafka", 0), 0).read(10)
    assert [one.key for one in found] == [b"line1/filler/total", b"cold/room/air", b"util/pump/vibration"]
    assert found[1].headers == [("id", f"s1|cold/room|air|10s|{START_NS}|0".encode())]


def test_windows_of_a_series_that_left_the_configuration_have_unit_1(tmp_path):
    """Its open windows still close when the flow starts without it."""
    partition = KafkaOutPartition(SegmentWriter(tmp_path, segment_bytes=2_000), plant(), None)
    gone = {**PATHS, 1: ("cold/room", "left")}
    partition.write_batch([replace(step(window_rows(0, 3)), paths=gone)])
    partition.close()
    told = [orjson.loads(one.value) for one in WindowFeed(tmp_path, 0).read(10)]
    assert [(one["series"], one["unit"]) for one in told] == [("total", "1"), ("left", "1"), ("vibration", "mm/s")]


def test_segments_given_up_at_the_cap_are_told(tmp_path, caplog):
    writer = SegmentWriter(tmp_path, segment_bytes=2_000, max_bytes=8_000)
    partition = KafkaOutPartition(writer, plant(), None)
    for first in range(0, 100, 5):
        partition.write_batch([step(window_rows(first, 5))])
    partition.close()
    feed = WindowFeed(tmp_path, 0)
    assert feed.backlog_bytes() < 10_000
    newest: list[bytes] = []
    while found := feed.read(50):
        newest += [one.headers[0][1] for one in found]
        feed.confirm(len(found))
    assert newest == [line.partition(b"\t")[0] for line in lines_of(0, 100)][-len(newest) :]
    assert 0 < len(newest) < 100


@given(cuts=st.lists(st.integers(1, 6), min_size=1, max_size=8), most=st.integers(1, 5), taken=st.integers(1, 5))
@settings(max_examples=30)
def test_dead_letters_come_once_in_log_order_through_crashes(cuts, most, taken):
    """The flow is killed after each step it stored and stores the step again, cut otherwise; the sender too."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        store, sent, first = DeadLetterStore(Path(folder) / "0.db", 0, 10.0, 1e6), [], 1
        for size in cuts:
            for offset in range(first, first + size):
                store.write(dead_letters(offset, 1), {})
            store.truncate_after(first - 1)
            store.write(dead_letters(first, size), {})
            first += size
            feed = DeadLetterFeed(store, "s1", Path(folder) / "mark.json", kafka_log=True)
            while found := feed.read(most):
                feed.confirm(min(taken, len(found)))
                sent += found[:taken]
        store.close()
    assert [one.value for one in sent] == [b'{"broken": %d' % offset for offset in range(1, first)]
    assert [dict(one.headers)["offset"] for one in sent] == [b"%d" % offset for offset in range(first - 1)]


def test_a_dead_letter_carries_its_place_and_reason(tmp_path):
    store = DeadLetterStore(tmp_path / "0.db", 2, 10.0, 1e6)
    store.write(dead_letters(5, 1), {})
    headers = {"id": "s1|2|4|0", "site": "s1", "reason": "not_json", "shard": "2", "partition": "2", "offset": "4",
               "line": "0", "received_ms": str(START_NS // 1_000_000 + 5_000)}  # fmt: skip
    (one,) = DeadLetterFeed(store, "s1", tmp_path / "mark", kafka_log=True).read(9)
    assert (one.key, one.value) == (b"s1/shard-2", b'{"broken": 5')
    assert {name: text.decode() for name, text in one.headers} == headers
    (one,) = DeadLetterFeed(store, "s1", tmp_path / "mark", kafka_log=False).read(9)
    assert dict(one.headers)["offset"] == b"5"
    assert "partition" not in dict(one.headers)
    store.close()


def event_of(message):
    return from_structured_event(KafkaMessage(dict(message.headers), message.key, message.value))


def test_an_alarm_is_a_cloudevent_with_its_history(tmp_path):
    site = Site(tmp_path / "data", publishing("x:1", "t."))
    site.apply([condition(1), condition(2), condition(1, cleared=True)])
    with site.records() as records:
        feed = AlarmFeed(records, tmp_path / "mark")
        messages = feed.read(10)
        assert [message.value for message in messages] == [message.value for message in feed.read(10)]
        feed.confirm(2)
        assert feed.read(10) == []
        key = messages[0].key.decode()
        records.acknowledge(key, OPERATOR, "seen")
        (changed,) = AlarmFeed(records, tmp_path / "mark").read(10)
    events = [event_of(message) for message in [*messages, changed]]
    assert [event.get_type() for event in events] == ["andon.alarm.changed"] * 3
    assert [event.get_source() for event in events] == ["/site/s1/cold/room"] * 3
    assert [event.get_id().encode() for event in events] == [dict(one.headers)["id"] for one in [*messages, changed]]
    assert len({event.get_id() for event in events}) == 3
    newest = next(event for event in events[2:] if event.get_subject() == key).get_data()
    assert newest["transition_count"] == len(newest["transitions"])
    assert newest["transitions"][-1]["kind"] == "acknowledged"
    assert (newest["site"], newest["asset"], newest["series"], newest["rule"]) == ("s1", "cold/room", "air", "warm")


def test_a_lease_does_not_make_another_event_of_the_same_change(tmp_path):
    site = Site(tmp_path / "data", publishing("x:1", "t."))
    site.apply([condition(1)])
    with site.records() as records:
        (before,) = AlarmFeed(records, tmp_path / "mark").read(10)
        item = records.claim_order("x", 30.0, SYSTEM_SENDER)
        (leased,) = AlarmFeed(records, tmp_path / "mark").read(10)
        records.finish_order(
            item, DeliveryResult("delivered", 200, external_id="7", external_number="QE-7"), SYSTEM_SENDER
        )
        (delivered,) = AlarmFeed(records, tmp_path / "mark").read(10)
    assert leased == before
    assert event_of(delivered).get_data()["erp"] == {"state": "delivered", "number": "QE-7"}
    assert delivered.headers[0] != before.headers[0]


def test_records_of_a_backup_are_sent_again_under_the_ids_they_had(tmp_path):
    site = Site(tmp_path / "data", publishing("x:1", "t."))
    site.apply([condition(1)])
    Mark(tmp_path / "mark", (0,)).write((1_000,))
    with site.records() as records:
        assert AlarmFeed(records, tmp_path / "mark").read(10) == AlarmFeed(records, tmp_path / "fresh").read(10) != []


@pytest.mark.parametrize("content", [b"", b"{}", b'{"place": [1]}', b'{"place": ["x", 2]}', b"\xff"])
def test_a_mark_that_cannot_be_read_is_the_start(tmp_path, content):
    (tmp_path / "mark").write_bytes(content)
    assert Mark(tmp_path / "mark", (7, 8)).read() == (7, 8)


def test_a_mark_comes_back(tmp_path):
    Mark(tmp_path / "sub" / "mark", (0, 0)).write((3, -1))
    assert Mark(tmp_path / "sub" / "mark", (0, 0)).read() == (3, -1)
