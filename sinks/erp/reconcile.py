"""What the outbox and the ERP say of each other, compared: missing, extra, changed and doubled records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from andon.records import OutboxRecord
from sinks.erp.port import ExternalRecord

Kind = Literal["missing", "extra", "changed", "doubled"]
Why = Literal["gone", "unknown", "kind", "id", "revision", "parked", "twice", "shared"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that does not fit.

    why  : missing gone: it was delivered and is not there. extra unknown: it carries a key that no order has.
           changed kind, id, revision: not as it was delivered; parked: it is there, and its order waits for a person.
           doubled twice: several records of one key in the ERP; shared: several orders name one record as theirs,
           and it is listed under the keys of several.
    order: of the outbox, None for an extra. records: of the ERP, none for a missing one.
    """

    kind: Kind
    why: Why
    key: str
    order: OutboxRecord | None
    records: tuple[ExternalRecord, ...] = ()


def differences(
    orders: Sequence[OutboxRecord], records: Iterable[ExternalRecord], *, since_ns: int, began_ns: int
) -> list[Difference]:
    """Compare every order with every record, by key; O(n) time and memory.

    orders  : all of the outbox, read after the records were listed: an order is there before its record is.
    records : as `ErpConnector.records(since_ns)` listed them. Records without a key are not Andon's.
    since_ns: only orders decided from then on must be there.
    began_ns: when the list was begun; what was delivered later may not stand in it as it is now.
    """
    by_key: defaultdict[str, dict[tuple[str, str], ExternalRecord]] = defaultdict(dict)
    carried: defaultdict[tuple[str, str], set[str]] = defaultdict(set)  # record -> its keys
    for record in records:
        if record.key:  # what changes while it is listed may come twice
            by_key[record.key][record.kind, record.id] = record
            carried[record.kind, record.id].add(record.key)
    found: list[Difference] = []
    for order in orders:
        found += _of_order(order, _whole(by_key.pop(order.order_key, {})), since_ns, began_ns)
    found += _shared(orders, carried)
    found += [Difference("extra", "unknown", key, None, _whole(extra)) for key, extra in by_key.items()]
    return found


def _of_order(
    order: OutboxRecord, records: tuple[ExternalRecord, ...], since_ns: int, began_ns: int
) -> Iterator[Difference]:
    told = order.delivered_revision > 0
    settled = told and order.delivered_ns is not None and order.delivered_ns < began_ns
    key = order.order_key
    if not records:
        if settled and order.created_ns >= since_ns:
            yield Difference("missing", "gone", key, order)
        return
    if len(records) > 1:
        yield Difference("doubled", "twice", key, order, records)
        return
    (record,) = records
    if record.kind and record.kind != order.kind:
        yield Difference("changed", "kind", key, order, records)
    if told and order.external_id and record.id != order.external_id:
        yield Difference("changed", "id", key, order, records)
    if record.revision > order.revision or (settled and record.revision < order.delivered_revision):
        yield Difference("changed", "revision", key, order, records)
    if order.state == "parked" and record.revision >= order.revision:
        yield Difference("changed", "parked", key, order, records)


def _whole(records: Mapping[tuple[str, str], ExternalRecord]) -> tuple[ExternalRecord, ...]:
    """Without those of revision 0 where there are others: one that was begun, and what has become of it since."""
    whole = tuple(record for record in records.values() if record.revision > 0)
    return whole or tuple(records.values())


def _shared(orders: Sequence[OutboxRecord], carried: Mapping[tuple[str, str], Collection[str]]) -> Iterator[Difference]:
    """Orders after the first that name the same record of the ERP as theirs.

    A record with one key is of that order alone. The others' records are missing: an ERP that was restored from a
    backup gives the same ids once more.
    """
    first: set[tuple[str, str]] = set()
    for order in sorted(orders, key=lambda one: (one.created_ns, one.order_key)):
        if order.external_id is not None:
            place = (order.kind, order.external_id)
            if len({*carried.get(place, ()), *carried.get(("", order.external_id), ())}) < 2:
                continue
            if place in first:
                yield Difference("doubled", "shared", order.order_key, order)
            first.add(place)
