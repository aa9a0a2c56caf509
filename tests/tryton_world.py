"""Shared by the tests with a real Tryton: orders as the records write them, and a proxy that loses answers."""

from __future__ import annotations

import itertools
import random
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from andon.records.canonical import alarm_key, canonical
from andon.records.events import event_body
from service.servers import Tryton, free_port
from sinks.erp.mapping import Terms
from sinks.erp.tryton import TrytonConnector
from tests.records_world import START_NS

MACHINES = Terms(equipment={"line/m0": "LATHE-07", "line/m1": "FILLER-2"})
_numbers = itertools.count(1)


def connector(
    url: str, server: Tryton, *, kind: type[TrytonConnector] = TrytonConnector, **given: Any
) -> TrytonConnector:
    """A connector to the server, straight or through a proxy at `url`."""
    return kind(url, server.token, **{"terms": MACHINES, "timeout_s": 10.0, **given})


def order(kind: str = "quality_event", *, key: str | None = None, revision: int = 1, **changes: Any) -> dict[str, Any]:
    """Arguments of `open`: kind, key, body. A key that no other order of the run has."""
    number = next(_numbers)
    key = key or alarm_key("szh1", "line/m0", "air", f"rule{number}", START_NS + number)
    row = {
        "key": key, "site": "szh1", "asset": "line/m0", "tag": "air", "rule_id": "too-warm", "rule_version": "v1",
        "condition": "above", "limit": 8.0, "unit": "Cel", "priority": "high", "raises": kind, "peak": 9.5,
        "out_s": 600.0, "found_late": 0, "evidence": "{}", "start_ns": START_NS, "confirmed_ns": START_NS + 10**9,
        "cleared_ns": None, "revision": revision, "merged_into": None, "voided": 0, "begun_ns": None,
    }  # fmt: skip
    return {"kind": kind, "key": key, "body": event_body(row | changes).encode()}


def report(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """An order that no alarm raised, as `order`."""
    key = f"{kind[:8].replace('_', 'a')}{next(_numbers):012d}".ljust(20, "a")[:20]
    event = {"subject": key, "type": f"andon.{kind}.opened", "data": {"revision": 1, **data}}
    return {"kind": kind, "key": key, "body": canonical(event)}


class LossyProxy:
    """In front of a server: hands requests on whole, and of some answers nothing, though the server has committed.

    share  : of the answers that are lost. lost, calls: counted.
    faults : of the next requests, before `share` counts: "lost", "limited", "broken", "-" for none.
    """

    ANSWERS: ClassVar[dict[str, bytes]] = {
        "limited": b"HTTP/1.1 429 Busy\r\nRetry-After: 3\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "broken": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    }

    def __init__(self, server: Tryton, share: float, seed: int) -> None:
        self.port, self.share, self.lost, self.calls = free_port(), share, 0, 0
        self.faults: deque[str] = deque()
        self._target, self._rng, self._lock = server.port, random.Random(seed), threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self.url = f"http://127.0.0.1:{self.port}/erp"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listening.close()

    def lose_next(self) -> None:
        """The next answer is lost."""
        self.share = 2.0

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """Request for request, each over a connection of its own to the server."""
        with client, suppress(OSError):
            client.settimeout(60)
            while request := _message(client):
                fault = self.faults.popleft() if self.faults else "-"
                if fault in self.ANSWERS:
                    client.sendall(self.ANSWERS[fault])
                    return
                with socket.create_connection(("127.0.0.1", self._target), timeout=60) as server:
                    server.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
                    answer = b"".join(iter(lambda server=server: server.recv(65536), b""))
                if not answer or fault == "lost" or self._loses():
                    return
                client.sendall(answer)
                return  # the server's answer says that it closes

    def _loses(self) -> bool:
        with self._lock:
            self.calls += 1
            loses = self._rng.random() < self.share
            if self.share > 1.0:
                self.share = 0.0
            self.lost += loses
            return loses


def _message(client: socket.socket) -> bytes:
    """One whole request: its head, and as much as it says there is to come."""
    read = b""
    while b"\r\n\r\n" not in read:
        more = client.recv(65536)
        if not more:
            return b""
        read += more
    head, _, body = read.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < int(lengths[0] if lengths else 0):
        body += client.recv(65536)
    head = b"\r\n".join(line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:"))
    return head + b"\r\n\r\n" + body


@contextmanager
def lossy(server: Tryton, share: float = 0.0, seed: int = 1) -> Iterator[LossyProxy]:
    """The proxy, while it is needed."""
    proxy = LossyProxy(server, share, seed)
    try:
        yield proxy
    finally:
        proxy.close()
