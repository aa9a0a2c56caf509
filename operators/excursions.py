"""Excursions of a temperature: from the crossing of a label limit until it is back inside by the hysteresis.

The start is the crossing, not the confirmation. A time without data inside an excursion counts as out. What lasts no
longer than the hold-off is no excursion. Door and defrost are told beside it, they do not excuse it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from andon.readings import F64, I32, I64, NS_PER_S, U8
from operators.cold_chain import HOTTEST_C, ZERO_CELSIUS
from operators.contacts import Contact, Warming
from operators.event_data import LONGEST
from operators.held import ABOVE, ABOVE_MIN, BELOW, BELOW_MIN, BEYOND, COVERED, MAXIMUM, MINIMUM, UNCERTAIN, Held
from operators.lots import Present
from operators.machines import Happened, Inputs, Made
from operators.profiles import Profile

LAYOUT = 1
REACH_NS = 86_400 * NS_PER_S  # how far back a crossing is looked for where a machine begins anew
_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def next_change(value: F64, begin: int, side: int, low: float, high: float, hysteresis: float) -> int:
    """The first row from begin on with which an excursion begins (side 0) or ends (1 above, -1 below); n: none."""
    for row in range(begin, len(value)):
        x = value[row]
        if not -ZERO_CELSIUS < x < HOTTEST_C:
            continue
        if side == 0:
            if x > high or x < low:
                return row
        elif side > 0:
            if x < high - hysteresis or (hysteresis == 0.0 and x <= high):
                return row
        elif x > low + hysteresis or (hysteresis == 0.0 and x >= low):
            return row
    return len(value)


@dataclass(frozen=True, slots=True)
class Terms:
    """When an excursion is one: Cel, ns. within_ns: so long after the door or a defrost it is put down to it."""

    hysteresis_c: float
    hold_off_ns: int
    within_ns: int


class ExcursionMachine:
    """Excursions of one temperature (input 0), one figure each.

    causes: of door and defrost, in this order, the number of its input and what reads it; None: there is none. What
    ended by begin_ns is not told: it was before.
    """

    def __init__(
        self,
        begin_ns: int,
        held: Held,
        terms: Terms,
        profile: Profile,
        causes: Sequence[tuple[int, Contact | Warming | None]],
    ) -> None:
        self._begin_ns = self._upto_ns = begin_ns
        self._held, self._terms, self._profile = held, terms, profile
        self._causes = tuple(causes)
        self._present = Present()
        self._side = 0
        self._start_ns = 0
        self._why: tuple[bool | None, ...] = (None, None)
        self._lots: dict[str, None] = {}

    def step(self, inputs: Inputs, upto_ns: int) -> list[Made]:
        """See `Machine.step`."""
        made: list[Made] = []
        rest = _Rest(inputs)
        time_ns, value, status = rest.probe()
        limits, hysteresis, at = self._held.limits, self._terms.hysteresis_c, 0
        while len(value):
            change = next_change(value, at, self._side, limits.low, limits.high, hysteresis)
            if self._side:
                self._held.rows(time_ns[at:change], value[at:change], status[at:change])
            if change == len(value):
                break
            made += self._changed(int(time_ns[change]), float(value[change]), rest)
            at = change
        self._go_on(rest, upto_ns)
        self._upto_ns = upto_ns
        return made

    def _changed(self, at_ns: int, value: float, rest: _Rest) -> list[Made]:
        """The excursion ends, or one begins, or both."""
        self._go_on(rest, at_ns)
        made: list[Made] = []
        self._held.settle(at_ns)
        if self._side:
            made = self._made(self._held, at_ns)
            self._side = 0
        limits = self._held.limits
        if value > limits.high or value < limits.low:
            self._go_on(rest, at_ns + 1)
            self._side, self._start_ns = (1 if value > limits.high else -1), at_ns
            self._lots = dict.fromkeys(stay.lot for stay in self._present.stays)
            self._why = tuple(
                None if one is None else one.within(at_ns, self._terms.within_ns) for _, one in self._causes
            )
        self._held.begin(at_ns)
        return made

    def _go_on(self, rest: _Rest, upto_ns: int) -> None:
        """Doors and lots up to upto_ns, exclusive."""
        for number, cause in self._causes:
            if cause is not None:
                cause.take(*rest.take(number, upto_ns))
        for one in rest.events(upto_ns):
            self._present.take(one)
            if self._side:
                self._lots.update(dict.fromkeys(stay.lot for stay in self._present.stays))

    def _made(self, held: Held, end_ns: int) -> list[Made]:
        """The excursion up to end_ns, if it is longer than the hold-off; held is settled there."""
        if end_ns - self._start_ns <= self._terms.hold_off_ns or end_ns <= self._begin_ns:
            return []
        above = self._side > 0
        duration_s = (end_ns - self._start_ns) / NS_PER_S
        blind_s = duration_s - held.seconds(COVERED)
        door, defrost = ((None if one is None else one and above) for one in self._why)
        frozen = self._profile.frozen
        parts = {
            "duration_s": duration_s, "out_s": held.seconds(ABOVE if above else BELOW) + blind_s, "blind_s": blind_s,
            "uncertain_s": held.seconds(UNCERTAIN), "beyond_s": held.seconds(BEYOND),
            "hold_off_s": self._terms.hold_off_ns / NS_PER_S,
            "peak": held.number(MAXIMUM if above else MINIMUM), "mean": held.mean, "mkt": None if frozen else held.mkt,
            "out_c_min": held.amount(ABOVE_MIN if above else BELOW_MIN), "above": float(above),
            "door": None if door is None else float(door), "defrost": None if defrost is None else float(defrost),
            "unexplained": float(not (door or defrost)), "lots": float(len(self._lots)),
        }  # fmt: skip
        cause = "+".join(name for name, one in (("door", door), ("defrost", defrost)) if one)
        about = {"side": "above" if above else "below", "cause": cause or "none", **self._profile.about}
        if self._lots:
            about["lot"] = _names(self._lots)
        return [Made(self._start_ns, end_ns, parts, about)]

    def running(self) -> list[Made]:
        """The excursion so far, once it is confirmed."""
        if not self._side or self._upto_ns <= self._start_ns:
            return []
        return self._made(self._held.at(self._upto_ns), self._upto_ns)

    def snapshot(self) -> tuple[Any, ...]:
        """Layout, the open excursion, what stands, doors, lots."""
        causes = tuple(None if one is None else one.snapshot() for _, one in self._causes)
        state = (self._upto_ns, self._side, self._start_ns, self._why, tuple(self._lots))
        return (LAYOUT, state, self._held.snapshot(), causes, self._present.snapshot())

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot; ValueError for another layout."""
        if snapshot[0] != LAYOUT:
            raise ValueError(f"excursions: layout {snapshot[0]}, {LAYOUT} is known")
        _, (self._upto_ns, self._side, self._start_ns, self._why, lots), held, causes, present = snapshot
        self._lots = dict.fromkeys(lots)
        self._held.restore(held)
        self._present.restore(present)
        for (_, one), kept in zip(self._causes, causes, strict=True):
            if one is not None:
                one.restore(kept)


def _names(lots: Iterable[str]) -> str:
    """Names of lots as far as they fit whole: half a name is another lot's."""
    told = ""
    for lot in lots:
        longer = f"{told},{lot}" if told else lot
        if len(longer) > LONGEST:
            break
        told = longer
    return told


class _Rest:
    """What of a step is still to come: rows of the contacts and events, taken up to an instant at a time."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs
        self._from: dict[int, int] = {}
        self._event = 0

    def probe(self) -> tuple[I64, F64, U8]:
        """Rows of input 0; of one stamp the last, since the others stood for no time."""
        rows = self._inputs
        if not len(rows):
            return rows.time_ns, rows.value, rows.status
        mine: I32 = np.flatnonzero(rows.input == 0).astype(np.int32)
        time_ns = rows.time_ns[mine]
        if len(mine) > 1:
            last = np.append(time_ns[1:] != time_ns[:-1], True)
            mine, time_ns = mine[last], time_ns[last]
        return time_ns, rows.value[mine], rows.status[mine]

    def take(self, number: int, upto_ns: int) -> tuple[I64, F64]:
        """Rows of another input before upto_ns that were not taken yet."""
        rows = self._inputs
        begin, end = self._from.get(number, 0), int(np.searchsorted(rows.time_ns, upto_ns))
        self._from[number] = max(begin, end)
        mine = rows.input[begin:end] == number
        return rows.time_ns[begin:end][mine], rows.value[begin:end][mine]

    def events(self, upto_ns: int) -> Sequence[Happened]:
        """Events before upto_ns that were not taken yet."""
        begin, events = self._event, self._inputs.events
        while self._event < len(events) and events[self._event].time_ns < upto_ns:
            self._event += 1
        return events[begin : self._event]
