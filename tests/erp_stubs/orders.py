"""Orders as the records tell them, and a connector that is closed after use; for all suites of connectors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from andon.records import SYSTEM_FLOW, SYSTEM_SENDER, DeliveryResult
from tests.erp_stubs.worlds import World
from tests.records_world import fresh, orders

Order = tuple[str, str, bytes]  # kind, key, body
KINDS = ("quality_event", "maintenance_order")
DELIVERED = DeliveryResult("delivered", 200, external_id="1", external_number="1")


def told_orders(folder: Path) -> Callable[[int], Order]:
    """The `number`th of some orders as the records tell them: even ones quality events, odd ones maintenance orders."""
    records = fresh(folder)
    records.apply_conditions(orders(14), SYSTEM_FLOW)
    told = []
    while (item := records.claim_order("test", 3600.0, SYSTEM_SENDER)) is not None:
        told.append((item.kind, item.order_key, item.body.encode()))
        records.finish_order(item, DELIVERED, SYSTEM_SENDER)
    told.sort(key=lambda one: json.loads(one[2])["data"]["start"])
    assert [kind for kind, _, _ in told[:4]] == [*KINDS, *KINDS]
    return told.__getitem__


def revised(order: Order, revision: int = 2) -> Order:
    """The same order as a later revision, with another peak."""
    kind, key, body = order
    event = json.loads(body)
    event |= {"id": f"{key}.{revision}", "type": f"andon.{kind}.revised"}
    event["data"] |= {"revision": revision, "peak": 12.25, "cleared": "2026-01-01T01:02:03.000000Z"}
    return kind, key, json.dumps(event).encode()


@contextmanager
def connected(world: World) -> Iterator[Any]:
    erp = world.make()
    try:
        yield erp
    finally:
        erp.close()
