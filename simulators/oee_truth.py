"""Time elements, counts and losses of a simulated machine, from its hidden state second by second.

The model is that of ISO 22400-2 as docs/figures/oee.md tells it, worked out here in whole seconds; nothing of
operators/ is used. Shifts are read off the wall clock minute by minute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from simulators.figure_truth import MODES, Flags, MachineTrace

OWN, DOWN = ("Holding", "Held", "Unholding"), ("Stopping", "Stopped")
OUTSIDE, BETWEEN = ("Suspending", "Suspended", "Unsuspending"), ("Starting", "Resetting", "Completing")
#: What time in each PackML state of the simulated machines is.
MEANS: Mapping[str, str] = {
    "Execute": "apt", "Idle": "idle", **dict.fromkeys(OWN, "internal_stop"), **dict.fromkeys(DOWN, "down"),
    **dict.fromkeys(OUTSIDE, "external_stop"), **dict.fromkeys(BETWEEN, "transition"),
}  # fmt: skip
ELEMENTS = ("apt", "internal_stop", "external_stop", "down", "idle", "transition", "planned_down")


@dataclass(frozen=True, slots=True)
class WallShift:
    """A shift of the wall clock, minutes after midnight; an end not later than its begin is of the next day.

    breaks: (begin, length), minutes; none over midnight. weekdays: on which it begins, Monday is 0.
    """

    name: str
    begins: int
    ends: int
    weekdays: tuple[int, ...] = tuple(range(7))
    breaks: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Wall:
    """By second: whether production is planned, and name and day (YYYY-MM-DD) of the shift, empty outside."""

    planned: Flags
    shift: NDArray[np.str_]
    day: NDArray[np.str_]


def wall_of(timezone: str, shifts: Sequence[WallShift], start_s: int, seconds: int) -> Wall:
    """What the wall clock of a zone says of each second since start_s (Unix time, a full minute)."""
    zone = ZoneInfo(timezone)
    rows = [_minute(datetime.fromtimestamp(start_s + at, zone), shifts) for at in range(0, seconds, 60)]
    columns = [np.repeat(np.array(column), 60)[:seconds] for column in zip(*rows, strict=True)]
    return Wall(columns[0].astype(np.bool_), columns[1], columns[2])


def _minute(local: datetime, shifts: Sequence[WallShift]) -> tuple[bool, str, str]:
    now, today = 60 * local.hour + local.minute, local.date()
    for one in shifts:
        over_night = one.ends <= one.begins
        yesterday = today - timedelta(days=1)
        if one.begins <= now and (over_night or now < one.ends):
            day = today
        elif over_night and now < one.ends:
            day = yesterday
        else:
            continue
        if day.weekday() not in one.weekdays:
            continue
        paused = any(begin <= now < begin + length for begin, length in one.breaks)
        return not paused, one.name, day.isoformat()
    return False, "", ""


class MachineTruth:
    """A machine's true figures of any stretch of seconds. micro_s: longest stop that is a micro-stop."""

    def __init__(self, trace: MachineTrace, planned: Flags, micro_s: int) -> None:
        self.trace = trace
        self._means = np.array([ELEMENTS.index(MEANS[mode]) for mode in MODES], np.uint8)[trace.mode]
        self._means[~planned & (self._means != ELEMENTS.index("apt"))] = ELEMENTS.index("planned_down")
        self._stops = _runs(np.isin(self._means, [ELEMENTS.index(name) for name in ("internal_stop", "down")]))
        self._micro_s = micro_s
        self._rejects = np.diff(trace.total - trace.good, prepend=trace.total[:1] - trace.good[:1])

    def elements_s(self, begin: int, end: int) -> dict[str, int]:
        """Seconds of each of ELEMENTS in [begin, end)."""
        counts = np.bincount(self._means[begin:end], minlength=len(ELEMENTS))
        return dict(zip(ELEMENTS, counts.tolist(), strict=True))

    def counts(self, begin: int, end: int) -> tuple[int, int]:
        """(all, good) items that were made in the seconds [begin, end), begin >= 1."""
        total, good = self.trace.total, self.trace.good
        return int(total[end - 1] - total[begin - 1]), int(good[end - 1] - good[begin - 1])

    def stops_s(self, begin: int, end: int) -> tuple[int, int]:
        """Seconds of (breakdowns, micro-stops) in [begin, end).

        A stop that still stands at the end is what its length so far says, as anybody had to judge it there.
        """
        breakdown = micro = 0
        for first, last in self._stops:
            until = min(last, end)
            inside = until - max(first, begin)
            if inside > 0:
                breakdown, micro = (
                    (breakdown, micro + inside) if until - first <= self._micro_s else (breakdown + inside, micro)
                )
        return breakdown, micro

    def long_stops(self, begin: int, end: int) -> list[tuple[int, int]]:
        """[first, last) of the stops in [begin, end) that are longer than a micro-stop."""
        return [(first, last) for first, last in self._stops if begin <= first < end and last - first > self._micro_s]

    def losses_s(self, begin: int, end: int, cycle_s: float) -> dict[str, float]:
        """Losses of [begin, end) at an ideal time per item, and what is lost in all: busy time less the good items'.

        begin >= 1. startup: of items that came out while the machine was starting; all others are defects.
        """
        one, (made, good) = self.elements_s(begin, end), self.counts(begin, end)
        breakdown, micro = self.stops_s(begin, end)
        startup = int(self._rejects[begin:end][self.trace.mode[begin:end] == MODES.index("Starting")].sum())
        found = {
            "breakdown": float(breakdown), "micro_stop": float(micro), "setup": float(one["transition"]),
            "speed": one["apt"] - cycle_s * made, "startup": cycle_s * startup,
            "defect": cycle_s * (made - good - startup),
            "external": float(one["external_stop"]), "idle": float(one["idle"]),
        }  # fmt: skip
        return found | {"lost": end - begin - one["planned_down"] - cycle_s * good}


def _runs(flags: Flags) -> list[tuple[int, int]]:
    """[first, last) of each unbroken stretch."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
