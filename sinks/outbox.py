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
import time
from collections.abc import Callable, Sequence

import structlog
from prometheus_client import Counter, Gauge

from andon.clock import Clock, SystemClock
from andon.errors import RecordsError
from andon.records import SYSTEM_SENDER, Actor, DeliveryResult, OutboxItem, Records
from sinks.attempts import Attempt, Job, attempt
from sinks.breaker import STATES, Breaker
from sinks.erp.port import BrokenError, Deliverer, RefusedError, SendError, UnavailableError
from sinks.lanes import Lanes

log = structlog.get_logger()

# Quick at first, since most failures are one lost answer or a busy second; capped, so that an ERP that is back gets its
# backlog within 5 min. Twelve refusals of one order take about 20 min.
GAPS_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)
POLL_S = 0.2  # between two looks for orders that are due
COUNT_S = 1.0  # the outbox is counted so often, for the gauge
MOST_MET = 10_000  # orders whose failures are remembered
MANY_BROKEN = 5  # different orders that met a 5xx with nothing delivered in between: an outage

ATTEMPTS = Counter("andon_outbox_attempts", "Attempts to deliver an order, by outcome", ["outcome"])
ORDERS = Gauge("andon_outbox_orders", "Orders in the outbox, by state", ["state"], multiprocess_mode="mostrecent")
BREAKER = Gauge(
    "andon_outbox_breaker", "1 for the state that the way to the ERP is in", ["state"], multiprocess_mode="mostrecent"
)


class Sender:
    """Delivers due orders, as many at once as it has drivers, one after the other for each asset.

    records, connector : where orders come from and go to.
    clock              : real time.
    beside             : more drivers of the same ERP, for as many more calls under way.
    lease_s            : how long a claimed order stays ours; must exceed the time of three calls to the ERP. With
                         several drivers it is renewed while a call is under way.
    gaps_s             : waits between attempts, s; the last one repeats. Jitter of up to 20 % is taken off.
    max_refusals       : after so many answers that blame the order (500, 409) it is parked. So is one that met nothing
                         but outages so often, while others in between were delivered.
    told               : called when the breaker's state has changed.
    """

    def __init__(
        self, records: Records, connector: Deliverer, clock: Clock | None = None, *,
        beside: Sequence[Deliverer] = (), lease_s: float = 60.0, gaps_s: Sequence[float] = GAPS_S,
        max_refusals: int = 12, owner: str | None = None, rng: random.Random | None = None,
        actor: Actor = SYSTEM_SENDER, told: Callable[[Breaker], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self.records, self.clock, self.actor = records, clock or SystemClock(), actor
        self.lease_s, self.max_refusals = lease_s, max_refusals
        self.owner = owner or f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"
        self.breaker = Breaker(self.clock, gaps_s, rng or random.Random())  # noqa: S311 - jitter, not a secret
        self._lanes: Lanes[Deliverer, Job, Attempt] = Lanes((connector, *beside), attempt)
        self._under_way: dict[str, OutboxItem] = {}  # in the lanes
        self._renewed_s = time.monotonic()
        self._finished: list[tuple[OutboxItem, DeliveryResult]] = []  # not yet noted in the records
        self._delivered = 0
        self._met: dict[str, int] = {}  # order -> how many had been delivered when it last met an outage
        self._broke: set[str] = set()  # orders that met a 5xx since anything was delivered
        self._told_of, self._breaker_told = told, ""
        self._error: str | None = None
        self._counted_s = float("-inf")

    def run(self, stop: threading.Event, *, poll_s: float = POLL_S, beat: Callable[[], None] = lambda: None) -> None:
        """Deliver until `stop` is set; what is being sent is finished first. Never raises RecordsError.

        beat : called before orders are taken, for a watchdog; an attempt takes up to three calls to the ERP.
        """
        while not stop.is_set():
            try:
                done = self.step(most=10**9, stop=stop, beat=beat)
            except RecordsError as error:  # busy, disk full: orders stay where they are
                self._tell(error.code, cause=str(error))
                done = 0
                stop.wait(1.0)
            if not done:
                stop.wait(poll_s)
        self._lanes.close()

    def step(
        self, most: int = 50, *, stop: threading.Event | None = None, beat: Callable[[], None] = lambda: None
    ) -> int:
        """Handle up to `most` due orders; returns how many attempts were made. Stops at the first sign of an outage.

        Raises RecordsError; what was not noted then is noted by the next call.
        """
        begun = 0
        while True:
            beat()
            self._report()
            wanted = 0 if stop is not None and stop.is_set() else min(self._lanes.free, most - begun)
            items = self._exchange(self.breaker.room(self._lanes.under_way, wanted))
            for item in items:
                self._under_way[item.order_key] = item
                self._lanes.begin(Job(item, self.breaker.round))
            begun += len(items)
            if not self._lanes.under_way:
                break
            for one in self._lanes.take(self.lease_s / 4):
                del self._under_way[one.job.item.order_key]
                self._finished.append((one.job.item, self._judged(one)))
            self._renew()
        self._report()
        return begun

    def _exchange(self, most: int) -> list[OutboxItem]:
        """Note what is finished, take more, in one transaction."""
        if not most and not self._finished:
            return []
        fresh = self.breaker.state != "closed"  # an order that always fails must not be all that ever finds out
        items, held = self.records.exchange_orders(
            self._finished, self.owner, self.lease_s, most, self.actor, fresh=fresh, besides=tuple(self._under_way)
        )
        for (item, result), ours in zip(self._finished, held, strict=True):
            ATTEMPTS.labels(result.outcome if ours else "fenced").inc()
            self._log(item, result, held=ours)
        self._finished = []
        return items

    def _renew(self) -> None:
        """Keep what is in the lanes: another sender would take it for abandoned and send it beside us."""
        now_s = time.monotonic()
        if self._lanes.under_way and now_s - self._renewed_s >= self.lease_s / 4:
            self._renewed_s = now_s
            self.records.renew_leases(tuple(self._under_way.values()), self.lease_s, self.actor)

    def _judged(self, one: Attempt) -> DeliveryResult:
        """The result of an attempt; a failure is one of the way to the ERP, or of the order."""
        item, failure = one.job.item, one.failure
        if one.result is not None or failure is None:
            self.breaker.answered(one.job.round)
            self._delivered += 1
            self._met.pop(item.order_key, None)
            self._broke.clear()
            return one.result or DeliveryResult("retry")
        if (isinstance(failure, BrokenError) and not self._breaks_for_all(item, failure)) or one.looked_up:
            self.breaker.answered(one.job.round)
            if isinstance(failure, RefusedError) or item.refusals + 1 >= self.max_refusals:
                return _parked(failure)
            return _again(failure, self.breaker.gap_s(item.failures + 1), blames=True)
        # A refused look-up (401: the secret is wrong) is no verdict on the order, and will meet the next one too.
        pause_s = self.breaker.failed(one.job.round, _said(failure), failure.retry_after_s)
        met = self._met.get(item.order_key, self._delivered)
        alone = isinstance(failure, UnavailableError) and met < self._delivered
        if alone and item.refusals + 1 >= self.max_refusals:
            return _parked(failure)
        if len(self._met) < MOST_MET:
            self._met[item.order_key] = self._delivered
        wait_s = max(pause_s, self.breaker.gap_s(item.failures + 1)) if alone else pause_s
        return _again(failure, wait_s, blames=alone)

    def _breaks_for_all(self, item: OutboxItem, failure: BrokenError) -> bool:
        """Whether the ERP answers 5xx to order after order and takes none: then it is away, and no order's fault."""
        if failure.status is None or failure.status < 500:
            return False
        if len(self._broke) < MANY_BROKEN:
            self._broke.add(item.order_key)
        return len(self._broke) >= MANY_BROKEN

    def _report(self) -> None:
        """Keep the gauges, and whoever wants to know, up to date."""
        state = self.breaker.state
        if state != self._breaker_told:
            self._breaker_told = state
            for one in STATES:
                BREAKER.labels(one).set(int(one == state))
            self._told_of(self.breaker)
        now_s = time.monotonic()
        if now_s - self._counted_s >= COUNT_S:
            self._counted_s = now_s
            for name, count in self.records.order_counts().items():
                ORDERS.labels(name).set(count)

    def _log(self, item: OutboxItem, result: DeliveryResult, *, held: bool) -> None:
        told = {"order": item.order_key, "asset": item.asset, "attempt": item.attempt, "status": result.status}
        if not held:
            log.warning("outbox.fenced", **told)
        elif result.outcome == "parked":
            log.error("outbox.parked", error=result.error, **told)
        elif result.outcome == "retry":
            self._tell(result.error or "", **told)
        elif item.failures or self._error is not None:
            self._error = None
            log.warning("outbox.recovered", number=result.external_number, **told)
        else:
            log.info("outbox.delivered", number=result.external_number, **told)

    def _tell(self, error: str, **told: object) -> None:
        """Log an error once, not for each attempt that meets it."""
        if error != self._error:
            self._error = error
            log.warning("outbox.retrying", error=error, **told)


def _again(failure: SendError, wait_s: float, *, blames: bool) -> DeliveryResult:
    wait_s = wait_s if failure.retry_after_s is None else failure.retry_after_s
    return DeliveryResult("retry", failure.status, _said(failure), retry_after_s=wait_s, blames_order=blames)


def _parked(failure: SendError) -> DeliveryResult:
    return DeliveryResult("parked", failure.status, _said(failure))


def _said(failure: SendError) -> str:
    return f"{failure.status or type(failure).__name__}: {failure.detail}"
