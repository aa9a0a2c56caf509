"""One topic and what is sent on it: feeds, one after the other, through a publisher, for ever."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence

import structlog
from prometheus_client import Gauge

from andon.errors import AndonError
from sinks.kafka.message import Feed
from sinks.kafka.publisher import Publisher

MOST = 5_000  # messages a round trip
PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
_waiting = Gauge(
    "andon_kafka_out_backlog_bytes", "Bytes on disk that are not with the broker.", ["topic", "feed"],
    multiprocess_mode="livemostrecent",
)  # fmt: skip
log = structlog.get_logger()


class TopicSender:
    """Sends what the feeds give, each in its own order. Nothing is confirmed to a feed before the broker has it.

    A failure pauses the topic for 1 to 30 s and the same messages are sent again, for as long as it takes. Messages
    that the broker refuses for good are counted, logged as errors and left out; their origin keeps them.
    """

    def __init__(
        self, topic: str, feeds: Sequence[Feed], publisher: Publisher, *, most: int = MOST,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:  # fmt: skip
        self.topic, self._feeds, self._publisher, self._most = topic, list(feeds), publisher, most
        self._pauses_s = tuple(pauses_s)
        self._failures = 0
        self._since = 0.0  # when the first failure of a row of them was
        self._told: str | None = None
        self._refused = 0

    def look(self) -> tuple[float, int, int]:
        """How long nothing has been taken, s; most bytes that wait for a feed; messages refused or given up.

        May be called from any thread.
        """
        away_s = time.monotonic() - self._since if self._failures else 0.0
        waiting = max((feed.backlog_bytes() for feed in self._feeds), default=0)
        return away_s, waiting, self._refused + sum(feed.lost for feed in self._feeds)

    def step(self) -> tuple[int, bool]:
        """One list of each feed; (messages confirmed, whether all went well). Stops at the first failure."""
        confirmed = 0
        for feed in self._feeds:
            try:
                messages = feed.read(self._most)
                if messages:
                    sent = self._publisher.send(self.topic, messages)
                    feed.confirm(sent.confirmed)
                    confirmed += sent.confirmed
                    self._refused += len(sent.refused)
                    if sent.error is not None:
                        self._failed(feed, sent.error)
                        return confirmed, False
                    self._well(feed, len(messages))
                _waiting.labels(self.topic, feed.name).set(feed.backlog_bytes())
            except (AndonError, OSError, sqlite3.Error) as error:  # a database is busy, a disk is full
                self._failed(feed, type(error).__name__, str(error))
                return confirmed, False
        self._failures, self._told = 0, None
        return confirmed, True

    def run(self, stop: threading.Event, beat: Callable[[], None] = lambda: None, *, poll_s: float = 0.2) -> None:
        """Send until `stop` is set. beat: called at least every few seconds, for a watchdog."""
        while not stop.is_set():
            beat()
            confirmed, well = self.step()
            if not well:
                self._pause(stop, beat)
            elif not confirmed:
                stop.wait(poll_s)
        self._publisher.close()

    def _pause(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        until = time.monotonic() + self._pauses_s[min(self._failures, len(self._pauses_s)) - 1]
        while not stop.is_set() and (left_s := until - time.monotonic()) > 0:
            beat()
            stop.wait(min(left_s, 1.0))

    def _failed(self, feed: Feed, error: str, detail: str = "") -> None:
        self._failures += 1
        if self._failures == 1:
            self._since = time.monotonic()
        if error != self._told:
            self._told = error
            log.warning("kafka_out.retrying", topic=self.topic, feed=feed.name, error=error, detail=detail)

    def _well(self, feed: Feed, messages: int) -> None:
        if self._failures:
            seconds = round(time.monotonic() - self._since, 1)
            log.warning("kafka_out.recovered", topic=self.topic, feed=feed.name, messages=messages, after_s=seconds)
        self._failures, self._told = 0, None
