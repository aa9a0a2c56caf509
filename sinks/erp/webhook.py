"""An ERP (or an integration platform before it) behind a signed webhook: docs/erp-webhook.md is its contract.

Standard Webhooks 1.0 signature over the CloudEvents body, look-ups signed alike, no redirects, bounded time and size.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import secrets
import time
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx
from standardwebhooks import Webhook

from andon.clock import Clock, SystemClock
from andon.errors import DeliveryError
from andon.readings import NS_PER_S
from sinks.erp.port import BrokenError, BusyError, ExternalRecord, RefusedError, UnavailableError
from sinks.retry_after import retry_after_s

MAX_BODY = 20_000  # bytes
MAX_ANSWER = 65_536  # bytes


class WebhookConnector:
    """Delivers to `<url>/events` and looks up at `<url>/records?key=`. See `ErpConnector` for what is promised.

    url       : https, or http on loopback. Raises DeliveryError otherwise.
    secret    : "whsec_" and base64 of 24 to 64 random bytes. Raises DeliveryError otherwise.
    timeout_s : of each call as a whole.
    clock     : real time; the receiver refuses signatures more than 5 min off.

    Proxies named by the environment are not used: a signed order goes where the configuration says.
    """

    def __init__(self, url: str, secret: str, *, timeout_s: float = 15.0, clock: Clock | None = None) -> None:
        self._base = check_url(url)
        self._signer = Webhook(check_secret(secret))
        self._timeout_s = timeout_s
        self._clock = clock or SystemClock()
        self._client = httpx.Client(timeout=timeout_s, follow_redirects=False, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def find(self, key: str) -> ExternalRecord | None:
        """The record that carries `key`; a 404 or an empty list is none."""
        try:
            answer = self._call("GET", f"/records?key={key}", f"find.{key}", b"")
        except RefusedError as refused:
            if refused.status == 404:
                return None
            raise
        records = answer.get("records")
        if not isinstance(records, list):
            raise BrokenError(200, "the answer has no list 'records'")
        return _record(records[0]) if records else None

    def open(self, kind: str, key: str, body: bytes) -> ExternalRecord:
        """POST the event."""
        return self._post(kind, key, body)

    def update(self, kind: str, key: str, body: bytes, found: ExternalRecord) -> ExternalRecord:
        """POST the event; the receiver knows its record by the event's subject, so `found` is not sent."""
        del found
        return self._post(kind, key, body)

    def ping(self) -> None:
        """Look up a key that no order has."""
        self.find("ping")

    def _post(self, kind: str, key: str, body: bytes) -> ExternalRecord:
        if len(body) >= MAX_BODY:
            raise RefusedError(None, f"the event has {len(body)} bytes, {MAX_BODY} are allowed")
        event = json.loads(body)
        if event["subject"] != key or not event["type"].startswith(f"andon.{kind}."):
            raise RefusedError(None, "the body is not the event of this order")
        return _record(self._call("POST", "/events", event["id"], body))

    def _call(self, method: str, path: str, message_id: str, body: bytes) -> dict[str, object]:
        """One request; its 2xx answer as a JSON object, or the SendError that its outcome is."""
        stamp = datetime.fromtimestamp(self._clock.now_ns() // NS_PER_S, tz=UTC)
        headers = {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(stamp.timestamp())),
            "webhook-signature": self._signer.sign(message_id, stamp, body.decode()),
            "accept": "application/json",
        }
        if method == "POST":
            headers |= {"content-type": "application/cloudevents+json; charset=utf-8", "idempotency-key": message_id}
        deadline = time.monotonic() + self._timeout_s
        try:
            with self._client.stream(method, self._base + path, content=body or None, headers=headers) as answer:
                content = _read(answer, deadline)
                status, retry_after = answer.status_code, answer.headers.get("retry-after")
        except httpx.TransportError as error:  # its text may hold the address: the kind of error is enough
            raise UnavailableError(None, type(error).__name__) from error
        except httpx.HTTPError as error:  # an answer that is no HTTP, a broken encoding
            raise BrokenError(None, type(error).__name__) from error
        return _judged(status, content, retry_after_s(retry_after, self._clock.now_ns()))


def check_url(url: str) -> str:
    """The base address without its last slash. Raises DeliveryError for http beyond loopback and for credentials."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment or parts.username:
        raise DeliveryError("erp.url_invalid", host=host or "-")
    if parts.scheme == "http" and not _loopback(host):
        raise DeliveryError("erp.url_plain", host=host)
    return url.rstrip("/")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_secret(secret: str) -> bytes:
    """The signing key's bytes. Raises DeliveryError, without the secret, when it is not 24 to 64 bytes in base64."""
    text = secret.strip().removeprefix("whsec_")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not 24 <= len(key) <= 64:
        raise DeliveryError("erp.secret_invalid")
    return key


def _read(answer: httpx.Response, deadline: float) -> bytes:
    # httpx bounds each wait, not their sum: a receiver that drips a byte a second would hold the sender for ever.
    content = b""
    for chunk in answer.iter_bytes():
        content += chunk
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("too slow")
        if len(content) > MAX_ANSWER:
            raise BrokenError(answer.status_code, f"the answer is longer than {MAX_ANSWER} bytes")
    return content


def _judged(status: int, content: bytes, retry_after_s: float | None) -> dict[str, object]:
    if 200 <= status < 300:
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise BrokenError(status, "the answer is not a JSON object")
        return answer
    detail = content[:1000].decode("utf-8", "replace")
    if status in {408, 429, 503}:
        raise BusyError(status, detail, retry_after_s)
    if status in {502, 504}:
        raise UnavailableError(status, detail, retry_after_s)
    if status == 409 or not 400 <= status < 500:
        raise BrokenError(status, detail, retry_after_s)
    raise RefusedError(status, detail)


def _record(told: object) -> ExternalRecord:
    """From `{"id", "number", "revision"}`; the number defaults to the id, the revision to 1."""
    if isinstance(told, dict) and isinstance(told.get("id"), (str, int)) and isinstance(told.get("revision", 1), int):
        number = told.get("number", told["id"])
        return ExternalRecord(str(told["id"]), str(number), int(told.get("revision", 1)))
    raise BrokenError(200, "the answer names no record: 'id' is missing")


def new_secret() -> str:
    """A fresh signing secret for both ends: 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
