"""Emptying the local queues into InfluxDB: batches, waits, parking, and what is known of how it goes.

Delivery class: at least once; every point replaces itself, so the effect is exactly once. A queue's lines go in their
order, one batch in flight; a batch is only done when each of its lines is written or parked.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from prometheus_client import Counter, Gauge

from andon.clock import Clock, SystemClock
from andon.readings import NS_PER_S
from sinks.influx.client import DeniedError, InfluxError, TooLargeError
from sinks.influx.delivery import BadLine, deliver
from sinks.influx.parked import ParkedLines
from sinks.segments import SegmentReader

BATCH_ROWS = 5_000  # the server's cost a line is lowest from here on
BATCH_BYTES = 4_000_000
FEWEST_ROWS = 50
GAPS_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
OUTSIDE = "outside retention policy"  # InfluxDB's words for points older than it keeps
DENIED_S = 300.0  # a wrong token is not mended by asking again

_LIVE: Final = "livemostrecent"
BACKLOG = Gauge("andon_influx_backlog_bytes", "Bytes that InfluxDB has not got.", ["queue"], multiprocess_mode=_LIVE)
ROWS = Gauge("andon_influx_backlog_rows", "Lines that InfluxDB has not got.", ["queue"], multiprocess_mode=_LIVE)
OLDEST = Gauge("andon_influx_oldest_seconds", "Age of the oldest of them.", ["queue"], multiprocess_mode=_LIVE)
SUCCESS = Gauge(
    "andon_influx_last_success_timestamp_seconds", "When InfluxDB last took something.", multiprocess_mode=_LIVE
)
WRITTEN = Counter("andon_influx_written_lines_total", "Lines written to InfluxDB; again after a lost answer.")
PARKED = Counter("andon_influx_parked_lines_total", "Lines that InfluxDB refused for good.")
REQUESTS = Counter("andon_influx_requests_total", "Write requests, by what became of them.", ["outcome"])
log = structlog.get_logger()


@dataclass
class Health:
    """How writing goes. Times in ns of the machine; None: never, or not so now."""

    success_ns: int | None = None
    away_ns: int | None = None  # since when nothing is taken
    denied: str = ""  # why InfluxDB refuses us as a whole


@dataclass
class Drain:
    """Empties `queues` through `write`. Not safe for use by several threads.

    write   : writes lines or raises an InfluxError.
    gaps_s  : waits after 1, 2, ... failures in a row, s; the last repeats. Up to 20 % is taken off by chance.
    """

    queues: Mapping[str, SegmentReader]
    write: Callable[[bytes], None]
    parked: ParkedLines
    clock: Clock = field(default_factory=SystemClock)
    gaps_s: Sequence[float] = GAPS_S
    rng: random.Random = field(default_factory=random.Random)
    health: Health = field(default_factory=Health)
    batch_rows: int = BATCH_ROWS
    _failures: int = 0
    _pause_ns: int = 0
    _pause_until_ns: int = 0
    _told: str = ""

    def step(self) -> int:
        """Deliver one batch of each queue; returns how many lines. 0: nothing there, or it is time to wait."""
        if self.waiting_s() > 0:
            return 0
        delivered = 0
        for name, reader in self.queues.items():
            try:
                delivered += self._batch(name, reader)
            except InfluxError as error:
                reader.rewind()
                self.failed(error)
                break
            except (OSError, sqlite3.Error):
                reader.rewind()
                raise
        return delivered

    def send(self, name: str, lines: Sequence[bytes]) -> bool:
        """Deliver lines that stand in no queue; whether each is written or parked. If not, give all of them again.

        What InfluxDB refuses as older than it keeps is not parked: whoever reads such lines anew has them still.
        """
        try:
            for start in range(0, len(lines), self.batch_rows):
                some = lines[start : start + self.batch_rows]
                bad = deliver(self._request, some)
                self._settled(name, some, bad, [one for one in bad if OUTSIDE not in one.reason])
        except InfluxError as error:
            self.failed(error)
            return False
        return True

    def waiting_s(self) -> float:
        """Seconds until the next request may be made; 0: now."""
        wait_ns = self._pause_until_ns - self.clock.now_ns()
        # More is left than was meant: the clock was set back, and a pause of seconds must not become one of an hour.
        return wait_ns / NS_PER_S if 0 < wait_ns <= self._pause_ns else 0.0

    def try_now(self) -> None:
        """Something has changed (a new token): do not wait any longer."""
        self._pause_until_ns = 0

    def look(self) -> dict[str, int]:
        """Set the gauges; returns the backlog of each queue, bytes."""
        backlog = {name: reader.backlog_bytes() for name, reader in self.queues.items()}
        for name, reader in self.queues.items():
            BACKLOG.labels(name).set(backlog[name])
            ROWS.labels(name).set(reader.backlog_rows())
            OLDEST.labels(name).set(reader.oldest_s() or 0.0)
        return backlog

    def _batch(self, name: str, reader: SegmentReader) -> int:
        data, position = reader.read(BATCH_BYTES, self.batch_rows)
        if not data:
            return 0
        lines = data.split(b"\n")[:-1]
        bad = deliver(self._request, lines)
        self._settled(name, lines, bad, bad, lambda: reader.done(position))
        return len(lines)

    def _settled(
        self, name: str, lines: Sequence[bytes], bad: Sequence[BadLine], park: Sequence[BadLine],
        done: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        """Lines are delivered but for the bad ones: `park` them, and only then call `done`."""
        now_ns = self.clock.now_ns()
        self.parked.put(park, now_ns)
        done()
        if park:
            PARKED.inc(len(park))
            log.error("influx.parked", queue=name, lines=len(park), status=park[0].status, reason=park[0].reason[:300])
        self._succeeded(now_ns, len(lines) - len(bad))

    def _request(self, lines: bytes) -> None:
        try:
            self.write(lines)
        except InfluxError as error:
            REQUESTS.labels(error.kind.removeprefix("influx.")).inc()
            if isinstance(error, TooLargeError):
                self.batch_rows = min(self.batch_rows, max(FEWEST_ROWS, lines.count(b"\n") // 2))
            raise
        REQUESTS.labels("written").inc()

    def _succeeded(self, now_ns: int, written: int) -> None:
        WRITTEN.inc(written)
        SUCCESS.set(now_ns / NS_PER_S)
        if self._failures:
            since_ns = self.health.away_ns or now_ns
            log.warning("influx.recovered", after_s=round((now_ns - since_ns) / NS_PER_S, 1))
        self._failures, self._pause_until_ns, self._told = 0, 0, ""
        self.health = Health(success_ns=now_ns)

    def failed(self, error: InfluxError) -> None:
        """InfluxDB did not take something: wait before the next request."""
        now_ns = self.clock.now_ns()
        self._failures += 1
        wait_s = self.gaps_s[min(self._failures, len(self.gaps_s)) - 1]
        denied = isinstance(error, DeniedError)
        if denied:
            wait_s = max(DENIED_S, wait_s)
        wait_s *= self.rng.uniform(0.8, 1.0)
        if error.retry_after_s is not None:
            wait_s = error.retry_after_s * self.rng.uniform(1.0, 1.2)  # never before it
        self._pause_ns = round(wait_s * NS_PER_S)
        self._pause_until_ns = now_ns + self._pause_ns
        self.health.denied = f"{error.status}: {error.detail}" if denied else ""
        self.health.away_ns = self.health.away_ns or now_ns
        told = f"{error.kind} {error.status} {error.detail}"
        if told != self._told:
            self._told = told
            level = log.error if denied else log.warning
            level("influx.retrying", kind=error.kind, status=error.status, detail=error.detail, wait_s=round(wait_s, 1))
