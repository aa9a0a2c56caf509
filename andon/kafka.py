"""What every Kafka client of Andon shares: how it reaches the broker and proves who it is. Opens no connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from andon.clock import SystemClock
from andon.config.deployment import Kafka
from andon.config.loopback import is_loopback
from andon.errors import ConfigError
from andon.readings import NS_PER_S
from andon.secrets import Secret, read_secret

PASSWORD = "ANDON_KAFKA_PASSWORD"  # noqa: S105 - the variable's name
TOKEN_TIMEOUT_S = 10.0
LIFE_S = 300.0  # of a token whose server does not say


def client_settings(kafka: Kafka, base: Path, client: str) -> dict[str, Any]:
    """The configuration that producers, consumers and admin clients of confluent-kafka have in common.

    base   : folder of plant.toml; relative file names are beside it.
    client : client.id, as the broker's logs and quotas show it.
    Raises ConfigError where the password or a setting that belongs to it is missing. The result holds the password:
    hand it to the client at once, never log it.
    """
    settings: dict[str, Any] = {
        "bootstrap.servers": kafka.brokers,
        "client.id": client,
        "security.protocol": ("sasl_" if kafka.sasl else "") + ("ssl" if kafka.tls else "plaintext"),
        "log_level": 0,  # its lines go to standard error past our log; errors come through callbacks
        "socket.keepalive.enable": True,
        "allow.auto.create.topics": False,  # a broker's defaults are not what `andon topics create` makes
        "reconnect.backoff.max.ms": 5_000,
    }
    if kafka.tls:
        files = {
            "ssl.ca.location": kafka.ca_file,
            "ssl.certificate.location": kafka.cert_file,
            "ssl.key.location": kafka.key_file,
        }
        settings |= {name: str(base / file) for name, file in files.items() if file is not None}
    if kafka.sasl:
        settings |= _login(kafka, base)
    return settings


def _login(kafka: Kafka, base: Path) -> dict[str, Any]:
    file = str(base / kafka.password_file) if kafka.password_file else None
    password = read_secret(PASSWORD, file, "transport.kafka.password_file")
    if password is None:
        raise ConfigError("secret.missing", where="transport.kafka.password_file", variable=PASSWORD)
    if kafka.user is None:
        raise ConfigError("kafka.no_user", sasl=kafka.sasl)
    if kafka.sasl != "OAUTHBEARER":
        return {"sasl.mechanisms": kafka.sasl, "sasl.username": kafka.user, "sasl.password": password.reveal()}
    return {"sasl.mechanisms": kafka.sasl, "oauth_cb": oauth_callback(kafka, password)}


@dataclass(frozen=True, slots=True)
class _TokenRequest:
    url: str
    user: str
    secret: Secret
    scope: str | None

    def __call__(self, _config: str) -> tuple[str, float]:
        """Ask for a token with the client credentials grant; (token, when it ends, s since the epoch).

        Raises httpx.HTTPError or ValueError, without the secret in it; librdkafka asks again after 10 s.
        """
        import httpx  # takes 0.1 s, and only this way of logging in needs it

        form = {"grant_type": "client_credentials", **({"scope": self.scope} if self.scope else {})}
        answer = httpx.post(
            self.url, data=form, auth=(self.user, self.secret.reveal()), timeout=TOKEN_TIMEOUT_S,
            follow_redirects=False, trust_env=False,
        )  # fmt: skip
        if answer.status_code != httpx.codes.OK:
            raise ValueError(f"the token endpoint answered {answer.status_code}")
        content = answer.json()
        token = content.get("access_token") if isinstance(content, dict) else None
        if not isinstance(token, str) or not token:
            raise ValueError("the token endpoint's answer has no access_token")
        return Secret(token).reveal(), SystemClock().now_ns() / NS_PER_S + float(content.get("expires_in", LIFE_S))


def oauth_callback(kafka: Kafka, secret: Secret) -> Callable[[str], tuple[str, float]]:
    """`oauth_cb` for OAUTHBEARER, called from a thread of librdkafka before each token ends (RFC 6749, 4.4).

    Raises ConfigError when oauth_url is missing, or plain http beyond loopback.
    """
    if kafka.oauth_url is None or kafka.user is None:
        raise ConfigError("kafka.no_oauth_url")
    url = urlsplit(kafka.oauth_url)
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.hostname or "")):
        raise ConfigError("kafka.oauth_plain", host=url.hostname or "-")
    return _TokenRequest(kafka.oauth_url, kafka.user, secret, kafka.oauth_scope)
