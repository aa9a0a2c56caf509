"""One call to an ERP over HTTP: bounded time and size, no redirects, every outcome an `Answer` or a `SendError`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

from andon.clock import Clock, SystemClock
from andon.config.loopback import is_loopback
from andon.errors import DeliveryError
from sinks.erp.deadline import BoundedTransport, Deadline
from sinks.erp.port import BrokenError, BusyError, RefusedError, UnavailableError
from sinks.retry_after import retry_after_s

MAX_ANSWER = 65_536  # bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status. headers: names in lower case. retry_after_s: what it asked for."""

    status: int
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after_s: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def text(self) -> str:
        """The first 1,000 bytes, for messages."""
        return self.content[:1000].decode("utf-8", "replace")

    def value(self) -> object:
        """The content as JSON. Raises BrokenError when it is none."""
        try:
            return json.loads(self.content)
        except ValueError as error:
            raise BrokenError(self.status, "the answer is not JSON") from error

    def table(self) -> dict[str, object]:
        """The content as a JSON object. Raises BrokenError when it is none."""
        try:
            told = self.value()
        except BrokenError:
            told = None
        if not isinstance(told, dict):
            raise BrokenError(self.status, "the answer is not a JSON object")
        return told


class Caller:
    """Calls below one base address over kept connections; cookies of the server are kept too.

    base       : https, or http on loopback. Raises DeliveryError otherwise.
    timeout_s  : of each call as a whole, from the connection to the last byte of the answer.
    headers    : sent with every call. Their values do not turn up in messages.
    clock      : real time, for a Retry-After that is a date.
    max_answer : bytes of an answer that are read; a longer one is a BrokenError.

    Proxies named by the environment are not used: an order goes where the configuration says. Not for several threads
    at once.
    """

    def __init__(
        self, base: str, *, timeout_s: float = 15.0, headers: Mapping[str, str] | None = None,
        clock: Clock | None = None, max_answer: int = MAX_ANSWER,
    ) -> None:  # fmt: skip
        self.base = check_url(base)
        self.timeout_s = timeout_s
        self._clock = clock or SystemClock()
        self._max_answer = max_answer
        self._deadline = Deadline()
        self._client = httpx.Client(
            transport=BoundedTransport(self._deadline), timeout=timeout_s, follow_redirects=False, trust_env=False,
            headers=dict(headers or {}),
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def ask(
        self, method: str, path: str, *, content: bytes = b"", headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        """One request and its answer, whatever the status. path: below the base, its first slash included.

        Raises UnavailableError when no whole answer came in time, BrokenError for one that is no HTTP or too long.
        """
        self._deadline.begin(self.timeout_s)
        try:
            with self._client.stream(
                method, self.base + path, content=content or None, headers=dict(headers or {}), params=params
            ) as answer:
                read = self._read(answer)
                wait_s = retry_after_s(answer.headers.get("retry-after"), self._clock.now_ns())
                return Answer(answer.status_code, read, dict(answer.headers), wait_s)
        except httpx.TransportError as error:  # its text may hold the address: the kind of error is enough
            raise UnavailableError(None, type(error).__name__) from error
        except httpx.HTTPError as error:  # an answer that is no HTTP, a broken encoding
            raise BrokenError(None, type(error).__name__) from error

    def _read(self, answer: httpx.Response) -> bytes:
        content = b""
        for chunk in answer.iter_bytes():
            content += chunk
            if len(content) > self._max_answer:
                raise BrokenError(answer.status_code, f"the answer is longer than {self._max_answer} bytes")
        return content


def judged(answer: Answer, explained: Callable[[Answer], str] = Answer.text) -> Answer:
    """The answer when it is 2xx; else the SendError that its status means.

    explained: the message of an error answer, where the ERP hides it in a shape of its own.
    """
    if answer.ok:
        return answer
    status, detail = answer.status, explained(answer)
    if status in {408, 429, 503}:
        raise BusyError(status, detail, answer.retry_after_s)
    if status in {502, 504}:
        raise UnavailableError(status, detail, answer.retry_after_s)
    if status == 409 or not 400 <= status < 500:
        raise BrokenError(status, detail, answer.retry_after_s)
    raise RefusedError(status, detail)


def check_url(url: str) -> str:
    """The base address without its last slash. Raises DeliveryError for http beyond loopback and for credentials."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment or parts.username:
        raise DeliveryError("erp.url_invalid", host=host or "-")
    if parts.scheme == "http" and not is_loopback(host):
        raise DeliveryError("erp.url_plain", host=host)
    return url.rstrip("/")
