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

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from andon.erp_state import ErpState
from andon.errors import DeliveryError

MAX_ERROR = 300  # characters of a receiver's message that are kept


@dataclass(frozen=True, slots=True)
class ExternalRecord:
    """A record of the ERP: its technical id, the number people know it by, and the revision it holds.

    key, kind: what Andon knows it by; always there where the ERP was asked for many.
    """

    id: str
    number: str
    revision: int = 1
    key: str = ""
    kind: str = ""


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


# What not every ERP can do: refuse a second record of one key by itself; tell the state of a record; keep a file with
# it; list what it holds.
FEATURES = frozenset({"unique_key", "state", "attach", "list"})


def lacking(feature: str) -> RefusedError:
    """What a driver raises for a call that needs one of `FEATURES` it does not have."""
    return RefusedError(None, f"this ERP has no {feature!r}")


class Deliverer(Protocol):
    """What it takes to deliver orders. Delivery class: at least once; with an ERP that finds by key, one record each.

    Each call is one attempt: no retries, bounded time, `SendError` for everything that goes wrong. Not called from
    several threads at once: who wants several calls under way makes several drivers. A driver connects with its first
    call, not when it is made. key: the order's 20 characters, which the ERP stores as a unique external reference.
    kind: "quality_event", "maintenance_order", or a report's; `RefusedError` for one that the ERP has no place for.
    body: the CloudEvents 1.0 event of the order as canonical JSON; its `data` tells the order.
    """

    def find(self, key: str) -> ExternalRecord | None:
        """The record that carries `key`, None when there is none. Of several the oldest."""
        ...

    def open(self, kind: str, key: str, body: bytes) -> ExternalRecord:
        """Create the record of `kind` that the body tells.

        Guaranteed never called twice for one key without `find` in between.
        """
        ...

    def update(self, kind: str, key: str, body: bytes, found: ExternalRecord) -> ExternalRecord:
        """Bring the record that `find` gave to the body's revision."""
        ...


class ErpConnector(Deliverer, Protocol):
    """A driver for one ERP; all that `Deliverer` says of calls holds for these too."""

    @property
    def features(self) -> frozenset[str]:
        """Which of `FEATURES` the driver has; a call that needs another one raises `lacking(...)`."""
        ...

    def get_state(self, record: ExternalRecord) -> ErpState:
        """How a record stands now; the caller gives its id and its key. Feature "state"."""
        ...

    def attach(self, record: ExternalRecord, name: str, content: bytes, media_type: str) -> None:
        """Keep a file with a record. Feature "attach".

        A file of that name that is there already is replaced or left, never doubled: the call may be made again.
        """
        ...

    def records(self, since_ns: int) -> Iterator[ExternalRecord]:
        """Every record that carries a key of Andon and was made at or after `since_ns`, the oldest first.

        With key, kind and revision. Two records of one key are both told; older ones may be told too. Pages are asked
        for as they are needed, each is one attempt. Feature "list".
        """
        ...

    def preview(self, kind: str, key: str, body: bytes) -> Mapping[str, object]:
        """What `open` would send, field by field, for people to read; sends nothing and needs no connection."""
        ...

    def ping(self) -> None:
        """Return when the ERP answers and knows us; changes nothing."""
        ...

    def close(self) -> None:
        """Let the connections go; a later call opens them again or fails."""
        ...
