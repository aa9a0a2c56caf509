"""Windows that left the queue at its cap, and the alarms about the way to Kafka."""

from __future__ import annotations

import sqlite3
from types import SimpleNamespace

import pytest

from flows.kafka_out import KafkaOutPartition
from sinks.history import HistoryReader, HistoryWriter
from sinks.kafka.refill import Refill, summary
from sinks.kafka.watch import AWAY, AWAY_S, QUIET_NS, REFUSED, SPOOL, KafkaWatch, Look
from sinks.kafka.window_lines import window_lines
from sinks.kafka.windows import WindowFeed
from sinks.segments import SegmentWriter
from tests.engine_world import S, plant
from tests.kafka_out_world import PATHS, step, window_rows

UNITS = {0: "1", 1: "Cel", 2: "mm/s"}


class Busy:
    """A history that is locked at its second and eleventh look."""

    def __init__(self, reader: HistoryReader) -> None:
        self.reader, self.calls = reader, 0

    def windows(self, *wanted):
        self.calls += 1
        if self.calls in {2, 11}:
            raise sqlite3.OperationalError("database is locked")
        return self.reader.windows(*wanted)


@pytest.mark.parametrize("most", [3, 50])
def test_windows_given_up_at_the_cap_come_from_the_history(tmp_path, most):
    """What left the queue is sent with the values and ids it had; crashes of the sender repeat it, no more."""
    history = HistoryWriter(tmp_path / "0.db", 0)
    writer = SegmentWriter(tmp_path / "out", segment_bytes=2_000, max_bytes=8_000, summary=summary)
    partition = KafkaOutPartition(writer, plant(), None)
    for first in range(0, 99, 3):
        partition.write_batch([step(window_rows(first, 3))])
        history.write(step(window_rows(first, 3)))
    partition.close()
    history.close()
    reader = HistoryReader([tmp_path / "0.db"])
    series = [(asset, tag, UNITS[one]) for one, (asset, tag) in PATHS.items()]
    refill = Refill("s1", Busy(reader), series, [10 * S, 60 * S])
    sent, feed, rounds = [], WindowFeed(tmp_path / "out", 0, refill), 0
    while True:
        rounds += 1
        try:
            found = feed.read(most)
        except sqlite3.OperationalError:
            continue
        if not found:
            break
        taken = max(1, len(found) - 1) if rounds % 4 else 0
        feed.confirm(taken)
        sent += [b"%s\t%s" % (one.headers[0][1], one.value) for one in found[:taken]]
        if rounds == 5:
            feed = WindowFeed(tmp_path / "out", 0, refill)
        if rounds == 9:
            partition = KafkaOutPartition(SegmentWriter(tmp_path / "out", segment_bytes=2_000), plant(), None)
            partition.write_batch([step(window_rows(99, 1))])
            partition.close()
    reader.close()
    assert set(sent) == set(window_lines("s1", window_rows(0, 100), PATHS, UNITS).splitlines())
    assert feed.lost == 0


def test_a_gap_that_nothing_is_known_of_is_counted_as_lost(tmp_path):
    writer = SegmentWriter(tmp_path, segment_bytes=2_000, max_bytes=8_000)  # its summary tells rows and bytes only
    partition = KafkaOutPartition(writer, plant(), None)
    for first in range(0, 60, 3):
        partition.write_batch([step(window_rows(first, 3))])
    partition.close()
    feed = WindowFeed(tmp_path, 0, Refill("s1", HistoryReader([]), [], [S]))
    while found := feed.read(100):
        feed.confirm(len(found))
    assert feed.lost > 0


def kinds(changes):
    return [(change.rule_id, change.tag, change.kind, change.start_ns) for change in changes]


def test_alarms_about_the_topics_are_raised_and_cleared_once():
    watch, good = KafkaWatch(), Look(0.0, 0.1, 0)
    assert watch.look({"windows": good, "alarms": good}, 1) == []
    away = {"windows": Look(AWAY_S, 0.85, 0), "alarms": good}
    assert kinds(watch.look(away, 2)) == [(AWAY, "windows", "raised", 2), (SPOOL, "windows", "raised", 2)]
    assert watch.look(away, 3) == []
    emptier = {"windows": Look(0.0, 0.79, 0), "alarms": Look(0.0, 0.0, 1)}
    assert kinds(watch.look(emptier, 4)) == [(AWAY, "windows", "cleared", 2), (REFUSED, "alarms", "raised", 4)]
    assert kinds(watch.look({"windows": good, "alarms": Look(0.0, 0.0, 1)}, 5)) == [(SPOOL, "windows", "cleared", 2)]
    later = 4 + QUIET_NS
    assert kinds(watch.look({"alarms": Look(0.0, 0.0, 1)}, later)) == [(REFUSED, "alarms", "cleared", 4)]


def test_open_alarms_of_an_earlier_sender_are_taken_over():
    watch = KafkaWatch()
    open_alarm = {"asset": "andon/kafka-sender", "cleared_ns": None, "start_ns": 7}
    watch.take_over(
        [
            SimpleNamespace(rule_id=SPOOL, tag="windows", **open_alarm),
            SimpleNamespace(rule_id=REFUSED, tag="alarms", **open_alarm),
        ]
    )
    fine = {"windows": Look(0.0, 0.0, 0), "alarms": Look(0.0, 0.0, 0)}
    assert kinds(watch.look(fine, 8)) == [(SPOOL, "windows", "cleared", 7)]
    assert kinds(watch.look(fine, 7 + QUIET_NS)) == [(REFUSED, "alarms", "cleared", 7)]
