"""Asking the ERP: everybody's turn comes, whatever one record does."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import httpx
import pytest

from andon.clock import SystemClock
from andon.config.erp_back import ErpBack
from andon.erp_state import ErpState
from andon.records import SYSTEM_FLOW, SYSTEM_SENDER, DeliveryResult, Records
from service.erp_poller import AT_ONCE, PAUSES_S, Poller
from sinks.erp.port import BrokenError, RefusedError, UnavailableError
from sinks.erp.webhook import WebhookConnector
from sinks.outbox import Sender
from tests.records_world import SECRET, fresh, raised, stub_erp


class Erp:
    """The faults that no real receiver gives at will; `state` decides by key."""

    def __init__(self, state):
        self.state, self.asked = state, []

    def get_state(self, record):
        self.asked.append(record.key)
        return self.state(record.key)


def delivered(records: Records, erp) -> list[str]:
    sender = Sender(records, erp, records.clock)
    while sender.step():
        pass
    return sorted(one.order_key for one in records.orders(state="delivered"))


def test_a_real_receivers_word_arrives(tmp_path):
    with stub_erp(tmp_path) as (url, _), fresh(tmp_path / "r", SystemClock()) as records:
        records.apply_conditions([raised()], SYSTEM_FLOW)
        with closing(WebhookConnector(url, SECRET)) as erp:
            (key,) = delivered(records, erp)
            poller = Poller(records, erp, ErpBack(poll_s=0.0, closed=("fertig",)), records.clock)
            poller.step()
            assert httpx.post(f"{url}/standing", json={"key": key, "status": "fertig", "closed": False}).is_success
            poller.step()
        assert [row.comment for row in records.transitions(key) if row.kind == "erp_answered"][-1] == "fertig"


@pytest.mark.parametrize("failure", [BrokenError(500, "x"), RefusedError(403, "x"), RefusedError(None, "x")], ids=str)
def test_one_that_cannot_be_answered_for_does_not_keep_the_others_waiting(tmp_path, failure):
    records = fresh(tmp_path)
    keys = outstanding(records)

    def state(key):
        if key == keys[0]:
            raise failure
        return ErpState("open", closed=False)

    erp = Erp(state)
    poller = Poller(records, erp, ErpBack(poll_s=60.0), records.clock)
    for _ in range(4):
        poller.step()
        records.clock.advance(61)
    assert {key: erp.asked.count(key) for key in keys} == dict.fromkeys(keys, 4)
    records.close()


def test_an_erp_that_is_away_is_left_alone_for_a_while(tmp_path):
    records = fresh(tmp_path)
    outstanding(records)

    def away(_key):
        raise UnavailableError(None, "refused")

    poller = Poller(records, Erp(away), ErpBack(), records.clock)
    waits = [poller.step() for _ in range(5)]
    assert all(0.8 * wanted <= found <= wanted for found, wanted in zip(waits, (*PAUSES_S, PAUSES_S[-1]), strict=True))
    assert len(records.orders()) < AT_ONCE
    records.close()


def outstanding(records: Records) -> list[str]:
    """Five orders that the ERP has; their keys."""
    records.apply_conditions([raised(number, asset=f"cold/room{number}") for number in range(5)], SYSTEM_FLOW)
    result = DeliveryResult("delivered", 201, None, "1", "QE-1")
    keys = []
    while (item := records.claim_order("t", 60.0, SYSTEM_SENDER)) is not None:
        records.finish_order(item, replace(result, external_id=item.order_key), SYSTEM_SENDER)
        keys.append(item.order_key)
    return keys
