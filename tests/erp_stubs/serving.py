"""What the stubs share: a server on a thread, faults on demand, and records checked after the system's file."""

from __future__ import annotations

import socket
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sinks.erp.system import read_system

Reply = tuple[int, Mapping[str, str], bytes]


@dataclass(frozen=True)
class Asked:
    """A request. path: without the query, unquoted."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes


@dataclass
class Row:
    """A record of the stub. key and revision are read from it by the connector's own fields, not from here."""

    model: str
    id: int
    fields: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)


class RefuseError(Exception):
    """The stub refuses a request: by one of the errors of its system's file, or by words of its own."""

    def __init__(self, error: str, *, says: str = "") -> None:
        super().__init__(error)
        self.error, self.says = error, says


class Stub(ABC):
    """A system's server. faults: of the next requests, in order; "lost" answers nothing after the work is done.

    Any name of the file's errors may be a fault: that answer is given and nothing done. "-" lets a request pass.
    """

    def __init__(self, system: str) -> None:
        self.system = read_system(system)
        self.rows: list[Row] = []
        self.faults: deque[str] = deque()
        self.asked: list[Asked] = []
        self.lock = threading.Lock()
        self.now_s = 1_767_225_600.0  # of the records' creation; tests move it

    @abstractmethod
    def handle(self, asked: Asked) -> Reply:
        """The answer of a system that works. Raises RefuseError."""

    def refusal(self, refused: RefuseError) -> Reply:
        """An error in the system's shape."""
        told = self.system["errors"][refused.error]
        body = str(told["body"])
        headers = {str(name): str(value) for name, value in told.get("headers", {}).items()}
        kind = "application/json" if body.startswith("{") else "text/html"
        if refused.says:
            body = self.worded(refused.says)
        return int(told["status"]), {"content-type": kind, **headers}, body.encode()

    def worded(self, says: str) -> str:
        """An error body with words of the stub's own."""
        return says

    @abstractmethod
    def key_of(self, row: Row) -> str:
        """The key that a record carries, "" for none."""

    @abstractmethod
    def revision_of(self, row: Row) -> int:
        """The revision that a record holds."""

    @abstractmethod
    def finish(self, row: Row) -> None:
        """A person closes the record."""

    def attached(self) -> list[tuple[str, str, bytes]]:
        """Record, name and content of each file."""
        return []

    def answer(self, asked: Asked) -> Reply | None:
        """The answer with its fault; None cuts the connection."""
        with self.lock:
            self.asked.append(asked)
            fault = self.faults.popleft() if self.faults else "-"
            if fault not in {"-", "lost"}:
                return self.refusal(RefuseError(fault))
            try:
                reply = self.handle(asked)
            except RefuseError as refused:
                reply = self.refusal(refused)
        return None if fault == "lost" else reply

    def checked(self, kind: str, fields: Mapping[str, Any], *, new: bool) -> None:
        """Raises RefuseError for a field that is not in the file, one too long, or a required one that is missing."""
        known = self.system["kind"][kind]["fields"]
        for name, value in fields.items():
            if name not in known:
                raise RefuseError(self.bad(), says=f"unknown field {name}")
            most = known[name].get("max")
            if most is not None and len(str(value)) > most:
                raise RefuseError(self.bad(), says=f"{name} is longer than {most}")
        missing = [name for name, told in known.items() if told.get("required") and name not in fields]
        if new and missing:
            raise RefuseError(self.bad(), says=f"{missing[0]} is missing")

    def bad(self) -> str:
        """The error of a request that breaks a rule of the model."""
        return "refused"

    def kind_of(self, model: str) -> str:
        """The kind of order that a model is for."""
        for kind, told in self.system["kind"].items():
            if told["model"] == model:
                return str(kind)
        raise RefuseError("no_model" if "no_model" in self.system["errors"] else self.bad(), says=f"no model {model}")

    def of(self, model: str) -> list[Row]:
        """The records of a model, oldest first."""
        return [row for row in self.rows if row.model == model]

    def add(self, model: str, fields: dict[str, Any]) -> Row:
        """A new record."""
        row = Row(model, len(self.rows) + 1, fields)
        self.rows.append(row)
        return row


@contextmanager
def serving(stub: Stub) -> Iterator[str]:
    """The stub's address on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, unquote(parts.path), dict(parse_qsl(parts.query)), headers, content)
            reply = stub.answer(asked)
            if reply is None:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            status, told, body = reply
            self.send_response(status)
            for name, value in told.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("content-length", str(len(body)))
            self.end_headers()
            if status != 204:
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = _serve  # noqa: N815 - the names the server calls

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
