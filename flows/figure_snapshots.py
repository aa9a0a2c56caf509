"""Snapshots of one machine to go back to, the fewer of them the older they are."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from andon.packed import pack, unpack
from andon.readings import NS_PER_S
from flows.figure_pages import Pages

#: Of snapshots up to so old (ns) the first of each step (ns) is kept.
LADDER = tuple(
    (step_s * NS_PER_S, age_s * NS_PER_S)
    for step_s, age_s in ((60, 180), (600, 1_800), (3_600, 14_400), (28_800, 172_800))
)
DAY_NS = 86_400 * NS_PER_S  # the step of all that are older
FRESH = b""  # in a record: a machine that begins there
Record = tuple[bytes, tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]  # machine, told, voids, missing


class Snapshots:
    """Records by time, of one machine."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self.kept: list[tuple[int, int]] = []  # at_ns, number of the record; -1: a fresh machine

    def begin(self, at_ns: int) -> None:
        """Forget all, and have a fresh machine at at_ns."""
        for _, number in self.kept:
            if number >= 0:
                self._pages.drop(number)
        self.kept = [(at_ns, -1)]

    def place(self, time_ns: int) -> int:
        """Of the last one at or before an instant; -1 where there is none."""
        return bisect_right(self.kept, time_ns, key=lambda one: one[0]) - 1

    def at(self, place: int) -> int:
        """Its time."""
        return self.kept[place][0]

    def record(self, place: int) -> Record:
        """A record."""
        number = self.kept[place][1]
        if number < 0:
            return FRESH, (), (), ()
        record: Record = unpack(self._pages.get(number))
        return record

    def keep(self, at_ns: int, *record: Any) -> None:
        """Have a record at at_ns, instead of one that was there."""
        place = self.place(at_ns)
        if place >= 0 and self.kept[place][0] == at_ns:
            if self.kept[place][1] >= 0:
                self._pages.drop(self.kept[place][1])
            del self.kept[place]
        else:
            place += 1
        before_ns = self.kept[place - 1][0] if place else -1
        steps = (*(step_ns for step_ns, _ in LADDER), DAY_NS)
        stream = sum(at_ns // step_ns != before_ns // step_ns for step_ns in steps)  # what goes at about the same time
        self.kept.insert(place, (at_ns, self._pages.put(pack(record), stream)))

    def thin(self, now_ns: int, oldest_ns: int) -> None:
        """Let go of some; the last one at or before oldest_ns stays, none before it."""
        seen, kept = set(), []
        behind = self.place(oldest_ns)
        for place, (at_ns, number) in enumerate(self.kept):
            age_ns = now_ns - at_ns
            step_ns = next((step for step, age in LADDER if age_ns <= age), DAY_NS)
            bucket = step_ns, at_ns // step_ns
            if place == len(self.kept) - 1 or place == behind or (place > behind and bucket not in seen):
                kept.append((at_ns, number))
                seen.add(bucket)
            elif number >= 0:
                self._pages.drop(number)
        self.kept = kept
