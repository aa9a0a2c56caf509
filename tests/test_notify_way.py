"""The way out to people over real sockets: a mail server and a chat's HTTP on this machine, and what they may do."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from andon.config.people import Address
from andon.errors import ConfigError
from andon.secrets import Secret
from sinks.notify.way import AppriseWay, NotifyError, address_url, variable

# A plugin of Apprise that nobody here uses imports it, when Apprise looks for its plugins.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


class Chat(BaseHTTPRequestHandler):
    """Answers as its server says: a status, a wait before it."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((self.path, json.loads(body)))  # type: ignore[attr-defined]  # set below
        time.sleep(self.server.wait_s)  # type: ignore[attr-defined]  # set below
        self.send_response(self.server.status)  # type: ignore[attr-defined]  # set below
        self.send_header("location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@contextmanager
def chat(status: int = 200, wait_s: float = 0.0) -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Chat) as server:
        server.got, server.status, server.wait_s = [], status, wait_s  # type: ignore[attr-defined]  # for the handler
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


class Mail(socketserver.StreamRequestHandler):
    """As much of SMTP as one message needs."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.got.append(b"".join(lines))  # type: ignore[attr-defined]  # set below
            refused = self.server.refuses and word == b"RCPT"  # type: ignore[attr-defined]  # set below
            self.wfile.write(
                b"550 no such person\r\n" if refused else b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n"
            )


@contextmanager
def mail(*, refuses: bool = False) -> Iterator[socketserver.ThreadingTCPServer]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail) as server:
        server.daemon_threads = True
        server.got, server.refuses = [], refuses  # type: ignore[attr-defined]  # for the handler
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


def url(server: socketserver.BaseServer, scheme: str = "json", rest: str = "/secret-path") -> Secret:
    return Secret(f"{scheme}://127.0.0.1:{server.server_address[1]}{rest}")  # type: ignore[index]  # an address pair


def test_a_chat_takes_it_and_the_proof_says_so() -> None:
    with chat() as server:
        proof = json.loads(AppriseWay(5.0).send(url(server), "高级报警", "门开着"))
        [(_, told)] = server.got  # type: ignore[attr-defined]  # set above
    assert (told["title"], told["message"]) == ("高级报警", "门开着")
    assert proof["status"] == "SUCCESS"
    assert "secret-path" not in str(proof)


def test_a_mail_server_takes_it() -> None:
    with mail() as server:
        way = url(server, "mailto", "?from=andon@example.com&to=li@example.com")
        proof = json.loads(AppriseWay(5.0).send(way, "High alarm", "The door is open."))
        [message] = server.got  # type: ignore[attr-defined]  # set above
    assert b"Subject: High alarm" in message
    assert b"li@example.com" in message
    assert proof["status"] == "SUCCESS"


@pytest.mark.parametrize("status", [302, 404, 429, 500])
def test_a_refusal_is_no_proof_and_shows_no_address(status: int) -> None:
    with chat(status) as server, pytest.raises(NotifyError) as error:
        AppriseWay(5.0).send(url(server), "t", "b")
    assert len(server.got) == 1, "a redirect is not followed"  # type: ignore[attr-defined]  # set above
    assert "secret-path" not in error.value.detail
    assert "secret-path" not in str(error.value)


def test_a_mail_server_that_knows_nobody_is_no_proof() -> None:
    with mail(refuses=True) as server, pytest.raises(NotifyError):
        AppriseWay(5.0).send(url(server, "mailto", "?from=andon@example.com&to=li@example.com"), "t", "b")


def test_who_hangs_holds_nobody_up_for_long() -> None:
    began = time.monotonic()
    with chat(wait_s=3.0) as server, pytest.raises(NotifyError):
        AppriseWay(0.5).send(url(server), "t", "b")
    assert time.monotonic() - began < 10


def test_nobody_there_and_nonsense() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(NotifyError) as away:
        AppriseWay(2.0).send(Secret(f"json://127.0.0.1:{port}/x"), "t", "b")
    assert away.value.code == "people.not_taken"
    with pytest.raises(NotifyError) as nonsense:
        AppriseWay(2.0).send(Secret("no address at all"), "t", "b")
    assert nonsense.value.code == "people.address_unusable"


def test_an_address_is_read_from_the_environment_else_from_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mail.url"
    file.write_text("json://from-file/\n")
    file.chmod(0o600)
    address = Address(name="mail", url_file=str(file))
    assert address_url("li.wei", address).reveal() == "json://from-file/"
    monkeypatch.setenv(variable("li.wei", "mail"), "json://from-environment/")
    assert address_url("li.wei", address).reveal() == "json://from-environment/"
    with pytest.raises(NotifyError) as none:
        address_url("ana", Address(name="sms"))
    assert "ANDON_ADDRESS_ANA_SMS" in none.value.detail
    with pytest.raises(ConfigError):
        address_url("ana", Address(name="sms", url_file=str(tmp_path / "missing")))
