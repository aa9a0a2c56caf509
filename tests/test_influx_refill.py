"""Refilling: no more at a step than its room, newest revision last, ranges joined, what was asked while it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from andon.outputs import ShardOutputs
from andon.readings import NS_PER_S
from flows.influx import OutputEncoder
from service import influx_refill
from service.influx_refill import Refill
from sinks.history import HistoryWriter
from sinks.history_reader import HistoryReader
from sinks.influx import gaps
from sinks.influx.gaps import Ranges
from sinks.segments import SegmentReader
from tests.influx_world import (
    HOUR_NS,
    StubInflux,
    World,
    paths_of,
    plant_for,
    run_until,
    stub,
    window_rows,
    world,
)
from tests.line_protocol import parse

__all__ = ["stub"]  # a fixture
BEGIN = 500_000 * HOUR_NS
OLD = b",revision=0 "  # in the line of a window


class Bench:
    """A history of an hour, its queue, a refill; what it delivers, and whether InfluxDB takes it."""

    def __init__(self, folder: Path, series: int = 8) -> None:
        plant = plant_for("http://127.0.0.1:1")
        self.paths = paths_of(plant, "number", series)
        self.history, self.reader = HistoryWriter(folder / "0.db", 0), SegmentReader(folder / "q")
        self.reader.folder.mkdir()
        self.batches: list[list[bytes]] = []
        self.takes = True
        self.fed: list[str] = []
        self.refill = Refill(
            {"0": self.reader}, {"0": HistoryReader([folder / "0.db"])}, OutputEncoder(plant), self.fed.append,
            [60 * NS_PER_S], self.send,
        )  # fmt: skip
        self.at = 0

    def send(self, name: str, lines: Sequence[bytes]) -> bool:
        assert name == "0"
        if self.takes and lines:
            self.batches.append(list(lines))
        return self.takes

    def write(self, start_ns: int, minutes: int) -> int:
        self.at += 1
        rows = window_rows(start_ns, minutes, list(self.paths), self.at)
        self.history.write(ShardOutputs(0, self.at, self.at, start_ns, 1, windows=rows, paths=self.paths))
        return len(rows)

    def gap(self, number: int, ranges: Ranges) -> None:
        self.reader.gap_left(number, gaps.dump(ranges))

    def steps(self, most: int = 10_000) -> int:
        for done in range(most):
            if not self.refill.step():
                return done
        raise AssertionError("never done")

    @property
    def lines(self) -> list[bytes]:
        return [line for batch in self.batches for line in batch]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    one = Bench(tmp_path)
    yield one
    one.history.close()


@pytest.fixture
def site(stub: StubInflux, tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, plant_for(stub.url)) as one:
        yield one


def test_an_hour_is_delivered_in_steps(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many series an hour has: a step ends with the series that reaches its number of lines."""
    monkeypatch.setattr(influx_refill, "STEP_LINES", 100)
    count = bench.write(BEGIN, 60)
    bench.gap(3, {"window": (BEGIN, BEGIN + HOUR_NS - 1)})
    bench.steps()
    assert {len(batch) for batch in bench.batches} == {120}
    assert len(set(bench.lines)) == len(bench.lines) == count == 8 * 60
    assert bench.reader.gaps() == []


def test_a_gap_is_closed_when_influxdb_has_its_lines(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(influx_refill, "STEP_LINES", 100)
    bench.write(BEGIN, 60)
    bench.gap(3, {"window": (BEGIN, BEGIN + HOUR_NS - 1)})
    assert bench.refill.step()
    bench.takes = False
    assert not bench.refill.step()
    assert len(bench.reader.gaps()) == 1
    bench.takes = True
    bench.steps()
    assert len(set(bench.lines)) == len(bench.lines) == 480  # goes on with the series that was refused
    assert bench.reader.gaps() == []


def test_overlapping_gaps_are_refilled_once(bench: Bench) -> None:
    count = bench.write(BEGIN, 180)
    for number in range(1, 9):
        bench.gap(number, {"window": (BEGIN + number * NS_PER_S, BEGIN + 3 * HOUR_NS - 1)})
    bench.gap(9, {"window": (BEGIN, BEGIN + HOUR_NS), "alarm": (BEGIN, BEGIN)})
    bench.gap(20, {"ledger": (BEGIN, BEGIN)})
    bench.steps()
    assert len(bench.lines) == count
    assert bench.reader.gaps() == []
    assert sorted(set(bench.fed)) == ["alarm", "ledger"]


def test_empty_days_are_skipped(bench: Bench) -> None:
    count = bench.write(BEGIN, 60) + bench.write(BEGIN + 24 * 50 * HOUR_NS + 17, 60)
    bench.gap(1, {"window": (BEGIN - 24 * 90 * HOUR_NS, BEGIN + 24 * 90 * HOUR_NS)})
    assert bench.steps() < 20
    assert len(bench.lines) == count


def test_a_gap_of_a_site_without_history_is_none(bench: Bench) -> None:
    bench.gap(1, {"window": (0, BEGIN)})
    bench.gap(2, {})
    assert bench.steps() == 2
    assert bench.reader.gaps() == []


def test_asking_again_while_it_runs_is_not_lost(bench: Bench) -> None:
    """The first range is half refilled when a second one is asked for, which begins earlier."""
    bench.write(BEGIN, 180)
    gaps.ask_refill(bench.reader.folder, {"window": (BEGIN + HOUR_NS, BEGIN + 3 * HOUR_NS - 1)})
    assert bench.refill.step()
    gaps.ask_refill(bench.reader.folder, {"window": (BEGIN, BEGIN + 10)})
    gaps.ask_refill(bench.reader.folder, {"oee": (BEGIN, BEGIN + 10)})
    assert len(gaps.asks(bench.reader.folder)) == 2
    bench.steps()
    assert {point.time_ns for point in parse(b"\n".join(bench.lines) + b"\n")} == {
        BEGIN + minute * 60 * NS_PER_S for minute in range(180)
    }
    assert gaps.asks(bench.reader.folder) == bench.reader.gaps() == []


def test_what_was_asked_for_is_no_loss(bench: Bench) -> None:
    gaps.ask_refill(bench.reader.folder, {"window": (0, 1)})
    gaps.take_asks(bench.reader)
    assert (len(bench.reader.gaps()), bench.refill.open()) == (1, 0)
    bench.gap(4, {"window": (0, 1)})
    first = gaps.first_gap(bench.reader)
    assert first is not None
    assert (first.number, bench.refill.open()) == (4, 1)


def revisions(stub: StubInflux, tag: str) -> dict[int, float]:
    """The revision of each window of a series that InfluxDB was given last."""
    found = {}
    for point in parse(b"".join(stub.bodies)):
        if point.measurement == "window" and point.tags["series"] == tag:
            found[point.time_ns] = float(point.fields["revision"])
    return found


def correct(site: World, outputs: ShardOutputs, revision: int) -> None:
    """The flow writes a later revision of the windows, as after late readings."""
    site.step.offset += 1
    rows = replace(outputs.windows, revision=np.full(len(outputs.windows), revision, np.int32))
    later = replace(outputs, first_offset=site.step.offset, last_offset=site.step.offset, windows=rows)
    site.history.write(later)
    site.partition.write_batch([later])
    site.partition.snapshot()


def test_a_refill_leaves_the_newest_revision(site: World, stub: StubInflux, monkeypatch: pytest.MonkeyPatch) -> None:
    """A correction comes at each moment of a refill in turn; InfluxDB is away, or the sender killed, right after it."""
    monkeypatch.setattr(influx_refill, "STEP_LINES", 1)
    outputs = site.write(3)
    sender = site.sender()
    times = (site.step.start_ns, site.step.start_ns + HOUR_NS)

    def settled() -> bool:
        reader = sender.queues["0"]
        return not (reader.gaps() or gaps.asks(reader.folder) or any(sender.drain.look().values()))

    for moment in range(24):
        run_until(sender, settled)
        gaps.ask_refill(sender.queues["0"].folder, {"window": times})
        for _ in range(moment // 3):
            sender.step()
        correct(site, outputs, moment + 1)
        if moment % 3 == 1:
            stub.answers = [(503, {}, b"")]
            sender.step()
            sender.drain.try_now()
        elif moment % 3 == 2:
            sender.close()
            sender = site.sender()
        run_until(sender, settled)
        for _, tag in list(outputs.paths.values())[:4]:
            assert set(revisions(stub, tag).values()) == {float(moment + 1)}
    sender.close()


def test_parked_lines_that_are_tried_again_leave_the_newest_revision(site: World, stub: StubInflux) -> None:
    outputs = site.write(3)
    stub.always = lambda body: (422, {}, b'{"message":"x"}') if OLD in body else None
    sender = site.sender()
    run_until(sender, lambda: not sender.queues["0"].gaps() and not sender.queues["0"].backlog_bytes())
    assert len(sender.parked.newest(100)) >= 12
    correct(site, outputs, 1)
    run_until(sender, lambda: sender.queues["0"].backlog_bytes() == 0)
    stub.always = lambda _body: None
    sender.parked.ask_again(100)
    run_until(sender, lambda: any(OLD in body for body in stub.bodies))
    own = sender.queues["sender"]
    run_until(sender, lambda: not own.gaps() and not gaps.asks(own.folder) and not own.backlog_bytes())
    assert sender.parked.newest(100) == []
    sender.close()
    for _, tag in list(outputs.paths.values())[:4]:
        assert set(revisions(stub, tag).values()) == {1.0}


def test_the_first_start_writes_what_the_local_history_has(stub: StubInflux, tmp_path: Path) -> None:
    """[influx] is switched on at a site that has run before; the second start asks for nothing."""
    with world(tmp_path, plant_for(stub.url), begun=False) as site:
        site.history.write(site.step(60))
        sender = site.sender()
        assert gaps.asks(sender.queues["0"].folder)
        run_until(sender, lambda: not sender.queues["0"].gaps() and not gaps.asks(sender.queues["0"].folder))
        sender.look()
        assert not any(one.rule_id == "andon-influx-gap" for one in site.records.alarms())
        sender.close()
        points = parse(b"".join(stub.bodies))
        assert sum(point.measurement == "window" for point in points) == 240
        assert {"oee", "cold_chain", "state"} < {point.measurement for point in points}
        second = site.sender()
        assert gaps.asks(second.queues["0"].folder) == second.queues["0"].gaps() == []
        second.close()


def test_a_bucket_that_was_made_is_filled(site: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sender = site.sender()
    sender.link.made = True
    monkeypatch.setattr(sender._refill, "step", lambda: False)  # looked at before it is taken
    sender.step()
    assert len(gaps.asks(sender.queues["0"].folder)) == 1
    assert not sender.link.made
    sender.close()


def test_what_the_bucket_no_longer_keeps_is_not_parked_by_a_refill(site: World, stub: StubInflux) -> None:
    told = (
        b'{"message":"partial write: dropped 9 points outside retention policy of duration 1h0m0s - oldest point '
        b'm at x dropped because it violates a Retention Policy Lower Bound at 2100-01-01T00:00:00Z"}'
    )
    stub.always = lambda body: (422, {}, told) if b"window," in body else None
    site.history.write(site.step(60))
    sender = site.sender()
    gaps.ask_refill(sender.queues["0"].folder, {"window": (site.step.start_ns, site.step.start_ns + HOUR_NS)})
    run_until(sender, lambda: not gaps.asks(sender.queues["0"].folder) and not sender.queues["0"].gaps())
    assert (sender.parked.total(), len(stub.paths) > 0) == (0, True)
    sender.close()


def test_the_queue_of_the_sender_does_not_fill_up(
    site: World, stub: StubInflux, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state of the parts waits for room, too."""
    stub.always = lambda _body: (503, {}, b"")
    sender = site.sender()
    monkeypatch.setattr("service.influx_sender.PIPELINE_ROOM_BYTES", 3_000)
    for _ in range(60):
        sender._due["pipeline"] = 0.0
        sender.step()
    assert 3_000 <= sender.queues["sender"].backlog_bytes() < 6_000
    sender.close()
