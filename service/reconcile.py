"""Compare the outbox with the ERP, and park what is doubled: no more is sent to it until a person has looked."""

from __future__ import annotations

from dataclasses import dataclass

from andon.clock import Clock
from andon.records import Actor, Records
from sinks.erp.port import ErpConnector, lacking
from sinks.erp.reconcile import Difference, differences

EVERY = 10**9


@dataclass(frozen=True, slots=True)
class Reconciled:
    """orders, records: how many were compared. parked: keys of the orders that were parked by it."""

    orders: int
    records: int
    found: tuple[Difference, ...]
    parked: tuple[str, ...]


def reconcile(
    records: Records, erp: ErpConnector, clock: Clock, *, since_ns: int, actor: Actor | None, reason: str
) -> Reconciled:
    """List what the ERP holds, compare, and park the doubles as `actor`; None: park nothing.

    Raises SendError when the ERP cannot list or be reached, AccessError when the actor may not park.
    """
    if "list" not in erp.features:
        raise lacking("list")
    began_ns = clock.now_ns()
    listed = list(erp.records(since_ns))
    orders = records.orders(limit=EVERY)
    found = differences(orders, listed, since_ns=since_ns, began_ns=began_ns)
    doubled = dict.fromkeys(one.key for one in found if one.kind == "doubled")
    parked = [key for key in doubled if actor is not None and records.park_order(key, actor, reason)]
    return Reconciled(len(orders), len(listed), tuple(found), tuple(parked))
