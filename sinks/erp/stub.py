"""A stub ERP for the demo and for tests: takes signed events, gives out numbers, and fails on purpose.

    python -m sinks.erp.stub --port 0 --db erp.db --secret-file secret --faults 7

It prints one line of JSON with its address. Loopback only. POST /events, GET /records?key= and
GET /records?since_ns=&after= are as in docs/erp-webhook.md; GET /records (all), /stats and /ping are for people and
checkers, without a signature, and so is POST /standing, by which a person says how a record stands.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from sinks.erp.stub_store import StubStore
from sinks.erp.webhook import MAX_BODY, check_secret

Address = tuple[str, int]
KIND = re.compile("[a-z][a-z_]{0,39}")

# Share of requests that meet each fault. "lost": the record is committed, then the connection is cut.
RATES = {"busy": 0.06, "error": 0.05, "unavailable": 0.04, "slow": 0.03, "lost": 0.10}
PAGE = 200  # records of one page of the list
REFUSALS = {"busy": 429, "error": 500, "unavailable": 503}


@dataclass
class Faults:
    """Which fault the next request meets: a seeded sequence. No seed: none."""

    seed: int | None = None
    rates: Mapping[str, float] = field(default_factory=lambda: dict(RATES))
    slow_s: float = 1.0
    retry_after_s: int = 1

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)  # noqa: S311 - repeatable on purpose

    def draw(self) -> str | None:
        """The next request's fault."""
        if self.seed is None:
            return None
        drawn = self._rng.random()
        for fault, rate in self.rates.items():
            if drawn < rate:
                return fault
            drawn -= rate
        return None


class StubErp:
    """The routes. strict: a repeated event is a validation error (400), as from an ERP that only knows UNIQUE."""

    def __init__(self, store: StubStore, secret: str, faults: Faults | None = None, *, strict: bool = False) -> None:
        self.store, self.faults, self.strict = store, faults or Faults(), strict
        self._verifier = Webhook(check_secret(secret))
        self.connections: dict[Address, asyncio.Transport] = {}
        self.app = Starlette(
            routes=[
                Route("/events", self._events, methods=["POST"]),
                Route("/records", self._records, methods=["GET"]),
                Route("/standing", self._standing, methods=["POST"]),
                Route("/stats", self._stats, methods=["GET"]),
                Route("/ping", self._ping, methods=["GET"]),
            ]
        )

    async def _events(self, request: Request) -> Response:
        raw = await request.body()
        fault = self.faults.draw()
        return await self._answered(request, fault, lambda: self._take(request, raw))

    async def _records(self, request: Request) -> Response:
        key, after = request.query_params.get("key"), request.query_params.get("after")
        if key is not None:
            return await self._answered(request, self.faults.draw(), lambda: self._find(request, key))
        if after is not None:
            return await self._answered(request, self.faults.draw(), lambda: self._list(request, after))
        return JSONResponse({"records": self.store.records()})

    async def _standing(self, request: Request) -> Response:
        told = await request.json()
        self.store.settle(
            told["key"], told["status"], closed=told["closed"], verdict=told.get("verdict", ""),
            comment=told.get("comment", ""),
        )  # fmt: skip
        return JSONResponse({"ok": True})

    async def _stats(self, _request: Request) -> Response:
        return JSONResponse(self.store.stats())

    async def _ping(self, _request: Request) -> Response:
        return JSONResponse({"ok": True})

    async def _answered(self, request: Request, fault: str | None, work: Callable[[], Response]) -> Response:
        """The answer that the fault leaves of the work's one."""
        if fault in REFUSALS:
            headers = {"retry-after": str(self.faults.retry_after_s)} if fault == "busy" else {}
            answer: Response = _refused(REFUSALS[fault], f"fault: {fault}", headers)
        else:
            answer = work()
        status = None if fault == "lost" else answer.status_code
        self.store.log_request(request.method, request.headers.get("webhook-id", ""), fault, status)
        if fault == "slow":
            await asyncio.sleep(self.faults.slow_s)
        elif fault == "lost":
            self._cut(request)
        return answer

    def _cut(self, request: Request) -> None:
        client = request.scope.get("client")
        transport = self.connections.get(tuple(client)) if client else None
        if transport is not None:
            transport.abort()  # the client sees a reset, with not one byte of an answer

    def _signed(self, request: Request, raw: bytes, message_id: str | None) -> bool:
        try:
            self._verifier.verify(raw, dict(request.headers), json_parse=False)
        except (WebhookVerificationError, ValueError):  # ValueError: headers of a shape the library does not expect
            return False
        return message_id is None or request.headers["webhook-id"] == message_id

    def _take(self, request: Request, raw: bytes) -> Response:
        if len(raw) >= MAX_BODY:
            return _refused(413, f"at most {MAX_BODY} bytes")
        if not self._signed(request, raw, None):
            return _refused(401, "the signature does not fit")
        event, problem = _event(raw)
        if event is None or event["id"] != request.headers["webhook-id"]:
            return _refused(400, problem or "webhook-id is not the event's id")
        taken = self.store.take(event, raw)
        if taken.effect == "conflict":
            return _refused(409, "the same event id came with another body")
        if taken.effect == "none" and self.strict:
            return _refused(400, "external key must be unique")
        return JSONResponse(taken.record, status_code=201 if taken.effect == "created" else 200)

    def _find(self, request: Request, key: str) -> Response:
        if not self._signed(request, b"", f"find.{key}"):
            return _refused(401, "the signature does not fit")
        return JSONResponse({"records": [{**one, **self.store.standing(key)} for one in self.store.find(key)]})

    def _list(self, request: Request, after: str) -> Response:
        """A page; `since_ns` is not looked at: older records may be told too."""
        if not self._signed(request, b"", f"list.{after}"):
            return _refused(401, "the signature does not fit")
        if not after.isdigit():
            return _refused(400, "after: the last id of the page before, 0 for the first")
        page = self.store.page(int(after), PAGE)
        return JSONResponse({"records": page, "next": page[-1]["id"] if len(page) == PAGE else None})


def _refused(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"message": message}, status_code=status, headers=dict(headers or {}))


def _event(raw: bytes) -> tuple[dict[str, Any] | None, str]:
    """The event, or what is wrong with it."""
    try:
        event = json.loads(raw)
        kind = event["type"].split(".")
        fits = event["specversion"] == "1.0" and kind[0] == "andon" and len(kind) == 3 and KIND.fullmatch(kind[1])
        if fits and event["id"] and event["source"] and event["subject"] and int(event["data"]["revision"]) >= 1:
            return event, ""
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None, "not a CloudEvents 1.0 event of Andon"
    return None, "not an event of an order or a report"


def server(erp: StubErp) -> uvicorn.Server:
    """A uvicorn server for the stub; run it with `run(sockets=[...])`."""

    class Protocol(H11Protocol):
        """Remembers open connections, so that a fault can cut one."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does it
            super().connection_made(transport)
            if self.client:
                erp.connections[self.client] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            if self.client:
                erp.connections.pop(self.client, None)
            super().connection_lost(exc)

    return uvicorn.Server(
        uvicorn.Config(erp.app, http=Protocol, ws="none", lifespan="off", log_level="critical", access_log=False)
    )


def listen(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one. Clients may connect before the server runs."""
    # asyncio switches Nagle off only where the protocol is named; else every answer takes 40 ms longer.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(128)
    return listening


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM. Exit status 2: no usable secret; 1: the port is taken."""
    parser = argparse.ArgumentParser(prog="python -m sinks.erp.stub", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--db", type=Path, required=True, help="SQLite file of records, effects and requests")
    parser.add_argument("--secret-file", type=Path, help="file with whsec_...; else ANDON_ERP_SECRET")
    parser.add_argument("--faults", type=int, metavar="SEED", help="fail on purpose, repeatably")
    parser.add_argument("--slow-s", type=float, default=1.0, help="how long a slow answer takes, s")
    parser.add_argument("--no-key", action="store_true", help="no external key: repeated events make doubles")
    parser.add_argument("--strict", action="store_true", help="answer 400 to a repeated event")
    given = parser.parse_args(arguments)
    if given.secret_file is not None:
        secret = given.secret_file.read_text(encoding="utf-8")
    else:
        secret = os.environ.get("ANDON_ERP_SECRET", "")
    if not secret.strip():
        sys.stderr.write("no secret: give --secret-file or ANDON_ERP_SECRET\n")
        return 2
    try:
        listening = listen(given.port)
    except OSError as error:
        sys.stderr.write(f"127.0.0.1:{given.port}: {error.strerror}\n")
        return 1
    store = StubStore(given.db, unique=not given.no_key)
    erp = StubErp(store, secret, Faults(given.faults, slow_s=given.slow_s), strict=given.strict)
    sys.stdout.write(json.dumps({"url": f"http://127.0.0.1:{listening.getsockname()[1]}"}) + "\n")
    sys.stdout.flush()
    server(erp).run(sockets=[listening])
    store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
