"""An ERP (or an integration platform before it) behind a signed webhook: docs/erp-webhook.md is its contract.

Standard Webhooks 1.0 signature over the CloudEvents body, look-ups signed alike, no redirects, bounded time and size.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from standardwebhooks import Webhook

from andon.clock import Clock, SystemClock
from andon.erp_state import ErpState
from andon.errors import DeliveryError
from andon.readings import NS_PER_S
from sinks.erp.http import Caller, check_url, judged
from sinks.erp.port import BrokenError, ExternalRecord, RefusedError, lacking

__all__ = ["MAX_BODY", "WebhookConnector", "check_secret", "check_url", "new_secret"]

MAX_BODY = 20_000  # bytes


class WebhookConnector:
    """Delivers to `<url>/events` and looks up at `<url>/records?key=`. See `ErpConnector` for what is promised.

    url       : https, or http on loopback. Raises DeliveryError otherwise.
    secret    : "whsec_" and base64 of 24 to 64 random bytes. Raises DeliveryError otherwise.
    timeout_s : of each call as a whole.
    clock     : real time; the receiver refuses signatures more than 5 min off.

    Proxies named by the environment are not used: a signed order goes where the configuration says.
    """

    features = frozenset({"unique_key", "state", "list"})

    def __init__(self, url: str, secret: str, *, timeout_s: float = 15.0, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._caller = Caller(url, timeout_s=timeout_s, clock=self._clock)
        self._signer = Webhook(check_secret(secret))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._caller.close()

    def find(self, key: str) -> ExternalRecord | None:
        """The record that carries `key`; a 404 or an empty list is none."""
        told = self._found(key)
        return None if told is None else _record(told, key)

    def open(self, kind: str, key: str, body: bytes) -> ExternalRecord:
        """POST the event."""
        return self._post(kind, key, body)

    def update(self, kind: str, key: str, body: bytes, found: ExternalRecord) -> ExternalRecord:
        """POST the event; the receiver knows its record by the event's subject, so `found` is not sent."""
        del found
        return self._post(kind, key, body)

    def get_state(self, record: ExternalRecord) -> ErpState:
        """From the look-up by key: `status`, `closed`, `verdict` and `comment` of the record, all optional."""
        told = self._found(record.key)
        if not isinstance(told, dict):
            raise RefusedError(404, f"no record with key {record.key}")
        verdict = told.get("verdict", "")
        if verdict not in {"", "true", "false", "known"}:
            raise BrokenError(200, "verdict: none of '', true, false, known")
        return ErpState(str(told.get("status", "")), told.get("closed") is True, verdict, str(told.get("comment", "")))

    def attach(self, record: ExternalRecord, name: str, content: bytes, media_type: str) -> None:
        """The contract has no place for files: the evidence is in the event."""
        del record, name, content, media_type
        raise lacking("attach")

    def records(self, since_ns: int) -> Iterator[ExternalRecord]:
        """Page after page of `/records?since_ns=&after=`, each signed as `list.<after>`."""
        after = "0"
        while True:
            answer = self._call("GET", f"/records?since_ns={since_ns}&after={after}", f"list.{after}", b"")
            for told in _list(answer):
                yield _record(told)
            onward = answer.get("next")
            if onward is None:
                return
            if not isinstance(onward, (str, int)) or not str(onward).isalnum() or str(onward) == after:
                raise BrokenError(200, "next: not the id of a page's last record")
            after = str(onward)

    def preview(self, kind: str, key: str, body: bytes) -> Mapping[str, object]:
        """The event itself."""
        del kind, key
        event: dict[str, object] = json.loads(body)
        return event

    def ping(self) -> None:
        """Look up a key that no order has."""
        self.find("ping")

    def _found(self, key: str) -> object:
        """What a look-up by key tells of the first record, None where there is none."""
        try:
            records = _list(self._call("GET", f"/records?key={key}", f"find.{key}", b""))
        except RefusedError as refused:
            if refused.status == 404:
                return None
            raise
        return records[0] if records else None

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
        return judged(self._caller.ask(method, path, content=body, headers=headers)).table()


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


def _list(answer: Mapping[str, object]) -> list[object]:
    records = answer.get("records")
    if not isinstance(records, list):
        raise BrokenError(200, "the answer has no list 'records'")
    return records


def _record(told: object, key: str = "") -> ExternalRecord:
    """From `{"id", "number", "revision", "key", "kind"}`; the number defaults to the id, the revision to 1."""
    if isinstance(told, dict) and isinstance(told.get("id"), (str, int)) and isinstance(told.get("revision", 1), int):
        number, key = told.get("number", told["id"]), str(told.get("key", key))
        return ExternalRecord(
            str(told["id"]), str(number), int(told.get("revision", 1)), key, str(told.get("kind", ""))
        )
    raise BrokenError(200, "the answer names no record: 'id' is missing")


def new_secret() -> str:
    """A fresh signing secret for both ends: 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
