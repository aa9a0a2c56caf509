"""The sender as a whole, against a server that answers as it is told: alarms, feeds, gaps, tokens."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from andon.clock import ScaledClock
from andon.conditions import ConditionChange
from andon.plant import PlantModel
from andon.readings import NS_PER_S
from andon.records import SYSTEM_FLOW, Records
from flows.influx import influx_partition
from service.influx_pipeline import Pipeline
from service.influx_sender import beat_while, plant_time
from sinks.history import HistoryWriter
from sinks.history_reader import HistoryReader
from sinks.influx import gaps
from sinks.influx.feeds import AlarmFeed, LedgerFeed, Positions
from sinks.influx.watch import AWAY, AWAY_S, GAP, PARKED, QUIET_NS, REFUSED, SPOOL, InfluxWatch, Look
from sinks.segments import SegmentReader, SegmentWriter, files
from tests.influx_world import (
    HOUR_NS,
    ROOM,
    StubInflux,
    World,
    ledger_rows,
    outputs_of,
    plant_for,
    run_until,
    stub,
    world,
)
from tests.line_protocol import parse
from tests.records_world import START_NS, cleared, opened, orders, raised

__all__ = ["stub"]  # a fixture
WELL = Look(denied=False, away_s=0.0, share=0.0, parked=0, parked_ns=None, gaps=0)


@pytest.fixture
def site(stub: StubInflux, tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, plant_for(stub.url, spool_mb=0.06)) as one:
        yield one


def open_alarms(records: Records) -> set[str]:
    return {one.rule_id for one in records.alarms(open_only=True) if one.cleared_ns is None}


def rules(changes: list[ConditionChange]) -> list[tuple[str, str]]:
    return [(one.kind, one.rule_id) for one in changes]


def test_alarms_of_the_watch_come_and_go() -> None:
    watch, now = InfluxWatch(), START_NS
    assert watch.look(WELL, now) == []
    seen = Look(denied=True, away_s=AWAY_S * 2, share=0.81, parked=3, parked_ns=now, gaps=2)
    assert rules(watch.look(seen, now)) == [("raised", rule) for rule in (REFUSED, SPOOL, PARKED, GAP)]
    assert watch.look(seen, now + 1) == []
    nearly = Look(denied=False, away_s=AWAY_S, share=0.79, parked=3, parked_ns=now, gaps=2)
    assert rules(watch.look(nearly, now + 2)) == [("cleared", REFUSED), ("raised", AWAY)]
    quiet = Look(denied=False, away_s=0.0, share=0.77, parked=3, parked_ns=now, gaps=0)
    assert rules(watch.look(quiet, now + 3)) == [("cleared", AWAY), ("cleared", SPOOL), ("cleared", GAP)]
    assert rules(watch.look(quiet, now + QUIET_NS)) == [("cleared", PARKED)]
    assert watch.since == {}


def test_a_restarted_watch_takes_the_open_alarms_over(tmp_path: Path) -> None:
    records = opened(tmp_path)
    first = InfluxWatch()
    first.look(WELL, START_NS)
    records.apply_conditions(first.look(Look(False, 0.0, 0.9, 1, START_NS, 1), START_NS), SYSTEM_FLOW)
    second = InfluxWatch()
    second.take_over(records.alarms(open_only=True))
    assert second.since == first.since
    records.apply_conditions(second.look(Look(False, 0.0, 0.1, 1, START_NS, 0), START_NS + NS_PER_S), SYSTEM_FLOW)
    assert open_alarms(records) == {PARKED}  # for a day
    records.close()


def test_lines_parked_before_the_first_look_are_told(site: World, stub: StubInflux) -> None:
    stub.always = lambda body: (422, {}, b'{"message":"conflict dropped=1"}') if b"cold_chain," in body else None
    site.write()
    for taken in (True, False):  # and after a crash before the first look
        sender = site.sender()
        if taken:
            while sender.queues["0"].backlog_bytes():
                sender.drain.step()
            assert sender.parked.total() == 1
        else:
            sender.look()
            assert open_alarms(site.records) == {PARKED}
        sender.close()


def test_the_sender_raises_and_clears(site: World, stub: StubInflux) -> None:
    stub.always = lambda _body: (401, {}, b'{"message":"unauthorized access"}')
    sender = site.sender()
    while not sender.queues["0"].gaps():
        site.write(15)
    sender.step()
    sender.look()
    assert open_alarms(site.records) == {REFUSED, SPOOL, GAP}
    stub.always = lambda _body: None
    sender.drain.try_now()
    run_until(sender, lambda: not sender.queues["0"].gaps() and not sum(sender.drain.look().values()))
    sender.look()
    assert open_alarms(site.records) == set()
    sender.close()


def test_nothing_is_missing_after_a_gap(site: World, stub: StubInflux) -> None:
    """Every window, figure and state of the local history was taken by the server, though the cap was reached."""
    stub.always = lambda _body: (503, {}, b"")
    sender = site.sender()
    sender.drain.gaps_s = (0.01,)
    written = [site.write(15) for _ in range(15)]
    sender.step()
    assert len(sender.queues["0"].gaps()) > 2
    lost = {gap.number: gaps.load(gap.summary) for gap in sender.queues["0"].gaps()}
    assert all({"window", "oee", "cold_chain", "state"} == set(ranges) for ranges in lost.values())
    sender.close()
    stub.always = lambda _body: None
    sender = site.sender()  # a restart in between
    run_until(sender, lambda: not sender.queues["0"].gaps() and not sum(sender.drain.look().values()))
    sender.close()
    taken = {(point.measurement, point.tags.get("series"), point.time_ns) for point in parse(b"".join(stub.bodies))}
    for outputs in written:
        windows = zip(outputs.windows.series.tolist(), outputs.windows.start_ns.tolist(), strict=True)
        assert {("window", outputs.paths[series][1], at) for series, at in windows} <= taken
        assert all((one.kind, one.tag or None, one.start_ns) in taken for one in outputs.figures)
        assert outputs.states is not None
        tag = outputs.paths[int(outputs.states.series[0])][1]
        assert {("state", tag, at) for at in outputs.states.time_ns.tolist()} <= taken


def test_the_queue_never_takes_more_than_its_share(site: World, stub: StubInflux) -> None:
    del stub
    for _ in range(30):
        site.write(10)
        size = sum(file.stat().st_size for file in site.data.segments("influx", 0).glob("*.seg"))
        assert size <= 60_000 + 15_000  # and a step


def test_a_new_token_is_noticed_by_itself(stub: StubInflux, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANDON_INFLUX_TOKEN")
    file = tmp_path / "token"
    file.touch(mode=0o600)
    file.write_text("the-old-token\n")
    with world(tmp_path, plant_for(stub.url, token_file=str(file))) as site:
        stub.always = lambda _body: (401, {}, b"") if stub.tokens[-1] == "Token the-old-token" else None
        site.write()
        sender = site.sender()
        for _ in range(20):
            sender.step()
        assert len(stub.paths) == 1
        file.write_text("the-new-token\n")
        run_until(sender, lambda: sender.queues["0"].backlog_bytes() == 0)
        sender.close()


def test_parked_lines_can_be_tried_again(site: World, stub: StubInflux) -> None:
    stub.always = lambda body: (
        (422, {}, b'{"message":"field type conflict dropped=1"}') if b"cold_chain," in body else None
    )
    site.write()
    sender = site.sender()
    run_until(sender, lambda: sender.queues["0"].backlog_bytes() == 0)
    assert [one.line.partition(",")[0] for one in sender.parked.newest(9)] == ["cold_chain"]
    stub.always = lambda _body: None
    assert sender.parked.ask_again(10) == 1
    run_until(sender, lambda: any(line.startswith(b"cold_chain,") for line in stub.lines))
    assert sender.parked.newest(9) == []
    sender.close()


def queued(reader: SegmentReader) -> bytes:
    data, position = reader.read(10_000_000)
    reader.done(position)
    return data


def test_the_alarm_feed_goes_on_where_it_was(tmp_path: Path) -> None:
    records, writer, reader = opened(tmp_path), SegmentWriter(tmp_path / "q"), SegmentReader(tmp_path / "q")
    writer.restore(None)

    def feed() -> AlarmFeed:
        return AlarmFeed(records, Positions(tmp_path / "feeds.json"), plant_time(ScaledClock(0, 0, 60.0)))

    records.apply_conditions(orders(5), SYSTEM_FLOW)
    assert feed().feed(writer, limit=3) == 3
    assert feed().feed(writer, limit=3) == 2
    assert feed().feed(writer) == 0
    assert len(parse(queued(reader))) == 5
    records.apply_conditions([cleared(orders(1)[0])], SYSTEM_FLOW)
    assert feed().feed(writer) == 1
    points = parse(queued(reader))
    assert [point.fields["transition"] for point in points] == ["raised", "cleared"]
    assert [point.fields["open"] for point in points] == [1.0, 1.0]  # returned, not acknowledged
    assert points[0].time_ns == START_NS + 600 * NS_PER_S + 1  # event time: not scaled
    feed().again()
    assert feed().feed(writer) == 5
    (tmp_path / "feeds.json").write_text(json.dumps({"alarms": 10_000}))  # records put back from a backup
    assert feed().feed(writer) == 5
    (tmp_path / "feeds.json").write_text("broken")
    assert feed().feed(writer) == 5
    for one in (writer, reader, records):
        one.close()


def test_what_people_and_andon_do_has_the_time_of_the_plant(tmp_path: Path) -> None:
    records, writer = opened(tmp_path), SegmentWriter(tmp_path / "q")
    writer.restore(None)
    own = raised(0, asset="andon/flow-0", tag="alive", rule_id="andon-silent", raises="none")
    records.apply_conditions([own], SYSTEM_FLOW)
    AlarmFeed(records, Positions(tmp_path / "f"), plant_time(ScaledClock(7, START_NS, 60.0))).feed(writer)
    (point,) = parse(queued(SegmentReader(tmp_path / "q")))
    assert point.time_ns == 7 + 600 * NS_PER_S * 60 + 1
    writer.close()
    records.close()


def test_the_ledger_feed_gives_totals_whatever_is_replayed(tmp_path: Path) -> None:
    """Two shards; a replay after a crash; an hour that grows late; a restart of the feed."""
    writers = {shard: HistoryWriter(tmp_path / f"{shard}.db", shard) for shard in (0, 1)}
    readers = {shard: HistoryReader([tmp_path / f"{shard}.db"]) for shard in (0, 1)}
    queue, reader = SegmentWriter(tmp_path / "q"), SegmentReader(tmp_path / "q")
    queue.restore(None)
    hour = 500_000 * HOUR_NS

    def write(shard: int, as_of: int, at_ns: int) -> None:
        writers[shard].write(outputs_of(shard, as_of, ledger_rows(as_of, [0], at_ns), {0: ROOM}))

    def feed() -> LedgerFeed:
        return LedgerFeed("szh1", readers, Positions(tmp_path / "feeds.json"))

    for as_of in (1, 2, 3, 2, 3):  # a crash after 3
        write(0, as_of, hour)
    write(1, 1, hour)
    first = feed()
    assert first.feed(queue) == 2
    found = {point.tags["series"]: point.fields for point in parse(queued(reader))}
    assert found["air"]["counted"] == 4.0
    assert found["-"]["dead"] == 4.0
    assert (first.feed(queue), feed().feed(queue)) == (0, 0)
    write(0, 4, hour - 100 * HOUR_NS)  # rows of long ago
    assert first.feed(queue) == 0  # only recent hours are looked at every time
    for _ in range(60):
        first.feed(queue)
    points = parse(queued(reader))
    assert {point.time_ns for point in points} == {hour - 100 * HOUR_NS}
    assert {point.fields["received"] for point in points} == {1.0}
    write(0, 5, hour)
    assert feed().feed(queue) == 2
    assert {point.fields["received"] for point in parse(queued(reader))} == {5.0}
    for shard in (0, 1):
        writers[shard].close()
        readers[shard].close()
    queue.close()
    reader.close()


def test_the_ledger_feed_takes_a_long_history_in_parts(tmp_path: Path) -> None:
    history, reader = HistoryWriter(tmp_path / "0.db", 0), HistoryReader([tmp_path / "0.db"])
    for as_of in range(1, 31):
        rows = ledger_rows(as_of, [0, 1, 2], (500_000 + as_of) * HOUR_NS)
        history.write(outputs_of(0, as_of, rows, dict(enumerate([ROOM, ("a", "b"), ("a", "c")]))))
    queue = SegmentWriter(tmp_path / "q")
    queue.restore(None)
    # the feed is restarted each time
    counts = [LedgerFeed("szh1", {0: reader}, Positions(tmp_path / "f")).feed(queue, limit=10) for _ in range(20)]
    assert sum(counts) == 30 * 4
    assert max(counts) <= 13  # whole ticks
    for one in (history, reader, queue):
        one.close()


def test_the_pipeline_tells_of_flows_and_queues(site: World, stub: StubInflux) -> None:
    del stub
    site.write()
    look = Pipeline(site.plant.config, site.data, site.records, ScaledClock(site.step.start_ns, 0, 1.0))
    reader = SegmentReader(site.data.segments("influx", 0))
    points = {point.tags["part"]: point.fields for point in parse(b"".join(look.look([reader])))}
    assert points["shard-0"].keys() == {"lag_s", "offset", "dead_letters", "backlog_bytes", "backlog_rows"}
    assert points["shard-0"]["offset"] == 10.0
    assert points["influx-sender"]["backlog_rows"] == float(reader.backlog_rows()) > 0
    look.close()
    reader.close()


def test_without_influx_there_is_no_partition(tmp_path: Path, stub: StubInflux) -> None:
    plant = plant_for(stub.url)
    with world(tmp_path, plant) as one, pytest.raises(ValueError, match="influx"):
        influx_partition(PlantModel(plant.config.model_copy(update={"influx": None})), one.data, 0, None)


def test_a_failed_feed_skips_no_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, reader = HistoryWriter(tmp_path / "0.db", 0), HistoryReader([tmp_path / "0.db"])
    queue = SegmentWriter(tmp_path / "q")
    queue.restore(None)
    hour = 500_000 * HOUR_NS
    feed = LedgerFeed("szh1", {0: reader}, Positions(tmp_path / "feeds.json"))
    for as_of in (1, 2):  # a look at everything, then one at the recent hours
        writer.write(outputs_of(0, as_of, ledger_rows(as_of, [0], hour), {0: ROOM}))
        with monkeypatch.context() as patched:
            patched.setattr(queue, "flush", full)
            with pytest.raises(OSError, match="No space"):
                feed.feed(queue)
        assert feed.feed(queue) == 2
        assert feed.feed(queue) == 0
    for one in (writer, reader, queue):
        one.close()


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_the_sign_of_life_survives_a_full_disk() -> None:
    stop, beats = threading.Event(), []

    def beat() -> None:
        beats.append(1)
        if len(beats) == 1:
            full()
        stop.set()

    beat_while(beat, [time.monotonic()], 60.0, stop, every_s=0.01)
    assert len(beats) == 2


def test_a_full_disk_waits_for_room(site: World, stub: StubInflux, monkeypatch: pytest.MonkeyPatch) -> None:
    written = site.write()
    sender = site.sender()
    with monkeypatch.context() as patched:
        patched.setattr(files, "write_mark", full)
        for _ in range(20):
            sender.step()
        assert len(stub.bodies) == 1  # not again and again
        assert sender.queues["0"].backlog_bytes() > 0
    sender._due["drain"] = 0.0
    run_until(sender, lambda: sender.queues["0"].backlog_bytes() == 0)
    taken = {(point.tags.get("series"), point.time_ns) for point in parse(b"".join(stub.bodies))}
    assert len([one for one in taken if one[0] == written.paths[0][1]]) >= 10
    sender.close()
