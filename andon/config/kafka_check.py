"""Checks of [transport.kafka]: it is there when it is needed, logs in with all it takes, and shows no secret."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from andon.config.deployment import Kafka
from andon.config.loopback import is_loopback
from andon.config.models import Transport
from andon.config.problems import Loc, Problem, shown
from andon.config.validate import Draft

SHOWS_PASSWORD = ("PLAIN", "OAUTHBEARER")  # to whoever listens, without TLS


def check_kafka(draft: Draft) -> Iterator[Problem]:
    """Faults of [transport.kafka]."""
    transport: Transport | None = draft.section("transport", Transport())
    if transport is None:
        return
    if transport.kafka is None:
        if transport.kind == "kafka":
            yield Problem("config.no_kafka", draft.document.place(("transport", "kind")))
        return
    yield from _brokers(draft, transport.kafka)
    yield from _login(draft, transport.kafka)
    if (transport.kafka.cert_file is None) != (transport.kafka.key_file is None):
        yield Problem("config.kafka_half", draft.document.place(_loc("cert_file")))


def _loc(key: str) -> Loc:
    return ("transport", "kafka", key)


def _brokers(draft: Draft, kafka: Kafka) -> Iterator[Problem]:
    for broker in kafka.brokers.split(","):
        host, colon, port = broker.strip().rpartition(":")
        if not (colon and host and port.isascii() and port.isdigit() and 0 < int(port) < 65_536 and "/" not in host):
            yield Problem("config.brokers", draft.document.place(_loc("brokers")), found=shown(broker.strip()))


def _login(draft: Draft, kafka: Kafka) -> Iterator[Problem]:
    if kafka.sasl is None:
        return
    if kafka.user is None:
        yield Problem("config.sasl_needs", draft.document.place(_loc("sasl")), sasl=kafka.sasl, key="user")
    beyond = not all(is_loopback(broker.strip().rpartition(":")[0]) for broker in kafka.brokers.split(","))
    if kafka.sasl in SHOWS_PASSWORD and not kafka.tls and beyond:
        yield Problem("config.sasl_plain", draft.document.place(_loc("sasl")), sasl=kafka.sasl)
    if kafka.sasl != "OAUTHBEARER":
        return
    if kafka.oauth_url is None:
        yield Problem("config.sasl_needs", draft.document.place(_loc("sasl")), sasl=kafka.sasl, key="oauth_url")
        return
    place = draft.document.place(_loc("oauth_url"))
    try:
        url = urlsplit(kafka.oauth_url)
        host, usable = url.hostname or "", url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        host, usable = "", False
    if "@" in kafka.oauth_url.partition("://")[2].partition("/")[0]:
        yield Problem("config.kafka_secret", place)  # the value is not shown: it holds a password
    elif not usable:
        yield Problem("config.url", place, found=shown(kafka.oauth_url))
    elif kafka.oauth_url.startswith("http:") and not is_loopback(host):
        yield Problem("config.url_plain", place, found=shown(kafka.oauth_url))
