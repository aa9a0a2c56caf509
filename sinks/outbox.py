"""The sender: drains the outbox into the ERP at its own pace, so that each order has exactly one record there.

Delivery class: at least once to the connector; exactly one effect with an ERP that finds its records by key, because
nothing is sent again without a look-up first. Several senders may drain one outbox: a lease and its fence number
decide whose result counts. Orders of one asset go in the order they were decided.
"""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Callable, Sequence

import structlog
from prometheus_client import Counter, Gauge, Histogram

from andon.clock import Clock, SystemClock
from andon.errors import RecordsError
from andon.readings import NS_PER_S
from andon.records import SYSTEM_SENDER, Actor, DeliveryResult, OutboxItem, Records
from sinks.erp.port import (
    BrokenError,
    BusyError,
    ErpConnector,
    ExternalRecord,
    RefusedError,
    SendError,
    UnavailableError,
)

log = structlog.get_logger()

# Quick at first, since most failures are one lost answer or a busy second; capped, so that an ERP that is back gets its
# backlog within 5 min. Twelve refusals of one order take about 20 min.
GAPS_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)

ATTEMPTS = Counter("andon_outbox_attempts", "Attempts to deliver an order, by outcome", ["outcome"])
ORDERS = Gauge("andon_outbox_orders", "Orders in the outbox, by state", ["state"], multiprocess_mode="mostrecent")
SECONDS = Histogram("andon_outbox_attempt_seconds", "Time of one attempt, look-up included")


class Sender:
    """Delivers due orders one by one.

    records, connector : where orders come from and go to.
    clock              : real time.
    lease_s            : how long a claimed order stays ours; must exceed the time of two calls to the ERP.
    gaps_s             : waits between attempts, s; the last one repeats. Jitter of up to 20 % is taken off.
    max_refusals       : after so many answers that blame the order (500, 409) it is parked.
    """

    def __init__(
        self, records: Records, connector: ErpConnector, clock: Clock | None = None, *, lease_s: float = 60.0,
        gaps_s: Sequence[float] = GAPS_S, max_refusals: int = 12, owner: str | None = None,
        rng: random.Random | None = None, actor: Actor = SYSTEM_SENDER,
    ) -> None:  # fmt: skip
        self.records, self.connector, self.clock = records, connector, clock or SystemClock()
        self.lease_s, self.gaps_s, self.max_refusals = lease_s, tuple(gaps_s), max_refusals
        self.owner = owner or f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"
        self.actor = actor
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._down = 0  # attempts in a row that never reached a working ERP
        self._pause_ns = self._pause_until_ns = 0
        self._told: str | None = None

    def run(self, stop: threading.Event, *, poll_s: float = 0.2, beat: Callable[[], None] = lambda: None) -> None:
        """Deliver until `stop` is set; an order that is being sent is finished first. Never raises RecordsError.

        beat : called before every attempt, for a watchdog; an attempt takes up to two calls to the ERP.
        """
        while not stop.is_set():
            beat()
            try:
                done = self.step(most=1)
            except RecordsError as error:  # busy, disk full: orders stay where they are
                self._tell(error.code, cause=str(error))
                done = 0
                stop.wait(1.0)
            if not done:
                stop.wait(poll_s)

    def step(self, most: int = 50) -> int:
        """Handle up to `most` due orders; returns how many attempts were made. Stops at the first sign of an outage."""
        attempts = 0
        while attempts < most and not self._paused():
            item = self.records.claim_order(self.owner, self.lease_s, self.actor)
            if item is None:
                break
            attempts += 1
            with SECONDS.time():
                result = self._attempt(item)
            held = self.records.finish_order(item, result, self.actor)
            ATTEMPTS.labels(result.outcome if held else "fenced").inc()
            self._log(item, result, held=held)
        if attempts:
            for state, count in self.records.order_counts().items():
                ORDERS.labels(state).set(count)
        return attempts

    def _paused(self) -> bool:
        wait_ns = self._pause_until_ns - self.clock.now_ns()
        # More is left than was meant: the clock was set back, and a pause of seconds must not become one of an hour.
        return 0 < wait_ns <= self._pause_ns

    def _attempt(self, item: OutboxItem) -> DeliveryResult:
        key, body = item.order_key, item.body.encode()
        try:
            # Any earlier attempt may have been taken though no answer came: look before sending again.
            found = self.connector.find(key) if item.attempt > 1 else None
            if found is not None and found.revision >= item.revision:
                result = _taken("found", found)
            elif found is not None:
                result = _taken("delivered", self.connector.update(item.kind, key, body, found))
            else:
                result = _taken("delivered", self.connector.open(item.kind, key, body))
        except SendError as failure:
            result = self._failed(item, failure)
        except Exception as error:
            log.exception("outbox.connector_failed", order=key)
            result = self._failed(item, BrokenError(None, f"{type(error).__name__} in the connector"))
        else:
            self._down, self._pause_until_ns = 0, 0
        return result

    def _failed(self, item: OutboxItem, failure: SendError) -> DeliveryResult:
        """Retry, park, or find that the order was taken after all."""
        if failure.status is not None and 400 <= failure.status < 500 and not isinstance(failure, BusyError):
            try:
                found = self.connector.find(item.order_key)
            except SendError as lookup:
                return self._retry(item, lookup)  # parked only on a look-up's word
            if found is not None and found.revision >= item.revision:
                return _taken("found", found, failure.status)
        last = isinstance(failure, BrokenError) and item.refusals + 1 >= self.max_refusals
        if isinstance(failure, RefusedError) or last:
            return DeliveryResult("parked", failure.status, _said(failure))
        return self._retry(item, failure)

    def _retry(self, item: OutboxItem, failure: SendError) -> DeliveryResult:
        # A refused look-up (401: the secret is wrong) is no verdict on the order, and will meet the next one too.
        outage = isinstance(failure, (UnavailableError, BusyError, RefusedError))
        self._down = self._down + 1 if outage else 0
        tries = self._down if outage else item.failures + 1
        wait_s = self.gaps_s[min(tries, len(self.gaps_s)) - 1] * self._rng.uniform(0.8, 1.0)
        if failure.retry_after_s is not None:
            wait_s = failure.retry_after_s
        if outage:
            self._pause_ns = round(wait_s * NS_PER_S)
            self._pause_until_ns = self.clock.now_ns() + self._pause_ns
        return DeliveryResult(
            "retry", failure.status, _said(failure), retry_after_s=wait_s, blames_order=isinstance(failure, BrokenError)
        )

    def _log(self, item: OutboxItem, result: DeliveryResult, *, held: bool) -> None:
        told = {"order": item.order_key, "asset": item.asset, "attempt": item.attempt, "status": result.status}
        if not held:
            log.warning("outbox.fenced", **told)
        elif result.outcome == "parked":
            log.error("outbox.parked", error=result.error, **told)
        elif result.outcome == "retry":
            self._tell(result.error or "", **told)
        elif item.failures or self._told is not None:
            self._told = None
            log.warning("outbox.recovered", number=result.external_number, **told)
        else:
            log.info("outbox.delivered", number=result.external_number, **told)

    def _tell(self, error: str, **told: object) -> None:
        """Log an error once, not for each attempt that meets it."""
        if error != self._told:
            self._told = error
            log.warning("outbox.retrying", error=error, **told)


def _taken(outcome: str, record: ExternalRecord, status: int | None = None) -> DeliveryResult:
    return DeliveryResult(
        "found" if outcome == "found" else "delivered", status, external_id=record.id, external_number=record.number
    )


def _said(failure: SendError) -> str:
    return f"{failure.status or type(failure).__name__}: {failure.detail}"
