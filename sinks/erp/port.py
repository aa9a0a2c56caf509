"""What Andon wants of an ERP, whichever it is.

    SendError
      UnavailableError  the ERP or the way to it does not work now: wait, then try for as long as it takes
      BusyError         it asks to wait (408, 429, 503): the same
      BrokenError       it broke on this request (500, 3xx, an answer nobody can read) or finds it in conflict (409):
                        try again, but not for ever; some systems answer 500 to what they will never take
      RefusedError      it will not take this request (other 4xx, too large): trying again cannot help

A driver raises one of these and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from andon.errors import DeliveryError

MAX_ERROR = 300  # characters of a receiver's message that are kept


@dataclass(frozen=True, slots=True)
class ExternalRecord:
    """A record of the ERP: its technical id, the number people know it by, and the revision it holds.

    key, kind: what Andon knows it by, where the ERP was asked for many.
    """

    id: str
    number: str
    revision: int = 1
    key: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class ErpState:
    """How a record stands in the ERP.

    status: in the ERP's own words. closed: nobody works on it any more. verdict: whether the alarm was right, where the
    ERP says so.
    """

    status: str
    closed: bool
    verdict: Literal["", "true", "false", "known"] = ""
    comment: str = ""


class SendError(DeliveryError):
    """A call to the ERP failed. status: HTTP status where there was one. retry_after_s: what the ERP asked for."""

    kind = "erp.unavailable"

    def __init__(self, status: int | None, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(self.kind, status=status or "-", detail=detail[:MAX_ERROR])
        self.status, self.detail, self.retry_after_s = status, detail[:MAX_ERROR], retry_after_s


class UnavailableError(SendError):
    """No connection, no answer in time, an answer cut off, 502, 504: it may have been taken nevertheless."""


class BusyError(SendError):
    """408, 429, 503."""

    kind = "erp.busy"


class BrokenError(SendError):
    """500 and other 5xx, 3xx, 409, an unreadable answer."""

    kind = "erp.broken"


class RefusedError(SendError):
    """Other 4xx, or a request that must not be sent as it is."""

    kind = "erp.refused"


class ErpConnector(Protocol):
    """A driver for one ERP. Delivery class: at least once; with an ERP that finds by key, one record for each key.

    Each call is one attempt: no retries, bounded time, `SendError` for everything that goes wrong. Not called from
    several threads at once. key: the order's 20 characters, which the ERP stores as a unique external reference.
    """

    def find(self, key: str) -> ExternalRecord | None:
        """The record that carries `key`, None when there is none."""
        ...

    def open(self, kind: str, key: str, body: bytes) -> ExternalRecord:
        """Create the record of `kind` ("quality_event", "maintenance_order") told by a CloudEvents body.

        Guaranteed never called twice for one key without `find` in between.
        """
        ...

    def update(self, kind: str, key: str, body: bytes, found: ExternalRecord) -> ExternalRecord:
        """Bring the record that `find` gave to the body's revision."""
        ...

    def ping(self) -> None:
        """Return when the ERP answers and knows us; changes nothing."""
        ...
