"""Asks the ERP how its records stand, and tells the records; for ERPs that do not tell by webhook.

Each open record is asked about every `poll_s` seconds, the one longest ago first. An ERP that is away is left alone for
a while; nothing is lost by that, the answer is only later.
"""

from __future__ import annotations

import random
from dataclasses import replace

import structlog

from andon.clock import Clock
from andon.config.erp_back import ErpBack
from andon.erp_state import ErpState
from andon.errors import RecordsError
from andon.readings import NS_PER_S
from andon.records import SYSTEM_ERP, Records
from andon.records.erp_answers import Asking
from sinks.erp.port import BusyError, ErpConnector, ExternalRecord, SendError, UnavailableError

log = structlog.get_logger()
PAUSES_S = (5.0, 15.0, 60.0, 300.0)
AT_ONCE = 20


def judged(state: ErpState, back: ErpBack) -> ErpState:
    """The state with what [erp.back] says of the ERP's words.

    >>> done = judged(ErpState("fertig", False), ErpBack(closed=("fertig",), verdicts={"fertig": "true"}))
    >>> done.closed, done.verdict
    (True, 'true')
    """
    verdict = back.verdicts.get(state.status, state.verdict)
    return replace(state, closed=state.closed or state.status in back.closed, verdict=verdict)


class Poller:
    """Asks about open records. clock: the machine's."""

    def __init__(
        self, records: Records, connector: ErpConnector, back: ErpBack, clock: Clock, rng: random.Random | None = None
    ) -> None:
        self.records, self.connector, self.back, self.clock = records, connector, back, clock
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._failures = 0
        self._told: str | None = None

    def step(self) -> float:
        """One round; returns how long to wait before the next, s. Never raises SendError or RecordsError."""
        before_ns = self.clock.now_ns() - round(self.back.poll_s * NS_PER_S)
        try:
            asked = self.records.orders_to_ask(before_ns, AT_ONCE)
            for one in asked:
                self._ask(one)
        except (SendError, RecordsError) as error:
            if error.code != self._told:
                self._told = error.code
                log.warning("erp.not_asked", error=error.code, cause=str(error))
            self._failures += 1
            return PAUSES_S[min(self._failures, len(PAUSES_S)) - 1] * self._rng.uniform(0.8, 1.0)
        if self._told is not None:
            log.warning("erp.asked_again")
        self._failures, self._told = 0, None
        return 0.0 if len(asked) == AT_ONCE else min(1.0, self.back.poll_s)

    def _ask(self, one: Asking) -> None:
        record = ExternalRecord(one.external_id, one.external_number, one.revision, one.order_key, one.kind)
        try:
            state = self.connector.get_state(record)
        except (UnavailableError, BusyError):
            raise
        except SendError as error:  # about this record; the others are asked all the same
            if error.status == 401:
                raise
            if error.status == 404:  # somebody removed it there: to be seen, not to be taken for done
                self.records.erp_answered(one.order_key, ErpState("deleted", closed=False), SYSTEM_ERP)
                return
            log.warning("erp.no_state", order=one.order_key, status=error.status, error=error.detail)
            self.records.erp_asked(one.order_key, SYSTEM_ERP)
            return
        self.records.erp_answered(one.order_key, judged(state, self.back), SYSTEM_ERP)
