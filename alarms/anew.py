"""A stretch of one series judged anew in event-time order, and how it compares with what was told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alarms.kernels import CHANGE, IDLE, LANE, LONG_AGO, PENDING, RAISED, STUCK, judge_rows, judge_until
from andon.readings import F64, I64, U8

_ROOM = 256  # changes at once


class Found(NamedTuple):
    """A condition as the readings show it. Times in ns; cleared None: it is open; out: time beyond the limit."""

    start: int
    cleared: int | None
    peak: float
    out: int
    upper: bool


@dataclass(slots=True)
class Told:
    """A condition as it was told last."""

    rule: int  # place in the engine's table of rules
    start: int  # the identity; it stays
    begun: int  # where the crossing is by what is known now
    cleared: int | None
    peak: float  # NaN: not known, from state of a version that did not keep it
    out: int
    upper: bool
    late: bool
    voided: bool = False
    merged_into: int | None = None

    def holds(self, time_ns: int) -> bool:
        """Whether it goes on at a time, its ends included."""
        return self.begun <= time_ns and (self.cleared is None or time_ns <= self.cleared)

    def overlaps(self, found: Found) -> bool:
        """Whether they share a time, their ends included."""
        return (found.cleared is None or self.begun <= found.cleared) and (
            self.cleared is None or found.start <= self.cleared
        )


class Verdict(NamedTuple):
    """What a rule makes of n rows. phase uint8[n]: after each row; lane LANE[1]: after the last."""

    found: list[Found]
    phase: U8
    lane: NDArray[np.void]


def judge(time: I64, value: F64, rule: NDArray[np.void], until: int | None) -> Verdict:
    """Rows sorted by time, finite values, under RULE[1]; until: how long the last value is held, None: not at all.

    Nothing is going on before the first row. Cost: as the rows themselves, 10-30 ns each.
    """
    lane, out = fresh_lane(), np.zeros(_ROOM, CHANGE)
    phase = np.zeros(len(time), np.uint8)
    found: list[Found] = []
    at = 0
    while at < len(time):
        at, written = judge_rows(at, time, value, lane, rule, 0, phase, out)
        _take(found, out[:written])
    if until is not None and len(time) and time[-1] < until:
        _take(found, out[: judge_until(until, lane, rule, 0, out)])
    if found and found[-1].cleared is None:
        one = lane[0]
        found[-1] = found[-1]._replace(peak=float(one["peak"]), out=int(one["out"]))
    return Verdict(found, phase, lane)


def fresh_lane() -> NDArray[np.void]:
    """LANE[1] in which nothing goes on and nothing was told."""
    lane = np.zeros(1, LANE)
    lane["told_start"] = lane["decided"] = LONG_AGO
    return lane


def _take(found: list[Found], changes: NDArray[np.void]) -> None:
    for row in changes:
        if row["kind"] == RAISED:
            found.append(Found(int(row["begun"]), None, float(row["peak"]), int(row["out"]), bool(row["upper"])))
        else:
            found[-1] = Found(
                int(row["begun"]), int(row["cleared"]), float(row["peak"]), int(row["out"]), bool(row["upper"])
            )


def settled(time: I64, value: F64, rule: Any, phase: U8) -> NDArray[np.bool_]:
    """bool[n]: nothing is open or pending after the row, whatever came before it.

    A stuck rule always has a reference: settled is a row that becomes the reference whichever it was before.
    """
    if rule["kind"] != STUCK:
        idle: NDArray[np.bool_] = phase == IDLE
        return idle
    anew: NDArray[np.bool_] = resets(time, value, rule) & (phase == PENDING)
    return anew


def resets(time: I64, value: F64, rule: Any) -> NDArray[np.bool_]:
    """bool[n]: rows that a stuck rule takes as a new reference, if nothing is open: jumps and gaps; not the first."""
    out: NDArray[np.bool_] = np.zeros(len(time), bool)
    out[1:] = (np.abs(np.diff(value)) > 2 * rule["deadband"]) | (np.diff(time) > rule["on_ns"])
    return out


def matched(told: Sequence[Told], found: Sequence[Found]) -> tuple[list[Told | None], dict[int, Told]]:
    """Which told condition each found one is, and which told ones became a part of another.

    told, found: each in order of time. returns (for each found: the told one, None where it is new; by identity of
    a told one: the one that it merged into). Told ones in neither were never there. The earliest told one of a found
    one stays its record, unless that one is the record of an earlier found one; what is voided comes back rather than
    that a second record is made.
    """
    owners: list[Told | None] = [None] * len(found)
    parts: dict[int, Told] = {}
    for one in sorted((one for one in told if not one.voided), key=lambda one: (one.begun, one.start)):
        places = [at for at, other in enumerate(found) if one.overlaps(other)]
        free = next((at for at in places if owners[at] is None), None)
        if free is not None:
            owners[free] = one
        elif places:
            owner = owners[places[0]]
            parts[one.start] = owner if owner is not None else one
    for one in told:
        if one.voided:
            free = next((at for at, other in enumerate(found) if owners[at] is None and one.overlaps(other)), None)
            if free is not None:
                owners[free] = one
    return owners, parts
