"""Emptying the queues: order, waits, what is said of it; over HTTP against a server that misbehaves."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from andon.clock import ManualClock
from andon.readings import NS_PER_S
from andon.secrets import Secret
from sinks.influx.client import AwayError, InfluxClient
from sinks.influx.drain import DENIED_S, Drain
from sinks.influx.parked import ParkedLines
from sinks.segments import SegmentReader, SegmentWriter
from tests.influx_world import Answer, StubInflux

START = 1_800_000_000 * NS_PER_S


class Site:
    """Two queues, a drain, a clock that moves when told."""

    def __init__(self, folder: Path, url: str) -> None:
        self.clock = ManualClock(START)
        self.writers = {name: SegmentWriter(folder / name, segment_bytes=300) for name in ("0", "1")}
        for writer in self.writers.values():
            writer.restore(None)
        self.client = InfluxClient(url, "o", "b", Secret("token-of-a-test"), timeout_s=0.5, clock=self.clock)
        self.parked = ParkedLines(folder / "parked.db")
        self.readers = {name: SegmentReader(folder / name) for name in self.writers}
        self.drain = Drain(
            self.readers, self.client.write, self.parked, clock=self.clock, rng=random.Random(1), batch_rows=7
        )
        self.number = 0

    def put(self, count: int, queue: str = "0") -> list[bytes]:
        lines = [b"m,a=b x=%d %d" % (number, number) for number in range(self.number, self.number + count)]
        self.number += count
        self.writers[queue].write(b"\n".join(lines) + b"\n", count)
        return lines

    def close(self) -> None:
        for writer in self.writers.values():
            writer.close()
        for reader in self.readers.values():
            reader.close()
        self.client.close()
        self.parked.close()


@pytest.fixture
def stub() -> Iterator[StubInflux]:
    server = StubInflux()
    yield server
    server.stop()


@pytest.fixture
def site(tmp_path: Path, stub: StubInflux) -> Iterator[Site]:
    one = Site(tmp_path, stub.url)
    yield one
    one.close()


def drained(site: Site) -> None:
    for _ in range(200):
        if not site.drain.step() and all(reader.backlog_bytes() == 0 for reader in site.readers.values()):
            return
        site.clock.advance(40)
    raise AssertionError("never empty")


def test_all_lines_in_their_order_in_batches(site: Site, stub: StubInflux) -> None:
    first, second = site.put(40), site.put(20, "1")
    drained(site)
    assert [line for line in stub.lines if line in first] == first
    assert [line for line in stub.lines if line in second] == second
    assert max(body.count(b"\n") for body in stub.bodies) <= 7
    assert stub.paths[0] == "/api/v2/write?org=o&bucket=b&precision=ns"
    assert stub.tokens[0] == "Token token-of-a-test"
    assert site.drain.look() == {"0": 0, "1": 0}


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_kept(site: Site, stub: StubInflux, status: int) -> None:
    lines = site.put(3)
    stub.answers = [(status, {"Retry-After": "90"}, b"")]
    assert site.drain.step() == 0
    assert 90 <= site.drain.waiting_s() <= 90 * 1.2
    site.clock.advance(89)
    assert site.drain.step() == 0
    assert len(stub.paths) == 1
    site.clock.advance(20)
    assert site.drain.step() == 3
    assert stub.lines == lines


def test_retry_after_as_a_date(site: Site, stub: StubInflux) -> None:
    site.put(1)
    stub.answers = [(503, {"Retry-After": "Fri, 15 Jan 2027 08:02:00 GMT"}, b"")]
    site.drain.step()
    assert 120 <= site.drain.waiting_s() <= 144


def test_waits_grow_and_end_with_the_first_success(site: Site, stub: StubInflux) -> None:
    lines = site.put(5)
    stub.answers = [(500, {}, b"")] * 6
    waits = []
    for _ in range(6):
        assert site.drain.step() == 0
        waits.append(site.drain.waiting_s())
        site.clock.advance(waits[-1] + 0.1)
    assert waits == sorted(waits)
    assert waits[0] <= 1.0
    assert waits[-1] <= 30.0
    assert site.drain.health.away_ns == START
    assert site.drain.step() == 5
    assert site.drain.waiting_s() == 0.0
    assert site.drain.look() == {"0": 0, "1": 0}
    assert vars(site.drain.health)["away_ns"] is None
    assert stub.lines == lines


def test_a_lost_answer_means_written_twice_not_lost(site: Site, stub: StubInflux) -> None:
    """The server hangs beyond the timeout, having taken the lines."""
    lines = site.put(4)
    stub.hold.clear()
    assert site.drain.step() == 0
    assert isinstance(site.drain.health.away_ns, int)
    stub.hold.set()
    site.clock.advance(5)
    assert site.drain.step() == 4
    assert set(stub.lines) == set(lines)


def test_a_refused_token_is_not_hammered(site: Site, stub: StubInflux) -> None:
    site.put(5)
    stub.always = lambda _body: (401, {}, b'{"message":"unauthorized access"}')
    for _ in range(100):
        site.drain.step()
        site.clock.advance(5)
    assert len(stub.paths) <= 1 + 500 / (0.8 * DENIED_S)
    assert site.drain.health.denied == "401: unauthorized access"
    stub.always = lambda _body: None
    site.drain.try_now()
    assert site.drain.step() == 5
    assert site.drain.health.denied == ""


def test_too_large_makes_batches_smaller_for_good(site: Site, stub: StubInflux) -> None:
    site.drain.batch_rows = 400
    lines = site.put(400)
    stub.always = lambda body: (413, {}, b"") if body.count(b"\n") > 100 else None
    drained(site)
    assert stub.lines == lines
    assert site.drain.batch_rows == 100


def test_bad_lines_do_not_hold_up_the_queue(site: Site, stub: StubInflux) -> None:
    lines = site.put(30)
    wrong = {lines[3], lines[20]}

    def answer(body: bytes) -> tuple[int, dict[str, str], bytes] | None:
        bad = [line.decode() for line in body.splitlines() if line in wrong]
        told = "\\n".join(f"unable to parse '{line}': missing fields" for line in bad)
        return (400, {}, f'{{"code":"invalid","message":"{told}"}}'.encode()) if bad else None

    stub.always = answer
    drained(site)
    assert set(stub.lines) == set(lines) - wrong
    assert {one.line.encode() for one in site.parked.newest(10)} == wrong
    assert site.readers["0"].backlog_rows() == 0


def test_an_outage_in_the_middle_of_a_search_parks_nothing_twice(site: Site, stub: StubInflux) -> None:
    lines = site.put(6)
    wrong = lines[2]
    conflict: Answer = (422, {}, b'{"message":"partial write: field type conflict dropped=1"}')
    stub.answers = [conflict, (503, {}, b"")]
    stub.always = lambda body: conflict if wrong in body.splitlines() else None
    assert site.drain.step() == 0
    assert site.parked.total() == 0
    drained(site)
    assert [one.line.encode() for one in site.parked.newest(10)] == [wrong]
    assert set(stub.lines) == set(lines) - {wrong}


def test_a_clock_set_back_does_not_wait_for_years(site: Site, stub: StubInflux) -> None:
    site.put(1)
    stub.answers = [(500, {}, b"")]
    site.drain.step()
    site.clock.advance(-365 * 86_400)
    assert site.drain.step() == 1


def test_a_drip_of_an_answer_does_not_hold_the_sender(stub: StubInflux) -> None:
    """Each byte comes in time, the whole does not."""
    del stub
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
            for _ in range(100):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return
                time.sleep(0.1)

    thread = threading.Thread(target=drip)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    begun = time.monotonic()
    with InfluxClient(url, "o", "b", Secret("t"), timeout_s=0.4) as client, pytest.raises(AwayError):
        client.write(b"m x=1\n")
    assert time.monotonic() - begun < 5
    listener.close()
    thread.join()
