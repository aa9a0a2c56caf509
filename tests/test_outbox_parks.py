"""Parked orders and what late data makes of them: a word holds, a refusal is of one revision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from andon.readings import NS_PER_S
from andon.records import SYSTEM_FLOW, SYSTEM_SENDER, DeliveryResult, OutboxItem, Records
from tests.records_world import ADMIN, QUALITY, RAISED, fresh

REFUSED = DeliveryResult("parked", 422, "422: no such asset")


@pytest.fixture
def records(tmp_path):
    with fresh(tmp_path) as mine:
        mine.apply_conditions([RAISED], SYSTEM_FLOW)
        yield mine


def revise(records: Records, number: int = 1) -> None:
    begun = replace(RAISED, kind="revised", begun_ns=RAISED.start_ns - number * NS_PER_S, offset=300 + number)
    records.apply_conditions([begun], SYSTEM_FLOW)


def claim(records: Records) -> OutboxItem | None:
    return records.claim_order("sender", 60.0, SYSTEM_SENDER)


def stands(records: Records) -> tuple[str, int]:
    (order,) = records.orders()
    return order.state, order.revision


def test_what_somebody_parked_waits_for_a_word_and_then_goes_as_it_is(records):
    (order,) = records.orders()
    records.park_order(order.order_key, ADMIN, "double in the ERP")
    revise(records)
    assert stands(records) == ("parked", 2)
    assert claim(records) is None
    records.release_order(order.order_key, QUALITY, "cancelled there")
    item = claim(records)
    assert item is not None
    assert (item.revision, '"revision":2' in item.body) == (2, True)


def test_a_word_holds_over_a_refusal_and_over_a_lease(records):
    item = claim(records)
    assert records.finish_order(item, REFUSED, SYSTEM_SENDER)
    revise(records)
    item = claim(records)  # the refusal was of revision 1
    assert item.revision == 2
    records.park_order(item.order_key, ADMIN, "double in the ERP")
    revise(records, 2)
    assert not records.finish_order(item, REFUSED, SYSTEM_SENDER)
    assert stands(records) == ("parked", 3)
    assert claim(records) is None


def test_a_refusal_of_an_older_revision_does_not_park_the_newer_one(records):
    item = claim(records)
    revise(records)
    assert records.finish_order(item, REFUSED, SYSTEM_SENDER)
    assert stands(records) == ("pending", 2)
    assert [one for one in records.alarms() if one.rule_id == "erp-parked"] == []
    item = claim(records)
    assert (item.revision, item.refusals, item.last_error) == (2, 0, "422: no such asset")
    assert records.finish_order(item, REFUSED, SYSTEM_SENDER)
    assert stands(records) == ("parked", 2)
    assert [one.outcome for one in records.deliveries(item.order_key)] == ["parked", "parked"]
