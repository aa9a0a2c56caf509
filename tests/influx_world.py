"""Shared by the tests of the way to InfluxDB: a plant, outputs of a flow, an HTTP server that misbehaves to order."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from andon.clock import SystemClock
from andon.config.deployment import Influx
from andon.datafolder import DataFolder
from andon.outputs import Figure, LedgerRows, ShardOutputs, StateChanges, WindowRows
from andon.plant import PlantModel
from andon.readings import NS_PER_S
from andon.records import Records, site_records
from flows.influx import InfluxPartition, OutputEncoder, influx_partition
from operators.oee import PARTS
from service.influx_link import Link
from service.influx_sender import InfluxSender
from service.web.history_source import cold_chain_names
from simulators.truth import demo_plant
from sinks.history import HistoryWriter
from sinks.influx.feeds import Positions

HOUR_NS = 3600 * NS_PER_S
ROOM, FILLER = ("cold/room1", "air"), ("fill/line1/filler", "state")


def recent_ns() -> int:
    """The begin of an hour, some hours ago: inside every retention."""
    return (SystemClock().now_ns() // HOUR_NS - 6) * HOUR_NS


def plant_for(url: str, bucket: str = "andon", **given: object) -> PlantModel:
    """The demo plant, with one shard and [influx]."""
    config = demo_plant().config
    influx = Influx(url=url, bucket=bucket, **{"long_bucket": None, "timeout_s": 5.0, **given})
    transport = config.transport.model_copy(update={"shards": 1})
    assets = tuple(asset.model_copy(update={"shard": None}) for asset in config.asset)
    return PlantModel(config.model_copy(update={"influx": influx, "transport": transport, "asset": assets}))


def paths_of(plant: PlantModel, kind: str, count: int) -> dict[int, tuple[str, str]]:
    """The first series of a kind, with ids."""
    found = [path for path, spec in plant.series.items() if spec.kind == kind]
    return dict(enumerate(found[:count]))


def window_rows(start_ns: int, count: int, series: Sequence[int], seed: int = 0, size_s: int = 60) -> WindowRows:
    """`count` windows after one another of each series."""
    rng = np.random.default_rng(seed)
    n = count * len(series)
    mean = np.round(rng.normal(5.0, 1.0, n), 3) + rng.normal(0, 1e-9, n)
    return WindowRows(
        np.tile(np.array(series, np.int32), count), np.full(n, size_s * NS_PER_S),
        start_ns + np.repeat(np.arange(count), len(series)) * size_s * NS_PER_S, np.zeros(n, np.int32),
        rng.integers(1, 60, n), mean - 1, mean + 1, mean, rng.random(n), mean - 0.5, mean + 0.5,
        np.where(rng.random(n) < 0.5, np.nan, rng.random(n)),
    )  # fmt: skip


@dataclass
class Step:
    """Makes the outputs of one step after another."""

    plant: PlantModel
    start_ns: int = field(default_factory=recent_ns)
    offset: int = 0

    def __call__(self, minutes: int = 10) -> ShardOutputs:
        numbers = paths_of(self.plant, "number", 4)
        states = {10 + key: path for key, path in paths_of(self.plant, "state", 1).items()}
        begin = self.start_ns + self.offset * 60 * NS_PER_S
        self.offset += minutes
        state = next(iter(states))
        (asset, _), (room, tag) = states[state], numbers[0]
        hour = begin // HOUR_NS * HOUR_NS
        oee = {name: float(place + self.offset) for place, name in enumerate(PARTS)} | {"pri_pq_s": None}
        cold = {name: float(place) for place, name in enumerate(cold_chain_names())} | {"mkt": None}
        return ShardOutputs(
            0, self.offset - minutes + 1, self.offset, begin + minutes * 60 * NS_PER_S, 100,
            windows=window_rows(begin, minutes, list(numbers), self.offset),
            figures=(
                Figure(asset, "", "oee", hour, hour + HOUR_NS, 0, False, oee),
                Figure(room, tag, "cold_chain", hour, hour + HOUR_NS, self.offset, True, cold),
            ),
            states=StateChanges(
                np.full(2, state, np.int32), begin + np.array([1, 7], np.int64) * NS_PER_S, np.array([6.0, np.nan])
            ),
            ledger=(ledger_rows(self.offset, list(numbers), hour),),
            paths=numbers | states,
        )  # fmt: skip


def outputs_of(shard: int, offset: int, ledger: LedgerRows, paths: dict[int, tuple[str, str]]) -> ShardOutputs:
    """A step that gives nothing but ledger rows."""
    newest = int(ledger.hour_ns.max()) + HOUR_NS
    return ShardOutputs(shard, offset, offset, newest, 1, ledger=(ledger,), paths=paths)


def ledger_rows(as_of: int, series: Sequence[int], hour_ns: int) -> LedgerRows:
    """One more row counted of each series, one of which no series could be read."""
    ids = np.array([-1, *series], np.int32)
    one, zero = np.ones(len(ids), np.int64), np.zeros(len(ids), np.int64)
    dead = (ids < 0).astype(np.int64)
    return LedgerRows(as_of, ids, np.full(len(ids), hour_ns), one, one - dead, zero, zero, zero, dead, zero)


@dataclass
class World:
    """A site with its flow's writers, without a flow."""

    plant: PlantModel
    data: DataFolder
    records: Records
    partition: InfluxPartition
    history: HistoryWriter
    step: Step

    def write(self, minutes: int = 10) -> ShardOutputs:
        """What a flow does at a step, and at the end of its epoch."""
        outputs = self.step(minutes)
        self.history.write(outputs)
        self.partition.write_batch([outputs])
        self.partition.snapshot()
        return outputs

    def sender(self) -> InfluxSender:
        """The sender, as its process has it. To be closed."""
        assert self.plant.config.influx is not None
        link = Link(self.plant.config, self.plant.config.influx, Path())
        return InfluxSender(self.plant.config, self.data, self.records, link, OutputEncoder(self.plant), SystemClock())


@contextmanager
def world(folder: Path, plant: PlantModel, *, begun: bool = True) -> Iterator[World]:
    """A site in a folder. begun: its sender has run before, so it does not write the whole history once more."""
    data = DataFolder(folder / "data")
    data.create(plant.config.site.id, 1)
    if begun:
        Positions(data.segments("influx", "feeds.json")).put("since", 0)
    records = site_records(plant.config, data).open()
    partition = influx_partition(plant, data, 0, None)
    history = HistoryWriter(data.history_db(0), 0)
    try:
        yield World(plant, data, records, partition, history, Step(plant))
    finally:
        partition.close()
        history.close()
        records.close()


def run_until(sender: InfluxSender, done: Callable[[], bool], seconds: float = 20.0) -> None:
    """Let the sender work until something is so; AssertionError when it never is."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it never came"
        if not sender.step():
            time.sleep(0.01)


Answer = tuple[int, dict[str, str], bytes]


class StubInflux:
    """An HTTP server that takes lines, or answers as it is told: `answers` first, then `always`, else 204."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.always: Callable[[bytes], Answer | None] = lambda _body: None
        self.bodies: list[bytes] = []
        self.tokens: list[str] = []
        self.paths: list[str] = []
        self.hold = threading.Event()
        self.hold.set()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                stub.paths.append(self.path)
                stub.tokens.append(self.headers["Authorization"])
                stub.hold.wait(10)
                answer = stub.answers.pop(0) if stub.answers else stub.always(body)
                status, headers, content = answer or (204, {}, b"")
                if status == 204:
                    stub.bodies.append(body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self) -> None:
                self.send_error(404)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def lines(self) -> list[bytes]:
        """Every line that was taken."""
        return [line for body in self.bodies for line in body.splitlines()]

    def stop(self) -> None:
        """End it."""
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubInflux]:
    """The server that misbehaves to order; its token is in the environment."""
    monkeypatch.setenv("ANDON_INFLUX_TOKEN", "token-of-a-test")
    server = StubInflux()
    yield server
    server.stop()
