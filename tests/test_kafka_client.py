"""What all Kafka clients share: TLS, logins, tokens; secrets that show themselves nowhere."""

from __future__ import annotations

import http.server
import json
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from confluent_kafka import Producer

from andon.config.deployment import Kafka
from andon.errors import ConfigError
from andon.i18n import LANGUAGES
from andon.kafka import PASSWORD, client_settings, oauth_callback
from andon.secrets import REDACTED, Secret, redact

BASE = Path("/plant")


def kafka(**more: object) -> Kafka:
    return Kafka.model_validate({"brokers": "broker:9093", **more})


CASES = {
    "plain": ({}, {"security.protocol": "plaintext"}),
    "tls": ({"tls": True}, {"security.protocol": "ssl"}),
    "own-authority": (
        {"tls": True, "ca_file": "ca.pem"}, {"security.protocol": "ssl", "ssl.ca.location": "/plant/ca.pem"},
    ),
    "mutual": (
        {"tls": True, "cert_file": "/c.pem", "key_file": "k.pem"},
        {"ssl.certificate.location": "/c.pem", "ssl.key.location": "/plant/k.pem"},
    ),
    "scram": (
        {"tls": True, "sasl": "SCRAM-SHA-512", "user": "andon"},
        {"security.protocol": "sasl_ssl", "sasl.mechanisms": "SCRAM-SHA-512", "sasl.username": "andon",
         "sasl.password": "s3cret-of-kafka"},
    ),
    "plain-login": ({"sasl": "PLAIN", "user": "andon"}, {"security.protocol": "sasl_plaintext"}),
}  # fmt: skip


@pytest.mark.parametrize(("given", "wanted"), CASES.values(), ids=CASES.keys())
def test_settings(monkeypatch, given, wanted):
    monkeypatch.setenv(PASSWORD, "s3cret-of-kafka")
    found = client_settings(kafka(**given), BASE, "andon-s1")
    assert found | wanted == found
    assert (found["bootstrap.servers"], found["client.id"], found["log_level"]) == ("broker:9093", "andon-s1", 0)
    assert "ssl.endpoint.identification.algorithm" not in found  # librdkafka's default checks the name
    if not given.get("sasl"):
        assert not [name for name in found if name.startswith("sasl.")]
    if "ssl.certificate.location" not in found and "ssl.ca.location" not in found:
        Producer(found)  # librdkafka knows every name


def test_the_password_comes_from_a_file_and_is_redacted_from_then_on(monkeypatch, tmp_path):
    monkeypatch.delenv(PASSWORD, raising=False)
    (tmp_path / "password").write_text("out-of-a-file\n")
    (tmp_path / "password").chmod(0o600)
    found = client_settings(kafka(sasl="PLAIN", user="u", password_file="password"), tmp_path, "c")
    assert found["sasl.password"] == "out-of-a-file"
    assert redact("refused: out-of-a-file") == f"refused: {REDACTED}"


REFUSED = {
    "no-password": ({"sasl": "PLAIN", "user": "u"}, None, "secret.missing"),
    "no-user": ({"sasl": "PLAIN"}, "x", "kafka.no_user"),
    "no-token-endpoint": ({"sasl": "OAUTHBEARER", "user": "u"}, "x", "kafka.no_oauth_url"),
    "endpoint-in-the-clear": (
        {"sasl": "OAUTHBEARER", "user": "u", "oauth_url": "http://idp.example.com/t"}, "x", "kafka.oauth_plain",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "password", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_an_incomplete_login_is_told(monkeypatch, given, password, code):
    monkeypatch.delenv(PASSWORD, raising=False)
    if password is not None:
        monkeypatch.setenv(PASSWORD, password)
    with pytest.raises(ConfigError) as caught:
        client_settings(kafka(**given), BASE, "c")
    assert caught.value.code == code
    for language in LANGUAGES:
        assert not caught.value.text(language).startswith(code)


@pytest.fixture
def idp():
    """A token endpoint that says what it is told to; (url, requests, answers)."""
    requests, answers = [], []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name http.server calls
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            requests.append((self.headers["Authorization"], parse_qs(form)))
            status, body = answers[min(len(requests), len(answers)) - 1]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/token", requests, answers
        server.shutdown()
        thread.join()


def asking(url: str):
    given = {"sasl": "OAUTHBEARER", "user": "andon", "oauth_url": url, "oauth_scope": "kafka"}
    return oauth_callback(kafka(**given), Secret("client-secret"))


def test_a_token_is_asked_for_with_the_client_credentials(idp):
    url, requests, answers = idp
    answers.append((200, json.dumps({"access_token": "tok.en-1", "expires_in": 60}).encode()))
    before = time.time()
    token, ends_s = asking(url)("")
    assert token == "tok.en-1"
    assert before + 59 < ends_s < time.time() + 61
    authorization, form = requests[0]
    assert authorization.startswith("Basic ")
    assert form == {"grant_type": ["client_credentials"], "scope": ["kafka"]}
    assert redact("token tok.en-1") == f"token {REDACTED}"


BAD = {
    "refused": (401, b'{"error": "client-secret"}'), "not-json": (200, b"<html>"), "no-token": (200, b"{}"),
    "a-list": (200, b"[]"), "empty": (200, b'{"access_token": ""}'),
    "no-number": (200, b'{"access_token": "x", "expires_in": "y"}'),
}  # fmt: skip


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD.keys())
def test_an_answer_without_a_token_is_an_error_that_tells_no_secret(idp, answer):
    url, _, answers = idp
    answers.append(answer)
    with pytest.raises(ValueError) as caught:
        asking(url)("")
    assert "client-secret" not in str(caught.value)


def test_the_secret_does_not_show_in_the_callback():
    assert "client-secret" not in repr(asking("http://127.0.0.1:1/token"))


def test_a_client_asks_by_itself(idp, monkeypatch):
    """librdkafka calls from a thread of its own, before it first connects."""
    url, requests, answers = idp
    monkeypatch.setenv(PASSWORD, "client-secret")
    answers.append((200, json.dumps({"access_token": "abc.def.ghi", "expires_in": 600}).encode()))
    given = {"sasl": "OAUTHBEARER", "user": "andon", "oauth_url": url, "brokers": "127.0.0.1:9"}
    producer = Producer(client_settings(kafka(**given), BASE, "c"))
    deadline = time.monotonic() + 10.0
    while not requests and time.monotonic() < deadline:
        producer.poll(0.1)
    assert requests
