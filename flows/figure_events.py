"""What happened to the assets of a shard, in event time, for the machines that ask for it."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from andon.packed import pack, unpack
from andon.readings import Event

MOST = 4_096  # of an asset; the oldest go first


@dataclass(frozen=True, slots=True, order=True)
class Heard:
    """An event as machines read it; number: its place in the log's order."""

    time_ns: int
    number: int
    event: str = field(compare=False)
    data: Mapping[str, Any] = field(compare=False)


class EventsOf:
    """The events of one asset in order of time, ties in log order. One that is sent again counts once."""

    def __init__(self) -> None:
        self._heard: list[Heard] = []
        self._number = 0
        self._packed: bytes | None = None

    def add(self, event: Event) -> bool:
        """False for one that is known."""
        data = {str(key): value for key, value in event.data.items()}
        at = bisect_left(self._heard, Heard(event.time_ns, -1, "", {}))
        for one in self._heard[at:]:
            if one.time_ns != event.time_ns:
                break
            if one.event == event.event and one.data == data:
                return False
        self._number += 1
        insort(self._heard, Heard(event.time_ns, self._number, event.event, data))
        del self._heard[: max(0, len(self._heard) - MOST)]
        self._packed = None
        return True

    @property
    def newest_ns(self) -> int:
        """Time of the newest one; long ago where there is none."""
        return self._heard[-1].time_ns if self._heard else -(2**63)

    def between(self, start_ns: int, end_ns: int) -> list[Heard]:
        """Those with a time in [start_ns, end_ns)."""
        if not self._heard or self._heard[-1].time_ns < start_ns:
            return []
        first = bisect_left(self._heard, Heard(start_ns, -1, "", {}))
        return self._heard[first : bisect_left(self._heard, Heard(end_ns, -1, "", {}))]

    def forget(self, before_ns: int) -> None:
        """Let go of what is older."""
        first = bisect_left(self._heard, Heard(before_ns, -1, "", {}))
        if first:
            del self._heard[:first]
            self._packed = None

    def snapshot(self) -> bytes:
        """All of it, packed; made anew only where something changed."""
        if self._packed is None:
            told = tuple((one.time_ns, one.number, one.event, dict(one.data)) for one in self._heard)
            self._packed = pack((self._number, told))
        return self._packed

    def restore(self, packed: bytes) -> None:
        """Take over a snapshot."""
        self._number, told = unpack(packed)
        self._heard, self._packed = [Heard(*one) for one in told], packed
