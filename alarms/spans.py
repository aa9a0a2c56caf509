"""Which stretches of which series wait to be judged anew, and when it is their turn: by the count of ticks alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from andon.readings import NS_PER_S

QUIET_TICKS = 5  # no late row for so long: what came is judged
LONG_QUIET_TICKS = 60  # the same, where the rows after the last late one are still missing: more may be on its way
OLDEST_TICKS, OLDEST_OPEN_TICKS = 60, 600  # late rows keep coming: judged all the same after so long; open: as above
NEAR_NS = 60 * NS_PER_S  # late rows this near to each other, or three intervals, are one stretch
MOST_OF_SERIES = 8  # stretches; the nearest two become one beyond that
MOST_A_TICK = 64


@dataclass(slots=True)
class Span:
    """Event times of late rows, both ends included, and the ticks before which the first and the last of them came."""

    first: int
    last: int
    since: int
    latest: int


class Spans:
    """Stretches with late rows, by series."""

    def __init__(self) -> None:
        self._of: dict[int, list[Span]] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def note(self, series: int, time_ns: int, near_ns: int, ticks: int) -> None:
        """One late row of a series; near_ns: three of its intervals."""
        mine = self._of.setdefault(series, [])
        near = max(near_ns, NEAR_NS)
        for span in mine:
            if span.first - near <= time_ns <= span.last + near:
                span.first, span.last, span.latest = min(span.first, time_ns), max(span.last, time_ns), ticks
                break
        else:
            mine.append(Span(time_ns, time_ns, ticks, ticks))
            mine.sort(key=lambda one: one.first)
        self._join(series, near)

    def _join(self, series: int, near: int) -> None:
        mine = self._of[series]
        gaps = [after.first - before.last for before, after in pairwise(mine)]
        while gaps and (min(gaps) <= near or len(mine) > MOST_OF_SERIES):
            at = gaps.index(min(gaps))
            one, other = mine[at], mine.pop(at + 1)
            one.last, one.since, one.latest = (
                max(one.last, other.last), min(one.since, other.since), max(one.latest, other.latest),
            )  # fmt: skip
            gaps = [after.first - before.last for before, after in pairwise(mine)]

    def due(
        self, ticks: int, goes_on: Callable[[int, int], bool], patience: Callable[[int], int] = lambda _series: 0
    ) -> list[tuple[int, int, int]]:
        """(series, first, last) of those whose turn it is now; they are forgotten here. Those that wait longest first.

        goes_on: whether the series has a row soon after a time, so that nothing is missing behind it. patience: ticks
        that a stretch of the series waits at least, OLDEST_OPEN_TICKS at most.
        """
        ready = [
            (span.since, series, span.first, span.last)
            for series, mine in self._of.items()
            for span in mine
            if ticks - span.since >= min(patience(series), OLDEST_OPEN_TICKS)
            and _ready(span, ticks, lambda last, series=series: goes_on(series, last))  # type: ignore[misc] # bound now
        ]
        taken = sorted(ready)[:MOST_A_TICK]
        for _, series, first, _ in taken:
            left = [span for span in self._of[series] if span.first != first]
            if left:
                self._of[series] = left
            else:
                del self._of[series]
        return [(series, first, last) for _, series, first, last in taken]

    def snapshot(self) -> tuple[tuple[int, ...], ...]:
        """Plain tuples: series, first, last, since, latest."""
        return tuple(
            (series, span.first, span.last, span.since, span.latest)
            for series, mine in sorted(self._of.items())
            for span in mine
        )

    def restore(self, snapshot: tuple[tuple[int, ...], ...]) -> None:
        """Take over a snapshot."""
        self._of = {}
        for series, first, last, since, latest in snapshot:
            self._of.setdefault(series, []).append(Span(first, last, since, latest))


def _ready(span: Span, ticks: int, goes_on: Callable[[int], bool]) -> bool:
    quiet, age = ticks - span.latest, ticks - span.since
    if quiet >= LONG_QUIET_TICKS or age >= OLDEST_OPEN_TICKS:
        return True
    return (quiet == QUIET_TICKS or (age > 0 and age % OLDEST_TICKS == 0)) and goes_on(span.last)
