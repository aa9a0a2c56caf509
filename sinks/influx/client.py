"""Writing line protocol to InfluxDB over HTTP: one request, and what its answer means.

    InfluxError
      AwayError      no connection, no answer in time, 5xx: it may have been written nevertheless; wait, send again
      BusyError      429, 503: it asks to wait; the same
      DeniedError    401, 403, 404, other 4xx: not the lines' fault, and not to be tried again soon
      BadLinesError  400, 422: some of the lines cannot be written
      TooLargeError  413: send less at once

Writing again is harmless: a point with the same measurement, tags and time replaces itself. influxdb-client is used
for everything else; its writer compresses at 12 times the cost and its batching loses points when the server is away.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import Self

import httpx

from andon.clock import Clock, SystemClock
from andon.errors import DeliveryError
from andon.readings import NS_PER_S
from andon.secrets import Secret
from sinks.retry_after import retry_after_s

MAX_ANSWER = 1_000_000  # bytes; it names every line that it cannot read
MAX_DETAIL = 300  # characters of an answer that are kept
_UNREADABLE = "unable to parse '"
_BOUND = re.compile(r"Retention Policy Lower Bound at (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z")
_DROPPED = re.compile(r"dropped[= ](\d+)")


class InfluxError(DeliveryError):
    """A request to InfluxDB failed. status: HTTP status where there was one."""

    kind = "influx.away"

    def __init__(self, status: int | None, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(self.kind, status=status or "-", detail=detail[:MAX_DETAIL])
        self.status, self.detail, self.retry_after_s = status, detail[:MAX_DETAIL], retry_after_s


class AwayError(InfluxError):
    """No connection, no answer in time, an answer cut off, 5xx."""


class BusyError(InfluxError):
    """429, 503."""

    kind = "influx.busy"


class DeniedError(InfluxError):
    """Token, organisation, bucket or address are wrong."""

    kind = "influx.denied"


class TooLargeError(InfluxError):
    """413."""

    kind = "influx.too_large"


class BadLinesError(InfluxError):
    """Some lines cannot be written.

    named   : reason by line, of those that the answer names
    before_ns : points before this are outside the bucket's retention; None where that is not the trouble
    dropped : how many lines were left out while the others were written; None: nothing was written
    """

    kind = "influx.bad_lines"

    def __init__(
        self, status: int, detail: str, *, named: dict[bytes, str], before_ns: int | None, dropped: int | None
    ) -> None:
        super().__init__(status, detail)
        self.named, self.before_ns, self.dropped = named, before_ns, dropped


class InfluxClient:
    """Writes into one bucket. Not safe for use by several threads at once.

    timeout_s : of each request as a whole.
    Proxies named by the environment are not used: production data goes where the configuration says.
    """

    def __init__(
        self, url: str, org: str, bucket: str, token: Secret, *, timeout_s: float, clock: Clock | None = None
    ) -> None:
        self._url, self._timeout_s, self._clock = f"{url.rstrip('/')}/api/v2/write", timeout_s, clock or SystemClock()
        self._params = {"org": org, "bucket": bucket, "precision": "ns"}
        self._headers = {
            "authorization": f"Token {token.reveal()}", "content-encoding": "gzip", "accept": "application/json",
            "content-type": "text/plain; charset=utf-8",
        }  # fmt: skip
        self._client = httpx.Client(timeout=timeout_s, follow_redirects=False, trust_env=False)

    def write(self, lines: bytes) -> None:
        """Write lines, whole ones; when it returns they are in InfluxDB's log. Raises an InfluxError otherwise."""
        body = gzip.compress(lines, 1, mtime=0)
        deadline = time.monotonic() + self._timeout_s
        try:
            request = {"params": self._params, "content": body, "headers": self._headers}
            with self._client.stream("POST", self._url, **request) as answer:  # type: ignore[arg-type]  # keywords
                content = _read(answer.iter_bytes(), deadline)
                status, header = answer.status_code, answer.headers.get("retry-after")
        except httpx.HTTPError as error:  # its text may hold the address: the kind of error is enough
            raise AwayError(None, type(error).__name__) from error
        if not 200 <= status < 300:
            raise judged(status, content, retry_after_s(header, self._clock.now_ns()))

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _read(chunks: Iterable[bytes], deadline: float) -> bytes:
    """At most MAX_ANSWER bytes of an answer. httpx bounds each wait, not their sum."""
    content = b""
    for chunk in chunks:
        content += chunk
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("too slow")
        if len(content) > MAX_ANSWER:
            break
    return content[:MAX_ANSWER]


def judged(status: int, content: bytes, retry_after_s: float | None) -> InfluxError:
    """The error that an answer other than 2xx stands for."""
    told = _message(content)
    if status in {429, 503}:
        return BusyError(status, told, retry_after_s)
    if status == 413:
        return TooLargeError(status, told)
    if status == 422 or (status == 400 and _UNREADABLE in told):
        dropped = _DROPPED.findall(told)
        return BadLinesError(
            status, told, named=_named(told), before_ns=_bound_ns(told),
            dropped=int(dropped[-1]) if dropped and status == 422 else None,
        )  # fmt: skip
    if 400 <= status < 500 and status != 408:
        return DeniedError(status, told, retry_after_s)
    return AwayError(status, told, retry_after_s)  # 3xx too: a proxy that sends us elsewhere is none to trust


def _message(content: bytes) -> str:
    text = content.decode("utf-8", "replace")
    try:
        told = json.loads(text)
    except ValueError:
        return text
    return str(told.get("message", text)) if isinstance(told, dict) else text


def _named(told: str) -> dict[bytes, str]:
    """Reason by line, from "unable to parse '<line>': <reason>", one a row."""
    found = {}
    for row in told.split("\n"):
        line, mark, reason = row.removeprefix(_UNREADABLE).rpartition("': ")
        if mark and row.startswith(_UNREADABLE):
            found[line.encode()] = reason
    return found


def _bound_ns(told: str) -> int | None:
    found = _BOUND.search(told)
    if found is None:
        return None
    seconds = int(datetime.fromisoformat(f"{found[1]}+00:00").timestamp())
    return seconds * NS_PER_S + int(((found[2] or ".")[1:] + "0" * 9)[:9])
