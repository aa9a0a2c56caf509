"""Which lots were at an asset when: from the events that say so. Pure.

Two ways of working are told apart by the events themselves. A machine makes one lot at a time: `order.started` (or any
other event of the machine's) with a lot ends the one before. A room holds many: each has its own `lot.started` and
`lot.ended` that names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

OPEN_END = 2**63 - 1
LONGEST = 64  # characters of a lot's or product's name that are kept, as in the context of an alarm


class Told(Protocol):
    """An event as `lots_at` reads it: event time, subject.verb, and what the producer sent with it."""

    @property
    def time_ns(self) -> int: ...
    @property
    def event(self) -> str: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class LotStay:
    """A lot at an asset during [from_ns, to_ns), event time; to_ns is `OPEN_END` while it is there."""

    lot: str
    product: str
    from_ns: int
    to_ns: int


def stays(events: Iterable[Told]) -> list[LotStay]:
    """Every stay that the events of one asset tell, in order of their beginning. events: in order of time.

    lot.started {lot}: it came, beside those that are there. lot.ended {lot}: it went; without a lot: all went.
    order.started {lot}: it is the only one from now on. order.ended: the order's lot went. A lot that comes again while
    it is there changes nothing.
    """
    there: dict[str, tuple[str, int, bool]] = {}  # product, since, whether an order brought it
    done: list[LotStay] = []

    def leave(lots: Iterable[str], at_ns: int) -> None:
        for lot in list(lots):
            product, from_ns, _ = there.pop(lot)
            if from_ns < at_ns:
                done.append(LotStay(lot, product, from_ns, at_ns))

    for one in events:
        lot = _lot_of(one)
        ordered = [other for other, (_, _, by_order) in there.items() if by_order]
        if one.event == "lot.ended":
            leave([lot] if lot in there else () if lot else there, one.time_ns)
        elif one.event == "order.ended":
            leave(ordered, one.time_ns)
        elif one.event == "order.started":
            leave([other for other in ordered if other != lot], one.time_ns)
        if one.event in ("lot.started", "order.started") and lot:
            product = str(one.data.get("product") or "")[:LONGEST]
            there.setdefault(lot, (product, one.time_ns, one.event == "order.started"))
    done += [LotStay(lot, product, from_ns, OPEN_END) for lot, (product, from_ns, _) in there.items()]
    return sorted(done, key=lambda stay: (stay.from_ns, stay.lot))


def _lot_of(one: Told) -> str:
    lot = one.data.get("lot")
    return "" if lot is None else str(lot)[:LONGEST]


def lots_at(events: Iterable[Told], start_ns: int, end_ns: int) -> list[LotStay]:
    """The stays that overlap [start_ns, end_ns); an instant where both are equal."""
    last = max(end_ns, start_ns + 1)
    return [stay for stay in stays(events) if stay.from_ns < last and stay.to_ns > start_ns]
