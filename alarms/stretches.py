"""A stretch of late rows, and from where on the rows of its series are to be read to judge it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alarms.anew import Told, resets
from alarms.kernels import ANOMALY, OPEN_END, STUCK
from andon.readings import F64, I64, NS_PER_S

STUCK_BACK_NS = 86_400 * NS_PER_S  # how far back a reference is looked for
LONG_NS = 600 * NS_PER_S  # ended conditions that lasted longer are not read again for late rows behind them
#: Usable rows of a series in [start, end), by time, ties in log order: records with time_ns, value.
Points = Callable[[int, int, int], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Stretch:
    """What of one series is to be judged: event times of its first and last late row, and how its live rows stand."""

    series: int
    first: int
    last: int
    near_ns: int
    newest: int
    until: int  # how long the newest value is held by what the ticks say
    oldest: int  # what goes on since before is left alone
    waiting: int  # event time of the first late row of the series that waits to be judged later; OPEN_END: none


class _Rows(NamedTuple):
    time: I64
    value: F64


class Rows(NamedTuple):
    """Finite values by time."""

    time: I64
    value: F64


def begin_of(points: Points, stretch: Stretch, alive: Sequence[Told], rules: NDArray[np.void]) -> int:
    """A time before the first late row at which nothing is going on whatever the late rows say.

    A row beyond a limit longer ago than the delay is either told of or forgotten since.
    """
    begin = int(stretch.first - rules["on_ns"].max() - 1)
    for rule in rules[rules["kind"] == STUCK]:
        begin = min(begin, _last_reset(points, stretch, rule))
    while True:
        holding = [
            one.begun for one in alive if one.begun < begin and (one.cleared is None or begin - 1 <= one.cleared)
        ]
        if not holding:
            return begin
        begin = min(holding)


def _last_reset(points: Points, stretch: Stretch, rule: Any) -> int:
    back = max(int(2 * rule["on_ns"]), stretch.near_ns)
    while back < STUCK_BACK_NS:
        rows = usable(points(stretch.series, stretch.first - back, stretch.first))
        anew = np.flatnonzero(resets(rows.time, rows.value, rule))
        if len(anew):
            return int(rows.time[anew[-1]])
        back *= 4
    return stretch.first - STUCK_BACK_NS


def usable(rows: NDArray[Any]) -> Rows:
    """Those of records that have a finite value."""
    value = np.ascontiguousarray(rows["value"], np.float64)
    time, finite = np.ascontiguousarray(rows["time_ns"], np.int64), np.isfinite(value)
    return Rows(time, value) if finite.all() else Rows(time[finite], value[finite])


def after_ended(
    points: Points, stretch: Stretch, begin: int, mine: Sequence[Told], places: Sequence[int], table: NDArray[np.void]
) -> int:
    """`begin`, or the time behind the long conditions from it on that ended before the first late row: they stay.

    What ended before every row that is not judged yet is as the journal's rows have it, so what follows can be judged
    from its end: nothing is going on there. OPEN_END: the journal no longer keeps the first row of what begins there,
    and then nothing is judged. mine: all told of the rule on the series; begin: as `begin_of` has it.
    """
    held = [one for one in mine if one.begun >= begin and one.begun < stretch.first and not one.voided]
    if min((one.begun for one in held), default=OPEN_END) != begin or any(one.cleared is None for one in held):
        return begin
    end = max(one.cleared or 0 for one in held)
    if end - begin < LONG_NS or end >= min(stretch.first, stretch.waiting):
        return begin
    if len(places) != 1 or table[places[0]]["kind"] >= ANOMALY or any(np.isnan(one.peak) for one in held):
        return begin
    if any(one.voided and (one.cleared or one.begun) > end >= one.begun for one in mine):
        return begin  # it may come back
    rule, value = table[places[0]], points(stretch.series, end, end + 1)["value"]
    if ((value > rule["high"]) | (value < rule["low"])).any():
        return begin  # of several rows at this time, some may be of what follows
    return end + 1 if len(points(stretch.series, begin, begin + 1)) else OPEN_END
