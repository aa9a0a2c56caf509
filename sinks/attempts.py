"""One attempt to deliver an order, look-ups included: what the sender does with a driver, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import structlog
from prometheus_client import Histogram

from andon.records import DeliveryResult, OutboxItem
from sinks.erp.port import BrokenError, BusyError, Deliverer, ExternalRecord, RefusedError, SendError

log = structlog.get_logger()

SECONDS = Histogram("andon_outbox_attempt_seconds", "Time of one attempt, look-up included")


@dataclass(frozen=True, slots=True)
class Job:
    """An order to be tried. round: of the breaker, when it was begun."""

    item: OutboxItem
    round: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of it: a result, or the failure.

    looked_up: the failure is a refusal, and a look-up showed that nothing was taken.
    """

    job: Job
    result: DeliveryResult | None
    failure: SendError | None = None
    looked_up: bool = False


def attempt(connector: Deliverer, job: Job) -> Attempt:
    """Try an order once: open, or find and then update or leave. Never raises.

    Any earlier attempt may have been taken though no answer came, so nothing is sent again without a look-up; nor is
    a refusal believed without one, since an ERP refuses what it holds already.
    """
    with SECONDS.time():
        try:
            return _tried(connector, job)
        except Exception as error:
            log.exception("outbox.connector_failed", order=job.item.order_key)
            return Attempt(job, None, BrokenError(None, f"{type(error).__name__} in the connector"))


def _tried(connector: Deliverer, job: Job) -> Attempt:
    try:
        return Attempt(job, _sent(connector, job.item))
    except SendError as failure:
        return _doubted(connector, job, failure)


def _sent(connector: Deliverer, item: OutboxItem) -> DeliveryResult:
    key, body = item.order_key, item.body.encode()
    found = connector.find(key) if item.attempt > 1 or item.doubtful else None
    if found is None:
        return _taken("delivered", connector.open(item.kind, key, body))
    if found.revision >= item.revision:
        return _held(item, found)
    return _taken("delivered", connector.update(item.kind, key, body, found))


def _doubted(connector: Deliverer, job: Job, failure: SendError) -> Attempt:
    """Look up what was refused with a 4xx; a refusal of the look-up is no verdict on the order."""
    refused = failure.status is not None and 400 <= failure.status < 500 and not isinstance(failure, BusyError)
    if not refused:
        return Attempt(job, None, failure, looked_up=isinstance(failure, RefusedError))
    try:
        found = connector.find(job.item.order_key)
    except SendError as lookup:
        return Attempt(job, None, lookup)
    if found is not None and found.revision >= job.item.revision:
        return Attempt(job, _held(job.item, found, failure.status))
    return Attempt(job, None, failure, looked_up=True)


def _held(item: OutboxItem, found: ExternalRecord, status: int | None = None) -> DeliveryResult:
    """The ERP holds this revision or a later one: one that we sent, unless our count was put back from a backup."""
    return _taken("behind" if item.doubtful else "found", found, status)


def _taken(
    outcome: Literal["delivered", "found", "behind"], record: ExternalRecord, status: int | None = None
) -> DeliveryResult:
    return DeliveryResult(
        outcome, status, external_id=record.id, external_number=record.number, revision=record.revision
    )
