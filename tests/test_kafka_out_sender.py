"""The sending side without a broker: nothing counts as sent before its callback, whatever fails and whenever."""

from __future__ import annotations

import sqlite3
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from andon.config.deployment import Kafka
from service.kafka_sender import STUCK_S, Pulse, main
from sinks.kafka import publisher as publishing_module
from sinks.kafka.message import Outgoing
from sinks.kafka.publisher import Publisher, Sent, producer_settings
from sinks.kafka.sender import TopicSender
from tests.kafka_out_world import Site, publishing

NOBODY = "127.0.0.1:9"  # the discard port: nobody listens


def message(number: int, value: bytes = b"x") -> Outgoing:
    return Outgoing(b"k", value, [("id", b"%d" % number)])


class ListFeed:
    """Messages 0 to n - 1."""

    name = "list"

    def __init__(self, count: int) -> None:
        self.count, self.done, self.offered = count, 0, 0

    def read(self, most: int) -> list[Outgoing]:
        self.offered = min(most, self.count - self.done)
        return [message(number) for number in range(self.done, self.done + self.offered)]

    def confirm(self, count: int) -> None:
        assert 0 <= count <= self.offered
        self.done += count

    def backlog_bytes(self) -> int:
        return self.count - self.done


class ScriptedBroker:
    """Takes as many of each list as the script says and then fails; takes all when the script is at its end."""

    def __init__(self, script: list[int | None]) -> None:
        self.script, self.got = list(script), []

    def send(self, topic: str, messages: list[Outgoing]) -> Sent:
        taken = self.script.pop(0) if self.script else None
        some = messages if taken is None else messages[:taken]
        self.got += [one.headers[0][1] for one in some]
        failed = taken is not None and taken < len(messages)
        return Sent(len(some), (), "_TIMED_OUT" if failed else None)

    def close(self) -> None:
        """Nothing is open."""


@given(script=st.lists(st.one_of(st.none(), st.integers(0, 6)), max_size=12), count=st.integers(0, 30))
def test_every_message_is_sent_once_and_in_order_whatever_fails(script, count):
    broker, feed = ScriptedBroker(script), ListFeed(count)
    sender = TopicSender("t", [feed], broker, most=5, pauses_s=(0.0,))
    for _ in range(count + len(script) + 1):
        sender.step()
    assert broker.got == [b"%d" % number for number in range(count)]
    assert feed.done == count


def test_a_failing_feed_is_not_passed_over():
    """One partition of a store that cannot be read: the topic pauses, tells, and goes on."""

    class Busy(ListFeed):
        def read(self, most: int) -> list[Outgoing]:
            if not self.offered:
                self.offered = 1
                raise sqlite3.OperationalError("database is locked")
            return super().read(most)

    feed, broker = Busy(3), ScriptedBroker([])
    sender = TopicSender("t", [feed], broker)
    assert sender.step() == (0, False)
    assert sender.step() == (3, True)


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def publisher(timeout_s: float, stop: threading.Event, brokers: str = NOBODY, beat=lambda: None, **more) -> Publisher:
    settings = {"bootstrap.servers": brokers, "log_level": 0, **more}
    return Publisher(settings | producer_settings(Kafka(brokers=brokers), timeout_s), timeout_s, stop, beat)


def test_nothing_is_sent_to_a_broker_that_is_not_there():
    """Bytewax's own sink ends here with exit status 0 and no error."""
    beats: list[float] = []
    one = publisher(1.0, threading.Event(), beat=lambda: beats.append(time.monotonic()))
    before = counted("andon_kafka_out_failures_total", topic="t", reason="_MSG_TIMED_OUT")
    sent = one.send("t", [message(number) for number in range(50)])
    assert (sent.confirmed, sent.refused) == (0, ())
    assert sent.error == "_MSG_TIMED_OUT"
    assert counted("andon_kafka_out_failures_total", topic="t", reason="_MSG_TIMED_OUT") == before + 50
    assert len(beats) > 2
    one.close()


def test_a_sender_that_is_told_to_end_does_not_wait_for_the_broker(monkeypatch):
    monkeypatch.setattr(publishing_module, "LEAVING_S", 0.2)
    stop = threading.Event()
    stop.set()
    one = publisher(3_600.0, stop)
    assert one.send("t", [message(1)]) == Sent(0, (), "_TIMED_OUT")


def test_a_message_that_no_broker_takes_is_left_out_and_counted():
    one = publisher(1.0, threading.Event(), **{"message.max.bytes": 1_000})
    before = counted("andon_kafka_out_messages_total", topic="big", outcome="refused")
    sent = one.send("big", [message(1, bytes(2_000)), message(2)])
    assert (sent.confirmed, sent.refused, sent.error) == (1, (0,), "_MSG_TIMED_OUT")
    assert counted("andon_kafka_out_messages_total", topic="big", outcome="refused") == before + 1


@pytest.mark.parametrize("setting", ["ssl.ca.location", "ssl.key.location"])
def test_a_certificate_that_cannot_be_read_costs_no_message(tmp_path, setting):
    one = publisher(1.0, threading.Event(), **{"security.protocol": "ssl", setting: str(tmp_path / "gone.pem")})
    assert one.send("t", [message(1), message(2)]) == Sent(0, (), "_FAIL")


def test_our_own_queue_may_be_smaller_than_a_list(monkeypatch):
    one = publisher(1.0, threading.Event(), **{"queue.buffering.max.messages": 4})
    assert one.send("t", [message(number) for number in range(10)]) == Sent(0, (), "_MSG_TIMED_OUT")


def test_the_sign_of_life_stops_with_one_thread(monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr("service.kafka_sender.time.monotonic", lambda: now[0])
    beats: list[float] = []
    pulse = Pulse(lambda: beats.append(now[0]), ["windows", "alarms"])
    windows = pulse.of("windows")
    for _ in range(5):
        now[0] += STUCK_S / 2 - 1
        windows()
        pulse()
    assert len(beats) == 2


def test_a_site_that_publishes_nothing_needs_no_sender(tmp_path):
    from andon.errors import ConfigError

    site = Site(tmp_path / "data", publishing(NOBODY, "t.", out=()))
    with pytest.raises(ConfigError) as caught:
        main(["--config", str(site.config_file()), "--data", str(site.data.path)])
    assert caught.value.code == "kafka_out.none"
