"""Which lots were at an asset when: from the events that say so. Pure.

Two ways of working are told apart by the events themselves. A machine makes one lot at a time: `order.started` (or any
other event of the machine's) with a lot ends the one before. A room holds many: each has its own `lot.started` and
`lot.ended` that names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from operators.event_data import LONGEST, text_of

OPEN_END = 2**63 - 1
EVENTS = ("lot.started", "lot.ended", "order.started", "order.ended")  # all that tell of lots


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


class Present:
    """The lots at one asset while its events go by, in order of time."""

    def __init__(self) -> None:
        self._there: dict[str, tuple[str, int, bool]] = {}  # product, since, whether an order brought it

    @property
    def stays(self) -> list[LotStay]:
        """Those that are there, in order of coming."""
        return [LotStay(lot, product, from_ns, OPEN_END) for lot, (product, from_ns, _) in self._there.items()]

    def take(self, one: Told) -> list[LotStay]:
        """Let an event happen; the stays that it ended, without those that lasted no time."""
        there, lot = self._there, text_of(one.data, "lot")
        ordered = [other for other, (_, _, by_order) in there.items() if by_order]
        left: list[LotStay] = []
        if one.event == "lot.ended":
            left = self._leave([lot] if lot in there else [] if lot else list(there), one.time_ns)
        elif one.event == "order.ended":
            left = self._leave(ordered, one.time_ns)
        elif one.event == "order.started":
            left = self._leave([other for other in ordered if other != lot], one.time_ns)
        if one.event in ("lot.started", "order.started") and lot:
            product = str(one.data.get("product") or "")[:LONGEST]
            there.setdefault(lot, (product, one.time_ns, one.event == "order.started"))
        return left

    def _leave(self, lots: Iterable[str], at_ns: int) -> list[LotStay]:
        gone = [(lot, *self._there.pop(lot)) for lot in lots]
        return [LotStay(lot, product, from_ns, at_ns) for lot, product, from_ns, _ in gone if from_ns < at_ns]

    def snapshot(self) -> tuple[Any, ...]:
        """Plain tuples."""
        return tuple((lot, *told) for lot, told in self._there.items())

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot."""
        self._there = {lot: (product, from_ns, by_order) for lot, product, from_ns, by_order in snapshot}


def stays(events: Iterable[Told]) -> list[LotStay]:
    """Every stay that the events of one asset tell, in order of their beginning. events: in order of time.

    lot.started {lot}: it came, beside those that are there. lot.ended {lot}: it went; without a lot: all went.
    order.started {lot}: it is the only one from now on. order.ended: the order's lot went. A lot that comes again while
    it is there changes nothing.
    """
    present = Present()
    done = [stay for one in events for stay in present.take(one)]
    return sorted([*done, *present.stays], key=lambda stay: (stay.from_ns, stay.lot))


def lots_at(events: Iterable[Told], start_ns: int, end_ns: int) -> list[LotStay]:
    """The stays that overlap [start_ns, end_ns); an instant where both are equal."""
    last = max(end_ns, start_ns + 1)
    return [stay for stay in stays(events) if stay.from_ns < last and stay.to_ns > start_ns]
