"""A broker that asks who is there: TLS, and each way to log in, for the reader, the producer and the start."""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from andon.clock import SystemClock
from andon.config.deployment import Kafka
from andon.errors import SourceError
from andon.kafka import PASSWORD, client_settings
from sources.kafka import KafkaReader, Position
from sources.kafka.producer import KafkaLog, log_client
from sources.kafka.settings import consumer_settings
from sources.kafka.topic import partitions_of
from tests.kafka_world import new_topic, read_all

pytestmark = pytest.mark.real
SECRET = "a-long-secret"
MODULE = "org.apache.kafka.common.security"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A certificate of 127.0.0.1 that is its own authority."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "key.pem", "-out",
         folder / "ca.pem", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "both.pem").write_text((folder / "key.pem").read_text() + (folder / "ca.pem").read_text())
    return folder


@pytest.fixture
def broker(kafka_broker_factory, certificates):
    plain = f'{MODULE}.plain.PlainLoginModule required user_andon="{SECRET}";'
    return kafka_broker_factory(settings={
        "listener.security.protocol.map": "CLIENT:SASL_SSL,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "ssl.keystore.type": "PEM", "ssl.keystore.location": str(certificates / "both.pem"),
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512,OAUTHBEARER",
        "listener.name.client.plain.sasl.jaas.config": plain,
        "listener.name.client.scram-sha-512.sasl.jaas.config": f"{MODULE}.scram.ScramLoginModule required;",
        "listener.name.client.oauthbearer.sasl.jaas.config":
            f"{MODULE}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub='broker';",
        "listener.name.client.oauthbearer.sasl.server.callback.handler.class":
            f"{MODULE}.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler",
    })  # fmt: skip


class Tokens(BaseHTTPRequestHandler):
    """A token endpoint that knows andon's secret; its tokens are unsigned, which the test's broker believes."""

    asked: ClassVar[list[str]] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        given = base64.b64decode(self.headers["authorization"].removeprefix("Basic ")).decode()
        Tokens.asked.append(body)
        if given != f"andon:{SECRET}":
            self.send_response(401)
            self.end_headers()
            return
        now = int(time.time())
        parts = ({"alg": "none"}, {"sub": "andon", "iat": now, "exp": now + 300})
        coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
        answer = json.dumps({"access_token": ".".join(coded) + ".", "expires_in": 300}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def token_url():
    Tokens.asked.clear()
    server = HTTPServer(("127.0.0.1", 0), Tokens)
    threading.Thread(target=server.serve_forever).start()
    yield f"http://127.0.0.1:{server.server_port}/token"
    server.shutdown()
    server.server_close()


def round_trip(kafka, topic, folder):
    """Look, append, read."""
    settings = client_settings(kafka, folder, "test")
    assert partitions_of(settings, topic, 20.0) == 1
    last = KafkaLog(log_client(settings, 20.0), topic, 0, SystemClock()).append([kafka.sasl.encode()])
    with KafkaReader(consumer_settings(kafka, "szh1", 0), topic, 0, Position(last - 1, 0)) as source:
        ((found,),) = read_all(source, 1)
    assert found.body == kafka.sasl.encode()


@pytest.mark.slow
def test_each_way_to_log_in_over_tls(broker, certificates, token_url, monkeypatch, tmp_path, capfd, caplog):
    monkeypatch.setenv(PASSWORD, SECRET)
    inside = f"127.0.0.1:{broker._internal}"
    topic, admin = new_topic(inside), AdminClient({"bootstrap.servers": inside, "log_level": 0})
    credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    change = UserScramCredentialUpsertion("andon", credential, SECRET.encode(), b"salt")
    admin.alter_user_scram_credentials([change])["andon"].result(20)
    common = {"brokers": broker.bootstrap, "topic": topic, "tls": True, "ca_file": str(certificates / "ca.pem")}
    with caplog.at_level(logging.DEBUG):
        for sasl in ("PLAIN", "SCRAM-SHA-512"):
            round_trip(Kafka(**common, sasl=sasl, user="andon"), topic, tmp_path)
        oauth = Kafka(**common, sasl="OAUTHBEARER", user="andon", oauth_url=token_url, oauth_scope="kafka")
        round_trip(oauth, topic, tmp_path)
        assert "scope=kafka" in Tokens.asked[0]
        monkeypatch.setenv(PASSWORD, "another-secret")
        for wrong in (Kafka(**common, sasl="PLAIN", user="andon"), oauth):
            with pytest.raises(SourceError) as caught:
                partitions_of(client_settings(wrong, tmp_path, "test"), topic, 4.0)
            assert caught.value.code == "kafka.away"
            assert "secret" not in caught.value.text("en")
    monkeypatch.setenv(PASSWORD, SECRET)
    untrusted = Kafka(**{**common, "ca_file": None}, sasl="PLAIN", user="andon")
    with pytest.raises(SourceError) as caught:
        partitions_of(client_settings(untrusted, tmp_path, "test"), topic, 4.0)
    assert "certificate" in caught.value.text("en").lower()
    out = capfd.readouterr()
    assert SECRET not in out.out + out.err + caplog.text
