"""One call: bounded time and size, no redirects, every outcome what it means."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from sinks.erp.http import Answer, Caller, judged
from sinks.erp.port import BrokenError, BusyError, RefusedError, UnavailableError

Serve = Callable[[socket.socket, bytes], None]


@contextmanager
def receiver(serve: Serve) -> Iterator[tuple[str, list[bytes]]]:
    """A server of one's own: its address, and the head of each request."""
    heads: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def run() -> None:
        while not done.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                head = b""
                while b"\r\n\r\n" not in head and (part := connection.recv(65_536)):
                    head += part
                heads.append(head)
                with suppress(OSError):  # the caller hung up, which is what some tests want
                    serve(connection, head)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", heads
    finally:
        done.set()
        listening.shutdown(socket.SHUT_RDWR)  # wakes accept, which closing alone does not
        listening.close()
        thread.join(5)


def answering(status: str, body: bytes = b"{}", *headers: str) -> Serve:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers])
    return lambda connection, _head: connection.sendall(head.encode() + b"\r\n\r\n" + body)


def test_an_answer_is_told_whole():
    with receiver(answering("201 Created", b'{"a": 1}', "X-Thing: 7")) as (url, heads), Caller(url) as caller:
        answer = caller.ask("POST", "/a", content=b"{}", headers={"x-one": "1"}, params={"q": "a b&c"})
    assert (answer.status, answer.ok, answer.table(), answer.headers["x-thing"]) == (201, True, {"a": 1}, "7")
    assert heads[0].startswith((b"POST /a?q=a%20b%26c ", b"POST /a?q=a+b%26c "))
    assert b"x-one: 1" in heads[0].lower()


def test_a_receiver_that_drips_does_not_hold_the_sender():
    def drip(connection: socket.socket, _head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        for _ in range(200):
            connection.sendall(b"x")
            time.sleep(0.05)

    with receiver(drip) as (url, _), Caller(url, timeout_s=0.4) as caller:
        began = time.monotonic()
        with pytest.raises(UnavailableError):
            caller.ask("GET", "/")
        assert time.monotonic() - began < 3


def test_a_redirect_is_not_followed():
    with receiver(answering("302 Found", b"", "Location: /other")) as (url, heads), Caller(url) as caller:
        with pytest.raises(BrokenError):
            judged(caller.ask("GET", "/"))
        assert len(heads) == 1


def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with receiver(answering("200 OK")) as (url, _), Caller(url) as caller:
        assert caller.ask("GET", "/").status == 200


def test_too_long_an_answer_is_broken():
    long = answering("200 OK", b"x" * 2000)
    with receiver(long) as (url, _), Caller(url, max_answer=1000) as caller, pytest.raises(BrokenError, match="1000"):
        caller.ask("GET", "/")


def test_what_is_no_http_is_an_error_of_ours():
    with receiver(lambda connection, _head: connection.sendall(b"hello\r\n\r\n")) as (url, _), Caller(url) as caller:
        with pytest.raises((BrokenError, UnavailableError)) as caught:
            caller.ask("GET", "/")
        assert url not in str(caught.value)


@pytest.mark.parametrize(
    "whole", [b"HTTP/1.1 200 OK\\r\\nx-drip: ", b"HTTP/1.1 200 OK\\r\\ncontent-length: 50\\r\\n\\r\\n"]
)
def test_a_server_that_drips_its_answer_is_left_at_the_deadline(whole):
    def drip(connection, _head):
        connection.sendall(whole)
        for _ in range(40):
            time.sleep(0.1)
            connection.sendall(b"x")

    with receiver(drip) as (url, _), Caller(url, timeout_s=0.5) as caller:
        begun = time.monotonic()
        with pytest.raises(UnavailableError):
            caller.ask("GET", "/")
        assert time.monotonic() - begun < 1.5


def test_cookies_are_sent_back():
    with receiver(answering("200 OK", b"{}", "Set-Cookie: session=7; path=/")) as (url, heads), Caller(url) as caller:
        caller.ask("GET", "/")
        caller.ask("GET", "/")
    assert b"cookie: session=7" not in heads[0].lower()
    assert b"cookie: session=7" in heads[1].lower()


MEANINGS = {
    200: None, 204: None, 301: BrokenError, 400: RefusedError, 401: RefusedError, 404: RefusedError, 408: BusyError,
    409: BrokenError, 417: RefusedError, 422: RefusedError, 429: BusyError, 500: BrokenError, 501: BrokenError,
    502: UnavailableError, 503: BusyError, 504: UnavailableError, 508: BrokenError,
}  # fmt: skip


@pytest.mark.parametrize(("status", "meaning"), MEANINGS.items())
def test_each_status_has_its_meaning(status, meaning):
    answer = Answer(status, b"said", {}, 3.0)
    if meaning is None:
        assert judged(answer) is answer
        return
    with pytest.raises(meaning, match="said") as caught:
        judged(answer)
    assert caught.value.status == status
    assert caught.value.retry_after_s == (None if meaning is RefusedError else 3.0)
    with pytest.raises(meaning, match="explained"):
        judged(answer, lambda _answer: "explained")


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"1", b"null"])
def test_only_an_object_is_a_table(content):
    with pytest.raises(BrokenError, match="not a JSON object"):
        Answer(200, content).table()
    if content in {b"", b"<html>"}:
        with pytest.raises(BrokenError, match="not JSON"):
            Answer(200, content).value()
    else:
        assert Answer(200, content).value() == json.loads(content)
